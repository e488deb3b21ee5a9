package xmpp

import (
	"context"
	"errors"
	"sync"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// componentAccount is an MSN user who is on XMPP by an address of the component.
type componentAccount struct {
	*account
	gateway  *gateway
	contacts presences // of those whom the account sees
	traffic  traffic

	saying  sync.Mutex // held while a presence is said, so that the newest is the last
	storing sync.Mutex // held while a subscription is stored

	state         sync.Mutex
	presence      bridge.Presence // what others are to see
	told          bridge.Presence // what they may have been told
	arrived       bool            // those whom the account sees were asked
	attending     bool            // the rooms were entered
	asked         time.Time       // when that was
	subscriptions map[bridge.RemoteID]subscription
	news          map[bridge.RemoteID]bridge.Presence // on its way to the gateway
	silent        map[bridge.RemoteID]struct{}        // asked for their presence, without an answer yet
	patience      *time.Timer                         // runs until silence counts as an answer
}

var (
	_ bridge.Account    = (*componentAccount)(nil)
	_ bridge.Typist     = (*componentAccount)(nil)
	_ bridge.Gatekeeper = (*componentAccount)(nil)
	_ bridge.Renamer    = (*componentAccount)(nil)
	_ bridge.Rooms      = (*componentAccount)(nil)
	_ bridge.Backlog    = (*componentAccount)(nil)
)

// Follow implements [bridge.Account]. Somebody is asked once, and again after a
// day without an answer; who has refused is not asked again before an Unfollow.
func (a *componentAccount) Follow(ctx context.Context, contact bridge.Contact) error {
	id := contact.ID
	switch {
	case contact.Room:
		return a.rooms.follow(ctx, id)
	case isOccupant(id) || isServer(string(id)):
		return nil // nobody whose presence could be asked for
	}
	switch s := a.grantedWith(id); {
	case s.to == granted:
		return a.ask(ctx, id)
	case s.to == unasked, s.to == asked && time.Since(s.asked) > askAgainAfter:
		return a.subscribe(ctx, id)
	}
	return nil
}

// subscribe asks to see somebody. It is remembered before, for the answer may be
// quick; what could not be said is said when the component is connected again.
func (a *componentAccount) subscribe(ctx context.Context, id bridge.RemoteID) error {
	note := func(at time.Time) error {
		_, err := a.change(ctx, id, func(s *subscription) {
			if s.to != granted {
				s.to, s.asked = asked, at
			}
		})
		return err
	}
	if err := note(time.Now()); err != nil {
		return err
	}
	if err := a.sendTo(ctx, id, "subscribe"); err != nil {
		return errors.Join(err, note(time.Time{}))
	}
	return nil
}

// Unfollow implements [bridge.Account].
func (a *componentAccount) Unfollow(ctx context.Context, id bridge.RemoteID) error {
	_, kept, err := a.rooms.recall(ctx, id)
	switch {
	case err != nil:
		return err
	case kept || a.rooms.has(string(id)):
		return a.Leave(ctx, id)
	}
	before := a.grantedWith(id).to
	if before == unasked {
		return nil
	}
	if before != refused {
		if err := a.sendTo(ctx, id, "unsubscribe"); err != nil {
			return err
		}
	}
	_, err = a.change(ctx, id, func(s *subscription) { s.to, s.asked = unasked, time.Time{} })
	a.forget(id)
	return err
}

// Allow implements [bridge.Gatekeeper]. Who has not asked is told nothing: there
// is nothing to accept, and the presence is nothing for strangers.
func (a *componentAccount) Allow(ctx context.Context, id bridge.RemoteID) error {
	if ok, err := a.rooms.accept(ctx, id); ok || err != nil {
		return err
	}
	if s := a.grantedWith(id); s.from || !s.pending {
		return nil
	}
	if err := a.grant(ctx, id); err != nil {
		return err
	}
	_, err := a.change(ctx, id, func(s *subscription) { s.from, s.pending = true, false })
	return err
}

// Block implements [bridge.Gatekeeper]. The person's messages are kept out by the
// gateway, which is asked about each.
func (a *componentAccount) Block(ctx context.Context, id bridge.RemoteID) error {
	if ok, err := a.rooms.decline(ctx, id); ok || err != nil {
		return err
	}
	if s := a.grantedWith(id); !s.from && !s.pending {
		return nil
	}
	if err := a.hideFrom(ctx, id); err != nil {
		return err
	}
	_, err := a.change(ctx, id, func(s *subscription) { s.from, s.pending = false, false })
	return err
}

// Rename implements [bridge.Renamer]: presences and visiting card carry the name.
func (a *componentAccount) Rename(ctx context.Context, name string) error {
	a.mu.Lock()
	a.name = name
	a.mu.Unlock()
	a.rooms.rename()
	a.saying.Lock()
	defer a.saying.Unlock()
	if p := a.present(); isSeen(p) && a.gateway.isUp() {
		return a.sayPresence(ctx, p)
	}
	return nil // the next presence carries it
}

// Close implements [bridge.Account].
func (a *componentAccount) Close() error {
	a.gateway.dismiss(a)
	ctx, cancel := context.WithTimeout(a.life, farewellTime)
	defer cancel()
	err := a.SetPresence(ctx, bridge.Presence{Show: bridge.Offline})
	a.state.Lock()
	if a.patience != nil {
		a.patience.Stop()
	}
	a.state.Unlock()
	a.end()
	if errors.Is(err, stream.ErrNotConnected) || ctx.Err() != nil {
		err = nil // it is said again after the next connection, or there is none
	}
	return err
}

// take takes a stanza for the account, on the goroutine that reads the stream.
func (a *componentAccount) take(s *stream.Stanza) {
	switch s.Kind {
	case stream.IQ:
		if isQuery(s) {
			a.gateway.later(s, func() { a.gateway.reply(answerQuery(s, a.visitingCard)) })
		}
	case stream.Presence:
		a.takePresence(s)
	case stream.Message:
		a.takeMessage(s)
	}
}

// takeMessage takes a message, unless its sender, or everybody together, has
// written so much that it could not be taken in soon.
func (a *componentAccount) takeMessage(s *stream.Stanza) {
	if a.takeArchived(s) {
		return
	}
	done, ok := a.traffic.begin(turnOf(s))
	if !ok || a.feed.lane.length() > maxWaiting {
		if ok {
			done()
		}
		if s.Type != "error" {
			a.gateway.refuseWithin(maxReturned, s, "wait", "resource-constraint")
		}
		return
	}
	switch {
	case a.rooms.take(s, done):
	case s.Type == "error":
		a.returned(s)
		done()
	default:
		a.message(s, done)
	}
}

// visitingCard is the account's (XEP-0054).
func (a *componentAccount) visitingCard() *stream.Element {
	name := xmlText(a.friendlyName())
	return stream.NewElement(nsVCard, "vCard").With(
		stream.NewText(nsVCard, "FN", name), stream.NewText(nsVCard, "NICKNAME", name),
		stream.NewText(nsVCard, "JABBERID", a.bare),
	)
}

const (
	// maxWaiting is how many events of one account may wait to be taken in,
	// maxWaitingFrom how many messages of one sender: a flood costs its sender
	// something, its account a little and the others nothing.
	maxWaiting     = 4000
	maxWaitingFrom = 1500
)

// traffic counts what waits to be taken in, by sender.
type traffic struct {
	mu      sync.Mutex
	waiting map[string]int
}

// begin counts a message and returns what counts it off; ok is false when there
// are too many.
func (t *traffic) begin(from string) (done func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[from] >= maxWaitingFrom {
		return nil, false
	}
	if t.waiting == nil {
		t.waiting = make(map[string]int)
	}
	t.waiting[from]++
	return func() { t.end(from) }, true
}

func (t *traffic) end(from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[from]--; t.waiting[from] <= 0 {
		delete(t.waiting, from)
	}
}
