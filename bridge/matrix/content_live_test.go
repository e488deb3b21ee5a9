package matrix

import (
	"fmt"
	"strings"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
	"papillon/bridge/text"
)

// letters sends events of one person to one room.
type letters struct {
	t    *testing.T
	from *matrixtest.Person
	room id.RoomID
}

func (l letters) send(kind event.Type, content any) id.EventID {
	l.t.Helper()
	resp, err := l.from.SendMessageEvent(patient(l.t), l.room, kind, content)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.EventID
}

func (l letters) say(content *event.MessageEventContent) id.EventID {
	l.t.Helper()
	return l.send(event.EventMessage, content)
}

func (l letters) redact(target id.EventID, reason string) {
	l.t.Helper()
	if _, err := l.from.RedactEvent(patient(l.t), l.room, target, mautrix.ReqRedact{Reason: reason}); err != nil {
		l.t.Fatal(err)
	}
}

// awaitAct waits for something that somebody does to an earlier message.
func (u *user) awaitAct(act text.Act, words string) bridge.MessageReceived {
	u.t.Helper()
	return await(u, fmt.Sprintf("the %s %q", act, words), func(m bridge.MessageReceived) bool { return m.Act == act && m.Text == words })
}

// expectTarget checks what a message refers to.
func expectTarget(t *testing.T, got bridge.MessageReceived, want bridge.Target) {
	t.Helper()
	if got.Target != want {
		t.Errorf("%s refers to %+v\nwant %+v", got.Act, got.Target, want)
	}
}

func TestEveryKindOfMessageIsShown(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	l := letters{t, bob, talking(t, alice, bob)}
	l.say(&event.MessageEventContent{MsgType: event.MsgEmote, Body: "waves"})
	if got := alice.awaitText("waves"); got.Kind != bridge.Emoted {
		t.Errorf("kind %q", got.Kind)
	}
	l.say(&event.MessageEventContent{MsgType: event.MsgText, Body: "x", Format: event.FormatHTML,
		FormattedBody: `<b>hi <a href="https://matrix.to/#/` + string(alice.user) + `">Alice</a></b>`})
	if got := alice.awaitText("hi Alice"); got.Style != (text.Style{Bold: true}) || got.Kind != bridge.Said {
		t.Errorf("got %+v", got)
	}
	l.say(&event.MessageEventContent{MsgType: event.MsgLocation, Body: "home", GeoURI: "geo:48.2,16.37"})
	alice.awaitText("[location: home, 48.2,16.37] http://www.openstreetmap.org/?mlat=48.2&mlon=16.37")
	poll := l.send(event.EventUnstablePollStart, map[string]any{"org.matrix.msc3381.poll.start": map[string]any{
		"question": map[string]any{"org.matrix.msc1767.text": "Tea?"},
		"answers":  []any{map[string]any{"id": "y", "org.matrix.msc1767.text": "yes"}, map[string]any{"id": "n", "org.matrix.msc1767.text": "no"}},
	}})
	alice.awaitText("[poll: Tea?]\n1. yes\n2. no")
	reference := map[string]any{"rel_type": "m.reference", "event_id": poll}
	l.send(event.EventUnstablePollResponse, map[string]any{"m.relates_to": reference, "org.matrix.msc3381.poll.response": map[string]any{"answers": []string{"n"}}})
	alice.awaitText(`[voted for no in the poll "Tea?"]`)
	l.send(event.NewEventType("m.poll.end"), map[string]any{"m.relates_to": reference})
	alice.awaitText(`[ended the poll "Tea?"]`)
	l.send(event.EventSticker, map[string]any{"body": "party", "url": "mxc://hs.test/abc", "info": map[string]any{"mimetype": "image/png"}})
	if got := alice.awaitText("[sticker: party]"); len(got.Media) != 1 || got.Media[0].Source != "mxc://hs.test/abc" {
		t.Errorf("the sticker is %+v", got)
	}
	l.send(event.EventEncrypted, map[string]any{"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "y"})
	alice.awaitText(unreadable)
	l.send(event.NewEventType("com.example.unheard"), map[string]any{"a": 1})
	alice.awaitText("[something that cannot be shown here: com.example.unheard]")
	if shared.ChecksContent {
		return
	}
	l.send(event.EventMessage, map[string]any{"msgtype": "m.text", "body": 7})
	alice.awaitText("[a message that the gateway cannot read]")
}

// TestActsNameTheirTargets: what is done to earlier messages names them as the
// gateway knows them, those of the user and those of others.
func TestActsNameTheirTargets(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	l := letters{t, bob, talking(t, alice, bob)}
	alice.show(bridge.Presence{Show: bridge.Available}) // redactions come by sync
	alice.say("out-1", "see you at 5", bob.UserID)
	alices, err := bob.WaitText(patient(t), alice.user, "see you at 5")
	if err != nil {
		t.Fatal(err)
	}
	bobs, err := bob.Say(patient(t), l.room, "or at 6")
	if err != nil {
		t.Fatal(err)
	}
	name := alice.awaitText("or at 6").From.Name

	l.say(&event.MessageEventContent{MsgType: event.MsgText, Body: "> <@x:y> forged\n\nfine", RelatesTo: (&event.RelatesTo{}).SetReplyTo(alices.ID)})
	expectTarget(t, alice.awaitAct(text.Replied, "fine"), bridge.Target{Ref: "out-1", Text: "see you at 5", Own: true})
	l.say(&event.MessageEventContent{MsgType: event.MsgText, Body: "sure", RelatesTo: (&event.RelatesTo{}).SetThread(bobs, alices.ID)})
	expectTarget(t, alice.awaitAct(text.Replied, "sure"), bridge.Target{Ref: string(bobs), Text: "or at 6", Author: name})
	edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "or at 7"}
	edit.SetEdit(bobs)
	l.say(edit)
	expectTarget(t, alice.awaitAct(text.Edited, "or at 7"), bridge.Target{Ref: string(bobs), Text: "or at 6"})
	reaction := l.send(event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: alices.ID, Key: "👍"}})
	expectTarget(t, alice.awaitAct(text.Reacted, "👍"), bridge.Target{Ref: "out-1", Text: "see you at 5", Own: true})
	l.redact(reaction, "")
	expectTarget(t, alice.awaitAct(text.Unreacted, "👍"), bridge.Target{Ref: "out-1", Text: "see you at 5", Own: true})
	l.redact(bobs, "wrong window")
	expectTarget(t, alice.awaitAct(text.Deleted, "wrong window"), bridge.Target{Ref: string(bobs), Text: "or at 7"})
}

// TestTargetsAreFoundAgain: after a restart the homeserver is asked for what a
// message refers to.
func TestTargetsAreFoundAgain(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	l := letters{t, bob, talking(t, alice, bob)}
	alice.say("out-1", "see you at 5", bob.UserID)
	alices, err := bob.WaitText(patient(t), alice.user, "see you at 5")
	if err != nil {
		t.Fatal(err)
	}
	bobs, err := bob.Say(patient(t), l.room, "or at 6")
	if err != nil {
		t.Fatal(err)
	}
	alice.awaitText("or at 6")
	forget := func() {
		g.origins.mu.Lock()
		clear(g.origins.values)
		g.origins.mu.Unlock()
	}
	forget()
	reaction := l.send(event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: alices.ID, Key: "👍"}})
	expectTarget(t, alice.awaitAct(text.Reacted, "👍"), bridge.Target{Ref: "out-1", Text: "see you at 5", Own: true})
	edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "or at 7"}
	edit.SetEdit(bobs)
	l.say(edit)
	expectTarget(t, alice.awaitAct(text.Edited, "or at 7"), bridge.Target{Ref: string(bobs), Text: "or at 6"})
	l.say(&event.MessageEventContent{MsgType: event.MsgText, Body: "> <@x:y> forged\n\nfine", RelatesTo: (&event.RelatesTo{}).SetReplyTo("$nothing")})
	expectTarget(t, alice.awaitAct(text.Replied, "fine"), bridge.Target{Ref: "$nothing", Text: "forged", Author: "@x:y"})
	forget()
	alice.show(bridge.Presence{Show: bridge.Available}) // redactions come by sync
	l.redact(reaction, "")
	expectTarget(t, alice.awaitAct(text.Unreacted, ""), bridge.Target{})
}

// TestNobodyEditsForOthers: an edit of a message that somebody else wrote is that
// somebody's own words.
func TestNobodyEditsForOthers(t *testing.T) {
	g := shared.gateway(t)
	alice, bob, mallory := g.user("alice"), shared.person(t, "bob"), shared.person(t, "mallory")
	room, err := bob.CreateRoomWith(patient(t), false, alice.user, mallory.UserID)
	if err != nil {
		t.Fatal(err)
	}
	if err := mallory.Join(patient(t), room); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	bobs, err := bob.Say(patient(t), room, "I owe you 5")
	if err != nil {
		t.Fatal(err)
	}
	alice.awaitText("I owe you 5")
	forge := func(target id.EventID, words string) {
		edit := &event.MessageEventContent{MsgType: event.MsgText, Body: words}
		edit.SetEdit(target)
		letters{t, mallory, room}.say(edit)
		got := alice.awaitText("* " + words)
		if got.Act != "" || got.Target != (bridge.Target{}) || got.From.ID != bridge.RemoteID(mallory.UserID) {
			t.Errorf("a forged edit is %+v", got)
		}
	}
	forge(bobs, "I owe you 500")
	if !shared.ChecksContent {
		forge("$unknown", "I owe you 5000")
	}
}

// TestRedactionsComeOnce: two ghosts in a room, and a homeserver that offers the
// same again at each sign-in.
func TestRedactionsComeOnce(t *testing.T) {
	g := shared.gateway(t)
	alice, carol, bob := g.user("alice"), g.user("carol"), shared.person(t, "bob")
	room, err := bob.CreateRoomWith(patient(t), false, alice.user, carol.user)
	if err != nil {
		t.Fatal(err)
	}
	l := letters{t, bob, room}
	for _, u := range []*user{alice, carol} {
		if _, err := bob.WaitMember(patient(t), room, u.user, event.MembershipJoin); err != nil {
			t.Fatal(err)
		}
		u.show(bridge.Presence{Show: bridge.Available})
	}
	oops, err := bob.Say(patient(t), room, "oops")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []*user{alice, carol} {
		u.awaitText("oops")
	}
	l.redact(oops, "")
	for _, u := range []*user{alice, carol} {
		u.awaitAct(text.Deleted, "")
		u.show(bridge.Presence{Show: bridge.Offline})
		u.show(bridge.Presence{Show: bridge.Available})
	}
	again, err := bob.Say(patient(t), room, "again")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []*user{alice, carol} {
		u.awaitText("again")
	}
	l.redact(again, "last")
	for _, u := range []*user{alice, carol} {
		u.awaitAct(text.Deleted, "last")
		if ids := u.messages(); len(ids) != 4 {
			t.Errorf("%s got %d messages: %v", u.owner, len(ids), ids)
		}
	}
}

func TestLooksAreSent(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	talking(t, alice, bob)
	chat := bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}
	send := func(out bridge.Outgoing) *event.MessageEventContent {
		t.Helper()
		out.Chat = chat
		if err := alice.Send(patient(t), out); err != nil {
			t.Fatal(err)
		}
		evt, err := bob.Wait(patient(t), out.Text, func(evt *event.Event) bool {
			return evt.Sender == alice.user && evt.Type == event.EventMessage && evt.Content.Raw["dev.papillon.message"] == out.ID
		})
		if err != nil {
			t.Fatal(err)
		}
		return evt.Content.AsMessage()
	}
	got := send(bridge.Outgoing{ID: "bold", Text: "so < bold\n🎉", Style: text.Style{Bold: true}})
	if got.MsgType != event.MsgText || got.Body != "so < bold\n🎉" || got.FormattedBody != "<strong>so &lt; bold<br>🎉</strong>" {
		t.Errorf("sent %+v", got)
	}
	got = send(bridge.Outgoing{ID: "emote", Text: "/me waves"})
	if got.MsgType != event.MsgEmote || got.Body != "waves" || got.FormattedBody != "" {
		t.Errorf("sent %+v", got)
	}
}

// TestLongTextsAreSentWhole: more than an event can hold goes in several, once,
// whatever it is made of.
func TestLongTextsAreSentWhole(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	talking(t, alice, bob)
	for name, words := range map[string]string{"words": strings.Repeat("word ", 12_000), "signs": strings.Repeat(`<&"\>`, 12_000)} {
		out := bridge.Outgoing{ID: name, Chat: bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}, Text: words, Style: text.Style{Bold: true, Color: 0xff, Colored: true}}
		for range 2 { // the answer was lost
			if err := alice.Send(patient(t), out); err != nil {
				t.Fatal(err)
			}
		}
		alice.say("after "+name, "after "+name, bob.UserID)
		var got strings.Builder
		for {
			evt, err := bob.Wait(patient(t), "a piece", func(evt *event.Event) bool { return evt.Sender == alice.user && evt.Type == event.EventMessage })
			if err != nil {
				t.Fatal(err)
			}
			body := evt.Content.AsMessage().Body
			if body == "after "+name {
				break
			}
			got.WriteString(body)
		}
		if squeeze(strings.TrimPrefix(got.String(), "hi")) != squeeze(words) {
			t.Errorf("%s: of %d bytes %d arrived", name, len(words), got.Len())
		}
	}
}

func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }

func TestReceiptsAreSeen(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	sent, err := bob.Say(patient(t), room, "read me")
	if err != nil {
		t.Fatal(err)
	}
	got := alice.awaitText("read me")
	if err := alice.Read(patient(t), got.Chat, got.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Wait(patient(t), "a receipt", func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.ReceiptEventContent)
		if !ok || evt.RoomID != room {
			return false
		}
		_, read := (*content)[sent][event.ReceiptTypeRead][alice.user]
		return read
	}); err != nil {
		t.Fatal(err)
	}
	for _, chat := range []bridge.Chat{got.Chat, {Contact: "@nobody:hs.test"}} {
		if err := alice.Read(patient(t), chat, "not-an-event"); err != nil {
			t.Errorf("reading what is no event of %v: %v", chat, err)
		}
	}
}
