package matrix

import (
	"encoding/json"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// TestGoneIsNotTold: of a reaction that was taken back before it came nobody hears, nor
// that it was taken back; of a deleted message in an encrypted room there is nothing to
// open.
func TestGoneIsNotTold(t *testing.T) {
	a := &account{origins: newOrigins(4)}
	come := func(kind event.Type, evt event.Event, raw string) *event.Event {
		if err := json.Unmarshal([]byte(raw), &evt.Content); err != nil {
			t.Fatal(err)
		}
		evt.Type, evt.RoomID, evt.Sender = kind, "!room:hs.test", "@bob:hs.test"
		return &evt
	}
	for _, evt := range []*event.Event{
		come(event.EventReaction, event.Event{ID: "$like"}, `{}`),
		come(event.EventRedaction, event.Event{ID: "$undo", Redacts: id.EventID("$like")}, `{}`),
	} {
		if m, ok := a.said(t.Context(), evt, false); ok {
			t.Errorf("%s is told: %+v", evt.ID, m)
		}
		a.origins.note(evt)
	}
	if plain, err := a.unseal(t.Context(), come(event.EventEncrypted, event.Event{ID: "$secret"}, `{}`)); plain != nil || err != nil {
		t.Errorf("a deleted secret is %+v, %v", plain, err)
	}
}
