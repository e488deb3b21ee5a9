package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// link is what a [Client] and a [Component] are made of: a connection that comes
// back. One goroutine connects, reads and calls the handler; writes are done by
// those who send.
type link struct {
	h       Handler
	log     zerolog.Logger
	timing  Timing
	backoff Backoff

	// What differs between the two.

	// connect makes one try.
	connect func(context.Context) (negotiated, error)
	// check refuses what the server would not take, and completes the rest.
	check func(*Stanza) error
	// own tells whether an answer that comes from an address comes from the
	// server itself.
	own func(string) bool
	// barrierPing writes a query that comes back once the server has taken
	// everything before it.
	barrierPing func(id string) []byte
	// fatal marks errors of a stream, after which connecting again is of no use.
	fatal func(error) error
	// confirm looks closer at such an error; nil leaves it as it is.
	confirm func(context.Context, error) error
	// keepsBuffers is set for the connection of many.
	keepsBuffers bool

	ctx      context.Context // ends when there is to be no connection any more
	cancel   context.CancelFunc
	finished chan struct{} // closed when nothing goes on any more
	heard    atomic.Int64  // when something was last read, in nanoseconds since began
	began    time.Time

	in inbound

	mu         sync.Mutex
	started    bool
	closed     bool
	wire       *wire // nil while there is no connection
	counting   bool  // stream management is on
	session    string
	out        outbound
	queries    map[string]*query
	asked      bool   // a query has been or is to be sent that is to come back,
	barrier    string // its id
	barrierEnd uint64 // and the last delivery before it
	counted    bool   // the server has been or is to be asked for its count
	ackTimer   *time.Timer
	ackWanted  bool // the server asked while not everything was done
}

func newLink(h Handler, log zerolog.Logger, timing Timing, backoff Backoff) *link {
	l := &link{
		h: h, log: log, timing: timing.withDefaults(), backoff: backoff,
		finished: make(chan struct{}), queries: make(map[string]*query), began: time.Now(),
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.in.changed = l.ackSoon
	return l
}

// Start begins to connect, and returns at once. Only the first call does anything.
func (l *link) Start() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.started || l.closed {
		return
	}
	l.started = true
	go l.run()
}

// errClosed is why nothing is sent after Close.
var errClosed = fmt.Errorf("closed: %w", ErrNotConnected)

// run connects until the end.
func (l *link) run() {
	defer close(l.finished)
	wait := waiter{Backoff: l.backoff}
	said := "" // why the try before failed
	for {
		n, err := l.connect(l.ctx)
		if err == nil {
			said = ""
			up := time.Now()
			if err = l.serve(n); errors.Is(err, ErrFatal) && l.confirm != nil {
				err = l.confirm(l.ctx, err)
			}
			if time.Since(up) > steady {
				wait.reset()
			}
		}
		if l.over(err) {
			return
		}
		l.h.Disconnected(err)
		if errors.Is(err, ErrFatal) {
			return
		}
		pause := wait.next()
		// A server that is down all night is worth one line.
		level, reason := zerolog.InfoLevel, Describe(err)
		if reason == said {
			level = zerolog.DebugLevel
		}
		said = reason
		l.log.WithLevel(level).Str("reason", reason).Stringer("again_in", pause.Round(time.Millisecond)).Msg("No connection to the XMPP server")
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			timer.Stop()
			l.over(errClosed)
			return
		}
	}
}

// steady is how long a connection must have lasted for the next failure to be a
// first one: a server that takes logins and drops them is not to be hammered.
const steady = 30 * time.Second

// over ends what waits for a session that will not go on, and tells whether the
// link was closed.
func (l *link) over(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	closed := l.closed || l.ctx.Err() != nil
	if closed {
		err = errClosed
	}
	if closed || errors.Is(err, ErrFatal) {
		l.session = ""
	}
	if l.session == "" {
		l.lose(err)
	}
	return closed
}

// lose ends what waits. The lock is held.
func (l *link) lose(err error) {
	if !errors.Is(err, ErrNotConnected) {
		err = fmt.Errorf("%w: %w", ErrNotConnected, err)
	}
	l.out.fail(err)
	l.dropQueries(err)
}

// Up implements [Conn].
func (l *link) Up() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wire != nil && !l.closed
}

// Send implements [Conn]. The context is looked at before anything is written:
// a write once begun is bounded by [Timing.Write].
func (l *link) Send(ctx context.Context, s *Stanza) error {
	b, w, first, _, err := l.push(ctx, s, nil)
	if err != nil {
		return err
	}
	if first {
		l.lead(w, b)
	}
	<-b.written
	if b.err != nil {
		return fmt.Errorf("send %s: %w", s.Kind, b.err)
	}
	return nil
}

// Deliver implements [Conn]. A stanza without an id gets one. What bounces while
// it waits is told here, and not to the handler as well.
func (l *link) Deliver(ctx context.Context, s *Stanza) error {
	named := *s
	if named.ID == "" {
		named.ID = newID()
	}
	d := &delivery{kind: named.Kind, from: named.From, to: named.To, id: named.ID, result: make(chan error, 1)}
	b, w, first, item, err := l.push(ctx, &named, d)
	if err != nil {
		return err
	}
	if first {
		go l.lead(w, b) // which the context does not bound
	}
	select {
	case err := <-d.result:
		return err
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.over {
		return <-d.result
	}
	if item != nil {
		item.void = true
	}
	l.out.finish(d, nil)
	return fmt.Errorf("wait until the server accepts %s: %w", s.Kind, ctx.Err())
}

// push adds a stanza to the next batch.
func (l *link) push(ctx context.Context, s *Stanza, d *delivery) (b *batch, w *wire, first bool, item *sent, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, false, nil, fmt.Errorf("send %s: %w", s.Kind, err)
	}
	checked := *s
	if err := l.check(&checked); err != nil {
		return nil, nil, false, nil, fmt.Errorf("send %s: %w", s.Kind, err)
	}
	data, err := appendStanza(make([]byte, 0, 512), &checked)
	if err != nil {
		return nil, nil, false, nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w = l.wire
	if w == nil || l.closed {
		return nil, nil, false, nil, fmt.Errorf("send %s: %w", s.Kind, ErrNotConnected)
	}
	b, first = w.pendingBatch()
	b.buf = append(b.buf, data...)
	if d != nil {
		l.out.await(d)
		b.ask = b.ask || !l.asked
		l.asked = true
	}
	if l.counting {
		item = &sent{data: data, delivery: d}
		l.out.keep(item)
		if d == nil {
			b.items = append(b.items, item)
		}
		if !l.counted && len(l.out.queue) > maxUncounted {
			b.count, l.counted = true, true
		}
	}
	return b, w, first, item, nil
}

// maxUncounted is how many stanzas may be sent before the server is asked how
// many it has: they are kept until then.
const maxUncounted = 32

// Close implements [Conn]. It is not for the handler to call, which it waits for.
func (l *link) Close(ctx context.Context) error {
	l.mu.Lock()
	closed, w := l.closed, l.wire
	l.closed = true
	if !l.started {
		l.started = true
		close(l.finished)
	}
	if closed || w == nil {
		l.mu.Unlock()
		l.cancel()
		return l.await(ctx)
	}
	b, first := w.pendingBatch()
	b.ack, b.farewell = l.counting, true
	l.mu.Unlock()
	if first {
		go l.lead(w, b)
	}
	timer := time.NewTimer(l.timing.Farewell)
	defer timer.Stop()
	select {
	case <-l.finished:
	case <-timer.C:
	case <-ctx.Done():
	}
	l.cancel()
	_ = w.conn.Close()
	return l.await(ctx)
}

// await waits for the end of everything.
func (l *link) await(ctx context.Context) error {
	select {
	case <-l.finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the connection: %w", ctx.Err())
	}
}
