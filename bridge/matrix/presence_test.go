package matrix

import (
	"testing"
	"time"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

func TestReadPresence(t *testing.T) {
	now := time.Date(2003, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		word   event.Presence
		status string
		ago    time.Duration
		want   bridge.Presence
	}{
		{"online", "", 0, bridge.Presence{Show: bridge.Available}},
		{"online", " at\nwork ", time.Minute, bridge.Presence{Show: bridge.Available, Text: "at work", Since: now.Add(-time.Minute)}},
		{"unavailable", "lunch", 0, bridge.Presence{Show: bridge.Away, Text: "lunch"}},
		{"offline", "", time.Hour, bridge.Presence{Show: bridge.Offline, Since: now.Add(-time.Hour)}},
		{"busy", "", 0, bridge.Presence{Show: bridge.Busy}},
		{"org.matrix.msc3026.busy", "", 0, bridge.Presence{Show: bridge.Busy}},
		{"", "ignored", time.Hour, bridge.Presence{}},
		{"free_for_chat", "", 0, bridge.Presence{}},
	} {
		if got := readPresence(c.word, c.status, c.ago, now); got != c.want {
			t.Errorf("readPresence(%q, %q, %v) = %+v, want %+v", c.word, c.status, c.ago, got, c.want)
		}
	}
}

func TestToMatrix(t *testing.T) {
	for _, c := range []struct {
		show      bridge.Show
		knowsBusy bool
		want      event.Presence
	}{
		{bridge.Available, false, "online"},
		{bridge.Away, false, "unavailable"},
		{bridge.ExtendedAway, false, "unavailable"},
		{bridge.Busy, false, "unavailable"},
		{bridge.Busy, true, "org.matrix.msc3026.busy"},
		{bridge.Offline, true, "offline"},
		{bridge.Unknown, true, "offline"},
		{bridge.Hidden, true, "offline"},
	} {
		if got := toMatrix(c.show, c.knowsBusy); got != c.want {
			t.Errorf("toMatrix(%d, %v) = %q, want %q", c.show, c.knowsBusy, got, c.want)
		}
	}
}

func TestPresenceOfTheUserReachesContacts(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	talking(t, alice, bob)
	for _, c := range []struct {
		presence bridge.Presence
		word     event.Presence
	}{
		{bridge.Presence{Show: bridge.Available}, event.PresenceOnline},
		{bridge.Presence{Show: bridge.Away, Text: "out to lunch"}, event.PresenceUnavailable},
		{bridge.Presence{Show: bridge.Busy, Text: "on the phone"}, event.PresenceUnavailable},
		{bridge.Presence{Show: bridge.Available}, event.PresenceOnline},
		{bridge.Presence{Show: bridge.Offline}, event.PresenceOffline},
		{bridge.Presence{Show: bridge.Available, Text: "back"}, event.PresenceOnline},
		{bridge.Presence{Show: bridge.Hidden}, event.PresenceOffline}, // there, and not to be seen
	} {
		bob.Forget()
		alice.show(c.presence)
		text := c.presence.Text
		if _, err := bob.WaitPresence(patient(t), alice.user, c.word, text); err != nil {
			t.Fatalf("%+v: %v", c.presence, err)
		}
	}
}

func TestPresenceOfContacts(t *testing.T) {
	g := shared.gateway(t)
	// bob shares a room with alice, carol does not.
	alice, bob, carol := g.user("alice"), shared.person(t, "bob"), shared.person(t, "carol")
	talking(t, alice, bob)
	for _, p := range []*struct{ id bridge.RemoteID }{{bridge.RemoteID(bob.UserID)}, {bridge.RemoteID(carol.UserID)}} {
		if err := alice.Follow(patient(t), bridge.Contact{ID: p.id}); err != nil {
			t.Fatal(err)
		}
	}
	alice.show(bridge.Presence{Show: bridge.Available})
	alice.awaitPresence(bob.UserID, bridge.Available)
	seen := []*matrixtest.Person{bob, carol}
	if !shared.TellsStrangers {
		alice.awaitPresence(carol.UserID, bridge.Unknown)
		seen = seen[:1]
	} else {
		alice.awaitPresence(carol.UserID, bridge.Available)
	}
	for _, c := range []struct {
		word   event.Presence
		status string
		show   bridge.Show
	}{
		{event.PresenceUnavailable, "in a meeting", bridge.Away},
		{event.PresenceOffline, "", bridge.Offline},
		{event.PresenceOnline, "", bridge.Available},
	} {
		for _, p := range seen {
			if err := p.SetPresence(patient(t), c.word, c.status); err != nil {
				t.Fatal(err)
			}
		}
		for _, p := range seen {
			if got := alice.awaitPresence(p.UserID, c.show); got.Text != c.status {
				t.Errorf("%s's status is %q, not %q", p.UserID, got.Text, c.status)
			}
		}
	}
	// Whoever is followed later is told at once, and reported once only.
	dave := shared.person(t, "dave")
	if err := alice.Follow(patient(t), bridge.Contact{ID: bridge.RemoteID(dave.UserID)}); err != nil {
		t.Fatal(err)
	}
	if shared.TellsStrangers {
		alice.awaitPresence(dave.UserID, bridge.Available)
	} else {
		alice.awaitPresence(dave.UserID, bridge.Unknown)
	}
	alice.unchanged()
	// The next session begins anew.
	alice.show(bridge.Presence{Show: bridge.Offline})
	alice.show(bridge.Presence{Show: bridge.Hidden})
	for _, p := range seen {
		alice.awaitPresence(p.UserID, bridge.Available)
	}
}

// unchanged checks that no two reports about one contact say the same.
func (u *user) unchanged() {
	u.t.Helper()
	u.recorder.mu.Lock()
	defer u.recorder.mu.Unlock()
	last := make(map[bridge.RemoteID]bridge.Presence)
	for _, evt := range u.recorder.all {
		change, ok := evt.(bridge.PresenceChanged)
		if !ok {
			continue
		}
		if before, known := last[change.Contact]; known && before.Show == change.Presence.Show && before.Text == change.Presence.Text {
			u.t.Errorf("%s was reported twice: %+v", change.Contact, change.Presence)
		}
		last[change.Contact] = change.Presence
	}
}

func TestPresenceOfSomebodyUnknown(t *testing.T) {
	g := shared.gateway(t)
	alice := g.user("alice")
	if err := alice.Follow(patient(t), bridge.Contact{ID: "@neverseen:hs.test"}); err != nil {
		t.Fatal(err)
	}
	alice.show(bridge.Presence{Show: bridge.Available})
	alice.awaitPresence("@neverseen:hs.test", bridge.Unknown)
}
