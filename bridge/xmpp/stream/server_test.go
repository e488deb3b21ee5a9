package stream_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge/xmpp/stream"
	"papillon/bridge/xmpp/xmpptest"
)

// patience bounds everything that a test waits for.
const patience = 3 * time.Minute

// servers are the real ones that the tests of this package share, by kind. A
// test that stops or changes one starts its own.
var servers struct {
	sync.Mutex
	running map[xmpptest.Kind]*xmpptest.Server
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, s := range servers.running {
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// each runs a test against every kind of server.
func each(t *testing.T, test func(*testing.T, *xmpptest.Server)) {
	for _, kind := range xmpptest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			test(t, shared(t, kind))
		})
	}
}

func shared(t *testing.T, kind xmpptest.Kind) *xmpptest.Server {
	t.Helper()
	servers.Lock()
	defer servers.Unlock()
	if s := servers.running[kind]; s != nil {
		return s
	}
	s, err := xmpptest.Start(t.Context(), xmpptest.Options{Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	if servers.running == nil {
		servers.running = make(map[xmpptest.Kind]*xmpptest.Server)
	}
	servers.running[kind] = s
	return s
}

// alone starts a server for one test.
func alone(t *testing.T, o xmpptest.Options) *xmpptest.Server {
	t.Helper()
	s, err := xmpptest.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// recorder is a handler that keeps what it is told.
type recorder struct {
	stanzas chan *stream.Stanza
	up      chan bool
	down    chan error
	// take, if set, sees stanzas instead of the channel.
	take func(s *stream.Stanza, done func())
}

func newRecorder() *recorder {
	return &recorder{stanzas: make(chan *stream.Stanza, 5000), up: make(chan bool, 100), down: make(chan error, 100)}
}

func (r *recorder) Stanza(s *stream.Stanza, done func()) {
	if r.take != nil {
		r.take(s, done)
		return
	}
	r.stanzas <- s
	if done != nil {
		done()
	}
}

func (r *recorder) Connected(resumed bool) { r.up <- resumed }
func (r *recorder) Disconnected(err error) { r.down <- err }

// receive waits for what a channel brings.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %s in vain", patience)
		panic("unreachable")
	}
}

// message waits for a message with a body.
func (r *recorder) message(t *testing.T) *stream.Stanza {
	t.Helper()
	for {
		if s := receive(t, r.stanzas); s.Kind == stream.Message && s.Text("body") != "" {
			return s
		}
	}
}

var quick = stream.Backoff{First: 20 * time.Millisecond, Max: 200 * time.Millisecond}

// logger writes to the test's log.
func logger(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
}

// persons counts those that were made: a test may run again.
var persons atomic.Int64

// user makes a person of the test's own on a server, whose name begins so.
func user(t *testing.T, s *xmpptest.Server, name string) (jid, password string) {
	t.Helper()
	jid, password, err := s.CreateUser(t.Context(), fmt.Sprintf("%s-%d", name, persons.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return jid, password
}

// options are those of a client of a person of a server.
func options(t *testing.T, s *xmpptest.Server, jid, password string) stream.ClientOptions {
	return stream.ClientOptions{
		JID: jid, Password: password, Resource: "papillon", Address: s.ClientAddress, RootCAs: s.RootCAs,
		Log: logger(t), Backoff: quick,
	}
}

// startClient connects a client, which the test's end closes.
func startClient(t *testing.T, o stream.ClientOptions) (*stream.Client, *recorder) {
	t.Helper()
	r := newRecorder()
	c := stream.NewClient(o, r)
	c.Start()
	t.Cleanup(func() { closeConn(t, c) })
	select {
	case <-r.up:
	case err := <-r.down:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("no connection")
	}
	return c, r
}

func closeConn(t *testing.T, c stream.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

// person is a client of a new person, online.
func person(t *testing.T, s *xmpptest.Server, name string) (*stream.Client, *recorder) {
	t.Helper()
	jid, password := user(t, s, name)
	c, r := startClient(t, options(t, s, jid, password))
	must(t, c.Send(t.Context(), &stream.Stanza{Kind: stream.Presence}))
	return c, r
}

func componentOptions(t *testing.T, s *xmpptest.Server) stream.ComponentOptions {
	return stream.ComponentOptions{
		Address: s.ComponentAddress, Domain: s.ComponentDomain, Secret: s.Secret, Log: logger(t), Backoff: quick,
	}
}

func startComponent(t *testing.T, o stream.ComponentOptions) (*stream.Component, *recorder) {
	t.Helper()
	r := newRecorder()
	c := stream.NewComponent(o, r)
	c.Start()
	t.Cleanup(func() { closeConn(t, c) })
	select {
	case <-r.up:
	case err := <-r.down:
		t.Fatal(err)
	case <-time.After(patience):
		t.Fatal("no connection")
	}
	return c, r
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// chat makes a message.
func chat(from, to, id, body string) *stream.Stanza {
	return &stream.Stanza{
		Kind: stream.Message, From: from, To: to, ID: id, Type: "chat",
		Children: []*stream.Element{stream.NewText("", "body", body)},
	}
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestClientsTalk(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		alice, _ := person(t, s, "talk-alice")
		bob, heard := person(t, s, "talk-bob")
		if jid := alice.JID(); !strings.HasPrefix(jid, "talk-alice-") || !strings.HasSuffix(jid, "@"+s.Domain+"/papillon") {
			t.Errorf("bound as %s", jid)
		}
		text := "a < b && \"c\" > 'd'\n\tpapillon \U0001F98B\x00\x1b\xff"
		must(t, alice.Deliver(bounded(t), chat("", bob.JID(), "m1", text)))
		got := heard.message(t)
		if want := "a < b && \"c\" > 'd'\n\tpapillon \U0001F98B\uFFFD"; got.Text("body") != want {
			t.Errorf("the message is %q, not %q", got.Text("body"), want)
		}
		if got.From != alice.JID() || got.ID != "m1" {
			t.Errorf("the message is %s from %s", got.ID, got.From)
		}
		if got.Child("", "body").Name.Space != "" {
			t.Error("the body has a namespace")
		}
	})
}

func TestClientAsks(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		alice, _ := person(t, s, "ask-alice")
		ask := &stream.Stanza{Kind: stream.IQ, Type: "get", Children: []*stream.Element{stream.NewElement("jabber:iq:roster", "query")}}
		answer, err := alice.Query(bounded(t), ask)
		must(t, err)
		if answer.Type != "result" || answer.Child("jabber:iq:roster", "query") == nil {
			t.Errorf("the answer is %+v", answer)
		}
		ask = &stream.Stanza{Kind: stream.IQ, Type: "get", To: s.Domain, Children: []*stream.Element{stream.NewElement("urn:nobody:knows", "query")}}
		_, err = alice.Query(bounded(t), ask)
		refused, ok := errors.AsType[*stream.StanzaError](err)
		if !ok || refused.Condition != "service-unavailable" && refused.Condition != "feature-not-implemented" {
			t.Errorf("the answer to nonsense is %v", err)
		}
	})
}

func TestBounce(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		alice, _ := person(t, s, "bounce-alice")
		err := alice.Deliver(bounded(t), chat("", "nobody.at.all@"+s.Domain, "b1", "hello"))
		refused, ok := errors.AsType[*stream.StanzaError](err)
		if !errors.Is(err, stream.ErrBounced) || !ok || refused.Type == "" {
			t.Errorf("a message to nobody: %v", err)
		}
	})
}

func TestComponentTalks(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		component, heard := startComponent(t, componentOptions(t, s))
		bob, bobHeard := person(t, s, "component-bob")
		msn := "alice@" + s.ComponentDomain
		for i := range 20 {
			must(t, component.Deliver(bounded(t), chat(msn, bob.JID(), fmt.Sprint("c", i), fmt.Sprint("text ", i))))
			if got := bobHeard.message(t); got.From != msn || got.Text("body") != fmt.Sprint("text ", i) {
				t.Errorf("message %d is %q from %s", i, got.Text("body"), got.From)
			}
		}
		must(t, bob.Deliver(bounded(t), chat("", msn, "back", "hello")))
		if got := heard.message(t); got.From != bob.JID() || got.To != msn || got.Child("", "body") == nil {
			t.Errorf("the component got %+v", got)
		}
		err := component.Deliver(bounded(t), chat(msn, "nobody@"+s.Domain, "b1", "hello"))
		if !errors.Is(err, stream.ErrBounced) {
			t.Errorf("a message to nobody: %v", err)
		}
		answer, err := component.Query(bounded(t), &stream.Stanza{
			Kind: stream.IQ, Type: "get", From: msn, To: s.Domain,
			Children: []*stream.Element{stream.NewElement("http://jabber.org/protocol/disco#info", "query")},
		})
		must(t, err)
		if answer.To != msn || answer.Child("http://jabber.org/protocol/disco#info", "query") == nil {
			t.Errorf("the answer is %+v", answer)
		}
	})
}
