package msnp

import (
	"slices"
	"time"
)

// reading is how a client takes what it has read from its socket.
type reading uint8

const (
	// readsAll: line by line, until there is nothing left. All clients but two do.
	readsAll reading = iota
	// readsByLine: one line, and the rest when something further comes, as MSN.pm does.
	// The last lines of a burst would stay unseen. The original service made no bursts,
	// because it only passed on what people wrote.
	readsByLine
	// readsOne: the first line, and the rest is thrown away, but for lists and ILN, as
	// XMSNC does.
	readsOne
)

// pauseTimes are how long a client is left alone before something that has to reach it
// by itself. MSN.pm looks for input ten times a second; XMSNC is told of it by the system.
var pauseTimes = [...]time.Duration{readsByLine: 250 * time.Millisecond, readsOne: 100 * time.Millisecond}

// pauses are kept for clients that do not read all there is.
type pauses struct {
	reading   reading
	at        []int64     // what was added behind these positions waits; ascending
	timer     *time.Timer // writes on after a pause, in the writer's place
	lastWrite time.Time
}

// readBy has the pauses be kept that a client needs from now on. Safe from any goroutine.
func (o *outgoing) readBy(how reading) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pauses == nil && how != readsAll {
		o.pauses = &pauses{reading: how, lastWrite: time.Now()}
	}
}

// reading says what readBy was told. Safe from any goroutine.
func (o *outgoing) reading() reading {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pauses == nil {
		return readsAll
	}
	return o.pauses.reading
}

// pause keeps what is sent from now on back from a client that reads by the line, until
// some time has gone by since the last write. Of several pauses only the last counts: a
// burst goes out at once but for its end, and takes no longer than one pause.
func (o *outgoing) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pauses == nil || o.pauses.reading != readsByLine {
		return
	}
	o.pauses.at = append(o.pauses.at[:0], o.queued)
	if o.pauses.timer != nil && o.pauses.timer.Stop() {
		o.pauses.timer = nil
		go o.write() // what the former pause has kept back
	}
}

// sendParts is send for several lines that belong together: nothing comes between them, and
// they go in one write, but to a client that takes only one line of each.
func (o *outgoing) sendParts(parts ...func([]byte) []byte) {
	o.send(func(b []byte) []byte {
		start := o.queued - int64(len(b)) // what is queued already is in b
		for _, part := range parts {
			o.apart(start + int64(len(b)))
			b = part(b)
		}
		return b
	}, nil)
}

// apart has what comes behind a position go in a write of its own to a client that takes
// only one line of each. The caller holds the lock.
func (o *outgoing) apart(position int64) {
	if p := o.pauses; p != nil && p.reading == readsOne && !slices.Contains(p.at, position) {
		p.at = append(p.at, position)
	}
}

// wrote notes that something was written just now. The caller holds the lock of the
// queue.
func (p *pauses) wrote() {
	if p != nil {
		p.lastWrite = time.Now()
	}
}

// takeBatch takes from the queue what may be written now. With nothing to be written
// yet, more is how long that takes. The caller holds the lock.
func (o *outgoing) takeBatch() (batch []byte, more time.Duration) {
	n := len(o.queue)
	if p := o.pauses; p != nil && !o.last {
		p.timer = nil
		if n, more = p.due(o.queued-int64(n), n); more > 0 {
			return nil, more
		}
	}
	batch = o.queue[:n]
	o.queue = append(o.spare[:0], o.queue[n:]...)
	return batch, 0
}

// due says how many of n bytes that wait from a position on may be written now, or how
// long none may. Pauses that are over are forgotten.
func (p *pauses) due(from int64, n int) (now int, more time.Duration) {
	for len(p.at) > 0 {
		switch ahead := p.at[0] - from; {
		case ahead >= int64(n):
			return n, 0
		case ahead > 0:
			return int(ahead), 0
		case ahead == 0:
			if more = pauseTimes[p.reading] - time.Since(p.lastWrite); more > 0 {
				return 0, more
			}
		}
		p.at = p.at[1:]
	}
	p.at = nil
	return n, 0
}
