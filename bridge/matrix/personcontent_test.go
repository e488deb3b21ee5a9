package matrix

import (
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/text"
)

// TestPersonActs: what is done to what the person wrote, with whichever client, and
// what the person does with the other one.
func TestPersonActs(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob := shared.person(t, "bob")
		alice := g.link(kind, "alice")
		room := alice.chatting(bob)
		alice.signIn(bridge.Available)
		bobs, others := letters{t, bob, room}, letters{t, alice.other, room}
		react := func(target id.EventID, key string) {
			t.Helper()
			bobs.send(event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: target, Key: key}})
		}
		elsewhere := others.say(&event.MessageEventContent{MsgType: event.MsgText, Body: "from my phone"})
		got := alice.awaitText("from my phone")
		if !got.Own || got.ID != string(elsewhere) {
			t.Errorf("the person's own words are %+v", got)
		}
		react(elsewhere, "👍")
		expectTarget(t, alice.awaitAct(text.Reacted, "👍"), bridge.Target{Ref: string(elsewhere), Text: "from my phone", Own: true})
		alice.says("out-1", "from my PC", bridge.Chat{Contact: bridge.RemoteID(bob.UserID)})
		got = alice.awaitText("from my PC")
		if !got.Own || got.ID != "out-1" {
			t.Errorf("the echo is %+v", got)
		}
		heard, err := bob.WaitText(patient(t), alice.other.UserID, "from my PC")
		if err != nil {
			t.Fatal(err)
		}
		react(heard.ID, "🎉")
		expectTarget(t, alice.awaitAct(text.Reacted, "🎉"), bridge.Target{Ref: "out-1", Text: "from my PC", Own: true})
		edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "from my old PC"}
		edit.SetEdit(elsewhere)
		others.say(edit)
		if got = alice.awaitAct(text.Edited, "from my old PC"); !got.Own {
			t.Errorf("the person's own edit is %+v", got)
		}
		oops := bobs.say(&event.MessageEventContent{MsgType: event.MsgText, Body: "oops"})
		alice.awaitText("oops")
		bobs.redact(oops, "")
		expectTarget(t, alice.awaitAct(text.Deleted, ""), bridge.Target{Ref: string(oops), Text: "oops"})
	})
}

// TestPersonMedia: files come from the person's homeserver as the person.
func TestPersonMedia(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob := shared.person(t, "bob")
		alice := g.link(kind, "alice")
		l := letters{t, bob, alice.chatting(bob)}
		alice.signIn(bridge.Available)
		l.say(&event.MessageEventContent{MsgType: event.MsgAudio, Body: "a.ogg", URL: upload(t, bob, []byte("a voice")).CUString(), MSC3245Voice: &event.MSC3245Voice{}})
		got := await(alice.user, "a voice", func(m bridge.MessageReceived) bool { return len(m.Media) == 1 }).Media[0]
		if data, _, err := g.fetch(alice.owner, got.Source, nowhere); err != nil || string(data) != "a voice" || !got.Voice {
			t.Errorf("fetched %q of %+v: %v", data, got, err)
		}
	})
}
