package xmpp

import (
	"errors"
	"testing"

	"papillon/bridge"
	"papillon/bridge/xmpp/xmpptest"
)

// TestNoArchive: where the server keeps nothing, a history says so, of people and of
// rooms, and nothing counts as kept.
func TestNoArchive(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			s := startServer(t, program, noArchive)
			ctx := testContext(t)
			bob := peer(t, s, "bob", nil)
			room := bridge.RemoteID("tea@" + s.MUCDomain)
			must(t, bob.CreateRoom(ctx, string(room), "bob", nil))
			mine, _ := newHome(t, s, "alice", s.ClientAddress).open()
			must(t, mine.SetPresence(ctx, bridge.Presence{Show: bridge.Available}), mine.RosterReady(ctx))
			ours, _ := newHouse(t, s, &notes{}, s.ComponentAddress).open("alice")
			for _, a := range []interface {
				bridge.Rooms
				bridge.Backlog
			}{mine, ours} {
				_, err := a.Join(ctx, room)
				must(t, err)
				for _, chat := range []bridge.Chat{{Contact: bridge.RemoteID(bob.Bare())}, bridge.RoomChat(room)} {
					if got, err := a.History(ctx, chat, 5); !errors.Is(err, bridge.ErrNoHistory) || a.Keeps(chat) {
						t.Errorf("%T: history of %v: %v, %v, keeps %v", a, chat, got, err, a.Keeps(chat))
					}
				}
			}
		})
	}
}
