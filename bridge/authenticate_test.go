package bridge_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// TestRefusalTellsNothing: a wrong password and an unknown handle take the same
// time and give the same answer; each further guess takes twice as long until that is
// the longest delay, and too many are refused unseen: for the address that guesses, and
// while the window lasts.
func TestRefusalTellsNothing(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, func(o *bridge.Options) {
			o.Limits.SignInAttempts, o.Limits.SignInWindow = 3, 10*time.Minute
			o.Limits.SignInDelay, o.Limits.SignInDelayMax = 70*time.Millisecond, 200*time.Millisecond
		})
		_, err := w.db.AddPassword(t.Context(), alice, "test", "sesame")
		must(t, err)
		failed := make(map[[2]string]int)
		try := func(handle, password, from string) error {
			t.Helper()
			start := time.Now()
			proof := msnp.Proof{Handle: handle, Challenge: "c", Response: msnptest.Digest("c", password), Addr: netip.MustParseAddr(from)}
			_, err := w.g.Authenticate(t.Context(), proof)
			guesser := [2]string{strings.ToLower(strings.TrimSuffix(handle, "@example.org")), from[:9]}
			if err == nil {
				delete(failed, guesser)
				return nil
			}
			want := min(70*time.Millisecond<<failed[guesser], 200*time.Millisecond)
			if took := time.Since(start); took != want {
				t.Errorf("refusal %d of %s took %v, want %v", failed[guesser]+1, handle, took, want)
			}
			failed[guesser]++
			return err
		}
		must(t, try("alice", "sesame", "192.0.2.1"))
		must(t, try("ALICE@hotmail.com", "sesame", "192.0.2.1"))
		for _, handle := range []string{"alice@example.org", "nobody@example.org", "no handle"} {
			if err := try(handle, "wrong", "192.0.2.1"); !errors.Is(err, msnp.ErrAuthenticationFailed) {
				t.Errorf("%s: %v", handle, err)
			}
		}
		for range 3 {
			if err := try("alice", "wrong", "192.0.2.66"); !errors.Is(err, msnp.ErrAuthenticationFailed) {
				t.Error(err)
			}
		}
		if err := try("alice", "sesame", "192.0.2.66"); !errors.Is(err, msnp.ErrAuthenticationFailed) {
			t.Errorf("after three wrong passwords: %v", err)
		}
		must(t, try("alice", "sesame", "192.0.2.1"))
		for _, from := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3"} {
			if err := try("alice", "wrong", from); !errors.Is(err, msnp.ErrAuthenticationFailed) {
				t.Error(err)
			}
		}
		if err := try("alice", "sesame", "2001:db8::4"); !errors.Is(err, msnp.ErrAuthenticationFailed) {
			t.Errorf("from a /64 that has guessed: %v", err)
		}
		must(t, try("alice", "sesame", "2001:db8:0:1::1"))
		w.pass(9 * time.Minute)
		if err := try("alice", "sesame", "192.0.2.66"); !errors.Is(err, msnp.ErrAuthenticationFailed) {
			t.Errorf("within the window: %v", err)
		}
		w.pass(time.Minute)
		must(t, try("alice", "sesame", "192.0.2.66"))
	})
}

// TestRefusalWithoutLimits: 0 switches off the delay, its limit, or the counting.
func TestRefusalWithoutLimits(t *testing.T) {
	second := time.Second
	for name, test := range map[string]struct {
		limits bridge.Limits
		delays []time.Duration
	}{
		"nothing":       {bridge.Limits{}, []time.Duration{0, 0, 0}},
		"no delay":      {bridge.Limits{SignInAttempts: 9, SignInWindow: time.Hour, SignInDelayMax: second}, []time.Duration{0, 0, 0}},
		"no longest":    {bridge.Limits{SignInAttempts: 9, SignInWindow: time.Hour, SignInDelay: second}, []time.Duration{second, 2 * second, 4 * second, 8 * second}},
		"no window":     {bridge.Limits{SignInAttempts: 2, SignInDelay: second, SignInDelayMax: 9 * second}, []time.Duration{second, second, second}},
		"no attempts":   {bridge.Limits{SignInWindow: time.Hour, SignInDelay: second, SignInDelayMax: 9 * second}, []time.Duration{second, second, second}},
		"one step only": {bridge.Limits{SignInAttempts: 9, SignInWindow: time.Hour, SignInDelay: 3 * second, SignInDelayMax: 3 * second}, []time.Duration{3 * second, 3 * second}},
		"not even":      {bridge.Limits{SignInAttempts: 9, SignInWindow: time.Hour, SignInDelay: 3 * second, SignInDelayMax: 7 * second}, []time.Duration{3 * second, 6 * second, 7 * second, 7 * second}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				stopGateway(t, w.g)
				w.g = startGateway(t, w.db, func(o *bridge.Options) { o.Limits = test.limits })
				for i, want := range test.delays {
					start := time.Now()
					_, err := w.g.Authenticate(t.Context(), msnp.Proof{Handle: "alice", Challenge: "c", Response: "wrong"})
					if took := time.Since(start); !errors.Is(err, msnp.ErrAuthenticationFailed) || took != want {
						t.Errorf("refusal %d took %v, want %v (%v)", i+1, took, want, err)
					}
				}
			})
		})
	}
}
