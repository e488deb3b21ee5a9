package matrix

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// sent returns the transactions that the homeserver has sent so far.
func (w *world) sent() []recorded {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]recorded(nil), w.transactions...)
}

// offer puts a transaction to the gateway as the homeserver does.
func (g *gateway) offer(path string, body []byte) int {
	r := httptest.NewRequest(http.MethodPut, path, bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+g.world.registration.ServerToken)
	w := httptest.NewRecorder()
	g.Handler().ServeHTTP(w, r)
	return w.Code
}

// grown returns a transaction with all events of several, as a homeserver may
// send it when it tries again.
func grown(t *testing.T, parts []recorded) []byte {
	t.Helper()
	var all transaction
	for _, part := range parts {
		var one transaction
		if err := json.Unmarshal(part.body, &one); err != nil {
			t.Fatal(err)
		}
		all.Events = append(all.Events, one.Events...)
	}
	body, err := json.Marshal(map[string]any{"events": all.Events})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestTransactionsOfferedAgainDoNothing(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	before := len(shared.sent())
	room := talking(t, alice, bob)
	for i := range 5 {
		if _, err := bob.Say(patient(t), room, fmt.Sprint("line ", i)); err != nil {
			t.Fatal(err)
		}
		alice.awaitText(fmt.Sprint("line ", i))
	}
	want := alice.messages()
	transactions := shared.sent()[before:]
	for range 2 { // the same ones again, and long replaced ones
		for _, txn := range transactions {
			if code := g.offer(txn.path, txn.body); code != http.StatusOK {
				t.Fatalf("offered again: %d", code)
			}
		}
	}
	if code := g.offer(transactions[0].path, grown(t, transactions)); code != http.StatusOK {
		t.Fatalf("grown: %d", code)
	}
	if got := alice.messages(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v, want %v", got, want)
	}
	// A gateway that has forgotten offers them with the same ids.
	other := shared.gateway(t, func(o *Options) { o.StateDB, o.Chats = g.options.StateDB, g.options.Chats })
	again := other.openUser(alice.owner, "The alice")
	for _, txn := range transactions {
		if code := other.offer(txn.path, txn.body); code != http.StatusOK {
			t.Fatalf("offered after a restart: %d", code)
		}
	}
	if got := again.messages(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("after a restart got %v, want %v", got, want)
	}
	alice.say("last", "still here", bob.UserID)
	if _, err := bob.WaitText(patient(t), alice.user, "still here"); err != nil {
		t.Error(err)
	}
}

// The database of the gateway fails for a while, in the middle of a
// conversation: everything arrives in the end, in order.
func TestNothingIsLostWhenTheReceiverFails(t *testing.T) {
	t.Parallel()
	w := private(t, matrixtest.Options{})
	g := w.gateway(t)
	alice, bob := g.user("alice"), w.person(t, "bob")
	room := talking(t, alice, bob)
	failed := failing(alice)
	var want []string
	for i := range 3 {
		want = append(want, say(t, bob, room, fmt.Sprint("line ", i)))
	}
	<-failed
	alice.answering(nil)
	alice.awaitText("line 2")
	if got := distinct(alice.messages()); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// The same, but the homeserver is restarted before it has tried again, and
// crashes later. What it had in hand comes only when its own queue gives up
// waiting for the old process, after half a minute, and may be overtaken.
func TestNothingIsLostWhenTheHomeserverRestarts(t *testing.T) {
	t.Parallel()
	w := private(t, matrixtest.Options{Persistent: true})
	g := w.gateway(t)
	alice, bob := g.user("alice"), w.person(t, "bob")
	room := talking(t, alice, bob)
	failed := failing(alice)
	want := []string{say(t, bob, room, "before")}
	<-failed
	if err := w.Restart(patient(t)); err != nil {
		t.Fatal(err)
	}
	want = append(want, say(t, bob, room, "after the restart"))
	alice.answering(nil)
	alice.awaitText("after the restart")
	if err := w.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := w.Resume(patient(t)); err != nil {
		t.Fatal(err)
	}
	want = append(want, say(t, bob, room, "after the crash"))
	alice.awaitText("after the crash")
	alice.awaitText("before")
	got := distinct(alice.messages())
	slices.Sort(got)
	slices.Sort(want)
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// failing makes the user's receiver refuse every message; the channel gets one
// element for each.
func failing(u *user) <-chan struct{} {
	failed := make(chan struct{}, 100)
	u.answering(func(event bridge.Event) error {
		if _, ok := event.(bridge.MessageReceived); ok {
			failed <- struct{}{}
			return errors.New("the disk is full")
		}
		return nil
	})
	return failed
}

// say sends a message as a person and returns its id.
func say(t *testing.T, p *matrixtest.Person, room id.RoomID, text string) string {
	t.Helper()
	sent, err := p.Say(patient(t), room, text)
	if err != nil {
		t.Fatal(err)
	}
	return string(sent)
}

// distinct drops what has been there before, as the gateway does by the id.
func distinct(ids []string) []string {
	var out []string
	seen := make(map[string]bool)
	for _, id := range ids {
		if !seen[id] {
			out = append(out, id)
		}
		seen[id] = true
	}
	return out
}

func TestHandlerRefusesWhatItCannotRead(t *testing.T) {
	g := shared.gateway(t, func(o *Options) { o.MaxTransaction = 1000 })
	const path = "/_matrix/app/v1/transactions/1"
	request := func(method, path, token, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		g.Handler().ServeHTTP(w, r)
		return w
	}
	token := g.options.Registration.ServerToken
	for _, c := range []struct {
		name, method, path, token, body string
		code                            int
	}{
		{"no token", "PUT", path, "", "{}", http.StatusUnauthorized},
		{"wrong token", "PUT", path, token + "x", "{}", http.StatusForbidden},
		{"our own token", "PUT", path, g.options.Registration.AppToken, "{}", http.StatusForbidden},
		{"not JSON", "PUT", path, token, "{", http.StatusBadRequest},
		{"too large", "PUT", path, token, `{"events":[` + strings.Repeat(" ", 2000) + `]}`, http.StatusRequestEntityTooLarge},
		{"nothing", "PUT", path, token, "{}", http.StatusOK},
		{"events that are none", "PUT", path, token, `{"events":[1,null,{},{"type":7},{"type":"m.room.message","room_id":"!a:b"}]}`, http.StatusOK},
		{"ephemeral ones that are none", "PUT", path, token, `{"ephemeral":[1,{"type":"m.typing"},{"type":"m.presence","content":[]}]}`, http.StatusOK},
		{"content that is none", "PUT", path, token, `{"events":[{"type":"m.room.member","state_key":"@msn_a:hs.test","sender":"@b:hs.test","room_id":"!a:hs.test","content":[]}]}`, http.StatusOK},
		{"ping", "POST", "/_matrix/app/v1/ping", token, `{}`, http.StatusOK},
		{"unknown user", "GET", "/_matrix/app/v1/users/@msn_nobody:hs.test", token, "", http.StatusNotFound},
		{"unknown alias", "GET", "/_matrix/app/v1/rooms/%23a:hs.test", token, "", http.StatusNotFound},
		{"unknown path", "GET", "/elsewhere", token, "", http.StatusNotFound},
	} {
		w := request(c.method, c.path, c.token, c.body)
		if w.Code != c.code {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.code)
		}
		if body, _ := io.ReadAll(w.Body); !json.Valid(body) {
			t.Errorf("%s: the answer is not JSON: %q", c.name, body)
		}
	}
}
