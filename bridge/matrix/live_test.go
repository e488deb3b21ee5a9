package matrix

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

func TestGhostIsRegisteredWithItsName(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	alice.awaitUp(true)
	if err := alice.ensureReady(patient(t)); err != nil {
		t.Fatal(err)
	}
	profile, err := bob.GetProfile(patient(t), alice.user)
	if err != nil || profile.DisplayName != "The alice" {
		t.Fatalf("profile of the ghost: %+v, %v", profile, err)
	}
	if err := alice.Rename(patient(t), "Alice L."); err != nil {
		t.Fatal(err)
	}
	if profile, err = bob.GetProfile(patient(t), alice.user); err != nil || profile.DisplayName != "Alice L." {
		t.Fatalf("profile after renaming: %+v, %v", profile, err)
	}
}

func TestInviteJoinsAndBothTalk(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	if err := bob.SetDisplayName(patient(t), "Bob B."); err != nil {
		t.Fatal(err)
	}
	room, err := bob.CreateDM(patient(t), alice.user)
	if err != nil {
		t.Fatal(err)
	}
	request := await(alice, "a request", func(bridge.ContactRequested) bool { return true })
	if request.From != (bridge.Contact{ID: bridge.RemoteID(bob.UserID), Name: "Bob B."}) {
		t.Errorf("the request is from %+v", request.From)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	sent, err := bob.Say(patient(t), room, "hello alice")
	if err != nil {
		t.Fatal(err)
	}
	got := alice.awaitText("hello alice")
	if got.Sent.IsZero() {
		t.Error("the message has no time")
	}
	want := bridge.MessageReceived{
		ID: string(sent), Chat: bridge.Chat{Contact: bridge.RemoteID(bob.UserID)},
		From: bridge.Contact{ID: bridge.RemoteID(bob.UserID), Name: "Bob B."},
		Kind: bridge.Said, Text: "hello alice", Sent: got.Sent,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if stored := alice.room(g, bob.UserID); stored != room {
		t.Errorf("the stored room is %q, not %q", stored, room)
	}
	alice.say("1", "hello bob", bob.UserID)
	if evt, err := bob.WaitText(patient(t), alice.user, "hello bob"); err != nil || evt.RoomID != room {
		t.Fatalf("%+v, %v", evt, err)
	}
	for _, id := range alice.messages() {
		if id != string(sent) {
			t.Errorf("alice got her own message back: %s", id)
		}
	}
}

func TestFirstMessageMakesTheRoom(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	alice.say("1", "are you there?", bob.UserID)
	invite, err := bob.WaitInvite(patient(t), alice.account.user)
	if err != nil {
		t.Fatal(err)
	}
	if !invite.Content.AsMember().IsDirect {
		t.Error("the invite is not to a direct chat")
	}
	if stored := alice.room(g, bob.UserID); stored != invite.RoomID {
		t.Errorf("the stored room is %q, not %q", stored, invite.RoomID)
	}
	alice.say("2", "hello?", bob.UserID)
	if err := bob.Join(patient(t), invite.RoomID); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"are you there?", "hello?"} {
		if _, err := bob.WaitText(patient(t), alice.user, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bob.Say(patient(t), invite.RoomID, "yes"); err != nil {
		t.Fatal(err)
	}
	alice.awaitText("yes")
}

func TestSentAgainArrivesOnce(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	for range 3 {
		alice.say("same", "once", bob.UserID)
	}
	alice.say("other", "last", bob.UserID)
	invite, err := bob.WaitInvite(patient(t), alice.account.user)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.Join(patient(t), invite.RoomID); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for len(texts) == 0 || texts[len(texts)-1] != "last" {
		evt, err := bob.Wait(patient(t), "a message", func(evt *event.Event) bool {
			return evt.Type == event.EventMessage && evt.Sender == alice.user
		})
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, evt.Content.AsMessage().Body)
	}
	if got := strings.Join(texts, " "); got != "once last" {
		t.Errorf("bob got %q", got)
	}
}

func TestTwoGhostsInOneRoomWithTheSameMessageID(t *testing.T) {
	g := shared.gateway(t)
	alice, carol, bob := g.user("alice"), g.user("carol"), shared.person(t, "bob")
	room, err := bob.CreateRoomWith(patient(t), false, alice.user, carol.user)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []*user{alice, carol} {
		if _, err := bob.WaitMember(patient(t), room, u.user, event.MembershipJoin); err != nil {
			t.Fatal(err)
		}
	}
	group := bridge.RoomChat(bridge.RemoteID(room))
	alice.sayTo("42", "from alice", group)
	carol.sayTo("42", "from carol", group)
	for _, u := range []*user{alice, carol} {
		text := "from " + strings.ToLower(strings.TrimPrefix(u.name, "The "))
		if _, err := bob.WaitText(patient(t), u.user, text); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bob.Say(patient(t), room, "hello both"); err != nil {
		t.Fatal(err)
	}
	for _, u := range []*user{alice, carol} {
		got := u.awaitText("hello both")
		if got.Chat != group || got.From.ID != bridge.RemoteID(bob.UserID) {
			t.Errorf("%s got %+v", u.owner, got)
		}
		if stored := u.room(g, bob.UserID); stored != "" {
			t.Errorf("a room of three was stored as the direct chat of %s", u.owner)
		}
	}
}

func TestRoomOfTwoThatIsNotDirectBecomesOne(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room, err := bob.CreateRoomWith(patient(t), false, alice.user)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), room, "just us"); err != nil {
		t.Fatal(err)
	}
	if got := alice.awaitText("just us"); got.Chat.Contact != bridge.RemoteID(bob.UserID) {
		t.Errorf("got %+v", got)
	}
	if stored := alice.room(g, bob.UserID); stored != room {
		t.Errorf("the stored room is %q", stored)
	}
}

func TestSixtyMessagesKeepTheirOrder(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	var want []string
	for i := range 60 {
		sent, err := bob.Say(patient(t), room, fmt.Sprintf("line %d", i))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(sent))
	}
	alice.awaitText("line 59")
	if got := alice.messages(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for i := range 60 {
		alice.say(fmt.Sprint("n", i), fmt.Sprintf("answer %d", i), bob.UserID)
	}
	for i := range 60 {
		evt, err := bob.Wait(patient(t), "an answer", func(evt *event.Event) bool {
			return evt.Type == event.EventMessage && strings.HasPrefix(evt.Content.AsMessage().Body, "answer")
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := evt.Content.AsMessage().Body; got != fmt.Sprintf("answer %d", i) {
			t.Fatalf("answer %d is %q", i, got)
		}
	}
}

func TestTypingBothWays(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	alice.show(bridge.Presence{Show: bridge.Available})
	chat := bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}
	for _, typing := range []bool{true, false} {
		if _, err := bob.UserTyping(patient(t), room, typing, patience); err != nil {
			t.Fatal(err)
		}
		await(alice, fmt.Sprint("typing ", typing), func(s bridge.TypingSeen) bool {
			return s.Typing == typing && s.Chat == chat && s.From.ID == chat.Contact
		})
	}
	for _, typing := range []bool{true, false} {
		bob.Forget()
		if err := alice.Typing(patient(t), chat, typing); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Wait(patient(t), "typing", func(evt *event.Event) bool {
			content, ok := evt.Content.Parsed.(*event.TypingEventContent)
			return ok && evt.RoomID == room && slices.Contains(content.UserIDs, alice.user) == typing
		}); err != nil {
			t.Fatal(err)
		}
	}
	nobody := bridge.Chat{Contact: "@nobody:hs.test"}
	if err := alice.Typing(patient(t), nobody, true); err != nil {
		t.Errorf("typing to somebody without a room: %v", err)
	}
}

func TestNamesOfContacts(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	talking(t, alice, bob)
	if err := bob.SetDisplayName(patient(t), "Robert"); err != nil {
		t.Fatal(err)
	}
	await(alice, "the new name", func(r bridge.ContactRenamed) bool {
		return r.Contact == bridge.Contact{ID: bridge.RemoteID(bob.UserID), Name: "Robert"}
	})
	found, err := alice.Lookup(patient(t), bridge.RemoteID(bob.UserID))
	if err != nil || found.Name != "Robert" {
		t.Errorf("looked up %+v, %v", found, err)
	}
}

// talking makes the room of alice and somebody, and returns it with both in.
func talking(t *testing.T, alice *user, bob *matrixtest.Person) id.RoomID {
	t.Helper()
	alice.say("hi"+string(bob.UserID), "hi", bob.UserID)
	invite, err := bob.WaitInvite(patient(t), alice.account.user)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.Join(patient(t), invite.RoomID); err != nil {
		t.Fatal(err)
	}
	return invite.RoomID
}
