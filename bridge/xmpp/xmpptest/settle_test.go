package xmpptest

import (
	"errors"
	"testing"
)

// An account that was settled is there after a kill.
func TestSettle(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		ctx := testContext(t)
		s := start(t, Options{Kind: kind})
		if _, _, err := s.CreateUser(ctx, "bob"); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Settle(ctx), s.Kill(), s.Resume(ctx)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.CreateUser(ctx, "bob"); err == nil {
			t.Error("bob was lost")
		}
	})
}
