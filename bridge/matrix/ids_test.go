package matrix

import (
	"strings"
	"testing"

	"maunium.net/go/mautrix/id"
	"pgregory.net/rapid"

	"papillon/bridge"
	"papillon/msnp"
)

var testGhosts = ghosts{prefix: "msn_", domain: "hs.test", home: "msn.test", bot: "@papillon:hs.test"}

func TestGhostIDs(t *testing.T) {
	for _, c := range []struct {
		handle bridge.Handle
		want   id.UserID
	}{
		{"alice@msn.test", "@msn_alice:hs.test"},
		{"alice@hotmail.com", "@msn_alice=40hotmail.com:hs.test"},
		{"a=b+c/d@msn.test", "@msn_a=3db=2bc=2fd:hs.test"},
		{"a@b@msn.test", "@msn_a=40b=40msn.test:hs.test"},
		{"a@b", "@msn_a=40b:hs.test"},
	} {
		got, err := testGhosts.idOf(c.handle)
		if err != nil || got != c.want {
			t.Errorf("idOf(%s) = %s, %v, want %s", c.handle, got, err, c.want)
		}
		if back, ok := testGhosts.handleOf(got); !ok || back != c.handle {
			t.Errorf("handleOf(%s) = %s, %v", got, back, ok)
		}
	}
	if got, err := testGhosts.idOf(bridge.Handle(strings.Repeat("=", 100) + "@msn.test")); err == nil {
		t.Errorf("a handle that is too long gives %s", got)
	}
	for _, user := range []id.UserID{"@bob:hs.test", "@msn_alice:elsewhere", "@msn_a=4:hs.test", "@msn_a=zz:hs.test", "@msn_:hs.test", "@msn_alice=40msn.test:hs.test", "@papillon:hs.test"} {
		if handle, ok := testGhosts.handleOf(user); ok {
			t.Errorf("handleOf(%s) = %s", user, handle)
		}
	}
}

func TestGhostIDsAreInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[!-~]{1,40}`).Draw(t, "local")
		domain := rapid.SampledFrom([]string{"msn.test", "hotmail.com"}).Draw(t, "domain")
		handle, err := msnp.ParseHandle(local + "@" + domain)
		if err != nil {
			return // not a handle
		}
		user, err := testGhosts.idOf(handle)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := user.ParseAndValidateStrict(); err != nil {
			t.Errorf("%s is no id: %v", user, err)
		}
		if back, ok := testGhosts.handleOf(user); !ok || back != handle {
			t.Errorf("%s became %s and then %s, %v", handle, user, back, ok)
		}
	})
}

func TestParseContact(t *testing.T) {
	for _, c := range []struct {
		address string
		want    id.UserID // empty: refused
	}{
		{"@bob:matrix.org", "@bob:matrix.org"},
		{"@Bob:matrix.org", "@Bob:matrix.org"},
		{"@bob:hs.test:8448", "@bob:hs.test:8448"},
		{"bob@matrix.org", "@bob:matrix.org"},
		{"BOB@Matrix.org", "@bob:matrix.org"},
		{"bob=2fphone@matrix.org", "@bob/phone:matrix.org"},
		{"=42ob@matrix.org", "@Bob:matrix.org"},
		{"bob@hs.test=3a8448", "@bob:hs.test:8448"},
		{"bob@[::1]:8448", "@bob:[::1]:8448"},
		{"bob@msn.test", "@bob:msn.test"},
		{"", ""},
		{"bob", ""},
		{"@bob", ""},
		{"@:hs", ""},
		{"bob@", ""},
		{"@matrix.org", ""},
		{"bob=2@matrix.org", ""},
		{"bob=zz@matrix.org", ""},
		{"bob=3a@matrix.org", ""},
		{"bob=0d=0a@matrix.org", ""},
		{"bob@not a server", ""},
		{"!room:matrix.org", ""},
		{"@msn_alice:hs.test", ""},
		{"msn_alice@hs.test", ""},
		{"@papillon:hs.test", ""},
		{"@" + strings.Repeat("b", 300) + ":hs.test", ""},
	} {
		got, ok := testGhosts.parseContact(c.address)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("parseContact(%q) = %q, %v, want %q", c.address, got, ok, c.want)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		id            bridge.RemoteID
		local, domain string
	}{
		{"@bob:hs", "bob", "hs"},
		{"@bob:hs:8448", "bob", "hs:8448"},
		{"@Bob/x:hs", "Bob/x", "hs"},
	} {
		if local, domain := address(c.id); local != c.local || domain != c.domain {
			t.Errorf("address(%s) = %q, %q", c.id, local, domain)
		}
	}
}
