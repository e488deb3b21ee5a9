package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"papillon/msnp"
)

// TestLongInbox: who was away for long has more waiting than a connection's
// queue takes. It comes as fast as the client takes it, in order, also when a
// connection dies in between.
func TestLongInbox(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const messages = 300
		filling := strings.Repeat("x", 1400)
		for i := range messages {
			must(t, w.bob.Say(alice, fmt.Sprintf("%d %s", i, filling)))
		}
		a := open(t, w.g, alice, msnp.Offline)
		a.slow = true
		a.setStatus(msnp.Online)
		most, total, rounds := 0, 0, 0
		for synctest.Wait(); ; synctest.Wait() {
			rounds++
			lost := rounds == 2
			if lost { // the connection dies
				a.mu.Lock()
				b := a.boards[0]
				b.dead = true
				a.mu.Unlock()
				b.conversation.Leave()
			}
			size := a.settle(!lost)
			if size == 0 {
				break
			}
			most, total = max(most, size), total+size
		}
		if most > 128<<10 || total < messages*len(filling) {
			t.Errorf("%d bytes, of which %d at once", total, most)
		}
		next := 0
		for _, entry := range a.log {
			var n int
			if _, err := fmt.Sscanf(entry, "MSG bob@fake.test %d ", &n); err != nil {
				continue
			}
			if n > next {
				t.Fatalf("message %d comes where %d is due", n, next)
			}
			next = n + 1
		}
		if next != messages {
			t.Errorf("the last message is %d", next-1)
		}
		a.session.Close()
	})
}

// TestDeadWindow: a window whose connection is gone but has not noticed yet is
// not tried over and over: the client is called into another.
func TestDeadWindow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		must(t, w.bob.Say(alice, "one"))
		a.reads(bobs, "one")
		a.mu.Lock()
		a.boards[0].dead = true
		a.mu.Unlock()
		must(t, w.bob.Say(alice, "two"))
		a.sees("RNG bob@fake.test")
		a.reads(bobs, "two")
		synctest.Wait()
		a.session.Close()
		for _, entry := range a.log {
			if strings.HasPrefix(entry, "MSG") {
				t.Errorf("also %q", entry)
			}
		}
	})
}

// TestLongText: split in order, nothing lost.
func TestLongText(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		long := strings.TrimSpace(strings.Repeat("the quick brown fox jumps over the lazy dog ", 100))
		must(t, w.bob.Say(alice, long))
		must(t, w.bob.Say(alice, "end"))
		a.sees("MSG bob@fake.test end")
		a.session.Close()
	})
}
