package xmpp

import (
	"context"

	"papillon/bridge/xmpp/stream"
)

const (
	// maxTurn is how many answers may wait for one person; what he asks beyond
	// that is refused, and beyond maxRefusals dropped. A message to somebody is not
	// to vanish: maxReturned that cannot be taken may wait to be sent back.
	maxTurn     = 64
	maxRefusals = 96
	maxReturned = 4000
)

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
	a, left := g.account(s.To)
	switch {
	case a != nil:
		a.take(s)
	case left:
		g.away(s)
	default:
		g.nobody(s)
	}
}

// nobody answers what is for an address that belongs to nobody.
func (g *gateway) nobody(s *stream.Stanza) {
	switch {
	case s.Kind == stream.Presence && (s.Type == "probe" || s.Type == "subscribe"):
		g.answer(s, &stream.Stanza{Kind: stream.Presence, Type: "unsubscribed", From: stream.Bare(s.To), To: stream.Bare(s.From)})
	case s.Kind == stream.Message || isQuery(s):
		g.refuse(s, "cancel", "item-not-found")
	}
}

// away answers what is for somebody whose account was closed a moment ago.
func (g *gateway) away(s *stream.Stanza) {
	switch {
	case s.Kind == stream.Presence && s.Type == "probe":
		g.answer(s, &stream.Stanza{Kind: stream.Presence, Type: "unavailable", From: stream.Bare(s.To), To: stream.Bare(s.From)})
	case s.Kind == stream.Message || isQuery(s):
		g.refuse(s, "wait", "recipient-unavailable")
	}
}

// isQuery says whether a stanza wants an answer.
func isQuery(s *stream.Stanza) bool {
	return s.Kind == stream.IQ && (s.Type == "get" || s.Type == "set")
}

// later does what a stanza asks for in its sender's turn, off the goroutine that
// reads the stream. Who asks too much is told so, and then nothing any more.
func (g *gateway) later(s *stream.Stanza, do func()) {
	if !g.turns.post(turnOf(s), maxTurn, do) {
		g.refuse(s, "wait", "resource-constraint")
	}
}

// turnOf says whose turn a stanza is answered in.
func turnOf(s *stream.Stanza) string { return stream.Bare(s.From) }

// answer sends the answer to a stanza.
func (g *gateway) answer(s, answer *stream.Stanza) {
	g.later(s, func() { g.reply(answer) })
}

// refuse answers a stanza with an error (RFC 6120 §8.3), but never an error.
func (g *gateway) refuse(s *stream.Stanza, kind, condition string) {
	if s.Type == "error" || s.Type == "result" || s.Kind == stream.Presence {
		return
	}
	g.refuseWithin(maxRefusals, s, kind, condition)
}

// refuseWithin sends a refusal unless so many answers wait for the same person.
func (g *gateway) refuseWithin(limit int, s *stream.Stanza, kind, condition string) {
	refusal := errorStanza(s, kind, condition, "")
	g.turns.post(turnOf(s), limit, func() { g.reply(refusal) })
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

// reply sends an answer that nobody waits for. It is not for the goroutine that
// reads the stream.
func (g *gateway) reply(s *stream.Stanza) {
	if err := g.send(g.network.life, s); err != nil {
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
	return p.gateway.send(ctx, p.sign(s))
}

// deliver implements [port].
func (p *componentPort) deliver(ctx context.Context, s *stream.Stanza) error {
	conn := p.gateway.current()
	if conn == nil {
		return stream.ErrNotConnected
	}
	return conn.Deliver(ctx, p.sign(s))
}

// query implements [port].
func (p *componentPort) query(ctx context.Context, s *stream.Stanza) (*stream.Stanza, error) {
	conn := p.gateway.current()
	if conn == nil {
		return nil, stream.ErrNotConnected
	}
	return conn.Query(ctx, p.sign(s))
}
