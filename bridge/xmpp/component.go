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
type gateway struct {
	network *Network
	domain  string
	conn    *stream.Component
	log     zerolog.Logger
	front   front

	mu       sync.RWMutex
	accounts map[string]*componentAccount // by bare JID
	up       bool
	reason   string // why not
}

// newGateway checks the options and makes the gateway; it connects when it runs.
func newGateway(n *Network) (*gateway, error) {
	o := n.options.Component
	domain, err := jid.Parse(o.Domain)
	if err != nil || domain.String() != domain.Domainpart() {
		return nil, fmt.Errorf("%q is no domain", o.Domain)
	}
	g := &gateway{
		network: n, domain: domain.String(), log: n.log.With().Str("component", domain.String()).Logger(),
		accounts: make(map[string]*componentAccount), reason: "it is being connected to",
	}
	g.front.gateway = g
	g.conn = stream.NewComponent(stream.ComponentOptions{
		Address: o.Address, Domain: g.domain, Secret: o.Secret, Dial: n.options.Dial, Log: g.log,
	}, g)
	return g, nil
}

// farewellTime is how long the end of the component's stream may take.
const farewellTime = 5 * time.Second

// run connects and stays connected until the context ends.
func (g *gateway) run(ctx context.Context) error {
	g.conn.Start()
	<-ctx.Done()
	farewell, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	if err := g.conn.Close(farewell); err != nil && !errors.Is(err, stream.ErrNotConnected) {
		return fmt.Errorf("close the component: %w", err)
	}
	return nil
}

// addressOf makes the address of an MSN user: the local half of the handle, or
// the whole handle where it is in another domain. What an address cannot hold is
// escaped (XEP-0106).
func (g *gateway) addressOf(h bridge.Handle) (string, error) {
	local := string(h)
	if strings.EqualFold(h.Domain(), g.network.options.AccountDomain) {
		local = h.Local()
	}
	escaped, _, err := transform.String(jid.Escape, local)
	if err != nil {
		return "", fmt.Errorf("make an address of %s: %w", h, err)
	}
	address, err := jid.New(escaped, g.domain, "")
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
	a := &componentAccount{account: newAccount(g.network, login, bare, events), gateway: g, presence: bridge.Presence{Show: bridge.Offline}}
	a.port = &componentPort{gateway: g, bare: bare}
	a.refuse = a.turnAway
	if err := a.load(ctx); err != nil {
		a.end()
		return nil, err
	}
	before, err := g.enroll(a)
	if err != nil {
		a.end()
		return nil, err
	}
	if before != nil {
		before.end()
	}
	g.mu.RLock()
	a.feed.put(bridge.ConnectionChanged{Up: g.up, Reason: g.reason}, nil)
	g.mu.RUnlock()
	return a, nil
}

// enroll enters an account, and returns the one in whose place it is.
func (g *gateway) enroll(a *componentAccount) (before *componentAccount, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before = g.accounts[a.bare]
	if before != nil && before.owner != a.owner {
		return nil, fmt.Errorf("%s is the address of %s already: link the account with another", a.bare, before.owner)
	}
	g.accounts[a.bare] = a
	return before, nil
}

// account returns whose address it is; nil for nobody's.
func (g *gateway) account(address string) *componentAccount {
	bare := stream.Bare(address)
	g.mu.RLock()
	a := g.accounts[bare]
	g.mu.RUnlock()
	if a != nil {
		return a
	}
	id, ok := bareID(bare)
	if !ok {
		return nil
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.accounts[string(id)]
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
	g.setState(true, "")
	accounts := g.all()
	go func() {
		for _, a := range accounts {
			a.sayAgain()
		}
	}()
}

// Disconnected implements [stream.Handler].
func (g *gateway) Disconnected(err error) {
	reason := stream.Describe(err)
	event := g.log.Warn()
	if errors.Is(err, stream.ErrFatal) {
		event = g.log.Error()
	}
	event.Str("reason", reason).Msg("XMPP component is not connected")
	g.setState(false, reason)
	for _, a := range g.all() {
		a.contacts.reset()
	}
}

// setState notes whether the component is connected, and tells the accounts.
func (g *gateway) setState(up bool, reason string) {
	g.mu.Lock()
	g.up, g.reason = up, reason
	g.mu.Unlock()
	for _, a := range g.all() {
		a.feed.put(bridge.ConnectionChanged{Up: up, Reason: reason}, nil)
	}
}

// Stanza implements [stream.Handler].
func (g *gateway) Stanza(s *stream.Stanza, done func()) {
	defer finish(done) // a component's stream keeps no count: nothing is offered again
	if s.From == "" || s.To == "" {
		return
	}
	if isServer(s.To) {
		g.front.take(s)
		return
	}
	if a := g.account(s.To); a != nil {
		a.take(s)
		return
	}
	g.nobody(s)
}

// nobody answers what is for an address that belongs to nobody.
func (g *gateway) nobody(s *stream.Stanza) {
	switch {
	case s.Kind == stream.Presence && (s.Type == "probe" || s.Type == "subscribe"):
		g.reply(&stream.Stanza{Kind: stream.Presence, Type: "unsubscribed", From: stream.Bare(s.To), To: stream.Bare(s.From)})
	case s.Kind == stream.Message || isQuery(s):
		g.refuse(s, "cancel", "item-not-found")
	}
}

// isQuery says whether a stanza wants an answer.
func isQuery(s *stream.Stanza) bool {
	return s.Kind == stream.IQ && (s.Type == "get" || s.Type == "set")
}

// refuse answers a stanza with an error (RFC 6120 §8.3), but never an error.
func (g *gateway) refuse(s *stream.Stanza, kind, condition string) {
	if s.Type == "error" || s.Type == "result" {
		return
	}
	g.reply(errorStanza(s, kind, condition, ""))
}

// errorStanza makes the error that answers a stanza.
func errorStanza(s *stream.Stanza, kind, condition, words string) *stream.Stanza {
	e := stream.NewElement("", "error", "type", kind).With(stream.NewElement(nsStanzas, condition))
	if words != "" {
		e.With(stream.NewText(nsStanzas, "text", words))
	}
	return &stream.Stanza{Kind: s.Kind, Type: "error", ID: s.ID, From: s.To, To: s.From, Children: []*stream.Element{e}}
}

// nsStanzas is the namespace of the defined conditions; RFC 6120 §8.3.3.
const nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"

// reply sends an answer that nobody waits for.
func (g *gateway) reply(s *stream.Stanza) {
	if err := g.conn.Send(g.network.life, s); err != nil {
		g.log.Debug().Err(err).Str("to", s.To).Msg("Cannot send an answer")
	}
}

// componentPort is how an account of the component speaks.
type componentPort struct {
	gateway *gateway
	bare    string
}

// resourceName is the resource of all sessions.
const resourceName = "papillon"

// self implements [port].
func (p *componentPort) self() string { return p.bare + "/" + resourceName }

// service implements [port].
func (p *componentPort) service() string { return p.gateway.domain }

// sign fills in who speaks.
func (p *componentPort) sign(s *stream.Stanza) *stream.Stanza {
	if s.From != "" {
		return s
	}
	signed := *s
	signed.From = p.self()
	return &signed
}

// send implements [port].
func (p *componentPort) send(ctx context.Context, s *stream.Stanza) error {
	return p.gateway.conn.Send(ctx, p.sign(s))
}

// deliver implements [port].
func (p *componentPort) deliver(ctx context.Context, s *stream.Stanza) error {
	return p.gateway.conn.Deliver(ctx, p.sign(s))
}

// query implements [port].
func (p *componentPort) query(ctx context.Context, s *stream.Stanza) (*stream.Stanza, error) {
	return p.gateway.conn.Query(ctx, p.sign(s))
}
