package fake

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"papillon/bridge"
	"papillon/msnp"
)

// account is a [bridge.Account] without any optional interface. What it holds
// is guarded by the lock of its network.
type account struct {
	net    *Network
	login  bridge.Login
	id     bridge.RemoteID
	events *queue

	presence bridge.Presence
	name     string
	follows  map[bridge.RemoteID]bool
	allowed  map[bridge.RemoteID]bool
	blocked  map[bridge.RemoteID]bool
	sending  map[bridge.Chat]bool
	typing   map[bridge.Chat]bool
}

// fullAccount adds the optional interfaces.
type fullAccount struct{ *account }

var (
	_ bridge.Account    = (*account)(nil)
	_ bridge.Account    = fullAccount{}
	_ bridge.Typist     = fullAccount{}
	_ bridge.Gatekeeper = fullAccount{}
	_ bridge.Renamer    = fullAccount{}
)

func newAccount(n *Network, login bridge.Login, events bridge.Receiver) *account {
	a := &account{
		net:      n,
		login:    login,
		id:       login.ID,
		name:     login.Name,
		presence: bridge.Presence{Show: bridge.Offline},
		follows:  make(map[bridge.RemoteID]bool),
		allowed:  make(map[bridge.RemoteID]bool),
		blocked:  make(map[bridge.RemoteID]bool),
		sending:  make(map[bridge.Chat]bool),
		typing:   make(map[bridge.Chat]bool),
	}
	if a.id == "" {
		a.id = bridge.RemoteID(login.Account)
	}
	a.events = newQueue(n, login.Account, events)
	return a
}

// State is what the others see of an account, and what it has asked for.
type State struct {
	ID       bridge.RemoteID
	Name     string
	Presence bridge.Presence
	// Follows, Allowed and Blocked are the ids for which Follow, Allow and
	// Block are in force, sorted.
	Follows, Allowed, Blocked []bridge.RemoteID
	// Typing are the chats in which the account is typing, in no order.
	Typing []bridge.Chat
}

// Account returns the state of an account; ok is false if it is not open.
func (n *Network) Account(handle msnp.Handle) (s State, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.accounts[handle]
	if a == nil {
		return State{}, false
	}
	sorted := func(m map[bridge.RemoteID]bool) []bridge.RemoteID { return slices.Sorted(maps.Keys(m)) }
	return State{
		ID:       a.id,
		Name:     a.name,
		Presence: a.presence,
		Follows:  sorted(a.follows),
		Allowed:  sorted(a.allowed),
		Blocked:  sorted(a.blocked),
		Typing:   slices.Collect(maps.Keys(a.typing)),
	}, true
}

// do carries out a call under the lock and records it.
func (a *account) do(ctx context.Context, call Call, act func() error) error {
	n := a.net
	n.mu.Lock()
	defer n.mu.Unlock()
	call.Account = a.login.Account
	e := n.record(call)
	err := a.ready(ctx)
	if err == nil && call.Method != SetPresence {
		err = n.reach()
	}
	if err == nil {
		err = act()
	}
	if err != nil {
		err = fmt.Errorf("%s on %s: %w", call.Method, n.name, err)
	}
	n.finish(e, err)
	return err
}

// ready says why a call cannot be carried out; the lock is held.
func (a *account) ready(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case a.net.accounts[a.login.Account] != a:
		return ErrNotOpen
	}
	return nil
}

// reach says whether the network can be reached; the lock is held.
func (n *Network) reach() error {
	if n.down {
		return fmt.Errorf("%w: %s", ErrDown, n.reason)
	}
	return nil
}

// ID implements [bridge.Account].
func (a *account) ID() bridge.RemoteID { return a.id }

// SetPresence implements [bridge.Account]. While the network is down it fails,
// but the account comes up with that presence.
func (a *account) SetPresence(ctx context.Context, presence bridge.Presence) error {
	return a.do(ctx, Call{Method: SetPresence, Presence: presence}, func() error {
		away := !a.signedIn()
		a.presence = presence
		if away && !a.net.down {
			a.offerPresences()
		}
		return a.net.reach()
	})
}

// signedIn says whether presences are to flow; the lock is held.
func (a *account) signedIn() bool {
	return a.presence.Show != bridge.Offline && a.presence.Show != bridge.Unknown
}

// offerPresences sends what is known of those whom a signed-in account follows;
// the lock is held.
func (a *account) offerPresences() {
	for _, id := range slices.Sorted(maps.Keys(a.follows)) {
		a.offerPresence(id)
	}
}

// offerPresence sends what is known of one of them.
func (a *account) offerPresence(id bridge.RemoteID) {
	who := a.net.people[id]
	if who == nil || who.presence.Show == bridge.Unknown || !a.signedIn() || !a.follows[id] {
		return
	}
	a.offer(bridge.PresenceChanged{Contact: id, Presence: who.presence})
}

// Lookup implements [bridge.Account].
func (a *account) Lookup(ctx context.Context, id bridge.RemoteID) (contact bridge.Contact, err error) {
	err = a.do(ctx, Call{Method: Lookup, ID: id}, func() error {
		who := a.net.people[id]
		if who == nil {
			return fmt.Errorf("%s: %w", id, bridge.ErrNoSuchContact)
		}
		contact = bridge.Contact{ID: id, Name: who.name}
		return nil
	})
	return contact, err
}

// Follow implements [bridge.Account].
func (a *account) Follow(ctx context.Context, contact bridge.Contact) error {
	id := contact.ID
	return a.do(ctx, Call{Method: Follow, ID: id, Name: contact.Name}, func() error {
		a.follows[id] = true
		a.offerPresence(id)
		return nil
	})
}

// Unfollow implements [bridge.Account].
func (a *account) Unfollow(ctx context.Context, id bridge.RemoteID) error {
	return a.do(ctx, Call{Method: Unfollow, ID: id}, func() error {
		delete(a.follows, id)
		return nil
	})
}

// Close implements [bridge.Account]. It returns when the last event has been
// dealt with; those that wait are dropped.
func (a *account) Close() error {
	n := a.net
	n.mu.Lock()
	e := n.record(Call{Account: a.login.Account, Method: Close})
	n.mu.Unlock()
	a.shut()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.finish(e, nil)
	return nil
}

// shut closes the account; a second time it does nothing.
func (a *account) shut() {
	n := a.net
	n.mu.Lock()
	if n.accounts[a.login.Account] == a {
		delete(n.accounts, a.login.Account)
		n.signal()
	}
	n.mu.Unlock()
	a.events.close()
}

// Typing implements [bridge.Typist].
func (a fullAccount) Typing(ctx context.Context, chat bridge.Chat, typing bool) error {
	return a.do(ctx, Call{Method: Typing, Chat: chat, Typing: typing}, func() error {
		if typing {
			a.typing[chat] = true
		} else {
			delete(a.typing, chat)
		}
		return nil
	})
}

// Allow implements [bridge.Gatekeeper].
func (a fullAccount) Allow(ctx context.Context, id bridge.RemoteID) error {
	return a.do(ctx, Call{Method: Allow, ID: id}, func() error {
		a.allowed[id] = true
		delete(a.blocked, id)
		return nil
	})
}

// Block implements [bridge.Gatekeeper].
func (a fullAccount) Block(ctx context.Context, id bridge.RemoteID) error {
	return a.do(ctx, Call{Method: Block, ID: id}, func() error {
		a.blocked[id] = true
		delete(a.allowed, id)
		return nil
	})
}

// Rename implements [bridge.Renamer].
func (a fullAccount) Rename(ctx context.Context, name string) error {
	return a.do(ctx, Call{Method: Rename, Name: name}, func() error {
		a.name = name
		return nil
	})
}
