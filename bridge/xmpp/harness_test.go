package xmpp

import (
	"context"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// me is the account of the tests.
const me = "alice@msn.test"

// read makes a stanza of XML.
func read(t testing.TB, source string) *stream.Stanza {
	t.Helper()
	s, err := readStanza(source)
	if err != nil {
		t.Fatalf("%v in %s", err, source)
	}
	return s
}

func readStanza(source string) (*stream.Stanza, error) {
	e, err := parseMarkup(source, "")
	if err != nil {
		return nil, err
	}
	return &stream.Stanza{
		Kind: stream.Kind(e.Name.Local), From: e.Attribute("from"), To: e.Attribute("to"),
		ID: e.Attribute("id"), Type: e.Attribute("type"), Children: e.Children,
	}, nil
}

// scriptedPort is a network that does what a test says and keeps what is sent.
type scriptedPort struct {
	mu        sync.Mutex       // guards the script as well
	sent      []*stream.Stanza // by send and by deliver
	arrived   chan struct{}    // something was sent
	onDeliver func(*stream.Stanza) error
	onSend    func(*stream.Stanza) error
	onQuery   func(*stream.Stanza) (*stream.Stanza, error)
}

func (p *scriptedPort) self() string    { return me + "/papillon" }
func (p *scriptedPort) service() string { return "msn.test" }

func (p *scriptedPort) keep(s *stream.Stanza) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, s)
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

func (p *scriptedPort) send(_ context.Context, s *stream.Stanza) error {
	p.keep(s)
	if f := script(p, &p.onSend); f != nil {
		return f(s)
	}
	return nil
}

func (p *scriptedPort) deliver(_ context.Context, s *stream.Stanza) error {
	p.keep(s)
	if f := script(p, &p.onDeliver); f != nil {
		return f(s)
	}
	return nil
}

func (p *scriptedPort) query(_ context.Context, s *stream.Stanza) (*stream.Stanza, error) {
	f := script(p, &p.onQuery)
	if f == nil {
		return nil, &stream.StanzaError{Type: "cancel", Condition: "service-unavailable"}
	}
	return f(s)
}

// script returns a part of the script.
func script[F any](p *scriptedPort, part *F) F {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *part
}

// set changes a part of the script while the account is at work.
func set[F any](p *scriptedPort, part *F, f F) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*part = f
}

// all returns what was sent so far.
func (p *scriptedPort) all() []*stream.Stanza {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*stream.Stanza(nil), p.sent...)
}

// last returns what was sent last.
func (p *scriptedPort) last(t *testing.T) *stream.Stanza {
	t.Helper()
	all := p.all()
	if len(all) == 0 {
		t.Fatal("nothing was sent")
	}
	return all[len(all)-1]
}

// inbox keeps events.
type inbox struct {
	events chan bridge.Event

	mu      sync.Mutex
	outcome error
}

func (i *inbox) Receive(_ context.Context, event bridge.Event) error {
	i.events <- event
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.outcome
}

// answers sets what Receive returns from now on.
func (i *inbox) answers(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.outcome = err
}

// next returns the next event, which is to be of type T.
func next[T bridge.Event](t *testing.T, i *inbox) T {
	t.Helper()
	select {
	case e := <-i.events:
		if got, ok := e.(T); ok {
			return got
		}
		t.Fatalf("the event is %#v", e)
	case <-t.Context().Done():
		t.Fatal("no event")
	}
	panic("unreachable")
}

// none fails when there is an event.
func (i *inbox) none(t *testing.T) {
	t.Helper()
	select {
	case e := <-i.events:
		t.Fatalf("there is an event: %#v", e)
	default:
	}
}

// newTestAccount makes an account on a scripted port.
func newTestAccount(t testing.TB) (*account, *scriptedPort, *inbox) {
	t.Helper()
	n, err := New(Options{AccountDomain: "msn.localhost", Memory: &notes{}, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	port, in := &scriptedPort{arrived: make(chan struct{}, 1)}, &inbox{events: make(chan bridge.Event, 1000)}
	a := newAccount(n, bridge.Login{Account: "alice@msn.localhost", Name: "Alice"}, me, in)
	a.port = port
	t.Cleanup(a.end)
	return a, port, in
}
