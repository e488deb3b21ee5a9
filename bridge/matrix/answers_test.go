package matrix

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// strange is what a homeserver may pass on of others: each of these kept a whole answer
// from being read.
var strange = []string{
	`{"type":"m.room.message","event_id":"$a","sender":"@eve:far.test","content":{"x":1e400}}`,
	`{"type":"m.room.message","event_id":"$b","sender":"@eve:far.test","content":{},"redacts":5}`,
	`{"type":"m.room.message","event_id":"$c","sender":"@eve:far.test","content":{},"prev_content":5,"unsigned":"x"}`,
	`{"type":"m.room.message","event_id":"$d","sender":"@eve:far.test","content":{},"msc4354_sticky":5}`,
	`{"type":"m.room.message","event_id":"$e","sender":"@eve:far.test","content":5}`,
	`{"type":5,"event_id":"$f","sender":"@eve:far.test","content":{}}`,
	`null`, `5`,
}

func TestStrangeEventsDoNotHideTheOthers(t *testing.T) {
	good := `{"type":"m.room.message","event_id":"$good","sender":"@bob:hs.test","content":{"body":"x","count":12345678901234567890}}`
	for _, bad := range strange {
		answer := `{"next_batch":"s","to_device":{"events":[` + bad + `]},"rooms":{"join":{"!r:hs.test":{"timeline":{"events":[` + bad + `,` + good + `]}}}}}`
		var resp mautrix.RespSync
		if err := readAnswer([]byte(answer), &resp); err != nil {
			t.Errorf("%s: %v", bad, err)
			continue
		}
		events := resp.Rooms.Join["!r:hs.test"].Timeline.Events
		dropNil(&events)
		if len(events) == 0 || events[len(events)-1].ID != "$good" || events[len(events)-1].Content.Raw["body"] != "x" {
			t.Errorf("%s: got %+v", bad, events)
		}
	}
	if err := readAnswer([]byte(`<html>`), &mautrix.RespSync{}); err == nil {
		t.Error("a page was read")
	}
}

func TestPersonReadsOnBehindStrangeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		list := strings.Join(strange, ",")
		f.on("GET", "/sync", func(r *http.Request) (int, string) {
			switch r.URL.Query().Get("since") {
			case "":
				return 200, `{"next_batch":"s0"}`
			case "s0":
				return 200, `{"next_batch":"s1","to_device":{"events":[` + list + `]},"presence":{"events":[` + list + `]},"rooms":{
					"invite":{"!i:far.test":{"invite_state":{"events":[` + list + `,
						{"type":"m.room.member","state_key":"@alice:hs.test","sender":"@zoe:far.test","content":{"membership":"invite","is_direct":true}}]}}},
					"join":{"!r:hs.test":{"summary":{"m.heroes":["@bob:hs.test"],"m.joined_member_count":2},"timeline":{"events":[` + list + `,
						{"type":"m.room.message","event_id":"$good","sender":"@bob:hs.test","content":{"msgtype":"m.text","body":"hello"}}]}}}}}`
			}
			return idleSync(r)
		})
		a, r := f.openAs(t, bridge.Login{Account: "alice@msn.test", Kind: KindOwn, ID: "@alice:hs.test"})
		if err := a.SetPresence(t.Context(), bridge.Presence{Show: bridge.Available}); err != nil {
			t.Fatal(err)
		}
		alice := &user{account: a.(*person).account, recorder: r, t: t}
		alice.awaitText("hello")
		await(alice, "the request", func(e bridge.ContactRequested) bool { return e.From.ID == "@zoe:far.test" })
	})
}

func TestGhostIsInvitedWithStrangeState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		txn := transaction{Events: []json.RawMessage{json.RawMessage(`{"type":"m.room.member","room_id":"!i:far.test","event_id":"$i",
			"state_key":"@msn_alice:hs.test","sender":"@zoe:far.test","content":{"membership":"invite"},
			"unsigned":{"invite_room_state":[null,{"type":"m.room.name","state_key":"","content":{"name":5}}]}}`)}}
		if err := alice.network.take(t.Context(), &txn); err != nil {
			t.Error(err)
		}
		await(alice, "the request", func(bridge.ContactRequested) bool { return true })
	})
}

// Nobody hides in a room behind a name that is none: what is meant for one would go on
// to him.
func TestMemberWithStrangeName(t *testing.T) {
	evt, err := parseEvent(json.RawMessage(`{"type":"m.room.member","room_id":"!r:hs.test","event_id":"$m","state_key":"@eve:hs.test",
		"sender":"@eve:hs.test","content":{"membership":"join","displayname":5}}`))
	if err != nil {
		t.Fatal(err)
	}
	if m := evt.Content.AsMember().Membership; m != event.MembershipJoin {
		t.Errorf("membership %q", m)
	}
}

// Anybody may send to anybody's devices, and homeservers do not look at what.
func TestPersonReadsOnBehindWhatItsDeviceWasSent(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		alice, bob, eve := g.link(kind, "alice"), shared.person(t, "bob"), shared.person(t, "eve")
		room := alice.chatting(bob)
		alice.signIn(bridge.Available)
		huge := json.RawMessage(`{"x":1e400}`)
		_, err := eve.MakeRequest(patient(t), http.MethodPut, eve.BuildClientURL("v3", "sendToDevice", "m.strange", "1"),
			map[string]any{"messages": map[id.UserID]any{alice.user.user: map[string]any{"*": huge}}}, nil)
		shared.takesStrange(t, err)
		if _, err := bob.Say(patient(t), room, "are you there?"); err != nil {
			t.Fatal(err)
		}
		alice.awaitText("are you there?")
	})
}
