package bridge

import (
	"context"
	"sync"
	"time"

	"papillon/msnp"
)

// presenceSender tells a network what to show of the user. Only the newest wish
// counts: there is at most one call under way, and a worker only while the last
// wish is not fulfilled. But a sign-out is never passed over: the next sign-in is
// to be one for the network, too, who tells a roster then.
type presenceSender struct {
	link *link

	mu      sync.Mutex
	wanted  Presence
	leaving bool // a sign-out is to be told before what is wanted
	told    Presence
	working bool
	stopped bool
	wake    chan struct{} // while working
	idle    chan struct{} // closed when the work ends
}

// want says what the network is to show from now on. It never blocks.
func (s *presenceSender) want(p Presence) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = p
	s.leaving = s.leaving || p.Show == Offline
	if s.working || s.stopped {
		return
	}
	s.working = true
	s.wake, s.idle = make(chan struct{}, 1), make(chan struct{})
	s.link.gateway.spawn(s.work)
}

// settle waits until the network knows what is wanted, or the context ends.
func (s *presenceSender) settle(ctx context.Context) {
	s.mu.Lock()
	working, idle := s.working, s.idle
	s.mu.Unlock()
	if !working {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// retryNow cuts the pause after a failure short: the network is back.
func (s *presenceSender) retryNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.working {
		select {
		case s.wake <- struct{}{}:
		default: // it is about to try anyway
		}
	}
}

// finish accepts no more wishes and says whether the network shows, or may show,
// the user as present.
func (s *presenceSender) finish() (present bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	offline := func(p Presence) bool { return p.Show == Offline || p.Show == Unknown }
	return !offline(s.told) || s.working && !offline(s.wanted)
}

// work tells the network until it shows what is wanted.
func (s *presenceSender) work(ctx context.Context) {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		s.mu.Lock()
		p := s.wanted
		if s.leaving {
			p = presenceOf(msnp.Offline)
		}
		s.mu.Unlock()
		call, cancel := context.WithTimeout(ctx, orderTimeout)
		err := s.link.account.SetPresence(call, p)
		cancel()
		if ctx.Err() != nil || s.done(p, err) {
			return
		}
		if err == nil {
			pause = retryFirst / 2
			continue
		}
		s.link.log.Info().Err(err).Stringer("pause", pause).Msg("Cannot tell the network the user's presence; trying again")
		select {
		case <-time.After(pause):
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// done notes the outcome of a call and ends the work when the last wish is
// fulfilled.
func (s *presenceSender) done(p Presence, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.told = p
		s.leaving = s.leaving && p.Show != Offline
	}
	if s.stopped || err == nil && s.wanted == p && !s.leaving {
		s.working = false
		close(s.idle)
		return true
	}
	return false
}
