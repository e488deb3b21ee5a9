package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"papillon/msnp"
)

// This file makes a user's lists like the one that a network keeps. The network
// is right, but for changes that are still on their way to it.

const (
	// rosterWait is how long a client waits for its lists because a network has
	// not told its own yet.
	rosterWait = 4 * time.Second
	// rosterBatch is how many contacts are stored in one change.
	rosterBatch = 100
)

// wakeRosters has the networks that keep contact lists sign in, before the
// client sets a status: it asks for its lists first. Owned.
func (u *user) wakeRosters() {
	for _, l := range u.links {
		if _, ok := l.account.(RosterKeeper); ok {
			l.presence.want(Presence{Show: Hidden})
		}
	}
}

// awaitRosters waits for the networks that keep contact lists, for a while.
func (u *user) awaitRosters(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rosterWait)
	defer cancel()
	for _, l := range u.gateway.linksOf(u.handle) {
		keeper, ok := l.account.(RosterKeeper)
		if !ok {
			continue
		}
		l.presence.settle(ctx) // before, it is still the last session's roster
		if err := keeper.RosterReady(ctx); err != nil {
			l.log.Info().Err(err).Msg("The network's contact list is not there yet; the client gets the last one known")
		}
	}
}

// listing is one entry to be put on a list or taken off.
type listing struct {
	list    msnp.List
	contact ContactRecord
	name    string // as the network has it; may be empty
	added   bool
}

// rosterReceived makes the lists like the network's.
func (l *link) rosterReceived(ctx context.Context, e RosterReceived) error {
	u := l.gateway.user(l.owner)
	if u == nil {
		return nil // told again at the next sign-in
	}
	there := make(map[RemoteID]bool, len(e.Entries))
	for batch := range slices.Chunk(e.Entries, rosterBatch) {
		var listings []listing
		err := l.gateway.Storage.Atomically(ctx, func(ctx context.Context) error {
			listings = listings[:0]
			for _, entry := range batch {
				there[entry.Contact.ID] = !entry.Unlisted
				changes, err := l.compare(ctx, u, entry)
				if err != nil {
					return err
				}
				listings = append(listings, changes...)
			}
			return nil
		})
		if err == nil {
			err = l.apply(ctx, u, listings)
		}
		if err != nil {
			return err
		}
	}
	gone, err := l.goneReverse(ctx, u, there)
	if err != nil {
		return err
	}
	return l.apply(ctx, u, append(l.gone(u, there), gone...))
}

// goneReverse are the entries on RL of people whom the network's list does not have at
// all any more: they do not see the user. Those who have only asked are not on that list
// yet, and stay.
func (l *link) goneReverse(ctx context.Context, u *user, there map[RemoteID]bool) (listings []listing, err error) {
	var answered []Handle
	u.owner.do(func() {
		for _, m := range u.lists[msnp.Reverse].members() {
			if u.lists[msnp.Allow].has(m.Handle) {
				answered = append(answered, m.Handle)
			}
		}
	})
	for _, h := range answered {
		contact, known, err := l.gateway.Storage.ContactByHandle(ctx, h)
		if err != nil {
			return nil, err
		}
		_, listed := there[contact.ID]
		if known && !listed && contact.Network == l.network.Name() && !contact.Room && !l.outbox.has(OrderFollow, contact.ID) {
			listings = append(listings, listing{list: msnp.Reverse, contact: contact})
		}
	}
	return listings, nil
}

// gone are the entries on FL that the network does not have any more.
func (l *link) gone(u *user, there map[RemoteID]bool) (listings []listing) {
	u.owner.do(func() {
		for i := range u.lists[msnp.Forward].entries {
			e := &u.lists[msnp.Forward].entries[i]
			if r := e.remote; r != nil && r.link == l && !there[r.id] && !l.outbox.has(OrderFollow, r.id) {
				listings = append(listings, listing{list: msnp.Forward, contact: ContactRecord{Handle: e.handle(), Network: l.network.Name(), ID: r.id, Room: r.room}})
			}
		}
	})
	return listings
}

// compare says what has to change for one entry of the network's list.
func (l *link) compare(ctx context.Context, u *user, entry RosterEntry) (changes []listing, err error) {
	contact, err := l.gateway.contactOf(ctx, l.network, entry.Contact)
	if err != nil {
		return nil, err
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	on := func(list msnp.List) bool { return u.lists[list].has(contact.Handle) }
	add := func(list msnp.List) {
		changes = append(changes, listing{list: list, contact: contact, name: entry.Contact.Name, added: true})
	}
	if on(msnp.Forward) && entry.Unlisted && !l.outbox.has(OrderFollow, contact.ID) {
		changes = append(changes, listing{list: msnp.Forward, contact: contact})
	}
	if !on(msnp.Forward) && !entry.Unlisted && !l.outbox.has(OrderUnfollow, contact.ID) {
		add(msnp.Forward)
	}
	if (entry.Watches || !entry.Unlisted) && !on(msnp.Allow) && !on(msnp.Block) {
		add(msnp.Allow)
	}
	switch {
	case entry.Watches && !on(msnp.Reverse):
		add(msnp.Reverse)
	case !entry.Watches && on(msnp.Reverse) && on(msnp.Allow) && !entry.Contact.Room:
		changes = append(changes, listing{list: msnp.Reverse, contact: contact})
	}
	if e := u.lists[msnp.Forward].find(contact.Handle); e != nil && entry.Contact.Name != "" && e.name() != entry.Contact.Name && !l.outbox.has(OrderRenameContact, contact.ID) {
		u.owner.post(func() { u.contactRenamed(contact.Handle, entry.Contact.Name) })
	}
	return changes, nil
}

// rosterChanged takes in a change of one entry.
func (l *link) rosterChanged(ctx context.Context, e RosterChanged) error {
	u := l.gateway.user(l.owner)
	if u == nil {
		return nil
	}
	if !e.Removed {
		changes, err := l.compare(ctx, u, e.Entry)
		if err != nil {
			return err
		}
		return l.apply(ctx, u, changes)
	}
	contact, known, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), e.Entry.Contact.ID)
	if err != nil || !known || l.outbox.has(OrderFollow, contact.ID) {
		return err
	}
	return l.apply(ctx, u, []listing{{list: msnp.Forward, contact: contact}, {list: msnp.Reverse, contact: contact}})
}

// blockListReceived makes BL like the network's list of who is kept away.
func (l *link) blockListReceived(ctx context.Context, e BlockListReceived) error {
	u := l.gateway.user(l.owner)
	if u == nil {
		return nil
	}
	blocked := make(map[Handle]bool, len(e.Blocked))
	var changes []listing
	for _, id := range e.Blocked {
		contact, err := l.gateway.contactOf(ctx, l.network, Contact{ID: id})
		if err != nil {
			return err
		}
		blocked[contact.Handle] = true
		changes = append(changes, l.blocking(u, contact, true)...)
	}
	var listed []Handle
	u.owner.do(func() {
		for _, m := range u.lists[msnp.Block].members() {
			if !blocked[m.Handle] {
				listed = append(listed, m.Handle)
			}
		}
	})
	for _, h := range listed {
		contact, known, err := l.gateway.Storage.ContactByHandle(ctx, h)
		if err != nil {
			return err
		}
		if known && contact.Network == l.network.Name() {
			changes = append(changes, l.blocking(u, contact, false)...)
		}
	}
	return l.apply(ctx, u, changes)
}

// blockChanged takes in that somebody was blocked or let in elsewhere.
func (l *link) blockChanged(ctx context.Context, e BlockChanged) error {
	u := l.gateway.user(l.owner)
	if u == nil {
		return nil
	}
	contact, err := l.gateway.contactOf(ctx, l.network, Contact{ID: e.Contact})
	if err != nil {
		return err
	}
	return l.apply(ctx, u, l.blocking(u, contact, e.Blocked))
}

// blocking says what has to change on AL and BL.
func (l *link) blocking(u *user, contact ContactRecord, blocked bool) (changes []listing) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	on := func(list msnp.List) bool { return u.lists[list].has(contact.Handle) }
	switch {
	case blocked && !on(msnp.Block) && !l.outbox.has(OrderAllow, contact.ID):
		if on(msnp.Allow) {
			changes = append(changes, listing{list: msnp.Allow, contact: contact})
		}
		changes = append(changes, listing{list: msnp.Block, contact: contact, added: true})
	case !blocked && on(msnp.Block) && !l.outbox.has(OrderBlock, contact.ID):
		changes = append(changes, listing{list: msnp.Block, contact: contact}, listing{list: msnp.Allow, contact: contact, added: true})
	}
	return changes
}

// apply changes lists here because they changed on the network: nothing goes
// back there.
func (l *link) apply(ctx context.Context, u *user, changes []listing) error {
	if len(changes) == 0 {
		return nil
	}
	outcomes := make([]uint32, len(changes))
	full := false
	err := l.gateway.Storage.Atomically(ctx, func(ctx context.Context) (err error) {
		full = false
		for i, c := range changes {
			outcomes[i], err = u.store(ctx, c)
			switch {
			case errors.Is(err, ErrListFull):
				full = true
			case errors.Is(err, ErrAlreadyListed), errors.Is(err, ErrNotListed):
			case err != nil:
				return fmt.Errorf("store a change of the contact list: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	u.owner.do(func() {
		for i, c := range changes {
			if outcomes[i] != 0 {
				u.listedElsewhere(c, outcomes[i])
			}
		}
		if full && !u.toldFull {
			u.toldFull = true
			u.gateway.tell(u.handle, fmt.Sprintf("Your contact list on %s is longer than this server allows (limits.list_length is %d): the rest is not shown.",
				l.network.Name(), u.gateway.Limits.ListLength))
		}
	})
	return nil
}

// store stores a change and returns the serial, 0 for none.
func (u *user) store(ctx context.Context, c listing) (serial uint32, err error) {
	storage := u.gateway.Storage
	if c.added {
		limit := u.gateway.Limits.ListLength
		if c.list == msnp.Reverse {
			limit = 0
		}
		serial, _, err = storage.AddEntry(ctx, u.handle, c.list, c.member(), limit)
	} else {
		serial, _, err = storage.RemoveEntry(ctx, u.handle, c.list, c.contact.Handle)
	}
	if err != nil {
		return 0, err
	}
	return serial, nil
}

// member is the contact under the name that the network's list has for it.
func (c listing) member() msnp.Member {
	return msnp.Member{Handle: c.contact.Handle, Name: person{handle: c.contact.Handle, name: c.name}.bestName(personOf(c.contact).bestName(""))}
}

// listedElsewhere takes in a change that was made on the network. Owned.
func (u *user) listedElsewhere(c listing, serial uint32) {
	if u.closed {
		return
	}
	if c.list == msnp.Reverse {
		u.reverseChanged(c.added, c.member(), serial)
		return
	}
	e := newEntry(c.member())
	if c.list == msnp.Forward {
		e.remote = u.remoteOf(c.contact)
	}
	u.mu.Lock()
	if !c.added {
		u.lists[c.list].remove(c.contact.Handle)
	} else if !u.lists[c.list].has(c.contact.Handle) {
		u.lists[c.list].add(e)
	}
	u.mu.Unlock()
	serial = u.raised(serial)
	if u.synced {
		u.notifier.ListChanged(c.added, msnp.ListChange{List: c.list, Serial: serial, Contact: e.member(), Group: u.groupOf(&e)})
	}
}
