package xmpptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
)

// Peer is somebody with an ordinary XMPP client that is not Papillon's:
// slixmpp, in a process of its own. It is signed in with one resource, comes
// back by itself when the server was away, answers requests for receipts, gets
// carbon copies, and leaves subscription requests alone until it is told to
// answer them. Its methods may be called from any goroutine.
type Peer struct {
	// JID is the full JID that the server gave at the first login.
	JID string

	in  *interpreter
	who int

	mu     sync.Mutex
	events []*Event      // seen and not yet taken by Wait
	news   chan struct{} // closed and replaced when events grows
}

// Login starts a client and signs it in. The JID may have a resource. Close
// must be called in the end. A refused password is an error that contains
// "not-authorized".
func Login(ctx context.Context, s *Server, jid, password string) (*Peer, error) {
	in, err := startInterpreter(ctx)
	if err != nil {
		return nil, err
	}
	return login(ctx, in, s, s.ClientAddress, jid, password)
}

// LoginThrough is Login over a proxy for the server's client address.
func LoginThrough(ctx context.Context, proxy *Proxy, s *Server, jid, password string) (*Peer, error) {
	in, err := startInterpreter(ctx)
	if err != nil {
		return nil, err
	}
	return login(ctx, in, s, proxy.Address, jid, password)
}

// Also signs in another person, or another resource of the same one, from the
// same process, which saves a second. Both must be closed.
func (p *Peer) Also(ctx context.Context, s *Server, jid, password string) (*Peer, error) {
	return login(ctx, p.in, s, s.ClientAddress, jid, password)
}

func login(ctx context.Context, in *interpreter, s *Server, address, jid, password string) (*Peer, error) {
	p := &Peer{in: in, who: in.number(), news: make(chan struct{})}
	in.mu.Lock()
	in.peers[p.who] = p
	in.mu.Unlock()
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		p.JID, err = p.do(ctx, "login", map[string]any{
			"jid": jid, "password": password, "host": host, "port": port, "ca": s.CAFile,
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sign in as %s: %w", jid, err), p.Close())
	}
	return p, nil
}

// Close signs out; the last one of a process ends it.
func (p *Peer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_, err := p.do(ctx, "leave", nil)
	return errors.Join(err, p.in.leave(p.who))
}

// Bare returns the JID without its resource.
func (p *Peer) Bare() string {
	bare, _, _ := strings.Cut(p.JID, "/")
	return bare
}

// do makes a call of peer.py in the name of this person.
func (p *Peer) do(ctx context.Context, do string, args map[string]any) (string, error) {
	all := map[string]any{"who": p.who}
	for name, value := range args {
		all[name] = value
	}
	return p.in.call(ctx, do, all)
}

// file puts what has arrived where Wait finds it.
func (p *Peer) file(r reply) {
	evt := &Event{Kind: r.Event, XML: r.XML}
	if r.Event == "stanza" {
		element, err := parseElement(r.XML)
		if err != nil {
			// slixmpp has parsed it and written it anew.
			evt.Kind, evt.XML = "unreadable", err.Error()+": "+r.XML
		} else {
			evt.Element, evt.Kind = element, element.XMLName.Local
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, evt)
	close(p.news)
	p.news = make(chan struct{})
}

// Wait returns the first event that matches, among those that have come and
// those to come. An event is returned once only. What names the thing waited
// for in the error when the context ends first.
func (p *Peer) Wait(ctx context.Context, what string, match func(*Event) bool) (*Event, error) {
	for {
		p.mu.Lock()
		for i, evt := range p.events {
			if match(evt) {
				p.events = append(p.events[:i:i], p.events[i+1:]...)
				p.mu.Unlock()
				return evt, nil
			}
		}
		news, left := p.news, p.events
		p.mu.Unlock()
		select {
		case <-news:
		case <-p.in.ended:
			return nil, fmt.Errorf("%s waits for %s: the client has ended; it says: %s", p.JID, what, p.in.log.String())
		case <-ctx.Done():
			return nil, fmt.Errorf("%s waits for %s: %w; what came is%s", p.JID, what, ctx.Err(), summary(left))
		}
	}
}

// summary shows the last few events that nobody took.
func summary(events []*Event) string {
	const most = 8
	var b strings.Builder
	if len(events) > most {
		fmt.Fprintf(&b, " (%d earlier ones)", len(events)-most)
		events = events[len(events)-most:]
	}
	for _, evt := range events {
		fmt.Fprintf(&b, " | %s %s", evt.Kind, evt.XML)
	}
	if len(events) == 0 {
		return " nothing"
	}
	return b.String()
}

// Seen returns the events that have come and that no Wait has taken, oldest
// first, for checks that something came once only or not at all. Call
// [Peer.Sync] before, so that what the server had is here.
func (p *Peer) Seen(match func(*Event) bool) (seen []*Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, evt := range p.events {
		if match(evt) {
			seen = append(seen, evt)
		}
	}
	return seen
}

// Forget drops the events that have come and that no Wait has taken.
func (p *Peer) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = nil
}
