package matrix

import (
	"testing"

	"papillon/bridge"
)

func TestPersonTalksBothWays(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob := shared.person(t, "bob")
		alice := g.link(kind, "alice")
		room := alice.chatting(bob)
		roster := alice.signIn(bridge.Available)
		entry, ok := entryOf(roster.Entries, bridge.RemoteID(bob.UserID))
		if !ok || !entry.Watches || entry.Unlisted || entry.Contact.Room {
			t.Fatalf("contact list %+v, want %s on it", roster.Entries, bob.UserID)
		}
		chat := bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}

		if _, err := bob.Say(patient(t), room, "hello alice"); err != nil {
			t.Fatal(err)
		}
		got := alice.awaitText("hello alice")
		if got.Chat != chat || got.Own || got.From.ID != chat.Contact || got.From.Name == "" {
			t.Errorf("got %+v", got)
		}
		alice.says("out-1", "hello bob", chat)
		evt, err := bob.WaitText(patient(t), alice.other.UserID, "hello bob")
		if err != nil {
			t.Fatal(err)
		}
		if evt.RoomID != room {
			t.Errorf("the answer went to %s, want %s", evt.RoomID, room)
		}
		echo := alice.awaitText("hello bob")
		if !echo.Own || echo.ID != "out-1" || echo.Chat != chat {
			t.Errorf("echo %+v, want it as own with the id of the order", echo)
		}
		if _, err := alice.other.Say(patient(t), room, "from my phone"); err != nil {
			t.Fatal(err)
		}
		if got := alice.awaitText("from my phone"); !got.Own || got.Chat != chat {
			t.Errorf("what was written elsewhere: %+v", got)
		}
	})
}
