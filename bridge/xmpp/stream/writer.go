package stream

import (
	"net"
	"strconv"
)

// wire is one connection that is up. What many goroutines send at the same time
// is joined: whoever comes first while a write goes on will write for all who
// come until it is done.
type wire struct {
	conn    net.Conn
	writing chan struct{} // of one slot, taken while something is written, before the link's lock
	spare   []byte        // a buffer for the next batch; guarded by the link's lock
	pending *batch        // what is to be written next; guarded by the link's lock
}

func newWire(conn net.Conn) *wire { return &wire{conn: conn, writing: make(chan struct{}, 1)} }

// batch is what is written at once.
type batch struct {
	buf      []byte
	ack      bool          // whether to tell our count (XEP-0198) at its end,
	ask      bool          // to send a query that comes back after it,
	count    bool          // to ask for the server's count,
	farewell bool          // and to end the stream
	items    []*sent       // of senders who are told when it fails
	written  chan struct{} // closed when it is written, or cannot be
	err      error
	over     bool
}

const (
	// keepBatch is how large a buffer may be to be kept for the next batch.
	keepBatch = 64 << 10
	// maxReplies bounds, in bytes, what may wait to be written before the
	// connection's own answers to nonsense are left out.
	maxReplies = 1 << 20
)

// pendingBatch returns the batch to add to, and whether it is new, so that the
// caller has to see to its being written, by lead. The link's lock is held.
func (w *wire) pendingBatch() (b *batch, first bool) {
	if w.pending != nil {
		return w.pending, false
	}
	w.pending = &batch{buf: w.spare[:0], written: make(chan struct{})}
	w.spare = nil
	return w.pending, true
}

// lead writes a batch, after the one before it.
func (l *link) lead(w *wire, b *batch) {
	w.writing <- struct{}{}
	defer func() { <-w.writing }()
	l.mu.Lock()
	if b.over { // the connection was lost meanwhile
		l.mu.Unlock()
		return
	}
	w.pending = nil
	l.finishBatch(b)
	l.mu.Unlock()
	_, err := w.conn.Write(b.buf)
	l.mu.Lock()
	b.end(err)
	if cap(b.buf) <= keepBatch && w.spare == nil && l.keepsBuffers {
		w.spare = b.buf
	}
	b.buf = nil
	l.mu.Unlock()
	if err != nil {
		_ = w.conn.Close() // the reader sees to the rest
	}
}

// finishBatch adds what goes to the end of a batch, where it speaks for all in
// it. The link's lock is held.
func (l *link) finishBatch(b *batch) {
	if b.ack {
		b.buf = append(b.buf, `<a xmlns='`+nsSM+`' h='`...)
		b.buf = append(strconv.AppendUint(b.buf, uint64(l.in.tell()), 10), `'/>`...)
	}
	if b.ask {
		l.barrier, l.barrierEnd = newID(), l.out.last
		ping := l.barrierPing(l.barrier)
		b.buf = append(b.buf, ping...)
		if l.counting {
			l.out.keep(&sent{data: ping})
		}
	}
	if b.count {
		b.buf = append(b.buf, `<r xmlns='`+nsSM+`'/>`...)
	}
	if b.farewell {
		b.buf = append(b.buf, `</stream:stream>`...)
	}
}

// end tells everybody whose stanzas are in a batch how it went. What failed is
// not sent again after a resumption, since its sender knows. The link's lock is
// held.
func (b *batch) end(err error) {
	if b.over {
		return
	}
	b.over, b.err = true, err
	if err != nil {
		for _, s := range b.items {
			s.void = true
		}
	}
	b.items = nil
	close(b.written)
}
