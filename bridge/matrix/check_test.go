package matrix

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// checked looks at the homeserver of a world as the command does: each line with what is
// wrong behind it.
func (w *world) checked(t *testing.T, running bool, change func(*Options)) (lines []string) {
	t.Helper()
	o := Options{HomeserverURL: w.url(), Domain: matrixtest.Domain, Registration: w.registration, Puppets: w.puppets}
	if change != nil {
		change(&o)
	}
	for _, f := range CheckHomeserver(patient(t), o, running) {
		line := f.What
		if f.Err != nil {
			line += " WRONG " + f.Err.Error()
		}
		lines = append(lines, line)
	}
	return lines
}

// tells checks that exactly these lines are there, by what they contain.
func tells(t *testing.T, lines []string, want ...string) {
	t.Helper()
	for i, line := range lines {
		if i >= len(want) || !strings.Contains(line, want[i]) || strings.Contains(line, "WRONG") != strings.Contains(want[i], "WRONG") {
			t.Errorf("line %d of %d: %q", i, len(want), line)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines, not %d", len(lines), len(want))
	}
}

// TestCheckOfWhatIsWell: nothing is wrong, with a gateway and without one.
func TestCheckOfWhatIsWell(t *testing.T) {
	g := shared.gateway(t)
	tells(t, shared.checked(t, true, nil), "homeserver http://", "knows the gateway", "second registration", shared.address, "gives keys", "tells presence")
	tells(t, shared.checked(t, false, nil), "homeserver http://", "knows the gateway", "second registration", "is seen while it runs", "gives keys", "tells presence")
	g.user("alice").awaitUp(true)
}

// TestCheckOfWhatIsWrong: each mistake is named, with the way out.
func TestCheckOfWhatIsWrong(t *testing.T) {
	stranger, err := NewRegistration(RegistrationOptions{Domain: matrixtest.Domain, URL: shared.address})
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewPuppetRegistration(RegistrationOptions{Domain: matrixtest.Domain})
	if err != nil {
		t.Fatal(err)
	}
	website := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>It works!") }))
	defer website.Close()
	for name, c := range map[string]struct {
		change func(*Options)
		want   []string
	}{
		"nobody there":    {func(o *Options) { o.HomeserverURL = "http://127.0.0.1:1" }, []string{"WRONG the server cannot be reached"}},
		"no URL":          {func(o *Options) { o.HomeserverURL = "localhost" }, []string{"WRONG "}},
		"a website":       {func(o *Options) { o.HomeserverURL = website.URL }, []string{"WRONG what answers there is no Matrix homeserver"}},
		"a wrong path":    {func(o *Options) { o.HomeserverURL += "/matrix" }, []string{"WRONG "}},
		"not loaded":      {func(o *Options) { o.Registration = stranger }, []string{"homeserver", `WRONG it has not loaded the registration, or an older one: copy the output of "papillon registration"`}},
		"not itself":      {func(o *Options) { o.Domain = "hs.tset" }, []string{"homeserver", "WRONG it is the homeserver of hs.test: set matrix.homeserver_domain"}},
		"no registration": {func(o *Options) { o.Registration = nil }, []string{"homeserver"}},
		"the second not loaded": {func(o *Options) { o.Puppets = second },
			[]string{"homeserver", "knows the gateway", `WRONG it has not loaded the registration, or an older one: copy the output of "papillon registration --own"`, "", "", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			got := shared.checked(t, false, c.change)
			for i, want := range c.want {
				if i >= len(got) || !strings.Contains(got[i], want) {
					t.Fatalf("says %q, not %q in line %d", got, want, i)
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("says %q", got)
			}
		})
	}
}

// TestCheckOfTheWayBack: the homeserver has presence switched off and finds no gateway
// where its registration says.
func TestCheckOfTheWayBack(t *testing.T) {
	t.Parallel()
	w := private(t, matrixtest.Options{})
	if err := w.listener.Close(); err != nil {
		t.Fatal(err)
	}
	tells(t, w.checked(t, true, nil), "homeserver http://", "knows the gateway", "second registration", "WRONG ", "gives keys", "presence switched off")
}

// TestCheckOfALogIn: a server that is away for the moment is no reason to link anew.
func TestCheckOfALogIn(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"well":             {200, `{"user_id":"@alice:far.test"}`, ""},
		"the token ended":  {401, `{"errcode":"M_UNKNOWN_TOKEN"}`, "the server does not know this access token: link the account again"},
		"of somebody else": {200, `{"user_id":"@eve:far.test"}`, "that is an access token of @eve:far.test: link the account again"},
		"deactivated":      {403, `{"errcode":"M_USER_DEACTIVATED"}`, "the server answers M_USER_DEACTIVATED: link the account again"},
		"overloaded":       {429, `{"errcode":"M_LIMIT_EXCEEDED"}`, "the server answers M_LIMIT_EXCEEDED: nothing has to be done"},
		"broken":           {500, `{"errcode":"M_UNKNOWN"}`, "the server answers M_UNKNOWN: nothing has to be done"},
		"no server behind": {502, `<html>`, "a proxy answers 502 in the server's place: nothing has to be done"},
		"away":             {0, ``, "the server cannot be reached: dial tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			if c.status == 0 {
				server.Close()
			}
			raw, err := Credentials{HomeserverURL: server.URL, UserID: "@alice:far.test", AccessToken: "x"}.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			err = CheckStored(patient(t), Options{}, bridge.IdentityRecord{Kind: KindLogin, ID: "@alice:far.test", Credentials: raw})
			switch {
			case (err == nil) != (c.want == ""), err != nil && !strings.HasPrefix(err.Error(), c.want):
				t.Errorf("says %v, not %q", err, c.want)
			case c.status == 0 && strings.Contains(err.Error(), "again"):
				t.Errorf("says %v", err)
			}
		})
	}
}
