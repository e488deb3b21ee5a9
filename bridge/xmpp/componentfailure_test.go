package xmpp

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
	"papillon/bridge/xmpp/xmpptest"
)

// TestComponentInterrupted restarts and kills the server under a component.
func TestComponentInterrupted(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			s := startServer(t, program, func(o *xmpptest.Options) { o.NoArchive = true })
			bob := peer(t, s, "bob", nil)
			memory := &notes{}
			proxy, err := xmpptest.NewProxy(s.ComponentAddress)
			must(t, err)
			t.Cleanup(func() { must(t, proxy.Close()) })
			h := newHouse(t, s, memory, proxy.Address)
			a, in := h.open("alice")
			must(t, a.SetPresence(testContext(t), bridge.Presence{Show: bridge.Available}))
			befriend(t, a, in, bob)
			t.Run("cut", func(t *testing.T) { componentCut(t, proxy, a, in, bob) })
			t.Run("restart", func(t *testing.T) { componentRestart(t, h.at(t), a, in, bob) })
			t.Run("burst", func(t *testing.T) { componentBurst(t, h.at(t), a, in, bob) })
			t.Run("shutdown", func(t *testing.T) { componentShutdown(t, h.at(t), a, bob) })
		})
	}
}

// componentCut has the network between component and server stand still for a
// while, and then break.
func componentCut(t *testing.T, proxy *xmpptest.Proxy, a *componentAccount, in *inbox, bob *xmpptest.Peer) {
	ctx := longContext(t, 60*time.Second)
	proxy.Cut()
	sent := make(chan error, 1)
	go func() {
		sent <- a.Send(ctx, bridge.Outgoing{ID: "cut-00001", Chat: bridge.Chat{Contact: bridge.RemoteID(bob.Bare())}, Text: "into the cut"})
	}()
	_, err := bob.Say(ctx, a.bare, "from beyond the cut")
	must(t, err, bob.Sync(ctx))
	select {
	case err := <-sent:
		t.Errorf("a message was accepted by nobody: %v", err)
	default:
	}
	proxy.Mend()
	saying(t, in, "from beyond the cut")
	must(t, <-sent)
	_, err = bob.WaitMessage(ctx, a.bare, "into the cut")
	must(t, err)
	bob.Forget()
	if proxy.Reset() == 0 {
		t.Error("there was no connection")
	}
	awaitLong(t, in, "the end of the connection", func(e bridge.ConnectionChanged) bool { return !e.Up })
	awaitLong(t, in, "connection", func(e bridge.ConnectionChanged) bool { return e.Up })
	_, err = bob.WaitPresence(ctx, a.bare, "", "")
	must(t, err)
	awaitLong(t, in, "presence", func(e bridge.PresenceChanged) bool { return e.Contact == bridge.RemoteID(bob.Bare()) })
}

func componentRestart(t *testing.T, h *house, a *componentAccount, in *inbox, bob *xmpptest.Peer) {
	ctx := longContext(t, 60*time.Second)
	bob.Forget()
	must(t, h.s.Restart(ctx))
	down := awaitLong(t, in, "the end of the connection", func(e bridge.ConnectionChanged) bool { return !e.Up })
	if down.Reason == "" {
		t.Error("no reason")
	}
	awaitLong(t, in, "connection", func(e bridge.ConnectionChanged) bool { return e.Up })
	must(t, bob.WaitConnected(ctx), bob.SetPresence(ctx, "away", "again", 0))
	awaitLong(t, in, "presence", func(e bridge.PresenceChanged) bool {
		return e.Contact == bridge.RemoteID(bob.Bare()) && e.Presence.Text == "again"
	})
	_, err := bob.WaitPresence(ctx, a.bare, "", "")
	must(t, err)
	_, err = bob.Say(ctx, a.bare, "after the restart")
	must(t, err)
	saying(t, in, "after the restart")
}

func longContext(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// awaitLong is await for what follows an interruption.
func awaitLong[T bridge.Event](t *testing.T, in *inbox, what string, fits func(T) bool) T {
	t.Helper()
	ctx := longContext(t, 40*time.Second)
	for {
		select {
		case e := <-in.events:
			if got, ok := e.(T); ok && fits(got) {
				return got
			}
		case <-ctx.Done():
			t.Fatalf("no event: %s", what)
		}
	}
}

// componentBurst kills the server while messages go in both directions. Each side
// sends again, with the same id, what was not accepted or confirmed: as the
// gateway's outbox does, and as clients do.
func componentBurst(t *testing.T, h *house, a *componentAccount, in *inbox, bob *xmpptest.Peer) {
	ctx := longContext(t, 150*time.Second)
	bob.Forget()
	in.drain()
	must(t, h.s.Settle(ctx))
	out, outgoing := newBurstOut(), make(chan error, 1)
	go func() { outgoing <- out.send(ctx, a.Send, bob.Bare()) }()
	for i := range burst {
		_, err := bob.Send(ctx, xmpptest.Message{To: a.bare, ID: fmt.Sprintf("in-%08d", i), Body: fmt.Sprintf("in %d", i), Receipt: true})
		must(t, err)
		if i == burst/3 {
			<-out.third
			out.kill(ctx, t, h.s)
		}
	}
	must(t, bob.WaitConnected(ctx))
	must(t, bob.SetPresence(ctx, "", "", 0))
	seen := resend(ctx, t, a, in, bob)
	for i := range burst {
		if n := seen[fmt.Sprintf("in %d", i)]; n != 1 {
			t.Errorf("message %d came with %d ids", i, n)
		}
	}
	must(t, <-outgoing)
	out.check(ctx, t, bob, a.bare)
}

// resend sends what was not confirmed until all is, and returns under how many ids
// each text came.
func resend(ctx context.Context, t *testing.T, a *componentAccount, in *inbox, bob *xmpptest.Peer) map[string]int {
	t.Helper()
	ids := make(map[string]map[string]bool)
	confirmed := make(map[string]bool)
	for len(confirmed) < burst {
		if ctx.Err() != nil {
			t.Fatalf("%d of %d were confirmed", len(confirmed), burst)
		}
		before := len(confirmed)
		must(t, bob.Sync(ctx))
		awaitFeed(a.account)
		must(t, bob.Sync(ctx))
		for _, e := range bob.Seen(func(e *xmpptest.Event) bool { return e.IsFrom(a.bare) && e.Receipt() != "" }) {
			confirmed[e.Receipt()] = true
		}
		if len(confirmed) > before {
			continue // more are on their way
		}
		for i := range burst {
			if id := fmt.Sprintf("in-%08d", i); !confirmed[id] {
				_, err := bob.Send(ctx, xmpptest.Message{To: a.bare, ID: id, Body: fmt.Sprintf("in %d", i), Receipt: true})
				must(t, err)
			}
		}
	}
	awaitFeed(a.account)
	for {
		select {
		case e := <-in.events:
			if m, ok := e.(bridge.MessageReceived); ok {
				if ids[m.Text] == nil {
					ids[m.Text] = make(map[string]bool)
				}
				ids[m.Text][m.ID] = true
			}
			continue
		default:
		}
		break
	}
	counts := make(map[string]int)
	for text, of := range ids {
		counts[text] = len(of)
	}
	return counts
}

// componentShutdown ends the network as the gateway does: first the accounts, then
// the stream. Nobody is to stay online.
func componentShutdown(t *testing.T, h *house, a *componentAccount, bob *xmpptest.Peer) {
	ctx := testContext(t)
	gate := h.s.ComponentDomain
	must(t, bob.Register(ctx, gate, map[string]string{"username": "robert"}))
	_, err := bob.WaitSubscription(ctx, gate, "subscribe")
	must(t, err, bob.Subscribed(ctx, gate), bob.Subscribe(ctx, gate))
	_, err = bob.WaitPresence(ctx, gate, "", "")
	must(t, err, bob.Sync(ctx))
	bob.Forget()
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Offline}), a.Close())
	_, err = bob.WaitUnavailable(ctx, a.bare)
	must(t, err)
	h.close()
	_, err = bob.WaitUnavailable(ctx, gate)
	must(t, err)

	next := newHouse(t, h.s, h.memory, h.s.ComponentAddress)
	b, in := next.open("alice")
	must(t, b.SetPresence(ctx, bridge.Presence{Show: bridge.Busy}), b.Follow(ctx, contact(bob)))
	_, err = bob.WaitPresence(ctx, b.bare, "dnd", "")
	must(t, err)
	_, err = bob.WaitPresence(ctx, gate, "", "")
	must(t, err)
	await(t, in, "presence", func(e bridge.PresenceChanged) bool { return e.Contact == bridge.RemoteID(bob.Bare()) })
}

// TestComponentRefused has the secret wrong, the name taken, and the server away.
func TestComponentRefused(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			s := startServer(t, program)
			t.Run("secret", func(t *testing.T) { componentSecret(t, s) })
			t.Run("taken", func(t *testing.T) { componentTaken(t, s) })
		})
	}
}

// componentSecret begins with a wrong secret, which is then put right.
func componentSecret(t *testing.T, s *xmpptest.Server) {
	h := &house{t: t, s: s, left: make(chan error, 1)}
	n, err := New(Options{
		Component:     ComponentOptions{Address: s.ComponentAddress, Domain: s.ComponentDomain, Secret: "wrong"},
		AccountDomain: "msn.localhost", Memory: &notes{}, Log: zerolog.Nop(),
	})
	must(t, err)
	h.n = n
	n.gateway.slow = 100 * time.Millisecond
	var tries atomic.Int32
	refused := n.gateway.connect
	n.gateway.connect = func(handler stream.Handler) starter {
		if tries.Add(1) < 3 {
			return refused(handler)
		}
		return stream.NewComponent(stream.ComponentOptions{
			Address: s.ComponentAddress, Domain: s.ComponentDomain, Secret: s.Secret, Log: zerolog.Nop(),
		}, handler)
	}
	in := &inbox{events: make(chan bridge.Event, 100)}
	a, err := n.Open(testContext(t), bridge.Login{Account: "alice@msn.localhost", Name: "Alice"}, in)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	h.leave = cancel
	go func() { h.left <- n.Run(ctx) }()
	defer h.close()
	await(t, in, "the reason", func(e bridge.ConnectionChanged) bool { return !e.Up && strings.Contains(e.Reason, "secret") })
	await(t, in, "connection", func(e bridge.ConnectionChanged) bool { return e.Up })
	must(t, a.Close())
}

// componentTaken begins while another process has the name. ejabberd would take
// both, so there it is not tried; that no second process runs is for who
// starts it to see to.
func componentTaken(t *testing.T, s *xmpptest.Server) {
	if s.Kind == xmpptest.Ejabberd {
		return
	}
	proxy, err := xmpptest.NewProxy(s.ComponentAddress)
	must(t, err)
	t.Cleanup(func() { must(t, proxy.Close()) })
	first := newHouse(t, s, &notes{}, s.ComponentAddress)
	a, _ := first.open("alice")
	second := newHouse(t, s, &notes{}, proxy.Address)
	in := &inbox{events: make(chan bridge.Event, 100)}
	b, err := second.n.Open(testContext(t), bridge.Login{Account: "alice@msn.localhost", Name: "Alice"}, in)
	must(t, err)
	await(t, in, "the reason", func(e bridge.ConnectionChanged) bool { return strings.Contains(e.Reason, "only one may") })
	must(t, a.Close())
	first.close()
	await(t, in, "connection", func(e bridge.ConnectionChanged) bool { return e.Up })
	must(t, b.Close())
}
