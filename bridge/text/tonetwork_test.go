package text

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestToNetwork(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"plain", "see you at 10:00 (or so)", "see you at 10:00 (or so)"},
		{"line ends", "a\r\nb\rc\nd\u0085e\u2028f\u2029g", "a\nb\nc\nd\ne\nf\ng"},
		{"controls", "a\x00b\x07c\td\x7fe\u009ff\ufffeg\U0010ffff", "abc\tdefg"},
		{"not UTF-8", "caf\xe9 \xf0\x9f", "caf\ufffd \ufffd\ufffd"},
		{"other scripts", "zażółć 你好 שלום 👍", "zażółć 你好 שלום 👍"},

		{"a face", ":)", "🙂"},
		{"a long face", "hi :-) there", "hi 🙂 there"},
		{"case", ":d :P :o :-S", "😃 😛 😮 😕"},
		{"tears", "no :'(", "no 😢"},
		{"behind a word", "hi:)", "hi🙂"},
		{"behind a word in another script", "cześć:) привет:(", "cześć:) привет:("}, // each other's parenthesis
		{"behind a sentence", "Great!:) No...:(", "Great!🙂 No...🙁"},
		{"before a stop", "fine :), yes :D!", "fine 🙂, yes 😃!"},
		{"in parentheses", "(just kidding :D)", "(just kidding 😃)"},
		{"touching", ":):D(L)", "🙂😃❤️"},
		{"lines", ":)\n:(\n\n;)", "🙂\n🙁\n\n😉"},
		{"a heart", "I (l) you", "I ❤️ you"},
		{"thumbs", "(Y) sounds good (n)", "👍 sounds good 👎"},
		{"hugs", "({) and (})", "🤗 and 🤗"},
		{"a rabbit", "('.') hop", "🐰 hop"},
		{"longest first", "8o| <:o) |-)", "😬 🥳 😴"},

		{"at the end", "good night (S)", "good night 🌙"},
		{"at the end, several", "happy birthday (^) (G)(F)", "happy birthday 🎂 🎁🌹"},
		{"at the end of a line", "bye (F)\nsee you", "bye 🌹\nsee you"},
		{"at the end, small", "time (s)", "time (s)"},
		{"in the middle", "plan (F) is off", "plan (F) is off"},
		{"alone", "(a)", "😇"},
		{"alone, several", "(B) (b) (so)", "🍺 🍺 ⚽"},
		{"alone on its line", "well\n(C)\nthen", "well\n☕\nthen"},
		{"next to one that counts", "love (L)(A) and all", "love ❤️😇 and all"},

		{"an enumeration", "(a) first (b) second (c) third", "(a) first (b) second (c) third"},
		{"a reference", "section 5 (a)(i) and (b)", "section 5 (a)(i) and (b)"},
		{"copyright", "(c) 1999 Microsoft (R)", "(c) 1999 Microsoft (R)"},
		{"an option", "I take option (B)", "I take option (B)"},
		{"a plural", "message(s), Schüler(innen), aluno(a)", "message(s), Schüler(innen), aluno(a)"},
		{"words", "caballo (pl), si (so), ok (tu)", "caballo (pl), si (so), ok (tu)"},
		{"footnotes", "price (*), share (%)", "price (*), share (%)"},
		{"a hidden address", "bob (@) example.org", "bob (@) example.org"},
		{"code", "std::vector<T> a; for(;;) x[:8] y:D::P a?b:c", "std::vector<T> a; for(;;) x[:8] y:D::P a?b:c"},
		{"a path", `c:\path d:(x) C:P`, `c:\path d:(x) C:P`},
		{"a clock", "10:00, 8:3O, 1:)", "10:00, 8:3O, 1:)"},
		{"as follows", "(as follows:)", "(as follows:)"},
		{"a list in parentheses", "fruit:(apples and pears)", "fruit:(apples and pears)"},
		{"a label", "a:) b:) c:)", "a:) b:) c:)"},
		{"prolonged", "ok :))) :((", "ok :))) :(("},
		{"quoted", `type ":)" or ':D'`, `type ":)" or ':D'`},
		{"German", "Preis :10 Euro (8) am 5.(S)", "Preis :10 Euro (8) am 5.(S)"},
		{"French", "Voici :(un) et :$5", "Voici :(un) et :$5"},
		{"Chinese", "选项:D，如下:(一)", "选项:D，如下:(一)"},
		{"no code", "8) 8-) :-* :^)", "8) 8-) :-* :^)"},
		{"a link", "http://x.org/:) www.x.org/?:D (http://x/.:P)", "http://x.org/:) www.x.org/?:D (http://x/.:P)"},
		{"beside a link", "http://x.org :)", "http://x.org 🙂"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ToNetwork(c.in); got != c.want {
				t.Errorf("ToNetwork(%q) = %q, want %q", c.in, got, c.want)
			}
		})
	}
}

// messy draws texts of what matters here: codes, their pieces, borders, words.
func messy() *rapid.Generator[string] {
	var parts []string
	for _, e := range emoticons {
		parts = append(parts, e.codes...)
		parts = append(parts, e.emoji...)
	}
	parts = append(parts, ":", "(", ")", "-", "D", "8", "'", "|", "<", " ", " ", "\n", "\r\n", "\r", "\t", "\x00", "\xff",
		"word", "ab", "é", "你", "👨‍👩‍👧", "👍🏽", "🇩🇪", "🇩", "\u200d", "\ufe0f", "\u202e", "𝐇", "𠮷", "\ue000", "http://x/", ".", "!", "…", "\"")
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 12), func(p []string) string { return strings.Join(p, "") })
}

func checkClean(t rapid.TB, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Fatalf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r <= 0x9f || isNoncharacter(r) || r == '\u2028' || r == '\u2029' {
			t.Fatalf("%q still has %U", s, r)
		}
	}
}

func TestToNetworkIsCleanAndDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(messy(), rapid.String()).Draw(t, "text")
		got := ToNetwork(s)
		checkClean(t, got)
		if strings.Contains(got, "\r") {
			t.Fatalf("%q still has a CR", got)
		}
		// Nothing but codes is replaced: with emoji and codes taken out of
		// both, and what is dropped out of the first, the rest is the same.
		if bare(cleanLines(s)) != bare(got) {
			t.Fatalf("ToNetwork(%q) = %q changes more than codes", s, got)
		}
	})
}

// bare leaves out codes and the emoji of the table.
func bare(s string) string {
	for _, e := range emoticons {
		s = strings.ReplaceAll(s, e.emoji[0], "\x01")
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if c, ok := index().match(s[i:]); ok {
			i += len(c.text)
			continue
		}
		if s[i] != 1 {
			b.WriteByte(s[i])
		}
		i++
	}
	return b.String()
}

func TestToNetworkLeavesProseAlone(t *testing.T) {
	prose := rapid.StringMatching(`([A-Za-zäöüéß]{1,8}(\([a-z]{1,2}\))?[,.:;]? |[0-9]{1,2}:[0-9]{2} |\([a-ji-jmo-xz]\) |[a-z]{1,5}::[a-z]{1,5} ){1,10}[a-z]{2,6}[.!?]`)
	rapid.Check(t, func(t *rapid.T) {
		s := prose.Draw(t, "prose")
		if got := ToNetwork(s); got != s {
			t.Fatalf("ToNetwork(%q) = %q", s, got)
		}
	})
}

func TestToNetworkTakesLinearTime(t *testing.T) {
	// What makes a careless matcher quadratic.
	for _, s := range []string{"aa:)", ":P:)", "((((", ":-:-", ".:).", "8-8-", "(L)(", "(L)", " (s)"} {
		checkLinear(t, s, func(in string) { ToNetwork(in + "x") })
	}
}

func FuzzToNetwork(f *testing.F) {
	for _, s := range []string{":)", "hi:) (L)(A)", "a\r\nb\xff", "(c) 1999", "http://:)", "\u0085\ufffe", "👍 (Y)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := ToNetwork(s)
		checkClean(t, got)
		if bare(cleanLines(s)) != bare(got) {
			t.Fatalf("ToNetwork(%q) = %q changes more than codes", s, got)
		}
	})
}

const asciiText = "Hello Bob, I will be there around eight tomorrow. Could you bring the book I lent you last week? Thanks a lot"

func BenchmarkToNetworkASCII(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(asciiText)))
	for b.Loop() {
		ToNetwork(asciiText)
	}
}

func BenchmarkToNetworkClock(b *testing.B) {
	s := asciiText + " (at 10:00)"
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		ToNetwork(s)
	}
}

func BenchmarkToNetworkEmoticons(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ToNetwork("hi :) see you (L)")
	}
}
