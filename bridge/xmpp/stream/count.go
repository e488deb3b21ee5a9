package stream

import "time"

// recount takes the server's count of what it has taken (XEP-0198).
func (l *link) recount(handled uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.out.counted(handled); err != nil {
		l.log.Warn().Err(err).Msg("The server's count of stanzas cannot be")
	}
	l.counted = false
}

// passed takes the answer to the barrier: the server has taken what was sent
// before it. One question serves all who waited, and one more all who came
// since. The lock is held.
func (l *link) passed() {
	l.barrier = ""
	l.out.passed(l.barrierEnd)
	if l.asked = l.out.awaited(); l.asked {
		go l.control(l.ask)
	}
}

// ask sends the query that is to come back. It is for [link.control].
func (l *link) ask(b *batch) { b.ask, b.count, l.asked = true, l.counting, true }

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
