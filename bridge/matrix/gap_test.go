package matrix

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// withhold keeps all transactions from the gateway until the function that it returns
// is called.
func (g *gateway) withhold() (release func()) {
	free, handler := make(chan struct{}), g.Handler()
	var waiting http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-free
		handler.ServeHTTP(w, r)
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
	got := alice.messages()
	got = slices.CompactFunc(got, func(x, y string) bool { return x == y })
	if !slices.Equal(got, want) {
		t.Errorf("got %d messages %v\nwant %d %v", len(got), got, len(want), want)
	}
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
	for name, test := range map[string]struct {
		events  []*event.Event
		begin   int
		certain bool
	}{
		"nothing":                    {nil, 0, false},
		"invited":                    {[]*event.Event{said, member(invite, ""), said, member(join, invite), said}, 2, true},
		"invited in silence":         {[]*event.Event{said, member(invite, ""), member(join, "")}, 2, true},
		"invite is further back":     {[]*event.Event{said, member(join, invite), said}, 2, false},
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
