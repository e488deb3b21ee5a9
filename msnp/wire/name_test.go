package wire_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"pgregory.net/rapid"

	"papillon/msnp/wire"
)

func TestEncodeName(t *testing.T) {
	family := "👨‍👩‍👧" // one grapheme of 18 bytes
	tests := map[string]struct {
		in   string
		enc  wire.Encoding
		max  int
		want string
	}{
		"plain":                       {"Alice", wire.ASCII, 0, "Alice"},
		"blank":                       {"Auntie Em", wire.ASCII, 0, "Auntie%20Em"},
		"percent":                     {"100%20", wire.UTF8, 0, "100%2520"},
		"signs stay":                  {`aZ09-_.~!*'();:@&=+$,/?#[]<>{}|^"\`, wire.ASCII, 0, `aZ09-_.~!*'();:@&=+$,/?#[]<>{}|^"\`},
		"ASCII":                       {"Zoé", wire.ASCII, 0, "Zo%C3%A9"},
		"UTF8":                        {"Zoé", wire.UTF8, 0, "Zoé"},
		"quoted":                      {`é "$[x]{y}\`, wire.UTF8 | wire.Quoted, 0, `é%20%22%24%5Bx%5D%7By%7D%5C`},
		"quoted ASCII":                {`é;"`, wire.ASCII | wire.Quoted, 0, `%C3%A9;%22`},
		"controls":                    {"a\r\nOUT\x00\x7f.", wire.UTF8, 0, "a%0D%0AOUT%00%7F."},
		"C1 controls":                 {"a\u0085b\u009fc\u00a0d", wire.UTF8, 0, "a%C2%85b%C2%9Fc\u00a0d"},
		"Windows-1252":                {"Zo\xe9 \x80", wire.UTF8, 0, "Zoé%20€"},
		"one stray byte":              {"Zoé\xe9", wire.UTF8, 0, "Zoéé"},
		"replacement character stays": {"a\ufffd", wire.UTF8, 0, "a\ufffd"},
		"trimmed":                     {" \t Bob\u00a0\r\n ", wire.UTF8, 0, "Bob"},
		"empty":                       {"", wire.ASCII, 0, "?"},
		"only blanks":                 {" \t\r\n", wire.ASCII, 0, "?"},
		"only controls":               {"\x00\x01", wire.UTF8, 0, "?"},
		"only zero-width":             {"\u200b\u200d\ufeff", wire.UTF8, 0, "?"},
		"zero-width among others":     {"a\u200db", wire.UTF8, 0, "a\u200db"},
		"fits exactly":                {"abc", wire.ASCII, 3, "abc"},
		"cut":                         {"abcd", wire.ASCII, 3, "abc"},
		"cut before an escape":        {"ab é", wire.ASCII, 8, "ab"},
		"no blank at the cut":         {"ab cd", wire.ASCII, 5, "ab"},
		"cut between graphemes":       {"a" + family + "b", wire.UTF8, 18, "a"},
		"grapheme kept whole":         {"a" + family + "b", wire.UTF8, 19, "a" + family},
		"combining mark goes along":   {"ae\u0301", wire.UTF8, 3, "a"},
		"grapheme longer than all":    {"e\u0301\u0301\u0301", wire.UTF8, 5, "e\u0301\u0301"},
		"nothing fits":                {"é", wire.ASCII, 5, "?"},
		"nothing fits UTF8":           {"é", wire.UTF8, 1, "?"},
		"387":                         {strings.Repeat("界", 50), wire.ASCII, 387, strings.Repeat("%E7%95%8C", 43)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := wire.EncodeName(test.in, test.enc, test.max); got != test.want {
				t.Errorf("EncodeName(%q, %d, %d) = %q; want %q", test.in, test.enc, test.max, got, test.want)
			}
		})
	}
}

func TestDecodeName(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":               {"Alice", "Alice"},
		"empty":               {"", ""},
		"blank":               {"Auntie%20Em", "Auntie Em"},
		"lower case digits":   {"Zo%c3%a9", "Zoé"},
		"raw UTF-8":           {"Zoé", "Zoé"},
		"double":              {"100%2520", "100%20"},
		"percent alone":       {"100%", "100%"},
		"percent and a digit": {"100%2", "100%2"},
		"percent and letters": {"%zz%4", "%zz%4"},
		"percent percent":     {"%%20", "% "},
		"libmsn":              {"Zo%ffffffc3%ffffffa9", "Zoé"},
		"not quite libmsn":    {"%ffffff41", "ÿffff41"},
		"Latin-1":             {"Zo%E9", "Zoé"},
		"raw Latin-1":         {"Zo\xe9", "Zoé"},
		"cut inside":          {"Zoé%E7%95", "Zoéç•"},
		"controls dropped":    {"a%0D%0AOUT%00\x7fb%C2%85", "aOUTb"},
		"unused 1252 byte":    {"a\x81b", "a\ufffdb"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := wire.DecodeName(test.in); got != test.want {
				t.Errorf("DecodeName(%q) = %q; want %q", test.in, got, test.want)
			}
		})
	}
}

// checkEncoded checks what must hold for every encoded name.
func checkEncoded(t interface{ Fatalf(string, ...any) }, in, out string, enc wire.Encoding, max int) {
	if out == "" || max > 0 && len(out) > max {
		t.Fatalf("EncodeName(%q, %d, %d) = %q", in, enc, max, out)
	}
	if !utf8.ValidString(out) {
		t.Fatalf("EncodeName(%q) = %q is not UTF-8", in, out)
	}
	for _, r := range out {
		if r <= ' ' || unicode.IsControl(r) || enc&wire.UTF8 == 0 && r > 0x7f ||
			enc&wire.Quoted != 0 && strings.ContainsRune(`"$[]{}\`, r) {
			t.Fatalf("EncodeName(%q, %d, %d) = %q holds %q", in, enc, max, out, r)
		}
	}
}

func TestNameRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return !unicode.IsControl(r) })).Draw(t, "name")
		name = strings.TrimFunc(name, unicode.IsSpace)
		if unseen(name) {
			name += "x"
		}
		enc := rapid.SampledFrom([]wire.Encoding{wire.ASCII, wire.UTF8, wire.ASCII | wire.Quoted, wire.UTF8 | wire.Quoted}).Draw(t, "encoding")
		whole := wire.EncodeName(name, enc, 0)
		checkEncoded(t, name, whole, enc, 0)
		if back := wire.DecodeName(whole); back != name {
			t.Fatalf("%q is encoded as %q and decoded as %q", name, whole, back)
		}
		max := rapid.IntRange(1, 60).Draw(t, "max")
		cut := wire.EncodeName(name, enc, max)
		checkEncoded(t, name, cut, enc, max)
		checkCut(t, name, wire.DecodeName(cut))
	})
}

// checkCut checks that a cut name ends where a grapheme of the whole one does; only the
// first that can be seen may be cut into, if it is too long.
func checkCut(t *rapid.T, name, cut string) {
	if cut == "?" {
		return
	}
	if !strings.HasPrefix(name, cut) {
		t.Fatalf("%q was cut to %q", name, cut)
	}
	parts := graphemes.FromString(name)
	for parts.Next() {
		if len(cut) == parts.End() || unseen(name[:parts.Start()]) && len(cut) < parts.End() {
			return
		}
	}
	t.Fatalf("%q was cut inside a grapheme: %q", name, cut)
}

// unseen says that nothing of a name without control characters can be seen.
func unseen(name string) bool {
	return strings.TrimFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) }) == ""
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"Auntie Em", "Bob 0", "100%", "%C3%A9", "%ffffffc3", "Zo\xe9", "👨‍👩‍👧 family", "\r\nOUT", " ", "%00"} {
		f.Add(seed, uint16(129))
	}
	f.Fuzz(func(t *testing.T, in string, max uint16) {
		for _, enc := range []wire.Encoding{wire.ASCII, wire.UTF8, wire.UTF8 | wire.Quoted} {
			out := wire.EncodeName(in, enc, int(max))
			checkEncoded(t, in, out, enc, int(max))
			back := wire.DecodeName(out)
			if again := wire.DecodeName(wire.EncodeName(back, enc, 0)); strings.TrimSpace(back) != "" && again != strings.TrimFunc(back, unicode.IsSpace) {
				t.Fatalf("%q decodes to %q, and that round trips to %q", out, back, again)
			}
		}
		plain := wire.DecodeName(in)
		if !utf8.ValidString(plain) || strings.ContainsFunc(plain, unicode.IsControl) {
			t.Fatalf("DecodeName(%q) = %q", in, plain)
		}
	})
}

func BenchmarkEncodeName(b *testing.B) {
	for name, s := range map[string]string{"plain": "Alice", "blank": "Auntie Em", "emoji": "Zoé 👨‍👩‍👧 at home"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				wire.EncodeName(s, wire.UTF8, 129)
			}
		})
	}
}
