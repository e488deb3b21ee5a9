package matrix

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// crowd is how many are in the room of these tests, and how many come in later: more
// than a homeserver of the tests could be filled with in time.
const crowd = 5000

const hall = id.RoomID("!hall:hs.test")

func silentUser(i int) string { return fmt.Sprintf("@silent%d:hs.test", i) }

// memberEvent is the event with which somebody came in.
func memberEvent(user string) string {
	return fmt.Sprintf(`{"type":"m.room.member","event_id":"$join%[1]s","sender":%[1]q,"state_key":%[1]q,"origin_server_ts":1,
		"content":{"membership":"join","displayname":"Name of %[1]s"}}`, user)
}

// memberEvents are those of the members from one number up to another.
func memberEvents(from, to int) string {
	var all []string
	for i := from; i < to; i++ {
		all = append(all, memberEvent(silentUser(i)))
	}
	return strings.Join(all, ",")
}

func messageEvent(user, text string) string {
	return fmt.Sprintf(`{"type":"m.room.message","event_id":"$says%s%s","sender":%q,"origin_server_ts":2,"content":{"msgtype":"m.text","body":%[2]q}}`,
		user, text, user)
}

// scripted answers polls one after the other with what is new in the hall. It is made
// when it is asked for, so that nothing of it stays.
type scripted struct {
	mu    sync.Mutex
	polls []func() string
	more  chan struct{} // closed when there is another one
}

// add has a poll bring what is new of the hall.
func (s *scripted) add(members int, state, timeline func() string) {
	s.next(func() string {
		return fmt.Sprintf(`"join":{%q:{"summary":{"m.joined_member_count":%d},"state":{"events":[%s]},"timeline":{"events":[%s]}}}`,
			hall, members, state(), timeline())
	})
}

// bring has a poll bring this of rooms.
func (s *scripted) bring(rooms string) { s.next(func() string { return rooms }) }

func (s *scripted) next(poll func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polls = append(s.polls, poll)
	close(s.more)
	s.more = make(chan struct{})
}

func (s *scripted) answer(r *http.Request) (int, string) {
	at := 0
	if _, err := fmt.Sscanf(r.URL.Query().Get("since"), "t%d", &at); err != nil {
		return http.StatusOK, `{"next_batch":"t0"}`
	}
	for {
		s.mu.Lock()
		polls, more := s.polls, s.more
		s.mu.Unlock()
		if at < len(polls) {
			return http.StatusOK, fmt.Sprintf(`{"next_batch":"t%d","rooms":{%s}}`, at+1, polls[at]())
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return 0, ""
		}
	}
}

func none() string { return "" }

// says is a timeline with one message.
func says(user, text string) func() string {
	return func() string { return messageEvent(user, text) }
}

// inHall are the state events of a room that somebody comes into.
func inHall(self string, more ...string) func() string {
	return func() string {
		return strings.Join(append([]string{
			`{"type":"m.room.create","state_key":"","sender":"@bob:hs.test","content":{}}`,
			`{"type":"m.room.name","state_key":"","sender":"@bob:hs.test","content":{"name":"The hall"}}`,
			memberEvent(self), memberEvents(0, crowd),
		}, more...), ",")
	}
}

// person opens the account of a person over the fake, with polls that are scripted.
func (f *fake) person(t *testing.T, kind string) (*own, *scripted) {
	t.Helper()
	s := &scripted{more: make(chan struct{})}
	f.on("GET", "/sync", s.answer)
	f.on("GET", "/state/m.room.member", func(r *http.Request) (int, string) {
		user := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		return http.StatusOK, fmt.Sprintf(`{"membership":"join","displayname":"Name of %s"}`, user)
	})
	login := bridge.Login{Account: "alice@msn.test", Name: "Alice", Kind: kind, ID: "@alice:hs.test"}
	if kind == KindLogin {
		credentials, err := json.Marshal(Credentials{HomeserverURL: "http://elsewhere.test", UserID: "@alice:hs.test", DeviceID: "A", AccessToken: "x"})
		if err != nil {
			t.Fatal(err)
		}
		login.Credentials = credentials
	}
	opened, r := f.openAs(t, login)
	p := opened.(*person)
	return &own{user: &user{account: p.account, recorder: r, t: t}, person: p, kind: kind, login: login}, s
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// members returns whom the room state knows of the hall.
func (u *user) members() map[id.UserID]*event.MemberEventContent {
	u.t.Helper()
	known, err := u.state.GetRoomMembers(u.t.Context(), hall)
	if err != nil {
		u.t.Fatal(err)
	}
	return known
}

// awaitNamed waits for a message and sees whose it is.
func (u *user) awaitNamed(text, from string) {
	u.t.Helper()
	if got := u.awaitText(text); got.From != (bridge.Contact{ID: bridge.RemoteID(from), Name: "Name of " + from}) {
		u.t.Errorf("%q is said by %+v", text, got.From)
	}
}

// A person's room of thousands costs what its speakers cost, although the homeserver
// lists everybody when it is entered, as Dendrite does, and tells who comes in.
func TestCrowdCostsAPersonItsSpeakers(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		f := newFake()
		alice, polls := f.person(t, kind)
		alice.signIn(bridge.Available)
		before, asked := heap(), len(f.made("GET", "/rooms/"))
		polls.add(crowd+1, inHall("@alice:hs.test"), says(silentUser(7), "I was listed"))
		for i := range 10 {
			polls.add(crowd+1+(i+1)*crowd/10, none, func() string { return memberEvents(crowd+i*crowd/10, crowd+(i+1)*crowd/10) })
		}
		polls.add(2*crowd+1, func() string { return memberEvent(silentUser(8)) }, says(silentUser(8), "I come with the message"))
		polls.add(2*crowd+1, none, says(silentUser(2*crowd-1), "I came later"))
		polls.add(2*crowd+1, none, says(silentUser(2*crowd-1), "and speak again"))
		alice.awaitNamed("I come with the message", silentUser(8))
		alice.awaitNamed("I came later", silentUser(2*crowd-1))
		alice.awaitNamed("and speak again", silentUser(2*crowd-1))
		known, requests, grown := alice.members(), len(f.made("GET", "/rooms/"))-asked, int64(heap())-int64(before)
		if len(known) != 4 { // alice, and the three who spoke
			t.Errorf("%d members are kept", len(known))
		}
		if requests != 1 { // for the one of whom the poll did not tell
			t.Errorf("%d requests about the room", requests)
		}
		if grown > 1<<20 {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		t.Logf("%d members, %d kept, %d requests, %d bytes", 2*crowd+1, len(known), requests, grown)
	})
}

// Nor does it cost more to hear what was missed while thousands came in.
func TestCrowdThatCameInUnseen(t *testing.T) {
	f := newFake()
	page := 0
	f.on("GET", "/messages", func(*http.Request) (int, string) {
		page++
		came := memberEvents(page*gapPage, (page+1)*gapPage-1)
		return http.StatusOK, fmt.Sprintf(`{"start":"p","end":"p%[1]d","chunk":[%[2]s,%[3]s],"state":[%[2]s,%[4]s]}`,
			page, came, messageEvent(silentUser(page), "missed"), memberEvent(silentUser(page)))
	})
	alice, polls := f.person(t, KindOwn)
	alice.signIn(bridge.Available)
	polls.add(crowd+1, inHall("@alice:hs.test"), says(silentUser(7), "seen"))
	alice.awaitNamed("seen", silentUser(7))
	polls.bring(fmt.Sprintf(`"join":{%q:{"summary":{"m.joined_member_count":%d},"timeline":{"limited":true,"prev_batch":"p","events":[%s]}}}`,
		hall, 2*crowd+1, messageEvent(silentUser(1), "last")))
	alice.awaitNamed("last", silentUser(1))
	if known, asked := len(alice.members()), len(f.made("GET", "/rooms/")); known != 1+maxGap/gapPage || asked != maxGap/gapPage {
		t.Errorf("%d members are kept, %d requests", known, asked)
	}
}

// The members of an encrypted room get its keys: they are asked for when something is
// sent, and are known from then on.
func TestCrowdIsAskedForWhenItGetsKeys(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		f := newFake()
		f.on("GET", "/members", func(*http.Request) (int, string) {
			return http.StatusOK, `{"chunk":[` + memberEvent("@alice:hs.test") + "," + memberEvents(0, crowd) + `]}`
		})
		alice, polls := f.person(t, kind)
		alice.signIn(bridge.Available)
		polls.add(crowd+1, inHall("@alice:hs.test", `{"type":"m.room.encryption","state_key":"","sender":"@bob:hs.test","content":{"algorithm":"m.megolm.v1.aes-sha2"}}`),
			says(silentUser(7), "before"))
		polls.add(crowd+1, none, says(silentUser(9), "unsealed"))
		alice.awaitNamed("unsealed", silentUser(9))
		if known := alice.members(); len(known) != 3 || len(f.made("GET", "/members")) != 0 {
			t.Errorf("%d members are kept before anything is sent", len(known))
		}
		for range 2 {
			if others, err := alice.others(t.Context(), hall); err != nil || len(others) != crowd {
				t.Fatalf("the keys go to %d, %v", len(others), err)
			}
		}
		if asked := len(f.made("GET", "/members")); asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		polls.add(crowd+2, none, func() string { return memberEvents(crowd, crowd+1) + "," + messageEvent(silentUser(9), "one more") })
		alice.awaitNamed("one more", silentUser(9))
		if others, err := alice.others(t.Context(), hall); err != nil || len(others) != crowd+1 {
			t.Errorf("the keys go to %d, %v", len(others), err)
		}
	})
}

// A small room whose members are all known, and that grows, is a large one from then on;
// nor are there too many who ever spoke.
func TestRoomThatGrowsIntoACrowd(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		f := newFake()
		f.on("GET", "/members", func(*http.Request) (int, string) {
			return http.StatusOK, `{"chunk":[` + memberEvent("@alice:hs.test") + "," + memberEvents(0, 3) + `]}`
		})
		alice, polls := f.person(t, kind)
		alice.signIn(bridge.Available)
		if others, err := alice.others(t.Context(), hall); err != nil || len(others) != 3 {
			t.Fatalf("with alice are %d, %v", len(others), err)
		}
		polls.add(4, func() string {
			return `{"type":"m.room.create","state_key":"","sender":"@bob:hs.test","content":{}},` + memberEvent("@alice:hs.test") + "," + memberEvents(0, 3)
		}, none)
		for i := range 10 {
			polls.add(4+(i+1)*100, none, func() string { return memberEvents(3+i*100, 3+(i+1)*100) })
		}
		polls.add(1004, none, func() string {
			var all []string
			for i := range 2 * maxSpeakers {
				all = append(all, messageEvent(silentUser(i), "hello"))
			}
			return strings.Join(append(all, messageEvent(silentUser(3), "at last")), ",")
		})
		alice.awaitNamed("at last", silentUser(3))
		known := alice.members()
		if len(known) > maxSpeakers+1 || known["@alice:hs.test"] == nil {
			t.Errorf("%d members are kept", len(known))
		}
	})
}

// A ghost's room of thousands costs the same.
func TestCrowdCostsAGhostItsSpeakers(t *testing.T) {
	f := newFake()
	f.on("GET", "/joined_rooms", fixed(http.StatusOK, fmt.Sprintf(`{"joined_rooms":[%q]}`, hall)))
	f.on("GET", "/hierarchy", fixed(http.StatusOK, fmt.Sprintf(`{"rooms":[{"name":"The hall","num_joined_members":%d}]}`, crowd)))
	f.on("GET", "/state/m.room.member", fixed(http.StatusOK, `{"membership":"join","displayname":"Name of `+silentUser(1)+`"}`))
	alice := f.open(t)
	push := func(events string) {
		t.Helper()
		txn := &transaction{}
		if err := json.Unmarshal([]byte(`{"events":[`+events+`]}`), txn); err != nil {
			t.Fatal(err)
		}
		for i, raw := range txn.Events {
			txn.Events[i] = json.RawMessage(fmt.Sprintf(`{"room_id":%q,%s`, hall, raw[1:]))
		}
		if err := alice.network.take(t.Context(), txn); err != nil {
			t.Fatal(err)
		}
	}
	push(messageEvent(silentUser(1), "first"))
	alice.awaitNamed("first", silentUser(1))
	before, asked := heap(), len(f.made("GET", "/rooms/"))
	for i := range 50 {
		push(memberEvents(crowd+i*100, crowd+(i+1)*100))
	}
	push(messageEvent(silentUser(1), "second"))
	alice.awaitNamed("second", silentUser(1))
	known, requests, grown := alice.members(), len(f.made("GET", "/rooms/"))-asked, int64(heap())-int64(before)
	if len(known) != 2 || requests != 0 || grown > 1<<20 {
		t.Errorf("%d members are kept, %d requests, %d bytes", len(known), requests, grown)
	}
	t.Logf("%d kept, %d bytes", len(known), grown)
}
