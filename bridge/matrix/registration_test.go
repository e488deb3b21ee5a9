package matrix

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"maunium.net/go/mautrix/appservice"
)

func TestRegistrationsSurviveTheirFiles(t *testing.T) {
	o := RegistrationOptions{Domain: "hs.test", URL: "http://127.0.0.1:29318"}
	for name, make := range map[string]func(RegistrationOptions) (*appservice.Registration, error){
		"ghosts": NewRegistration, "puppets": NewPuppetRegistration,
	} {
		reg, err := make(o)
		if err != nil {
			t.Fatal(err)
		}
		text, err := RegistrationYAML(reg)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "registration.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		back, err := LoadRegistration(path)
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if *back.RateLimited || back.AppToken != reg.AppToken || back.ServerToken != reg.ServerToken ||
			back.ID != reg.ID || back.URL != reg.URL || back.SenderLocalpart != reg.SenderLocalpart ||
			back.EphemeralEvents != reg.EphemeralEvents || back.SoruEphemeralEvents != reg.SoruEphemeralEvents ||
			len(back.Namespaces.UserIDs) != 1 || back.Namespaces.UserIDs[0] != reg.Namespaces.UserIDs[0] {
			t.Errorf("%s: %+v came back as %+v", name, reg, back)
		}
	}
}

func TestRegistrationOfGhosts(t *testing.T) {
	reg, err := NewRegistration(RegistrationOptions{Domain: "hs.test", URL: "https://gw.test"})
	if err != nil {
		t.Fatal(err)
	}
	ns := reg.Namespaces.UserIDs[0]
	if !ns.Exclusive || !reg.EphemeralEvents || !reg.SoruEphemeralEvents || reg.SenderLocalpart != "papillon" || reg.ID != "msn" {
		t.Errorf("%+v", reg)
	}
	pattern := regexp.MustCompile(ns.Regex)
	for user, want := range map[string]bool{
		"@msn_alice:hs.test": true, "@msn_a=40b:hs.test": true,
		"@alice:hs.test": false, "@msn_alice:hsxtest": false, "x@msn_alice:hs.test": false, "@msn_alice:hs.test.evil": false,
	} {
		if pattern.MatchString(user) != want {
			t.Errorf("%s matches %s: %v", ns.Regex, user, !want)
		}
	}
}

func TestRegistrationOfPuppetsIsNotPushed(t *testing.T) {
	reg, err := NewPuppetRegistration(RegistrationOptions{Domain: "hs.test"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := RegistrationYAML(reg)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\nurl: null\n") || reg.Namespaces.UserIDs[0].Exclusive {
		t.Errorf("%s", text)
	}
}

func TestRegistrationOptionsThatAreWrong(t *testing.T) {
	for _, o := range []RegistrationOptions{
		{URL: "http://127.0.0.1:1"},
		{Domain: "not a domain", URL: "http://127.0.0.1:1"},
		{Domain: "hs.test"},
		{Domain: "hs.test", URL: "127.0.0.1:1"},
		{Domain: "hs.test", URL: "ftp://127.0.0.1:1"},
	} {
		if reg, err := NewRegistration(o); err == nil {
			t.Errorf("%+v gave %+v", o, reg)
		}
	}
}

func TestRegistrationFilesThatAreWrong(t *testing.T) {
	const good = "id: msn\nurl: null\nas_token: a\nhs_token: b\nsender_localpart: p\nnamespaces:\n  users:\n    - {exclusive: true, regex: '@x'}\n"
	for name, text := range map[string]string{
		"no YAML":        "id: [",
		"empty":          "",
		"no as_token":    strings.Replace(good, "as_token: a\n", "", 1),
		"same tokens":    strings.Replace(good, "hs_token: b", "hs_token: a", 1),
		"no namespace":   good[:strings.Index(good, "namespaces")],
		"regex is wrong": strings.Replace(good, "'@x'", "'(@x'", 1),
	} {
		path := filepath.Join(t.TempDir(), "registration.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadRegistration(path)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := LoadRegistration(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "papillon init") {
		t.Errorf("no file: %v", err)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	reg, err := NewRegistration(RegistrationOptions{Domain: "hs.test", URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	good := Options{HomeserverURL: "http://127.0.0.1:1", Domain: "hs.test", Registration: reg, StateDB: newDB(t), Chats: newMemoryChats()}
	if _, err := New(t.Context(), good); err != nil {
		t.Errorf("a homeserver that is down: %v", err)
	}
	for name, change := range map[string]func(*Options){
		"no URL":          func(o *Options) { o.HomeserverURL = "" },
		"bad URL":         func(o *Options) { o.HomeserverURL = "http://%zz" },
		"no domain":       func(o *Options) { o.Domain = "" },
		"other domain":    func(o *Options) { o.Domain = "elsewhere.test" },
		"other prefix":    func(o *Options) { o.GhostPrefix = "icq_" },
		"no registration": func(o *Options) { o.Registration = nil },
		"no database":     func(o *Options) { o.StateDB = nil },
		"no chats":        func(o *Options) { o.Chats = nil },
	} {
		o := good
		change(&o)
		if _, err := New(t.Context(), o); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
