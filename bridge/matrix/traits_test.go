package matrix

import (
	"encoding/json"
	"testing"

	"papillon/bridge"
)

// pushed says whether a transaction since the given one had an ephemeral event of
// a type.
func (w *world) pushed(t *testing.T, since int, kind string) bool {
	t.Helper()
	for _, txn := range w.sent()[since:] {
		var body transaction
		if err := json.Unmarshal(txn.body, &body); err != nil {
			t.Fatal(err)
		}
		for _, raw := range append(body.Ephemeral, body.UnstableEphemeral...) {
			var evt struct {
				Type string `json:"type"`
			}
			if err := json.Unmarshal(raw, &evt); err != nil {
				t.Fatal(err)
			}
			if evt.Type == kind {
				return true
			}
		}
	}
	return false
}

// TestTypingIsPushed: a ghost that is hidden does not sync. Where the homeserver
// pushes what somebody types it sees that all the same.
func TestTypingIsPushed(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	alice.show(bridge.Presence{Show: bridge.Hidden})
	before := len(shared.sent())
	if _, err := bob.UserTyping(patient(t), room, true, patience); err != nil {
		t.Fatal(err)
	}
	if shared.PushesEphemeral {
		await(alice, "typing", func(s bridge.TypingSeen) bool { return s.Typing })
	}
	say(t, bob, room, "what I typed")
	alice.awaitText("what I typed")
	if got := shared.pushed(t, before, "m.typing"); got != shared.PushesEphemeral {
		t.Errorf("typing was pushed: %v, and that is said of this homeserver: %v", got, shared.PushesEphemeral)
	}
}
