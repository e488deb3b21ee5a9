package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"mellium.im/xmpp/jid"
)

// played is a link whose server the test plays, after the login. It runs in a
// bubble, so that all times pass at once.
type played struct {
	*link
	t       *testing.T
	servers chan *byteConn // the other ends of its connections
	logins  chan negotiated
	stanzas chan *Stanza
	dones   chan func()
	ups     chan bool
	downs   chan error
}

func (p *played) Stanza(s *Stanza, done func()) { p.dones <- done; p.stanzas <- s }
func (p *played) Connected(resumed bool)        { p.ups <- resumed }
func (p *played) Disconnected(err error)        { p.downs <- err }

// play starts one. Component says of which kind.
func play(t *testing.T, component bool) *played {
	p := &played{
		t: t, servers: make(chan *byteConn, 10), logins: make(chan negotiated, 10), stanzas: make(chan *Stanza, 1000),
		dones: make(chan func(), 1000), ups: make(chan bool, 10), downs: make(chan error, 10),
	}
	if component {
		p.link = NewComponent(ComponentOptions{Domain: "msn.test"}, p).link
	} else {
		p.link = NewClient(ClientOptions{JID: "alice@a.test"}, p).link
	}
	p.log = zerolog.Nop()
	p.connect = func(ctx context.Context) (negotiated, error) {
		var n negotiated
		select {
		case n = <-p.logins:
		case <-ctx.Done():
			return negotiated{}, ctx.Err()
		}
		p.in.freeze()
		near, far := net.Pipe()
		n.address = jid.MustParse("alice@a.test/x")
		n.conn = newByteConn(&deadlineConn{Conn: near, read: p.timing.Read, write: p.timing.Write}, 512)
		n.conn.left = -1
		server := newByteConn(far, 512)
		server.left = -1
		p.servers <- server
		return n, nil
	}
	p.Start()
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// side is the server's side of a connection.
type side struct {
	*byteConn
	t *testing.T
	f *framer
}

// login lets the link connect.
func (p *played) login(n negotiated) *side {
	p.t.Helper()
	p.logins <- n
	s := <-p.servers
	p.t.Cleanup(func() { s.Close() })
	side := &side{byteConn: s, t: p.t, f: &framer{r: s.r, limit: maxStanza}}
	if n.counts && !n.resumed {
		side.expect("<enable ")
		side.say("<enabled xmlns='urn:xmpp:sm:3' id='session' resume='true'/>")
	}
	if !n.resumed {
		if resumed := <-p.ups; resumed {
			p.t.Error("resumed")
		}
	}
	return side
}

// say writes to the link.
func (s *side) say(text string) {
	s.t.Helper()
	if _, err := s.Write([]byte(text)); err != nil {
		s.t.Errorf("say %.50q: %v", text, err)
	}
}

// hear reads the next element that the link writes.
func (s *side) hear() string {
	s.t.Helper()
	f, err := s.f.next()
	if err != nil {
		s.t.Fatalf("hear: %v", err)
	}
	return string(f.data)
}

func (s *side) expect(prefix string) string {
	s.t.Helper()
	got := s.hear()
	if !strings.HasPrefix(got, prefix) {
		s.t.Fatalf("heard %.200q instead of %q", got, prefix)
	}
	return got
}

// drain reads and forgets.
func (s *side) drain() {
	go func() {
		for {
			if _, err := s.f.next(); err != nil {
				return
			}
		}
	}()
}

// id is the id in what was heard.
func id(text string) string {
	_, rest, _ := strings.Cut(text, `id="`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

// body is a message.
func body(id string) *Stanza {
	return &Stanza{Kind: Message, From: "x@msn.test", To: "bob@b.test", ID: id, Type: "chat", Children: []*Element{NewText("", "body", id)}}
}

// later runs something that waits for the server.
func later[T any](f func() T) <-chan T {
	c := make(chan T, 1)
	go func() { c <- f() }()
	return c
}

func bubble(t *testing.T, test func(*testing.T)) { synctest.Test(t, test) }

// TestMalformedStanzasCostNothing sends everything odd there is, with something
// good after each, over a stream that counts.
func TestMalformedStanzasCostNothing(t *testing.T) {
	for name, bad := range map[string]struct {
		text  string
		count int    // how many stanzas the server counts
		reply string // how the reply begins, if there is one
	}{
		"entity":             {"<message><body>&unknown;</body></message>", 1, ""},
		"control":            {"<message><body>&#2;</body></message>", 1, ""},
		"not UTF-8":          {"<message><body>\xff</body></message>", 1, ""},
		"mismatch":           {"<message><a><b></a></b></message>", 1, ""},
		"bad opening tag":    {"<message a=b c></message>", 1, ""},
		"prefix":             {"<x:message/>", 0, ""},
		"deep":               {"<message>" + strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000) + "</message>", 1, ""},
		"wide":               {"<message>" + strings.Repeat("<a/>", maxElements+1) + "</message>", 1, ""},
		"huge":               {"<message><body>" + strings.Repeat("x", maxStanza) + "</body></message>", 1, ""},
		"unknown":            {"<x xmlns='y'/>", 0, ""},
		"comment":            {"<!-- x -->", 0, ""},
		"count that is none": {"<a xmlns='urn:xmpp:sm:3' h='x'/><a xmlns='urn:xmpp:sm:3' h='99999999999'/><a xmlns='urn:xmpp:sm:3'/>", 0, ""},
		"count too high":     {"<a xmlns='urn:xmpp:sm:3' h='77'/>", 0, ""},
		"answer to nothing":  {"<iq type='result' id='x'/><iq type='error' id='y'/>", 2, ""},
		"query without id":   {"<iq type='get'><a xmlns='b'/></iq>", 1, ""},
		"query of no type":   {"<iq id='1' from='bob@b.test'/>", 1, `<iq to="bob@b.test" id="1" type="error"><error type="modify"><bad-request `},
		"empty query":        {"<iq id='1' from='bob@b.test' type='get'/>", 1, `<iq to="bob@b.test" id="1" type="error">`},
		"two questions":      {"<iq id='1' from='bob@b.test' type='set'><a/><b/></iq>", 1, `<iq to="bob@b.test" id="1" type="error">`},
		"malformed query":    {"<iq id='1' from='bob@b.test' type='set'>&x;</iq>", 1, `<iq to="bob@b.test" id="1" type="error">`},
		"query of nobody":    {"<iq id='1' from='@@' type='get'/>", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := play(t, false)
				s := p.login(negotiated{counts: true})
				go s.say(bad.text + "<message from='@@ /' to='a b'><body>good</body></message>")
				if bad.reply != "" {
					s.expect(bad.reply)
				}
				if got := <-p.stanzas; got.Text("body") != "good" || got.From != "@@ /" {
					t.Errorf("%+v", got)
				}
				(<-p.dones)()
				go s.say("<r xmlns='urn:xmpp:sm:3'/>")
				s.expect(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'", bad.count+1))
				s.drain()
			})
		})
	}
}

func TestPanicInTheHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := play(t, false)
		p.h = panicking{p}
		s := p.login(negotiated{counts: true})
		go s.say("<message id='panic'/><message id='good'/>")
		if got := <-p.stanzas; got.ID != "good" {
			t.Errorf("%+v", got)
		}
		(<-p.dones)()
		go s.say("<r xmlns='urn:xmpp:sm:3'/>")
		s.expect("<a xmlns='urn:xmpp:sm:3' h='2'")
		s.drain()
	})
}

type panicking struct{ *played }

func (p panicking) Stanza(s *Stanza, done func()) {
	if s.ID == "panic" {
		panic("a test")
	}
	p.played.Stanza(s, done)
}

// TestAnswers answers queries from the right and from wrong addresses.
func TestAnswers(t *testing.T) {
	for _, test := range []struct{ component, asked, wrong, right string }{
		{"", "bob@b.test", "eve@e.test", "bob@b.test"},
		{"", "bob@b.test", "", "BOB@b.test"},
		{"", "bob@b.test/x", "bob@b.test", "bob@b.test/x"},
		{"", "", "eve@e.test", ""},
		{"", "", "alice@e.test", "alice@a.test"},
		{"", "", "b.test", "a.test"},
		{"", "alice@a.test", "alice@b.test", ""},
		{"x@msn.test", "bob@b.test", "msn.test", "bob@b.test"},
	} {
		bubble(t, func(t *testing.T) {
			p := play(t, test.component != "")
			s := p.login(negotiated{})
			answer := later(func() *Stanza {
				a, err := p.Query(t.Context(), &Stanza{Kind: IQ, Type: "get", From: test.component, To: test.asked, ID: "mine", Children: []*Element{NewElement("x", "y")}})
				if err != nil {
					t.Error(err)
				}
				return a
			})
			asked := id(s.expect("<iq "))
			if asked == "mine" || len(asked) < 20 {
				t.Errorf("the id is %q", asked)
			}
			say := func(from, result string) {
				s.say(fmt.Sprintf("<iq type='result' id='%s' from='%s' to='%s'><%s/></iq>", asked, from, test.component, result))
			}
			if test.wrong != test.right {
				say(test.wrong, "wrong")
			}
			synctest.Wait()
			if len(answer) > 0 {
				t.Errorf("%+v: answered by somebody else", test)
			}
			say(test.right, "right")
			if a := <-answer; a.Child("", "right") == nil {
				t.Errorf("%+v: the answer is %+v", test, a)
			}
			say(test.right, "late")
			s.say("<message id='after'/>")
			if got := <-p.stanzas; got.ID != "after" {
				t.Errorf("%+v came to the handler", got)
			}
			s.drain()
		})
	}
}

func TestQueryFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := play(t, false)
		s := p.login(negotiated{})
		ask := func(ctx context.Context) <-chan error {
			return later(func() error {
				_, err := p.Query(ctx, &Stanza{Kind: IQ, Type: "get", To: "bob@b.test"})
				return err
			})
		}
		answer := ask(t.Context())
		s.say(fmt.Sprintf("<iq type='error' id='%s' from='bob@b.test'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", id(s.hear())))
		if e, ok := errors.AsType[*StanzaError](<-answer); !ok || e.Condition != "forbidden" || e.Type != "auth" {
			t.Errorf("refused: %v", e)
		}
		answer = ask(t.Context())
		s.say(fmt.Sprintf("<iq type='result' id='%s' from='bob@b.test'>&x;</iq>", id(s.hear())))
		if err := <-answer; err == nil {
			t.Error("a malformed answer was taken")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		answer = ask(ctx)
		s.hear()
		if err := <-answer; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after its time: %v", err)
		}
		answer = ask(t.Context())
		s.hear()
		s.Close()
		if err := <-answer; !errors.Is(err, ErrNotConnected) {
			t.Errorf("after the connection: %v", err)
		}
		if err := <-ask(t.Context()); !errors.Is(err, ErrNotConnected) {
			t.Errorf("without a connection: %v", err)
		}
		if len(p.queries) != 0 {
			t.Error("queries are kept")
		}
		if _, err := p.Query(t.Context(), body("x")); err == nil {
			t.Error("a message is a query")
		}
	})
}

// TestAcks tells the server what is done: in order, when it asks, and by itself.
func TestAcks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := play(t, false)
		s := p.login(negotiated{counts: true})
		s.say(strings.Repeat("<message/>", 4) + "<r xmlns='urn:xmpp:sm:3'/>")
		var dones [4]func()
		for i := range dones {
			dones[i] = <-p.dones
		}
		s.expect("<a xmlns='urn:xmpp:sm:3' h='0'")
		dones[2]()
		dones[1]()
		dones[3]()
		dones[3]()
		synctest.Wait()
		began := time.Now()
		go dones[0]() // the server waits for it
		s.expect("<a xmlns='urn:xmpp:sm:3' h='4'")
		if waited := time.Since(began); waited > 0 {
			t.Errorf("told %s after the last was done", waited)
		}
		s.say("<message/>")
		(<-p.dones)()
		s.expect("<a xmlns='urn:xmpp:sm:3' h='5'")
		if waited := time.Since(began); waited != p.timing.Ack {
			t.Errorf("told %s after it was done", waited)
		}
		go s.say(strings.Repeat("<message/>", maxUntold))
		for range maxUntold {
			(<-p.dones)()
		}
		s.expect(fmt.Sprintf("<a xmlns='urn:xmpp:sm:3' h='%d'", 5+maxUntold))
		s.drain()
	})
}
