package bridge

import (
	"context"
	"errors"
	"time"

	"papillon/msnp"
)

// Properties implements [msnp.Session].
func (u *user) Properties(ctx context.Context, reply func(msnp.Properties)) error {
	var synced bool
	u.owner.do(func() { synced = u.synced })
	if !synced { // later, what changes is pushed
		u.awaitRosters(ctx)
	}
	var groups msnp.Groups
	var own msnp.Phones
	var phones map[Handle]msnp.Phones
	var err error
	if u.dialect >= groupsDialect {
		groups, err = u.groups(ctx)
	}
	if err == nil && u.dialect >= phonesDialect {
		own, phones, err = u.phones(ctx)
	}
	if err != nil {
		return err
	}
	u.owner.do(func() {
		if u.closed {
			err = errSignedOut
			return
		}
		u.synced = true
		p := msnp.Properties{Serial: u.serial, Prompt: u.prompt, Privacy: u.privacy, Groups: groups, Phones: own, ContactPhones: phones}
		for list := range u.lists {
			p.Lists[list] = u.lists[list].members()
		}
		// The helper contact stands on every list of contacts, stored nowhere.
		for _, list := range [...]msnp.List{msnp.Forward, msnp.Allow} {
			p.Lists[list] = append([]msnp.Member{u.gateway.assistant()}, p.Lists[list]...)
		}
		reply(p)
	})
	return err
}

// AddContact implements [msnp.Session].
func (u *user) AddContact(ctx context.Context, list msnp.List, typed, name string, reply func(msnp.ListChange, msnp.Status)) error {
	h, err := u.gateway.typedHandle(ctx, typed)
	if err != nil {
		return msnp.Errorf(msnp.CodeInvalidParameter, "%v", err)
	}
	if err := u.mayAdd(list, h); err != nil {
		return err
	}
	who, err := u.gateway.whois(ctx, u.handle, h)
	if err != nil {
		return err
	}
	return u.change(func() error { return u.addEntry(ctx, list, who, name, reply) })
}

// addEntry puts somebody on a list, and tells whom it concerns.
func (u *user) addEntry(ctx context.Context, list msnp.List, who person, name string, reply func(msnp.ListChange, msnp.Status)) error {
	member := msnp.Member{Handle: who.handle, Name: who.bestName(name)}
	renamed, err := u.returns(ctx, list, who)
	if err != nil {
		return err
	}
	if renamed && name != "" {
		member.Name = name
	}
	serial, reverse, err := u.gateway.Storage.AddEntry(ctx, u.handle, list, member, u.gateway.Limits.ListLength)
	if err != nil {
		return listError(err)
	}
	// The other is told first: what changes about him once his status has been
	// looked at must not be missed.
	if reverse > 0 {
		u.comesBack(who.handle) // to one who has not noticed nothing has changed
		u.gateway.tellReverse(true, who.handle, u, reverse)
	}
	u.owner.do(func() { u.added(list, member, who, serial, reply) })
	u.orderForList(ctx, list, who, true)
	if renamed {
		u.orderRename(ctx, *who.contact, member.Name)
	}
	return nil
}

// returns says whether a contact was taken off FL a moment ago and comes back:
// that is how some clients rename (aMSN), and the network then hears of a new
// name and of nothing else.
func (u *user) returns(ctx context.Context, list msnp.List, who person) (bool, error) {
	if list != msnp.Forward || who.contact == nil {
		return false, nil
	}
	l := u.gateway.linkOf(u.handle, who.contact.Network)
	if l == nil {
		return false, nil
	}
	return l.outbox.takeBack(ctx, who.contact.ID)
}

// orderRename tells a network that keeps the contact list under what name the
// user sees somebody.
func (u *user) orderRename(ctx context.Context, contact ContactRecord, name string) {
	ctx = context.WithoutCancel(ctx) // also for a client that says it and is gone
	l := u.gateway.linkOf(u.handle, contact.Network)
	if l == nil {
		return
	}
	if _, ok := l.account.(RosterKeeper); !ok {
		return
	}
	order := Order{Kind: OrderRenameContact, Chat: Chat{Contact: contact.ID}, Text: name}
	if err := l.outbox.add(ctx, order, nil); err != nil {
		u.log().Error().Err(err).Msg("Cannot tell a network of a contact's new name")
	}
}

// mayAdd checks what the lists themselves forbid.
func (u *user) mayAdd(list msnp.List, h Handle) error {
	if h == u.gateway.assistant().Handle {
		return msnp.Errorf(msnp.CodeAlreadyThere, "the helper contact is on every list")
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	switch {
	case u.lists[list].has(h):
		return msnp.Errorf(msnp.CodeAlreadyThere, "%s is on %s already", h, list)
	case list == msnp.Allow && u.lists[msnp.Block].has(h), list == msnp.Block && u.lists[msnp.Allow].has(h):
		return msnp.Errorf(msnp.CodeInOppositeList, "%s is on the opposite list", h)
	}
	return nil
}

// listError turns what storage says about a list into what the client is told.
func listError(err error) error {
	switch {
	case errors.Is(err, ErrAlreadyListed):
		return msnp.Errorf(msnp.CodeAlreadyThere, "%v", err)
	case errors.Is(err, ErrNotListed):
		return msnp.Errorf(msnp.CodeNotOnList, "%v", err)
	case errors.Is(err, ErrListFull):
		return msnp.Errorf(msnp.CodeListFull, "%v", err)
	}
	return err
}

// added takes a new entry in and answers the client. Owned.
func (u *user) added(list msnp.List, m msnp.Member, who person, serial uint32, reply func(msnp.ListChange, msnp.Status)) {
	e := newEntry(m)
	if who.contact != nil {
		e.remote = u.remoteOf(*who.contact)
	}
	if before := u.removed[m.Handle]; before != nil && list == msnp.Forward {
		delete(u.removed, m.Handle)
		e.remote = before
	}
	u.mu.Lock()
	u.lists[list].add(e)
	u.mu.Unlock()
	serial = u.raised(serial)
	if list == msnp.Forward && u.announced {
		found := u.lists[list].find(m.Handle)
		found.shown = u.presentStatus(found)
		e.shown = found.shown
	}
	reply(msnp.ListChange{List: list, Serial: serial, Contact: m, Group: u.groupOf(&e)}, e.shown)
	u.permissionsChanged(list, m.Handle)
}

// raised takes in the serial of a change and returns the one to tell with it, which is
// never below one that was told: some changes are told later than others that came
// after them. Owned.
func (u *user) raised(serial uint32) uint32 {
	u.serial = max(u.serial, serial)
	return u.serial
}

// presentStatus returns what the client is to be shown of an entry now. Owned.
func (u *user) presentStatus(e *entry) msnp.Status {
	if e.remote != nil {
		return u.statusOf(e.remote)
	}
	if other := u.gateway.user(e.handle()); other != nil {
		return other.statusFor(u.handle).Status
	}
	return msnp.Offline
}

// RemoveContact implements [msnp.Session].
func (u *user) RemoveContact(ctx context.Context, list msnp.List, typed string, reply func(msnp.ListChange)) error {
	h, err := u.gateway.typedHandle(ctx, typed)
	if err != nil {
		return msnp.Errorf(msnp.CodeInvalidParameter, "%v", err)
	}
	return u.change(func() error { return u.removeEntry(ctx, list, h, reply) })
}

// removeEntry takes somebody off a list, and tells whom it concerns.
func (u *user) removeEntry(ctx context.Context, list msnp.List, h Handle, reply func(msnp.ListChange)) error {
	serial, reverse, err := u.gateway.Storage.RemoveEntry(ctx, u.handle, list, h)
	if err != nil {
		return listError(err)
	}
	u.owner.do(func() {
		u.mu.Lock()
		gone, _ := u.lists[list].remove(h)
		u.mu.Unlock()
		u.keepRemoved(list, gone)
		reply(msnp.ListChange{List: list, Serial: u.raised(serial), Contact: msnp.Member{Handle: h}})
		u.permissionsChanged(list, h)
	})
	if reverse > 0 {
		u.leave(h, reverse)
	}
	ctx = context.WithoutCancel(ctx) // also for a client that says it and is gone
	if contact, known, err := u.gateway.Storage.ContactByHandle(ctx, h); err != nil {
		u.log().Error().Err(err).Msg("Cannot tell a network of a removed contact")
	} else if known {
		u.orderForList(ctx, list, person{handle: h, contact: &contact}, false)
	}
	return nil
}

// keepRemoved keeps what is known of a contact for as long as the network is
// not told that he was removed. Owned.
func (u *user) keepRemoved(list msnp.List, gone entry) {
	if list != msnp.Forward || gone.remote == nil {
		return
	}
	if u.removed == nil {
		u.removed = make(map[Handle]*remoteState)
	}
	u.removed[gone.handle()] = gone.remote
	time.AfterFunc(unfollowHold, func() {
		u.owner.post(func() {
			if u.removed[gone.handle()] == gone.remote {
				delete(u.removed, gone.handle())
			}
		})
	})
}

// permissionsChanged shows or hides the user after a change of AL or BL. Owned.
func (u *user) permissionsChanged(list msnp.List, h Handle) {
	if list == msnp.Allow || list == msnp.Block {
		u.tellWatcher(h)
	}
}

// listOrders are what a network is told when a contact of it is put on a list
// or taken off.
var listOrders = map[msnp.List]struct{ added, removed OrderKind }{
	msnp.Forward: {OrderFollow, OrderUnfollow},
	msnp.Allow:   {OrderAllow, ""},
	msnp.Block:   {OrderBlock, OrderAllow},
}

// orderForList tells the contact's network of a change to a list. The client has
// its answer by then, and the change holds on this side in any case.
func (u *user) orderForList(ctx context.Context, list msnp.List, who person, added bool) {
	ctx = context.WithoutCancel(ctx) // also for a client that says it and is gone
	if who.contact == nil {
		return
	}
	kind := listOrders[list].removed
	if added {
		kind = listOrders[list].added
	}
	l := u.gateway.linkOf(u.handle, who.contact.Network)
	if kind == "" || l == nil {
		return
	}
	order := Order{Kind: kind, Chat: Chat{Contact: who.contact.ID}, Text: who.contact.Name}
	if who.contact.Room {
		order.Chat = RoomChat(who.contact.ID)
	}
	if err := l.outbox.add(ctx, order, nil); err != nil {
		u.log().Error().Err(err).Str("order", string(kind)).Msg("Cannot tell a network of a changed list")
	}
}

// tellReverse lets a signed-in user know that somebody put him on FL, or took
// him off; draft-movva-00 §7.8.
func (g *Gateway) tellReverse(added bool, h Handle, by *user, serial uint32) {
	by.mu.RLock()
	m := msnp.Member{Handle: by.handle, Name: by.name}
	by.mu.RUnlock()
	if other := g.user(h); other != nil {
		other.owner.post(func() { other.reverseChanged(added, m, serial) })
	}
}

// reverseChanged takes in a change to RL. It may be known: who signed in meanwhile has
// read it from the store. Owned.
func (u *user) reverseChanged(added bool, m msnp.Member, serial uint32) {
	if u.closed {
		return
	}
	delete(u.left, m.Handle)
	u.mu.Lock()
	changed := u.lists[msnp.Reverse].has(m.Handle) != added
	if changed && added {
		u.lists[msnp.Reverse].add(newEntry(m))
	} else if changed {
		u.lists[msnp.Reverse].remove(m.Handle)
	}
	u.mu.Unlock()
	serial = u.raised(serial)
	if changed && u.synced {
		u.notifier.ListChanged(added, msnp.ListChange{List: msnp.Reverse, Serial: serial, Contact: m})
	}
	if added { // what changed since the other looked
		u.tellWatcher(m.Handle)
	}
}

// Rename implements [msnp.Session].
func (u *user) Rename(ctx context.Context, typed, name string, reply func(uint32, msnp.Member)) error {
	h, err := u.gateway.accountHandle(ctx, typed)
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return err
	}
	if h == u.handle {
		return u.change(func() error { return u.renameSelf(ctx, name, reply) })
	}
	if h, err = u.gateway.typedHandle(ctx, typed); err != nil {
		return msnp.Errorf(msnp.CodeInvalidParameter, "%v", err)
	}
	m := msnp.Member{Handle: h, Name: name}
	return u.change(func() error { return u.renameContact(ctx, m, reply) })
}

// renameContact changes the name under which the user sees somebody.
func (u *user) renameContact(ctx context.Context, m msnp.Member, reply func(uint32, msnp.Member)) error {
	serial, err := u.gateway.Storage.RenameEntry(ctx, u.handle, m)
	if err != nil {
		return listError(err)
	}
	u.owner.do(func() {
		u.mu.Lock()
		for list := range u.lists {
			if e := u.lists[list].find(m.Handle); e != nil {
				e.setName(m.Name)
			}
		}
		u.mu.Unlock()
		reply(u.raised(serial), m)
	})
	ctx = context.WithoutCancel(ctx) // also for a client that says it and is gone
	contact, known, err := u.gateway.Storage.ContactByHandle(ctx, m.Handle)
	if err != nil {
		u.log().Error().Err(err).Msg("Cannot tell a network of a contact's new name")
	} else if known {
		u.orderRename(ctx, contact, m.Name)
	}
	return nil
}

// renameSelf changes the user's own friendly name.
func (u *user) renameSelf(ctx context.Context, name string, reply func(uint32, msnp.Member)) error {
	serial, err := u.gateway.Storage.SetAccountName(ctx, u.handle, name)
	if err != nil {
		return err
	}
	u.owner.do(func() {
		u.mu.Lock()
		u.name = name
		u.mu.Unlock()
		reply(u.raised(serial), msnp.Member{Handle: u.handle, Name: name})
		if u.status.Visible() {
			u.tellWatchers()
		}
	})
	u.storeOwnName(name)
	ctx = context.WithoutCancel(ctx) // also for a client that says it and is gone
	for _, l := range u.gateway.linksOf(u.handle) {
		if err := l.outbox.add(ctx, Order{Kind: OrderRename, Text: name}, nil); err != nil {
			u.log().Error().Err(err).Msg("Cannot tell a network of the new friendly name")
		}
	}
	return nil
}

// SetPrivacy implements [msnp.Session].
func (u *user) SetPrivacy(ctx context.Context, mode msnp.Privacy, reply func(uint32)) error {
	if u.privacy == mode { // only this goroutine changes it
		return msnp.Errorf(msnp.CodeAlreadyInMode, "BLP is %s already", mode)
	}
	return u.change(func() error {
		serial, err := u.gateway.Storage.SetPrivacy(ctx, u.handle, mode)
		if err != nil {
			return err
		}
		u.owner.do(func() {
			u.mu.Lock()
			u.privacy = mode
			u.mu.Unlock()
			reply(u.raised(serial))
			u.tellWatchers()
		})
		return nil
	})
}

// SetPrompt implements [msnp.Session].
func (u *user) SetPrompt(ctx context.Context, mode msnp.Prompt, reply func(uint32)) error {
	if u.prompt == mode { // only this goroutine changes it
		return msnp.Errorf(msnp.CodeAlreadyInMode, "GTC is %s already", mode)
	}
	return u.change(func() error {
		serial, err := u.gateway.Storage.SetPrompt(ctx, u.handle, mode)
		if err != nil {
			return err
		}
		u.owner.do(func() {
			u.mu.Lock()
			u.prompt = mode
			u.mu.Unlock()
			reply(u.raised(serial))
		})
		return nil
	})
}

// SetStatus implements [msnp.Session].
func (u *user) SetStatus(_ context.Context, status msnp.Status, reply func([]msnp.ContactStatus)) error {
	var err error
	u.owner.do(func() {
		if u.closed {
			err = errSignedOut
			return
		}
		var initial []msnp.ContactStatus
		if !u.announced && status != msnp.Offline {
			initial = u.initialStatuses()
			u.announce()
		}
		reply(initial)
		u.changeStatus(status)
	})
	return err
}

// initialStatuses returns the contacts who are to be shown; draft-movva-00 §7.9.
// Owned.
func (u *user) initialStatuses() []msnp.ContactStatus {
	initial := []msnp.ContactStatus{{Contact: u.gateway.assistant(), Status: msnp.Online}}
	for i := range u.lists[msnp.Forward].entries {
		e := &u.lists[msnp.Forward].entries[i]
		if e.remote != nil {
			e.shown = u.statusOf(e.remote)
		} else {
			e.shown = u.meet(e)
		}
		if e.shown.Visible() {
			initial = append(initial, msnp.ContactStatus{Contact: e.member(), Status: e.shown})
		}
	}
	return initial
}

// meet returns the status of a local contact, and takes over his name where he is to be
// seen: the stored one is older when the server was stopped before it had a new one
// stored. Owned.
func (u *user) meet(e *entry) msnp.Status {
	other := u.gateway.user(e.handle())
	if other == nil {
		return msnp.Offline
	}
	cs := other.statusFor(u.handle)
	if cs.Status.Visible() {
		u.rename(e, cs.Contact.Name)
	}
	return cs.Status
}
