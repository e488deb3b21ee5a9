package matrix

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
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

// TestPersonCatchesUp: what came while the MSN user was away comes at the next
// sign-in, all of it, in the order of each room, once, with its own time.
func TestPersonCatchesUp(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob, carol := shared.person(t, "bob"), shared.person(t, "carol")
		alice := g.link(kind, "alice")
		room, quiet := alice.chatting(bob), alice.chatting(carol)
		say := func(who *matrixtest.Person, room id.RoomID, text string) {
			t.Helper()
			if _, err := who.Say(patient(t), room, text); err != nil {
				t.Fatal(err)
			}
		}
		say(bob, room, "before the first sign-in")
		alice.signIn(bridge.Available)
		say(bob, room, "while there")
		alice.awaitText("while there")
		alice.shows(bridge.Offline)

		before := time.Now().Add(-time.Minute)
		var want []string
		for i := range 200 {
			text := fmt.Sprintf("missed %d", i)
			want = append(want, text)
			say(bob, room, text)
			if i == 100 {
				say(carol, quiet, "in between")
				say(alice.other, room, "own, elsewhere")
			}
		}
		alice.signIn(bridge.Available)
		last := alice.awaitText("missed 199")
		if last.Sent.Before(before) || last.Sent.After(time.Now().Add(time.Minute)) {
			t.Errorf("sent at %v", last.Sent)
		}
		got := alice.texts(func(m bridge.MessageReceived) bool { return strings.HasPrefix(m.Text, "missed") })
		if !slices.Equal(got, want) {
			t.Errorf("got %d messages: %v", len(got), got)
		}
		await(alice.user, "that much follows", func(c bridge.CatchingUp) bool { return !c.Done })
		await(alice.user, "that all is there", func(c bridge.CatchingUp) bool { return c.Done })
		all := alice.texts(func(m bridge.MessageReceived) bool { return m.Text != "while there" })
		if i := slices.Index(all, "in between"); i < 90 || i > 110 {
			t.Errorf("what carol said in between is number %d of %d", i, len(all))
		}
		if slices.Contains(all, "before the first sign-in") {
			t.Error("the past before the first sign-in was told")
		}
		if n := len(alice.texts(func(m bridge.MessageReceived) bool { return m.Own && m.Text == "own, elsewhere" })); n != 1 {
			t.Errorf("what alice wrote elsewhere came %d times", n)
		}
	})
}

// TestPersonHearsOfChanges: the contact list follows what other clients do.
func TestPersonHearsOfChanges(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob, carol := shared.person(t, "bob"), shared.person(t, "carol")
		alice := g.link(kind, "alice")
		room := alice.chatting(bob)
		alice.signIn(bridge.Available)

		with := alice.chatting(carol)
		added := await(alice.user, "carol on the list", func(e bridge.RosterChanged) bool {
			return e.Entry.Contact.ID == bridge.RemoteID(carol.UserID) && e.Entry.Watches && !e.Removed
		})
		if added.Entry.Contact.Room || added.Entry.Unlisted {
			t.Errorf("carol: %+v", added)
		}
		if err := carol.SetDisplayName(patient(t), "Carol the Great"); err != nil {
			t.Fatal(err)
		}
		await(alice.user, "carol's new name", func(e bridge.ContactRenamed) bool {
			return e.Contact == bridge.Contact{ID: bridge.RemoteID(carol.UserID), Name: "Carol the Great"}
		})
		if _, err := alice.other.LeaveRoom(patient(t), with); err != nil {
			t.Fatal(err)
		}
		await(alice.user, "carol's removal", func(e bridge.RosterChanged) bool {
			return e.Entry.Contact.ID == bridge.RemoteID(carol.UserID) && e.Removed
		})

		club := alice.room("The Club", bob, carol)
		joined := await(alice.user, "the club on the list", func(e bridge.RosterChanged) bool {
			return e.Entry.Contact.ID == bridge.RemoteID(club)
		})
		if !joined.Entry.Contact.Room || joined.Entry.Contact.Name != "The Club" {
			t.Errorf("the club: %+v", joined)
		}
		if _, err := carol.Say(patient(t), club, "hello club"); err != nil {
			t.Fatal(err)
		}
		if m := alice.awaitText("hello club"); m.Chat != bridge.RoomChat(bridge.RemoteID(club)) || m.From.Name != "Carol the Great" {
			t.Errorf("in the club: %+v", m)
		}
		alice.says("to-club", "hello carol", bridge.RoomChat(bridge.RemoteID(club)))
		if _, err := carol.WaitText(patient(t), alice.other.UserID, "hello carol"); err != nil {
			t.Fatal(err)
		}
		if _, err := carol.LeaveRoom(patient(t), club); err != nil {
			t.Fatal(err)
		}
		await(alice.user, "carol's leaving the club", func(e bridge.SpeakerLeft) bool {
			return e.Who.ID == bridge.RemoteID(carol.UserID) && e.Chat == bridge.RoomChat(bridge.RemoteID(club))
		})

		// What changed while nobody was signed in is in the list of the next time.
		alice.shows(bridge.Offline)
		if _, err := bob.LeaveRoom(patient(t), room); err != nil {
			t.Fatal(err)
		}
		// Dendrite answers before its syncs know.
		if _, err := alice.other.WaitMember(patient(t), room, bob.UserID, event.MembershipLeave); err != nil {
			t.Fatal(err)
		}
		roster := alice.signIn(bridge.Available)
		if _, there := entryOf(roster.Entries, bridge.RemoteID(bob.UserID)); there {
			t.Errorf("bob has left and is still on the list: %+v", roster.Entries)
		}
		if _, there := entryOf(roster.Entries, bridge.RemoteID(club)); !there {
			t.Errorf("the club is not on the list: %+v", roster.Entries)
		}
	})
}

// TestPersonIsInvited: an invite waits for the user's answer.
func TestPersonIsInvited(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob, carol := shared.person(t, "bob"), shared.person(t, "carol")
		alice := g.link(kind, "alice")
		alice.signIn(bridge.Available)

		room, err := bob.CreateDM(patient(t), alice.other.UserID)
		if err != nil {
			t.Fatal(err)
		}
		asked := await(alice.user, "bob's request", func(e bridge.ContactRequested) bool { return true })
		if asked.From.ID != bridge.RemoteID(bob.UserID) || asked.From.Room || asked.From.Name == "" {
			t.Errorf("request: %+v", asked)
		}
		if _, err := bob.Say(patient(t), room, "said before the answer"); err != nil {
			t.Fatal(err)
		}
		for i := range timelineLimit { // more than a poll brings
			if _, err := bob.Say(patient(t), room, fmt.Sprint("and ", i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := alice.person.Allow(patient(t), bridge.RemoteID(bob.UserID)); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.WaitMember(patient(t), room, alice.other.UserID, event.MembershipJoin); err != nil {
			t.Fatal(err)
		}
		await(alice.user, "bob on the list", func(e bridge.RosterChanged) bool {
			return e.Entry.Contact.ID == bridge.RemoteID(bob.UserID) && e.Entry.Watches && !e.Removed
		})
		alice.awaitText("said before the answer")
		direct := make(event.DirectChatsEventContent)
		if err := alice.other.GetAccountData(patient(t), event.AccountDataDirectChats.Type, &direct); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(direct[bob.UserID], room) {
			t.Errorf("the list of direct chats is %v, want %s on it", direct, room)
		}

		declined, err := carol.CreateDM(patient(t), alice.other.UserID)
		if err != nil {
			t.Fatal(err)
		}
		await(alice.user, "carol's request", func(e bridge.ContactRequested) bool { return e.From.ID == bridge.RemoteID(carol.UserID) })
		if err := alice.person.Block(patient(t), bridge.RemoteID(carol.UserID)); err != nil {
			t.Fatal(err)
		}
		if _, err := carol.WaitMember(patient(t), declined, alice.other.UserID, event.MembershipLeave); err != nil {
			t.Fatal(err)
		}

		club, err := bob.CreateRoom(patient(t), &mautrix.ReqCreateRoom{Preset: "private_chat", Name: "Book club", Invite: []id.UserID{alice.other.UserID}})
		if err != nil {
			t.Fatal(err)
		}
		asked = await(alice.user, "the invite to the club", func(e bridge.ContactRequested) bool { return e.From.Room })
		if asked.From.ID != bridge.RemoteID(club.RoomID) || asked.From.Name != "Book club" || !strings.Contains(asked.Note, "an invite from") {
			t.Errorf("invite: %+v", asked)
		}
		if err := alice.person.Allow(patient(t), bridge.RemoteID(club.RoomID)); err != nil {
			t.Fatal(err)
		}
		await(alice.user, "the club on the list", func(e bridge.RosterChanged) bool {
			return e.Entry.Contact.ID == bridge.RemoteID(club.RoomID) && e.Entry.Contact.Room
		})
	})
}

// TestPersonRemembersInvites: the answer may come in another session, of another
// process.
func TestPersonRemembersInvites(t *testing.T) {
	memory := newMemory()
	g := shared.gateway(t, func(o *Options) { o.Memory = memory })
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	alice.signIn(bridge.Available)
	room, err := bob.CreateDM(patient(t), alice.other.UserID)
	if err != nil {
		t.Fatal(err)
	}
	await(alice.user, "bob's request", func(e bridge.ContactRequested) bool { return true })
	alice.shows(bridge.Offline)
	if err := alice.person.Close(); err != nil {
		t.Fatal(err)
	}
	again := shared.gateway(t, func(o *Options) { o.Memory = memory }).openOwn(alice.login, alice.other)
	again.signIn(bridge.Available)
	if err := again.person.Allow(patient(t), bridge.RemoteID(bob.UserID)); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.other.UserID, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
}

// TestPersonIgnores: the block list goes both ways.
func TestPersonIgnores(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob := shared.person(t, "bob")
		alice := g.link(kind, "alice")
		alice.chatting(bob)
		ignore := func(users map[id.UserID]event.IgnoredUser) {
			t.Helper()
			err := alice.other.SetAccountData(patient(t), event.AccountDataIgnoredUserList.Type, &event.IgnoredUserListEventContent{IgnoredUsers: users})
			if err != nil {
				t.Fatal(err)
			}
		}
		bobID := bridge.RemoteID(bob.UserID)
		ignore(map[id.UserID]event.IgnoredUser{bob.UserID: {}})
		alice.signIn(bridge.Available)
		list := await(alice.user, "the block list", func(bridge.BlockListReceived) bool { return true })
		if !slices.Equal(list.Blocked, []bridge.RemoteID{bobID}) {
			t.Errorf("blocked: %v", list.Blocked)
		}
		ignore(nil)
		await(alice.user, "bob to be let in again", func(e bridge.BlockChanged) bool { return e.Contact == bobID && !e.Blocked })
		ignore(map[id.UserID]event.IgnoredUser{bob.UserID: {}})
		await(alice.user, "bob to be blocked elsewhere", func(e bridge.BlockChanged) bool { return e.Contact == bobID && e.Blocked })

		if err := alice.person.Allow(patient(t), bobID); err != nil {
			t.Fatal(err)
		}
		read := func() map[id.UserID]event.IgnoredUser {
			t.Helper()
			var content event.IgnoredUserListEventContent
			if err := alice.other.GetAccountData(patient(t), event.AccountDataIgnoredUserList.Type, &content); err != nil {
				t.Fatal(err)
			}
			return content.IgnoredUsers
		}
		if _, there := read()[bob.UserID]; there {
			t.Error("bob is ignored after Allow")
		}
		if err := alice.person.Block(patient(t), bobID); err != nil {
			t.Fatal(err)
		}
		if _, there := read()[bob.UserID]; !there {
			t.Error("bob is not ignored after Block")
		}
	})
}

// TestPersonTakesContactsUpAndOff: who is added on MSN is a contact before there is
// a room, and who is taken off stays off, with the room as it was.
func TestPersonTakesContactsUpAndOff(t *testing.T) {
	g := shared.gateway(t)
	bob, carol := shared.person(t, "bob"), shared.person(t, "carol")
	alice := g.link(KindLogin, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	carolID, bobID := bridge.RemoteID(carol.UserID), bridge.RemoteID(bob.UserID)
	if err := alice.person.Follow(patient(t), bridge.Contact{ID: carolID, Name: "Carol"}); err != nil {
		t.Fatal(err)
	}
	if err := alice.person.Unfollow(patient(t), bobID); err != nil {
		t.Fatal(err)
	}
	alice.shows(bridge.Offline)
	roster := alice.signIn(bridge.Available)
	if e, there := entryOf(roster.Entries, carolID); !there || e.Unlisted {
		t.Errorf("carol was taken up; the list is %+v", roster.Entries)
	}
	if e, there := entryOf(roster.Entries, bobID); there && !e.Unlisted {
		t.Errorf("bob was taken off; the list is %+v", roster.Entries)
	}
	alice.says("first", "hello carol", bridge.Chat{Contact: carolID})
	invite, err := carol.WaitInvite(patient(t), alice.other.UserID)
	if err != nil {
		t.Fatal(err)
	}
	direct := make(event.DirectChatsEventContent)
	if err := alice.other.GetAccountData(patient(t), event.AccountDataDirectChats.Type, &direct); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(direct[carol.UserID], invite.RoomID) {
		t.Errorf("the list of direct chats is %v, want %s on it", direct, invite.RoomID)
	}
	if _, err := bob.Say(patient(t), room, "still here"); err != nil {
		t.Fatal(err)
	}
	alice.awaitText("still here")
}

// TestPersonEchoes: what goes out comes back as the user's own with the id of the
// order, once, whichever way is faster.
func TestPersonEchoes(t *testing.T) {
	g := shared.gateway(t)
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	alice.chatting(bob)
	alice.signIn(bridge.Available)
	chat := bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}
	for i := range 50 {
		id := fmt.Sprintf("order-%d", i)
		alice.says(id, "line "+id, chat)
		alice.says(id, "line "+id, chat) // tried again after a lost answer
	}
	if _, err := bob.WaitText(patient(t), alice.other.UserID, "line order-49"); err != nil {
		t.Fatal(err)
	}
	if m := alice.awaitText("line order-49"); m.ID != "order-49" || !m.Own {
		t.Errorf("echo: %+v", m)
	}
	echoes := alice.texts(func(m bridge.MessageReceived) bool { return m.Own })
	if len(echoes) != 50 {
		t.Errorf("%d echoes of 50 messages: %v", len(echoes), echoes)
	}
	if n := len(alice.texts(func(m bridge.MessageReceived) bool { return !m.Own || m.ID != strings.TrimPrefix(m.Text, "line ") })); n != 0 {
		t.Errorf("%d messages were not known as echoes", n)
	}
}

// TestPersonKeepsEncryptedRoomsClosed: no plain text goes into an encrypted room, also
// when nothing is known of the room.
func TestPersonKeepsEncryptedRoomsClosed(t *testing.T) {
	g := shared.gateway(t)
	bob := shared.person(t, "bob")
	alice := g.link(KindLogin, "alice")
	room := alice.chatting(bob)
	if _, err := alice.other.SendStateEvent(patient(t), room, event.StateEncryption, "", &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}); err != nil {
		t.Fatal(err)
	}
	chat := bridge.RoomChat(bridge.RemoteID(room))
	alice.says("before the first session", "in confidence", chat)
	alice.signIn(bridge.Available)
	alice.says("in a session", "in confidence", bridge.Chat{Contact: bridge.RemoteID(bob.UserID)})
	// What is in the room is asked of a client: for a moment the homeserver may have
	// taken a message and not list it yet.
	for range 2 {
		if _, err := bob.Wait(patient(t), "two sealed messages", func(evt *event.Event) bool {
			if evt.RoomID == room && evt.Type == event.EventMessage {
				t.Errorf("a message went into the room: %s", evt.ID)
			}
			return evt.RoomID == room && evt.Type.Type == event.EventEncrypted.Type
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRoomThatIsEncryptedUnseen: a room that is encrypted while the account is told of
// nothing gets no plain text from what waited to be sent.
func TestRoomThatIsEncryptedUnseen(t *testing.T) {
	g := shared.gateway(t)
	bob := shared.person(t, "bob")
	alice := g.link(KindLogin, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	chat := bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}
	alice.says("plain", "everybody may read this", chat)
	alice.shows(bridge.Offline)
	if _, err := alice.other.SendStateEvent(patient(t), room, event.StateEncryption, "", &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}); err != nil {
		t.Fatal(err)
	}
	alice.says("sealed", "in confidence", chat)
	if _, err := bob.Wait(patient(t), "the sealed message", func(evt *event.Event) bool {
		if evt.Type == event.EventMessage && evt.Content.AsMessage().Body == "in confidence" {
			t.Error("it went in the clear")
			return true
		}
		return evt.RoomID == room && evt.Type.Type == event.EventEncrypted.Type
	}); err != nil {
		t.Fatal(err)
	}
}

// TestPersonAnswersWithoutASession: orders that were left over are carried out by a
// process that has not seen the user sign in.
func TestPersonAnswersWithoutASession(t *testing.T) {
	memory, chats := newMemory(), newMemoryChats()
	keep := func(o *Options) { o.Memory, o.Chats = memory, chats }
	g := shared.gateway(t, keep)
	bob, carol := shared.person(t, "bob"), shared.person(t, "carol")
	alice := g.link(KindLogin, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	invited, err := carol.CreateDM(patient(t), alice.other.UserID)
	if err != nil {
		t.Fatal(err)
	}
	await(alice.user, "carol's request", func(e bridge.ContactRequested) bool { return true })
	alice.shows(bridge.Offline)
	if err := alice.person.Close(); err != nil {
		t.Fatal(err)
	}
	again := shared.gateway(t, keep).openOwn(alice.login, alice.other)
	if err := again.person.Block(patient(t), bridge.RemoteID(carol.UserID)); err != nil {
		t.Fatal(err)
	}
	if _, err := carol.WaitMember(patient(t), invited, alice.other.UserID, event.MembershipLeave); err != nil {
		t.Fatal(err)
	}
	again.says("left-over", "left over", bridge.Chat{Contact: bridge.RemoteID(bob.UserID)})
	evt, err := bob.WaitText(patient(t), alice.other.UserID, "left over")
	if err != nil {
		t.Fatal(err)
	}
	if evt.RoomID != room {
		t.Errorf("it went to %s, want %s", evt.RoomID, room)
	}
}
