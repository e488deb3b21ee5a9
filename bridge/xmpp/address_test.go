package xmpp

import (
	"testing"

	"pgregory.net/rapid"

	"mellium.im/xmpp/jid"

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

// FuzzPlain wants that what is taken unparsed is what parsing makes of it.
func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"bob@jabber.org", "jabber.org", "b.ob@x", "a--b@x", "x@y.1.2", "xn--a@b", "a@xn--b", "1.2.3.4", "@x", "x@", "a@b@c", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		if !isPlain(address) {
			return
		}
		j, err := jid.Parse(address)
		if err != nil || j.String() != address {
			t.Errorf("%q is %q, %v", address, j, err)
		}
	})
}
