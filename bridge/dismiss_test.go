package bridge_test

import (
	"slices"
	"testing"

	"papillon/bridge"
	"papillon/msnp"
)

// Who was called by a user through her identity goes when she does, and nobody speaks by
// it without her.
func TestContactsLeaveWithTheirUser(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
		w.net.Person("dave@fake.test", "Dave")
		must(t, w.net.Offer(alice, inRoom("tea@rooms.test", "1", "dave", "hello")))
		a.sees("JOI dave@fake.test")
		chat := a.window() // dave may come before the ring is answered
		must(t, chat.conversation.Invite(t.Context(), string(carol), func() {}))
		c.sees("IRO dave@fake.test")
		c.sees("ANS OK")
		hers := c.window()
		chat.say("good night")
		w.sent("good night")
		c.reads(alice, "good night")
		a.session.Close()
		c.sees("BYE alice@example.org")
		c.sees("BYE tea@rooms.example.org")
		c.sees("BYE dave@fake.test")
		hers.say("is anybody there?")
		c.sees("NAK is anybody there?")
		if sent := w.net.Sent(); len(sent) != 1 {
			t.Errorf("the room heard %+v", sent)
		}
		c.session.Close()
	})
}

// So do those who have become a group; those whom another user called stay.
func TestContactsOfOthersStay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
		chat, err := c.chat("bob@fake.test")
		must(t, err)
		must(t, chat.conversation.Invite(t.Context(), string(alice), func() {}))
		a.sees("ANS OK")
		hers := a.window()
		for _, h := range []string{"dave@fake.test", "erin@fake.test"} {
			w.net.Person(bridge.RemoteID(h), h)
			must(t, hers.conversation.Invite(t.Context(), h, func() {}))
		}
		hers.conversation.Leave()
		c.sees("BYE dave@fake.test")
		c.sees("BYE erin@fake.test")
		chat.say("hello Bob")
		if sent := w.sent("hello Bob"); sent.Account != carol || sent.Chat != (bridge.Chat{Contact: "bob@fake.test"}) {
			t.Errorf("sent %+v", sent)
		}
		c.mu.Lock()
		if slices.Contains(c.log, "BYE bob@fake.test") {
			t.Error("bob has gone, whom carol called")
		}
		c.mu.Unlock()
		a.session.Close()
		c.session.Close()
	})
}
