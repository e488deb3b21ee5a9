package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// fake is a homeserver in memory, for faults that a real one does not show. It
// is the transport of the network's HTTP client, so that it works where time
// does not pass by itself.
type fake struct {
	mu    sync.Mutex
	rules []rule
	calls []call
}

// rule answers the requests whose method and path contain its words.
type rule struct {
	method, path string
	answer       func(r *http.Request) (status int, body string)
}

// call is a request that was made.
type call struct {
	method, path, query, body string
	at                        time.Time
}

// newFake is a homeserver where all is well and nothing happens.
func newFake() *fake {
	f := &fake{}
	f.on("", "", fixed(http.StatusOK, `{}`))
	f.on("GET", "/versions", fixed(http.StatusOK, `{"versions":["v1.11"]}`))
	f.on("POST", "/createRoom", fixed(http.StatusOK, `{"room_id":"!new:hs.test"}`))
	f.on("POST", "/join", fixed(http.StatusOK, `{"room_id":"!new:hs.test"}`))
	f.on("PUT", "/send/", fixed(http.StatusOK, `{"event_id":"$1"}`))
	f.on("GET", "/joined_rooms", fixed(http.StatusOK, `{"joined_rooms":[]}`))
	f.on("GET", "/members", fixed(http.StatusOK, `{"chunk":[]}`))
	f.on("GET", "/status", fixed(http.StatusOK, `{"presence":"online"}`))
	f.on("GET", "/sync", idleSync)
	f.on("GET", "/state/m.room.encryption", fixed(http.StatusNotFound, `{"errcode":"M_NOT_FOUND","error":"not encrypted"}`))
	return f
}

// idleSync answers the first poll at once and others when their time is over.
func idleSync(r *http.Request) (int, string) {
	ms := 0
	_, _ = fmt.Sscan(r.URL.Query().Get("timeout"), &ms)
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-r.Context().Done():
	}
	return http.StatusOK, `{"next_batch":"s1"}`
}

func fixed(status int, body string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return status, body }
}

// on adds a rule; the newest that fits is used.
func (f *fake) on(method, path string, answer func(*http.Request) (int, string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = append(f.rules, rule{method, path, answer})
}

// RoundTrip implements http.RoundTripper. A status of 0 is no answer.
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	f.mu.Lock()
	f.calls = append(f.calls, call{r.Method, r.URL.Path, r.URL.RawQuery, string(body), time.Now()})
	var answer func(*http.Request) (int, string)
	for _, rule := range f.rules {
		if strings.Contains(r.Method, rule.method) && strings.Contains(r.URL.Path, rule.path) {
			answer = rule.answer
		}
	}
	f.mu.Unlock()
	status, text := answer(r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if status == http.StatusTooManyRequests {
		header.Set("Retry-After", "30")
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: header, Request: r,
		Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)),
	}, nil
}

// made returns the requests that fit.
func (f *fake) made(method, path string) []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fit []call
	for _, c := range f.calls {
		if c.method == method && strings.Contains(c.path, path) {
			fit = append(fit, c)
		}
	}
	return fit
}

// open opens a network and one account over the fake, in a bubble.
func (f *fake) open(t *testing.T) *user {
	t.Helper()
	opened, r := f.openAs(t, bridge.Login{Account: "alice@msn.test", Name: "Alice"})
	return &user{account: opened.(*account), recorder: r, t: t}
}

// openAs does so for any login.
func (f *fake) openAs(t *testing.T, login bridge.Login) (bridge.Account, *recorder) {
	t.Helper()
	options := RegistrationOptions{Domain: matrixtest.Domain, URL: "http://127.0.0.1:1"}
	reg, err := NewRegistration(options)
	if err != nil {
		t.Fatal(err)
	}
	puppets, err := NewPuppetRegistration(options)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(t.Context(), Options{
		HomeserverURL: "http://hs.test", Domain: matrixtest.Domain, Registration: reg, Puppets: puppets, AccountDomain: "msn.test",
		StateDB: newDB(t), Chats: newMemoryChats(), Memory: newMemory(), Log: zerolog.Nop(), HTTPClient: &http.Client{Transport: f},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	r := newRecorder()
	a, err := n.Open(t.Context(), login, r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.Close()
		cancel()
		<-done
	})
	return a, r
}

const bob = "@bob:hs.test"

func TestErrorsOfSend(t *testing.T) {
	code := func(c string) string { return fmt.Sprintf(`{"errcode":%q,"error":"no"}`, c) }
	for _, c := range []struct {
		name    string
		status  int
		body    string
		refused bool
	}{
		{"forbidden", 403, code("M_FORBIDDEN"), true},
		{"bad JSON", 400, code("M_BAD_JSON"), true},
		{"unknown room", 404, code("M_NOT_FOUND"), true},
		{"too large", 413, code("M_TOO_LARGE"), true},
		{"too large for a proxy", 413, "<html>", true},
		{"no route in a proxy", 404, "<html>", false},
		{"forbidden by a proxy", 403, "<html>", false},
		{"rate limit", 429, code("M_LIMIT_EXCEEDED"), false},
		{"rate limit without code", 429, "", false},
		{"unknown token", 401, code("M_UNKNOWN_TOKEN"), false},
		{"unknown token as Synapse says", 403, code("M_UNKNOWN_TOKEN"), false},
		{"full server", 403, code("M_RESOURCE_LIMIT_EXCEEDED"), false},
		{"server error", 500, code("M_UNKNOWN"), false},
		{"bad gateway", 502, "<html>", false},
		{"no answer", 0, "", false},
		{"answer that is no JSON", 200, "<html>", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.on("PUT", "/send/", fixed(c.status, c.body))
				alice := f.open(t)
				err := alice.Send(t.Context(), bridge.Outgoing{ID: "1", Chat: bridge.Chat{Contact: bob}, Text: "secret words"})
				if err == nil || errors.Is(err, bridge.ErrRefused) != c.refused {
					t.Errorf("%v", err)
				}
				if err != nil && strings.Contains(err.Error(), "secret") {
					t.Errorf("the error has the text: %v", err)
				}
			})
		})
	}
}

func TestRequestsAreBoundedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("PUT", "/send/", func(r *http.Request) (int, string) {
			<-r.Context().Done()
			return 0, ""
		})
		alice := f.open(t)
		start := time.Now()
		err := alice.Send(t.Context(), bridge.Outgoing{ID: "1", Chat: bridge.Chat{Contact: bob}, Text: "x"})
		if err == nil || errors.Is(err, bridge.ErrRefused) || time.Since(start) != defaultCallTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestRoomIsStoredBeforeTheMessageIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("PUT", "/send/", fixed(502, ""))
		alice := f.open(t)
		for range 3 {
			if err := alice.Send(t.Context(), bridge.Outgoing{ID: "1", Chat: bridge.Chat{Contact: bob}, Text: "x"}); err == nil {
				t.Fatal("the message was accepted")
			}
		}
		if made := f.made("POST", "/createRoom"); len(made) != 1 {
			t.Errorf("%d rooms were made", len(made))
		}
		sent := f.made("PUT", "/send/")
		if len(sent) != 3 || sent[0].path != sent[1].path || sent[1].path != sent[2].path {
			t.Errorf("sent %+v", sent)
		}
		if !strings.Contains(sent[0].path, "msn_alice") {
			t.Errorf("the transaction id has no user: %s", sent[0].path)
		}
	})
}

func TestLateMessageKeepsItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		written := time.Now().Add(-time.Hour)
		for id, at := range map[string]time.Time{"late": written, "now": time.Now()} {
			if err := alice.Send(t.Context(), bridge.Outgoing{ID: id, Chat: bridge.Chat{Contact: bob}, Text: "x", Sent: at}); err != nil {
				t.Fatal(err)
			}
		}
		for _, sent := range f.made("PUT", "/send/") {
			want := ""
			if strings.HasSuffix(sent.path, "late") {
				want = fmt.Sprintf("ts=%d", written.UnixMilli())
			}
			if !strings.Contains(sent.query, want) || want == "" && strings.Contains(sent.query, "ts=") {
				t.Errorf("%s has the query %q", sent.path, sent.query)
			}
		}
	})
}

func TestSyncBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/sync", fixed(500, ""))
		alice := f.open(t)
		alice.show(bridge.Presence{Show: bridge.Available})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		polls := len(f.made("GET", "/sync"))
		if polls < 10 || polls > 40 {
			t.Errorf("%d polls in ten minutes", polls)
		}
	})
}

func TestSyncHonoursRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/sync", fixed(429, `{"errcode":"M_LIMIT_EXCEEDED"}`))
		alice := f.open(t)
		alice.show(bridge.Presence{Show: bridge.Available})
		time.Sleep(65 * time.Second)
		synctest.Wait()
		if polls := f.made("GET", "/sync"); len(polls) != 3 || polls[1].at.Sub(polls[0].at) != 30*time.Second {
			t.Errorf("polls %+v", polls)
		}
	})
}

func TestSyncHonoursRateLimitInTheBody(t *testing.T) {
	for ms, want := range map[string]time.Duration{"25500": 25500 * time.Millisecond, "1e300": maxBackoff, `"soon"`: 0} {
		header := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{}}
		body := &mautrix.RespError{}
		if err := json.Unmarshal([]byte(`{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":`+ms+`}`), body); err != nil {
			t.Fatal(err)
		}
		err := fmt.Errorf("sync: %w", mautrix.HTTPError{Response: header, RespError: body})
		if got := retryAfter(err, time.Second); got != max(want, time.Second) {
			t.Errorf("%s: waits %v, not %v", ms, got, want)
		}
	}
}

func TestSyncThatReturnsAtOnceIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/sync", fixed(200, `{"next_batch":"s"}`))
		alice := f.open(t)
		alice.show(bridge.Presence{Show: bridge.Available})
		time.Sleep(time.Minute)
		synctest.Wait()
		if polls := len(f.made("GET", "/sync")); polls > pollsPerSecond*60+pollBurst+1 {
			t.Errorf("%d polls in a minute", polls)
		}
	})
}

func TestPresenceIsSaidAgainOnlyWithoutSync(t *testing.T) {
	for _, c := range []struct {
		name     string
		status   int
		min, max int
	}{{"with sync", 0, 1, 4}, {"without sync", 403, 29, 40}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				if c.status != 0 {
					f.on("GET", "/sync", fixed(c.status, `{"errcode":"M_FORBIDDEN"}`))
				}
				alice := f.open(t)
				alice.show(bridge.Presence{Show: bridge.Away, Text: "lunch"})
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				puts := f.made("PUT", "/presence/")
				if len(puts) < c.min || len(puts) > c.max {
					t.Errorf("said %d times in ten minutes", len(puts))
				}
				if last := puts[len(puts)-1]; last.body != `{"presence":"unavailable","status_msg":"lunch"}` {
					t.Errorf("said %s", last.body)
				}
			})
		})
	}
}

func TestPresenceIsAskedForWhereNoSyncBringsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		if err := alice.Follow(t.Context(), bridge.Contact{ID: bob}); err != nil {
			t.Fatal(err)
		}
		alice.show(bridge.Presence{Show: bridge.Available})
		time.Sleep(5*time.Minute + time.Second)
		synctest.Wait()
		if asked := len(f.made("GET", "/presence/"+bob)); asked != 11 {
			t.Errorf("asked %d times in five minutes", asked)
		}
		alice.awaitPresence(bob, bridge.Available)
		alice.unchanged()
		alice.show(bridge.Presence{Show: bridge.Offline})
		before := len(f.made("GET", "/presence/"))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if after := len(f.made("GET", "/presence/")); after != before {
			t.Errorf("asked %d times while signed out", after-before)
		}
	})
}

func TestPresenceThatIsNotTold(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (int, string){
		"forbidden": fixed(403, `{"errcode":"M_FORBIDDEN"}`),
		"not found": fixed(404, `{"errcode":"M_NOT_FOUND"}`),
		"empty":     fixed(200, `{"presence":""}`),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.on("GET", "/presence/", answer)
				alice := f.open(t)
				if err := alice.Follow(t.Context(), bridge.Contact{ID: bob}); err != nil {
					t.Fatal(err)
				}
				alice.show(bridge.Presence{Show: bridge.Available})
				alice.awaitPresence(bob, bridge.Unknown)
			})
		})
	}
}

func TestOfflineIsSaidAfterTheSyncHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		alice.show(bridge.Presence{Show: bridge.Available})
		time.Sleep(time.Second)
		alice.show(bridge.Presence{Show: bridge.Offline})
		synctest.Wait()
		said := f.made("PUT", "/presence/")
		if last := said[len(said)-1]; !strings.Contains(last.body, `"offline"`) {
			t.Errorf("said %s", last.body)
		}
		polls := f.made("GET", "/sync")
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(f.made("GET", "/sync")) != len(polls) {
			t.Error("a poll was made while signed out")
		}
		for _, poll := range polls {
			if strings.Contains(poll.query, "set_presence=offline") || !strings.Contains(poll.query, "set_presence=") {
				t.Errorf("poll with %s", poll.query)
			}
		}
	})
}

func TestBusyWhereTheHomeserverKnowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/versions", fixed(200, `{"versions":["v1.11"],"unstable_features":{"org.matrix.msc3026.busy_presence":true}}`))
		f.on("GET", "/status", fixed(200, `{"presence":"org.matrix.msc3026.busy","last_active_ago":60000}`))
		alice := f.open(t)
		alice.awaitUp(true)
		if err := alice.Follow(t.Context(), bridge.Contact{ID: bob}); err != nil {
			t.Fatal(err)
		}
		alice.show(bridge.Presence{Show: bridge.Busy})
		if got := alice.awaitPresence(bob, bridge.Busy); time.Since(got.Since) < time.Minute {
			t.Errorf("active since %v", got.Since)
		}
		synctest.Wait()
		said := f.made("PUT", "/presence/")
		if last := said[len(said)-1]; !strings.Contains(last.body, string(presenceBusyUnstable)) {
			t.Errorf("said %s", last.body)
		}
	})
}

func TestPushedEphemeralEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/status", fixed(403, `{"errcode":"M_FORBIDDEN"}`))
		f.on("GET", "/joined_rooms", fixed(200, `{"joined_rooms":["!r:hs.test"]}`))
		f.on("GET", "/members", fixed(200, `{"chunk":[
			{"type":"m.room.member","state_key":"@bob:hs.test","sender":"@bob:hs.test","content":{"membership":"join","displayname":"Bob"}},
			{"type":"m.room.member","state_key":"@msn_alice:hs.test","sender":"@bob:hs.test","content":{"membership":"join"}}]}`))
		alice := f.open(t)
		if err := alice.Follow(t.Context(), bridge.Contact{ID: bob}); err != nil {
			t.Fatal(err)
		}
		alice.show(bridge.Presence{Show: bridge.Available})
		alice.awaitPresence(bob, bridge.Unknown)
		var txn transaction
		err := json.Unmarshal([]byte(`{"ephemeral":[
			{"type":"m.presence","sender":"@bob:hs.test","content":{"presence":"unavailable","status_msg":"tea"}},
			{"type":"m.typing","room_id":"!r:hs.test","content":{"user_ids":["@bob:hs.test","@msn_alice:hs.test"]}}],
			"de.sorunome.msc2409.ephemeral":[{"type":"m.typing","room_id":"!r:hs.test","content":{"user_ids":[]}}]}`), &txn)
		if err != nil {
			t.Fatal(err)
		}
		if err := alice.network.take(t.Context(), &txn); err != nil {
			t.Fatal(err)
		}
		if got := alice.awaitPresence(bob, bridge.Away); got.Text != "tea" {
			t.Errorf("presence %+v", got)
		}
		seen := await(alice, "typing", func(s bridge.TypingSeen) bool { return !s.Typing })
		if seen.From != (bridge.Contact{ID: bob, Name: "Bob"}) || seen.Chat != (bridge.Chat{Contact: bob}) {
			t.Errorf("typing %+v", seen)
		}
	})
}

func TestOneBadRoomDoesNotStopTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/joined_rooms", fixed(200, `{"joined_rooms":["!bad:hs.test","!good:hs.test"]}`))
		alice := f.open(t)
		alice.answering(func(evt bridge.Event) error {
			if m, ok := evt.(bridge.MessageReceived); ok && (m.ID == "$1" || m.ID == "$3") {
				return errors.New("the disk is full")
			}
			return nil
		})
		message := func(id, room string) json.RawMessage {
			return json.RawMessage(fmt.Sprintf(`{"type":"m.room.message","event_id":%q,"room_id":%q,"sender":"@bob:hs.test",
				"origin_server_ts":1,"content":{"msgtype":"m.text","body":"x"}}`, id, room))
		}
		for _, room := range []string{"!bad:hs.test", "!good:hs.test"} {
			if err := alice.network.state.SetMembership(t.Context(), roomID(room), alice.user, event.MembershipJoin); err != nil {
				t.Fatal(err)
			}
			if err := alice.network.state.MarkMembersFetched(t.Context(), roomID(room)); err != nil {
				t.Fatal(err)
			}
		}
		txn := transaction{Events: []json.RawMessage{
			message("$1", "!bad:hs.test"), message("$2", "!good:hs.test"), message("$3", "!bad:hs.test"), message("$4", "!good:hs.test"),
		}}
		if err := alice.network.take(t.Context(), &txn); err == nil {
			t.Error("the transaction was taken")
		}
		if got := strings.Join(alice.messages(), " "); got != "$2 $4" {
			t.Errorf("got %s", got)
		}
		alice.answering(nil)
		if err := alice.network.take(t.Context(), &txn); err != nil {
			t.Error(err)
		}
		if got := strings.Join(alice.messages(), " "); got != "$2 $4 $1 $3" {
			t.Errorf("got %s", got)
		}
	})
}

func TestInvitesComeBySyncToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/sync", func(r *http.Request) (int, string) {
			if r.URL.Query().Get("since") != "" {
				return idleSync(r)
			}
			return 200, `{"next_batch":"s1","rooms":{"invite":{"!far:elsewhere.test":{"invite_state":{"events":[
				{"type":"m.room.member","state_key":"@zoe:elsewhere.test","sender":"@zoe:elsewhere.test","content":{"membership":"join","displayname":"Zoe"}},
				{"type":"m.room.member","state_key":"@msn_alice:hs.test","sender":"@zoe:elsewhere.test","content":{"membership":"invite","is_direct":true}}]}}}}}`
		})
		f.on("POST", "/join", fixed(200, `{"room_id":"!far:elsewhere.test"}`))
		alice := f.open(t)
		alice.show(bridge.Presence{Show: bridge.Available})
		request := await(alice, "the request", func(bridge.ContactRequested) bool { return true })
		if request.From != (bridge.Contact{ID: "@zoe:elsewhere.test", Name: "Zoe"}) {
			t.Errorf("request %+v", request)
		}
		synctest.Wait()
		if joined := f.made("POST", "/join"); len(joined) != 1 {
			t.Errorf("joined %+v", joined)
		}
		room, ok, err := alice.network.options.Chats.DirectChat(t.Context(), alice.owner, Name, "@zoe:elsewhere.test")
		if err != nil || !ok || room != "!far:elsewhere.test" {
			t.Errorf("stored %q, %v, %v", room, ok, err)
		}
	})
}

func TestProbesTellDownOnceAndUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		alice.awaitUp(true)
		f.on("GET", "/versions", fixed(0, ""))
		f.on("GET", "/profile", fixed(502, ""))
		// A call that fails makes the prober look without waiting.
		start := time.Now()
		if _, err := alice.Lookup(t.Context(), bob); err == nil {
			t.Error("looked up over a dead homeserver")
		}
		alice.awaitUp(false)
		if took := time.Since(start); took > 2*confirmDown {
			t.Errorf("noticed after %v", took)
		}
		time.Sleep(10 * time.Minute)
		f.on("GET", "/versions", fixed(200, `{"versions":["v1.11"]}`))
		start = time.Now()
		alice.awaitUp(true)
		if took := time.Since(start); took > defaultProbeInterval {
			t.Errorf("noticed the return after %v", took)
		}
		synctest.Wait()
		alice.recorder.mu.Lock()
		defer alice.recorder.mu.Unlock()
		changes := 0
		for _, evt := range alice.recorder.all {
			if _, ok := evt.(bridge.ConnectionChanged); ok {
				changes++
			}
		}
		if changes != 3 {
			t.Errorf("%d changes were told", changes)
		}
	})
}
