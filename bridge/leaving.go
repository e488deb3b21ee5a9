package bridge

import "time"

// leaving is a local user who was taken off FL a moment ago and has not been told.
type leaving struct {
	timer *time.Timer
	tell  func()
}

// leave tells a local user that he is no longer on this one's FL, unless he is put there
// again at once: that is how some clients rename (aMSN), and nobody else's business.
func (u *user) leave(h Handle, reverse uint32) {
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
		}
	})
}
