package fake_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"papillon/bridge"
	"papillon/bridge/fake"
)

func TestSend(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		check(t, b.account.Send(ctx, message("1", "one")))
		check(t, b.account.Send(ctx, message("1", "one"))) // again, as after a lost answer
		check(t, b.account.Send(ctx, message("2", "two")))
		two, err := b.net.WaitSent(ctx, fake.Text("two"))
		if check(t, err); two.Account != alice || two.ID != "2" {
			t.Errorf("got %+v", two)
		}
		one, err := b.net.WaitSent(ctx, fake.To(bobID))
		if check(t, err); one.Text != "one" {
			t.Errorf("got %+v, but two was taken before", one)
		}
		if n := len(b.net.Sent()); n != 2 {
			t.Errorf("%d messages arrived", n)
		}

		b.net.RefuseNext()
		checkIs(t, b.account.Send(ctx, message("3", "three")), bridge.ErrRefused)
		check(t, b.account.Send(ctx, message("4", "four")))
		b.net.Refuse(bobID)
		checkIs(t, b.account.Send(ctx, message("5", "five")), bridge.ErrRefused)
		b.net.Accept(bobID)
		check(t, b.account.Send(ctx, message("5", "five")))

		boom := errors.New("boom")
		b.net.FailNext(boom)
		checkIs(t, b.account.Send(ctx, message("6", "six")), boom)
		b.net.LoseNextAnswer()
		checkIs(t, b.account.Send(ctx, message("7", "seven")), fake.ErrLost)
		check(t, b.account.Send(ctx, message("7", "seven")))
		var texts []string
		for _, s := range b.net.Sent() {
			texts = append(texts, s.Text)
		}
		if diff := cmp.Diff([]string{"one", "two", "four", "five", "seven"}, texts); diff != "" {
			t.Errorf("arrived: -want +got\n%s", diff)
		}
		b.noErrors(t)

		if err := b.account.Send(ctx, message("7", "another")); err == nil {
			t.Error("an id serves for two messages")
		}
		if len(b.net.Errors()) != 1 {
			t.Errorf("errors: %v", b.net.Errors())
		}
	})
}

func TestHoldSends(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		release := b.net.HoldSends()
		first, second := make(chan error), make(chan error)
		go func() { first <- b.account.Send(t.Context(), message("1", "one")) }()
		call, err := b.net.WaitCall(t.Context(), fake.By(alice, fake.Send))
		if check(t, err); call.Done || call.Message.Text != "one" {
			t.Errorf("the call is %+v", call)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			second <- b.account.Send(ctx, bridge.Outgoing{ID: "2", Chat: bridge.Chat{Contact: "carol@fake.test"}})
		}()
		checkIs(t, <-second, context.DeadlineExceeded)
		if len(b.net.Sent()) != 0 {
			t.Error("a held message arrives")
		}
		b.noErrors(t)

		go func() { second <- b.account.Send(t.Context(), message("3", "side by side")) }()
		synctest.Wait()
		if len(b.net.Errors()) != 1 {
			t.Errorf("two messages to one chat at once: %v", b.net.Errors())
		}
		release()
		release()
		check(t, <-first)
		check(t, <-second)

		b.net.HoldSends()
		go func() { first <- b.account.Send(t.Context(), message("4", "four")) }()
		synctest.Wait()
		check(t, b.account.Close())
		checkIs(t, <-first, fake.ErrNotOpen)
	})
}
