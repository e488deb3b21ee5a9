package bridge_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
	"papillon/msnp/body"
)

// takeApart returns the texts that came after a pause, and forgets them.
func (c *client) takeApart() (texts []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	texts, c.apart = c.apart, nil
	return texts
}

// A client that takes one line of what it has read and looks at the rest when something
// further comes has to see the end of every burst.
func TestEndOfABurstComesApart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		expect := func(want ...string) {
			t.Helper()
			if got := a.takeApart(); !slices.Equal(got, want) {
				t.Errorf("apart came %q, want %q", got, want)
			}
		}
		// The first message comes when the client has read who is in the window.
		must(t, w.bob.Say(alice, "one"))
		a.reads(bobs, "one")
		expect("one")
		must(t, w.bob.Say(alice, "two"))
		a.reads(bobs, "two")
		expect()
		// The last piece of a long one.
		long := strings.Repeat("a", body.MaxText)
		must(t, w.bob.Say(alice, long+"end"))
		a.reads(bobs, "end")
		expect("end")
		// Who speaks for the first time in a room, joins before.
		helper, err := a.chat("papillon@example.org")
		must(t, err)
		helper.say("join tea@rooms.test")
		a.sees("ADD FL room-tea-rooms.test@rooms.example.org")
		a.takeApart()
		for i, nick := range []string{"erin", "erin", "frank"} {
			id := strconv.Itoa(i + 1)
			must(t, w.net.Offer(alice, inRoom("tea@rooms.test", id, nick, "hello"+id)))
			a.reads(bridge.Handle(nick+"@fake.test"), "hello"+id)
		}
		expect("hello1", "hello3")
		// What waited while nobody was signed in.
		a.session.Close()
		for _, words := range []string{"four", "five", "six"} {
			must(t, w.bob.Say(alice, words))
		}
		a = open(t, w.g, alice, msnp.Online)
		a.reads(bobs, "six")
		expect("four", "six")
		a.mu.Lock()
		if ring := a.rings[0]; !ring.Apart || ring.ID < 1<<20 {
			t.Errorf("rung apart %v, with the id %d, which may be a request's", ring.Apart, ring.ID)
		}
		a.mu.Unlock()
		a.session.Close()
	}, fake.Social())
}
