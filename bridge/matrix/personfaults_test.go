package matrix

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
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
