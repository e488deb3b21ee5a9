package matrix

import (
	"context"
	"net/http"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// The presence "busy" of MSC3026, as it may become and as it is for now.
const (
	presenceBusy         event.Presence = "busy"
	presenceBusyUnstable event.Presence = "org.matrix.msc3026.busy"
)

// fromMatrix maps what a homeserver says to what all networks share. Anything
// else, the empty word of Dendrite included, is unknown.
var fromMatrix = map[event.Presence]bridge.Show{
	event.PresenceOnline:      bridge.Available,
	event.PresenceUnavailable: bridge.Away,
	event.PresenceOffline:     bridge.Offline,
	presenceBusy:              bridge.Busy,
	presenceBusyUnstable:      bridge.Busy,
}

// readPresence translates a presence of somebody, as known at the time now.
func readPresence(word event.Presence, status string, lastActiveAgo time.Duration, now time.Time) bridge.Presence {
	p := bridge.Presence{Show: fromMatrix[word], Text: oneLine(status)}
	if p.Show == bridge.Unknown {
		return bridge.Presence{}
	}
	if lastActiveAgo > 0 {
		p.Since = now.Add(-lastActiveAgo)
	}
	return p
}

// toMatrix maps the user's own presence, where it is one to be seen; busy is
// what the homeserver calls it, or the nearest word it has.
func toMatrix(show bridge.Show, knowsBusy bool) event.Presence {
	switch show {
	case bridge.Available:
		return event.PresenceOnline
	case bridge.Away, bridge.ExtendedAway:
		return event.PresenceUnavailable
	case bridge.Busy:
		if knowsBusy {
			return presenceBusyUnstable
		}
		return event.PresenceUnavailable
	}
	return event.PresenceOffline
}

// visible says whether others see the user as being there.
func visible(show bridge.Show) bool {
	return show != bridge.Offline && show != bridge.Hidden && show != bridge.Unknown
}

// hides says whether the user is there and is not to be seen.
func (a *account) hides() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.presence.Show == bridge.Hidden
}

// SetPresence implements [bridge.Account]. Offline signs out. Who is Hidden is
// offline to others, but hears of them. A homeserver that cannot be reached is no error:
// it is told when it is back.
func (a *account) SetPresence(ctx context.Context, presence bridge.Presence) error {
	if !a.acquire(ctx) {
		return ctx.Err()
	}
	defer a.release()
	a.mu.Lock()
	before := a.presence
	a.presence, a.written = presence, false
	a.mu.Unlock()
	if before.Show != presence.Show && (!visible(before.Show) || !visible(presence.Show)) {
		// Before offline is said the sync must have ended, or the homeserver
		// would take it for a sign of life.
		a.stopSession()
	}
	var err error
	if !a.nature.down() {
		if err = a.ensureReady(ctx); err == nil {
			err = a.writePresence(ctx)
		}
	}
	if presence.Show != bridge.Offline {
		a.startSession()
	}
	if err != nil && !final(err) {
		a.log.Debug().Err(err).Msg("Presence is told later")
		err = nil
		poke(a.wake)
	}
	return err
}

// presenceDue says whether the homeserver has to be told the presence: it has
// not been, or it may forget because no sync reminds it.
func (a *account) presenceDue() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.written || !a.again.IsZero() && !time.Now().Before(a.again) {
		return true
	}
	return visible(a.presence.Show) && (a.session == nil || !a.session.syncing.Load())
}

// writePresence tells the homeserver the user's presence. The caller has
// acquired the right to.
func (a *account) writePresence(ctx context.Context) error {
	a.mu.Lock()
	presence := a.presence
	a.mu.Unlock()
	err := a.nature.show(ctx, presence)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.written = true
	a.mu.Unlock()
	return nil
}

// putPresence makes the request. The library leaves an empty status message
// out, and a homeserver then keeps the old one.
func (a *account) putPresence(ctx context.Context, presence bridge.Presence) error {
	body := struct {
		Presence  event.Presence `json:"presence"`
		StatusMsg string         `json:"status_msg"`
	}{toMatrix(presence.Show, a.busy.Load()), presence.Text}
	if !visible(presence.Show) {
		body.StatusMsg = ""
	}
	client := a.voice()
	return a.network.call(ctx, func(ctx context.Context) error {
		_, err := client.MakeRequest(ctx, http.MethodPut, client.BuildClientURL("v3", "presence", a.user, "status"), &body, nil)
		return err
	})
}

// voice is the client that says the presence: the one that polls. Synapse keeps the
// presence of each device, and the latest poll of one would outlast what another says.
func (a *account) voice() *mautrix.Client {
	if client := a.poller.Load(); client != nil {
		return client
	}
	return a.client
}

// watch is what is known of somebody whose presence the user follows.
type watch struct {
	last     bridge.Presence
	reported bool      // in this session
	heard    time.Time // when last was true
}

// Follow implements [bridge.Account].
func (a *account) Follow(ctx context.Context, contact bridge.Contact) error {
	if contact.Room {
		return a.followRoom(ctx, contact.ID)
	}
	user := id.UserID(contact.ID)
	a.mu.Lock()
	_, known := a.watched[user]
	if !known {
		a.watched[user] = &watch{}
	}
	session := a.session
	a.mu.Unlock()
	if session != nil {
		poke(session.ask)
	}
	return nil
}

// Unfollow implements [bridge.Account]. It also forgets the direct chat, but
// does not leave it: when either of the two writes, it is found again.
func (a *account) Unfollow(ctx context.Context, contact bridge.RemoteID) error {
	if isRoom(contact) {
		return a.Leave(ctx, contact)
	}
	a.mu.Lock()
	delete(a.watched, id.UserID(contact))
	a.mu.Unlock()
	return a.forgetDirectRoom(ctx, id.UserID(contact))
}

// heard takes a presence of somebody that was true at a time, and reports it
// if it is followed, newer than what is known, and different.
func (a *account) heard(user id.UserID, presence bridge.Presence, at time.Time) {
	a.mu.Lock()
	w := a.watched[user]
	if w == nil || a.session == nil || at.Before(w.heard) {
		a.mu.Unlock()
		return
	}
	changed := !w.reported || w.last.Show != presence.Show || w.last.Text != presence.Text
	w.last, w.heard, w.reported = presence, at, true
	a.mu.Unlock()
	if changed {
		a.feed.put(feedKey{kind: "presence", who: string(user)},
			bridge.PresenceChanged{Contact: bridge.RemoteID(user), Presence: presence})
	}
}

// presenceEvent handles an m.presence event, from a sync or a transaction.
func (a *account) presenceEvent(evt *event.Event, now time.Time) {
	content, ok := evt.Content.Parsed.(*event.PresenceEventContent)
	if !ok {
		return
	}
	ago := time.Duration(content.LastActiveAgo) * time.Millisecond
	a.heard(evt.Sender, readPresence(content.Presence, content.StatusMessage, ago, now), now)
}

// askPresence asks the homeserver for somebody's presence. One that does not
// tell us means that we do not know; one that fails means nothing.
func (a *account) askPresence(ctx context.Context, user id.UserID) {
	asked := time.Now()
	var resp *mautrix.RespPresence
	err := a.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = a.client.GetPresence(ctx, user)
		return err
	})
	switch {
	case err == nil:
		ago := time.Duration(resp.LastActiveAgo) * time.Millisecond
		a.heard(user, readPresence(resp.Presence, resp.StatusMsg, ago, asked), asked)
	case forbidden(err) || notThere(err):
		a.heard(user, bridge.Presence{}, asked)
	case ctx.Err() == nil:
		a.log.Debug().Err(err).Str("contact", string(user)).Msg("Presence cannot be asked for")
	}
}
