package msnp

import "time"

// pauseTime is how long a client is left alone before something that has to reach it by
// itself. MSN.pm looks for input ten times a second.
const pauseTime = 250 * time.Millisecond

// pause keeps what is sent from now on back until [pauseTime] has gone by since the
// last write. Of several pauses only the last counts: a burst goes out at once but for
// its end, and takes no longer than one pause.
//
// It is for clients that take one line of what they have read and look at the rest only
// when something further comes, as MSN.pm does: without the pause, the last lines of a
// burst would stay unseen in them. The original service made no bursts, because it only
// passed on what people wrote.
func (o *outgoing) pause() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pauseAt = o.queued
	if o.pausing != nil && o.pausing.Stop() {
		o.pausing = nil
		go o.write() // what the former pause has kept back
	}
}

// takeBatch takes from the queue what may be written now. With nothing to be written
// yet, more is how long that takes. The caller holds the lock.
func (o *outgoing) takeBatch() (batch []byte, more time.Duration) {
	batch = o.queue
	ahead := int(o.pauseAt - (o.queued - int64(len(batch)))) // bytes before the pause
	if ahead < 0 || ahead >= len(batch) || o.last {
		o.queue = o.spare[:0]
		return batch, 0
	}
	if ahead > 0 {
		o.queue = append(o.spare[:0], batch[ahead:]...)
		return batch[:ahead], 0
	}
	if more = pauseTime - time.Since(o.lastWrite); more > 0 {
		return nil, more
	}
	o.queue = o.spare[:0]
	return batch, 0
}
