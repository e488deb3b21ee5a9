package fake

import (
	"context"
	"fmt"
	"slices"

	"papillon/bridge"
	"papillon/msnp"
)

// The further methods that a [Call] can be of.
const (
	RosterReady   Method = "RosterReady"
	RenameContact Method = "RenameContact"
	Gather        Method = "Gather"
	Invite        Method = "Invite"
	Join          Method = "Join"
	Leave         Method = "Leave"
)

// social is what a network with contact lists, rooms and an archive has; guarded
// by the network's lock.
type social struct {
	roster  map[msnp.Handle][]bridge.RosterEntry
	rooms   map[msnp.Handle][]bridge.Contact
	groups  map[string]bridge.Contact // by key
	history map[bridge.RemoteID][]bridge.MessageReceived
	told    map[msnp.Handle]bool // has been told the roster since the last sign-in
}

// Social makes a network that keeps contact lists, has rooms and an archive.
func Social() Option {
	return func(n *Network) {
		n.social = &social{
			roster: make(map[msnp.Handle][]bridge.RosterEntry), rooms: make(map[msnp.Handle][]bridge.Contact),
			groups: make(map[string]bridge.Contact), history: make(map[bridge.RemoteID][]bridge.MessageReceived),
			told: make(map[msnp.Handle]bool),
		}
	}
}

// socialAccount adds the interfaces of a social network.
type socialAccount struct{ fullAccount }

var (
	_ bridge.RosterKeeper = socialAccount{}
	_ bridge.Rooms        = socialAccount{}
	_ bridge.Backlog      = socialAccount{}
)

// SetRoster says what is on an account's contact list from the next sign-in on.
func (n *Network) SetRoster(account msnp.Handle, entries ...bridge.RosterEntry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.social.roster[account] = entries
}

// SetHistory says what the archive has of the chat with somebody; without it, it keeps
// nothing of that chat.
func (n *Network) SetHistory(with bridge.RemoteID, messages ...bridge.MessageReceived) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.social.history[with] = messages
}

// Offer offers an account an event of any kind and returns what its receiver
// returned.
func (n *Network) Offer(account msnp.Handle, event bridge.Event) error {
	n.mu.Lock()
	a := n.accounts[account]
	if a == nil {
		n.mu.Unlock()
		return ErrNotOpen
	}
	o := a.offerAwaited(event)
	n.mu.Unlock()
	<-o.answered
	return o.err
}

// SetPresence implements [bridge.Account]: the roster comes with the sign-in.
func (a socialAccount) SetPresence(ctx context.Context, presence bridge.Presence) error {
	a.net.mu.Lock()
	before := a.signedIn()
	a.net.mu.Unlock()
	err := a.fullAccount.SetPresence(ctx, presence)
	a.net.mu.Lock()
	if presence.Show == bridge.Offline {
		a.net.social.told[a.login.Account] = false
	}
	roster := slices.Clone(a.net.social.roster[a.login.Account])
	a.net.mu.Unlock()
	if err != nil || before || presence.Show == bridge.Offline {
		return err
	}
	err = a.net.Offer(a.login.Account, bridge.RosterReceived{Entries: roster})
	a.net.mu.Lock()
	defer a.net.mu.Unlock()
	a.net.social.told[a.login.Account] = true
	a.net.signal()
	return err
}

// RosterReady implements [bridge.RosterKeeper].
func (a socialAccount) RosterReady(ctx context.Context) error {
	for {
		a.net.mu.Lock()
		told, changed := a.net.social.told[a.login.Account], a.net.changed
		a.net.mu.Unlock()
		if told {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// RenameContact implements [bridge.RosterKeeper].
func (a socialAccount) RenameContact(ctx context.Context, id bridge.RemoteID, name string) error {
	return a.do(ctx, Call{Method: RenameContact, ID: id, Name: name}, func() error { return nil })
}

// Gather implements [bridge.Rooms].
func (a socialAccount) Gather(ctx context.Context, key string, people []bridge.RemoteID) (room bridge.Contact, err error) {
	err = a.do(ctx, Call{Method: Gather, Name: key, People: people}, func() error {
		if slices.ContainsFunc(people, func(id bridge.RemoteID) bool { return a.net.refused[id] }) {
			return bridge.ErrRefused
		}
		room = bridge.Contact{ID: bridge.RemoteID(key + "@rooms.test"), Name: "Group", Room: true}
		a.net.social.groups[key] = room
		return nil
	})
	return room, err
}

// Invite implements [bridge.Rooms].
func (a socialAccount) Invite(ctx context.Context, room string, person bridge.RemoteID) error {
	return a.do(ctx, Call{Method: Invite, Name: room, ID: person}, func() error {
		if a.net.refused[person] {
			return bridge.ErrRefused
		}
		return nil
	})
}

// Join implements [bridge.Rooms].
func (a socialAccount) Join(ctx context.Context, room bridge.RemoteID) (contact bridge.Contact, err error) {
	err = a.do(ctx, Call{Method: Join, ID: room}, func() error {
		contact = bridge.Contact{ID: room, Name: "Room " + string(room), Room: true}
		rooms := a.net.social.rooms
		rooms[a.login.Account] = append(rooms[a.login.Account], contact)
		return nil
	})
	return contact, err
}

// Leave implements [bridge.Rooms].
func (a socialAccount) Leave(ctx context.Context, room bridge.RemoteID) error {
	return a.do(ctx, Call{Method: Leave, ID: room}, func() error {
		rooms := a.net.social.rooms
		rooms[a.login.Account] = slices.DeleteFunc(rooms[a.login.Account], func(c bridge.Contact) bool { return c.ID == room })
		return nil
	})
}

// Rooms implements [bridge.Rooms].
func (a socialAccount) Rooms(context.Context) ([]bridge.Contact, error) {
	a.net.mu.Lock()
	defer a.net.mu.Unlock()
	return slices.Clone(a.net.social.rooms[a.login.Account]), nil
}

// Keeps implements [bridge.Backlog].
func (a socialAccount) Keeps(chat bridge.Chat) bool {
	a.net.mu.Lock()
	defer a.net.mu.Unlock()
	_, ok := a.net.social.history[chat.Contact]
	return ok
}

// History implements [bridge.Backlog].
func (a socialAccount) History(_ context.Context, chat bridge.Chat, n int) ([]bridge.MessageReceived, error) {
	a.net.mu.Lock()
	defer a.net.mu.Unlock()
	all, ok := a.net.social.history[chat.Contact]
	if !ok {
		return nil, fmt.Errorf("read the archive of %s: %w", chat.Contact, bridge.ErrNoHistory)
	}
	return slices.Clone(all[max(0, len(all)-n):]), nil
}

// Attend implements [bridge.Reception].
func (n *Network) Attend(desk bridge.Desk) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.desk = desk
}

// Desk returns the desk that the gateway has handed over; nil before its start.
func (n *Network) Desk() bridge.Desk {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.desk
}
