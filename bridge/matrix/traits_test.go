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

// takesStrange checks what the homeserver answered to something of a wrong shape: it is
// either known to refuse that or has taken it.
func (w *world) takesStrange(t *testing.T, err error) {
	t.Helper()
	if refused := err != nil; refused != w.ChecksContent {
		t.Fatalf("refused what has a wrong shape: %v, and that is said of this homeserver: %v", err, w.ChecksContent)
	}
}

// TestTypingIsPushed: a ghost that is hidden does not sync. Where the homeserver
// pushes what somebody types it sees that all the same.
func TestTypingIsPushed(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	// Synapse drops what is ephemeral while it still catches up with an application
	// service that was away, such as the one of the test before.
	say(t, bob, room, "are you there?")
	alice.awaitText("are you there?")
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
