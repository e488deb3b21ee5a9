package msnp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Options is what a [Server] is made of.
type Options struct {
	// Backend is the application; required.
	Backend Backend
	// Limits bounds what clients may use. A zero field is switched off.
	Limits Limits
	// PublicAddress is the host:port that XFR and RNG name. Empty: the address
	// that the client itself dialled, which it is sure to reach.
	PublicAddress string
	// ReferTo makes this a dispatch server (draft-movva-00 §7.4): who begins to
	// sign in is told XFR NS with this host:port. Whoever comes back within a
	// minute is signed in where he is, so that it may name this very server, and
	// so that clients that ignore the port (MSN.pm) get in. Empty: nobody is
	// referred.
	ReferTo string
	// Challenge asks the clients of MSNP6 and later CHL after their first CHG.
	// Nobody has to answer, but a wrong answer ends the connection.
	Challenge bool
	// WebPage is the address of a page that CVR, CVQ and URL name where the
	// original service named its own; empty for http://localhost/.
	WebPage string
	// Log takes what happens on connections. Message texts and digests never
	// appear in it.
	Log zerolog.Logger
}

// Limits bounds what one client or address may use. 0 switches a limit off.
type Limits struct {
	Line    int // bytes of one command line
	Payload int // bytes of one payload
	// Unauthenticated is how long a connection may take to sign in.
	Unauthenticated time.Duration
	// SwitchboardIdle is how long a switchboard connection may stay without a
	// message either way.
	SwitchboardIdle time.Duration
	// CommandsPerSecond is the rate at which a connection's commands are
	// read; a faster client is slowed down, not refused. CommandBurst may
	// come at once; at least 1.
	CommandsPerSecond int
	CommandBurst      int
	// SignInsPerMinute bounds the sign-in attempts of one address, or of the /64
	// that an IPv6 address is in.
	SignInsPerMinute int
	// ConnectionsPerAddress bounds the open connections of one address, likewise.
	ConnectionsPerAddress int
	// SendQueue is how many bytes may wait for a client that does not read;
	// one more and it is dropped.
	SendQueue int
}

// ErrServerClosed is returned by [Server.Serve] after [Server.Shutdown] or
// [Server.Close].
var ErrServerClosed = errors.New("msnp: server closed")

// Server is an MSN server: dispatch, notification and switchboard in one, on as
// many listeners as it is given. All methods are safe from any goroutine.
type Server struct {
	options  Options
	ctx      context.Context // ends when connections are to be cut
	cancel   context.CancelFunc
	tickets  tickets
	referred referrals
	signIns  signInLimiter
	stats    counters
	handlers sync.WaitGroup // one for each connection

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	perAddr   map[netip.Addr]int
}

// New makes a server. It does nothing until Serve is called.
func New(options Options) *Server {
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		options:   options,
		ctx:       ctx,
		cancel:    cancel,
		tickets:   tickets{open: make(map[string]*ticket)},
		referred:  referrals{until: make(map[referral]time.Time)},
		signIns:   newSignInLimiter(options.Limits.SignInsPerMinute),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		perAddr:   make(map[netip.Addr]int),
	}
}

// Serve accepts connections until the listener fails or the server is shut
// down, when it returns [ErrServerClosed]. It closes the listener.
func (s *Server) Serve(ln net.Listener) error {
	if !s.addListener(ln) {
		return errors.Join(ErrServerClosed, ln.Close())
	}
	defer s.removeListener(ln)
	for pause := time.Duration(0); ; {
		nc, err := ln.Accept()
		switch {
		case err == nil:
			pause = 0
			s.ServeConn(nc)
		case s.isClosing():
			return ErrServerClosed
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("accept MSN connection: %w", err)
		default:
			// Out of file descriptors, most likely: others will free some.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.options.Log.Error().Err(err).Stringer("pause", pause).Msg("Cannot accept a connection; trying again")
			select {
			case <-time.After(pause):
			case <-s.ctx.Done():
				return ErrServerClosed
			}
		}
	}
}

// ServeConn serves one connection on a goroutine of its own and returns at
// once. The server closes the connection.
func (s *Server) ServeConn(nc net.Conn) {
	c, err := s.admit(nc)
	if err != nil {
		s.options.Log.Warn().Err(err).Stringer("remote", nc.RemoteAddr()).Msg("Connection refused")
		_ = nc.Close() // refused; whether the close succeeds changes nothing
		return
	}
	go c.serve()
}

// admit counts a new connection in, or says why it is not let in.
func (s *Server) admit(nc net.Conn) (*conn, error) {
	if err := keepAlive(nc); err != nil {
		return nil, err
	}
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, ErrServerClosed
	}
	if limit := s.options.Limits.ConnectionsPerAddress; limit > 0 && s.perAddr[whose(c.addr)] >= limit {
		return nil, fmt.Errorf("limits.connections_per_address: %d connections are open from this address", limit)
	}
	s.perAddr[whose(c.addr)]++
	s.conns[c] = struct{}{}
	s.handlers.Add(1)
	s.stats.connections.Add(1)
	return c, nil
}

// dismiss counts a connection out.
func (s *Server) dismiss(c *conn) {
	defer s.handlers.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	addr := whose(c.addr)
	if s.perAddr[addr]--; s.perAddr[addr] == 0 {
		delete(s.perAddr, addr)
	}
	s.stats.connections.Add(-1)
}

// Shutdown stops accepting, tells every client OUT SSD and waits until their
// connections are closed. When the context ends before, it cuts those left and
// returns the context's error.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, c := range s.stopAccepting() {
		c.shutDown()
	}
	done := make(chan struct{})
	go func() { s.handlers.Wait(); close(done) }()
	select {
	case <-done:
		s.cancel()
		return nil
	case <-ctx.Done():
		s.Close()
		<-done
		return fmt.Errorf("shut down MSN server: %w", ctx.Err())
	}
}

// Close cuts all connections at once. It does not wait for their handlers.
func (s *Server) Close() {
	conns := s.stopAccepting()
	s.cancel()
	for _, c := range conns {
		c.cut()
	}
}

// stopAccepting closes the listeners and returns the connections that are open.
func (s *Server) stopAccepting() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for ln := range s.listeners {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			s.options.Log.Warn().Err(err).Msg("Cannot close a listener")
		}
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

func (s *Server) addListener(ln net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.listeners[ln] = struct{}{}
	}
	return !s.closing
}

func (s *Server) removeListener(ln net.Listener) {
	s.mu.Lock()
	delete(s.listeners, ln)
	s.mu.Unlock()
	if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.options.Log.Warn().Err(err).Msg("Cannot close a listener")
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Stats is what a server has to do at the moment and did so far.
type Stats struct {
	Connections  int64 // open now
	SignedIn     int64 // notification sessions open now
	Switchboards int64 // switchboard connections open now
	SignIns      int64 // successful ones so far
	Refused      int64 // failed sign-ins so far
	Messages     int64 // taken from clients so far
	Dropped      int64 // clients dropped because they did not read
}

// counters is the live form of [Stats].
type counters struct {
	connections, signedIn, switchboards, signIns, refused, messages, dropped atomic.Int64
}

// Stats returns the present figures.
func (s *Server) Stats() Stats {
	return Stats{
		Connections:  s.stats.connections.Load(),
		SignedIn:     s.stats.signedIn.Load(),
		Switchboards: s.stats.switchboards.Load(),
		SignIns:      s.stats.signIns.Load(),
		Refused:      s.stats.refused.Load(),
		Messages:     s.stats.messages.Load(),
		Dropped:      s.stats.dropped.Load(),
	}
}
