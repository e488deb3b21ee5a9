package stream

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"mellium.im/xmpp/stream"
)

// serve reads a connection until it ends, and returns why.
func (l *link) serve(n negotiated) error {
	w := newWire(n.conn)
	f := &framer{r: n.conn.r, limit: maxStanza}
	early, err := l.begin(w, f, n)
	if err == nil {
		l.log.Info().Bool("resumed", n.resumed).Msg("Connected to the XMPP server")
		l.h.Connected(n.resumed)
		idle := l.watch(w)
		err = l.read(f, early)
		idle.Stop()
	}
	l.tearDown(w, err)
	return err
}

// begin settles what became of the session before, and opens the link for those
// who send. Early is what arrived before.
func (l *link) begin(w *wire, f *framer, n negotiated) (early []*Element, err error) {
	var again []byte
	session, counting := "", n.resumed
	if n.resumed {
		again = l.resumeCount(n.handled)
	} else {
		l.forget(n)
		if n.counts {
			if session, counting, early, err = l.enable(w, f); err != nil {
				return nil, err
			}
		}
	}
	if len(again) > 0 {
		if _, err := w.conn.Write(again); err != nil {
			return nil, fmt.Errorf("send again what was lost: %w", err)
		}
	}
	l.in.begin(n.resumed)
	l.mu.Lock()
	l.wire, l.counting = w, counting
	if !n.resumed {
		l.session = session
	}
	l.asked, l.barrier, l.counted, l.ackWanted = false, "", false, false
	awaited := l.out.awaited()
	l.mu.Unlock()
	l.heard.Store(int64(time.Since(l.began)))
	if awaited {
		l.control(l.ask)
	}
	return early, nil
}

// resumeCount takes the server's count of a session that goes on.
func (l *link) resumeCount(handled uint32) (again []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.out.counted(handled); err != nil {
		l.log.Warn().Err(err).Msg("The server resumed a session with a count that cannot be")
	}
	return l.out.again()
}

// forget ends what waits for a session that is gone, after what the server may
// have told of it.
func (l *link) forget(n negotiated) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n.reported {
		if err := l.out.counted(n.handled); err != nil {
			l.log.Debug().Err(err).Msg("The server's last count of a session that is gone cannot be")
		}
	}
	l.session = ""
	l.lose(errLost)
}

var errLost = errors.New("the session before the interruption could not be resumed")

// maxEarly bounds what may come before stream management is on.
const maxEarly = 1000

// enable turns stream management on.
func (l *link) enable(w *wire, f *framer) (session string, counting bool, early []*Element, err error) {
	if _, err := w.conn.Write([]byte(`<enable xmlns='` + nsSM + `' resume='true'/>`)); err != nil {
		return "", false, nil, fmt.Errorf("turn stream management on: %w", err)
	}
	for len(early) < maxEarly {
		frame, err := f.next()
		if err != nil {
			return "", false, nil, fmt.Errorf("turn stream management on: %w", err)
		}
		e, err := decodeFrame(frame)
		switch {
		case err != nil:
			l.log.Warn().Err(err).Msg("A malformed stanza was dropped")
		case e.isStream("error"):
			return "", false, nil, l.fatal(asStreamError(e))
		case e.Name.Space == nsSM && e.Name.Local == "enabled":
			if resume := e.Attribute("resume"); resume == "true" || resume == "1" {
				session = e.Attribute("id")
			}
			return session, true, early, nil
		case e.Name.Space == nsSM && e.Name.Local == "failed":
			return "", false, early, nil
		default:
			early = append(early, e)
		}
	}
	return "", false, nil, errors.New("turn stream management on: no answer")
}

// tearDown closes a connection to those who send. It returns only once nothing
// is written on it any more, so that what failed is known before a resumption.
func (l *link) tearDown(w *wire, err error) {
	if err == nil {
		err = errEnd
	}
	l.mu.Lock()
	if l.wire == w {
		l.wire = nil
	}
	if w.pending != nil {
		w.pending.end(fmt.Errorf("%w: %w", ErrNotConnected, err))
		w.pending = nil
	}
	if l.ackTimer != nil {
		l.ackTimer.Stop()
		l.ackTimer = nil
	}
	l.mu.Unlock()
	_ = w.conn.Close()
	w.writing <- struct{}{}
	<-w.writing
}

// watch asks after each silence whether the server lives. Stop ends it.
func (l *link) watch(w *wire) *time.Timer {
	var timer *time.Timer
	ready := make(chan struct{})
	timer = time.AfterFunc(l.timing.Ping, func() {
		<-ready
		l.mu.Lock()
		up := l.wire == w
		l.mu.Unlock()
		if !up {
			return
		}
		silence := time.Since(l.began) - time.Duration(l.heard.Load())
		if silence >= l.timing.Ping {
			l.control(l.ask)
			silence = 0
		}
		timer.Reset(l.timing.Ping - silence)
	})
	close(ready)
	return timer
}

// read takes what arrives until the end of the stream.
func (l *link) read(f *framer, early []*Element) error {
	for _, e := range early {
		if s := e.stanza(); s != nil {
			l.arrived(s, nil)
		}
	}
	for {
		frame, err := f.next()
		if err != nil {
			return err
		}
		l.heard.Store(int64(time.Since(l.began)))
		if err := l.take(frame); err != nil {
			return err
		}
	}
}

// take takes one element of the top level.
func (l *link) take(f frame) error {
	e, err := decodeFrame(f)
	if err != nil {
		l.broken(f, err)
		return nil
	}
	switch {
	case e.isStream("error"):
		return l.fatal(asStreamError(e))
	case e.Name.Space == nsSM && e.Name.Local == "r":
		l.ackNow()
	case e.Name.Space == nsSM && e.Name.Local == "a":
		handled, err := strconv.ParseUint(e.Attribute("h"), 10, 32)
		if err != nil {
			l.log.Warn().Msg("The server's count of stanzas is no number")
			return nil
		}
		l.recount(uint32(handled))
	default:
		if s := e.stanza(); s != nil {
			l.arrived(s, l.count())
			return nil
		}
		l.log.Debug().Str("name", e.Name.Local).Str("namespace", e.Name.Space).Msg("An unknown element was dropped")
	}
	return nil
}

// count counts a stanza that arrived, if the server does.
func (l *link) count() func() {
	l.mu.Lock()
	counting := l.counting
	l.mu.Unlock()
	if !counting {
		return nil
	}
	return l.in.next()
}

// arrived takes a stanza: an answer, something that came back, or for the handler.
func (l *link) arrived(s *Stanza, done func()) {
	if l.consume(s) {
		if done != nil {
			done()
		}
		return
	}
	defer func() {
		// Whatever is in a stanza, it must cost neither the stream nor the
		// process, and must not come again.
		if r := recover(); r != nil {
			l.log.Error().Interface("panic", r).Str("stack", string(debug.Stack())).Msg("A stanza was not understood")
			if done != nil {
				done()
			}
		}
	}()
	l.h.Stanza(s, done)
}

// consume takes what is not for the handler.
func (l *link) consume(s *Stanza) bool {
	if s.Kind == IQ {
		switch s.Type {
		case "result", "error":
			l.answered(s, nil)
			return true
		case "get", "set":
			if s.Type == "get" && l.ownBarrier(s) {
				return true
			}
			if s.ID != "" && len(s.Children) == 1 {
				return false
			}
		}
		l.refuse(s, "modify", "bad-request")
		return true
	}
	if s.Type != "error" {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.bounced(s)
}

// ownBarrier recognizes the query that a component sends to itself.
func (l *link) ownBarrier(s *Stanza) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.barrier == "" || s.ID != l.barrier || !l.own(s.From) {
		return false
	}
	l.passed()
	return true
}

// broken drops an element that cannot be understood. It counts nevertheless, and
// who waits for an answer gets one.
func (l *link) broken(f frame, cause error) {
	l.log.Warn().Err(cause).Int("bytes", f.size).Msg("A malformed or too large stanza was dropped")
	start, err := decodeStart(f)
	var s *Stanza
	if err == nil {
		s = start.stanza()
	} else if looksLikeStanza(f.data) {
		s = &Stanza{}
	}
	if s == nil {
		return
	}
	if done := l.count(); done != nil {
		defer done()
	}
	if s.Kind != IQ {
		return
	}
	switch s.Type {
	case "result", "error":
		if s.Type == "error" {
			s.Children = []*Element{NewElement("", "error").With(NewElement(nsStanzas, "undefined-condition"))}
		}
		l.answered(s, cause)
	default:
		l.refuse(s, "modify", "bad-request")
	}
}

// looksLikeStanza tells of an element whose opening tag cannot be read whether
// the server counts it.
func looksLikeStanza(data []byte) bool {
	for _, kind := range []Kind{Message, Presence, IQ} {
		if rest := len(kind) + 1; len(data) > rest && string(data[1:rest]) == string(kind) {
			return data[rest] == ' ' || data[rest] == '>' || data[rest] == '/'
		}
	}
	return false
}

// refuse answers a query that the handler does not get to see.
func (l *link) refuse(s *Stanza, kind, condition string) {
	answer := &Stanza{Kind: IQ, From: s.To, To: s.From, ID: s.ID, Type: "error", Children: []*Element{
		NewElement("", "error", "type", kind).With(NewElement(nsStanzas, condition)),
	}}
	if err := l.check(answer); err != nil || s.ID == "" {
		return
	}
	data, err := appendStanza(nil, answer)
	if err != nil {
		return
	}
	l.control(func(b *batch) {
		if len(b.buf) > maxReplies {
			return
		}
		b.buf = append(b.buf, data...)
		if l.counting {
			l.out.keep(&sent{data: data})
		}
	})
}

// control adds to the next batch without waiting for it. Change is called with
// the lock held.
func (l *link) control(change func(*batch)) {
	l.mu.Lock()
	w := l.wire
	if w == nil || l.closed {
		l.mu.Unlock()
		return
	}
	b, first := w.pendingBatch()
	change(b)
	l.mu.Unlock()
	if first {
		go l.lead(w, b)
	}
}

// asStreamError makes an error of the stream's error element; RFC 6120 §4.9.
func asStreamError(e *Element) error {
	for _, c := range e.Children {
		if c.Name.Space == nsStreamErrors && c.Name.Local != "text" {
			return fmt.Errorf("the server ended the stream: %w", stream.Error{Err: c.Name.Local})
		}
	}
	return fmt.Errorf("the server ended the stream: %w", stream.UndefinedCondition)
}
