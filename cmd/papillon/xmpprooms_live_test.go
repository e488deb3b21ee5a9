package main

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"papillon/bridge/xmpp/xmpptest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// eachLife runs a test with every kind of server and both kinds of account.
func eachLife(t *testing.T, test func(*testing.T, context.Context, *home), adjust ...func(*xmpptest.Options)) {
	t.Run("component", func(t *testing.T) {
		eachVillage(t, func(t *testing.T, ctx context.Context, v *village) { test(t, ctx, &home{village: v}) }, adjust...)
	})
	t.Run("login", func(t *testing.T) {
		eachVillage(t, func(t *testing.T, ctx context.Context, v *village) { test(t, ctx, newHome(t, ctx, v)) }, adjust...)
	})
}

// arrives signs alice in, who has bob on her list, and opens a window to him.
func (h *home) arrives(t *testing.T, ctx context.Context) (*msnptest.Client, *msnptest.Switchboard) {
	t.Helper()
	if err := h.bob.SetVCard(ctx, "<FN>Bob</FN>"); err != nil {
		t.Fatal(err)
	}
	alice := signIn(t, h.config, h.password)
	if h.phone == nil {
		h.acquaint(t, ctx, alice)
	} else {
		h.bobIs(t, ctx, alice, msnp.Online)
	}
	window, err := alice.Chat(ctx, h.bob.Bare())
	if err != nil {
		t.Fatal(err)
	}
	return alice, window
}

// TestActsOverXMPP: what bob does with his modern client is a line each in alice's
// old window, as long as she wants it, or none.
func TestActsOverXMPP(t *testing.T) {
	eachLife(t, func(t *testing.T, ctx context.Context, h *home) {
		alice, window := h.arrives(t, ctx)
		helper, err := alice.Chat(ctx, "papillon@example.org")
		if err != nil {
			t.Fatal(err)
		}
		name := "Bob"
		if h.phone != nil {
			name = "Bobby" // so her roster calls him
		}
		for _, p := range []struct {
			policy string
			lines  []string
		}{
			{"short", []string{"> you: see you at 5\nor at 6?", `[Bob edited "or at 6?"] or at 7?`, `[Bob: [thumbs up] to your "see you at 5"]`, `[Bob took back [thumbs up] to your "see you at 5"]`, `[Bob deleted "or at 7?"]`}},
			{"full", []string{"> you: see you at 5\nor at 6?", "[Bob edited a message]\n> or at 6?\nor at 7?", `[Bob: [thumbs up] to your "see you at 5"]`, `[Bob took back [thumbs up] to your "see you at 5"]`, `[Bob deleted "or at 7?"]`}},
			{"hidden", []string{"or at 6?"}},
		} {
			for i := range p.lines {
				p.lines[i] = strings.Replace(p.lines[i], "[Bob", "["+name, 1)
			}
			for _, name := range []string{"edits", "reactions", "deletions", "replies"} {
				if got := helperAsked(t, ctx, helper, "settings "+name+" "+p.policy); !strings.Contains(got, name+": "+p.policy) {
					t.Fatalf("settings says %q", got)
				}
			}
			if got := h.acts(t, ctx, window); !slices.Equal(got, p.lines) {
				t.Errorf("%s: alice reads %q, want %q", p.policy, got, p.lines)
			}
		}
	})
}

// acts has bob reply, correct, react and retract, and returns what alice reads.
func (h *home) acts(t *testing.T, ctx context.Context, window *msnptest.Switchboard) (lines []string) {
	t.Helper()
	h.bob.Forget()
	if _, err := window.SendText(ctx, "see you at 5", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	hers, err := h.bob.WaitMessage(ctx, h.alice, "see you at 5")
	if err != nil {
		t.Fatal(err)
	}
	his, err := h.bob.Send(ctx, xmpptest.Message{To: h.alice, Body: "or at 6?", ReplyTo: h.alice, ReplyID: hers.ID()})
	err = errors.Join(err, h.bob.Correct(ctx, h.alice, his, "or at 7?"), h.bob.React(ctx, h.alice, hers.ID(), "👍"),
		h.bob.React(ctx, h.alice, hers.ID()), h.bob.Retract(ctx, h.alice, his))
	if err == nil {
		_, err = h.bob.Say(ctx, h.alice, "that was all")
	}
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, window, nil)
		if err != nil {
			t.Fatalf("after %q: %v", lines, err)
		}
		switch words := strings.ReplaceAll(m.Message.Text(), "\r\n", "\n"); {
		case words == "that was all":
			return lines
		case m.Message.MediaType() == "text/plain":
			lines = append(lines, words)
		}
	}
}

// TestEncryptedOverXMPP: what bob encrypts for her other clients alone is a line in alice's
// window; the keys that his client sends beside are none.
func TestEncryptedOverXMPP(t *testing.T) {
	eachLife(t, func(t *testing.T, ctx context.Context, h *home) {
		_, window := h.arrives(t, ctx)
		for _, payload := range []string{"", "<payload>bm90IGZvciB5b3U=</payload>"} {
			err := h.bob.SendRaw(ctx, `<message type="chat" to="`+h.alice+`"><encrypted xmlns="eu.siacs.conversations.axolotl">`+
				`<header sid="27183"><key rid="31415">MwohBQ==</key><iv>YWJj</iv></header>`+payload+`</encrypted>`+
				`<encryption xmlns="urn:xmpp:eme:0" namespace="eu.siacs.conversations.axolotl" name="OMEMO"/><store xmlns="urn:xmpp:hints"/></message>`)
			if err != nil {
				t.Fatal(err)
			}
		}
		if _, err := h.bob.Say(ctx, h.alice, "can you read it?"); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for !slices.Contains(lines, "can you read it?") {
			lines = append(lines, inWindow(t, ctx, window, "").Message.Text())
		}
		if len(lines) != 2 || !strings.Contains(lines[0], "encrypted message (OMEMO): the gateway cannot read it") {
			t.Errorf("alice reads %q", lines)
		}
	})
}

// TestRoomsOverXMPP: alice lives in rooms by what the helper contact understands.
func TestRoomsOverXMPP(t *testing.T) {
	eachLife(t, func(t *testing.T, ctx context.Context, h *home) {
		alice, _ := h.arrives(t, ctx)
		helper, err := alice.Chat(ctx, "papillon@example.org")
		if err != nil {
			t.Fatal(err)
		}
		room := "lunch@" + h.server.MUCDomain
		// Her name is taken there.
		if err := h.bob.CreateRoom(ctx, room, "Alice", map[string]string{"muc#roomconfig_roomname": "Lunch"}); err != nil {
			t.Fatal(err)
		}
		if got := helperAsked(t, ctx, helper, "join "+room); !strings.Contains(got, "You are in Lunch now") {
			t.Fatalf("join says %q", got)
		}
		if _, err := h.bob.WaitPresence(ctx, room+"/Alice_", "", ""); err != nil {
			t.Fatal(err)
		}
		if _, err := h.bob.SayInRoom(ctx, room, "soup today"); err != nil {
			t.Fatal(err)
		}
		window := opened(t, ctx, alice)
		inWindow(t, ctx, window, "soup today")
		if _, err := window.SendText(ctx, "with bread?", msnptest.Acknowledged); err != nil {
			t.Fatal(err)
		}
		if e, err := h.bob.WaitMessage(ctx, room+"/Alice_", "with bread?"); err != nil || e.Type() != "groupchat" {
			t.Fatalf("%+v, %v", e, err)
		}
		for _, step := range []struct{ words, want string }{
			{"rooms", "on xmpp: " + room},
			{"status", "xmpp: you are " + h.alice + " there, connected"},
			{"link", "xmpp: you are " + h.alice},
			{"leave " + room, "You have left Lunch"},
			{"rooms", "You are in no room"},
		} {
			if got := helperAsked(t, ctx, helper, step.words); !strings.Contains(got, step.want) {
				t.Errorf("%s says %q, want %q in it", step.words, got, step.want)
			}
		}
		if _, err := h.bob.WaitUnavailable(ctx, room+"/Alice_"); err != nil {
			t.Fatal(err)
		}
	})
}

// TestGroupOverXMPP: alice calls two people of XMPP into one window, which is a
// members-only room to them; who leaves it leaves the window.
func TestGroupOverXMPP(t *testing.T) {
	eachLife(t, func(t *testing.T, ctx context.Context, h *home) {
		alice, window := h.arrives(t, ctx)
		carol := h.signIn(t, ctx, "carol")
		if _, err := alice.Add(ctx, msnp.Forward, carol.Bare(), "Carol"); err != nil {
			t.Fatal(err)
		}
		if err := window.Call(ctx, carol.Bare()); err != nil {
			t.Fatal(err)
		}
		if _, err := window.SendText(ctx, "hello both", msnptest.Acknowledged); err != nil {
			t.Fatal(err)
		}
		isInvited := func(e *xmpptest.Event) bool {
			return e.Kind == "message" && strings.Contains(e.XML, "jabber:x:conference")
		}
		invite, err := h.bob.Wait(ctx, "an invitation", isInvited)
		if err != nil {
			t.Fatal(err)
		}
		room := invite.Child("jabber:x:conference", "x").Attr("jid")
		if _, err := carol.Wait(ctx, "an invitation", isInvited); err != nil {
			t.Fatal(err)
		}
		for name, p := range map[string]*xmpptest.Peer{"bob": h.bob, "carol": carol} {
			if err := p.Join(ctx, room, name); err != nil {
				t.Fatal(err)
			}
		}
		dave := h.signIn(t, ctx, "dave")
		var refusal *xmpptest.StanzaError
		if err := dave.Join(ctx, room, "dave"); !errors.As(err, &refusal) || refusal.Condition != "registration-required" {
			t.Errorf("dave, who was not called: %v", err)
		}
		for _, p := range []*xmpptest.Peer{carol, h.bob} {
			if _, err := p.SayInRoom(ctx, room, "hello from "+p.Bare()); err != nil {
				t.Fatal(err)
			}
			m := inWindow(t, ctx, window, "hello from "+p.Bare())
			if string(m.From.Handle) != p.Bare() {
				t.Errorf("%s's words came from %s", p.Bare(), m.From.Handle)
			}
		}
		if _, err := window.SendText(ctx, "to the room", msnptest.Acknowledged); err != nil {
			t.Fatal(err)
		}
		if e, err := carol.WaitMessage(ctx, room, "to the room"); err != nil || e.Type() != "groupchat" {
			t.Fatalf("%+v, %v", e, err)
		}
		if err := carol.Leave(ctx, room); err != nil {
			t.Fatal(err)
		}
		left, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if _, err := msnptest.WaitFor(left, window, func(l msnptest.Left) bool { return string(l.Who) == carol.Bare() }); err != nil {
			t.Fatal(err)
		}
	})
}

// TestGroupRefusedOverXMPP: where the server lets nobody make rooms, alice reads why what
// she writes to two at once does not arrive, and goes on with each alone.
func TestGroupRefusedOverXMPP(t *testing.T) {
	eachLife(t, func(t *testing.T, ctx context.Context, h *home) {
		alice, window := h.arrives(t, ctx)
		carol := h.signIn(t, ctx, "carol")
		if _, err := alice.Add(ctx, msnp.Forward, carol.Bare(), "Carol"); err != nil {
			t.Fatal(err)
		}
		if err := window.Call(ctx, carol.Bare()); err != nil {
			t.Fatal(err)
		}
		if _, err := window.SendText(ctx, "hello both", msnptest.Acknowledged); !errors.Is(err, msnptest.ErrNotDelivered) {
			t.Errorf("what cannot be said is answered with %v", err)
		}
		words := inWindow(t, ctx, opened(t, ctx, alice), `Your message to the group ("hello both") will not be delivered`).Message.Text()
		if !strings.Contains(words, "it does not exist, and you may not make it") && !strings.Contains(words, "it does not let you in") {
			t.Errorf("the helper contact says %q", words)
		}
		if err := window.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		window, err := alice.Chat(ctx, h.bob.Bare())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := window.SendText(ctx, "to you alone", msnptest.Acknowledged); err != nil {
			t.Fatal(err)
		}
		h.bobReadsNext(t, ctx, "to you alone")
	}, func(o *xmpptest.Options) { o.NoNewRooms = true })
}

// TestHistoryOverXMPP: the helper contact shows what was said in a room, and to a person
// where the account is alice's own; an address of the component's has no archive, and
// she is told so.
func TestHistoryOverXMPP(t *testing.T) {
	eachLife(t, func(t *testing.T, ctx context.Context, h *home) {
		alice, window := h.arrives(t, ctx)
		helper, err := alice.Chat(ctx, "papillon@example.org")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := window.SendText(ctx, "are you there?", msnptest.Acknowledged); err != nil {
			t.Fatal(err)
		}
		h.bobReadsNext(t, ctx, "are you there?")
		if _, err := h.bob.Say(ctx, h.alice, "I am"); err != nil {
			t.Fatal(err)
		}
		inWindow(t, ctx, window, "I am")
		want := "xmpp keeps no history of your chat with Bob."
		if h.phone != nil {
			want = "The last messages with Bobby:\nYou: are you there?\nBobby: I am"
		}
		h.remembers(t, ctx, helper, "history 2", want)
		room := "lunch@" + h.server.MUCDomain
		if err := h.bob.CreateRoom(ctx, room, "bob", map[string]string{"muc#roomconfig_roomname": "Lunch"}); err != nil {
			t.Fatal(err)
		}
		if got := helperAsked(t, ctx, helper, "join "+room); !strings.Contains(got, "You are in Lunch now") {
			t.Fatalf("join says %q", got)
		}
		if _, err := h.bob.SayInRoom(ctx, room, "soup today"); err != nil {
			t.Fatal(err)
		}
		lunch := opened(t, ctx, alice)
		inWindow(t, ctx, lunch, "soup today")
		if _, err := lunch.SendText(ctx, "with bread?", msnptest.Acknowledged); err != nil {
			t.Fatal(err)
		}
		if _, err := h.bob.WaitMessage(ctx, room+"/Alice", "with bread?"); err != nil {
			t.Fatal(err)
		}
		h.remembers(t, ctx, helper, "history "+room+" 2", "The last messages with Lunch:\nbob: soup today\nYou: with bread?")
	})
}

// remembers asks the helper contact for a history, and compares all but the times.
func (h *home) remembers(t *testing.T, ctx context.Context, helper *msnptest.Switchboard, words, want string) {
	t.Helper()
	got := regexp.MustCompile(`(?m)^\[[^]]*\] `).ReplaceAllString(strings.ReplaceAll(helperAsked(t, ctx, helper, words), "\r\n", "\n"), "")
	if got != want {
		t.Errorf("%s says %q, want %q", words, got, want)
	}
}
