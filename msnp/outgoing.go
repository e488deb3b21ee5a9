package msnp

import (
	"errors"
	"net"
	"sync"
	"time"
)

// writeTimeout is how long one write may wait for a client that does not read.
const writeTimeout = 30 * time.Second

// errQueueFull says that a client did not read what was sent to it.
var errQueueFull = errors.New("limits.send_queue: the client does not read")

// outgoing is the sending half of a connection: a queue of bytes and, while
// there are any, one goroutine that writes them. Whatever gathers during a
// write goes out together with the next one. An idle connection has no
// goroutine here and no buffer: there are thousands of them.
//
// Its methods are safe from any goroutine and never block, but for those of the
// reader: hold, release and flush.
type outgoing struct {
	nc    net.Conn
	limit int // bytes that may wait; 0 for any number
	// failed is called once, without the lock, when the connection is of no
	// more use for sending.
	failed func(error)

	mu       sync.Mutex
	queue    []byte        // not yet taken by the writer
	spare    []byte        // an empty buffer to go on with, while a writer runs
	inFlight int           // bytes taken by the writer, not yet written
	writing  bool          // a writer runs, or a hold will become one
	last     bool          // nothing may be added any more
	dead     bool          // failed or cut
	queued   int64         // bytes ever added
	written  int64         // bytes ever written
	receipts []receipt     // waiting for the client's TCP stack, by position
	watching bool          // a goroutine waits for receipts
	drained  chan struct{} // made by finish, closed when nothing is left to write

	pauses *pauses // nil for clients that read all there is; see readBy

	held bool // between hold and release; belongs to the reader
}

// receipt is somebody who wants to know when the client has all bytes up to a
// position.
type receipt struct {
	position int64
	done     func(bool)
}

// send adds one or more whole lines. Build appends them to the buffer it is
// given; it runs under the queue's lock and must do nothing else. Done, if not
// nil, is called exactly once, from any goroutine but not under the lock: with
// true when the client's TCP stack has acknowledged the bytes. Queued is false
// when the connection is of no more use.
func (o *outgoing) send(build func([]byte) []byte, done func(bool)) (queued bool) {
	o.mu.Lock()
	if o.dead || o.last {
		o.mu.Unlock()
		if done != nil {
			done(false)
		}
		return false
	}
	o.apart(o.queued)
	before := len(o.queue)
	o.queue = build(o.queue)
	o.queued += int64(len(o.queue) - before)
	if done != nil {
		o.receipts = append(o.receipts, receipt{o.queued, done})
	}
	// Only what waited before counts: one large answer, a long contact list,
	// is no sign of a client that does not read.
	full := o.limit > 0 && before+o.inFlight > o.limit
	start := !o.writing && !full
	o.writing = o.writing || start
	o.mu.Unlock()
	switch {
	case full:
		o.fail(errQueueFull)
	case start:
		go o.write()
	}
	return !full
}

// finish lets nothing more be added and closes the sending side once all is
// written. The channel it returns is closed then, or when the connection is of
// no more use.
func (o *outgoing) finish() (drained <-chan struct{}) {
	o.mu.Lock()
	if o.drained == nil {
		o.drained = make(chan struct{})
		if o.dead {
			close(o.drained)
		}
	}
	drained = o.drained
	start := !o.dead && !o.last && !o.writing
	o.last = true
	o.writing = o.writing || start
	o.mu.Unlock()
	if start {
		go o.write()
	}
	return drained
}

// ending says whether finish was called and the last lines may be on their way.
func (o *outgoing) ending() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last && !o.dead
}

// hold keeps what is sent from now on in the queue until release writes it all at
// once on the calling goroutine. The connection's reader holds while it handles
// a command, so that answers take no second goroutine. Where a writer runs
// already, both do nothing. Only the reader may call hold, flush and release.
func (o *outgoing) hold() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.held = !o.writing && !o.dead
	o.writing = o.writing || o.held
}

// release ends a hold.
func (o *outgoing) release() {
	if o.held {
		o.held = false
		o.write()
	}
}

// flush writes what is held so far, so that it goes in a write of its own.
func (o *outgoing) flush() {
	if o.held {
		o.release()
		o.hold()
	}
}

// write writes until the queue is empty or a pause is due.
func (o *outgoing) write() {
	for {
		o.mu.Lock()
		if o.dead || len(o.queue) == 0 {
			o.writing = false
			o.queue, o.spare = nil, nil
			end := o.last && !o.dead
			o.mu.Unlock()
			if end {
				o.closeWrite()
			}
			return
		}
		batch, more := o.takeBatch()
		if more > 0 {
			o.pauses.timer = time.AfterFunc(more, o.write)
			o.mu.Unlock()
			return
		}
		o.inFlight = len(batch)
		o.mu.Unlock()

		err := o.writeBatch(batch)

		o.mu.Lock()
		o.pauses.wrote()
		o.inFlight, o.spare = 0, batch[:0]
		o.written += int64(len(batch))
		watch := err == nil && len(o.receipts) > 0 && !o.watching
		o.watching = o.watching || watch
		o.mu.Unlock()
		if err != nil {
			o.fail(err)
		} else if watch {
			o.watch()
		}
	}
}

func (o *outgoing) writeBatch(batch []byte) error {
	if err := o.nc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := o.nc.Write(batch)
	return err
}

// watch tells those whose bytes the client has. When some are still on their
// way it goes on asking, in a goroutine of its own: there is no event for it.
func (o *outgoing) watch() {
	if !o.settle() {
		return
	}
	go func() {
		for pause := time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
			time.Sleep(pause)
			if !o.settle() {
				return
			}
		}
	}()
}

// settle calls the receipts that are due and says whether it has to be called
// again for others.
func (o *outgoing) settle() (again bool) {
	// The position is read before the count: bytes written in between can only
	// make the bound lower than it could be, never too high.
	o.mu.Lock()
	written := o.written
	o.mu.Unlock()
	unacknowledged, known := unacknowledgedBytes(o.nc)

	o.mu.Lock()
	var due []receipt
	if known && !o.dead {
		due = o.takeReceipts(written - int64(unacknowledged))
	}
	// What is not written yet starts its own watch after its write.
	again = !o.dead && len(o.receipts) > 0 && o.receipts[0].position <= o.written
	o.watching = again
	o.mu.Unlock()
	for _, r := range due {
		r.done(true)
	}
	return again
}

// takeReceipts removes and returns the receipts up to a position; the caller
// holds the lock.
func (o *outgoing) takeReceipts(position int64) []receipt {
	n := 0
	for n < len(o.receipts) && o.receipts[n].position <= position {
		n++
	}
	due := o.receipts[:n:n]
	o.receipts = o.receipts[n:]
	if len(o.receipts) == 0 {
		o.receipts = nil
	}
	return due
}

// fail gives the connection up: nothing more is sent, and whoever waits for a
// receipt is told that the client did not get it.
func (o *outgoing) fail(err error) {
	o.mu.Lock()
	if o.dead {
		o.mu.Unlock()
		return
	}
	o.dead = true
	o.tellDrained()
	lost := o.receipts
	o.receipts = nil
	o.mu.Unlock()
	o.failed(err)
	for _, r := range lost {
		r.done(false)
	}
}

// closeWrite ends the sending side, so that the client reads to the end and
// closes. Where that is not possible the connection is closed.
func (o *outgoing) closeWrite() {
	err := errors.ErrUnsupported
	if half, ok := o.nc.(interface{ CloseWrite() error }); ok {
		err = half.CloseWrite()
	}
	if err != nil {
		o.fail(net.ErrClosed)
		return
	}
	o.mu.Lock()
	o.tellDrained()
	o.mu.Unlock()
}

// tellDrained closes the channel of finish; the caller holds the lock.
func (o *outgoing) tellDrained() {
	if o.drained == nil {
		return
	}
	select {
	case <-o.drained: // said already
	default:
		close(o.drained)
	}
}
