package msnp

import "time"

// pauseTime is how long a client is left alone before something that has to reach it by
// itself. MSN.pm looks for input ten times a second.
const pauseTime = 250 * time.Millisecond

// pauses are for clients that take one line of what they have read and look at the rest
// only when something further comes, as MSN.pm does: without them, the last lines of a
// burst would stay unseen. The original service made no bursts, because it only passed on
// what people wrote.
type pauses struct {
	at        int64       // what was added behind this position waits; negative for none
	timer     *time.Timer // writes on after a pause, in the writer's place
	lastWrite time.Time
}

// readsByLine has pauses be kept from now on. Safe from any goroutine.
func (o *outgoing) readsByLine() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pauses == nil {
		o.pauses = &pauses{at: -1, lastWrite: time.Now()}
	}
}

// keepsPauses says whether readsByLine was called. Safe from any goroutine.
func (o *outgoing) keepsPauses() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pauses != nil
}

// pause keeps what is sent from now on back until [pauseTime] has gone by since the
// last write. Of several pauses only the last counts: a burst goes out at once but for
// its end, and takes no longer than one pause. It does nothing for clients that read all
// there is.
func (o *outgoing) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.pauses == nil {
		return
	}
	o.pauses.at = o.queued
	if o.pauses.timer != nil && o.pauses.timer.Stop() {
		o.pauses.timer = nil
		go o.write() // what the former pause has kept back
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
	batch = o.queue
	if o.pauses == nil {
		o.queue = o.spare[:0]
		return batch, 0
	}
	o.pauses.timer = nil
	ahead := int(o.pauses.at - (o.queued - int64(len(batch)))) // bytes before the pause
	if ahead < 0 || ahead >= len(batch) || o.last {
		o.queue = o.spare[:0]
		return batch, 0
	}
	if ahead > 0 {
		o.queue = append(o.spare[:0], batch[ahead:]...)
		return batch[:ahead], 0
	}
	if more = pauseTime - time.Since(o.pauses.lastWrite); more > 0 {
		return nil, more
	}
	o.queue = o.spare[:0]
	return batch, 0
}
