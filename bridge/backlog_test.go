package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"papillon/msnp"
)

// TestBacklogKeepsOrder: what is said before somebody has come is heard before
// what is said while he comes.
func TestBacklogKeepsOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
		c.deaf = true
		for range 100 {
			chat, err := a.chat(string(carol))
			must(t, err)
			for i := range 20 {
				chat.say(fmt.Sprint(i))
			}
			ring := c.rings[len(c.rings)-1]
			go c.answer(ring)
			for i := range 20 {
				chat.say(fmt.Sprint(20 + i))
			}
			c.wait("all messages", func() bool { return len(messagesIn(c.log)) == 40 })
			synctest.Wait()
			for i, entry := range messagesIn(c.log) {
				if want := fmt.Sprintf("MSG alice@example.org %d", i); entry != want {
					t.Fatalf("got %q, want %q", entry, want)
				}
			}
			chat.conversation.Leave()
			synctest.Wait()
			c.log = nil
		}
		a.session.Close()
		c.session.Close()
	})
}

// messagesIn picks the messages out of what a client recorded.
func messagesIn(log []string) (messages []string) {
	for _, entry := range log {
		if strings.HasPrefix(entry, "MSG ") {
			messages = append(messages, entry)
		}
	}
	return messages
}

// TestBacklogIsBounded: who does not come cannot be talked at without end.
func TestBacklogIsBounded(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
		c.deaf = true
		chat, err := a.chat(string(carol))
		must(t, err)
		part := strings.Repeat("x", 60<<10)
		for i := range 5 {
			chat.say(fmt.Sprintf("%d %s", i, part))
		}
		a.sees("NAK 4 " + part)
		c.answer(c.rings[0])
		for i := range 4 {
			a.sees(fmt.Sprintf("ACK %d %s", i, part))
		}
		a.session.Close()
		c.session.Close()
	})
}

// TestStatusWhileSending: the helper contact counts what waits while it is being
// sent. The race detector judges.
func TestStatusWhileSending(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		helper, err := a.chat("papillon@example.org")
		must(t, err)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		for i := range 20 {
			chat.say(fmt.Sprint(i))
			helper.say("status")
		}
		for i := range 20 {
			a.sees(fmt.Sprintf("ACK %d", i))
		}
		a.session.Close()
	})
}
