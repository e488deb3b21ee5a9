package fake_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"papillon/bridge"
	"papillon/bridge/fake"
)

func TestClose(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		check(t, b.account.Close())
		check(t, b.account.Close())
		checkIs(t, b.account.Send(ctx, message("1", "hi")), fake.ErrNotOpen)
		checkIs(t, b.bob.Say(alice, "hi"), fake.ErrNotOpen)
		if _, ok := b.net.Account(alice); ok {
			t.Error("a closed account is open")
		}
		var err error
		b.account, err = b.net.Open(ctx, bridge.Login{Account: alice}, b.events)
		check(t, err)
		b.expect(t, bridge.ConnectionChanged{Up: true})
		check(t, b.net.Close())
		if _, err = b.net.Open(ctx, bridge.Login{Account: alice}, b.events); err == nil {
			t.Error("a closed network opens an account")
		}
		b.noErrors(t)
	})
}

func TestCloseEndsReceive(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		blocked := make(blocking)
		_, err := b.net.Open(t.Context(), bridge.Login{Account: "carol@example.org"}, blocked)
		check(t, err)
		<-blocked
		said := make(chan error)
		go func() { said <- b.bob.Say("carol@example.org", "hi") }()
		synctest.Wait()
		check(t, b.net.Close())
		checkIs(t, <-said, fake.ErrNotOpen)
		b.noErrors(t)
	})
}

// blocking is a receiver that says when it is called and then waits for the
// context to end.
type blocking chan struct{}

func (c blocking) Receive(ctx context.Context, _ bridge.Event) error {
	c <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

// TestManyAtOnce is for the race detector.
func TestManyAtOnce(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.signIn(t)
		b.expect(t)
		var group sync.WaitGroup
		for i := range 8 {
			handle := bridge.Handle(string(rune('a'+i)) + "@example.org")
			group.Go(func() {
				events := new(receiver)
				account, err := b.net.Open(t.Context(), bridge.Login{Account: handle}, events)
				if err != nil {
					t.Error(err)
					return
				}
				defer account.Close()
				for range 20 {
					err = errors.Join(
						account.SetPresence(t.Context(), bridge.Presence{Show: bridge.Available}),
						account.Follow(t.Context(), bridge.Contact{ID: bobID, Name: "Bob"}),
						b.bob.SetPresence(bridge.Presence{Show: bridge.Away}),
						account.Send(t.Context(), message(string(handle), "hi")),
						b.bob.Say(handle, "hi"),
						account.SetPresence(t.Context(), bridge.Presence{Show: bridge.Offline}),
					)
					if err != nil {
						t.Error(err)
					}
				}
				messages := 0
				for _, e := range events.take() {
					if _, ok := e.(bridge.MessageReceived); ok {
						messages++
					}
				}
				if messages != 20 {
					t.Errorf("%s received %d messages", handle, messages)
				}
			})
		}
		group.Wait()
		if n := len(b.net.Sent()); n != 8 {
			t.Errorf("%d messages arrived", n)
		}
		b.noErrors(t)
	})
}
