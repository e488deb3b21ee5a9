package matrix

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// What the homeserver of somebody who is logged in says of a room, which may be a lie,
// does not count for those who are on another one: who is in it would get its keys.
func TestHomeserversSpeakForThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/sync", func(r *http.Request) (int, string) {
			if r.URL.Host != "evil.test" || r.URL.Query().Get("since") != "" {
				return idleSync(r)
			}
			return 200, `{"next_batch":"s1","rooms":{"join":{"!r:hs.test":{"summary":{"m.joined_member_count":3},"state":{"events":[
				{"type":"m.room.encryption","state_key":"","sender":"@eve:evil.test","content":{"algorithm":"m.megolm.v1.aes-sha2"}},
				{"type":"m.room.member","state_key":"@msn_alice:hs.test","sender":"@eve:evil.test","content":{"membership":"leave"}},
				{"type":"m.room.member","state_key":"@bob:hs.test","sender":"@eve:evil.test","content":{"membership":"join","displayname":"Mallory"}},
				{"type":"m.room.member","state_key":"@eve:evil.test","sender":"@eve:evil.test","content":{"membership":"join"}}]}}}}}`
		})
		alice := f.open(t)
		room := id.RoomID("!r:hs.test")
		members := `{"chunk":[`
		for i, user := range []id.UserID{alice.account.user, bob} {
			members += fmt.Sprintf(`%s{"type":"m.room.member","state_key":%q,"content":{"membership":"join","displayname":%q}}`, []string{"", ","}[i], user, []string{"Alice", "Real"}[i])
		}
		f.on("GET", "/members", fixed(200, members+`]}`))
		if others, err := alice.others(t.Context(), room); err != nil || len(others) != 1 {
			t.Fatal(others, err)
		}
		credentials, err := json.Marshal(Credentials{HomeserverURL: "http://evil.test", UserID: "@eve:evil.test", DeviceID: "E", AccessToken: "x"})
		if err != nil {
			t.Fatal(err)
		}
		r := newRecorder()
		opened, err := alice.network.Open(t.Context(), bridge.Login{Account: "eve@msn.test", Kind: KindLogin, ID: "@eve:evil.test", Credentials: credentials}, r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = opened.Close() })
		eve := opened.(*person)
		if err := eve.SetPresence(t.Context(), bridge.Presence{Show: bridge.Available}); err != nil {
			t.Fatal(err)
		}
		if err := eve.RosterReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if encrypted, err := eve.state.IsEncrypted(t.Context(), room); err != nil || !encrypted {
			t.Errorf("encrypted for eve: %v, %v", encrypted, err)
		}
		if others, err := alice.others(t.Context(), room); err != nil || len(others) != 1 || others[0] != bob {
			t.Errorf("with alice are %v, %v", others, err)
		}
		if in, err := alice.network.accountsIn(t.Context(), room); err != nil || len(in) != 1 {
			t.Errorf("%d accounts are in the room, %v", len(in), err)
		}
		if encrypted, err := alice.state.IsEncrypted(t.Context(), room); err != nil || encrypted {
			t.Errorf("encrypted for alice: %v, %v", encrypted, err)
		}
		if name := alice.contactIn(t.Context(), room, bob).Name; name != "Real" {
			t.Errorf("bob is called %q", name)
		}
		if shared, err := eve.state.FindSharedRooms(t.Context(), bob); err != nil || len(shared) != 1 || shared[0] != room {
			t.Errorf("eve shares %v, %v", shared, err)
		}
		if member, err := eve.state.TryGetMember(t.Context(), room, "@eve:evil.test"); err != nil || member == nil || member.Membership != event.MembershipJoin {
			t.Errorf("eve is %+v, %v", member, err)
		}
	})
}

// Nor does it hold up what others say in the room of that name, whatever it does.
func TestHomeserversDoNotWaitForEachOther(t *testing.T) {
	f := newFake()
	alice := f.open(t)
	credentials, err := json.Marshal(Credentials{HomeserverURL: "http://evil.test", UserID: "@eve:evil.test", DeviceID: "E", AccessToken: "x"})
	if err != nil {
		t.Fatal(err)
	}
	opened, err := alice.network.Open(t.Context(), bridge.Login{Account: "eve@msn.test", Kind: KindLogin, ID: "@eve:evil.test", Credentials: credentials}, newRecorder())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	unlock := alice.network.rooms.lock("!r:hs.test")
	defer unlock()
	evt := &event.Event{ID: "$1", RoomID: "!r:hs.test", Sender: bob, Type: event.EventMessage}
	evt.Content.VeryRaw = json.RawMessage(`{"msgtype":"m.text","body":"x"}`)
	heard := make(chan error, 1)
	go func() { heard <- opened.(*person).hearEvent(t.Context(), evt) }()
	select {
	case err := <-heard:
		if err != nil {
			t.Error(err)
		}
	case <-patient(t).Done():
		t.Error("it waits for the other homeserver's room")
	}
}
