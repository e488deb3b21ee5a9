package xmpp

import (
	"context"
	"fmt"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// isThere says whether a presence is one of somebody who has signed in.
func isThere(p bridge.Presence) bool { return p.Show != bridge.Offline && p.Show != bridge.Unknown }

// isSeen says whether others are to see somebody.
func isSeen(p bridge.Presence) bool { return isThere(p) && p.Show != bridge.Hidden }

// SetPresence implements [bridge.Account]. While the component is not connected
// the wish is kept, and said when it is again.
func (a *componentAccount) SetPresence(ctx context.Context, p bridge.Presence) error {
	a.saying.Lock()
	defer a.saying.Unlock()
	a.state.Lock()
	a.presence = p
	wasSeen := isSeen(a.told)
	a.state.Unlock()
	if !isThere(p) {
		a.depart(ctx)
	}
	if !a.gateway.isUp() {
		return nil
	}
	if isSeen(p) || wasSeen {
		if err := a.sayPresence(ctx, p); err != nil {
			return err
		}
	}
	if !isThere(p) {
		return nil
	}
	if err := a.arrive(ctx); err != nil {
		return err
	}
	a.attend(ctx, isSeen(p))
	return nil
}

// arrive asks for the presence of those whom the account sees, once per sign-in, and
// tells what is known of them already: what came before the sign-in, an answer to
// Follow perhaps, was told to nobody, and the same again is no news. Saying is held.
func (a *componentAccount) arrive(ctx context.Context) error {
	a.state.Lock()
	arrived := a.arrived
	a.asked = time.Now()
	a.state.Unlock()
	if arrived {
		return nil
	}
	for _, id := range a.those(func(s subscription) bool { return s.to == granted }) {
		if p, known := a.contacts.of(id); known {
			a.tell(id, p)
		}
		if err := a.probe(ctx, id); err != nil {
			return err
		}
	}
	a.state.Lock()
	a.arrived = true
	a.state.Unlock()
	return nil
}

// attend enters the rooms as soon as the account is to be seen, and leaves them
// when it is not any more: who sits in a room shows there. Saying is held.
func (a *componentAccount) attend(ctx context.Context, seen bool) {
	a.state.Lock()
	attending := a.attending
	a.attending = seen
	a.state.Unlock()
	switch {
	case seen && !attending:
		a.rooms.enter(ctx)
	case !seen && attending:
		a.rooms.leaveAll(ctx)
	}
}

// depart is what follows a sign-out. Saying is held.
func (a *componentAccount) depart(ctx context.Context) {
	a.state.Lock()
	arrived := a.arrived
	a.arrived, a.silent = false, nil
	a.state.Unlock()
	a.attend(ctx, false)
	if arrived {
		a.contacts.reset()
	}
}

// sayAgain says everything that the servers have forgotten, or never knew, after the
// component was connected: to those who may see the account also that it is not
// there, for they may still see it as it was.
func (a *componentAccount) sayAgain(ctx context.Context) {
	a.saying.Lock()
	defer a.saying.Unlock()
	p := a.present()
	a.state.Lock()
	a.arrived, a.attending = false, false
	a.state.Unlock()
	err := a.sayPresence(ctx, p)
	for _, id := range a.those(func(s subscription) bool { return s.to == asked && s.asked.IsZero() }) {
		if err == nil {
			err = a.subscribe(ctx, id)
		}
	}
	if err == nil && isThere(p) {
		if err = a.arrive(ctx); err == nil {
			a.attend(ctx, isSeen(p))
		}
	}
	if err != nil && ctx.Err() == nil && a.life.Err() == nil {
		a.log.Debug().Err(err).Msg("Cannot say the presence again; the next connection does")
	}
}

// present is the presence that others are to see.
func (a *componentAccount) present() bridge.Presence {
	a.state.Lock()
	defer a.state.Unlock()
	return a.presence
}

// those returns with whom something is granted.
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

// sayPresence shows a presence to all who may see it. Saying is held.
func (a *componentAccount) sayPresence(ctx context.Context, p bridge.Presence) error {
	if isSeen(p) { // to some of them, even if it fails
		a.state.Lock()
		a.told = p
		a.state.Unlock()
	}
	s := presenceStanza(p, a.friendlyName())
	for _, id := range a.those(func(s subscription) bool { return s.from }) {
		to := *s
		to.To = string(id)
		if err := a.port.send(ctx, &to); err != nil {
			return fmt.Errorf("show the presence: %w", err)
		}
	}
	a.state.Lock()
	defer a.state.Unlock()
	a.told = p
	return nil
}

// showTo tells one address the present presence.
func (a *componentAccount) showTo(ctx context.Context, to string) error {
	s := presenceStanza(a.present(), a.friendlyName())
	s.To = to
	if err := a.port.send(ctx, s); err != nil {
		return fmt.Errorf("show the presence to %s: %w", to, err)
	}
	return nil
}

// lately is how long an answer may be on its way before it is asked for again.
const lately = 20 * time.Second

// ask asks for somebody's presence, unless it is known or was asked for just now.
func (a *componentAccount) ask(ctx context.Context, id bridge.RemoteID) error {
	if p, known := a.contacts.of(id); known {
		a.tell(id, p)
	}
	a.state.Lock()
	justNow := a.arrived && time.Since(a.asked) < lately
	a.state.Unlock()
	if justNow {
		return nil
	}
	return a.probe(ctx, id)
}

// of returns the presence that counts for somebody; ok is false for who is not
// there or not known.
func (p *presences) of(id bridge.RemoteID) (best bridge.Presence, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all := p.all[id]; len(all) > 0 {
		return bestOf(all), true
	}
	return best, false
}

// silence is how long somebody's server may be silent about a presence before
// he counts as offline: some say nothing of people who are not there.
const silence = 15 * time.Second

// probe asks a server for somebody's presence (RFC 6121 §4.3).
func (a *componentAccount) probe(ctx context.Context, id bridge.RemoteID) error {
	if err := a.sendTo(ctx, id, "probe"); err != nil {
		return err
	}
	a.state.Lock()
	defer a.state.Unlock()
	if a.silent == nil {
		a.silent = make(map[bridge.RemoteID]struct{})
	}
	a.silent[id] = struct{}{}
	if a.patience == nil {
		a.patience = time.AfterFunc(silence, a.heardNothing)
	}
	return nil
}

// heardNothing shows those as offline of whom nothing was heard.
func (a *componentAccount) heardNothing() {
	a.state.Lock()
	silent := a.silent
	a.silent, a.patience = nil, nil
	a.state.Unlock()
	if !a.gateway.isUp() {
		return // they are asked again
	}
	for id := range silent {
		if !a.contacts.knows(id) {
			a.tell(id, bridge.Presence{Show: bridge.Offline})
		}
	}
}

// takePresence takes a presence, on the goroutine that reads the stream.
func (a *componentAccount) takePresence(s *stream.Stanza) {
	if a.rooms.take(s, nil) {
		return
	}
	id, ok := bareID(s.From)
	if handle := presenceTypes[s.Type]; ok && handle != nil && !isServer(string(id)) {
		handle(a, id, s)
	}
}

// presenceTypes deal with the presences that come for an account, by type.
var presenceTypes = map[string]func(a *componentAccount, from bridge.RemoteID, s *stream.Stanza){
	"":             (*componentAccount).seen,
	"unavailable":  (*componentAccount).seen,
	"error":        (*componentAccount).unreachable,
	"probe":        (*componentAccount).probed,
	"subscribe":    (*componentAccount).wished,
	"subscribed":   (*componentAccount).accepted,
	"unsubscribe":  (*componentAccount).abandoned,
	"unsubscribed": (*componentAccount).rejected,
}

// seen takes in somebody's presence. That of people whom the account has not
// asked for is nothing to it.
func (a *componentAccount) seen(id bridge.RemoteID, s *stream.Stanza) {
	a.state.Lock()
	sub := a.subscriptions[id]
	delete(a.silent, id)
	a.state.Unlock()
	switch {
	case sub.to == asked && s.Type == "":
		a.remember(s, id, func(sub *subscription) { sub.to = granted }) // the grant itself was lost
	case sub.to != granted:
		return
	}
	best, changed := a.contacts.take(s)
	if changed && isThere(a.present()) {
		a.tell(id, best)
	}
	if name := trimName(s.Child(nsNick, "nick").Chars()); name != "" && changed && a.feed.lane.length() < maxWaiting {
		a.feed.put(bridge.ContactRenamed{Contact: bridge.Contact{ID: id, Name: name}}, nil)
	}
}

// unreachable takes in that nothing can be known of somebody: a server that is
// away, an address that is nobody's.
func (a *componentAccount) unreachable(id bridge.RemoteID, _ *stream.Stanza) {
	if a.grantedWith(id).to == granted {
		a.forget(id)
		a.tell(id, bridge.Presence{Show: bridge.Unknown})
	}
}

// forget drops what is known of somebody's presence.
func (a *componentAccount) forget(id bridge.RemoteID) {
	a.state.Lock()
	delete(a.silent, id)
	a.state.Unlock()
	a.contacts.take(&stream.Stanza{Kind: stream.Presence, Type: "unavailable", From: string(id)})
}

// tell hands the gateway somebody's presence: the newest, if it could not take the
// ones before yet.
func (a *componentAccount) tell(id bridge.RemoteID, p bridge.Presence) {
	a.state.Lock()
	_, under := a.news[id]
	if a.news == nil {
		a.news = make(map[bridge.RemoteID]bridge.Presence)
	}
	a.news[id] = p
	a.state.Unlock()
	if under {
		return
	}
	a.feed.call(func(ctx context.Context) {
		a.state.Lock()
		p := a.news[id]
		if delete(a.news, id); len(a.news) == 0 {
			a.news = nil
		}
		a.state.Unlock()
		a.feed.offer(ctx, bridge.PresenceChanged{Contact: id, Presence: p})
	})
}

// probed answers a server that asks for the presence.
func (a *componentAccount) probed(id bridge.RemoteID, s *stream.Stanza) {
	switch sub := a.grantedWith(id); {
	case sub.from:
		a.gateway.later(s, func() {
			if err := a.showTo(a.life, s.From); err != nil {
				a.log.Debug().Err(err).Msg("Cannot answer a probe")
			}
		})
	case !sub.pending: // a word to those who wait would be a refusal
		a.gateway.answer(s, a.bareStanza(id, "unsubscribed"))
	}
}
