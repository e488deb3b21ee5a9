package matrix

import (
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/text"
)

// TestActsInAnEncryptedRoom: what refers to an encrypted message names it, whether it
// is remembered or has to be read and opened again.
func TestActsInAnEncryptedRoom(t *testing.T) {
	g := shared.gateway(t)
	alice, person := g.user("alice"), shared.person(t, "bob")
	bob := shared.encrypted(t, person)
	room := secretRoom(t, bob, alice.user)
	send := func(kind event.Type, content any) id.EventID {
		t.Helper()
		resp, err := bob.SendMessageEvent(patient(t), room, kind, content)
		if err != nil {
			t.Fatal(err)
		}
		return resp.EventID
	}
	react := func(target id.EventID, key string) {
		t.Helper()
		send(event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: target, Key: key}})
	}
	bobs := send(event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "between us"})
	alice.awaitText("between us")
	alice.say("out-1", "not a word", bob.UserID)
	alices, err := bob.Next(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	own := bridge.Target{Ref: "out-1", Text: "not a word", Own: true}
	react(alices.ID, "🤐")
	expectTarget(t, alice.awaitAct(text.Reacted, "🤐"), own)
	send(event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "promise", RelatesTo: (&event.RelatesTo{}).SetReplyTo(alices.ID)})
	expectTarget(t, alice.awaitAct(text.Replied, "promise"), own)

	g.origins.mu.Lock()
	clear(g.origins.values)
	g.origins.mu.Unlock()
	react(alices.ID, "👍")
	expectTarget(t, alice.awaitAct(text.Reacted, "👍"), own)
	edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "between you and me"}
	edit.SetEdit(bobs)
	send(event.EventMessage, edit)
	expectTarget(t, alice.awaitAct(text.Edited, "between you and me"), bridge.Target{Ref: string(bobs), Text: "between us"})
}
