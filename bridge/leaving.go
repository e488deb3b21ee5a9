package bridge

import (
	"context"
	"fmt"
	"time"
)

// leaving is a local user who was taken off FL a moment ago and has not been told.
type leaving struct {
	timer *time.Timer
	tell  func()
}

// leave tells a local user that he is no longer on this one's FL, unless he is put there
// again at once: that is how some clients rename (aMSN), and nobody else's business.
func (u *user) leave(h Handle, reverse uint32) {
	u.noteLeft(h, true)
	u.owner.do(func() {
		tell := func() { u.gateway.tellReverse(false, h, u, reverse) }
		if u.closed {
			tell()
			return
		}
		if u.leaving == nil {
			u.leaving = make(map[Handle]leaving)
		}
		u.leaving[h] = leaving{tell: tell, timer: time.AfterFunc(unfollowHold, func() {
			u.owner.post(func() { u.leaveNow(h) })
		})}
	})
}

// leaveNow tells what [user.leave] holds back. Owned.
func (u *user) leaveNow(h Handle) {
	if l, untold := u.leaving[h]; untold {
		delete(u.leaving, h)
		l.timer.Stop()
		l.tell()
	}
}

// comesBack keeps from a local user that he was taken off FL a moment ago, if he has not
// been told.
func (u *user) comesBack(h Handle) {
	u.owner.do(func() {
		if l, untold := u.leaving[h]; untold {
			delete(u.leaving, h)
			l.timer.Stop()
			u.noteLeft(h, false)
		}
	})
}

// noteLeft notes at a local user that this one took him off FL and that he is not told
// yet, or that he is back. Safe from any goroutine.
func (u *user) noteLeft(h Handle, left bool) {
	other := u.gateway.user(h)
	switch {
	case other != nil:
		other.owner.post(func() { other.leftBy(u.handle, left) })
	case left: // he may have signed out this very moment
		u.gateway.setStale(h)
	}
}

// leftBy takes that in. Owned.
func (u *user) leftBy(h Handle, left bool) {
	switch {
	case !left:
		delete(u.left, h)
	case u.closed:
		u.gateway.setStale(u.handle)
	case u.left == nil:
		u.left = map[Handle]bool{h: true}
	default:
		u.left[h] = true
	}
}

// setStale notes that somebody's client may know a later serial than that of a change of
// RL, or of the groups, that it was not told. Safe from any goroutine.
func (g *Gateway) setStale(h Handle) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stale[h] = true
}

// distrust raises the serial where that is so: the client is then sent its lists.
func (u *user) distrust(ctx context.Context) error {
	u.gateway.mu.Lock()
	stale := u.gateway.stale[u.handle]
	u.gateway.mu.Unlock()
	if !stale {
		return nil
	}
	serial, err := u.gateway.Storage.RaiseSerial(ctx, u.handle)
	if err != nil {
		return fmt.Errorf("have the lists sent again: %w", err)
	}
	u.owner.do(func() { u.raised(serial) })
	u.gateway.mu.Lock()
	defer u.gateway.mu.Unlock()
	delete(u.gateway.stale, u.handle)
	return nil
}
