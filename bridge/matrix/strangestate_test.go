package matrix

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// stateEvent is one of a room as a transaction has it.
func stateEvent(id, kind, key, content string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"type":%q,"event_id":%q,"room_id":"!r:hs.test","sender":"@bob:hs.test","state_key":%q,
		"origin_server_ts":1,"content":%s}`, kind, id, key, content))
}

// What a room says of its encryption never makes its messages plain again, not even in
// the minute in which it is believed not to be encrypted.
func TestEncryptionIsForEver(t *testing.T) {
	for _, later := range []string{`{"algorithm":"none"}`, `{"algorithm":5}`, `{}`, `"x"`} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			f.on("GET", "/joined_rooms", fixed(200, `{"joined_rooms":["!r:hs.test"]}`))
			alice := f.open(t)
			chat := bridge.RoomChat("!r:hs.test")
			take := func(events ...json.RawMessage) {
				t.Helper()
				if err := alice.network.take(t.Context(), &transaction{Events: events}); err != nil {
					t.Fatal(err)
				}
			}
			alice.sayTo("1", "nobody minds", chat)
			take(stateEvent("$odd", "m.room.encryption", "odd", `{"algorithm":"m.megolm.v1.aes-sha2"}`))
			alice.sayTo("2", "still nobody", chat)
			take(stateEvent("$e", "m.room.encryption", "", `{"algorithm":"m.megolm.v1.aes-sha2"}`), stateEvent("$f", "m.room.encryption", "", later))
			// There is no place for keys, so that it cannot be sent at all.
			err := alice.Send(t.Context(), bridge.Outgoing{ID: "3", Chat: chat, Text: "between us"})
			if !isRefused(err) {
				t.Errorf("after %s: %v", later, err)
			}
			for _, sent := range f.made("PUT", "/send/") {
				if strings.Contains(sent.body, "between us") {
					t.Errorf("after %s it was sent in the clear", later)
				}
			}
		})
	}
}

// A room that was thought to be plain is asked about again while transactions wait.
func TestPlainRoomIsDoubtedWhileNewsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		chat := bridge.RoomChat("!r:hs.test")
		alice.sayTo("1", "a", chat)
		alice.sayTo("2", "b", chat)
		if asked := len(f.made("GET", "/state/m.room.encryption")); asked != 1 {
			t.Errorf("asked %d times", asked)
		}
		alice.network.behind.Store(true)
		f.on("GET", "/state/m.room.encryption", fixed(200, `{"algorithm":5}`))
		if err := alice.Send(t.Context(), bridge.Outgoing{ID: "3", Chat: chat, Text: "c"}); !isRefused(err) {
			t.Errorf("sent: %v", err)
		}
	})
}

// State events with a key of their own say nothing of the room.
func TestStateWithAnOddKey(t *testing.T) {
	f := facts{Name: "Tea", Joined: 2}
	for kind, content := range map[string]string{
		"m.room.name": `{"name":"Bank"}`, "m.room.create": `{"type":"m.space"}`, "m.room.tombstone": `{"replacement_room":"!x:hs.test"}`,
		"m.room.canonical_alias": `{"alias":"#bank:hs.test"}`,
	} {
		evt, err := parseEvent(stateEvent("$1", kind, "odd", content))
		if err != nil {
			t.Fatal(err)
		}
		f.state(evt, "@alice:hs.test")
	}
	if f.Name != "Tea" || f.Alias != "" || f.Space || f.Replaced {
		t.Errorf("got %+v", f)
	}
}

func TestStrangeSummaryOfARoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/hierarchy", fixed(200, `{"rooms":[{"name":"Tea","canonical_alias":5,"num_joined_members":3,"room_type":null,
			"encryption":5,"children_state":[{"type":5,"content":{"x":1e400}}]}]}`))
		alice := f.open(t)
		got, err := alice.outline(t.Context(), "!r:hs.test")
		if err != nil || got.Name != "Tea" || got.Joined != 3 || got.Alias != "" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// Somebody whose room says its encryption badly does not keep the gateway from hearing
// all others.
func TestBotInAStrangeRoom(t *testing.T) {
	g, desk := attended(t)
	eve, dave := shared.person(t, "eve"), shared.person(t, "dave")
	resp, err := eve.CreateRoom(patient(t), &mautrix.ReqCreateRoom{
		Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{bots},
		InitialState: []*event.Event{{Type: event.StateEncryption, Content: event.Content{Raw: map[string]any{"algorithm": 5}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := eve.WaitMember(patient(t), resp.RoomID, bots, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	if _, err := eve.Say(patient(t), resp.RoomID, "password"); err != nil {
		t.Fatal(err)
	}
	if got := asks(t, dave, meetsBot(t, dave), "help"); got == "" {
		t.Error("no help")
	}
	if desk.times() != 1 {
		t.Errorf("%d commands were carried out", desk.times())
	}
	if g.behind.Load() {
		t.Error("the homeserver has to offer what was said again, and again")
	}
}
