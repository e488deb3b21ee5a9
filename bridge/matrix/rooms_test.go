package matrix

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

func TestUnwelcomeInviteIsDeclined(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	alice.answering(func(event bridge.Event) error {
		if _, ok := event.(bridge.ContactRequested); ok {
			return bridge.ErrUnwelcome
		}
		return nil
	})
	room, err := bob.CreateDM(patient(t), alice.user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.user, event.MembershipLeave); err != nil {
		t.Fatal(err)
	}
	if stored := alice.room(g, bob.UserID); stored != "" {
		t.Errorf("the declined room is stored: %s", stored)
	}
}

func TestInvitesOfGhostsWithoutAccount(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	if err := alice.ensureReady(patient(t)); err != nil {
		t.Fatal(err)
	}
	if err := alice.Close(); err != nil {
		t.Fatal(err)
	}
	// A ghost that was there once declines.
	room, err := bob.CreateDM(patient(t), alice.user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.user, event.MembershipLeave); err != nil {
		t.Fatal(err)
	}
	// One that never was is not made: the homeserver is told that it is nobody.
	nobody := id.UserID("@msn_nobody:hs.test")
	if _, err := bob.CreateDM(patient(t), nobody); err != nil {
		t.Logf("the homeserver does not let bob invite nobody: %v", err)
	}
	if _, err := bob.GetProfile(patient(t), nobody); !notThere(err) {
		t.Errorf("the profile of nobody: %v", err)
	}
	registered, err := g.state.IsRegistered(t.Context(), nobody)
	if err != nil || registered {
		t.Errorf("nobody is registered: %v, %v", registered, err)
	}
}

func TestHomeserverAsksForAGhost(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	// After the answer the ghost is there, and has its name.
	r := httptest.NewRequest(http.MethodGet, "/_matrix/app/v1/users/"+string(alice.user), nil)
	r.Header.Set("Authorization", "Bearer "+g.options.Registration.ServerToken)
	answer := httptest.NewRecorder()
	g.Handler().ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		t.Fatalf("answer %d", answer.Code)
	}
	profile, err := bob.GetProfile(patient(t), alice.user)
	if err != nil || profile.DisplayName != "The alice" {
		t.Errorf("profile %+v, %v", profile, err)
	}
}

func TestContactWhoLeavesGetsANewRoom(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	first := talking(t, alice, bob)
	if _, err := bob.LeaveRoom(patient(t), first); err != nil {
		t.Fatal(err)
	}
	await(alice, "that bob withdrew", func(w bridge.ContactWithdrew) bool { return w.Contact == bridge.RemoteID(bob.UserID) })
	alice.say("again", "still there?", bob.UserID)
	// The first invite may come again; the new one is to another room.
	invite, err := bob.Wait(patient(t), "an invite to a new room", func(evt *event.Event) bool {
		return evt.Type == event.StateMember && evt.GetStateKey() == string(bob.UserID) && evt.RoomID != first
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.Join(patient(t), invite.RoomID); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitText(patient(t), alice.user, "still there?"); err != nil {
		t.Fatal(err)
	}
	rooms, err := alice.client.JoinedRooms(patient(t))
	if err != nil || len(rooms.JoinedRooms) != 1 || rooms.JoinedRooms[0] != invite.RoomID {
		t.Errorf("the ghost is in %v, %v", rooms, err)
	}
}

func TestGhostThatWasRemovedTakesANewRoom(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := ruled(t, g, alice, bob)
	alice.say("1", "one", bob.UserID)
	if _, err := bob.WaitText(patient(t), alice.user, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.KickUser(patient(t), room, &mautrix.ReqKickUser{UserID: alice.user}); err != nil {
		t.Fatal(err)
	}
	// Whether or not the gateway has heard of it, the message finds a room.
	alice.say("2", "two", bob.UserID)
	invite, err := bob.WaitInvite(patient(t), alice.user)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.Join(patient(t), invite.RoomID); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitText(patient(t), alice.user, "two"); err != nil {
		t.Fatal(err)
	}
}

// ruled makes a direct room in which only bob has rights, and brings alice in.
func ruled(t *testing.T, g *gateway, alice *user, bob *matrixtest.Person) id.RoomID {
	t.Helper()
	resp, err := bob.CreateRoom(patient(t), &mautrix.ReqCreateRoom{
		Preset: "private_chat", IsDirect: true, Invite: []id.UserID{alice.user},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), resp.RoomID, alice.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	// The homeserver tells of the join before the gateway knows that it worked.
	for deadline := patient(t); alice.room(g, bob.UserID) != resp.RoomID; {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline.Done():
			t.Fatal("the room does not become bob's")
		}
	}
	return resp.RoomID
}

func TestGhostThatMayNotSpeakTakesANewRoom(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := ruled(t, g, alice, bob)
	var levels event.PowerLevelsEventContent
	if err := bob.StateEvent(patient(t), room, event.StatePowerLevels, "", &levels); err != nil {
		t.Fatal(err)
	}
	levels.EventsDefault = 100
	if _, err := bob.SendStateEvent(patient(t), room, event.StatePowerLevels, "", &levels); err != nil {
		t.Fatal(err)
	}
	alice.say("1", "let me speak", bob.UserID)
	if _, err := bob.WaitInvite(patient(t), alice.user); err != nil {
		t.Fatal(err)
	}
}

func TestLostStorageFindsTheRoomsAgain(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	if err := alice.Close(); err != nil {
		t.Fatal(err)
	}
	other := shared.gateway(t) // with an empty database and no stored rooms
	again := other.openUser(alice.owner, "The alice")
	if _, err := bob.Say(patient(t), room, "do you remember me?"); err != nil {
		t.Fatal(err)
	}
	if got := again.awaitText("do you remember me?"); got.Chat.Contact != bridge.RemoteID(bob.UserID) {
		t.Errorf("got %+v", got)
	}
	third := shared.gateway(t)
	once := third.openUser(alice.owner, "The alice")
	once.say("new", "I do", bob.UserID)
	if evt, err := bob.WaitText(patient(t), alice.user, "I do"); err != nil || evt.RoomID != room {
		t.Errorf("%+v, %v", evt, err)
	}
}

func TestDirectRoomThatGrowsIsAGroup(t *testing.T) {
	g := shared.gateway(t)
	alice, bob, dave := g.user("alice"), shared.person(t, "bob"), shared.person(t, "dave")
	room := talking(t, alice, bob)
	if _, err := bob.Say(patient(t), room, "for you"); err != nil {
		t.Fatal(err)
	}
	if got := alice.awaitText("for you"); got.Chat != (bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}) {
		t.Errorf("got %+v", got)
	}
	if _, err := bob.InviteUser(patient(t), room, &mautrix.ReqInviteUser{UserID: dave.UserID}); err != nil {
		t.Fatal(err)
	}
	if err := dave.Join(patient(t), room); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), room, "for both"); err != nil {
		t.Fatal(err)
	}
	if got := alice.awaitText("for both"); got.Chat != bridge.RoomChat(bridge.RemoteID(room)) {
		t.Errorf("got %+v", got)
	}
	alice.say("secret", "only for bob", bob.UserID)
	if alice.room(g, bob.UserID) == room {
		t.Error("a message for bob went where dave reads it")
	}
}

func TestBlockAndAllow(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	contact := bridge.RemoteID(bob.UserID)
	for range 2 { // both may be repeated
		if err := alice.Block(patient(t), contact); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bob.WaitMember(patient(t), room, alice.user, event.MembershipLeave); err != nil {
		t.Fatal(err)
	}
	list, err := alice.ignoredUsers(patient(t))
	if _, ignored := list[bob.UserID]; err != nil || !ignored {
		t.Errorf("ignored: %v, %v", list, err)
	}
	if stored := alice.room(g, bob.UserID); stored != "" {
		t.Errorf("the room is still stored: %s", stored)
	}
	for range 2 {
		if err := alice.Allow(patient(t), contact); err != nil {
			t.Fatal(err)
		}
	}
	if list, err = alice.ignoredUsers(patient(t)); err != nil || len(list) != 0 {
		t.Errorf("ignored: %v, %v", list, err)
	}
	back, err := bob.CreateDM(patient(t), alice.user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), back, alice.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
}

func TestAllowAcceptsAPendingInvite(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	asked := make(chan struct{}, 100)
	alice.answering(func(event bridge.Event) error {
		if _, ok := event.(bridge.ContactRequested); ok {
			asked <- struct{}{}
			return errors.New("the database is locked")
		}
		return nil
	})
	room, err := bob.CreateDM(patient(t), alice.user)
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := alice.Allow(patient(t), bridge.RemoteID(bob.UserID)); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	alice.answering(nil) // the homeserver offers the invite again
	await(alice, "the request", func(bridge.ContactRequested) bool { return true })
}

func TestLookup(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	if err := bob.SetDisplayName(patient(t), "Bob"); err != nil {
		t.Fatal(err)
	}
	found, err := alice.Lookup(patient(t), bridge.RemoteID(bob.UserID))
	if err != nil || found != (bridge.Contact{ID: bridge.RemoteID(bob.UserID), Name: "Bob"}) {
		t.Errorf("looked up %+v, %v", found, err)
	}
	for _, nobody := range []bridge.RemoteID{"@nobodyatall:hs.test", bridge.RemoteID(alice.user), "bob", "!room:hs.test"} {
		if found, err := alice.Lookup(patient(t), nobody); !errors.Is(err, bridge.ErrNoSuchContact) {
			t.Errorf("looked up %s: %+v, %v", nobody, found, err)
		}
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	g := shared.gateway(t)
	alice := g.user("alice")
	for _, c := range []struct {
		name string
		chat bridge.Chat
		text string
	}{
		{"not an address", bridge.Chat{Contact: "bob"}, "hello"},
		{"our own ghost", bridge.Chat{Contact: "@msn_carol:hs.test"}, "hello"},
		{"a room we may not enter", bridge.Chat{Group: "!secret:hs.test"}, "hello"},
	} {
		err := alice.Send(patient(t), bridge.Outgoing{ID: c.name, Chat: c.chat, Text: c.text})
		if !errors.Is(err, bridge.ErrRefused) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	bob := shared.person(t, "bob")
	err := alice.Send(patient(t), bridge.Outgoing{
		ID: "long", Chat: bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}, Text: string(make([]byte, 100_000)),
	})
	if !errors.Is(err, bridge.ErrRefused) {
		t.Errorf("too long: %v", err)
	}
}

// Somebody on a homeserver that cannot be reached must not leave the ghost in
// more and more rooms.
func TestInviteThatFailsLeavesNoRoomsBehind(t *testing.T) {
	g := shared.gateway(t)
	alice := g.user("alice")
	chat := bridge.Chat{Contact: "@bob:elsewhere.test"}
	var err error
	for range 3 {
		if err = alice.Send(patient(t), bridge.Outgoing{ID: "1", Chat: chat, Text: "hello"}); err == nil {
			t.Fatal("the message was accepted")
		}
	}
	t.Logf("the homeserver says: %v", err)
	rooms, err := alice.client.JoinedRooms(patient(t))
	if err != nil || len(rooms.JoinedRooms) > 1 {
		t.Errorf("the ghost is in %v, %v", rooms, err)
	}
}
