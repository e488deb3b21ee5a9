package xmpp

import (
	"context"
	"strings"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// guestPrefix begins the keys under which it is remembered, for an account, that
// the person who signed up for it sees the component's own presence.
const guestPrefix = "guest/"

// guest notes, here only, that somebody is one.
func (f *front) guest(person bridge.RemoteID, account bridge.Handle) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.guests == nil {
		f.guests = make(map[bridge.RemoteID]bridge.Handle)
	}
	f.guests[person] = account
}

// isGuest says whether somebody is one.
func (f *front) isGuest(person bridge.RemoteID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, is := f.guests[person]
	return is
}

// loadGuests reads who is a guest for an account.
func (f *front) loadGuests(ctx context.Context, account bridge.Handle) error {
	stored, err := f.gateway.network.options.Memory.RecallAll(ctx, account, Name, guestPrefix)
	for key := range stored {
		f.guest(bridge.RemoteID(strings.TrimPrefix(key, guestPrefix)), account)
	}
	return err
}

// admit makes somebody who has an account a guest, and says whether he has one.
func (f *front) admit(ctx context.Context, desk bridge.Desk, person bridge.RemoteID) bool {
	account, signed, err := desk.Account(ctx, person)
	if err == nil && signed {
		f.guest(person, account)
		err = f.gateway.network.options.Memory.Remember(ctx, account, Name, guestPrefix+string(person), "yes")
	}
	if err != nil {
		f.gateway.log.Error().Err(err).Msg("Cannot note that somebody sees the component's presence")
	}
	return signed
}

// showOut ends that somebody is a guest.
func (f *front) showOut(ctx context.Context, person bridge.RemoteID) {
	f.mu.Lock()
	account, was := f.guests[person]
	delete(f.guests, person)
	f.mu.Unlock()
	if !was {
		return
	}
	if err := f.gateway.network.options.Memory.Remember(ctx, account, Name, guestPrefix+string(person), ""); err != nil {
		f.gateway.log.Error().Err(err).Msg("Cannot note that somebody does not see the component's presence any more")
	}
}

// presence sends a presence of the component's own.
func (f *front) presence(ctx context.Context, kind, to string) error {
	return f.gateway.send(ctx, &stream.Stanza{Kind: stream.Presence, Type: kind, From: f.gateway.domain, To: to})
}

// presences sends several.
func (f *front) presences(ctx context.Context, to bridge.RemoteID, kinds ...string) {
	for _, kind := range kinds {
		if err := f.presence(ctx, kind, string(to)); err != nil {
			f.gateway.log.Debug().Err(err).Msg("Cannot send a presence of the component")
			return
		}
	}
}

// settle does what has to follow when somebody signed up, or removed his account
// (XEP-0100 §4.1, §4.3).
func (f *front) settle(person bridge.RemoteID, o outcome) {
	ctx := f.gateway.network.life
	switch {
	case !o.before && o.after:
		f.presences(ctx, person, "subscribe")
	case o.before && !o.after:
		f.mu.Lock()
		delete(f.guests, person) // what was remembered went with the account
		f.mu.Unlock()
		f.presences(ctx, person, "unsubscribe", "unsubscribed", "unavailable")
	}
}

// takePresence answers presences. The component is there for those who have signed
// up; their logging on and off is answered in kind (XEP-0100 §4.4, §4.5).
func (f *front) takePresence(s *stream.Stanza) {
	person, ok := f.person(s)
	if answer := frontPresences[s.Type]; ok && answer != nil {
		f.gateway.later(s, func() {
			ctx, cancel := context.WithTimeout(f.gateway.network.life, servingTimeout)
			defer cancel()
			answer(f, ctx, person, s)
		})
	}
}

// frontPresences answer the presences that come for the component, by type.
var frontPresences = map[string]func(f *front, ctx context.Context, person bridge.RemoteID, s *stream.Stanza){
	"":             (*front).greet,
	"probe":        (*front).probed,
	"unavailable":  (*front).bid,
	"subscribe":    (*front).wished,
	"subscribed":   (*front).accepted,
	"unsubscribe":  (*front).abandoned,
	"unsubscribed": nil, // it says nothing about what the person sees
}

func (f *front) greet(ctx context.Context, person bridge.RemoteID, s *stream.Stanza) {
	if f.isGuest(person) && stream.Resource(s.From) != "" {
		_ = f.presence(ctx, "", s.From) // or the next connection says it
	}
}

func (f *front) bid(ctx context.Context, person bridge.RemoteID, s *stream.Stanza) {
	if f.isGuest(person) && stream.Resource(s.From) != "" {
		_ = f.presence(ctx, "unavailable", s.From) // he has gone: nothing is lost
	}
}

func (f *front) probed(ctx context.Context, person bridge.RemoteID, _ *stream.Stanza) {
	if f.isGuest(person) {
		f.presences(ctx, person, "")
	} else {
		f.presences(ctx, person, "unsubscribed")
	}
}

func (f *front) wished(ctx context.Context, person bridge.RemoteID, _ *stream.Stanza) {
	if desk := f.desk(); desk != nil && f.admit(ctx, desk, person) {
		f.presences(ctx, person, "subscribed", "")
	} else {
		f.presences(ctx, person, "unsubscribed")
	}
}

func (f *front) accepted(ctx context.Context, person bridge.RemoteID, _ *stream.Stanza) {
	if desk := f.desk(); desk != nil && f.admit(ctx, desk, person) {
		f.presences(ctx, person, "")
	}
}

func (f *front) abandoned(ctx context.Context, person bridge.RemoteID, _ *stream.Stanza) {
	f.showOut(ctx, person)
	f.presences(ctx, person, "unsubscribed", "unavailable")
}

// sayThere and sayGone tell all guests that the component is there, or is not.
func (f *front) sayThere(ctx context.Context) { f.sayAll(ctx, "") }
func (f *front) sayGone(ctx context.Context)  { f.sayAll(ctx, "unavailable") }

func (f *front) sayAll(ctx context.Context, kind string) {
	f.mu.Lock()
	var all []bridge.RemoteID
	for person := range f.guests {
		all = append(all, person)
	}
	f.mu.Unlock()
	for _, person := range all {
		if err := f.presence(ctx, kind, string(person)); err != nil {
			return // the stream is lost
		}
	}
}
