package matrix

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

func TestHomeserverThatComesUpLater(t *testing.T) {
	t.Parallel()
	w, err := newListener()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	g := w.gateway(t, func(o *Options) { o.HomeserverURL = "http://" + address })
	alice := g.user("alice")
	if down := alice.awaitUp(false); !strings.Contains(down.Reason, "hs.test cannot be reached") {
		t.Errorf("reason %q", down.Reason)
	}
	alice.show(bridge.Presence{Show: bridge.Available, Text: "first"})
	err = alice.Send(patient(t), bridge.Outgoing{ID: "1", Chat: bridge.Chat{Contact: "@bob:hs.test"}, Text: "hello"})
	if err == nil || isRefused(err) {
		t.Errorf("a message while the homeserver is down: %v", err)
	}
	w.Server, err = matrixtest.Start(patient(t), matrixtest.Options{
		Addr: address, Presence: true,
		Registrations: []string{filepath.Join(w.dir, "registration.yaml")},
	})
	if err != nil {
		t.Fatal(err)
	}
	alice.awaitUp(true)
	bob := w.person(t, "bob")
	talking(t, alice, bob)
	// The presence that was set before has reached the homeserver by itself.
	if _, err := bob.WaitPresence(patient(t), alice.user, event.PresenceOnline, "first"); err != nil {
		t.Fatal(err)
	}
	if err := w.Halt(); err != nil {
		t.Fatal(err)
	}
	alice.awaitUp(false)
	if err := w.Resume(patient(t)); err != nil {
		t.Fatal(err)
	}
	alice.awaitUp(true)
	alice.say("2", "back again", bob.UserID)
	if _, err := bob.WaitText(patient(t), alice.user, "back again"); err != nil {
		t.Fatal(err)
	}
	// Typing comes by sync, which has found its way back too.
	if _, err := bob.UserTyping(patient(t), alice.room(g, bob.UserID), true, patience); err != nil {
		t.Fatal(err)
	}
	await(alice, "typing", func(s bridge.TypingSeen) bool { return s.Typing })
}

func TestHomeserverThatDoesNotKnowTheGateway(t *testing.T) {
	stranger, err := NewRegistration(RegistrationOptions{Domain: matrixtest.Domain, URL: shared.address})
	if err != nil {
		t.Fatal(err)
	}
	g := shared.gateway(t, func(o *Options) { o.Registration = stranger })
	alice := g.user("alice")
	if down := alice.awaitUp(false); !strings.Contains(down.Reason, "registration file") {
		t.Errorf("reason %q", down.Reason)
	}
	err = alice.Send(patient(t), bridge.Outgoing{ID: "1", Chat: bridge.Chat{Contact: "@bob:hs.test"}, Text: "hello"})
	if err == nil || isRefused(err) {
		t.Errorf("a message that must wait: %v", err)
	}
}

func TestHomeserverOfAnotherName(t *testing.T) {
	misspelt, err := NewRegistration(RegistrationOptions{Domain: "hs.tset", URL: shared.address})
	if err != nil {
		t.Fatal(err)
	}
	misspelt.AppToken = shared.registration.AppToken // the homeserver has loaded it nevertheless
	g := shared.gateway(t, func(o *Options) { o.Domain, o.Registration = "hs.tset", misspelt })
	alice := g.user("alice")
	if down := alice.awaitUp(false); !strings.Contains(down.Reason, "is that of hs.test, but matrix.homeserver_domain is hs.tset") {
		t.Errorf("reason %q", down.Reason)
	}
}
