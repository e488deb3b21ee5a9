package stream

import "time"

// acknowledged takes the server's count of what it has taken (XEP-0198).
func (l *link) acknowledged(handled uint32) {
	l.mu.Lock()
	if err := l.out.acknowledged(handled); err != nil {
		l.log.Warn().Err(err).Msg("The server's count of stanzas cannot be")
	}
	l.asked = false
	ask := l.askAgain()
	l.mu.Unlock()
	if ask {
		l.control(func(b *batch) { b.ask = true })
	}
}

// passed takes the answer to the barrier: the server has taken what was sent
// before it. The lock is held.
func (l *link) passed() {
	l.barrier = ""
	l.out.accepted(int(l.barrierEnd - l.out.base))
	l.asked = false
	if l.askAgain() {
		go l.control(func(b *batch) { b.ask = true })
	}
}

// askAgain decides whether to ask once more: when somebody waits for what was
// sent after the last question. The lock is held.
func (l *link) askAgain() bool {
	l.asked = l.out.waiting() && l.out.end() > l.askedEnd
	return l.asked
}

// ackNow answers the server's question. What is not done yet is told as soon as
// it is.
func (l *link) ackNow() {
	_, all := l.in.untold()
	l.control(func(b *batch) {
		b.ack = true
		l.ackWanted = !all
	})
}

// maxUntold is how many stanzas may be done before the server is told unasked:
// it keeps them until then.
const maxUntold = 64

// ackSoon tells the server that more was done: at once if it waits for that,
// else a little later.
func (l *link) ackSoon() {
	untold, all := l.in.untold()
	l.mu.Lock()
	if l.wire == nil || untold == 0 {
		l.mu.Unlock()
		return
	}
	if untold < maxUntold && !(l.ackWanted && all) {
		if l.ackTimer == nil {
			l.ackTimer = time.AfterFunc(l.timing.Ack, l.ackLate)
		}
		l.mu.Unlock()
		return
	}
	l.ackWanted = false
	l.mu.Unlock()
	l.control(func(b *batch) { b.ack = true })
}

// ackLate tells the server what has been done since.
func (l *link) ackLate() {
	l.mu.Lock()
	l.ackTimer = nil
	l.mu.Unlock()
	if untold, _ := l.in.untold(); untold > 0 {
		l.control(func(b *batch) { b.ack = true })
	}
}
