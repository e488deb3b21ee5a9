package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// consent is an authorization server before the homeserver: its tokens stand for a
// session there, and each is good until the next is made.
type consent struct {
	*httptest.Server
	session string // the homeserver's own token

	mu      sync.Mutex
	polls   int
	renewed int
	closed  bool // no more tokens are made
	revoked []string
}

func newConsent(t *testing.T, homeserver, session string) *consent {
	t.Helper()
	target, err := url.Parse(homeserver)
	if err != nil {
		t.Fatal(err)
	}
	c := &consent{session: session}
	forward := httputil.NewSingleHostReverseProxy(target)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_matrix/client/v1/auth_metadata", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"issuer": c.URL, "registration_endpoint": c.URL + "/register", "token_endpoint": c.URL + "/token",
			"device_authorization_endpoint": c.URL + "/device", "revocation_endpoint": c.URL + "/revoke",
		})
	})
	mux.HandleFunc("POST /register", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusCreated, map[string]any{"client_id": "papillon-1"})
	})
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{
			"device_code": "secret", "user_code": "ABCD-EFGH", "verification_uri": "https://auth.example/link", "expires_in": 60, "interval": 1,
		})
	})
	mux.HandleFunc("POST /token", c.token)
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.revoked = append(c.revoked, r.FormValue("token"))
		answer(w, http.StatusOK, map[string]any{})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if token := r.Header.Get("Authorization"); token != "" {
			if token != "Bearer "+c.current() {
				answer(w, http.StatusUnauthorized, map[string]any{"errcode": "M_UNKNOWN_TOKEN", "error": "expired"})
				return
			}
			r.Header.Set("Authorization", "Bearer "+c.session)
		}
		forward.ServeHTTP(w, r)
	})
	c.Server = httptest.NewServer(mux)
	t.Cleanup(c.CloseClientConnections)
	t.Cleanup(c.Close)
	return c
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// current is the one token that is good.
func (c *consent) current() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("access-%d", c.renewed)
}

// token answers what RFC 8628 and RFC 6749 §6 say. Its tokens last for so short a
// time that the next request renews them.
func (c *consent) token(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.FormValue("grant_type") == "refresh_token" {
		if c.closed || r.FormValue("refresh_token") != fmt.Sprintf("refresh-%d", c.renewed) || r.FormValue("client_id") != "papillon-1" {
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		c.renewed++
	} else if c.polls++; c.polls == 1 {
		answer(w, http.StatusBadRequest, map[string]any{"error": "authorization_pending"})
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"access_token": fmt.Sprintf("access-%d", c.renewed), "refresh_token": fmt.Sprintf("refresh-%d", c.renewed), "token_type": "Bearer", "expires_in": 11,
	})
}

// TestLoginByBrowser: a log-in that an authorization server makes is renewed when it
// expires, and what is stored is what is good.
func TestLoginByBrowser(t *testing.T) {
	bob, other := shared.person(t, "bob"), shared.person(t, "alice")
	person := bridge.RemoteID(other.UserID)
	session, err := LoginByPassword(t.Context(), shared.URL, person, matrixtest.Password(other.UserID.Localpart()))
	if err != nil {
		t.Fatal(err)
	}
	server := newConsent(t, shared.URL, session.AccessToken)
	var page, code string
	credentials, err := LoginByBrowser(patient(t), server.URL, person, func(p, c string) { page, code = p, c })
	if err != nil {
		t.Fatal(err)
	}
	if page != "https://auth.example/link" || code != "ABCD-EFGH" {
		t.Errorf("shown: %q, %q", page, code)
	}
	var mu sync.Mutex
	var stored []byte
	g := shared.gateway(t, func(o *Options) {
		o.Renew = func(_ context.Context, _ bridge.Handle, raw []byte) error {
			mu.Lock()
			defer mu.Unlock()
			stored = raw
			return nil
		}
	})
	raw, err := credentials.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	handle := bridge.Handle(other.UserID.Localpart() + "@msn.test")
	alice := g.openOwn(bridge.Login{Account: handle, Kind: KindLogin, ID: person, Credentials: raw}, other)
	room := alice.chatting(bob)
	alice.signIn(bridge.Available)
	for i := range 3 {
		if _, err := bob.Say(patient(t), room, fmt.Sprint("hello ", i)); err != nil {
			t.Fatal(err)
		}
		alice.awaitText(fmt.Sprint("hello ", i))
	}
	server.mu.Lock()
	for server.renewed < 1 {
		server.mu.Unlock()
		alice.untilSent("again", "again", bridge.Chat{Contact: bridge.RemoteID(bob.UserID)})
		server.mu.Lock()
	}
	server.mu.Unlock()
	mu.Lock()
	kept, err := parseCredentials(stored)
	mu.Unlock()
	if err != nil || !strings.HasPrefix(kept.RefreshToken, "refresh-") || kept.RefreshToken == credentials.RefreshToken || kept.UserID != other.UserID {
		t.Errorf("stored: %v, %v", kept.UserID, err)
	}

	server.mu.Lock()
	server.closed = true
	server.renewed = 1000 // and nothing that was given out is good
	server.mu.Unlock()
	says := await(alice.user, "what to do", func(bridge.NetworkSays) bool { return true })
	if !strings.Contains(says.Text, "its log-in has ended") || strings.Contains(says.Text, "--password") {
		t.Errorf("said: %q", says.Text)
	}
}

// TestAnotherAgreesInTheBrowser: who is logged in there need not be the one who was named.
// The log-in that was made does not stay.
func TestAnotherAgreesInTheBrowser(t *testing.T) {
	bob, other := shared.person(t, "bob"), shared.person(t, "alice")
	server := newConsent(t, shared.URL, bob.AccessToken)
	_, err := LoginByBrowser(patient(t), server.URL, bridge.RemoteID(other.UserID), func(string, string) {})
	if err == nil || !strings.Contains(err.Error(), "access token of "+string(bob.UserID)) || strings.Contains(err.Error(), "could not be ended") {
		t.Errorf("bob agrees for alice: %v", err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.revoked) == 0 {
		t.Error("the log-in stays")
	}
}
