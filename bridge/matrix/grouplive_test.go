package matrix

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// everyKind runs a test for a ghost and for a person of either kind.
func everyKind(t *testing.T, f func(t *testing.T, g *gateway, alice *user)) {
	t.Helper()
	t.Run(KindGhost, func(t *testing.T) {
		g := shared.gateway(t)
		f(t, g, g.user("alice"))
	})
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		alice := g.link(kind, "alice")
		alice.signIn(bridge.Available)
		f(t, g, alice.user)
	})
}

// remoteIDs are the ids of people.
func remoteIDs(people ...*matrixtest.Person) (ids []bridge.RemoteID) {
	for _, p := range people {
		ids = append(ids, bridge.RemoteID(p.UserID))
	}
	return ids
}

// joinsGroup waits for an invite from alice and accepts it.
func joinsGroup(t *testing.T, p *matrixtest.Person, alice *user, room bridge.RemoteID) {
	t.Helper()
	evt, err := p.WaitInvite(patient(t), alice.account.user)
	if err != nil {
		t.Fatal(err)
	}
	if evt.RoomID != id.RoomID(room) || evt.Content.AsMember().IsDirect {
		t.Errorf("%s was invited to %s, want a group in %s", p.UserID, evt.RoomID, room)
	}
	if err := p.Join(patient(t), evt.RoomID); err != nil {
		t.Fatal(err)
	}
}

// gathers makes a group of alice with people who come.
func gathers(t *testing.T, alice *user, key string, people ...*matrixtest.Person) bridge.Contact {
	t.Helper()
	room, err := alice.Gather(patient(t), key, remoteIDs(people...))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range people {
		joinsGroup(t, p, alice, room.ID)
	}
	return room
}

func TestGatherMakesAPrivateRoom(t *testing.T) {
	everyKind(t, func(t *testing.T, g *gateway, alice *user) {
		bob, dave, erin := shared.person(t, "bob"), shared.person(t, "dave"), shared.person(t, "erin")
		room := gathers(t, alice, "papillon-key", bob, dave)
		if !room.Room || !strings.Contains(room.Name, bob.UserID.Localpart()) {
			t.Errorf("the room is %+v", room)
		}
		again, err := alice.Gather(patient(t), "papillon-key", remoteIDs(bob, dave))
		if err != nil || again.ID != room.ID {
			t.Errorf("a second call gave %+v, %v", again, err)
		}
		alice.sayTo("g-1", "hello both", bridge.Chat{Group: "papillon-key"})
		for _, p := range []*matrixtest.Person{bob, dave} {
			if evt, err := p.WaitText(patient(t), alice.account.user, "hello both"); err != nil || evt.RoomID != id.RoomID(room.ID) {
				t.Fatalf("%v, %v", evt, err)
			}
		}
		if _, err := bob.Say(patient(t), id.RoomID(room.ID), "hello alice and dave"); err != nil {
			t.Fatal(err)
		}
		got := alice.awaitText("hello alice and dave")
		if got.Chat != bridge.RoomChat(room.ID) || got.From.ID != bridge.RemoteID(bob.UserID) || got.From.Name == "" {
			t.Errorf("got %+v", got)
		}
		if err := alice.Invite(patient(t), "papillon-key", bridge.RemoteID(erin.UserID)); err != nil {
			t.Fatal(err)
		}
		joinsGroup(t, erin, alice, room.ID)
		if err := alice.Invite(patient(t), string(room.ID), bridge.RemoteID(erin.UserID)); err != nil {
			t.Error("a second invite:", err)
		}
		for _, p := range []*matrixtest.Person{erin, dave} { // down to two it is still a room
			if _, err := p.LeaveRoom(patient(t), id.RoomID(room.ID)); err != nil {
				t.Fatal(err)
			}
			await(alice, "that somebody left", func(l bridge.SpeakerLeft) bool {
				return l.Who.ID == bridge.RemoteID(p.UserID) && l.Chat == bridge.RoomChat(room.ID)
			})
		}
		if _, err := bob.Say(patient(t), id.RoomID(room.ID), "just us now"); err != nil {
			t.Fatal(err)
		}
		if got := alice.awaitText("just us now"); got.Chat != bridge.RoomChat(room.ID) {
			t.Errorf("got %+v", got)
		}
		if err := alice.Leave(patient(t), room.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.WaitMember(patient(t), id.RoomID(room.ID), alice.account.user, event.MembershipLeave); err != nil {
			t.Fatal(err)
		}
		err = alice.Send(patient(t), bridge.Outgoing{ID: "g-2", Chat: bridge.Chat{Group: "papillon-key"}, Text: "anyone?"})
		if !isRefused(err) {
			t.Errorf("a message to the room that was left: %v", err)
		}
	})
}

// A crash between making the room and remembering it leaves no second room.
func TestGatherFindsTheRoomOfACrash(t *testing.T) {
	everyKind(t, func(t *testing.T, g *gateway, alice *user) {
		bob, dave := shared.person(t, "bob"), shared.person(t, "dave")
		room := gathers(t, alice, "papillon-crash", bob, dave)
		if err := alice.rememberKey(patient(t), "papillon-crash", keyIsPending); err != nil {
			t.Fatal(err)
		}
		again, err := alice.Gather(patient(t), "papillon-crash", remoteIDs(bob, dave))
		if err != nil || again.ID != room.ID {
			t.Errorf("after the crash: %+v, %v, want %s", again, err, room.ID)
		}
		alice.sayTo("c-1", "still here", bridge.Chat{Group: "papillon-crash"})
		if evt, err := bob.WaitText(patient(t), alice.account.user, "still here"); err != nil || evt.RoomID != id.RoomID(room.ID) {
			t.Errorf("%v, %v", evt, err)
		}
	})
}

// Who cannot be invited does not keep the others from coming.
func TestGatherWithSomebodyWhoDoesNotExist(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	people := append(remoteIDs(bob), "@msn_ghost:hs.test")
	room, err := alice.Gather(patient(t), "papillon-some", people)
	if err != nil {
		t.Fatal(err)
	}
	joinsGroup(t, bob, alice, room.ID)
	await(alice, "a word about who cannot come", func(s bridge.NetworkSays) bool { return strings.Contains(s.Text, "@msn_ghost:hs.test") })
	if _, err := alice.Gather(patient(t), "papillon-none", people[1:]); !isRefused(err) {
		t.Errorf("a room of nobody: %v", err)
	}
}

func TestJoinByAddressRenameAndLeave(t *testing.T) {
	everyKind(t, func(t *testing.T, g *gateway, alice *user) {
		bob := shared.person(t, "bob")
		local := "lunch-" + bob.UserID.Localpart()
		made, err := bob.CreateRoom(patient(t), &mautrix.ReqCreateRoom{
			Preset: "public_chat", Visibility: "public", RoomAliasName: local, Name: "Lunch at Bob's",
		})
		if err != nil {
			t.Fatal(err)
		}
		address, ok := g.ParseContact("#" + local + ":hs.test")
		if !ok {
			t.Fatal("the address of a room is none")
		}
		found, err := alice.Lookup(patient(t), address)
		if err != nil || found.ID != bridge.RemoteID(made.RoomID) || !found.Room {
			t.Errorf("looked up %+v, %v", found, err)
		}
		for range 2 {
			room, err := alice.Join(patient(t), address)
			if want := (bridge.Contact{ID: bridge.RemoteID(made.RoomID), Name: "Lunch at Bob's", Room: true}); err != nil || room != want {
				t.Fatalf("joined %+v, %v, want %+v", room, err, want)
			}
		}
		awaitRooms(t, alice, bridge.RemoteID(made.RoomID))
		if _, err := bob.Say(patient(t), made.RoomID, "soup today"); err != nil {
			t.Fatal(err)
		}
		if got := alice.awaitText("soup today"); got.Chat != bridge.RoomChat(bridge.RemoteID(made.RoomID)) {
			t.Errorf("got %+v", got)
		}
		if _, err := bob.SendStateEvent(patient(t), made.RoomID, event.StateRoomName, "", &event.RoomNameEventContent{Name: "Dinner"}); err != nil {
			t.Fatal(err)
		}
		await(alice, "the new name", func(r bridge.ContactRenamed) bool {
			return r.Contact.ID == bridge.RemoteID(made.RoomID) && r.Contact.Name == "Dinner" && r.Contact.Room
		})
		if err := alice.Leave(patient(t), bridge.RemoteID(made.RoomID)); err != nil {
			t.Fatal(err)
		}
		awaitRooms(t, alice)
		if _, err := alice.Join(patient(t), "#nowhere:hs.test"); !errors.Is(err, bridge.ErrNoSuchContact) {
			t.Errorf("joined nowhere: %v", err)
		}
		for _, nothing := range []bridge.RemoteID{"!nothing:hs.test", "!nothing:127.0.0.1"} {
			if _, err := alice.Join(patient(t), nothing); err == nil || isRefused(err) ||
				!errors.Is(err, bridge.ErrNoSuchContact) && !strings.Contains(err.Error(), "is the address right") {
				t.Errorf("joined %s: %v", nothing, err)
			}
		}
		closed, err := bob.CreateRoomWith(patient(t), false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := alice.Join(patient(t), bridge.RemoteID(closed)); !isRefused(err) {
			t.Errorf("joined a private room: %v", err)
		}
	})
}

// awaitRooms waits until alice is in these rooms and no others.
func awaitRooms(t *testing.T, alice *user, want ...bridge.RemoteID) {
	t.Helper()
	// A person's rooms come with the next poll; every try is a request.
	for ctx := patient(t); ; {
		rooms, err := alice.Rooms(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got []bridge.RemoteID
		for _, r := range rooms {
			if !r.Room || r.Name == "" {
				t.Fatalf("a room is %+v", r)
			}
			got = append(got, r.ID)
		}
		if slices.Equal(got, want) {
			return
		}
		if _, err := alice.joinedRooms(ctx); err != nil {
			t.Fatalf("rooms %v, want %v: %v", got, want, err)
		}
	}
}

func TestGhostIsInvitedToARoom(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	invite := func(name string) id.RoomID {
		t.Helper()
		resp, err := bob.CreateRoom(patient(t), &mautrix.ReqCreateRoom{Preset: "private_chat", Name: name, Invite: []id.UserID{alice.account.user}})
		if err != nil {
			t.Fatal(err)
		}
		return resp.RoomID
	}
	room := invite("Book club")
	request := await(alice, "a request", func(bridge.ContactRequested) bool { return true })
	if request.From != (bridge.Contact{ID: bridge.RemoteID(room), Name: "Book club", Room: true}) || !strings.Contains(request.Note, "invite from") {
		t.Errorf("the request is %+v", request)
	}
	if _, err := bob.WaitMember(patient(t), room, alice.account.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), room, "welcome"); err != nil {
		t.Fatal(err)
	}
	if got := alice.awaitText("welcome"); got.Chat != bridge.RoomChat(bridge.RemoteID(room)) {
		t.Errorf("got %+v", got)
	}
	if _, err := bob.KickUser(patient(t), room, &mautrix.ReqKickUser{UserID: alice.account.user, Reason: "enough"}); err != nil {
		t.Fatal(err)
	}
	await(alice, "that she was taken out", func(s bridge.NetworkSays) bool {
		return strings.Contains(s.Text, "Book club") && strings.Contains(s.Text, "enough")
	})

	// Who is blocked does not come by way of a room either.
	if err := alice.Block(patient(t), bridge.RemoteID(bob.UserID)); err != nil {
		t.Fatal(err)
	}
	if room = invite("Another club"); true {
		if _, err := bob.WaitMember(patient(t), room, alice.account.user, event.MembershipLeave); err != nil {
			t.Fatal(err)
		}
	}
	if err := alice.Allow(patient(t), bridge.RemoteID(bob.UserID)); err != nil {
		t.Fatal(err)
	}
	alice.answering(func(e bridge.Event) error {
		if _, ok := e.(bridge.ContactRequested); ok {
			return bridge.ErrUnwelcome
		}
		return nil
	})
	room = invite("A third club")
	if _, err := bob.WaitMember(patient(t), room, alice.account.user, event.MembershipLeave); err != nil {
		t.Fatal(err)
	}
}

func TestRoomsWithoutANameAreCalledAfterTheirMembers(t *testing.T) {
	g := shared.gateway(t)
	alice, bob, dave := g.user("alice"), shared.person(t, "bob"), shared.person(t, "dave")
	for p, name := range map[*matrixtest.Person]string{bob: "Bob B.", dave: "Dave D."} {
		if err := p.SetDisplayName(patient(t), name); err != nil {
			t.Fatal(err)
		}
	}
	room, err := bob.CreateRoomWith(patient(t), false, alice.account.user, dave.UserID)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []id.UserID{alice.account.user, dave.UserID} {
		if u == dave.UserID {
			if err := dave.Join(patient(t), room); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := bob.WaitMember(patient(t), room, u, event.MembershipJoin); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := bob.Say(patient(t), room, "hello both"); err != nil {
		t.Fatal(err)
	}
	alice.awaitText("hello both")
	await(alice, "a name made of the members'", func(r bridge.ContactRenamed) bool {
		return r.Contact == bridge.Contact{ID: bridge.RemoteID(room), Name: "Bob B., Dave D.", Room: true}
	})
	if _, err := dave.LeaveRoom(patient(t), room); err != nil {
		t.Fatal(err)
	}
	await(alice, "a shorter name", func(r bridge.ContactRenamed) bool {
		return r.Contact == bridge.Contact{ID: bridge.RemoteID(room), Name: "Bob B.", Room: true}
	})
}

func TestPeopleOfOneNameAreToldApart(t *testing.T) {
	g := shared.gateway(t)
	alice, bob, other := g.user("alice"), shared.person(t, "bob"), shared.person(t, "bob")
	for _, p := range []*matrixtest.Person{bob, other} {
		if err := p.SetDisplayName(patient(t), "Bob"); err != nil {
			t.Fatal(err)
		}
	}
	room := gathers(t, alice, "papillon-bobs", bob, other)
	for _, p := range []*matrixtest.Person{bob, other} {
		if _, err := p.Say(patient(t), id.RoomID(room.ID), "I am "+string(p.UserID)); err != nil {
			t.Fatal(err)
		}
		got := alice.awaitText("I am " + string(p.UserID))
		if want := "Bob (" + string(p.UserID) + ")"; got.From.Name != want {
			t.Errorf("he is called %q, want %q", got.From.Name, want)
		}
	}
}

// asked counts requests by what they ask for.
type asked struct {
	mu       sync.Mutex
	requests []string
}

func (c *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.requests = append(c.requests, r.Method+" "+r.URL.Path)
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// about returns the requests about a room.
func (c *asked) about(room id.RoomID) (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.requests {
		if strings.Contains(r, string(room)) {
			all = append(all, strings.ReplaceAll(r, string(room), "ROOM"))
		}
	}
	return all
}

// TestLargeRoomCostsItsSpeakers: of a room of hundreds nothing is asked for and kept
// but who speaks.
func TestLargeRoomCostsItsSpeakers(t *testing.T) {
	const silent, lines = 200, 20
	bob, dave := shared.person(t, "bob"), shared.person(t, "dave")
	made, err := bob.CreateRoom(patient(t), &mautrix.ReqCreateRoom{Preset: "public_chat", RoomAliasName: "crowd-" + bob.UserID.Localpart(), Name: "The crowd"})
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Fill(patient(t), made.RoomID, "silent", silent); err != nil {
		t.Fatal(err)
	}
	if err := dave.Join(patient(t), made.RoomID); err != nil {
		t.Fatal(err)
	}
	count := &asked{}
	g := shared.gateway(t, func(o *Options) { o.HTTPClient = &http.Client{Transport: count} })
	alice := g.user("alice")
	if _, err := alice.Join(patient(t), bridge.RemoteID("#crowd-"+bob.UserID.Localpart()+":hs.test")); err != nil {
		t.Fatal(err)
	}
	for range lines {
		for _, p := range []*matrixtest.Person{bob, dave} {
			if _, err := p.Say(patient(t), made.RoomID, "hello everybody"); err != nil {
				t.Fatal(err)
			}
			if got := alice.awaitText("hello everybody"); got.From.ID != bridge.RemoteID(p.UserID) || got.From.Name == "" || got.Chat != bridge.RoomChat(bridge.RemoteID(made.RoomID)) {
				t.Fatalf("got %+v", got)
			}
		}
	}
	if err := shared.Fill(patient(t), made.RoomID, "late", 3); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), made.RoomID, "more of you"); err != nil {
		t.Fatal(err)
	}
	alice.awaitText("more of you")
	requests := count.about(made.RoomID)
	for _, r := range requests {
		if strings.Contains(r, "members") || strings.HasSuffix(r, "/state") {
			t.Errorf("the members were asked for: %s", r)
		}
	}
	if len(requests) > 8 {
		t.Errorf("%d requests for %d lines of two people: %q", len(requests), 2*lines, requests)
	}
	kept, err := g.state.GetRoomMembers(t.Context(), made.RoomID)
	if err != nil || len(kept) > 4 {
		t.Errorf("%d members are kept, %v; want those who spoke and alice", len(kept), err)
	}
	t.Logf("%d requests about the room, %d members kept of %d", len(requests), len(kept), silent+6)
}

// TestLargeRoomCostsAPersonItsSpeakers: the same of somebody who was in the room before,
// from the first poll on.
func TestLargeRoomCostsAPersonItsSpeakers(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		const silent, lines = 60, 10
		count := &asked{}
		g := shared.gateway(t, func(o *Options) { o.HTTPClient = &http.Client{Transport: count} })
		bob, dave := shared.person(t, "bob"), shared.person(t, "dave")
		alice := g.link(kind, "alice")
		room := makesRoom(t, bob, "public_chat", "The crowd")
		if err := shared.Fill(patient(t), room, "silent-"+bob.UserID.Localpart(), silent); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*matrixtest.Person{dave, alice.other} {
			if err := p.Join(patient(t), room); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := alice.other.WaitMember(patient(t), room, alice.other.UserID, event.MembershipJoin); err != nil {
			t.Fatal(err)
		}
		roster := alice.signIn(bridge.Available)
		if entry, ok := entryOf(roster.Entries, bridge.RemoteID(room)); !ok || entry.Contact.Name != "The crowd" {
			t.Errorf("the contact list is %+v", roster.Entries)
		}
		for range lines {
			for _, p := range []*matrixtest.Person{bob, dave} {
				say(t, p, room, "hello everybody")
				if got := alice.awaitText("hello everybody"); got.From.ID != bridge.RemoteID(p.UserID) || got.From.Name == "" {
					t.Fatalf("got %+v", got)
				}
			}
		}
		if requests := count.about(room); len(requests) > 4 {
			t.Errorf("%d requests for %d lines of two people: %q", len(requests), 2*lines, requests)
		}
		// Nor do those count who come in later, or whom the homeserver lists to who comes in
		// himself.
		if err := shared.Fill(patient(t), room, "late-"+bob.UserID.Localpart(), 3); err != nil {
			t.Fatal(err)
		}
		if _, err := alice.other.LeaveRoom(patient(t), room); err != nil {
			t.Fatal(err)
		}
		await(alice.user, "that the room was left", func(r bridge.RosterChanged) bool { return r.Removed && r.Entry.Contact.ID == bridge.RemoteID(room) })
		if err := alice.other.Join(patient(t), room); err != nil {
			t.Fatal(err)
		}
		await(alice.user, "that the room is back", func(r bridge.RosterChanged) bool { return !r.Removed && r.Entry.Contact.ID == bridge.RemoteID(room) })
		say(t, bob, room, "welcome back")
		if got := alice.awaitText("welcome back"); got.From.ID != bridge.RemoteID(bob.UserID) || got.From.Name == "" {
			t.Errorf("got %+v", got)
		}
		kept, err := alice.person.state.GetRoomMembers(t.Context(), room)
		if err != nil || len(kept) > 4 {
			t.Errorf("%d members are kept, %v; want those who spoke and alice", len(kept), err)
		}
		t.Logf("%d requests about the room, %d members kept of %d", len(count.about(room)), len(kept), silent+6)
	})
}

// TestGroupThatGrowsForgetsItsMembers: a small room that becomes a large one is
// treated as such from then on.
func TestGroupThatGrowsForgetsItsMembers(t *testing.T) {
	g := shared.gateway(t)
	alice, bob, dave := g.user("alice"), shared.person(t, "bob"), shared.person(t, "dave")
	made, err := bob.CreateRoom(patient(t), &mautrix.ReqCreateRoom{Preset: "public_chat", Invite: []id.UserID{alice.account.user, dave.UserID}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), made.RoomID, alice.account.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), made.RoomID, "few of us"); err != nil {
		t.Fatal(err)
	}
	alice.awaitText("few of us")
	if err := shared.Fill(patient(t), made.RoomID, "grow", 2*maxKept+4); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), made.RoomID, "many of us"); err != nil {
		t.Fatal(err)
	}
	if got := alice.awaitText("many of us"); got.Chat != bridge.RoomChat(bridge.RemoteID(made.RoomID)) || got.From.ID != bridge.RemoteID(bob.UserID) {
		t.Errorf("got %+v", got)
	}
	kept, err := g.state.GetRoomMembers(t.Context(), made.RoomID)
	if err != nil || len(kept) > 2*maxKept {
		t.Errorf("%d members are kept, %v", len(kept), err)
	}
	if _, ok := kept[alice.account.user]; !ok {
		t.Error("alice's own membership was forgotten")
	}
}
