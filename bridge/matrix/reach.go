package matrix

import (
	"context"
	"fmt"
	"sync"
	"time"

	"maunium.net/go/mautrix"

	"papillon/bridge"
)

// reach knows whether the homeserver can be worked with, and tells the
// accounts when that changes. Only its own probes decide; calls that fail make
// it probe at once.
type reach struct {
	network *Network
	doubt   chan struct{} // pokes the prober

	mu    sync.Mutex
	known bool
	last  bridge.ConnectionChanged
}

// probeTimeout bounds one probe: a homeserver that takes longer is of no use.
const probeTimeout = 10 * time.Second

// confirmDown is the pause before a second probe decides that a homeserver
// that did answer no longer does.
const confirmDown = time.Second

// unstableBusy is how a homeserver says that it knows the presence "busy"
// (MSC3026).
const unstableBusy = "org.matrix.msc3026.busy_presence"

func newReach(n *Network) *reach {
	return &reach{network: n, doubt: make(chan struct{}, 1)}
}

// suspect makes the prober look at once.
func (r *reach) suspect() { poke(r.doubt) }

// now returns what is known; known is false before the first probe.
func (r *reach) now() (state bridge.ConnectionChanged, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last, r.known
}

// down says whether the homeserver is known not to answer.
func (r *reach) down() bool {
	state, known := r.now()
	return known && !state.Up
}

// run probes until the context ends: at intervals, and when a call failed. While
// the homeserver is down calls fail all the time, and only the interval counts.
func (r *reach) run(ctx context.Context) {
	var failures backoff
	for {
		pause, doubt := r.network.options.ProbeInterval, r.doubt
		state, looked := r.look(ctx), time.Now()
		if ctx.Err() != nil {
			return
		}
		r.set(state)
		if state.Up {
			failures.reset()
		} else {
			pause, doubt = min(failures.fail(), pause), nil
		}
		if !wait(ctx, pause, doubt) || !wait(ctx, min(pause, minBackoff-time.Since(looked)), nil) {
			return
		}
	}
}

// look probes, and a second time before a homeserver that was well is
// reported as down: a restart should not frighten anybody.
func (r *reach) look(ctx context.Context) bridge.ConnectionChanged {
	state := r.probe(ctx)
	if was, _ := r.now(); was.Up && !state.Up && wait(ctx, confirmDown, nil) {
		state = r.probe(ctx)
	}
	return state
}

// probe asks whether the homeserver is there and whether it knows the gateway.
func (r *reach) probe(ctx context.Context) bridge.ConnectionChanged {
	n := r.network
	ctx, cancel := context.WithTimeout(mautrix.WithMaxRetries(ctx, 0), probeTimeout)
	defer cancel()
	client := n.client("")
	versions, err := client.Versions(ctx)
	if tokenRefused(err) { // Synapse looks at the token even here
		return n.stranger()
	} else if err != nil {
		n.log.Debug().Err(err).Msg("Homeserver does not answer")
		return bridge.ConnectionChanged{Reason: fmt.Sprintf(
			"the Matrix server %s cannot be reached: messages wait until it is back", n.options.Domain)}
	}
	n.busy.Store(versions.UnstableFeatures[unstableBusy])
	who, err := client.Whoami(ctx)
	if tokenRefused(err) {
		return n.stranger()
	} else if err != nil && unreachable(err) {
		return bridge.ConnectionChanged{Reason: fmt.Sprintf(
			"the Matrix server %s does not answer: messages wait until it does", n.options.Domain)}
	}
	if err == nil && who.UserID != "" && who.UserID.Homeserver() != n.options.Domain {
		return bridge.ConnectionChanged{Reason: fmt.Sprintf(
			"the Matrix server is that of %s, but matrix.homeserver_domain is %s: messages wait until that is mended", who.UserID.Homeserver(), n.options.Domain)}
	}
	return bridge.ConnectionChanged{Up: true}
}

// stranger is the state of a gateway whose token the homeserver does not know.
func (n *Network) stranger() bridge.ConnectionChanged {
	return bridge.ConnectionChanged{Reason: fmt.Sprintf(
		"the Matrix server %s does not know this gateway: give it the gateway's registration file and restart it", n.options.Domain)}
}

// set keeps the result of a probe and passes a change on.
func (r *reach) set(state bridge.ConnectionChanged) {
	r.mu.Lock()
	same := r.known && r.last == state
	r.known, r.last = true, state
	r.mu.Unlock()
	if same {
		return
	}
	if state.Up {
		r.network.log.Info().Str("homeserver", r.network.options.HomeserverURL).Msg("Homeserver answers")
	} else {
		r.network.log.Warn().Str("homeserver", r.network.options.HomeserverURL).Msg(state.Reason)
	}
	if state.Up {
		r.network.bot.appear()
	}
	for _, a := range r.network.open() {
		a.connectionChanged(state)
	}
}
