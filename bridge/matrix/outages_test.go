package matrix

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// troubled is a gateway between which and its homeserver things go wrong, both on
// the way there and on the way back.
type troubled struct {
	*gateway
	there *matrixtest.Proxy
	back  *matrixtest.Faults
}

// troubled makes the gateway.
func (w *world) troubled(t *testing.T, change ...func(*Options)) *troubled {
	t.Helper()
	there, err := matrixtest.NewProxy(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(there.Close)
	g := w.gateway(t, append(change, func(o *Options) { o.HomeserverURL = there.URL })...)
	tr := &troubled{gateway: g, there: there, back: &matrixtest.Faults{}}
	handler := tr.back.Wrap(g.Handler())
	w.handler.Store(&handler)
	return tr
}

// offers chooses the transactions of a homeserver.
func offers(r *http.Request) bool { return strings.Contains(r.URL.Path, "/transactions/") }

// sends chooses the messages of the gateway's users.
func sends(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/send/")
}

// insist sends a message as the gateway's outbox does: again with the same id until
// the homeserver has it.
func (u *user) insist(id, text string, contact id.UserID) {
	u.t.Helper()
	u.insistTo(id, text, bridge.Chat{Contact: bridge.RemoteID(contact)})
}

func (u *user) insistTo(id, text string, chat bridge.Chat) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), cutOff+patience)
	defer cancel()
	for {
		err := u.nature.(bridge.Account).Send(ctx, bridge.Outgoing{ID: id, Chat: chat, Text: text, Sent: time.Now()})
		if err == nil {
			return
		}
		// What is refused is refused for good, and would be lost.
		if isRefused(err) || !wait(ctx, 50*time.Millisecond, nil) {
			u.t.Errorf("%q was not sent: %v", text, err)
			return
		}
	}
}

// readsAll waits for what a ghost says: these texts, in this order, each once. An event
// may be told twice: Dendrite v0.15.2 does so, now and then, to who has just come in.
func readsAll(t *testing.T, p *matrixtest.Person, ghost id.UserID, want []string) {
	t.Helper()
	told := make(map[id.EventID]bool)
	for _, text := range want {
		evt, err := p.Wait(patient(t), fmt.Sprintf("%q", text), func(e *event.Event) bool {
			return e.Type == event.EventMessage && e.Sender == ghost && !told[e.ID]
		})
		if err != nil {
			t.Fatal(err)
		}
		told[evt.ID] = true
		if got := evt.Content.AsMessage().Body; got != text {
			t.Fatalf("%s reads %q where %q is next", p.UserID, got, text)
		}
	}
}

// heard checks that the user was told these texts, in this order, each once; the
// last of them is waited for.
func (u *user) heard(want []string) {
	u.t.Helper()
	u.awaitText(want[len(want)-1])
	got := u.texts(func(bridge.MessageReceived) bool { return true })
	if strings.Join(got, "|") != strings.Join(want, "|") {
		u.t.Errorf("%s hears %q, not %q", u.owner, got, want)
	}
}

// TestConversationThroughTrouble: whatever happens between gateway and homeserver in
// the middle of a conversation, nothing of it is lost and nothing comes twice.
func TestConversationThroughTrouble(t *testing.T) {
	for name, c := range map[string]struct{ there, back matrixtest.Fault }{
		"slow":    {there: matrixtest.Fault{Delay: 300 * time.Millisecond}, back: matrixtest.Fault{Delay: 500 * time.Millisecond}},
		"limited": {there: matrixtest.Fault{Every: 2, Status: http.StatusTooManyRequests, RetryAfter: 100 * time.Millisecond}, back: matrixtest.Fault{Times: 1, Status: http.StatusTooManyRequests}},
		"no homeserver behind its proxy": {
			there: matrixtest.Fault{Every: 2, Status: http.StatusBadGateway},
			back:  matrixtest.Fault{Times: 2, Status: http.StatusBadGateway},
		},
		"cut":          {there: matrixtest.Fault{Every: 3, Cut: true}, back: matrixtest.Fault{Times: 2, Cut: true}},
		"answers lost": {there: matrixtest.Fault{Every: 2, Lost: true}, back: matrixtest.Fault{Times: 2, Lost: true}},
		"replayed":     {there: matrixtest.Fault{Replay: 1}, back: matrixtest.Fault{Replay: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := shared.troubled(t)
			alice, bob := tr.user("alice"), shared.person(t, "bob")
			room := talking(t, alice, bob)
			c.there.Match, c.back.Match = sends, offers
			there, back := tr.there.Inject(c.there), tr.back.Inject(c.back)
			fromBob, fromAlice := []string{}, []string{"hi"}
			for i := range 10 {
				fromBob, fromAlice = append(fromBob, fmt.Sprint("bob ", i)), append(fromAlice, fmt.Sprint("alice ", i))
				say(t, bob, room, fmt.Sprint("bob ", i))
				alice.insist(fmt.Sprint(room, i), fmt.Sprint("alice ", i), bob.UserID)
			}
			alice.awaitText("bob 9")
			if n, m := there(), back(); n == 0 || m == 0 {
				t.Errorf("%d sends and %d transactions were struck", n, m)
			}
			say(t, bob, room, "and it is calm")
			alice.insist(fmt.Sprint(room, "calm"), "and it is calm", bob.UserID)
			alice.heard(append(fromBob, "and it is calm"))
			readsAll(t, bob, alice.user, append(fromAlice, "and it is calm"))
		})
	}
}

// cutOff is how long a homeserver is away in the test below.
const cutOff = 2 * time.Minute

// TestTwoMinutesCutOff: no way between gateway and homeserver for two minutes, while
// both sides write on.
func TestTwoMinutesCutOff(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{KindGhost, KindOwn, KindLogin} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			cutsOff(t, kind)
		})
	}
}

func cutsOff(t *testing.T, kind string) {
	w := private(t, matrixtest.Options{Presence: true})
	tr := w.troubled(t)
	alice, bob := tr.signedIn(kind), w.person(t, "bob")
	room := talking(t, alice, bob)
	say(t, bob, room, "before")
	alice.awaitText("before")
	there, back := tr.there.Inject(matrixtest.Fault{Cut: true}), tr.back.Inject(matrixtest.Fault{Cut: true})
	tr.there.Cut()
	over := time.After(cutOff)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		alice.insist("1", "still there?", bob.UserID)
		alice.insist("2", "hello?", bob.UserID)
	}()
	want := []string{"before"}
	for i := range 5 {
		want = append(want, fmt.Sprint("meanwhile ", i))
		say(t, bob, room, want[i+1])
	}
	alice.awaitUp(false)
	<-over
	there()
	back()
	alice.awaitUp(true)
	<-sent
	readsAll(t, bob, alice.account.user, []string{"hi", "still there?", "hello?"})
	say(t, bob, room, "after")
	alice.heardOf(append(want, "after"))
	// Typing comes by sync, or is pushed again.
	if _, err := bob.UserTyping(patient(t), room, true, patience); err != nil {
		t.Fatal(err)
	}
	await(alice, "typing", func(s bridge.TypingSeen) bool { return s.Typing })
}

// signedIn makes somebody with an account of a kind.
func (tr *troubled) signedIn(kind string) *user {
	tr.t.Helper()
	if kind == KindGhost {
		alice := tr.user("alice")
		alice.show(bridge.Presence{Show: bridge.Available})
		return alice
	}
	o := tr.link(kind, "alice")
	o.signIn(bridge.Available)
	return o.user
}
