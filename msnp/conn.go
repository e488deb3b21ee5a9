package msnp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"papillon/msnp/wire"
)

// maxMistakes is how many malformed or unknown commands in a row a connection
// may send before it is taken for something else than an MSN client.
const maxMistakes = 32

// lingerTime is how long a connection that was sent its last line is read on,
// so that the client sees that line and not a reset.
const lingerTime = 2 * time.Second

// conn is one client connection. Its reader goroutine runs serve and all
// handlers; the fields without a lock belong to it, or to the one that has taken
// its place.
type conn struct {
	server *Server
	nc     net.Conn
	addr   netip.Addr
	reader *wire.Reader
	out    outgoing
	name   atomic.Pointer[clientName] // set by the reader when it is known; anybody logs
	life   lifetime
	pace   *rate.Limiter // nil without limits.commands_per_second

	dialect *dialect // set by VER
	// versionOnly is set by a VER that had nothing in common but CVR0.
	versionOnly bool
	login       login         // between USR I and USR S
	ns          *notification // set when this became a notification connection
	sb          *switchboard  // set when this became a switchboard connection
	mistakes    int           // in a row
	active      atomic.Int64  // Unix nanoseconds of the last message either way
}

// newConn makes a connection; serve runs it.
func newConn(s *Server, nc net.Conn) *conn {
	limits := s.options.Limits
	c := &conn{
		server: s,
		nc:     nc,
		addr:   addrOf(nc),
		reader: wire.NewReader(nc, wire.Limits{Line: limits.Line, Payload: limits.Payload}),
	}
	c.life.parent = s.ctx
	c.out = outgoing{nc: nc, limit: limits.SendQueue, failed: c.sendingFailed}
	if limits.CommandsPerSecond > 0 {
		c.pace = rate.NewLimiter(rate.Limit(limits.CommandsPerSecond), max(limits.CommandBurst, 1))
	}
	return c
}

// clientName is what the log says about a client besides its address.
type clientName struct {
	handle      Handle
	switchboard uint32 // 0 for a notification connection
}

// log begins a line in the log that names the client; nil, which takes all that is
// added and does nothing, when the level is not logged. A logger for each connection
// would be more memory than all else that an idle one has. Safe from any goroutine.
func (c *conn) log(level zerolog.Level) *zerolog.Event {
	ev := c.server.options.Log.WithLevel(level)
	if ev == nil {
		return nil
	}
	ev.Stringer("remote", c.nc.RemoteAddr())
	if name := c.name.Load(); name != nil {
		ev.Str("handle", string(name.handle))
		if name.switchboard != 0 {
			ev.Uint32("switchboard", name.switchboard)
		}
	}
	return ev
}

// errEnd ends a connection in good order: what was sent is still written.
var errEnd = errors.New("connection ends")

// serve runs a new connection.
func (c *conn) serve() {
	if limit := c.server.options.Limits.Unauthenticated; limit > 0 {
		c.setReadDeadline(time.Now().Add(limit))
	}
	c.proceed()
}

// await goes on with a connection from which nothing has come for now. It is to run
// on a new goroutine: one that has handled commands has a stack of at least
// twice the size, and most connections are idle most of the time.
func (c *conn) await() {
	_ = c.reader.Await() // an error comes again with the next read
	c.proceed()
}

// proceed handles commands until the connection ends, or until a notification
// connection has nothing more to say; then another goroutine awaits what comes.
// Before its first CHG a client has more to say at once.
func (c *conn) proceed() {
	idle := false
	defer func() {
		if !idle {
			c.close()
			c.server.dismiss(c)
		}
	}()
	defer func() {
		if cause := recover(); cause != nil {
			c.log(zerolog.ErrorLevel).Interface("panic", cause).Bytes("stack", debug.Stack()).Msg("Handler panicked; connection dropped")
		}
	}()
	for {
		err := c.serveCommand()
		if c.sb == nil { // hardly any command that the others send needs one
			c.life.rest()
		}
		switch {
		case err == nil && c.ns != nil && c.ns.status != Offline && c.reader.Buffered() == 0:
			idle = true
			go c.await() // which the connection belongs to now
			return
		case err == nil:
		case errors.Is(err, errEnd), c.out.ending() && !errors.Is(err, os.ErrDeadlineExceeded):
			c.leave() // nobody is to wait for a client that lingers
			c.linger()
			return
		case errors.Is(err, os.ErrDeadlineExceeded) && !isReadError(err) && !c.life.ended() && c.stillActive():
		default:
			c.logEnd(err)
			return
		}
	}
}

// serveCommand reads one command and handles it.
func (c *conn) serveCommand() error {
	if err := c.keepPace(); err != nil {
		return err
	}
	words, err := c.reader.ReadLine()
	var syntax *wire.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return c.malformed(syntax)
	case err != nil:
		return err
	case len(words) == 0: // XMSNC sends an empty line behind a body
		return nil
	}
	return c.dispatch(words)
}

// keepPace waits until the client may send its next command.
func (c *conn) keepPace() error {
	if c.pace == nil {
		return nil
	}
	delay := c.pace.Reserve().Delay()
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.context().Done():
		return c.context().Err()
	}
}

// context returns a context that ends with the connection, or when the command
// that is being handled has been; on a switchboard only with the connection. For
// the reader.
func (c *conn) context() context.Context { return c.life.context() }

// setReadDeadline sets when reading gives up; the zero time for never. A
// connection that is being ended keeps its last, short deadline.
func (c *conn) setReadDeadline(t time.Time) {
	if c.life.ended() {
		t = time.Now().Add(lingerTime)
	}
	if err := c.nc.SetReadDeadline(t); err != nil {
		c.log(zerolog.DebugLevel).Err(err).Msg("Cannot set the read deadline") // closed: reading says so next
	}
}

// stillActive says, after a read timed out, whether the connection goes on: a
// switchboard that carried a message meanwhile does, and a notification
// connection always.
func (c *conn) stillActive() bool {
	switch {
	case c.ns != nil:
		c.setReadDeadline(time.Time{})
		return true
	case c.sb != nil:
		until := time.Unix(0, c.active.Load()).Add(c.server.options.Limits.SwitchboardIdle)
		if time.Now().Before(until) {
			c.setReadDeadline(until)
			return true
		}
	}
	return false
}

// awaitPayload gives a switchboard connection all the time that it may be idle for
// what is still to come of a payload: one in pieces is a sign of life, and a
// deadline that falls between them would lose it.
func (c *conn) awaitPayload(length int) {
	if idle := c.server.options.Limits.SwitchboardIdle; c.sb != nil && idle > 0 && c.reader.Buffered() < length {
		c.setReadDeadline(time.Now().Add(idle))
	}
}

// touched notes a message, so that an idle switchboard can be told from a used
// one. Safe from any goroutine.
func (c *conn) touched() { c.active.Store(time.Now().UnixNano()) }

// signedIn lifts the time limit for connections that have not proved who they
// are, and sets that for idle switchboards.
func (c *conn) signedIn() {
	c.touched()
	deadline := time.Time{}
	if limit := c.server.options.Limits.SwitchboardIdle; c.sb != nil && limit > 0 {
		deadline = time.Now().Add(limit)
	}
	c.setReadDeadline(deadline)
}

// sendLine sends one line of ready-made words.
func (c *conn) sendLine(words ...string) {
	c.out.send(func(b []byte) []byte { return wire.AppendLine(b, words...) }, nil)
}

// sendError answers with an error line; draft-movva-00 §7.11. The real servers
// sent nothing behind the transaction id.
func (c *conn) sendError(code Code, trID string) { c.sendLine(codeWord(code), trID) }

// sendingFailed is told by the sending half that it gave up.
func (c *conn) sendingFailed(err error) {
	if errors.Is(err, errQueueFull) {
		c.server.stats.dropped.Add(1)
		c.log(zerolog.WarnLevel).Err(err).Msg("Client dropped")
	}
	c.life.end()
	_ = c.nc.Close() // the reader sees it and cleans up; a second close is no error worth telling
}

// cut ends the connection at once. Safe from any goroutine.
func (c *conn) cut() { c.out.fail(net.ErrClosed) }

// linger waits until all is sent, lets the client read it, and waits a moment
// for it to close: closing over unread input would reset the connection and
// throw away the last lines.
func (c *conn) linger() {
	drained := c.out.finish()
	c.life.end()
	c.setReadDeadline(time.Time{})
	// What comes is of no interest, and neither is how it ends.
	_, _ = io.Copy(io.Discard, io.LimitReader(c.nc, 1<<20))
	select { // a client that has ended its own half still reads
	case <-drained:
	case <-time.After(lingerTime):
	}
}

// leave gives up what the connection stood for, once; called by the reader.
func (c *conn) leave() {
	if c.ns != nil {
		c.ns.end()
		c.ns = nil
	}
	if c.sb != nil {
		c.sb.end()
		c.sb = nil
	}
}

// close ends the connection; called last by the reader.
func (c *conn) close() {
	c.life.end()
	c.leave()
	c.cut()
}

// logEnd says why a connection ended where that is worth a line.
func (c *conn) logEnd(err error) {
	switch {
	case errors.Is(err, wire.ErrLineTooLong), errors.Is(err, wire.ErrPayloadTooLong):
		c.log(zerolog.WarnLevel).Err(err).Msg("Connection closed: over the limit")
	case errors.Is(err, os.ErrDeadlineExceeded) && c.sb == nil && !c.life.ended():
		c.log(zerolog.InfoLevel).Msg("Connection closed: it did not sign in in time")
	default:
		c.log(zerolog.DebugLevel).Err(err).Msg("Connection ended")
	}
}

// shutDown tells the client that the server goes down and ends the connection.
// Safe from any goroutine.
func (c *conn) shutDown() { c.endSession(ShuttingDown) }

// endSession sends OUT and ends the connection once that is written. Safe from
// any goroutine.
func (c *conn) endSession(reason Reason) {
	words := []string{"OUT"}
	if reason != Ended {
		words = append(words, string(reason))
	}
	c.sendLine(words...)
	c.hangUp()
}

// hangUp ends the connection once all that was sent is written. Safe from any
// goroutine.
func (c *conn) hangUp() {
	c.out.finish()
	c.life.end()
	c.setReadDeadline(time.Time{}) // the reader may be waiting for a client that never closes
}

// address is what XFR and RNG tell the client to dial for a switchboard: always
// host:port, because gaim and aMSN fail without the port.
func (c *conn) address() string {
	if public := c.server.options.PublicAddress; public != "" {
		return public
	}
	return c.nc.LocalAddr().String()
}
