package handle_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"papillon/bridge/handle"
	"papillon/msnp"
)

// halves are what addresses are made of: mostly what occurs, now and then any
// bytes at all. Two of them always fit into a direct handle.
func halves() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z0-9._+-]{1,20}`),
		rapid.StringMatching(`[A-Za-z0-9=%/@:!#]{1,20}`),
		rapid.StringN(1, 5, -1), // at most 20 bytes
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 20), func(b []byte) string { return string(b) }),
	)
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func legal(t rapid.TB, h msnp.Handle) {
	t.Helper()
	parsed, err := msnp.ParseHandle(string(h))
	if err != nil {
		t.Fatalf("%q is no legal handle: %v", h, err)
	}
	if parsed != h {
		t.Fatalf("%q is not canonical, %q is", h, parsed)
	}
}

func TestEncode(t *testing.T) {
	long := strings.Repeat("a", msnp.MaxHandle-len("@x.org"))
	for _, c := range []struct {
		local, domain string
		want          msnp.Handle
		ok            bool
	}{
		{"bob", "matrix.org", "bob@matrix.org", true},
		{"Bob", "Matrix.ORG", "=42ob@matrix.org", true},
		{"a.b_c-d+e9", "x.org", "a.b_c-d+e9@x.org", true},
		{"a/b=c", "x.org", "a=2fb=3dc@x.org", true},
		{"bob%hotmail.com", "msn.x", "bob=25hotmail.com@msn.x", true},
		{"bob@home", "x.org", "bob=40home@x.org", true},
		{"bob", "localhost:8448", "bob@localhost=3a8448", true},
		{"bob", "[::1]", "bob@=5b=3a=3a1=5d", true},
		{"zoë", "x.org", "zo=c3=ab@x.org", true},
		{"a b\x00", "x.org", "a=20b=00@x.org", true},
		{long, "x.org", msnp.Handle(long + "@x.org"), true},
		{long + "a", "x.org", "", false},
		{strings.Repeat("ü", 30), "x.org", "", false},
		{"", "x.org", "", false},
		{"bob", "", "", false},
	} {
		got, ok := handle.Encode(c.local, c.domain)
		if got != c.want || ok != c.ok {
			t.Errorf("Encode(%q, %q) = %q, %v; want %q, %v", c.local, c.domain, got, ok, c.want, c.ok)
		}
	}
}

func TestDecodeRefusesWhatEncodeCannotHaveMade(t *testing.T) {
	for _, h := range []msnp.Handle{
		"", "@", "bob", "bob@", "@x.org", "a@b@c",
		"=@x.org", "=4@x.org", "=4g@x.org", "bob=@x.org", "bob=2@x.org", "bob@x.org=",
		"=61@x.org", "bob@=2e", // escapes of what needs none
		"=2F@x.org", "Bob@x.org", "bob@X.org", // upper case
		"bob@=58.org", // an upper-case letter in the domain
		"a b@x.org", "a%b@x.org", "zoë@x.org", "bob\n@x.org", "bob==abc@x.org",
		msnp.Handle(strings.Repeat("a", msnp.MaxHandle) + "@x"),
	} {
		if local, domain, ok := handle.Decode(h); ok {
			t.Errorf("Decode(%q) = %q, %q, true", h, local, domain)
		}
	}
}

func TestDecodeInvertsEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local, domain := halves().Draw(t, "local"), halves().Draw(t, "domain")
		h, ok := handle.Encode(local, domain)
		if !ok {
			t.Fatalf("Encode(%q, %q) refuses a short address", local, domain)
		}
		legal(t, h)
		gotLocal, gotDomain, ok := handle.Decode(h)
		if !ok || gotLocal != local || gotDomain != lower(domain) {
			t.Fatalf("Decode(%q) = %q, %q, %v", h, gotLocal, gotDomain, ok)
		}
	})
}

func TestEncodeIsInjectiveWithoutCase(t *testing.T) {
	near := rapid.StringMatching(`[abAB=46@:2%.]{1,4}`) // close enough to collide if anything can
	rapid.Check(t, func(t *rapid.T) {
		l1, d1 := near.Draw(t, "local 1"), near.Draw(t, "domain 1")
		l2, d2 := near.Draw(t, "local 2"), near.Draw(t, "domain 2")
		h1, ok1 := handle.Encode(l1, d1)
		h2, ok2 := handle.Encode(l2, d2)
		if !ok1 || !ok2 {
			t.Fatalf("Encode refuses short addresses")
		}
		same := l1 == l2 && lower(d1) == lower(d2)
		if strings.EqualFold(string(h1), string(h2)) != same {
			t.Fatalf("%q@%q is %q and %q@%q is %q", l1, d1, h1, l2, d2, h2)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"bob@matrix.org", "=42ob@x=3a8448", "=61@x", "a==b@c", "=", "zo=c3=ab@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		local, domain, ok := handle.Decode(msnp.Handle(s))
		if !ok {
			return
		}
		if h, ok := handle.Encode(local, domain); !ok || h != msnp.Handle(s) {
			t.Fatalf("Decode(%q) = %q, %q, but Encode gives %q, %v", s, local, domain, h, ok)
		}
	})
}

func TestAliases(t *testing.T) {
	// The forms are fixed for ever: clients have stored them.
	for _, c := range []struct {
		local, domain, network, own string
		want                        []msnp.Handle
	}{
		{"bob", "matrix.org", "matrix", "msn.example.org", []msnp.Handle{
			"bob==vlk4@matrix.msn.example.org", "bob==vlk44cmv@matrix.msn.example.org", "bob==vlk44cmvho25j7xzd3s2@matrix.msn.example.org",
		}},
		{"Étienne.de.la.Très.Longue", "x.org", "xmpp", "Example.org", []msnp.Handle{
			"etienne.de.la.tres==dby6@xmpp.example.org", "etienne.de.la.tres==dby6x22w@xmpp.example.org",
			"etienne.de.la.tres==dby6x22wejessfy7iymz@xmpp.example.org",
		}},
		{"日本", "x.org", "matrix", "example.org", []msnp.Handle{
			"contact==k2ud@matrix.example.org", "contact==k2ud4qwa@matrix.example.org", "contact==k2ud4qwar6ejxfv2k2cl@matrix.example.org",
		}},
	} {
		if got := handle.Aliases(c.local, c.domain, c.network, c.own); !slices.Equal(got, c.want) {
			t.Errorf("Aliases(%q, %q, %q, %q) = %q, want %q", c.local, c.domain, c.network, c.own, got, c.want)
		}
	}
}

func TestRoomAliases(t *testing.T) {
	for _, c := range []struct {
		name string
		want []msnp.Handle
	}{
		{"Lunch!", []msnp.Handle{"lunch-v4lc@rooms.example.org", "lunch-v4lcu47h@rooms.example.org", "abc==v4lcu47hxhrqsgsafbwo@matrix.example.org"}},
		{"日本", []msnp.Handle{"room-v4lc@rooms.example.org", "room-v4lcu47h@rooms.example.org", "abc==v4lcu47hxhrqsgsafbwo@matrix.example.org"}},
	} {
		if got := handle.RoomAliases(c.name, "abc", "x.org", "matrix", "Example.org"); !slices.Equal(got, c.want) {
			t.Errorf("RoomAliases(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAliasesAreLegalStableAndTheirOwn(t *testing.T) {
	networks := rapid.SampledFrom([]string{"matrix", "xmpp"})
	last := func(all []msnp.Handle) msnp.Handle { return all[len(all)-1] }
	rapid.Check(t, func(t *rapid.T) {
		local, domain, network := halves().Draw(t, "local"), halves().Draw(t, "domain"), networks.Draw(t, "network")
		own := rapid.OneOf(rapid.Just("msn.example.org"), rapid.StringN(1, 300, -1)).Draw(t, "alias domain")
		all := handle.Aliases(local, domain, network, own)
		for _, h := range all {
			if _, _, ok := handle.Decode(h); ok {
				t.Fatalf("the alias %q is a direct handle too", h)
			}
		}
		for _, h := range append(handle.RoomAliases(halves().Draw(t, "name"), local, domain, network, own), all...) {
			legal(t, h)
			if len(h.Local()) > 40 {
				t.Fatalf("%q has %d bytes before the @", h, len(h.Local()))
			}
		}
		if !slices.Equal(all, handle.Aliases(local, strings.ToUpper(lower(domain)), network, own)) && lower(strings.ToUpper(lower(domain))) == lower(domain) {
			t.Fatalf("the alias depends on the case of the domain")
		}
		other := halves().Draw(t, "other local")
		if h, h2 := last(all), last(handle.Aliases(other, domain, network, own)); (h2 == h) != (other == local) {
			t.Fatalf("%q and %q have the aliases %q and %q", local, other, h, h2)
		}
		if last(handle.Aliases(local, domain, "third", own)).Local() == last(all).Local() {
			t.Fatalf("the alias does not depend on the network")
		}
	})
}

func TestAliasesKeepTheirPartsApart(t *testing.T) {
	if handle.Aliases("ab", "c", "n", "x")[0].Local() == handle.Aliases("a", "bc", "n", "x")[0].Local() {
		t.Error("local half and domain run into each other")
	}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		name, domain string
		want         msnp.Handle
	}{
		{"Go Nuts!", "matrix.org", "go-nuts@rooms.matrix.org"},
		{"#café: \"Zoë & friends\"", "X.org", "cafe-zoe-friends@rooms.x.org"},
		{"--dev--", "x.org", "dev@rooms.x.org"},
		{"日本語", "x.org", "room==jy3yc7xz@rooms.x.org"},
		{"Go 日本", "x.org", "go==z45k7hqt@rooms.x.org"},
		{"", "x.org", "room==v5kxb5nb@rooms.x.org"},
		{"🎉🎉", "x.org", "room==wl4b675l@rooms.x.org"},
		{strings.Repeat("long ", 20), "x.org", "long-long-long-long-long-long-long-long@rooms.x.org"},
	} {
		got := handle.Room(c.name, c.domain)
		legal(t, got)
		if got != c.want {
			t.Errorf("Room(%q, %q) = %q, want %q", c.name, c.domain, got, c.want)
		}
	}
}

func TestRoomIsLegal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, domain := halves().Draw(t, "name"), rapid.StringN(1, 200, -1).Draw(t, "domain")
		h := handle.Room(name, domain)
		legal(t, h)
		if h != handle.Room(name, domain) || len(h.Local()) > 40 {
			t.Fatalf("Room(%q, %q) = %q", name, domain, h)
		}
	})
}

func TestUnwrap(t *testing.T) {
	domains := []string{"hotmail.com", "MSN.com"}
	for typed, want := range map[string]string{
		"bob%matrix.org@hotmail.com":         "bob@matrix.org",
		"bob%matrix.org@HotMail.com":         "bob@matrix.org",
		"bob%matrix.org@msn.com":             "bob@matrix.org",
		"bob%25matrix.org@hotmail.com":       "bob@matrix.org",
		"bob%2525th.example@hotmail.com":     "bob@25th.example",
		"a%b%matrix.org@hotmail.com":         "a%b@matrix.org",
		"=42ob%matrix.org@hotmail.com":       "=42ob@matrix.org",
		"alice@hotmail.com":                  "alice@hotmail.com",
		"Alice@Hotmail.com":                  "Alice@Hotmail.com",
		"bob%matrix.org@example.org":         "bob%matrix.org@example.org",
		"%matrix.org@hotmail.com":            "%matrix.org@hotmail.com",
		"bob%@hotmail.com":                   "bob%@hotmail.com",
		"bob%25@hotmail.com":                 "bob%25@hotmail.com",
		"bob":                                "bob",
		"":                                   "",
		"@hotmail.com":                       "@hotmail.com",
		"bob%matrix.org@evil.org.hotmail.co": "bob%matrix.org@evil.org.hotmail.co",
	} {
		if got := handle.Unwrap(typed, domains); got != want {
			t.Errorf("Unwrap(%q) = %q, want %q", typed, got, want)
		}
	}
	if got := handle.Unwrap("bob%matrix.org@hotmail.com", nil); got != "bob%matrix.org@hotmail.com" {
		t.Errorf("without login domains Unwrap gives %q", got)
	}
}

func BenchmarkEncode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		handle.Encode("bob", "matrix.org")
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		handle.Decode("=42ob@matrix.org")
	}
}
