package matrix

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

const eve = "@eve:hs.test"

// inviteTo is the event that invites somebody to a room.
func inviteTo(user, room, from string, direct bool) string {
	return fmt.Sprintf(`{"type":"m.room.member","room_id":%q,"event_id":"$%[1]s","sender":%[2]q,"state_key":%[3]q,
		"content":{"membership":"invite","is_direct":%[4]t},
		"unsigned":{"invite_room_state":[{"type":"m.room.name","state_key":"","sender":%[2]q,"content":{"name":"Spam"}}]}}`, room, from, user, direct)
}

// askedAbout returns what the user was asked about, and told.
func (r *recorder) askedAbout() (about []bridge.RemoteID, told []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, evt := range r.all {
		switch e := evt.(type) {
		case bridge.ContactRequested:
			about = append(about, e.From.ID)
		case bridge.NetworkSays:
			told = append(told, e.Text)
		}
	}
	return about, told
}

// Somebody who invites a ghost to room after room is asked about a few times, and again
// when these are answered.
func TestGhostIsInvitedTooOften(t *testing.T) {
	f := newFake()
	alice := f.open(t)
	take := func(room, from string) {
		t.Helper()
		raw := json.RawMessage(inviteTo(string(alice.account.user), room, from, false))
		if err := alice.network.take(t.Context(), &transaction{Events: []json.RawMessage{raw}}); err != nil {
			t.Fatal(err)
		}
	}
	room := func(i int) string { return fmt.Sprintf("!spam%d:hs.test", i) }
	for i := range 8 * maxInvites {
		take(room(i), eve)
	}
	await(alice, "a word about it", func(s bridge.NetworkSays) bool {
		return strings.Contains(s.Text, eve) && strings.Contains(s.Text, "are declined")
	})
	if about, told := alice.askedAbout(); len(about) != maxInvites || len(told) != 1 {
		t.Errorf("asked about %q, told %q", about, told)
	}
	if declined := len(f.made("POST", "/leave")); declined != 7*maxInvites {
		t.Errorf("%d invites are declined", declined)
	}
	take("!club:hs.test", bob)
	if err := alice.Allow(t.Context(), bridge.RemoteID(room(0))); err != nil {
		t.Fatal(err)
	}
	if err := alice.Block(t.Context(), bridge.RemoteID(room(1))); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		take(room(100+i), eve)
	}
	if about, _ := alice.askedAbout(); len(about) != maxInvites+3 || about[maxInvites] != "!club:hs.test" {
		t.Errorf("asked about %q", about)
	}
}

// Nor does the person's own list fill with what somebody calls direct chats, who may even
// be a friend; those invites stay as they are.
func TestPersonIsInvitedTooOften(t *testing.T) {
	for _, direct := range []bool{false, true} {
		t.Run(fmt.Sprint("direct ", direct), func(t *testing.T) {
			f := newFake()
			alice, polls := f.person(t, KindOwn)
			f.on("GET", "/account_data/m.direct", func(*http.Request) (int, string) {
				if puts := f.made("PUT", "/account_data/m.direct"); len(puts) > 0 {
					return http.StatusOK, puts[len(puts)-1].body
				}
				return http.StatusNotFound, `{"errcode":"M_NOT_FOUND"}`
			})
			alice.signIn(bridge.Available)
			var rooms []string
			for i := range 8 * maxInvites {
				room := fmt.Sprintf("!spam%d:hs.test", i)
				rooms = append(rooms, fmt.Sprintf(`%q:{"invite_state":{"events":[%s]}}`, room, inviteTo("@alice:hs.test", room, eve, direct)))
			}
			invites := func(rooms ...string) { polls.bring(`"invite":{` + strings.Join(rooms, ",") + `}`) }
			invites(rooms[:20]...)
			invites(rooms[20:]...)
			invites(fmt.Sprintf(`"!club:hs.test":{"invite_state":{"events":[%s]}}`, inviteTo("@alice:hs.test", "!club:hs.test", bob, false)))
			await(alice.user, "bob's request", func(r bridge.ContactRequested) bool { return r.From.ID == "!club:hs.test" })
			await(alice.user, "a word about it", func(s bridge.NetworkSays) bool { return strings.Contains(s.Text, "wait in your other Matrix clients") })
			about, told := alice.askedAbout()
			if len(about) != maxInvites+1 || len(told) != 1 || len(f.made("POST", "/leave")) != 0 {
				t.Errorf("asked about %q, told %q, declined %v", about, told, f.made("POST", "/leave"))
			}
			// Answered, they are rooms; somebody's direct chats count as long as they are there.
			for _, contact := range about[:maxInvites] {
				if err := alice.person.Allow(t.Context(), contact); err != nil {
					t.Fatal(err)
				}
			}
			if joined := len(f.made("POST", "/join")); joined != maxInvites {
				t.Errorf("%d rooms are joined", joined)
			}
			var entered []string
			for room := range alice.person.book.directWith(eve) {
				entered = append(entered, fmt.Sprintf(`%q:{"summary":{"m.joined_member_count":3},"state":{"events":[
					{"type":"m.room.create","state_key":"","sender":%q,"content":{}}]}}`, room, eve))
			}
			polls.bring(`"join":{` + strings.Join(entered, ",") + `}`)
			invites(rooms[39])
			invites(fmt.Sprintf(`"!tea:hs.test":{"invite_state":{"events":[%s]}}`, inviteTo("@alice:hs.test", "!tea:hs.test", bob, false)))
			await(alice.user, "bob's next", func(r bridge.ContactRequested) bool { return r.From.ID == "!tea:hs.test" })
			want := maxInvites + 3 // with bob's second, and one more room of eve's
			if direct {
				want--
			}
			if about, _ := alice.askedAbout(); len(about) != want {
				t.Errorf("asked about %q", about)
			}
		})
	}
}

// directWith returns the rooms that are listed as direct chats with somebody.
func (b *book) directWith(user id.UserID) map[id.RoomID]bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make(map[id.RoomID]bool)
	for _, room := range b.direct[user] {
		all[room] = true
	}
	return all
}

// TestInvitesAtTheSameTime: the user is asked about as many as may be, though more than
// those have come before the first is counted.
func TestInvitesAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alice := newFake().open(t)
		room := func(i int) id.RoomID { return id.RoomID(fmt.Sprintf("!spam%d:hs.test", i)) }
		spam := invite{from: bob, group: true}
		for i := range 2 * maxInvites {
			alice.invites[room(i)] = spam
		}
		for i := range 2 * maxInvites {
			if many := alice.tooMany(room(i), spam, 0, "are declined"); many != (i >= maxInvites) {
				t.Errorf("invite %d: too many: %t", i+1, many)
			}
		}
	})
}

// The same with a homeserver.
func TestManyInvitesOfOnePerson(t *testing.T) {
	g := shared.gateway(t)
	bob, carol := shared.person(t, "bob"), shared.person(t, "carol")
	person := g.link(KindOwn, "alice")
	person.signIn(bridge.Available)
	for _, alice := range []*user{person.user, g.user("alice")} {
		invites := func(from *matrixtest.Person, name string) bridge.RemoteID {
			t.Helper()
			made, err := from.CreateRoom(patient(t), &mautrix.ReqCreateRoom{Preset: "private_chat", Name: name, Invite: []id.UserID{alice.account.user}})
			if err != nil {
				t.Fatal(err)
			}
			return bridge.RemoteID(made.RoomID)
		}
		for range maxInvites + 2 {
			invites(bob, "Spam")
		}
		await(alice, "a word about it", func(s bridge.NetworkSays) bool { return strings.Contains(s.Text, "sends many invites") })
		club := invites(carol, "Book club")
		await(alice, "carol's request", func(r bridge.ContactRequested) bool { return r.From.ID == club })
		if about, told := alice.askedAbout(); len(about) != maxInvites+1 || len(told) != 1 {
			t.Errorf("asked about %q, told %q", about, told)
		}
	}
}
