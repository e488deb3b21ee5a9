package matrix

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// person is the account of somebody who is on Matrix without the gateway, too: it
// has rooms and people before the gateway comes, and other clients beside it. Its
// homeserver is asked for everything by /sync while the MSN user is signed in, and
// keeps the rest until the next time. How the gateway came by the account's client
// makes no difference.
type person struct {
	*account
	way     wayIn
	seen    *seenRing   // events that were taken care of
	knowsIt atomic.Bool // the homeserver knows the presence "busy"

	book    book
	loading sync.Mutex // held while the book is read from storage
	loaded  bool       // it was, once
	listing sync.Mutex // held while the list of direct chats is changed

	recovery  string     // of encrypted messages; may be empty
	verifying sync.Mutex // held while it is used

	said bridge.Show // as what others were told to see the person; guarded by account.mu

	condition sync.Mutex
	trouble   error  // why the account cannot be used until the next sign-in
	accused   string // the trouble that the user was told of last
	lasting   bool   // a presence lasts until another is said; see [person.word]
	learned   bool   // lasting and knowsIt are known
	arrival   *arrival
	lastly    *bridge.ConnectionChanged // reported last
}

var (
	_ nature              = (*person)(nil)
	_ bridge.Account      = (*person)(nil)
	_ bridge.Typist       = (*person)(nil)
	_ bridge.Gatekeeper   = (*person)(nil)
	_ bridge.Renamer      = (*person)(nil)
	_ bridge.RosterKeeper = (*person)(nil)
)

// arrival is the beginning of a session, until the contact list was told.
type arrival struct {
	told   chan struct{} // closed when the gateway has the contact list
	failed chan struct{} // closed when it will not have it soon
	once   sync.Once
	reason error // set before failed is closed
}

func newArrival() *arrival {
	return &arrival{told: make(chan struct{}), failed: make(chan struct{})}
}

func (a *arrival) fail(err error) {
	a.once.Do(func() {
		a.reason = err
		close(a.failed)
	})
}

// openPerson makes the account of a person.
func (n *Network) openPerson(login bridge.Login, client *mautrix.Client, way wayIn, recovery string, events bridge.Receiver) (member, error) {
	if n.options.Memory == nil {
		return nil, errors.New("there is no storage for people's own accounts")
	}
	p := &person{way: way, recovery: recovery, seen: newSeenRing(seenEvents), arrival: newArrival()}
	p.book.init()
	p.account = n.newAccount(login, client.UserID, client, events)
	p.busy = &p.knowsIt
	p.origins = newOrigins(personOrigins)
	p.written = true // nothing is said before the user signs in
	p.nature = p
	return p, nil
}

// opened implements [nature].
func (p *person) opened() {}

// prepare implements [nature]. The account is there, but may be out of use. What is
// known of it is read for what is done without a session.
func (p *person) prepare(ctx context.Context) error {
	if err := p.broken(); err != nil {
		return err
	}
	p.loading.Lock()
	defer p.loading.Unlock()
	if p.loaded {
		return nil
	}
	_, err := p.load(ctx)
	return err
}

// broken returns why the account cannot be used; nil if it can.
func (p *person) broken() error {
	p.condition.Lock()
	defer p.condition.Unlock()
	return p.trouble
}

// down implements [nature].
func (p *person) down() bool { return p.broken() != nil }

// told implements [nature]: while polls are answered, and nothing that one brought is
// still to be dealt with.
func (p *person) told() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.session != nil && p.session.syncing.Load() && !p.session.reading.Load()
}

// self implements [nature].
func (p *person) self(user id.UserID) bool { return user == p.user }

// reaches implements [nature]: everybody, the gateway's ghosts included.
func (p *person) reaches(user id.UserID) bool {
	local, _, err := user.ParseAndValidateRelaxed()
	return err == nil && validLocal(local) && user != p.user
}

// SetPresence implements [bridge.Account].
func (p *person) SetPresence(ctx context.Context, presence bridge.Presence) error {
	if !p.acquire(ctx) {
		return ctx.Err()
	}
	defer p.release()
	p.mu.Lock()
	before := p.presence
	p.presence = presence
	if visible(before.Show) || visible(presence.Show) {
		p.written = false
	}
	p.mu.Unlock()
	if presence.Show == bridge.Offline {
		p.stopSession()
	} else {
		if before.Show == bridge.Offline {
			p.begin()
		}
		p.startSession()
	}
	p.mu.Lock()
	written := p.written
	p.mu.Unlock()
	if written {
		return nil
	}
	err := p.ensureReady(ctx)
	if err == nil {
		err = p.writePresence(ctx)
	}
	if err != nil && !final(err) {
		p.log.Debug().Err(err).Msg("Presence is told later")
		err = nil
		poke(p.wake)
	}
	return err
}

// begin forgets what was wrong at the last sign-in.
func (p *person) begin() {
	p.condition.Lock()
	defer p.condition.Unlock()
	p.trouble, p.arrival = nil, newArrival()
}

// RosterReady implements [bridge.RosterKeeper].
func (p *person) RosterReady(ctx context.Context) error {
	p.condition.Lock()
	arrival := p.arrival
	p.condition.Unlock()
	select {
	case <-arrival.told:
		return nil
	case <-arrival.failed:
		return fmt.Errorf("read the contact list: %w", arrival.reason)
	case <-ctx.Done():
		return fmt.Errorf("wait for the contact list: %w", ctx.Err())
	}
}

// RenameContact implements [bridge.RosterKeeper]. Matrix keeps no names of one's
// own for others: the name stays on the MSN lists.
func (p *person) RenameContact(context.Context, bridge.RemoteID, string) error { return nil }

// chatOf implements [nature].
func (p *person) chatOf(ctx context.Context, room id.RoomID, sender id.UserID) (bridge.Chat, error) {
	contact := p.book.contactOf(room)
	if contact == "" {
		return bridge.RoomChat(bridge.RemoteID(room)), nil
	}
	if sender == contact { // answers go where the contact wrote last
		if err := p.tieRoom(ctx, contact, room); err != nil {
			return bridge.Chat{}, err
		}
	}
	return bridge.Chat{Contact: bridge.RemoteID(contact)}, nil
}

// tieRoom stores the room of the chat with a contact, if it is not stored yet.
func (p *person) tieRoom(ctx context.Context, contact id.UserID, room id.RoomID) error {
	stored, ok, err := p.network.options.Chats.DirectChat(ctx, p.owner, Name, bridge.RemoteID(contact))
	if err != nil {
		return fmt.Errorf("find the room of %s: %w", contact, err)
	}
	if ok && id.RoomID(stored) == room {
		return nil
	}
	return p.setDirectRoom(ctx, contact, room)
}

// word implements [nature]. See [person.show] for why.
func (p *person) word() event.Presence {
	p.mu.Lock()
	show := p.presence.Show
	p.mu.Unlock()
	p.condition.Lock()
	lasting := p.lasting
	p.condition.Unlock()
	word := toMatrix(show, p.busy.Load())
	if lasting && word != event.PresenceOnline {
		return presenceNone
	}
	return word
}
