package xmpp

import (
	"testing"

	"mellium.im/xmpp/jid"
	"pgregory.net/rapid"

	"papillon/bridge"
	"papillon/bridge/handle"
)

func TestParseContact(t *testing.T) {
	for address, want := range map[string]bridge.RemoteID{
		"bob@jabber.org":                      "bob@jabber.org",
		" Bob@Jabber.ORG ":                    "bob@jabber.org",
		"bob@jabber.org/phone":                "bob@jabber.org",
		"xmpp:bob@jabber.org":                 "bob@jabber.org",
		"XMPP:bob@jabber.org?message;body=hi": "bob@jabber.org",
		"xmpp:bob%2540x.org@jabber.org":       "bob%40x.org@jabber.org",
		"xmpp://me@x.org/bob@jabber.org":      "bob@jabber.org",
		"xmpp://me@x.org":                     "",
		"xmpp:%zz@x":                          "",
		"jürgen@example.org":                  "jürgen@example.org",
		"Bob@room@conference.x":               "room@conference.x/Bob",
		"a@b@room@conference.x":               "room@conference.x/a@b",
		"a/b@room@conference.x":               "room@conference.x/a/b",
		"bob@x.org/at@home":                   "bob@x.org",
		"bob@x.org/a@b@c":                     "b@c/bob@x.org/a",
		"@bob:hs.org":                         "",
		"#room:hs.org":                        "",
		"jabber.org":                          "",
		"":                                    "",
		"@":                                   "",
		"bob@":                                "",
		"bob smith@x.org":                     "",
		`"bob"@x.org`:                         "",
		"\xff@x.org":                          "",
	} {
		got, ok := parseContact(address)
		if got != want || ok != (want != "") {
			t.Errorf("parseContact(%q) = %q, %v; want %q", address, got, ok, want)
		}
	}
}

func TestSplitID(t *testing.T) {
	for id, want := range map[bridge.RemoteID][2]string{
		"bob@jabber.org":        {"bob", "jabber.org"},
		"room@conference.x/Bob": {"Bob", "room@conference.x"},
		"room@c.x/a@b/c":        {"a@b/c", "room@c.x"},
		"icq.jabber.org":        {"", "icq.jabber.org"},
	} {
		local, domain := splitID(id)
		if got := [2]string{local, domain}; got != want {
			t.Errorf("splitID(%q) = %q, want %q", id, got, want)
		}
	}
}

// Whoever has a plain handle is found by it.
func TestHandlesLeadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nick := rapid.StringN(1, 20, 60).Draw(t, "nick")
		id, ok := occupantID("room@conference.x", nick)
		if !ok {
			return // not a nick
		}
		h, ok := handle.Encode(splitID(id))
		if !ok {
			return // too long for a handle
		}
		local, domain, ok := handle.Decode(h)
		if !ok {
			t.Fatalf("%q cannot be decoded", h)
		}
		if back, ok := parseContact(local + "@" + domain); !ok || back != id {
			t.Fatalf("%q became %q and then %q, %v", id, h, back, ok)
		}
	})
}

// The glance agrees with the book.
func TestPlainAddressesAreCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`([a-z0-9._@-]|xn--|\.\.){1,12}`).Draw(t, "address")
		if !isPlain(s) {
			return
		}
		if j, err := jid.Parse(s); err != nil || j.String() != s {
			t.Fatalf("%q is %q, %v", s, j, err)
		}
	})
	for _, s := range []string{"bob@x.org", "conference.jabber.org", "alice.b_c-1@msn.localhost", "a@b2.c"} {
		if !isPlain(s) {
			t.Errorf("%q takes long", s)
		}
	}
	for _, s := range []string{"", "@x", "a@", "Bob@x.org", "a@x..org", "a@.x", "a@x.", "a@xn--a.b", "a@b@c", "jürgen@x.org", "a@x.Org"} {
		if isPlain(s) {
			t.Errorf("%q is taken for canonical", s)
		}
	}
}
