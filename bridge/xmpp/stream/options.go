package stream

import (
	"cmp"
	"crypto/x509"
	"math/rand/v2"
	"net"
	"time"

	"github.com/rs/zerolog"
)

// Backoff is how long to wait between tries to connect: First, then double each
// time up to Max, less up to a half so that many do not come at once. A zero is
// the default: one second, one minute.
type Backoff struct{ First, Max time.Duration }

// Timing are the times a connection keeps. A zero is the default.
type Timing struct {
	// Connect bounds one try to connect, up to a session that is ready. 60 s.
	Connect time.Duration
	// Write is how long a write may be stuck. 20 s.
	Write time.Duration
	// Ping is after how long a silence the server is asked whether it lives. 60 s.
	Ping time.Duration
	// Read is after how long a silence the connection is given up; more than
	// twice Ping. 150 s.
	Read time.Duration
	// Ack is how long what was taken care of may wait until the server is told,
	// unless it asks (XEP-0198). 5 s.
	Ack time.Duration
	// Farewell is how long the server may take to answer the end of the stream. 2 s.
	Farewell time.Duration
}

func (t Timing) withDefaults() Timing {
	return Timing{
		Connect:  cmp.Or(t.Connect, time.Minute),
		Write:    cmp.Or(t.Write, 20*time.Second),
		Ping:     cmp.Or(t.Ping, time.Minute),
		Read:     cmp.Or(t.Read, 150*time.Second),
		Ack:      cmp.Or(t.Ack, 5*time.Second),
		Farewell: cmp.Or(t.Farewell, 2*time.Second),
	}
}

// ClientOptions say whose session a [Client] is, and how it is reached.
type ClientOptions struct {
	// JID is the bare JID; a resource in it is ignored.
	JID string
	// Password is used with SCRAM-SHA-256 or SCRAM-SHA-1, and as it is (PLAIN)
	// only where the server, whose certificate has been verified by then, knows
	// neither: servers over LDAP or PAM cannot.
	Password string
	// Resource is asked for; where it is taken and the server does not give it
	// away, the server chooses one. Empty leaves the choice to the server.
	Resource string
	// Address is where to connect to, host and port. Empty means to look it up
	// (SRV records of both kinds, RFC 6120 §3.2 and XEP-0368).
	Address string
	// DirectTLS says that Address takes TLS from the first byte, instead of
	// STARTTLS.
	DirectTLS bool
	// RootCAs verify the server's certificate, always for the JID's domain,
	// wherever the server is. Nil means the system's.
	RootCAs *x509.CertPool
	// Dial opens connections. Nil means a [net.Dialer].
	Dial Dial
	// Resolver looks records up. Nil means the default one.
	Resolver *net.Resolver
	// Log takes what happens: no texts, no secrets.
	Log zerolog.Logger
	// Slots bounds how many log in at a time: all clients that share the
	// channel send to it to begin and receive from it when done. Nil is no bound.
	Slots   chan struct{}
	Backoff Backoff
	Timing  Timing
}

// ComponentOptions say which domain a [Component] speaks for.
type ComponentOptions struct {
	// Address is the server's port for components, host and port. The protocol
	// has no encryption: it belongs on loopback or inside a tunnel.
	Address string
	// Domain is the component's own: every address it sends from is in it.
	Domain string
	// Secret is what the server's configuration has for the domain.
	Secret string
	// Dial opens connections. Nil means a [net.Dialer].
	Dial Dial
	// Log takes what happens: no texts, no secrets.
	Log     zerolog.Logger
	Backoff Backoff
	Timing  Timing
}

// waiter counts tries.
type waiter struct {
	Backoff
	step time.Duration
}

// next returns how long to wait after one more failure.
func (w *waiter) next() time.Duration {
	first, most := cmp.Or(w.First, time.Second), cmp.Or(w.Max, time.Minute)
	if w.step == 0 {
		w.step = first
	}
	step := w.step
	w.step = min(2*w.step, most)
	return step - rand.N(step/2+1)
}

// reset begins anew after a success.
func (w *waiter) reset() { w.step = 0 }
