package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// presenceOf asks what somebody else sees of a person.
func presenceOf(t *testing.T, watcher *matrixtest.Person, who id.UserID) event.Presence {
	t.Helper()
	resp, err := watcher.GetPresence(patient(t), who)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Presence
}

// TestPersonSeesAndIsSeen: presence both ways, for a person without another client.
func TestPersonSeesAndIsSeen(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob := shared.person(t, "bob")
		alice := g.link(kind, "alice")
		alice.chatting(bob)
		alice.other.Close()
		if _, err := alice.other.Logout(patient(t)); err != nil { // no other client any more
			t.Fatal(err)
		}
		bob.Forget()
		alice.signIn(bridge.Away)
		if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceUnavailable, ""); err != nil {
			t.Fatal(err)
		}
		if err := bob.SetPresence(patient(t), event.PresenceUnavailable, "at lunch"); err != nil {
			t.Fatal(err)
		}
		if p := alice.awaitPresence(bob.UserID, bridge.Away); p.Text != "at lunch" {
			t.Errorf("bob's words: %q", p.Text)
		}
		alice.shows(bridge.Available)
		if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceOnline, ""); err != nil {
			t.Fatal(err)
		}
		alice.shows(bridge.Hidden)
		if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceOffline, ""); err != nil {
			t.Fatal(err)
		}
		if err := bob.SetPresence(patient(t), event.PresenceOnline, "back"); err != nil {
			t.Fatal(err)
		}
		alice.awaitPresence(bob.UserID, bridge.Available) // the hidden see
		alice.shows(bridge.Available)
		if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceOnline, ""); err != nil {
			t.Fatal(err)
		}
		alice.shows(bridge.Offline)
		if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceOffline, ""); err != nil {
			t.Fatal(err)
		}
	})
}

// TestPersonLeavesOtherClientAlone: what the person's other client shows stays,
// whether MSN hides or ends.
func TestPersonLeavesOtherClientAlone(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob := shared.person(t, "bob")
		alice := g.link(kind, "alice")
		alice.chatting(bob)
		if err := alice.other.SetPresence(patient(t), event.PresenceOnline, "on my phone"); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceOnline, "on my phone"); err != nil {
			t.Fatal(err)
		}
		bob.Forget()
		alice.signIn(bridge.Hidden)
		still := func(when string) {
			t.Helper()
			if got := presenceOf(t, bob, alice.other.UserID); got != event.PresenceOnline {
				t.Errorf("alice is %s %s", got, when)
			}
		}
		still("after signing in hidden")
		alice.shows(bridge.Available)
		alice.shows(bridge.Hidden)
		still("after hiding")
		alice.shows(bridge.Available)
		alice.shows(bridge.Offline)
		still("after signing out")
		// Nor was she anything else in between.
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		evt, err := bob.Wait(ctx, "a flicker of alice's presence", func(evt *event.Event) bool {
			content, ok := evt.Content.Parsed.(*event.PresenceEventContent)
			return ok && evt.Sender == alice.other.UserID && content.Presence != event.PresenceOnline
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("alice flickered: %+v (%v)", evt, err)
		}
	})
}

// TestPersonTakesBackItsWord: what MSN Messenger said does not stay on the person's
// other client, which does not say it.
func TestPersonTakesBackItsWord(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		bob := shared.person(t, "bob")
		alice := g.link(kind, "alice")
		alice.chatting(bob)
		alice.signIn(bridge.Available)
		for _, last := range []bridge.Show{bridge.Hidden, bridge.Offline} {
			bob.Forget()
			if err := alice.person.SetPresence(patient(t), bridge.Presence{Show: bridge.Busy, Text: "Busy"}); err != nil {
				t.Fatal(err)
			}
			if !shared.LastWordCounts { // what the other client says outweighs it all the time
				alice.shows(last)
				if got := presenceOf(t, bob, alice.other.UserID); got != event.PresenceOnline {
					t.Errorf("after presence %d alice is %s", last, got)
				}
				continue
			}
			if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceUnavailable, "Busy"); err != nil {
				t.Fatal(err)
			}
			bob.Forget()
			alice.shows(last)
			if _, err := bob.WaitPresence(patient(t), alice.other.UserID, event.PresenceOnline, ""); err != nil {
				t.Fatal(err)
			}
			alice.shows(bridge.Available)
		}
	})
}

// TestPersonWhoWasTheLastOneThere: when nobody has seen the other client again, the
// person is offline after all, where a word lasts.
func TestPersonWhoWasTheLastOneThere(t *testing.T) {
	for name, c := range map[string]struct {
		seenAgain bool
		offline   int
	}{"gone": {false, 1}, "seen again": {true, 0}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.on("GET", "/federation/v1/version", fixed(200, `{"server":{"name":"Dendrite"}}`))
				last := time.Now()
				f.on("GET", "/devices", func(*http.Request) (int, string) {
					if c.seenAgain {
						last = time.Now()
					}
					return 200, fmt.Sprintf(`{"devices":[{"device_id":"PHONE","last_seen_ts":%d}]}`, last.UnixMilli())
				})
				opened, _ := f.openAs(t, bridge.Login{Account: "alice@msn.test", Kind: KindOwn, ID: "@alice:hs.test"})
				show := func(s bridge.Show) {
					t.Helper()
					if err := opened.SetPresence(t.Context(), bridge.Presence{Show: s}); err != nil {
						t.Fatal(err)
					}
				}
				offline := func() (n int) {
					for _, call := range f.made("PUT", "/presence/") {
						if strings.Contains(call.body, `"offline"`) {
							n++
						}
					}
					return n
				}
				show(bridge.Available)
				synctest.Wait()
				show(bridge.Hidden)
				time.Sleep(otherSeen - time.Minute)
				synctest.Wait()
				if n := offline(); n != 0 {
					t.Errorf("offline was said %d times while the other client may be there", n)
				}
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				if n := offline(); n != c.offline {
					t.Errorf("offline was said %d times, want %d", n, c.offline)
				}
				if n := len(f.made("GET", "/devices")); n > 3 {
					t.Errorf("the clients were asked for %d times", n)
				}
				show(bridge.Offline)
			})
		})
	}
}

// TestPersonsTyping goes both ways.
func TestPersonsTyping(t *testing.T) {
	g := shared.gateway(t)
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	if _, err := bob.UserTyping(patient(t), room, true, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	await(alice.user, "bob typing", func(e bridge.TypingSeen) bool {
		return e.Typing && e.From.ID == bridge.RemoteID(bob.UserID) && e.Chat == bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}
	})
	if err := alice.person.Typing(patient(t), bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}, true); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Wait(patient(t), "alice typing", func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.TypingEventContent)
		return ok && evt.RoomID == room && slices.Contains(content.UserIDs, alice.other.UserID)
	}); err != nil {
		t.Fatal(err)
	}
	alice.recorder.mu.Lock()
	defer alice.recorder.mu.Unlock()
	for _, e := range alice.recorder.all {
		if seen, ok := e.(bridge.TypingSeen); ok && seen.From.ID == alice.person.ID() {
			t.Error("alice was told that she types")
		}
	}
}

// TestRevokedLogin: an account whose log-in has ended is told so once, with what to
// do, and the homeserver is left in peace.
func TestRevokedLogin(t *testing.T) {
	polls := &counter{}
	g := shared.gateway(t, func(o *Options) { o.HTTPClient = &http.Client{Transport: polls} })
	alice := g.link(KindLogin, "alice")
	alice.signIn(bridge.Available)
	alice.awaitUp(true)
	if _, err := alice.other.LogoutAll(patient(t)); err != nil {
		t.Fatal(err)
	}
	down := alice.awaitUp(false)
	command := fmt.Sprintf("papillon link %s matrix %s --kind login --server %s --password-stdin",
		alice.login.Account, alice.other.UserID, alice.other.HomeserverURL)
	if !strings.Contains(down.Reason, command) {
		t.Errorf("reason: %q", down.Reason)
	}
	says := await(alice.user, "what to do", func(bridge.NetworkSays) bool { return true })
	if !strings.Contains(says.Text, "--kind login") {
		t.Errorf("said: %q", says.Text)
	}
	alice.shows(bridge.Offline)
	before := polls.of("/sync")
	alice.shows(bridge.Hidden)
	if err := alice.person.RosterReady(patient(t)); err == nil {
		t.Error("the contact list is said to be there")
	}
	err := alice.person.Send(patient(t), bridge.Outgoing{ID: "later", Chat: bridge.Chat{Contact: "@bob:hs.test"}, Text: "hello", Sent: time.Now()})
	if err == nil || errors.Is(err, bridge.ErrRefused) {
		t.Errorf("a message, which waits for the next log-in, gets %v", err)
	}
	if got := polls.of("/sync") - before; got > 2 {
		t.Errorf("%d polls after the log-in had ended", got)
	}
}

// TestOwnSessionIsEnded: the session that the gateway has made for the account is made
// anew when the person ends it.
func TestOwnSessionIsEnded(t *testing.T) {
	g := shared.gateway(t)
	bob := shared.person(t, "bob")
	alice := g.link(KindOwn, "alice")
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	alice.awaitUp(true)
	ended := alice.person.poller.Load()
	if _, err := ended.Logout(patient(t)); err != nil {
		t.Fatal(err)
	}
	sayAll(t, bob, room, numbered(0, 3))
	alice.awaitText("line 2")
	if now := alice.person.poller.Load(); now == nil || now == ended {
		t.Errorf("still the session %s", ended.DeviceID)
	}
}

// counter counts requests by what their paths contain.
type counter struct {
	recorded []string
	mu       sync.Mutex
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.recorded = append(c.recorded, r.URL.Path)
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func (c *counter) of(part string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, path := range c.recorded {
		if strings.Contains(path, part) {
			n++
		}
	}
	return n
}

// TestOwnIsRefused: whom the homeserver does not know cannot be acted as.
func TestOwnIsRefused(t *testing.T) {
	options := Options{HomeserverURL: shared.URL, Domain: matrixtest.Domain, Registration: shared.registration, Puppets: shared.puppets}
	alice := shared.person(t, "alice")
	if err := CheckOwn(t.Context(), options, bridge.RemoteID(alice.UserID)); err != nil {
		t.Errorf("alice is refused: %v", err)
	}
	for person, want := range map[bridge.RemoteID]string{
		"@nobody:" + matrixtest.Domain:    "no such account",
		"@alice:elsewhere.example":        "kind login",
		"@msn_alice:" + matrixtest.Domain: "kind ghost",
		"alice":                           "no Matrix id",
	} {
		if err := CheckOwn(t.Context(), options, person); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", person, err, want)
		}
	}
	stranger, err := NewPuppetRegistration(RegistrationOptions{Domain: matrixtest.Domain})
	if err != nil {
		t.Fatal(err)
	}
	options.Puppets = stranger
	if err := CheckOwn(t.Context(), options, bridge.RemoteID(alice.UserID)); err == nil || !strings.Contains(err.Error(), "second registration") {
		t.Errorf("with a registration that is not loaded: %v", err)
	}
}

// TestLogins: what can be wrong with a log-in is said in one line.
func TestLogins(t *testing.T) {
	alice, bob := shared.person(t, "alice"), shared.person(t, "bob")
	id := bridge.RemoteID(alice.UserID)
	_, err := LoginByPassword(t.Context(), shared.URL, id, "wrong")
	if err == nil || !strings.Contains(err.Error(), "does not accept the password") {
		t.Errorf("a wrong password: %v", err)
	}
	_, err = LoginByToken(t.Context(), shared.URL, id, "wrong")
	if err == nil || !strings.Contains(err.Error(), "does not know this access token") {
		t.Errorf("a wrong token: %v", err)
	}
	_, err = LoginByToken(t.Context(), shared.URL, id, bob.AccessToken)
	if err == nil || !strings.Contains(err.Error(), "access token of "+string(bob.UserID)) {
		t.Errorf("bob's token: %v", err)
	}
	_, err = LoginByPassword(t.Context(), "http://127.0.0.1:1", id, "x")
	if err == nil || !strings.Contains(err.Error(), "cannot be reached") || strings.Contains(err.Error(), "\n") {
		t.Errorf("a server that is not there: %v", err)
	}
	credentials, err := LoginByToken(t.Context(), shared.URL, id, alice.AccessToken)
	if err != nil || credentials.DeviceID != alice.DeviceID {
		t.Fatalf("%+v, %v", credentials, err)
	}
	if credentials, err = LoginByPassword(t.Context(), shared.URL, id, matrixtest.Password(alice.UserID.Localpart())); err != nil {
		t.Fatal(err)
	}
	sessions := sessionsOf(t, alice)
	shouted := bridge.RemoteID(strings.Replace(string(id), "alice", "ALICE", 1))
	_, err = LoginByPassword(t.Context(), shared.URL, shouted, matrixtest.Password(alice.UserID.Localpart()))
	if err == nil {
		t.Errorf("a log-in as %s makes one of %s", shouted, id)
	} else if now := sessionsOf(t, alice); now != sessions {
		t.Errorf("%v leaves %d sessions, not %d", err, now, sessions)
	}
	raw, err := credentials.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it has ended already
		if err := Logout(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := LoginByToken(t.Context(), shared.URL, id, credentials.AccessToken); err == nil {
		t.Error("the session goes on after the log-out")
	}
	if _, err := alice.Whoami(patient(t)); errors.Is(err, mautrix.MUnknownToken) {
		t.Error("the other session has ended, too")
	}
}

func sessionsOf(t *testing.T, p *matrixtest.Person) int {
	t.Helper()
	devices, err := p.GetDevicesInfo(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	return len(devices.Devices)
}
