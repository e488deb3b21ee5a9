package fake

import (
	"fmt"
	"time"

	"papillon/bridge"
	"papillon/msnp"
)

// Person is somebody on the network, for whom the test acts. What they do
// returns when the accounts concerned have received it, with the error that
// their receivers returned, [bridge.ErrUnwelcome] included. The network does
// not offer an event again by itself: a test does that by doing it once more.
type Person struct {
	net *Network
	id  bridge.RemoteID
}

// Person returns the person of that id, who comes to exist by it. The name is
// for a new one; see [Person.Rename]. Their presence is unknown at first.
func (n *Network) Person(id bridge.RemoteID, name string) *Person {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.people[id] == nil {
		n.people[id] = &being{name: name}
	}
	return &Person{net: n, id: id}
}

// ID is the person's id on the network.
func (p *Person) ID() bridge.RemoteID { return p.id }

// MessageOption changes what is said.
type MessageOption func(*bridge.MessageReceived)

// WithID gives a message an id; without it, each has a new one. A message with
// the id of an earlier one is a redelivery.
func WithID(id string) MessageOption {
	return func(m *bridge.MessageReceived) { m.ID = id }
}

// At says when a message was sent; without it, just now.
func At(t time.Time) MessageOption {
	return func(m *bridge.MessageReceived) { m.Sent = t }
}

// As gives a message a kind; without it, it is [bridge.Said].
func As(kind bridge.MessageKind) MessageOption {
	return func(m *bridge.MessageReceived) { m.Kind = kind }
}

// In says something in another chat than the direct one.
func In(chat bridge.Chat) MessageOption {
	return func(m *bridge.MessageReceived) { m.Chat = chat }
}

// Say sends an account a message, by default in the direct chat with the
// person, and returns what the account's receiver returned. [ErrNotOpen],
// [ErrDown] and [ErrBlocked] mean that it was not offered.
func (p *Person) Say(account msnp.Handle, text string, options ...MessageOption) error {
	return p.tell(account, func(from bridge.Contact) bridge.Event {
		p.net.messages++
		m := bridge.MessageReceived{
			ID:   fmt.Sprintf("%s-message-%d", p.net.name, p.net.messages),
			Chat: bridge.Chat{Contact: p.id},
			From: from,
			Kind: bridge.Said,
			Text: text,
			Sent: time.Now(),
		}
		for _, o := range options {
			o(&m)
		}
		return m
	})
}

// Typing begins or ceases to type in the direct chat with an account.
func (p *Person) Typing(account msnp.Handle, typing bool) error {
	return p.tell(account, func(from bridge.Contact) bridge.Event {
		return bridge.TypingSeen{Chat: bridge.Chat{Contact: p.id}, From: from, Typing: typing}
	})
}

// Request asks to become an account's contact.
func (p *Person) Request(account msnp.Handle, note string) error {
	return p.tell(account, func(from bridge.Contact) bridge.Event {
		return bridge.ContactRequested{From: from, Note: note}
	})
}

// Withdraw takes an account off the person's contacts.
func (p *Person) Withdraw(account msnp.Handle) error {
	return p.tell(account, func(bridge.Contact) bridge.Event {
		return bridge.ContactWithdrew{Contact: p.id}
	})
}

// tell offers an account an event, which is made under the lock.
func (p *Person) tell(account msnp.Handle, event func(from bridge.Contact) bridge.Event) error {
	n := p.net
	n.mu.Lock()
	a := n.accounts[account]
	var err error
	switch {
	case n.down:
		err = ErrDown
	case a == nil:
		err = ErrNotOpen
	case a.blocked[p.id]:
		err = ErrBlocked
	}
	if err != nil {
		n.mu.Unlock()
		return fmt.Errorf("%s to %s: %w", p.id, account, err)
	}
	o := a.offerAwaited(event(bridge.Contact{ID: p.id, Name: n.people[p.id].name}))
	n.mu.Unlock()
	<-o.answered
	return o.err
}

// SetPresence changes the person's presence. The accounts that follow them and
// are signed in are told, unless the network is down: then they are told when
// it is up again.
func (p *Person) SetPresence(presence bridge.Presence) error {
	return p.announce(func(who *being) { who.presence = presence },
		func(a *account) bool { return a.signedIn() },
		bridge.PresenceChanged{Contact: p.id, Presence: presence})
}

// Rename changes the person's name. The accounts that follow them are told,
// signed in or not; nobody is while the network is down.
func (p *Person) Rename(name string) error {
	return p.announce(func(who *being) { who.name = name },
		func(*account) bool { return true },
		bridge.ContactRenamed{Contact: bridge.Contact{ID: p.id, Name: name}})
}

// announce changes the person and offers an event to those accounts of their
// followers whom it concerns.
func (p *Person) announce(change func(*being), concerns func(*account) bool, event bridge.Event) error {
	n := p.net
	n.mu.Lock()
	change(n.people[p.id])
	var offers []*offer
	for _, a := range n.accounts {
		if !n.down && a.follows[p.id] && concerns(a) {
			offers = append(offers, a.offerAwaited(event))
		}
	}
	n.mu.Unlock()
	return await(offers)
}
