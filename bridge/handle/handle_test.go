package handle

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"papillon/msnp"
)

func TestEncode(t *testing.T) {
	for _, tc := range []struct {
		local, domain string
		want          msnp.Handle
	}{
		{"bob", "matrix.org", "bob@matrix.org"},
		{"Bob", "Matrix.ORG", "=42ob@matrix.org"},
		{"a/b", "hs:8448", "a=2fb@hs=3a8448"},
		{"=2f", "hs", "=3d2f@hs"},
		{`bob\40hotmail.com`, "jabber.org", "bob=5c40hotmail.com@jabber.org"},
		{"é", "hs", "=c3=a9@hs"},
		{"a@b", "hs", "a=40b@hs"},
	} {
		if got, ok := Encode(tc.local, tc.domain); !ok || got != tc.want {
			t.Errorf("Encode(%q, %q) = %q, %v; want %q", tc.local, tc.domain, got, ok, tc.want)
		}
	}
	for _, tc := range [][2]string{{"", "hs"}, {"bob", ""}, {strings.Repeat("x", 126), "hs1"}, {strings.Repeat("X", 60), "hs"}} {
		if h, ok := Encode(tc[0], tc[1]); ok {
			t.Errorf("Encode(%q, %q) = %q, want none", tc[0], tc[1], h)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, h := range []msnp.Handle{"bob", "@hs", "bob@", "b=6fb@hs", "b=4@hs", "b=4G@hs", "b=4F@hs", "b%20@hs", "=", "a@b@c", "b@h=53"} {
		if l, d, ok := Decode(h); ok {
			t.Errorf("Decode(%q) = %q, %q; want none", h, l, d)
		}
	}
}

// TestRoundTrip: every address that has a handle is got back from it, and the
// handle is one that MSN accepts.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local, domain := rapid.String().Draw(t, "local"), strings.ToLower(rapid.String().Draw(t, "domain"))
		h, ok := Encode(local, domain)
		if !ok {
			return // too long or empty
		}
		if canonical, err := msnp.ParseHandle(string(h)); err != nil || canonical != h {
			t.Fatalf("ParseHandle(%q) = %q, %v", h, canonical, err)
		}
		l, d, ok := Decode(h)
		if !ok || l != local || d != domain {
			t.Fatalf("Decode(%q) = %q, %q, %v; want %q, %q", h, l, d, ok, local, domain)
		}
	})
}

func TestAlias(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local, domain := rapid.String().Draw(t, "local"), rapid.String().Draw(t, "domain")
		h := Alias(local, domain, "matrix", "msn.example.org")
		if canonical, err := msnp.ParseHandle(string(h)); err != nil || canonical != h {
			t.Fatalf("ParseHandle(%q) = %q, %v", h, canonical, err)
		}
		if again := Alias(local, domain, "matrix", "msn.example.org"); again != h {
			t.Fatalf("not stable: %q, %q", h, again)
		}
		if other := Alias(local, domain, "xmpp", "msn.example.org"); other == h {
			t.Fatalf("the same alias on two networks: %q", h)
		}
	})
	if got := Alias("Bob The Builder", "hs", "matrix", "Example.org"); !strings.HasPrefix(string(got), "bob-the-builder-") || !strings.HasSuffix(string(got), "@matrix.example.org") {
		t.Errorf("alias %q is not readable", got)
	}
}

func TestRoom(t *testing.T) {
	for name, want := range map[string]msnp.Handle{
		"Papillon Users!": "papillon-users@rooms.example.org",
		"日本":              "someone@rooms.example.org",
		"":                "someone@rooms.example.org",
	} {
		if got := Room(name, "Example.org"); got != want {
			t.Errorf("Room(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestUnwrap(t *testing.T) {
	domains := []string{"hotmail.com", "passport.com"}
	for typed, want := range map[string]string{
		"bob%matrix.org@hotmail.com":   "bob@matrix.org",
		"bob%25matrix.org@Hotmail.com": "bob@matrix.org",
		"a%b%hs@passport.com":          "a%b@hs",
		"alice@hotmail.com":            "alice@hotmail.com",
		"bob%matrix.org@msn.com":       "bob%matrix.org@msn.com",
		"%x@hotmail.com":               "%x@hotmail.com",
		"x%@hotmail.com":               "x%@hotmail.com",
		"nobody":                       "nobody",
	} {
		if got := Unwrap(typed, domains); got != want {
			t.Errorf("Unwrap(%q) = %q, want %q", typed, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"bob@matrix.org", "=42ob@hs", "=@=", "a=2fb@hs=3a8448"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		local, domain, ok := Decode(msnp.Handle(s))
		if !ok {
			return
		}
		if h, ok := Encode(local, domain); !ok || string(h) != s {
			t.Fatalf("Decode(%q) = %q, %q, but Encode gives %q, %v", s, local, domain, h, ok)
		}
	})
}
