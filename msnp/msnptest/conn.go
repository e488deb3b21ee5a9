package msnptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"papillon/msnp/wire"
)

// ErrClosed is wrapped in what requests and Wait return once the connection has
// ended, by whichever side.
var ErrClosed = errors.New("connection is closed")

// ServerError is an error line, the answer to a request that failed
// (draft-movva-00 §7.11).
type ServerError struct {
	// Code is the number on the wire, see the codes of package msnp.
	Code int
	// TrID is the request's transaction id, "" when the line had none.
	TrID string
}

// Error implements error.
func (e *ServerError) Error() string { return fmt.Sprintf("server answered with error %d", e.Code) }

// message is a line from the server with its payload.
type message struct {
	words   []string
	payload []byte
}

// request waits for the lines with its transaction id. Accept sees each of them
// with conn.mu held, says whether it was the last, and fails the request by an
// error.
type request struct {
	accept func(words []string) (done bool, err error)
	result chan error
}

// conn is one connection to a server. A goroutine reads it, hands answers to
// the requests that wait for them and everything else to push; it never writes
// and never waits for anybody.
type conn struct {
	raw    net.Conn
	reader *wire.Reader
	trace  *tracer
	events *queue
	// push turns a line that answers no request into an event. It runs on the
	// reading goroutine.
	push func(message) Event
	// ended makes the last event, with nil for an orderly end.
	ended func(error) Event
	// settle waits for what may still push events.
	settle   func()
	done     chan struct{} // closed when the connection has ended
	finished chan struct{} // closed when the goroutine has, too

	writing sync.Mutex // guards out, last and the order on the wire
	out     []byte
	last    uint32 // transaction id

	mu      sync.Mutex
	pending map[string]*request // nil once the connection has ended
	cause   error
}

// maxLine and maxPayload are far above what a server of the time sent.
const (
	maxLine    = 64 << 10
	maxPayload = 1 << 20
)

func newConn(raw net.Conn, trace *tracer, ignore func(Event) bool) *conn {
	return &conn{
		raw:      raw,
		reader:   wire.NewReader(raw, wire.Limits{Line: maxLine, Payload: maxPayload}),
		trace:    trace,
		events:   newQueue(ignore),
		settle:   func() {},
		done:     make(chan struct{}),
		finished: make(chan struct{}),
		pending:  make(map[string]*request),
	}
}

// run reads until the connection ends.
func (c *conn) run() {
	defer close(c.finished)
	err := c.receive()
	c.raw.Close() // the error of interest is the one that ended reading
	if err == io.EOF || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		err = nil
	}
	c.mu.Lock()
	pending := c.pending
	c.pending, c.cause = nil, err
	c.mu.Unlock()
	for _, req := range pending {
		req.result <- closedError(err)
	}
	c.events.push(c.ended(err))
	close(c.done)
	c.settle()
	c.events.end(closedError(err))
}

func closedError(cause error) error {
	if cause == nil {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, cause)
}

func (c *conn) receive() error {
	for {
		m, err := c.receiveOne()
		if err != nil {
			return err
		}
		c.trace.received(m)
		if len(m.words) == 0 {
			return errors.New("server sent an empty line")
		}
		if c.answers(m.words) {
			continue
		}
		if event := c.push(m); event != nil {
			c.events.push(event)
		}
	}
}

func (c *conn) receiveOne() (message, error) {
	words, err := c.reader.ReadLine()
	if err != nil {
		return message{}, err
	}
	m := message{words: slices.Clone(words)}
	if len(words) < 2 || !carriesPayload(words[0]) {
		return m, nil
	}
	last := words[len(words)-1]
	n, ok := wire.ParseLength(last)
	if !ok {
		return message{}, fmt.Errorf("server sent %s with the length %q", words[0], last)
	}
	m.payload, err = c.reader.ReadPayload(n)
	return m, err
}

// carriesPayload knows the commands from a server that have one, up to MSNP7.
func carriesPayload(command string) bool {
	return command == "MSG" || command == "NOT" || command == "IPG"
}

// answers gives a line to the request that waits for it, if there is one.
func (c *conn) answers(words []string) bool {
	if len(words) < 2 || isPush(words[0]) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	req := c.pending[words[1]]
	if req == nil {
		return false
	}
	var done bool
	var err error
	if code, failed := errorCode(words[0]); failed {
		err = &ServerError{Code: code, TrID: words[1]}
	} else {
		done, err = req.accept(words)
	}
	if done || err != nil {
		delete(c.pending, words[1])
		req.result <- err
	}
	return true
}

// isPush knows the commands that answer nothing. Their second word is no
// transaction id, though the session id of RNG may look like one; ILN has the id
// of its CHG or ADD and comes after the answer.
func isPush(command string) bool {
	switch command {
	case "ILN", "NLN", "FLN", "RNG", "OUT", "MSG", "NOT", "IPG", "BPR", "JOI", "BYE":
		return true
	}
	return false
}

// errorCode recognises the three digits of an error line.
func errorCode(word string) (code int, ok bool) {
	if len(word) != 3 || word[0] == '-' || word[0] == '+' {
		return 0, false
	}
	code, err := strconv.Atoi(word)
	return code, err == nil
}

// do sends a request with a fresh transaction id and waits until accept has
// seen its last line.
func (c *conn) do(ctx context.Context, accept func([]string) (bool, error), payload []byte, name string, args ...string) error {
	req := &request{accept: accept, result: make(chan error, 1)}
	id, err := c.send(ctx, req, payload, name, args...)
	if err != nil {
		return fmt.Errorf("send %s: %w", name, err)
	}
	select {
	case err = <-req.result:
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
		select {
		case err = <-req.result: // it came meanwhile
		default:
			err = context.Cause(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// send writes a command with a fresh transaction id and, with a request, sees to
// it that the answer finds it. A nil payload is none.
func (c *conn) send(ctx context.Context, req *request, payload []byte, name string, args ...string) (id string, err error) {
	if ctx.Err() != nil { // a deadline in the past would break the connection
		return "", context.Cause(ctx)
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.last++
	id = strconv.FormatUint(uint64(c.last), 10)
	words := append([]string{name, id}, args...)
	c.mu.Lock()
	if c.pending == nil {
		err = closedError(c.cause)
	} else if req != nil {
		c.pending[id] = req
	}
	c.mu.Unlock()
	if err != nil {
		return "", err
	}
	return id, c.write(ctx, payload, words)
}

// write needs c.writing. The context's deadline applies to it, its cancellation
// does not: half a line would leave the connection useless.
func (c *conn) write(ctx context.Context, payload []byte, words []string) error {
	if payload == nil {
		c.out = wire.AppendLine(c.out[:0], words...)
	} else {
		c.out = wire.AppendPayload(c.out[:0], payload, words...)
		words = append(slices.Clip(words), strconv.Itoa(len(payload)))
	}
	c.trace.sent(message{words, payload})
	deadline, _ := ctx.Deadline()
	if err := c.raw.SetWriteDeadline(deadline); err != nil {
		return err
	}
	if _, err := c.raw.Write(c.out); err != nil {
		c.raw.Close() // the error of interest is that of the write
		return err
	}
	return nil
}

// signOut sends OUT and waits for the server to close the connection.
func (c *conn) signOut(ctx context.Context) error {
	c.writing.Lock()
	err := c.write(ctx, nil, []string{"OUT"})
	c.writing.Unlock()
	if err != nil {
		select {
		case <-c.done: // the server was first
			return nil
		default:
			return fmt.Errorf("send OUT: %w", err)
		}
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("OUT: wait for the end of the connection: %w", context.Cause(ctx))
	}
}

// close ends the connection at once and waits until it is read no more.
func (c *conn) close() {
	c.raw.Close() // it may be closed already
	<-c.finished
}

// tracer calls the hook of the options, one call at a time.
type tracer struct {
	mu   sync.Mutex
	hook func(direction byte, line string)
}

func (t *tracer) sent(m message)     { t.call('C', m) }
func (t *tracer) received(m message) { t.call('S', m) }

func (t *tracer) call(direction byte, m message) {
	if t.hook == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	words := m.words
	if direction == 'C' && len(words) == 5 && words[0] == "USR" && words[3] == "S" {
		words = append(slices.Clone(words[:4]), strings.Repeat("*", len(words[4])))
	}
	t.hook(direction, strings.Join(words, " "))
	if len(m.payload) == 0 {
		return
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(string(m.payload), "\r\n", "\n"), "\n") {
		t.hook(direction, "    "+line)
	}
}

// dialTCP connects over TCP; the options may put another in its place.
func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 30 * time.Second}
	return dialer.DialContext(ctx, "tcp", addr)
}
