package matrix

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

func (b *book) setDirect(direct event.DirectChatsEventContent) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.direct = direct
	if b.direct == nil {
		b.direct = make(event.DirectChatsEventContent)
	}
}

func (b *book) setIgnored(users map[id.UserID]event.IgnoredUser) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ignored = make(map[id.UserID]bool, len(users))
	for user := range users {
		b.ignored[user] = true
	}
}

// ignores says whether the person ignores somebody.
func (b *book) ignores(user id.UserID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ignored[user]
}

// ignoredUsers lists whom the person ignores.
func (b *book) ignoredUsers() map[bridge.RemoteID]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[bridge.RemoteID]bool, len(b.ignored))
	for user := range b.ignored {
		all[bridge.RemoteID(user)] = true
	}
	return all
}

// tellLists reports the contact list and the list of ignored people: both whole
// when a session begins, and later what has changed.
func (t *turn) tellLists(ctx context.Context) error {
	roster, blocked := t.book.roster(), t.book.ignoredUsers()
	if err := t.nameStrangers(ctx, roster); err != nil {
		return err
	}
	delete(roster, bridge.RemoteID(t.network.ghosts.bot))
	t.unnamed = false
	for id, entry := range roster {
		if t.roster != nil && entry.Contact.Room && t.changed.entered[roomOf(id)] && !t.book.named(roomOf(id)) {
			delete(roster, id)
			t.unnamed = true
		}
	}
	if t.roster == nil {
		if err := t.tellWhole(ctx, roster, blocked); err != nil {
			return err
		}
		t.greet()
	} else if err := t.tellChanges(ctx, roster, blocked); err != nil {
		return err
	}
	t.roster, t.blocked = roster, blocked
	people := make(map[id.UserID]bool)
	for id, entry := range roster {
		if !entry.Contact.Room && !entry.Unlisted {
			people[userOf(id)] = true
		}
	}
	t.follows(people)
	return nil
}

func userOf(contact bridge.RemoteID) id.UserID { return id.UserID(contact) }
func roomOf(contact bridge.RemoteID) id.RoomID { return id.RoomID(contact) }

// named says whether a room has a name of its own.
func (b *book) named(room id.RoomID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.rooms[room]
	return f != nil && (f.Name != "" || f.Alias != "")
}

// greet lets those go on who wait for the contact list.
func (t *turn) greet() {
	greeted := t.arrival
	greeted.once.Do(func() { close(greeted.told) })
	select {
	case <-greeted.failed: // it was said not to come; who asks now is told otherwise
		late := newArrival()
		late.once.Do(func() { close(late.told) })
		t.condition.Lock()
		defer t.condition.Unlock()
		if t.person.arrival == greeted {
			t.person.arrival = late
		}
	default:
	}
}

// tellWhole reports both lists, and stores which room belongs to whom.
func (t *turn) tellWhole(ctx context.Context, roster map[bridge.RemoteID]bridge.RosterEntry, blocked map[bridge.RemoteID]bool) error {
	received := bridge.RosterReceived{}
	for _, id := range slices.Sorted(maps.Keys(roster)) {
		received.Entries = append(received.Entries, roster[id])
		if !roster[id].Contact.Room {
			if err := t.tieFirst(ctx, userOf(id)); err != nil {
				return err
			}
		}
	}
	if err := t.receive(ctx, received); err != nil {
		return err
	}
	return t.receive(ctx, bridge.BlockListReceived{Blocked: slices.Sorted(maps.Keys(blocked))})
}

// tieFirst stores a room for the chat with a contact that has none stored that
// leads to him.
func (p *person) tieFirst(ctx context.Context, contact id.UserID) error {
	rooms := p.book.roomsOf(contact)
	if len(rooms) == 0 {
		return nil
	}
	stored, ok, err := p.network.options.Chats.DirectChat(ctx, p.owner, Name, bridge.RemoteID(contact))
	if err != nil {
		return fmt.Errorf("find the room of %s: %w", contact, err)
	}
	if ok && slices.Contains(rooms, id.RoomID(stored)) {
		return nil
	}
	return p.setDirectRoom(ctx, contact, rooms[0])
}

// tellChanges reports what is different from what was reported last.
func (t *turn) tellChanges(ctx context.Context, roster map[bridge.RemoteID]bridge.RosterEntry, blocked map[bridge.RemoteID]bool) error {
	var events []bridge.Event
	for _, id := range slices.Sorted(maps.Keys(roster)) {
		entry, before := roster[id], t.roster[id]
		if entry == before {
			continue
		}
		named := before
		named.Contact.Name = entry.Contact.Name
		if named == entry {
			events = append(events, bridge.ContactRenamed{Contact: entry.Contact})
			continue
		}
		if !entry.Contact.Room {
			if err := t.tieFirst(ctx, userOf(id)); err != nil {
				return err
			}
		}
		events = append(events, bridge.RosterChanged{Entry: entry})
	}
	for _, id := range slices.Sorted(maps.Keys(t.roster)) {
		if _, there := roster[id]; !there {
			events = append(events, bridge.RosterChanged{Entry: t.roster[id], Removed: true})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(blocked)) {
		if !t.blocked[id] {
			events = append(events, bridge.BlockChanged{Contact: id, Blocked: true})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(t.blocked)) {
		if !blocked[id] {
			events = append(events, bridge.BlockChanged{Contact: id})
		}
	}
	for _, evt := range events {
		if err := t.receive(ctx, evt); err != nil {
			return err
		}
	}
	return nil
}

// namesAtOnce is how many profiles are asked for at once.
const namesAtOnce = 8

// nameStrangers finds the names of people whose rooms did not tell: a homeserver
// need not send the members of a room in which nobody has spoken. It asks once.
func (t *turn) nameStrangers(ctx context.Context, roster map[bridge.RemoteID]bridge.RosterEntry) error {
	var nameless []bridge.RemoteID
	for id, entry := range roster {
		if !entry.Contact.Room && entry.Contact.Name == "" {
			nameless = append(nameless, id)
		}
	}
	group, asking := errgroup.WithContext(ctx)
	group.SetLimit(namesAtOnce)
	for _, id := range nameless {
		group.Go(func() error { return t.learnName(asking, userOf(id)) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range nameless {
		entry := roster[id]
		entry.Contact.Name = t.names[userOf(id)]
		roster[id] = entry
	}
	return nil
}

// learnName asks for somebody's profile, if that was not done before. A profile that
// is not to be had leaves the person without a name.
func (t *turn) learnName(ctx context.Context, user id.UserID) error {
	t.mu.Lock()
	_, asked := t.names[user]
	t.mu.Unlock()
	if asked {
		return nil
	}
	var profile *mautrix.RespUserProfile
	err := t.network.call(ctx, func(ctx context.Context) (err error) {
		profile, err = t.client.GetProfile(ctx, user)
		return err
	})
	name := ""
	switch {
	case err == nil:
		name = oneLine(profile.DisplayName)
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		t.log.Debug().Err(err).Str("contact", string(user)).Msg("The profile of a contact cannot be read")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names[user] = name
	return nil
}

// Follow implements [bridge.Account]. A person taken up on MSN is a contact even
// before there is a room, which the first message makes; a room is followed by
// being in it.
func (p *person) Follow(ctx context.Context, contact bridge.Contact) error {
	if contact.Room {
		return p.account.Follow(ctx, contact)
	}
	if err := p.ensureReady(ctx); err != nil {
		return fmt.Errorf("follow %s: %w", contact.ID, err)
	}
	user := userOf(contact.ID)
	if err := p.remember(ctx, memoryFollow+string(user), contact.Name+nameEnd); err != nil {
		return fmt.Errorf("follow %s: %w", user, err)
	}
	if err := p.remember(ctx, memoryUnlisted+string(user), ""); err != nil {
		return fmt.Errorf("follow %s: %w", user, err)
	}
	p.book.mu.Lock()
	p.book.follows[user] = contact.Name
	delete(p.book.unlisted, user)
	p.book.mu.Unlock()
	return p.account.Follow(ctx, contact)
}

// Unfollow implements [bridge.Account]. The room of somebody stays as it is, and so
// does its place on the list of direct chats, which other clients go by. A room is
// left.
func (p *person) Unfollow(ctx context.Context, contact bridge.RemoteID) error {
	if err := p.ensureReady(ctx); err != nil {
		return fmt.Errorf("unfollow %s: %w", contact, err)
	}
	if isRoom(contact) {
		return p.Leave(ctx, contact)
	}
	user := userOf(contact)
	if err := p.remember(ctx, memoryUnlisted+string(user), "1"); err != nil {
		return fmt.Errorf("unfollow %s: %w", user, err)
	}
	if err := p.remember(ctx, memoryFollow+string(user), ""); err != nil {
		return fmt.Errorf("unfollow %s: %w", user, err)
	}
	p.book.mu.Lock()
	delete(p.book.follows, user)
	p.book.unlisted[user] = true
	p.book.mu.Unlock()
	p.mu.Lock()
	delete(p.watched, user)
	p.mu.Unlock()
	return nil
}
