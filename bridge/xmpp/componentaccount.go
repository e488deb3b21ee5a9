package xmpp

import (
	"context"
	"errors"
	"fmt"
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

	storing sync.Mutex // held while a subscription is stored

	state         sync.Mutex
	presence      bridge.Presence // what others are to see
	subscriptions map[bridge.RemoteID]subscription
}

var (
	_ bridge.Account    = (*componentAccount)(nil)
	_ bridge.Typist     = (*componentAccount)(nil)
	_ bridge.Gatekeeper = (*componentAccount)(nil)
	_ bridge.Renamer    = (*componentAccount)(nil)
	_ bridge.Rooms      = (*componentAccount)(nil)
)

// maxWaiting is how many stanzas of one account may wait to be taken in: a flood
// costs its account something, and the others nothing.
const maxWaiting = 2000

// isThere says whether a presence is one of somebody who has signed in.
func isThere(p bridge.Presence) bool { return p.Show != bridge.Offline }

// isSeen says whether others are to see somebody.
func isSeen(p bridge.Presence) bool { return isThere(p) && p.Show != bridge.Hidden }

// SetPresence implements [bridge.Account]. While the component is not connected
// the wish is kept, and said when it is again.
func (a *componentAccount) SetPresence(ctx context.Context, p bridge.Presence) error {
	a.state.Lock()
	before := a.presence
	a.presence = p
	a.state.Unlock()
	if !a.gateway.conn.Up() {
		return nil
	}
	if err := a.sayPresence(ctx, p); err != nil {
		return err
	}
	switch {
	case isThere(p) && !isThere(before):
		if err := a.askAll(ctx); err != nil {
			return err
		}
		a.rooms.enter(ctx)
	case !isThere(p) && isThere(before):
		a.rooms.leaveAll(ctx)
		a.contacts.reset()
	}
	return nil
}

// watchers are those who may see the account, sources those whom it may see.
func (a *componentAccount) watchers() []bridge.RemoteID {
	return a.those(func(s subscription) bool { return s.from })
}

func (a *componentAccount) sources() []bridge.RemoteID {
	return a.those(func(s subscription) bool { return s.to == granted })
}

func (a *componentAccount) those(fit func(subscription) bool) (ids []bridge.RemoteID) {
	a.state.Lock()
	defer a.state.Unlock()
	for id, s := range a.subscriptions {
		if fit(s) {
			ids = append(ids, id)
		}
	}
	return ids
}

// sayPresence shows a presence to all who may see it.
func (a *componentAccount) sayPresence(ctx context.Context, p bridge.Presence) error {
	s := presenceStanza(p, a.friendlyName())
	for _, id := range a.watchers() {
		to := *s
		to.To = string(id)
		if err := a.port.send(ctx, &to); err != nil {
			return fmt.Errorf("show the presence: %w", err)
		}
	}
	return nil
}

// askAll asks for the presence of all whom the account sees: the answers come as
// presences (RFC 6121 §4.3).
func (a *componentAccount) askAll(ctx context.Context) error {
	for _, id := range a.sources() {
		if err := a.port.send(ctx, a.bareStanza(id, "probe")); err != nil {
			return fmt.Errorf("ask for presence: %w", err)
		}
	}
	return nil
}

// bareStanza is a presence between bare addresses: a question or a grant.
func (a *componentAccount) bareStanza(to bridge.RemoteID, kind string) *stream.Stanza {
	s := &stream.Stanza{Kind: stream.Presence, Type: kind, From: a.bare, To: string(to)}
	if name := xmlText(a.friendlyName()); kind == "subscribe" && name != "" {
		s.Children = append(s.Children, stream.NewText(nsNick, "nick", name))
	}
	return s
}

// sayAgain says everything that the servers have forgotten, or never knew, after the
// component was connected.
func (a *componentAccount) sayAgain() {
	a.state.Lock()
	p := a.presence
	a.state.Unlock()
	ctx := a.life
	err := a.sayPresence(ctx, p)
	if err == nil && isThere(p) {
		if err = a.askAll(ctx); err == nil {
			a.rooms.enter(ctx)
		}
	}
	if err != nil && ctx.Err() == nil {
		a.log.Debug().Err(err).Msg("Cannot say the presence again; the next connection does")
	}
}

// Follow implements [bridge.Account]. Somebody is asked once, and again after a
// day without an answer; who has refused is not asked again before an Unfollow.
func (a *componentAccount) Follow(ctx context.Context, contact bridge.Contact) error {
	id := contact.ID
	switch {
	case contact.Room:
		if a.rooms.has(string(id)) {
			return nil
		}
		_, err := a.Join(ctx, id)
		return err
	case isOccupant(id) || isServer(string(id)):
		return nil // nobody whose presence could be asked for
	}
	kind := ""
	before, err := a.change(ctx, id, func(s *subscription) {
		switch {
		case s.to == granted:
			kind = "probe"
		case s.to == unasked, s.to == asked && time.Since(s.asked) > askAgainAfter:
			kind = "subscribe"
			s.to, s.asked = asked, time.Now()
		}
	})
	if err != nil || kind == "" {
		return err
	}
	if err := a.port.send(ctx, a.bareStanza(id, kind)); err != nil {
		_, undo := a.change(ctx, id, func(s *subscription) { s.to, s.asked = before.to, before.asked })
		return errors.Join(fmt.Errorf("ask for the presence of %s: %w", id, err), undo)
	}
	return nil
}

// Unfollow implements [bridge.Account].
func (a *componentAccount) Unfollow(ctx context.Context, id bridge.RemoteID) error {
	if a.rooms.has(string(id)) {
		return a.Leave(ctx, id)
	}
	if a.grantedWith(id).to == unasked {
		return nil
	}
	if err := a.port.send(ctx, a.bareStanza(id, "unsubscribe")); err != nil {
		return fmt.Errorf("unsubscribe from %s: %w", id, err)
	}
	_, err := a.change(ctx, id, func(s *subscription) { s.to, s.asked = unasked, time.Time{} })
	return err
}

// Allow implements [bridge.Gatekeeper].
func (a *componentAccount) Allow(ctx context.Context, id bridge.RemoteID) error {
	if ok, err := a.rooms.accept(ctx, id); ok || err != nil {
		return err
	}
	if isOccupant(id) || isServer(string(id)) {
		return nil
	}
	before, err := a.change(ctx, id, func(s *subscription) { s.from = true })
	if err != nil || before.from {
		return err
	}
	return a.grant(ctx, id)
}

// grant tells somebody that he may see the account, and what there is to see.
func (a *componentAccount) grant(ctx context.Context, id bridge.RemoteID) error {
	if err := a.port.send(ctx, a.bareStanza(id, "subscribed")); err != nil {
		return fmt.Errorf("let %s see the presence: %w", id, err)
	}
	return a.showTo(ctx, string(id))
}

// showTo tells one address the present presence.
func (a *componentAccount) showTo(ctx context.Context, to string) error {
	a.state.Lock()
	p := a.presence
	a.state.Unlock()
	s := presenceStanza(p, a.friendlyName())
	s.To = to
	if err := a.port.send(ctx, s); err != nil {
		return fmt.Errorf("show the presence to %s: %w", to, err)
	}
	return nil
}

// Block implements [bridge.Gatekeeper]. The person's messages are kept out by the
// gateway, which is asked about each.
func (a *componentAccount) Block(ctx context.Context, id bridge.RemoteID) error {
	if ok, err := a.rooms.decline(ctx, id); ok || err != nil {
		return err
	}
	if isOccupant(id) || isServer(string(id)) {
		return nil
	}
	if _, err := a.change(ctx, id, func(s *subscription) { s.from = false }); err != nil {
		return err
	}
	return a.hideFrom(ctx, id)
}

// hideFrom tells somebody that he may not see the account.
func (a *componentAccount) hideFrom(ctx context.Context, id bridge.RemoteID) error {
	gone := presenceStanza(bridge.Presence{Show: bridge.Offline}, "")
	gone.To = string(id)
	for _, s := range []*stream.Stanza{a.bareStanza(id, "unsubscribed"), gone} {
		if err := a.port.send(ctx, s); err != nil {
			return fmt.Errorf("hide the presence from %s: %w", id, err)
		}
	}
	return nil
}

// turnAway declines a wish that the user does not let through.
func (a *componentAccount) turnAway(id bridge.RemoteID) {
	if err := a.port.send(a.life, a.bareStanza(id, "unsubscribed")); err != nil {
		a.log.Debug().Err(err).Msg("Cannot decline a subscription; it will be asked for again")
	}
}

// Rename implements [bridge.Renamer]: presences and visiting card carry the name.
func (a *componentAccount) Rename(ctx context.Context, name string) error {
	a.mu.Lock()
	a.name = name
	a.mu.Unlock()
	a.state.Lock()
	p := a.presence
	a.state.Unlock()
	a.rooms.rename()
	if !isSeen(p) || !a.gateway.conn.Up() {
		return nil
	}
	return a.sayPresence(ctx, p)
}

// Close implements [bridge.Account].
func (a *componentAccount) Close() error {
	g := a.gateway
	g.mu.Lock()
	if g.accounts[a.bare] == a {
		delete(g.accounts, a.bare)
	}
	g.mu.Unlock()
	a.state.Lock()
	there := isThere(a.presence)
	a.presence = bridge.Presence{Show: bridge.Offline}
	a.state.Unlock()
	var err error
	if there && g.conn.Up() {
		ctx, cancel := context.WithTimeout(a.life, farewellTime)
		a.rooms.leaveAll(ctx)
		err = a.sayPresence(ctx, bridge.Presence{Show: bridge.Offline})
		cancel()
	}
	a.end()
	if errors.Is(err, stream.ErrNotConnected) {
		err = nil // then nobody sees the account any more
	}
	return err
}

// take takes a stanza for the account, on the goroutine that reads the stream.
func (a *componentAccount) take(s *stream.Stanza) {
	if a.feed.lane.length() > maxWaiting {
		if s.Kind == stream.Message && s.Text("body") != "" || isQuery(s) {
			a.gateway.refuse(s, "wait", "resource-constraint")
		}
		return
	}
	if s.Kind == stream.IQ {
		if isQuery(s) {
			a.gateway.reply(answerQuery(s, a.visitingCard))
		}
		return
	}
	if a.rooms.take(s, nil) {
		return
	}
	switch {
	case s.Kind == stream.Presence:
		if handle := presenceTypes[s.Type]; handle != nil {
			handle(a, s)
		}
	case s.Type == "error":
		a.returned(s)
	default:
		a.message(s, nil)
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

// presenceTypes deal with the presences that come for an account, by type.
var presenceTypes = map[string]func(a *componentAccount, s *stream.Stanza){
	"":             (*componentAccount).seen,
	"unavailable":  (*componentAccount).seen,
	"probe":        (*componentAccount).probed,
	"subscribe":    (*componentAccount).wished,
	"subscribed":   (*componentAccount).accepted,
	"unsubscribe":  (*componentAccount).abandoned,
	"unsubscribed": (*componentAccount).rejected,
}

// person returns whose presence it is.
func person(s *stream.Stanza) (bridge.RemoteID, bool) {
	id, ok := bareID(s.From)
	return id, ok && !isServer(string(id))
}

// seen takes in somebody's presence.
func (a *componentAccount) seen(s *stream.Stanza) {
	id, ok := person(s)
	if !ok {
		return
	}
	a.state.Lock()
	there, known := isThere(a.presence), a.subscriptions[id].to
	a.state.Unlock()
	if s.Type == "" && (known == asked || known == unasked) && known != granted {
		a.remember(id, func(sub *subscription) {
			if sub.to == asked {
				sub.to = granted // the grant itself was lost
			}
		})
	}
	if best, changed := a.contacts.take(s); changed && there {
		a.feed.put(bridge.PresenceChanged{Contact: id, Presence: best}, nil)
	}
}

// remember changes a subscription in the feed's order.
func (a *componentAccount) remember(id bridge.RemoteID, f func(*subscription)) {
	a.feed.call(func(ctx context.Context) {
		if _, err := a.change(ctx, id, f); err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("Cannot remember a subscription; it is asked for again")
		}
	})
}

// probed answers a server that asks for the presence.
func (a *componentAccount) probed(s *stream.Stanza) {
	id, ok := person(s)
	if !ok {
		return
	}
	if !a.grantedWith(id).from {
		a.gateway.reply(a.bareStanza(id, "unsubscribed"))
		return
	}
	if err := a.showTo(a.life, s.From); err != nil {
		a.log.Debug().Err(err).Msg("Cannot answer a probe")
	}
}

// wished takes in that somebody wishes to see the account.
func (a *componentAccount) wished(s *stream.Stanza) {
	id, ok := person(s)
	if !ok {
		return
	}
	if a.grantedWith(id).from { // a server that has forgotten
		if err := a.grant(a.life, id); err != nil {
			a.log.Debug().Err(err).Msg("Cannot repeat a grant")
		}
		return
	}
	from := bridge.Contact{ID: id, Name: trimName(s.Child(nsNick, "nick").Chars())}
	a.feed.put(bridge.ContactRequested{From: from, Note: lines(s.Text("status"))}, nil)
}

// accepted takes in that the account may see somebody.
func (a *componentAccount) accepted(s *stream.Stanza) {
	if id, ok := person(s); ok {
		a.remember(id, func(sub *subscription) { sub.to = granted })
	}
}

// abandoned takes in that somebody does not want to see the account any more.
func (a *componentAccount) abandoned(s *stream.Stanza) {
	id, ok := person(s)
	if !ok {
		return
	}
	a.remember(id, func(sub *subscription) { sub.from = false })
	a.feed.call(func(ctx context.Context) {
		if err := a.hideFrom(ctx, id); err != nil {
			a.log.Debug().Err(err).Msg("Cannot confirm that somebody unsubscribed")
		}
	})
	a.feed.put(bridge.ContactWithdrew{Contact: id}, nil)
}

// rejected takes in that the account may not, or no longer, see somebody.
func (a *componentAccount) rejected(s *stream.Stanza) {
	id, ok := person(s)
	if !ok {
		return
	}
	a.remember(id, func(sub *subscription) {
		if sub.to != unasked {
			sub.to = refused
		}
	})
	a.feed.put(bridge.PresenceChanged{Contact: id, Presence: bridge.Presence{Show: bridge.Unknown}}, nil)
}
