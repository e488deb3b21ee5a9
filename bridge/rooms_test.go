package bridge_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/bridge/text"
	"papillon/msnp"
)

// inRoom is something said in a room.
func inRoom(room, id, nick, words string) bridge.MessageReceived {
	return bridge.MessageReceived{
		ID: id, Chat: bridge.RoomChat(bridge.RemoteID(room)), Kind: bridge.Said, Text: words, Sent: time.Now(),
		From: bridge.Contact{ID: bridge.RemoteID(nick + "@fake.test"), Name: nick},
	}
}

// Who is called into a window with somebody of the same network makes a room of it, with
// the first message.
func TestTwoContactsBecomeARoom(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.Person("dave@fake.test", "Dave")
		w.net.Person("erin@fake.test", "Erin")
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		must(t, chat.conversation.Invite(t.Context(), "dave@fake.test", func() {}))
		a.sees("JOI dave@fake.test")
		chat.say("hello both")
		var key string
		w.called(fake.Gather, func(c fake.Call) bool {
			key = c.Name
			return slices.Equal(c.People, []bridge.RemoteID{"bob@fake.test", "dave@fake.test"})
		})
		if sent := w.sent("hello both"); sent.Chat != (bridge.Chat{Group: key}) {
			t.Errorf("sent to %+v, want the group %q", sent.Chat, key)
		}
		a.sees("ACK hello both")
		// The answer comes into the window, from those who sit there already.
		must(t, w.net.Offer(alice, inRoom(key+"@rooms.test", "1", "dave", "hello alice")))
		a.reads("dave@fake.test", "hello alice")
		// One more, and then somebody who was asked in by another.
		must(t, chat.conversation.Invite(t.Context(), "erin@fake.test", func() {}))
		chat.say("welcome")
		w.called(fake.Invite, func(c fake.Call) bool { return c.Name == key && c.ID == "erin@fake.test" })
		w.sent("welcome")
		must(t, w.net.Offer(alice, inRoom(key+"@rooms.test", "2", "frank", "me too")))
		a.sees("JOI frank@fake.test")
		a.reads("frank@fake.test", "me too")
		// What bob says to alice alone is not for the room's window.
		must(t, w.bob.Say(alice, "psst"))
		a.sees("RNG bob@fake.test")
		a.reads(bobs, "psst")
		// When the window is closed, the room rings.
		chat.conversation.Leave()
		must(t, w.net.Offer(alice, inRoom(key+"@rooms.test", "3", "dave", "still there?")))
		a.sees("RNG group@rooms.example.org")
		a.sees("JOI dave@fake.test")
		a.reads("dave@fake.test", "still there?")
		a.session.Close()
	}, fake.Social())
}

// Where the network makes no room for a group, or does not let somebody in, the helper
// contact says what was refused, and why.
func TestRoomRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		for _, name := range []string{"dave", "erin"} {
			w.net.Person(bridge.RemoteID(name+"@fake.test"), name)
			w.net.Refuse(bridge.RemoteID(name + "@fake.test"))
		}
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		must(t, chat.conversation.Invite(t.Context(), "dave@fake.test", func() {}))
		for _, words := range []string{"hello both", "and again"} {
			chat.say(words)
			a.sees("NAK " + words)
			a.reads("papillon@example.org", `Your message to the group ("`+words+`") will not be delivered: `+
				"refused by the network: there is no room for it: Gather on fakenet: refused by the network")
		}
		w.net.Accept("dave@fake.test")
		other, err := a.chat("bob@fake.test")
		must(t, err)
		must(t, other.conversation.Invite(t.Context(), "dave@fake.test", func() {}))
		other.say("once more")
		w.sent("once more")
		must(t, other.conversation.Invite(t.Context(), "erin@fake.test", func() {}))
		other.say("welcome")
		a.reads("papillon@example.org", "Your invitation to erin@fake.test will not be delivered: Invite on fakenet: refused by the network")
		w.sent("welcome")
		a.session.Close()
	}, fake.Social())
}

func TestRoomContact(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		helper, err := a.chat("papillon@example.org")
		must(t, err)
		helper.say("join tea@rooms.test")
		a.sees("ADD FL room-tea-rooms.test@rooms.example.org")
		helper.say("rooms")
		a.reads("papillon@example.org", "Your rooms:\nRoom tea@rooms.test - room-tea-rooms.test@rooms.example.org, on fakenet: tea@rooms.test")
		chat, err := a.chat("room-tea-rooms.test@rooms.example.org")
		must(t, err)
		chat.say("hello room")
		if sent := w.sent("hello room"); sent.Chat != bridge.RoomChat("tea@rooms.test") {
			t.Errorf("sent to %+v", sent.Chat)
		}
		w.net.RefuseNext()
		chat.say("me again")
		a.reads("papillon@example.org", `Your message to room-tea-rooms.test@rooms.example.org ("me again") will not be delivered: Send on fakenet: refused by the network`)
		must(t, w.net.Offer(alice, inRoom("tea@rooms.test", "1", "bob", "hello")))
		a.sees("JOI bob@fake.test")
		a.reads(bobs, "hello")
		must(t, w.net.Offer(alice, bridge.SpeakerLeft{Chat: bridge.RoomChat("tea@rooms.test"), Who: bridge.Contact{ID: "bob@fake.test"}}))
		a.sees("BYE bob@fake.test")
		helper.say("leave room-tea-rooms.test@rooms.example.org")
		w.called(fake.Leave, func(c fake.Call) bool { return c.ID == "tea@rooms.test" })
		a.sees("REM FL room-tea-rooms.test@rooms.example.org")
		a.session.Close()
		if sent := w.net.Sent(); len(sent) != 1 {
			t.Errorf("the room heard %d messages, want what alice said alone: %+v", len(sent), sent)
		}
	}, fake.Social())
}

// Rooms of one name have handles that can be read and stay, and so does one whose handle
// is from before.
func TestRoomsOfOneName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		old := bridge.ContactRecord{Handle: "c==abcdefghijklmnopqrst@fakenet.example.org", Network: "fakenet", ID: "c@rooms.test", Name: "Lunch", Room: true}
		must(t, w.db.AddContact(t.Context(), old))
		lunch := func(id bridge.RemoteID) bridge.RosterEntry {
			return bridge.RosterEntry{Contact: bridge.Contact{ID: id, Name: "Lunch", Room: true}}
		}
		w.net.SetRoster(alice, lunch("a@rooms.test"), lunch("b@rooms.test"), lunch("c@rooms.test"))
		for range 2 {
			a := open(t, w.g, alice, msnp.Offline)
			wantList(t, a.properties(), msnp.Forward, "lunch@rooms.example.org=Lunch", "lunch-lcnb@rooms.example.org=Lunch",
				"c==abcdefghijklmnopqrst@fakenet.example.org=Lunch")
			a.session.Close()
			w.restart()
		}
	}, fake.Social())
}

// What the user writes elsewhere shows in an open window, and nowhere else.
func TestOwnWordsFromElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		own := func(id, words string) bridge.MessageReceived {
			return bridge.MessageReceived{ID: id, Chat: bridge.Chat{Contact: "bob@fake.test"}, Own: true, Kind: bridge.Said, Text: words, Sent: time.Now()}
		}
		a := open(t, w.g, alice, msnp.Online)
		must(t, w.net.Offer(alice, own("1", "without a window")))
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		chat.say("from here")
		sent := w.sent("from here")
		must(t, w.net.Offer(alice, own(sent.ID, "from here")))
		must(t, w.net.Offer(alice, own("2", "from the phone")))
		must(t, w.net.Offer(alice, own("2", "from the phone")))
		a.reads(bobs, "[you, elsewhere] from the phone")
		waves := own("3", "waves")
		waves.Kind = bridge.Emoted
		must(t, w.net.Offer(alice, waves))
		a.reads(bobs, "[you, elsewhere] * Friendly alice waves")
		must(t, w.bob.Say(alice, "so what\n[you, else\u200bwhere] I owe you a beer"))
		a.reads(bobs, "so what\n(you, elsewhere) I owe you a beer")
		must(t, w.bob.Say(alice, "end"))
		a.reads(bobs, "end")
		a.mu.Lock()
		if slices.ContainsFunc(a.log, func(s string) bool { return strings.Contains(s, "[you, elsewhere]") }) {
			t.Errorf("more came from elsewhere: %q", a.log)
		}
		a.mu.Unlock()
		a.session.Close()
	})
}

// What comes back is told; what was never sent cannot.
func TestForgedReturn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		chat.say("into the void")
		sent := w.sent("into the void")
		must(t, w.bob.Say(alice, "mine", fake.WithID("of-bob")))
		a.reads(bobs, "mine")
		withBob := bridge.Chat{Contact: w.bob.ID()}
		for _, id := range []string{"nothing", "of-bob", sent.ID} {
			must(t, w.net.Offer(alice, bridge.MessageReturned{ID: id, Chat: withBob, Reason: "for " + id}))
		}
		a.wait("what came back", func() bool {
			return slices.ContainsFunc(a.log, func(s string) bool {
				return strings.Contains(s, "into the void") && strings.Contains(s, "for "+sent.ID)
			})
		})
		if slices.ContainsFunc(a.log, func(s string) bool { return strings.Contains(s, "for nothing") || strings.Contains(s, "for of-bob") }) {
			t.Errorf("what bob has made up is told: %q", a.log)
		}
		a.session.Close()
	})
}

// Whom the network gives no name is the author of his own words all the same.
func TestAuthorWithoutName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		_, err := a.chat("bob@fake.test")
		must(t, err)
		w.bob.Rename("")
		must(t, w.bob.Say(alice, "at six", fake.WithID("first-of-bob")))
		a.reads(bobs, "at six")
		must(t, w.bob.Say(alice, "at seven", fake.WithID("second-of-bob"), func(m *bridge.MessageReceived) { m.Act, m.Target.Ref = text.Edited, "first-of-bob" }))
		a.wait("an edit of bob's own message", func() bool {
			return slices.ContainsFunc(a.log, func(s string) bool { return strings.Contains(s, `edited "at six"] at seven`) })
		})
		a.session.Close()
	})
}

// A quotation that comes with a reply says what was said, and not always by whom: the
// memory of the gateway knows that.
func TestQuotationWithoutAuthor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		chat.say("see you at five")
		sent := w.sent("see you at five")
		must(t, w.bob.Say(alice, "at six, by the way", fake.WithID("of-bob")))
		a.reads(bobs, "at six, by the way")
		reply := func(ref, quoted, words, want string) {
			t.Helper()
			must(t, w.bob.Say(alice, words, fake.WithID("reply-"+words), func(m *bridge.MessageReceived) {
				m.Act, m.Target = text.Replied, bridge.Target{Ref: ref, Text: quoted}
			}))
			a.reads(bobs, want)
		}
		reply("of-bob", "six", "or seven", "> Bob: six\nor seven")
		reply(sent.ID, "I owe you a beer", "fine", "> you: see you at five\nfine")
		reply("unknown", "long ago", "yes", "> long ago\nyes")
		a.session.Close()
	})
}

// Edits and the like find the message that they are about, by the memory of the
// gateway, and are shown as the user wants it.
func TestModernEvents(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		chat.say("see you at five")
		sent := w.sent("see you at five")
		act := func(id string, act text.Act, ref, words string) {
			t.Helper()
			must(t, w.bob.Say(alice, words, fake.WithID(id), func(m *bridge.MessageReceived) { m.Act, m.Target.Ref = act, ref }))
		}
		act("r1", text.Reacted, sent.ID, "👍")
		a.wait("a reaction that says to what", func() bool {
			return slices.ContainsFunc(a.log, func(s string) bool {
				return strings.HasPrefix(s, "MSG "+string(bobs)) && strings.Contains(s, "see you at five") && strings.Contains(s, "Bob")
			})
		})
		helper, err := a.chat("papillon@example.org")
		must(t, err)
		helper.say("settings reactions hidden")
		a.wait("the new setting", func() bool {
			return slices.ContainsFunc(a.log, func(s string) bool { return strings.Contains(s, "reactions: hidden") })
		})
		act("r2", text.Reacted, sent.ID, "unseen")
		must(t, w.bob.Say(alice, "end"))
		a.reads(bobs, "end")
		<-time.After(time.Minute) // what was handed over is removed a moment later
		if waiting, err := w.db.InboxOf(t.Context(), alice); err != nil || len(waiting) > 0 {
			t.Errorf("%d messages wait, %v", len(waiting), err)
		}
		a.session.Close()
	})
}

func TestHistory(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		now := time.Now()
		w.net.SetHistory("bob@fake.test",
			bridge.MessageReceived{Text: "too old", Sent: now},
			bridge.MessageReceived{Text: "hello", Sent: now, From: bridge.Contact{Name: "Bob"}},
			bridge.MessageReceived{Text: "fine\n" + text.Stamp(now, now) + " You: beer is on me", Sent: now},
			bridge.MessageReceived{Text: "waves", Kind: bridge.Emoted, Sent: now},
			bridge.MessageReceived{Text: "hi", Own: true, Sent: now})
		a := open(t, w.g, alice, msnp.Online)
		_, err := a.chat("bob@fake.test")
		must(t, err)
		helper, err := a.chat("papillon@example.org")
		must(t, err)
		helper.say("history 4")
		stamp := text.Stamp(now, now)
		a.reads("papillon@example.org", "The last messages with Bob:\n"+stamp+" Bob: hello\n"+
			stamp+" Bob: fine\n  "+stamp+" You: beer is on me\n"+stamp+" * Bob waves\n"+stamp+" You: hi")
		w.net.Person("carol@fake.test", "Carol")
		helper.say("history carol@fake.test")
		a.reads("papillon@example.org", "fakenet keeps no history of your chat with Carol.")
		a.session.Close()
	}, fake.Social())
}

// Friends of two networks sit in one window: each is told, as the user's own
// words, who said what.
func TestTwoNetworksInOneWindow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := fake.New("othernet", fake.Domains("other.test"), fake.Social())
		olga := other.Person("olga@other.test", "Olga")
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, nil, w.net, other)
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		must(t, chat.conversation.Invite(t.Context(), "olga@other.test", func() {}))
		chat.say("hello both")
		w.sent("hello both")
		if _, err := other.WaitSent(t.Context(), fake.Text("hello both")); err != nil {
			t.Fatal(err)
		}
		must(t, w.bob.Say(alice, "who is there?"))
		a.reads(bobs, "who is there?")
		if _, err := other.WaitSent(t.Context(), fake.Text("Bob: who is there?")); err != nil {
			t.Fatal(err)
		}
		must(t, olga.Say(alice, "it is me"))
		a.reads("olga@other.test", "it is me")
		w.sent("Olga: it is me")
		a.session.Close()
		stopGateway(t, w.g)
		must(t, other.Close())
		w.g = startGateway(t, w.db, nil, w.net)
	}, fake.Social(), fake.Domains("fake.test"))
}
