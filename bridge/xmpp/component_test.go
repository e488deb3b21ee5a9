package xmpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// scriptedConn is a stream to a server that takes everything.
type scriptedConn struct {
	handler stream.Handler
	mu      sync.Mutex
	sent    []string
	down    bool
	forget  bool          // what was sent
	stuck   chan struct{} // nil, or sending waits for it
	onQuery func(*stream.Stanza) (*stream.Stanza, error)
}

// inShort describes a stanza in short.
func inShort(s *stream.Stanza) string {
	words := []string{string(s.Kind), s.Type, s.From, s.To}
	for _, c := range s.Children {
		words = append(words, c.Name.Local)
		if c.Name.Local == "error" && len(c.Children) > 0 {
			words = append(words, c.Children[0].Name.Local)
		}
	}
	return strings.Join(words, " ")
}

func (c *scriptedConn) Start() { c.handler.Connected(false) }

func (c *scriptedConn) Send(_ context.Context, s *stream.Stanza) error {
	if c.stuck != nil {
		<-c.stuck
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return stream.ErrNotConnected
	}
	if !c.forget {
		c.sent = append(c.sent, inShort(s))
	}
	return nil
}

func (c *scriptedConn) Deliver(ctx context.Context, s *stream.Stanza) error { return c.Send(ctx, s) }

func (c *scriptedConn) Query(_ context.Context, s *stream.Stanza) (*stream.Stanza, error) {
	if c.onQuery != nil {
		return c.onQuery(s)
	}
	return nil, &stream.StanzaError{Type: "cancel", Condition: "service-unavailable"}
}

func (c *scriptedConn) Up() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.down
}

func (c *scriptedConn) Close(context.Context) error { return nil }

// setDown cuts the stream, or mends it.
func (c *scriptedConn) setDown(down bool) {
	c.mu.Lock()
	c.down = down
	c.mu.Unlock()
	if down {
		c.handler.Disconnected(stream.ErrNotConnected)
	} else {
		c.handler.Connected(false)
	}
}

// take returns what was sent since the last time.
func (c *scriptedConn) take() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent
	c.sent = nil
	return sent
}

// expect compares what was sent since the last time, in any order.
func (c *scriptedConn) expect(t *testing.T, want ...string) {
	t.Helper()
	got := c.take()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("sent:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const (
	gate   = "msn.test"
	robert = "bob@jabber.test"
)

// scripted runs a test with a component on a scripted stream, in a bubble.
func scripted(t *testing.T, test func(t *testing.T, n *Network, c *scriptedConn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Options{
			Component: ComponentOptions{Domain: gate}, AccountDomain: "msn.localhost", Memory: &notes{}, Log: zerolog.Nop(),
		})
		must(t, err)
		c := &scriptedConn{}
		n.gateway.connect = func(h stream.Handler) starter { c.handler = h; return c }
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- n.Run(ctx) }()
		synctest.Wait()
		test(t, n, c)
		cancel()
		must(t, <-ended)
		time.Sleep(time.Hour) // in the bubble: what runs on timers ends
	})
}

func openTest(t *testing.T, n *Network, account bridge.Handle) (*componentAccount, *inbox) {
	t.Helper()
	in := &inbox{events: make(chan bridge.Event, 10000)}
	a, err := n.Open(t.Context(), bridge.Login{Account: account, Name: "Alice"}, in)
	must(t, err)
	synctest.Wait()
	in.drain()
	return a.(*componentAccount), in
}

func TestComponentAddresses(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, _ *scriptedConn) {
		for account, want := range map[bridge.Handle]string{
			"alice@msn.localhost":   "alice@msn.test",
			"bob@hotmail.com":       `bob\40hotmail.com@msn.test`,
			"o'neil@msn.localhost":  `o\27neil@msn.test`,
			"a/b@msn.localhost":     `a\2fb@msn.test`,
			`c\40d@msn.localhost`:   `c\5c40d@msn.test`,
			"a@hotmail.com@x.test":  `a\40hotmail.com\40x.test@msn.test`,
			"bob%jabber@hotmail.de": `bob%jabber\40hotmail.de@msn.test`,
		} {
			if a, _ := openTest(t, n, account); string(a.ID()) != want {
				t.Errorf("%s is %s", account, a.ID())
			}
		}
		for _, login := range []bridge.Login{
			{Account: "carol@msn.localhost", ID: "alice@msn.test"}, {Account: "carol@msn.localhost", ID: "carol@other.test"},
			{Account: "carol@msn.localhost", ID: "carol@msn.test/x"}, {Account: "carol@msn.localhost", ID: "Carol@msn.test"},
			{Account: "carol@msn.localhost", ID: "@msn.test"}, {Account: "carol@msn.localhost", ID: "msn.test"},
		} {
			if a, err := n.Open(t.Context(), login, &inbox{}); err == nil {
				t.Errorf("%s was let be %s", login.Account, a.ID())
			}
		}
		if a, _ := n.gateway.account("ALICE@MSN.test/x"); a == nil || a.bare != "alice@msn.test" {
			t.Error("an address that is written otherwise is not found")
		}
	})
}

// say hands the component a stanza of XML.
func (c *scriptedConn) say(t *testing.T, source string) {
	t.Helper()
	c.handler.Stanza(read(t, source), nil)
}

func presenceFrom(from, to, kind string) string {
	return fmt.Sprintf(`<presence from='%s' to='%s' type='%s'/>`, from, to, kind)
}

func TestComponentGrants(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		a, in := openTest(t, n, "alice@msn.localhost")
		must(t, a.SetPresence(t.Context(), bridge.Presence{Show: bridge.Available}))
		must(t, a.Allow(t.Context(), robert)) // AL before he asks: nothing to accept
		c.expect(t)
		c.say(t, presenceFrom(robert, a.bare, "subscribe"))
		synctest.Wait()
		next[bridge.ContactRequested](t, in)
		c.say(t, presenceFrom(robert, a.bare, "probe")) // while he waits: no refusal
		c.expect(t)
		must(t, a.Allow(t.Context(), robert), a.Allow(t.Context(), robert))
		c.expect(t, "presence subscribed alice@msn.test "+robert, "presence  alice@msn.test/papillon "+robert+" nick c")
		c.say(t, presenceFrom(robert, a.bare, "subscribe")) // his server has forgotten
		c.expect(t, "presence subscribed alice@msn.test "+robert, "presence  alice@msn.test/papillon "+robert+" nick c")
		in.none(t)
		c.say(t, presenceFrom(robert+"/x", a.bare, "probe"))
		c.expect(t, "presence  alice@msn.test/papillon "+robert+"/x nick c")
		c.say(t, presenceFrom("eve@jabber.test", a.bare, "probe"))
		c.expect(t, "presence unsubscribed alice@msn.test eve@jabber.test")
		c.say(t, `<presence from='eve@jabber.test/x' to='alice@msn.test'/>`)
		synctest.Wait()
		in.none(t)
		if len(a.contacts.all) != 0 {
			t.Error("the presence of a stranger is kept")
		}
		c.say(t, presenceFrom(robert, a.bare, "unsubscribe"))
		c.expect(t, "presence unsubscribed alice@msn.test "+robert, "presence unavailable alice@msn.test/papillon "+robert)
		next[bridge.ContactWithdrew](t, in)
		if len(a.subscriptions) != 0 {
			t.Errorf("%+v", a.subscriptions)
		}
	})
}

// TestComponentAsks has a wish to see somebody unanswered, refused and granted, over
// sign-ins and restarts.
func TestComponentAsks(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		a, _ := openTest(t, n, "alice@msn.localhost")
		who := bridge.Contact{ID: robert}
		follow := func(want ...string) {
			t.Helper()
			must(t, a.Follow(t.Context(), who))
			c.expect(t, want...)
		}
		subscribe := "presence subscribe alice@msn.test " + robert + " nick"
		follow(subscribe)
		follow()
		time.Sleep(askAgainAfter + time.Second)
		follow(subscribe)
		c.say(t, presenceFrom(robert, a.bare, "unsubscribed"))
		synctest.Wait()
		follow()
		time.Sleep(askAgainAfter + time.Second)
		follow()
		must(t, a.Unfollow(t.Context(), robert), a.Unfollow(t.Context(), robert))
		c.expect(t)
		follow(subscribe)
		c.say(t, presenceFrom(robert, a.bare, "subscribed"))
		synctest.Wait()
		follow("presence probe alice@msn.test " + robert)
		must(t, a.Close())
		a, in := openTest(t, n, "alice@msn.localhost")
		must(t, a.SetPresence(t.Context(), bridge.Presence{Show: bridge.Hidden}))
		c.expect(t, "presence probe alice@msn.test "+robert)
		follow() // just asked
		time.Sleep(silence)
		synctest.Wait()
		if e := next[bridge.PresenceChanged](t, in); e.Presence.Show != bridge.Offline {
			t.Errorf("silence means %+v", e)
		}
		must(t, a.Unfollow(t.Context(), robert))
		c.expect(t, "presence unsubscribe alice@msn.test "+robert)
		c.say(t, presenceFrom(robert, a.bare, "subscribed")) // nobody asked
		synctest.Wait()
		if len(a.subscriptions) != 0 {
			t.Errorf("%+v", a.subscriptions)
		}
	})
}

// TestComponentKnowsBeforeSignIn: a presence that comes before the user is there is
// told when he is, though his asking brings no news then.
func TestComponentKnowsBeforeSignIn(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		must(t, n.options.Memory.Remember(t.Context(), "", Name, subscriptionPrefix+robert, subscription{to: granted}.String()))
		a, in := openTest(t, n, "alice@msn.localhost")
		must(t, a.Follow(t.Context(), bridge.Contact{ID: robert}))
		c.expect(t, "presence probe alice@msn.test "+robert)
		c.say(t, presenceFrom(robert+"/x", a.bare, ""))
		synctest.Wait()
		in.none(t) // to nobody
		must(t, a.SetPresence(t.Context(), bridge.Presence{Show: bridge.Available}))
		c.say(t, presenceFrom(robert+"/x", a.bare, ""))
		synctest.Wait()
		if e := next[bridge.PresenceChanged](t, in); e.Contact != robert || e.Presence.Show != bridge.Available {
			t.Errorf("%+v", e)
		}
	})
}

// TestComponentSpeaksAgain cuts the stream.
func TestComponentSpeaksAgain(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		must(t, n.options.Memory.Remember(t.Context(), "", Name, subscriptionPrefix+robert, subscription{to: granted, from: true}.String()))
		a, in := openTest(t, n, "alice@msn.localhost")
		c.expect(t, "presence unavailable alice@msn.test/papillon "+robert) // from before
		c.setDown(true)
		must(t, a.SetPresence(t.Context(), bridge.Presence{Show: bridge.Busy}))
		if err := a.Send(t.Context(), bridge.Outgoing{ID: "1", Chat: bridge.Chat{Contact: robert}, Text: "x"}); err == nil || errors.Is(err, bridge.ErrRefused) {
			t.Error(err)
		}
		if err := a.Follow(t.Context(), bridge.Contact{ID: robert}); err == nil {
			t.Error("asked without a stream")
		}
		if err := a.Follow(t.Context(), bridge.Contact{ID: "carol@jabber.test"}); err == nil {
			t.Error("asked without a stream")
		}
		c.setDown(true) // another try
		synctest.Wait()
		down := next[bridge.ConnectionChanged](t, in)
		if down.Up || down.Reason == "" {
			t.Errorf("%+v", down)
		}
		in.none(t) // the same reason again is no news
		c.setDown(false)
		c.expect(t, "presence  alice@msn.test/papillon "+robert+" show nick c", "presence probe alice@msn.test "+robert,
			"presence subscribe alice@msn.test carol@jabber.test nick")
		c.say(t, presenceFrom(robert, a.bare, "error"))
		synctest.Wait()
		next[bridge.ConnectionChanged](t, in)
		if e := next[bridge.PresenceChanged](t, in); e.Presence.Show != bridge.Unknown {
			t.Errorf("%+v", e)
		}
		must(t, a.SetPresence(t.Context(), bridge.Presence{Show: bridge.Offline}))
		c.expect(t, "presence unavailable alice@msn.test/papillon "+robert)
		must(t, a.Close())
		c.expect(t)
		c.say(t, `<message from='bob@jabber.test/x' to='alice@msn.test' type='chat' id='1'><body>x</body></message>`)
		c.expect(t, "message error alice@msn.test bob@jabber.test/x error recipient-unavailable")
		time.Sleep(leftFor)
		c.say(t, `<message from='bob@jabber.test/x' to='alice@msn.test' type='chat' id='1'><body>x</body></message>`)
		c.say(t, `<message from='bob@jabber.test/x' to='alice@msn.test' type='error' id='1'><body>x</body></message>`)
		c.expect(t, "message error alice@msn.test bob@jabber.test/x error item-not-found")
	})
}

// TestComponentSentAgain has somebody send again what may not have arrived, from
// another session.
func TestComponentSentAgain(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		_, in := openTest(t, n, "alice@msn.localhost")
		var ids []string
		for _, way := range []string{
			"from='robert@jabber.test/x' to='alice@msn.test/papillon'", "from='robert@jabber.test/y' to='alice@msn.test'",
		} {
			c.say(t, "<message "+way+" type='chat' id='id-000001'><body>hi</body></message>")
			synctest.Wait()
			ids = append(ids, next[bridge.MessageReceived](t, in).ID)
		}
		if ids[0] != ids[1] {
			t.Errorf("%q", ids)
		}
	})
}

// TestComponentNeverWaits has a server that does not read: what arrives is taken
// all the same, and the answers are bounded.
func TestComponentNeverWaits(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		a, in := openTest(t, n, "alice@msn.localhost")
		c.stuck = make(chan struct{})
		for i := range 3 * maxRefusals {
			c.say(t, fmt.Sprintf(`<iq from='bob@jabber.test/x' to='alice@msn.test' type='get' id='%d'><ping xmlns='urn:xmpp:ping'/></iq>`, i))
			c.say(t, fmt.Sprintf(`<message from='bob@jabber.test/x' to='nobody@msn.test' id='%d'><body>x</body></message>`, i))
			c.say(t, presenceFrom(robert, "nobody@msn.test", "subscribe"))
			c.say(t, presenceFrom(robert, gate, "probe"))
		}
		c.say(t, fmt.Sprintf(`<message from='carol@jabber.test/x' to='%s' id='c'><body>hi</body></message>`, a.bare))
		synctest.Wait()
		next[bridge.MessageReceived](t, in)
		close(c.stuck)
		if n := len(c.take()); n < maxTurn || n > maxRefusals+1 {
			t.Errorf("%d answers", n)
		}
	})
}

// TestComponentPresenceFlood has somebody change his presence faster than it is
// taken in.
func TestComponentPresenceFlood(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		a, in := openTest(t, n, "alice@msn.localhost")
		must(t, a.SetPresence(t.Context(), bridge.Presence{Show: bridge.Available}))
		a.subscriptions[robert] = subscription{to: granted}
		hold := make(chan struct{})
		a.feed.call(func(context.Context) { <-hold })
		for i := range 1001 {
			c.say(t, fmt.Sprintf(`<presence from='bob@jabber.test/x' to='alice@msn.test'><status>%d</status></presence>`, i))
		}
		close(hold)
		synctest.Wait()
		if e := next[bridge.PresenceChanged](t, in); e.Presence.Text != "1000" {
			t.Errorf("%+v", e)
		}
		in.none(t)
	})
}

// TestFrontInTrouble has a desk that fails, and none.
func TestFrontInTrouble(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		ask := `<message from='bob@jabber.test/x' to='msn.test' type='chat'><body>help</body></message>`
		register := `<iq from='bob@jabber.test/x' to='msn.test' type='set' id='1'><query xmlns='jabber:iq:register'><username>x</username></query></iq>`
		c.say(t, ask)
		c.say(t, register)
		c.expect(t, "message error msn.test bob@jabber.test/x error service-unavailable", "iq error msn.test bob@jabber.test/x error service-unavailable")
		n.Attend(&scriptedDesk{trouble: errors.New("the disk is full")})
		c.say(t, ask)
		c.say(t, register)
		c.expect(t, "message chat msn.test bob@jabber.test/x body no-permanent-store", "iq error msn.test bob@jabber.test/x error internal-server-error")
		n.Attend(&scriptedDesk{})
		c.say(t, `<message from='alice@msn.test/x' to='msn.test' type='chat'><body>register x</body></message>`)
		c.say(t, `<message from='jabber.test' to='msn.test' type='chat'><body>register x</body></message>`)
		c.expect(t, "message error msn.test alice@msn.test/x error service-unavailable", "message error msn.test jabber.test error service-unavailable")
		c.say(t, presenceFrom(robert, gate, "subscribe")) // without an account
		c.expect(t, "presence unsubscribed msn.test "+robert)
		c.say(t, presenceFrom(gate+".example", gate, "probe"))
		c.say(t, `<presence from='bob@jabber.test/x' to='msn.test'/>`)
		c.expect(t)
	})
}

// TestAnotherName has somebody with an account ask for one under another name: it is not
// said to be done.
func TestAnotherName(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		n.Attend(&scriptedDesk{people: map[bridge.RemoteID]bridge.Handle{robert: "bobby@msn.localhost"}})
		for name, want := range map[string]string{
			"": "iq result", "Bobby": "iq result", "bobby@msn.localhost": "iq result", "robby": "iq error",
		} {
			c.say(t, `<iq from='bob@jabber.test/x' to='msn.test' type='set' id='1'><query xmlns='jabber:iq:register'><username>`+name+`</username></query></iq>`)
			if got := strings.Join(c.take(), "; "); !strings.HasPrefix(got, want+" msn.test bob@jabber.test/x") || strings.Contains(got, ";") {
				t.Errorf("%q is answered by %q", name, got)
			}
		}
	})
}

// TestGuestsAreGreeted signs somebody up, who then goes and comes.
func TestGuestsAreGreeted(t *testing.T) {
	scripted(t, func(t *testing.T, n *Network, c *scriptedConn) {
		n.Attend(&scriptedDesk{})
		c.say(t, `<message from='bob@jabber.test/x' to='msn.test' type='chat'><body>register bobby</body></message>`)
		c.expect(t, "message chat msn.test bob@jabber.test/x body no-permanent-store", "presence subscribe msn.test "+robert)
		c.say(t, presenceFrom(robert, gate, "subscribed"))
		c.expect(t, "presence  msn.test "+robert)
		c.say(t, presenceFrom(robert, gate, "subscribe"))
		c.expect(t, "presence subscribed msn.test "+robert, "presence  msn.test "+robert)
		c.say(t, `<presence from='bob@jabber.test/x' to='msn.test'/>`)
		c.expect(t, "presence  msn.test bob@jabber.test/x")
		c.say(t, presenceFrom("bob@jabber.test/x", gate, "unavailable"))
		c.expect(t, "presence unavailable msn.test bob@jabber.test/x")
		c.setDown(true)
		c.setDown(false)
		c.expect(t, "presence  msn.test "+robert)
		c.say(t, presenceFrom(robert, gate, "unsubscribe"))
		c.expect(t, "presence unsubscribed msn.test "+robert, "presence unavailable msn.test "+robert)
		c.setDown(false)
		c.expect(t)
	})
}

// FuzzComponent hands the component stanzas of all sorts.
func FuzzComponent(f *testing.F) {
	for _, seed := range []string{
		`<message from='bob@jabber.test/x' to='alice@msn.test' type='chat' id='1'><body>x</body><request xmlns='urn:xmpp:receipts'/></message>`,
		`<message from='@' to='alice@msn.test'><body>x</body></message>`,
		`<message from='alice@msn.test' to='alice@msn.test'><body>x</body></message>`,
		`<message from='bob@jabber.test' to='msn.test'><body>register @</body></message>`,
		`<presence from='bob@jabber.test' to='alice@msn.test' type='subscribe'><nick xmlns='http://jabber.org/protocol/nick'>B</nick></presence>`,
		`<presence from='r@c.test/n' to='alice@msn.test'><x xmlns='http://jabber.org/protocol/muc#user'><item jid='@'/><status code='110'/></x></presence>`,
		`<presence from='/' to='@/' type='probe'/>`, `<iq from='x' to='msn.test' type='get'/>`, `<iq from='x@y' to='a@msn.test' type='set'><a/></iq>`,
		`<iq from='x@y/z' to='msn.test' type='set' id='1'><query xmlns='jabber:iq:register'><remove/></query></iq>`,
		`<iq from='x@y/z' to='msn.test' type='get' id='1'><query xmlns='jabber:iq:register'/></iq>`,
		`<iq from='x@y/z' to='msn.test' type='set' id='1'><command xmlns='http://jabber.org/protocol/commands' node='unlink'><x xmlns='jabber:x:data'><field/></x></command></iq>`,
		`<iq from='x@y/z' to='msn.test' type='set' id='1'><query xmlns='jabber:iq:gateway'><prompt>@</prompt></query></iq>`,
		`<iq from='x@y/z' to='alice@msn.test' type='get' id='1'><query xmlns='http://jabber.org/protocol/disco#info' node='#'/></iq>`,
	} {
		f.Add(seed)
	}
	n, err := New(Options{Component: ComponentOptions{Domain: gate}, AccountDomain: "msn.localhost", Memory: &notes{}, Log: zerolog.Nop()})
	if err != nil {
		f.Fatal(err)
	}
	n.Attend(&scriptedDesk{})
	c := &scriptedConn{handler: n.gateway}
	n.gateway.conn = c
	c.Start()
	f.Fuzz(func(t *testing.T, source string) {
		s, err := readStanza(source)
		if err != nil {
			return
		}
		stuck := time.AfterFunc(10*time.Second, func() { panic("stuck by " + source) })
		defer stuck.Stop()
		a, err := n.Open(t.Context(), bridge.Login{Account: "alice@msn.localhost", Name: "Alice"}, &discard{})
		if err != nil {
			t.Fatal(err)
		}
		n.gateway.Stanza(s, nil)
		served := make(chan struct{})
		if s.From != "" && s.To != "" {
			for !n.gateway.turns.post(turnOf(s), 1<<30, func() { close(served) }) {
				t.Error("the turns are full")
			}
			<-served
		}
		awaitFeed(a.(*componentAccount).account)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent = nil
	})
}

type discard struct{}

func (discard) Receive(context.Context, bridge.Event) error { return nil }

// awaitFeed waits until everything that was put into the feed is received.
func awaitFeed(a *account) {
	done := make(chan struct{})
	a.feed.call(func(context.Context) { close(done) })
	<-done
}
