package matrix

import (
	"net/http"
	"strings"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// upgrades replaces a room by one of a newer version, as clients have their homeserver
// do it.
func upgrades(t *testing.T, p *matrixtest.Person, room id.RoomID) id.RoomID {
	t.Helper()
	var resp struct {
		Room id.RoomID `json:"replacement_room"`
	}
	_, err := p.MakeRequest(patient(t), http.MethodPost, p.BuildClientURL("v3", "rooms", room, "upgrade"), map[string]any{"new_version": "11"}, &resp)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Room
}

// makesRoom makes a room of version 10 to which anybody can come, or nobody.
func makesRoom(t *testing.T, p *matrixtest.Person, preset, name string, invited ...id.UserID) id.RoomID {
	t.Helper()
	resp, err := p.CreateRoom(patient(t), &mautrix.ReqCreateRoom{Preset: preset, Name: name, RoomVersion: id.RoomV10, Invite: invited})
	if err != nil {
		t.Fatal(err)
	}
	return resp.RoomID
}

// TestRoomThatIsReplaced: the conversation goes on in the new room, and the user is
// told so in the old one.
func TestRoomThatIsReplaced(t *testing.T) {
	everyKind(t, func(t *testing.T, g *gateway, alice *user) {
		bob := shared.person(t, "bob")
		room := makesRoom(t, bob, "public_chat", "Tea")
		if _, err := alice.Join(patient(t), bridge.RemoteID(room)); err != nil {
			t.Fatal(err)
		}
		awaitRooms(t, alice, bridge.RemoteID(room))
		say(t, bob, room, "still here")
		alice.awaitText("still here")
		next := upgrades(t, bob, room)
		told := alice.awaitText("[this room goes on in another one, where you are now: Tea]")
		if told.Chat != bridge.RoomChat(bridge.RemoteID(room)) || told.Kind != bridge.Notice {
			t.Errorf("told by %+v", told)
		}
		if _, err := bob.WaitMember(patient(t), next, alice.account.user, event.MembershipJoin); err != nil {
			t.Fatal(err)
		}
		say(t, bob, next, "and now here")
		if got := alice.awaitText("and now here"); got.Chat != bridge.RoomChat(bridge.RemoteID(next)) {
			t.Errorf("got %+v", got)
		}
		alice.sayTo("up-"+string(next), "so am I", bridge.RoomChat(bridge.RemoteID(next)))
		if _, err := bob.WaitText(patient(t), alice.account.user, "so am I"); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(alice.account.user), "@msn_") {
			await(alice, "the request", func(r bridge.ContactRequested) bool {
				return r.From.ID == bridge.RemoteID(next) && r.From.Name == "Tea"
			})
		}
	})
}

// TestRoomThatIsReplacedByAClosedOne: where nobody comes in without an invite, the user
// is told to wait for one.
func TestRoomThatIsReplacedByAClosedOne(t *testing.T) {
	everyKind(t, func(t *testing.T, g *gateway, alice *user) {
		bob := shared.person(t, "bob")
		room := makesRoom(t, bob, "private_chat", "Board", alice.account.user)
		await(alice, "the invite", func(r bridge.ContactRequested) bool { return r.From.ID == bridge.RemoteID(room) })
		if err := alice.nature.(bridge.Gatekeeper).Allow(patient(t), bridge.RemoteID(room)); err != nil {
			t.Fatal(err)
		}
		awaitRooms(t, alice, bridge.RemoteID(room))
		say(t, bob, room, "welcome")
		alice.awaitText("welcome")
		next := upgrades(t, bob, room)
		alice.awaitText("[this room goes on in another one, which lets nobody in without an invite]")
		if _, err := bob.InviteUser(patient(t), next, &mautrix.ReqInviteUser{UserID: alice.account.user}); err != nil {
			t.Fatal(err)
		}
		await(alice, "the invite", func(r bridge.ContactRequested) bool { return r.From.ID == bridge.RemoteID(next) })
	})
}
