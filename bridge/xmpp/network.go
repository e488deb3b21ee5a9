package xmpp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// Name is the network's name; see [bridge.Network].
const Name = "xmpp"

// The kinds of identity; see [bridge.Login].
const (
	KindComponent = "component"
	KindLogin     = "login"
)

// Options is what a [Network] is made of. Memory, AccountDomain and Log are
// required.
type Options struct {
	// Component is the component that speaks for users without an account of
	// their own; its Domain is empty where there is none.
	Component ComponentOptions
	// AccountDomain is the domain of MSN handles that is left out in
	// addresses of the component: alice@msn.localhost is alice@<component>.
	AccountDomain string
	Memory        bridge.Memory
	// Priority is that of the sessions of logins, -128 to 127 (RFC 6121
	// §4.7.2.3). Below 0 they get no messages while another client is there.
	Priority int
	// RootCAs are the certificates to trust; nil for the system's.
	RootCAs *x509.CertPool
	// Dial makes the connections of logins; nil for plain TCP. For tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Servers are the addresses (host:port) of the servers of domains whose DNS
	// records are not to be asked.
	Servers map[string]string
	// Logins is how many sessions may log in at once; 0 for 8.
	Logins int
	Log    zerolog.Logger
}

// ComponentOptions is what the component is made of.
type ComponentOptions struct {
	Address, Domain, Secret string
}

// Network is XMPP; see [bridge.Network].
type Network struct {
	options Options
	log     zerolog.Logger
	life    context.Context // ends with Run
	end     context.CancelFunc
	slots   chan struct{} // for logging in
	gateway *gateway      // the component; nil without one

	mu   sync.Mutex
	desk bridge.Desk
}

var (
	_ bridge.Network   = (*Network)(nil)
	_ bridge.Reception = (*Network)(nil)
)

// defaultLogins is how many sessions log in at once: each takes both sides some
// 50 ms of computing.
const defaultLogins = 8

// New makes the network. It connects to nothing yet.
func New(o Options) (*Network, error) {
	if o.Logins == 0 {
		o.Logins = defaultLogins
	}
	n := &Network{options: o, log: o.Log.With().Str("network", Name).Logger(), slots: make(chan struct{}, o.Logins)}
	n.life, n.end = context.WithCancel(context.Background())
	if o.Component.Domain != "" {
		g, err := newGateway(n)
		if err != nil {
			return nil, fmt.Errorf("set up the XMPP component: %w", err)
		}
		n.gateway = g
	}
	return n, nil
}

// Title implements [bridge.Titled].
func (n *Network) Title() string { return "XMPP" }

// Name implements [bridge.Network].
func (n *Network) Name() string { return Name }

// Attend implements [bridge.Reception].
func (n *Network) Attend(desk bridge.Desk) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.desk = desk
}

// ParseContact implements [bridge.Network].
func (n *Network) ParseContact(address string) (bridge.RemoteID, bool) {
	return parseContact(address)
}

// Address implements [bridge.Network].
func (n *Network) Address(id bridge.RemoteID) (local, domain string) { return splitID(id) }

// Open implements [bridge.Network].
func (n *Network) Open(ctx context.Context, login bridge.Login, events bridge.Receiver) (bridge.Account, error) {
	switch kind := login.Kind; {
	case kind == "" && n.gateway == nil:
		return nil, bridge.ErrNotLinked
	case kind == "" || kind == KindComponent:
		if n.gateway == nil {
			return nil, errors.New("the identity is of kind component, but xmpp.component is not configured")
		}
		return n.gateway.open(ctx, login, events)
	case kind == KindLogin:
		return n.openLogin(ctx, login, events)
	default:
		return nil, fmt.Errorf("the kind %q is not known: use component or login", kind)
	}
}

// Run keeps the component connected. It returns nil when the context ends, and with
// it ends the work of all accounts.
func (n *Network) Run(ctx context.Context) error {
	defer n.end()
	if n.gateway != nil {
		return n.gateway.run(ctx)
	}
	<-ctx.Done()
	return nil
}

// port is how an account speaks to the network: over a stream of its own, or over
// the component's in its own name. It fills in From where a stream needs it.
type port interface {
	// self is the full JID that stanzas come from; "" while it is not known.
	self() string
	// service is the JID of the server that the account lives on.
	service() string
	// send, deliver and query are those of [stream.Conn].
	send(ctx context.Context, s *stream.Stanza) error
	deliver(ctx context.Context, s *stream.Stanza) error
	query(ctx context.Context, s *stream.Stanza) (*stream.Stanza, error)
}
