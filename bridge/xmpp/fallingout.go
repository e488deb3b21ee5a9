package xmpp

import (
	"context"
	"errors"
	"slices"
	"time"

	"papillon/bridge/xmpp/stream"
)

// This file is about rooms that have lost the account without a word.

// checkEvery is how often rooms that are silent are asked whether the account is still in
// (XEP-0410 §3.1).
const checkEvery = 5 * time.Minute

// watch has the rooms looked after from time to time. The mutex is held.
func (r *rooms) watch() {
	if r.checking == nil && len(r.all) > 0 {
		r.checking = time.AfterFunc(checkEvery, r.check)
	}
}

// check asks rooms that were silent whether the account is still in: a service may
// have lost it without a word (XEP-0410).
func (r *rooms) check() {
	r.mu.Lock()
	type probe struct {
		room  *room
		round int
		to    string
	}
	var probes []probe
	for _, room := range r.all {
		if room.state == inside && time.Since(room.heard) >= checkEvery {
			probes = append(probes, probe{room, room.round, string(room.id) + "/" + room.nick})
		}
	}
	again := r.checking != nil
	r.checking = nil
	r.mu.Unlock()
	for _, p := range probes {
		ctx, cancel := context.WithTimeout(r.account.life, joinTimeout)
		_, err := r.account.query(ctx, p.to, stream.NewElement(nsPing, "ping"))
		cancel()
		if fellOut(err) {
			r.mu.Lock()
			if p.room.round == p.round && p.room.state == inside {
				r.account.log.Info().Str("room", string(p.room.id)).Msg("Fell out of a room; entering again")
				r.begin(p.room)
			}
			r.mu.Unlock()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if again && r.account.life.Err() == nil {
		r.watch()
	}
}

// fellOut reads the answer to a ping to oneself in a room; XEP-0410 §3.2.
func fellOut(err error) bool {
	var e *stream.StanzaError
	if !errors.As(err, &e) {
		return false // an answer, or none: the room is not the cause
	}
	return !slices.Contains([]string{
		"service-unavailable", "feature-not-implemented", "item-not-found",
		"remote-server-not-found", "remote-server-timeout",
	}, e.Condition)
}

// bounced takes note that a room sent a message back: not-acceptable says that the
// account is not in (XEP-0045 §7.4).
func (r *rooms) bounced(address string, e *stream.StanzaError) {
	id, _ := bareID(address)
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := r.all[id]; room != nil && room.state == inside && e.Condition == "not-acceptable" {
		r.begin(room)
	}
}
