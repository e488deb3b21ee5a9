// Package fake is a chat network in memory, for tests of whatever stands on a
// [bridge.Network]. A test makes the network and the people on it, gives it to
// the code under test, and then acts for the people and watches what reaches
// them:
//
//	net := fake.New("matrix")
//	defer net.Close()
//	bob := net.Person("bob@fake.test", "Bob")
//	// ... the gateway opens an account of alice@example.org ...
//	err := bob.Say("alice@example.org", "hello")
//	sent, err := net.WaitSent(ctx, fake.To(bob.ID()))
//
// It keeps the contract of package bridge, except that an event whose receipt
// failed is offered again only if the test does so, and it notes where the code
// under test breaks it, see [Network.Errors]. Everything is safe from any
// goroutine. What a person does is received in order: each account has one
// goroutine that offers events to its [bridge.Receiver], so that none of the
// functions here may be called from within Receive, except the methods of
// [bridge.Account] other than Close.
package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"papillon/bridge"
	"papillon/msnp"
)

// The errors with which the network answers; compare with [errors.Is].
var (
	// ErrDown is what everything returns between Down and Up. It is not
	// [bridge.ErrRefused]: what failed with it is to be tried again.
	ErrDown = errors.New("the network is down")
	// ErrNotOpen: the account was never opened, or is closed.
	ErrNotOpen = errors.New("the account is not open")
	// ErrBlocked is what a person gets who writes to an account that blocks
	// them.
	ErrBlocked = errors.New("blocked by the account")
	// ErrLost is the answer to a message that [Network.LoseNextAnswer] chose.
	ErrLost = errors.New("the answer of the network was lost")
)

// Network is a [bridge.Network] in memory. Make one with [New].
type Network struct {
	name    string
	bare    bool
	domains []string

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew at every change
	closed   bool
	down     bool
	reason   string
	people   map[bridge.RemoteID]*being
	accounts map[msnp.Handle]*account
	logins   map[msnp.Handle]error // why a login is refused
	calls    []*entry
	sent     []*arrival
	byID     map[string]bridge.Outgoing // what was accepted
	refused  map[bridge.RemoteID]bool
	next     []answer      // what becomes of the next messages
	hold     chan struct{} // closed when sends may go on; nil if they may
	messages int           // how many people have said
	errs     []error
	social   *social // nil for a network without rosters and rooms
	desk     bridge.Desk
}

var _ bridge.Network = (*Network)(nil)

// being is somebody on the network.
type being struct {
	name     string
	presence bridge.Presence // zero until set: unknown
}

// Option changes what a new network is like.
type Option func(*Network)

// Bare makes a network whose accounts are a [bridge.Account] and none of the
// optional interfaces.
func Bare() Option { return func(n *Network) { n.bare = true } }

// Domains makes a network that only knows addresses of these domains; without
// it, every address can be of somebody there.
func Domains(domains ...string) Option {
	return func(n *Network) { n.domains = domains }
}

// New makes a network with nobody on it, up and running. Close it at the end.
func New(name string, options ...Option) *Network {
	n := &Network{
		name:     name,
		changed:  make(chan struct{}),
		people:   make(map[bridge.RemoteID]*being),
		accounts: make(map[msnp.Handle]*account),
		logins:   make(map[msnp.Handle]error),
		byID:     make(map[string]bridge.Outgoing),
		refused:  make(map[bridge.RemoteID]bool),
	}
	for _, o := range options {
		o(n)
	}
	return n
}

// Name implements [bridge.Network].
func (n *Network) Name() string { return n.name }

// ParseContact implements [bridge.Network] for addresses of the form
// local@domain, and @local:domain for a form that is no MSN handle; the id is
// the former with the domain in lower case.
func (n *Network) ParseContact(address string) (id bridge.RemoteID, ok bool) {
	if rest, marked := strings.CutPrefix(address, "@"); marked {
		address = strings.Replace(rest, ":", "@", 1)
	}
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 || strings.ContainsAny(address, " \t\r\n") {
		return "", false
	}
	domain := strings.ToLower(address[at+1:])
	if n.domains != nil && !slices.Contains(n.domains, domain) {
		return "", false
	}
	return bridge.RemoteID(address[:at+1] + domain), true
}

// Address implements [bridge.Network].
func (n *Network) Address(id bridge.RemoteID) (local, domain string) {
	at := strings.LastIndexByte(string(id), '@')
	if at < 0 {
		return string(id), ""
	}
	return string(id[:at]), string(id[at+1:])
}

// Open implements [bridge.Network]. The account's own id is that of the login,
// or its handle if that is empty. The first event is a
// [bridge.ConnectionChanged] with the state the network is in. An account can
// only be open once at a time.
func (n *Network) Open(ctx context.Context, login bridge.Login, events bridge.Receiver) (bridge.Account, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.record(Call{Account: login.Account, Method: Open, ID: login.ID, Name: login.Name})
	a, err := n.open(ctx, login, events)
	n.finish(e, err)
	if err != nil {
		return nil, fmt.Errorf("open %s on %s: %w", login.Account, n.name, err)
	}
	if n.bare {
		return a, nil
	}
	if n.social != nil {
		return socialAccount{fullAccount{a}}, nil
	}
	return fullAccount{a}, nil
}

func (n *Network) open(ctx context.Context, login bridge.Login, events bridge.Receiver) (*account, error) {
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case n.closed:
		return nil, errors.New("the network is closed")
	case n.logins[login.Account] != nil:
		return nil, n.logins[login.Account]
	case n.accounts[login.Account] != nil:
		err := errors.New("the account is open already")
		n.blame("%s: %w", login.Account, err)
		return nil, err
	}
	a := newAccount(n, login, events)
	n.accounts[login.Account] = a
	a.offer(n.connection())
	return a, nil
}

// connection is the event that tells the present state of the network.
func (n *Network) connection() bridge.ConnectionChanged {
	return bridge.ConnectionChanged{Up: !n.down, Reason: n.reason}
}

// Down cuts the network off: every open account is told, with the reason as
// one line for its user, and every call fails until [Network.Up]. It returns
// when all have received that, with what they answered if it was an error.
func (n *Network) Down(reason string) error { return n.connect(true, reason) }

// Up ends what [Network.Down] began. Accounts that are signed in get the
// presence of those they follow again.
func (n *Network) Up() error { return n.connect(false, "") }

func (n *Network) connect(down bool, reason string) error {
	n.mu.Lock()
	n.down, n.reason = down, reason
	n.signal()
	var waits []*offer
	for _, a := range n.accounts {
		waits = append(waits, a.offerAwaited(n.connection()))
		if !down {
			a.offerPresences()
		}
	}
	n.mu.Unlock()
	return await(waits)
}

// RefuseLogin makes Open of an account fail with the error, or work again with
// nil.
func (n *Network) RefuseLogin(account msnp.Handle, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.logins[account] = err
}

// Errors returns what the code under test did against the contract (an account
// opened twice, messages of one chat sent side by side, an id used for two
// messages), and the errors that a Receiver returned for events about which no
// function here could report them. A test should find none at its end.
func (n *Network) Errors() []error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.errs)
}

// blame notes a breach of the contract; the lock is held.
func (n *Network) blame(format string, args ...any) {
	n.errs = append(n.errs, fmt.Errorf("%s: %w", n.name, fmt.Errorf(format, args...)))
}

// Close closes every account that is still open, and the network. It returns
// when no goroutine of it is left.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	var open []*account
	for _, a := range n.accounts {
		open = append(open, a)
	}
	n.mu.Unlock()
	for _, a := range open {
		a.shut()
	}
	return nil
}

// signal wakes everything that waits for a change; the lock is held.
func (n *Network) signal() {
	close(n.changed)
	n.changed = make(chan struct{})
}
