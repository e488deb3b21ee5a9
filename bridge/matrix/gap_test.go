package matrix

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// withhold keeps all transactions from the gateway until the function that it returns
// is called.
func (g *gateway) withhold() (release func()) {
	free, handler := make(chan struct{}), g.Handler()
	var waiting http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-free:
			handler.ServeHTTP(w, r)
		case <-g.t.Context().Done(): // the test has failed
		}
	})
	g.world.handler.Store(&waiting)
	return func() { close(free) }
}

// TestSaidBeforeTheGhostWasThere: clients write as soon as they have invited.
func TestSaidBeforeTheGhostWasThere(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	if err := alice.ensureReady(patient(t)); err != nil {
		t.Fatal(err)
	}
	release := g.withhold()
	room, err := bob.CreateDM(patient(t), alice.account.user)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range gapPage + 5 {
		sent, err := bob.Say(patient(t), room, fmt.Sprint("before ", i))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(sent))
	}
	release()
	if _, err := bob.WaitMember(patient(t), room, alice.account.user, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	sent, err := bob.Say(patient(t), room, "and after")
	if err != nil {
		t.Fatal(err)
	}
	alice.awaitText("and after")
	want = append(want, string(sent))
	var got []string // what comes again is known by its id
	for _, id := range alice.messages() {
		if !slices.Contains(got, id) {
			got = append(got, id)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %d messages %v\nwant %d %v", len(got), got, len(want), want)
	}
}

// TestSaidBeforeTheGhostIsOfferedAgain: what Synapse offers again after the gateway was
// away does not tell what the ghost was before it came in.
func TestSaidBeforeTheGhostIsOfferedAgain(t *testing.T) {
	const invited = `{"type":"m.room.member","event_id":"$i","state_key":"@msn_alice:hs.test","sender":"@bob:hs.test","content":{"membership":"invite"}}`
	join := func(unsigned string) string {
		return `{"type":"m.room.member","room_id":"!r:hs.test","event_id":"$j","state_key":"@msn_alice:hs.test","sender":"@msn_alice:hs.test",
			"content":{"membership":"join"},"unsigned":{"replaces_state":"$i"` + unsigned + `}}`
	}
	said := func(id string) string {
		return `{"type":"m.room.message","room_id":"!r:hs.test","event_id":"` + id + `","sender":"@bob:hs.test","content":{"msgtype":"m.text","body":"` + id + `"}}`
	}
	for name, test := range map[string]struct {
		page string // newest first
		want []string
	}{
		"invited":          {said("$after") + "," + join(`,"prev_content":{"membership":"invite"}`) + "," + said("$b") + "," + said("$a") + "," + invited + "," + said("$x"), []string{"$a", "$b", "$after"}},
		"nobody says what": {said("$after") + "," + join("") + "," + said("$a") + "," + invited, []string{"$a", "$after"}},
		"came by himself":  {said("$after") + "," + join(`,"prev_content":{"membership":"leave"}`) + "," + said("$x"), []string{"$after"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.on("GET", "/messages", fixed(http.StatusOK, `{"start":"t1","chunk":[`+test.page+`]}`))
				alice := f.open(t)
				txn := transaction{Events: []json.RawMessage{json.RawMessage(join("")), json.RawMessage(said("$after"))}}
				if err := alice.network.take(t.Context(), &txn); err != nil {
					t.Fatal(err)
				}
				if got := alice.messages(); !slices.Equal(got, test.want) {
					t.Errorf("got %v, want %v", got, test.want)
				}
			})
		})
	}
}

// TestInviteThatDidNotHold: what was said since is read when a later one is accepted,
// though the account came in by other ways.
func TestInviteThatDidNotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("POST", "/join", fixed(http.StatusForbidden, `{"errcode":"M_FORBIDDEN","error":"not invited"}`))
		alice := f.open(t)
		member := func(id, sender, membership string) json.RawMessage {
			return json.RawMessage(`{"type":"m.room.member","room_id":"!r:hs.test","event_id":"` + id + `","state_key":"@msn_alice:hs.test","sender":"` + sender + `",
				"content":{"membership":"` + membership + `","is_direct":true},"unsigned":{"replaces_state":"$before"}}`)
		}
		invited, came := member("$i", "@bob:hs.test", "invite"), member("$j", "@msn_alice:hs.test", "join")
		page := `{"type":"m.room.message","room_id":"!r:hs.test","event_id":"$a","sender":"@bob:hs.test","content":{"msgtype":"m.text","body":"a"}}`
		for _, step := range []struct {
			evt    json.RawMessage
			status int
		}{{invited, http.StatusForbidden}, {came, http.StatusOK}} {
			f.on("GET", "/messages", fixed(step.status, `{"start":"t1","chunk":[`+string(came)+`,`+page+`,`+string(invited)+`]}`))
			if err := alice.network.take(t.Context(), &transaction{Events: []json.RawMessage{step.evt}}); err != nil {
				t.Fatal(err)
			}
		}
		if got := alice.messages(); !slices.Equal(got, []string{"$a"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestAskedBeforeTheBotWasThere(t *testing.T) {
	g, desk := attended(t)
	bob := shared.person(t, "bob")
	release := g.withhold()
	room, err := bob.CreateDM(patient(t), bots)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), room, "register"); err != nil {
		t.Fatal(err)
	}
	release()
	if _, err := bob.Wait(patient(t), "the answer", func(evt *event.Event) bool {
		return evt.RoomID == room && evt.Type == event.EventMessage && evt.Sender == bots
	}); err != nil {
		t.Fatal(err)
	}
	asks(t, bob, room, "help")
	if times := desk.times(); times != 2 {
		t.Errorf("asked %d times", times)
	}
}

// TestBeginningOfAStay finds where what concerns somebody begins.
func TestBeginningOfAStay(t *testing.T) {
	const user = id.UserID("@a:hs.test")
	member := func(now, was event.Membership) *event.Event {
		key := string(user)
		evt := &event.Event{Type: event.StateMember, StateKey: &key, Content: event.Content{Parsed: &event.MemberEventContent{Membership: now}}}
		if was != "" {
			evt.Unsigned.PrevContent = &event.Content{Raw: map[string]any{"membership": string(was)}}
		}
		return evt
	}
	const invite, join, leave = event.MembershipInvite, event.MembershipJoin, event.MembershipLeave
	said := &event.Event{Type: event.EventMessage}
	at := func(ms int64, evt *event.Event) *event.Event {
		timed := *evt
		timed.Timestamp = ms
		return &timed
	}
	untold := member(join, "")
	untold.Unsigned.ReplacesState = "$before"
	for name, test := range map[string]struct {
		events  []*event.Event
		begin   int
		certain bool
	}{
		"nothing":                    {nil, 0, false},
		"invited":                    {[]*event.Event{said, member(invite, ""), said, member(join, invite), said}, 2, true},
		"invited in silence":         {[]*event.Event{said, member(invite, ""), member(join, "")}, 2, true},
		"invite is further back":     {[]*event.Event{said, member(join, invite), said}, 2, false},
		"invited a moment later":     {[]*event.Event{at(1, said), at(3, said), at(2, member(invite, "")), at(4, said)}, 1, true},
		"the first of all":           {[]*event.Event{at(3, said), at(2, member(invite, "")), at(4, said)}, 0, false},
		"not told what he was":       {[]*event.Event{said, untold, said}, 2, false},
		"by himself":                 {[]*event.Event{said, member(join, leave), said}, 2, true},
		"nobody says what was":       {[]*event.Event{said, member(join, ""), said}, 2, true},
		"renamed since":              {[]*event.Event{said, member(join, join), said}, 2, false},
		"came, left and came":        {[]*event.Event{member(join, invite), said, member(leave, join), said, member(join, leave)}, 5, true},
		"left and invited once more": {[]*event.Event{member(leave, join), said, member(invite, leave), said, member(join, invite)}, 3, true},
	} {
		if begin, certain := byEntry(user)(test.events); begin != test.begin || certain != test.certain {
			t.Errorf("%s: %d, %v, want %d, %v", name, begin, certain, test.begin, test.certain)
		}
	}
}
