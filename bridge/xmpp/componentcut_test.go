package xmpp

import (
	"context"
	"fmt"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/xmpptest"
)

// TestComponentCut has nothing pass between component and server for two minutes,
// without a word to either side: all that was said meanwhile arrives, in order and
// once.
func TestComponentCut(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			t.Parallel()
			s := startServer(t, program)
			bob := peer(t, s, "bob", nil)
			proxy, err := xmpptest.NewProxy(s.ComponentAddress)
			must(t, err)
			t.Cleanup(func() { must(t, proxy.Close()) })
			h := newHouse(t, s, &notes{}, proxy.Address)
			a, in := h.open("alice")
			must(t, a.SetPresence(testContext(t), bridge.Presence{Show: bridge.Available}))
			befriend(t, a, in, bob)
			darkness(t, proxy, a, in, bob)
		})
	}
}

// darkness is the cut, with messages both ways in it.
func darkness(t *testing.T, proxy *xmpptest.Proxy, a *componentAccount, in *inbox, bob *xmpptest.Peer) {
	t.Helper()
	const missed = 20
	ctx := longContext(t, 6*time.Minute)
	proxy.Cut()
	end := time.After(2 * time.Minute)
	sent := make(chan error, 1)
	go func() { sent <- inTheDark(ctx, a, bob, missed) }()
	for i := range missed {
		_, err := bob.Say(ctx, a.bare, fmt.Sprintf("meanwhile %d", i))
		must(t, err)
	}
	<-end
	proxy.Mend()
	must(t, <-sent)
	_, err := bob.Say(ctx, a.bare, "afterwards")
	must(t, err)
	for i := range missed {
		m := awaitLong(t, in, "a message", func(bridge.MessageReceived) bool { return true })
		if want := fmt.Sprintf("meanwhile %d", i); m.Text != want {
			t.Fatalf("%q came instead of %q", m.Text, want)
		}
	}
	if m := awaitLong(t, in, "a message", func(bridge.MessageReceived) bool { return true }); m.Text != "afterwards" {
		t.Errorf("%q came instead of the last", m.Text)
	}
	must(t, a.Send(ctx, bridge.Outgoing{ID: "out-afterwards", Chat: bridge.Chat{Contact: bridge.RemoteID(bob.Bare())}, Text: "the last"}))
	for i := range missed + 1 {
		want := fmt.Sprintf("in the dark %d", i)
		if i == missed {
			want = "the last"
		}
		e, err := bob.Wait(ctx, want, func(e *xmpptest.Event) bool { return e.Kind == "message" && e.IsFrom(a.bare) && e.Body() != "" })
		must(t, err)
		if e.Body() != want {
			t.Fatalf("bob reads %q, want %q", e.Body(), want)
		}
	}
}

// inTheDark sends messages one after the other, and again what was not accepted, as
// the gateway's outbox does.
func inTheDark(ctx context.Context, a *componentAccount, bob *xmpptest.Peer, n int) error {
	for i := range n {
		m := bridge.Outgoing{
			ID: fmt.Sprintf("out-in-the-dark-%d", i), Chat: bridge.Chat{Contact: bridge.RemoteID(bob.Bare())}, Text: fmt.Sprintf("in the dark %d", i),
		}
		err := a.Send(ctx, m)
		for err != nil && ctx.Err() == nil {
			<-time.After(time.Second)
			err = a.Send(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
