package bridge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
)

// missing says a number of messages to alice that were sent some time ago.
func (w *world) missing(from, to int, ago time.Duration) {
	w.t.Helper()
	for i := from; i < to; i++ {
		must(w.t, w.bob.Say(alice, fmt.Sprint(i), fake.At(time.Now().Add(-ago))))
	}
	synctest.Wait()
}

// shown returns what was written in the window of bob's, without the time.
func (c *client) shown() (texts []string) {
	c.t.Helper()
	synctest.Wait()
	for _, entry := range messagesIn(c.log) {
		text := entry[len("MSG bob@fake.test "):]
		if _, words, ok := strings.Cut(text, "] "); ok {
			text = words
		}
		texts = append(texts, text)
	}
	c.log = nil
	return texts
}

// withMissed starts the gateway anew, to hand over so many missed messages.
func (w *world) withMissed(limit int) {
	w.stop()
	w.db = openStore(w.t, w.dir)
	w.g = startGateway(w.t, w.db, func(o *bridge.Options) { o.Missed = limit }, w.net)
}

const earlier = `… 10 earlier messages: say "history bob@fake.test 15" to Papillon`

// TestMissedAreAbridged: of many missed messages the newest are shown, and one line
// says how many there are.
func TestMissedAreAbridged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.withMissed(5)
		w.net.SetHistory("bob@fake.test")
		w.missing(0, 15, time.Hour)
		a := open(t, w.g, alice, msnp.Offline)
		a.slow = true // its computer dies before it has taken them
		a.setStatus(msnp.Online)
		want := []string{earlier, "10", "11", "12", "13", "14"}
		if got := a.shown(); !slices.Equal(got, want) {
			t.Errorf("shown %q", got)
		}
		a.session.Close()
		synctest.Wait()
		a = open(t, w.g, alice, msnp.Online)
		if got := a.shown(); !slices.Equal(got, want) {
			t.Errorf("the second time %q", got)
		}
		a.session.Close()
		w.withMissed(5)
		a = open(t, w.g, alice, msnp.Online)
		if got := a.shown(); len(got) > 0 {
			t.Errorf("all were taken, and then %q", got)
		}
		a.session.Close()
	}, fake.Social())
}

// TestWhatIsNotAbridged: what is not too much by more than the line would take, what
// was just said, and everything where nothing limits it.
func TestWhatIsNotAbridged(t *testing.T) {
	for name, c := range map[string]struct {
		limit, messages int
		ago             time.Duration
	}{
		"few": {5, 6, time.Hour}, "live": {5, 15, time.Second}, "no limit": {0, 15, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.withMissed(c.limit)
				w.net.SetHistory("bob@fake.test")
				w.missing(0, c.messages, c.ago)
				a := open(t, w.g, alice, msnp.Online)
				if got := a.shown(); len(got) != c.messages || got[0] != "0" {
					t.Errorf("shown %q", got)
				}
				a.session.Close()
			}, fake.Social())
		})
	}
}

// TestCatchingUpIsAbridged: what comes bit by bit into a window that is open counts
// together, when the network says that it belongs together.
func TestCatchingUpIsAbridged(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.withMissed(5)
		w.net.SetHistory("bob@fake.test")
		a := open(t, w.g, alice, msnp.Online)
		w.missing(0, 1, time.Second)
		if got := a.shown(); !slices.Equal(got, []string{"0"}) {
			t.Errorf("shown %q", got)
		}
		must(t, w.net.Offer(alice, bridge.CatchingUp{}))
		for i := range 15 {
			w.missing(i, i+1, time.Hour)
		}
		if got := a.shown(); len(got) > 0 {
			t.Errorf("shown %q before all was there", got)
		}
		must(t, w.net.Offer(alice, bridge.CatchingUp{Done: true}))
		if got, want := a.shown(), []string{earlier, "10", "11", "12", "13", "14"}; !slices.Equal(got, want) {
			t.Errorf("shown %q", got)
		}
		w.missing(15, 16, time.Second)
		if got := a.shown(); !slices.Equal(got, []string{"15"}) {
			t.Errorf("shown %q", got)
		}
		a.session.Close()
	}, fake.Social())
}

// TestNoHistoryNothingAbridged: a chat of which nothing is kept has to be read at once.
func TestNoHistoryNothingAbridged(t *testing.T) {
	for name, options := range map[string][]fake.Option{"network without": nil, "chat without": {fake.Social()}} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.withMissed(5)
				w.missing(0, 15, time.Hour)
				a := open(t, w.g, alice, msnp.Online)
				if got := a.shown(); len(got) != 15 {
					t.Errorf("shown %q", got)
				}
				a.session.Close()
			}, options...)
		})
	}
}

// TestAbridgedTwice: what comes while the window is being opened counts as well.
func TestAbridgedTwice(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.withMissed(5)
		w.net.SetHistory("bob@fake.test")
		a := open(t, w.g, alice, msnp.Offline)
		a.deaf = true
		a.setStatus(msnp.Online)
		w.missing(0, 8, time.Hour)
		w.missing(8, 15, time.Hour)
		a.mu.Lock()
		ring := a.rings[len(a.rings)-1]
		a.mu.Unlock()
		a.answer(ring)
		if got, want := a.shown(), []string{earlier, "10", "11", "12", "13", "14"}; !slices.Equal(got, want) {
			t.Errorf("shown %q", got)
		}
		a.session.Close()
	}, fake.Social())
}
