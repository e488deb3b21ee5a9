package xmpp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/text/transform"
	"mellium.im/xmpp/jid"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// gateway is the component (XEP-0114): it speaks for every MSN user who is on
// XMPP by an address of its domain, and is itself the address at which people
// sign up (front.go). It implements [stream.Handler].
//
// Servers say nothing about a component's people when it goes away, and keep no
// roster for them: who may see whom is remembered here (subscription.go), and
// everybody's presence is said again after each interruption.
//
// The goroutine that reads the stream never writes to it: a server that waits for
// us to read what it writes would wait for ever. What has to be answered is
// answered in the turn of who asked.
type gateway struct {
	network *Network
	domain  string
	log     zerolog.Logger
	front   front
	turns   turns         // answers, by whom they are for
	refused chan struct{} // the stream has ended for good
	// connect makes a stream. It and slow are here for tests.
	connect func(stream.Handler) starter
	slow    time.Duration // until a stream that has ended for good is tried again

	mu       sync.RWMutex
	conn     starter
	accounts map[string]*componentAccount // by bare JID
	left     map[string]time.Time         // when accounts were closed, by bare JID
	up       bool
	reason   string             // why not
	interval context.CancelFunc // ends what is said after connecting
}

// starter is a stream that has to be started.
type starter interface {
	stream.Conn
	Start()
}

const (
	// farewellTime is how long the end of the component's stream may take.
	farewellTime = 5 * time.Second
	// slowRetry is the pause after an error that trying again does not mend: a
	// secret that is wrong. Somebody may correct it on the server's side.
	slowRetry = time.Minute
	// sweepers is how many accounts at a time say their presence after the
	// stream was connected.
	sweepers = 8
)

// newGateway checks the options and makes the gateway; it connects when it runs.
func newGateway(n *Network) (*gateway, error) {
	o := n.options.Component
	domain, err := jid.Parse(o.Domain)
	if err != nil || domain.String() != domain.Domainpart() {
		return nil, fmt.Errorf("%q is no domain", o.Domain)
	}
	g := &gateway{
		network: n, domain: domain.String(), log: n.log.With().Str("component", domain.String()).Logger(),
		accounts: make(map[string]*componentAccount), left: make(map[string]time.Time),
		reason: "it is being connected to", refused: make(chan struct{}, 1), slow: slowRetry, interval: func() {},
	}
	g.front.gateway = g
	g.connect = func(h stream.Handler) starter {
		return stream.NewComponent(stream.ComponentOptions{
			Address: o.Address, Domain: g.domain, Secret: o.Secret, Dial: n.options.Dial, Log: g.log,
		}, h)
	}
	return g, nil
}

// run connects and stays connected until the context ends. Nothing is given up
// for ever: the server's configuration may be what is wrong.
func (g *gateway) run(ctx context.Context) error {
	for ctx.Err() == nil {
		conn := g.connect(g)
		g.mu.Lock()
		g.conn = conn
		g.mu.Unlock()
		conn.Start()
		select {
		case <-ctx.Done():
		case <-g.refused:
		}
		if err := g.hangUp(ctx, conn); err != nil {
			return err
		}
		if ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(g.slow):
			}
		}
	}
	return nil
}

// hangUp ends a stream.
func (g *gateway) hangUp(ctx context.Context, conn stream.Conn) error {
	farewell, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	if conn.Up() {
		g.front.sayGone(farewell)
	}
	if err := conn.Close(farewell); err != nil && !errors.Is(err, stream.ErrNotConnected) {
		return fmt.Errorf("close the component: %w", err)
	}
	return nil
}

// current returns the stream; nil before there is one.
func (g *gateway) current() stream.Conn {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.conn == nil {
		return nil
	}
	return g.conn
}

// isUp says whether something can be sent.
func (g *gateway) isUp() bool {
	conn := g.current()
	return conn != nil && conn.Up()
}

// send sends a stanza.
func (g *gateway) send(ctx context.Context, s *stream.Stanza) error {
	conn := g.current()
	if conn == nil {
		return stream.ErrNotConnected
	}
	return conn.Send(ctx, s)
}

// addressOf makes the address of an MSN user: the local half of the handle, or
// the whole handle where it is in another domain. What an address cannot hold is
// escaped (XEP-0106). The half that has an @ in it is a whole handle: the way back
// is as clear.
func (g *gateway) addressOf(h bridge.Handle) (string, error) {
	return addressAt(g.domain, g.network.options.AccountDomain, h)
}

// addressAt makes it for a component's domain.
func addressAt(component, accounts string, h bridge.Handle) (string, error) {
	local := string(h)
	if strings.EqualFold(h.Domain(), accounts) {
		local = h.Local()
	}
	escaped, _, err := transform.String(jid.Escape, local)
	if err != nil {
		return "", fmt.Errorf("make an address of %s: %w", h, err)
	}
	address, err := jid.New(escaped, component, "")
	if err != nil {
		return "", fmt.Errorf("make an address of %s: %w; link the account with an address of its own", h, err)
	}
	return address.String(), nil
}

// open makes the account of an MSN user at the component.
func (g *gateway) open(ctx context.Context, login bridge.Login, events bridge.Receiver) (bridge.Account, error) {
	bare := string(login.ID)
	if bare == "" {
		var err error
		if bare, err = g.addressOf(login.Account); err != nil {
			return nil, err
		}
	}
	if id, ok := bareID(bare); !ok || string(id) != bare || !strings.HasSuffix(bare, "@"+g.domain) {
		return nil, fmt.Errorf("%s is no address at %s: link the account with another", bare, g.domain)
	}
	a := &componentAccount{
		account: newAccount(g.network, login, bare, events), gateway: g,
		presence: bridge.Presence{Show: bridge.Offline}, told: bridge.Presence{Show: bridge.Offline},
	}
	a.port = &componentPort{gateway: g, bare: bare}
	a.refuse = a.turnAway
	if err := a.load(ctx); err != nil {
		a.end()
		return nil, err
	}
	before, up, err := g.enroll(a)
	if err != nil {
		a.end()
		return nil, err
	}
	if before != nil {
		before.end()
	}
	if up {
		a.feed.call(a.sayAgain)
	}
	return a, nil
}

// enroll enters an account, and returns the one in whose place it is, and whether
// the stream was connected before.
func (g *gateway) enroll(a *componentAccount) (before *componentAccount, up bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before = g.accounts[a.bare]
	if before != nil && before.owner != a.owner {
		return nil, false, fmt.Errorf("%s is the address of %s already: link the account with another", a.bare, before.owner)
	}
	g.accounts[a.bare] = a
	delete(g.left, a.bare)
	a.feed.put(bridge.ConnectionChanged{Up: g.up, Reason: g.reason}, nil)
	return before, g.up, nil
}

// leftFor is how long an account that was closed may yet come back: the process
// may be about to end, and nobody is to be told that the person does not exist.
const leftFor = time.Minute

// dismiss takes an account off the list.
func (g *gateway) dismiss(a *componentAccount) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.accounts[a.bare] != a {
		return
	}
	delete(g.accounts, a.bare)
	maps.DeleteFunc(g.left, func(_ string, at time.Time) bool { return len(g.left) > maxLeft && time.Since(at) > leftFor })
	g.left[a.bare] = time.Now()
}

// maxLeft is how many accounts may have been closed before those that were closed
// long ago are forgotten.
const maxLeft = 4096

// account returns whose address it is; nil for nobody's. Left says that it was
// somebody's a moment ago.
func (g *gateway) account(address string) (a *componentAccount, left bool) {
	bare := stream.Bare(address)
	g.mu.RLock()
	defer g.mu.RUnlock()
	a = g.accounts[bare]
	if a == nil {
		id, ok := bareID(bare)
		if !ok {
			return nil, false
		}
		bare = string(id)
		a = g.accounts[bare]
	}
	at, closed := g.left[bare]
	return a, closed && time.Since(at) < leftFor
}

// all returns the accounts.
func (g *gateway) all() []*componentAccount {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return slices.Collect(maps.Values(g.accounts))
}

// Connected implements [stream.Handler].
func (g *gateway) Connected(bool) {
	g.log.Info().Msg("XMPP component connected")
	ctx, cancel := context.WithCancel(g.network.life)
	g.setState(true, "", cancel)
	go g.sayAgain(ctx)
}

// sayAgain says everybody's presence, which the servers have forgotten.
func (g *gateway) sayAgain(ctx context.Context) {
	g.front.sayThere(ctx)
	var saying errgroup.Group
	saying.SetLimit(sweepers)
	for _, a := range g.all() {
		if ctx.Err() != nil {
			break
		}
		saying.Go(func() error { a.sayAgain(ctx); return nil })
	}
	_ = saying.Wait() // none of them returns an error
}

// Disconnected implements [stream.Handler].
func (g *gateway) Disconnected(err error) {
	reason := stream.Describe(err)
	if errors.Is(err, stream.ErrFatal) {
		g.log.Error().Str("reason", reason).Stringer("again_in", g.slow).
			Msg("The XMPP server refuses the component: compare xmpp.component with the server's configuration")
		select {
		case g.refused <- struct{}{}:
		default:
		}
	} else if !g.isDown(reason) { // and it was not so before
		g.log.Warn().Str("reason", reason).Msg("XMPP component is not connected")
	}
	g.setState(false, reason, func() {})
	for _, a := range g.all() {
		a.contacts.reset()
	}
}

// isDown says whether the component is known not to be connected, for that reason.
func (g *gateway) isDown(reason string) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return !g.up && g.reason == reason
}

// setState notes whether the component is connected, and tells the accounts. What
// was said because of the state before ends; interval ends what is because of
// this one.
func (g *gateway) setState(up bool, reason string, interval context.CancelFunc) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.interval()
	g.interval = interval
	if g.up == up && g.reason == reason {
		return
	}
	g.up, g.reason = up, reason
	for _, a := range g.accounts {
		a.feed.put(bridge.ConnectionChanged{Up: up, Reason: reason}, nil)
	}
}
