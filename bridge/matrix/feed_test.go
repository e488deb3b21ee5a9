package matrix

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

func roomID(s string) id.RoomID { return id.RoomID(s) }

func TestFeedKeepsTheNewestAndTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := newFeed(), newRecorder()
		failures := 3
		r.answering(func(bridge.Event) error {
			if failures--; failures >= 0 {
				return errors.New("busy")
			}
			return nil
		})
		put := func(who string, show bridge.Show) {
			f.put(feedKey{kind: "presence", who: who}, bridge.PresenceChanged{Contact: bridge.RemoteID(who), Presence: bridge.Presence{Show: show}})
		}
		put("bob", bridge.Away)
		put("carol", bridge.Away)
		put("bob", bridge.Busy)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); f.run(ctx, r) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []bridge.Event{
			bridge.PresenceChanged{Contact: "bob", Presence: bridge.Presence{Show: bridge.Busy}},
			bridge.PresenceChanged{Contact: "carol", Presence: bridge.Presence{Show: bridge.Away}},
		}
		r.mu.Lock()
		if !slices.Equal(r.all, want) {
			t.Errorf("got %+v", r.all)
		}
		r.mu.Unlock()
		cancel()
		<-done
	})
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	var b backoff
	for step := minBackoff; step < 4*maxBackoff; step *= 2 {
		limit := min(step, maxBackoff)
		if got := b.fail(); got < limit/2 || got > limit {
			t.Errorf("waits %v at %v", got, limit)
		}
	}
	b.reset()
	if got := b.fail(); got > minBackoff {
		t.Errorf("waits %v after a success", got)
	}
}

func TestSeenRingForgetsTheOldest(t *testing.T) {
	s := newSeenRing(3)
	for _, e := range []id.EventID{"a", "b", "c", "a", "", "d"} {
		s.add(e)
	}
	for e, want := range map[id.EventID]bool{"a": false, "b": true, "c": true, "d": true, "": false} {
		if s.has(e) != want {
			t.Errorf("has(%q) = %v", e, !want)
		}
	}
}

func TestKeyedLockExcludesAndForgets(t *testing.T) {
	var k keyed[string]
	unlock := k.lock("a")
	k.lock("b")()
	entered := make(chan struct{})
	go func() {
		defer close(entered)
		k.lock("a")()
	}()
	select {
	case <-entered:
		t.Error("two held the lock")
	default:
	}
	unlock()
	<-entered
	if len(k.locks) != 0 {
		t.Errorf("%d locks are left", len(k.locks))
	}
}
