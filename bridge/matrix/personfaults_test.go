package matrix

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
	"papillon/bridge/xmpp/xmpptest"
)

// lines are numbered texts.
func numbered(from, to int) (texts []string) {
	for i := from; i < to; i++ {
		texts = append(texts, fmt.Sprintf("line %d", i))
	}
	return texts
}

func sayAll(t *testing.T, who *matrixtest.Person, room id.RoomID, texts []string) {
	t.Helper()
	for _, text := range texts {
		if _, err := who.Say(patient(t), room, text); err != nil {
			t.Fatal(err)
		}
	}
}

// linesOf returns the lines that came, in order.
func (o *own) linesOf() []string {
	return o.texts(func(m bridge.MessageReceived) bool { return strings.HasPrefix(m.Text, "line ") })
}

// untilSent sends as the gateway does: the same message until it is accepted.
func (o *own) untilSent(id, text string, chat bridge.Chat) {
	o.t.Helper()
	ctx := patient(o.t)
	for {
		err := o.person.Send(ctx, bridge.Outgoing{ID: id, Chat: chat, Text: text, Sent: time.Now()})
		switch {
		case err == nil:
			return
		case errors.Is(err, bridge.ErrRefused) || ctx.Err() != nil:
			o.t.Fatal(err)
		}
		wait(ctx, 50*time.Millisecond, nil)
	}
}

// TestPersonsHomeserverDies in a burst, both ways.
func TestPersonsHomeserverDies(t *testing.T) {
	w := private(t, matrixtest.Options{Presence: true, Persistent: true})
	g := w.gateway(t)
	bob := w.person(t, "bob")
	alice := g.link(KindLogin, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	chat := bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}

	sayAll(t, bob, room, numbered(0, 30))
	alice.awaitText("line 20")
	if err := w.Kill(); err != nil {
		t.Fatal(err)
	}
	alice.awaitUp(false)
	err := alice.person.Send(patient(t), bridge.Outgoing{ID: "in-vain", Chat: chat, Text: "in vain", Sent: time.Now()})
	if err == nil || errors.Is(err, bridge.ErrRefused) {
		t.Errorf("a message to a homeserver that is dead gets %v", err)
	}
	if err := w.Resume(patient(t)); err != nil {
		t.Fatal(err)
	}
	sayAll(t, bob, room, numbered(30, 60))
	alice.untilSent("in-vain", "in vain", chat)
	alice.awaitText("line 59")
	alice.awaitUp(true)
	if got := alice.linesOf(); !slices.Equal(got, numbered(0, 60)) {
		t.Errorf("got %v", got)
	}
	if _, err := bob.WaitText(patient(t), alice.other.UserID, "in vain"); err != nil {
		t.Fatal(err)
	}
}

// TestPersonIsCutOff from the homeserver, while the homeserver goes on.
func TestPersonIsCutOff(t *testing.T) {
	proxy, err := xmpptest.NewProxy(strings.TrimPrefix(shared.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	g := shared.gateway(t, func(o *Options) {
		o.HomeserverURL, o.SyncTimeout, o.CallTimeout = "http://"+proxy.Address, time.Second, 2*time.Second
	})
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	sayAll(t, bob, room, numbered(0, 5))
	alice.awaitText("line 4")
	proxy.Cut()
	alice.awaitUp(false)
	sayAll(t, bob, room, numbered(5, 80))
	proxy.Mend()
	alice.awaitText("line 79")
	alice.awaitUp(true)
	if got := alice.linesOf(); !slices.Equal(got, numbered(0, 80)) {
		t.Errorf("got %v", got)
	}
}

// TestPersonIsOfferedAgain: what the gateway could not store is offered again, and
// what it could is not.
func TestPersonIsOfferedAgain(t *testing.T) {
	g := shared.gateway(t)
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	alice.shows(bridge.Offline)
	sayAll(t, bob, room, numbered(0, 60))
	failures := 0
	alice.recorder.answering(func(e bridge.Event) error {
		if m, ok := e.(bridge.MessageReceived); ok && m.Text == "line 33" && failures < 2 {
			failures++
			return errors.New("the disk is full")
		}
		return nil
	})
	alice.signIn(bridge.Available)
	alice.awaitText("line 59")
	if got := alice.linesOf(); !slices.Equal(got, numbered(0, 60)) {
		t.Errorf("got %v", got)
	}
	if failures != 2 {
		t.Errorf("offered %d times in vain", failures)
	}
}

// TestPersonAfterACrash: what was read after the last stored position comes again,
// under the same ids, and nothing is missing.
func TestPersonAfterACrash(t *testing.T) {
	memory := newMemory()
	g := shared.gateway(t, func(o *Options) { o.Memory = memory })
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	alice.shows(bridge.Offline) // the position is stored
	crashed := newMemory()
	memory.mu.Lock()
	for key, value := range memory.all {
		crashed.all[key] = value
	}
	memory.mu.Unlock()
	alice.signIn(bridge.Available)
	sayAll(t, bob, room, numbered(0, 50))
	alice.awaitText("line 49")
	if err := alice.person.Close(); err != nil {
		t.Fatal(err)
	}

	again := shared.gateway(t, func(o *Options) { o.Memory = crashed }).openOwn(alice.login, alice.other)
	again.signIn(bridge.Available)
	again.awaitText("line 49")
	if got := again.linesOf(); !slices.Equal(got, numbered(0, 50)) {
		t.Errorf("got %v", got)
	}
	if got, want := again.messages(), alice.messages(); !slices.Equal(got, want) {
		t.Errorf("other ids: %v, want %v", got, want)
	}
}

// TestPersonsPositionIsForgotten by the homeserver: the time tells what was missed.
func TestPersonsPositionIsForgotten(t *testing.T) {
	memory := newMemory()
	g := shared.gateway(t, func(o *Options) { o.Memory = memory })
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	sayAll(t, bob, room, numbered(0, 3))
	alice.awaitText("line 2")
	alice.shows(bridge.Offline)
	sayAll(t, bob, room, numbered(3, 50))
	memory.mu.Lock()
	for key, value := range memory.all {
		if strings.HasSuffix(key, " "+memoryPosition) {
			memory.all[key] = strings.Replace(value, `"since":"`, `"since":"nonsense`, 1)
		}
	}
	memory.mu.Unlock()
	alice.shows(bridge.Hidden)
	alice.awaitText("line 49")
	if got := alice.linesOf(); !slices.Equal(got, numbered(0, 50)) {
		t.Errorf("got %v", got)
	}
}

// TestPersonsPollsFail in ways that a homeserver has: it is asked again as it wishes,
// and given up only when it turns the account away.
func TestPersonsPollsFail(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		polls  [2]int // at least and at most, in a minute and a half
		says   string
	}{
		{"rate limit", 429, `{"errcode":"M_LIMIT_EXCEEDED","error":"no"}`, [2]int{3, 4}, ""}, // Retry-After is 30 s
		{"bad gateway", 502, "<html>", [2]int{4, 12}, ""},
		{"no answer", 0, "", [2]int{4, 12}, ""},
		{"deactivated", 403, `{"errcode":"M_USER_DEACTIVATED","error":"no"}`, [2]int{1, 1}, "was deactivated"},
		{"not in the namespace", 403, `{"errcode":"M_FORBIDDEN","error":"no"}`, [2]int{1, 1}, "does not let this gateway act"},
		{"forbidden by a proxy", 403, "<html>", [2]int{4, 12}, ""},
		{"registration not loaded", 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"no"}`, [2]int{2, 2}, "second registration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.on("GET", "/sync", fixed(c.status, c.body))
				opened, r := f.openAs(t, bridge.Login{Account: "alice@msn.test", Kind: KindOwn, ID: "@alice:hs.test"})
				if err := opened.SetPresence(t.Context(), bridge.Presence{Show: bridge.Hidden}); err != nil {
					t.Fatal(err)
				}
				if err := opened.(bridge.RosterKeeper).RosterReady(t.Context()); err == nil {
					t.Error("the contact list is said to be there")
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if n := len(f.made("GET", "/sync")); n < c.polls[0] || n > c.polls[1] {
					t.Errorf("%d polls, want %d to %d", n, c.polls[0], c.polls[1])
				}
				down, said := false, ""
				r.mu.Lock()
				for _, evt := range r.all {
					switch e := evt.(type) {
					case bridge.ConnectionChanged:
						down = !e.Up
					case bridge.NetworkSays:
						said += e.Text
					}
				}
				r.mu.Unlock()
				if !down {
					t.Error("the connection is not reported to be down")
				}
				if !strings.Contains(said, c.says) || c.says == "" && said != "" {
					t.Errorf("said %q, want %q", said, c.says)
				}
				if err := opened.SetPresence(t.Context(), bridge.Presence{Show: bridge.Offline}); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestPersonIsSomebodyElse: what was remembered for another account of the same MSN
// user is not taken for this one's.
func TestPersonIsSomebodyElse(t *testing.T) {
	memory := newMemory()
	g := shared.gateway(t, func(o *Options) { o.Memory = memory })
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	alice.chatting(bob)
	alice.signIn(bridge.Available)
	if err := alice.person.Close(); err != nil {
		t.Fatal(err)
	}
	anna := shared.person(t, "anna")
	login := alice.login
	login.ID = bridge.RemoteID(anna.UserID)
	again := shared.gateway(t, func(o *Options) { o.Memory = memory }).openOwn(login, anna)
	room := again.chatting(bob)
	sayAll(t, bob, room, numbered(0, 3)) // nobody's news: anna was never signed in
	roster := again.signIn(bridge.Available)
	if len(roster.Entries) != 1 || roster.Entries[0].Contact.ID != bridge.RemoteID(bob.UserID) {
		t.Errorf("contact list %+v", roster.Entries)
	}
	sayAll(t, bob, room, numbered(3, 5))
	again.awaitText("line 4")
	if got := again.linesOf(); !slices.Equal(got, numbered(3, 5)) {
		t.Errorf("got %v", got)
	}
}
