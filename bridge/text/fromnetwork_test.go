package text

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"
)

func TestEraOf(t *testing.T) {
	want := map[int]Era{2: Plain, 3: Plain, 4: Plain, 5: Classic, 7: Classic, 9: Classic, 10: Modern, 21: Modern}
	for dialect, era := range want {
		if got := EraOf(dialect); got != era {
			t.Errorf("EraOf(%d) = %d, want %d", dialect, got, era)
		}
	}
}

func TestFromNetwork(t *testing.T) {
	for _, c := range []struct{ name, in, plain, classic, modern string }{
		{"nothing", "", "", "", ""},
		{"ASCII", "hello (L) :)\n\tyes", "hello (L) :)\n\tyes", "hello (L) :)\n\tyes", "hello (L) :)\n\tyes"},
		{"letters", "zażółć “你好” שלום €", "zażółć “你好” שלום €", "zażółć “你好” שלום €", "zażółć “你好” שלום €"},
		{"a face", "hi 🙂", "hi :)", "hi :)", "hi :)"},
		{"faces", "😂😭", ":D:'(", ":D:'(", ":D:'("},
		{"a heart", "❤️", "[heart]", "(L)", "(L)"},
		{"a heart without U+FE0F", "❤", "[heart]", "(L)", "(L)"},
		{"a thumb with a skin", "👍🏽 ok", "[thumbs up] ok", "(Y) ok", "(Y) ok"},
		{"a joined heart", "❤️\u200d🔥", "[heart on fire]", "(L)", "(L)"},
		{"a shrug", "🤷🏽\u200d♀️", "[woman-shrugging]", "[woman-shrugging]", ":^)"},
		{"a later emoticon", "😴", "[sleeping]", "[sleeping]", "|-)"},
		{"no emoticon", "🐙!", "[octopus]!", "[octopus]!", "[octopus]!"},
		{"pizza", "🍕", "[pizza]", "[pizza]", "(pi)"},
		{"a family", "👨\u200d👩\u200d👧", "[man-woman-girl]", "[man-woman-girl]", "[man-woman-girl]"},
		{"flags", "🇩🇪🇺🇸 🇩", "[flag DE][flag US] D", "[flag DE][flag US] D", "[flag DE][flag US] D"},
		{"a flag of tags", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "[flag-england]", "[flag-england]", "[flag-england]"},
		{"a keycap", "1️⃣ first", "1 first", "1 first", "1 first"},
		{"marks", "what❓ no❗ eh⁉️", "what ? no ! eh !?", "what ? no ! eh !?", "what ? no ! eh !?"},
		{"between letters", "so🙂good", "so :) good", "so :) good", "so :) good"},
		{"behind a colon", "list:❤️", "list: [heart]", "list: (L)", "list: (L)"},
		{"in parentheses", "(🙂)", "(:))", "(:))", "(:))"},
		{"before a stop", "yes🙂.", "yes :).", "yes :).", "yes :)."},
		{"a dropped character between", "🙂\ufe0f\u200b🙂a", ":):) a", ":):) a", ":):) a"},
		{"common symbols", "© ™ ♥ ☺ ↔ ©️", "© ™ ♥ ☺ ↔ ©", "© ™ ♥ ☺ ↔ ©", "© ™ ♥ ☺ ↔ ©"},
		{"common symbols as emoji", "♥️ ☺️", "♥ :)", "(L) :)", "(L) :)"},
		{"as text", "☎\ufe0e ☀\ufe0e", "☎ ☀", "☎ ☀", "☎ ☀"},
		{"other symbols", "✅ ☎", "[white check mark] [phone]", "[white check mark] [phone]", "[white check mark] [phone]"},
		{"arrows and mathematics", "a ← b ≤ c ∞", "a ← b ≤ c ∞", "a ← b ≤ c ∞", "a ← b ≤ c ∞"},
		{"a mathematical letter with an accent", "𝐚\u0300", "à", "à", "à"},
		{"mathematical letters", "𝐇𝐢 🄰", "Hi A", "Hi A", "Hi A"},
		{"a rare ideograph", "𠮷野家", "[U+20BB7]野家", "[U+20BB7]野家", "𠮷野家"},
		{"a clef", "𝄞", "[U+1D11E]", "[U+1D11E]", "[U+1D11E]"},
		{"an emoji to come", "\U0001faff\U0001fbfe", "[emoji][emoji]", "[emoji][emoji]", "[emoji][emoji]"},
		{"composed", "e\u0301 n\u0303", "é ñ", "é ñ", "é ñ"},
		{"line ends", "a\r\nb\rc\u2028d\u0085e", "a\nb\nc\nd\ne", "a\nb\nc\nd\ne", "a\nb\nc\nd\ne"},
		{"controls", "a\x00b\x1b[31mc\u0081", "ab[31mc", "ab[31mc", "ab[31mc"},
		{"invisible", "a\u200bb\u2060c\ufeffd\u00ade\u3164", "abcde", "abcde", "abcde"},
		{"direction", "\u202eabc\u202c \u2066x\u2069 \u200f\u200e", "abc x ", "abc x ", "abc x "},
		{"blanks", "a\u2009b\u202fc\u00a0d\u3000e", "a b c\u00a0d\u3000e", "a b c\u00a0d\u3000e", "a b c\u00a0d\u3000e"},
		{"Persian", "می\u200cخواهم", "می\u200cخواهم", "می\u200cخواهم", "می\u200cخواهم"},
		{"a joiner without letters", "a\u200db\u200c ", "ab ", "ab ", "ab "},
		{"private and unassigned", "\ue000\U000f0000\u0378\ufffe", "???", "???", "???"},
		{"not UTF-8", "a\xffb\ufffd", "a?b?", "a?b?", "a?b?"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for era, want := range []string{c.plain, c.classic, c.modern} {
				if got := FromNetwork(c.in, Era(era)); got != want {
					t.Errorf("FromNetwork(%q, %d) = %q, want %q", c.in, era, got, want)
				}
			}
		})
	}
}

func TestTableLeadsBack(t *testing.T) {
	for _, e := range emoticons {
		for _, emoji := range e.emoji {
			shown := FromNetwork(emoji+"\ufe0f", Modern)
			if shown != e.codes[0] {
				t.Errorf("%s is shown as %q, not %q", emoji, shown, e.codes[0])
			}
		}
		for _, c := range e.codes {
			want := e.emoji[0]
			if e.place == nowhere {
				want = c
			}
			for _, typed := range []string{c, strings.ToLower(c), strings.ToUpper(c)} {
				if e.place == nowhere {
					want = typed
				}
				if got := ToNetwork(typed); got != want {
					t.Errorf("%q becomes %q, not %q", typed, got, want)
				}
			}
		}
	}
}

func TestTableHasNothingTwice(t *testing.T) {
	seen := make(map[string]bool)
	for _, e := range emoticons {
		for _, c := range e.codes {
			if c = strings.ToLower(c); seen[c] {
				t.Errorf("code %q stands there twice", c)
			}
			seen[c] = true
		}
		bareSeen := make(map[string]bool)
		for _, emoji := range e.emoji {
			emoji = bareEmoji(emoji)
			if seen[emoji] && !bareSeen[emoji] {
				t.Errorf("emoji %s stands there twice", emoji)
			}
			seen[emoji], bareSeen[emoji] = true, true
		}
	}
}

// TestCodesKeepApart reads codes as a client does, the longest first from the
// left: two of them side by side must not be read as others.
func TestCodesKeepApart(t *testing.T) {
	for _, era := range []Era{Classic, Modern} {
		for _, a := range emoticons {
			for _, b := range emoticons {
				s := FromNetwork(a.emoji[0]+b.emoji[0], era)
				if a.era > era || b.era > era {
					continue
				}
				first, _ := index().match(s)
				second, _ := index().match(strings.TrimPrefix(s, first.text))
				if first.emoji[0] != a.emoji[0] || second.emoji[0] != b.emoji[0] {
					t.Errorf("%s%s is written %q and read as %s%s", a.emoji[0], b.emoji[0], s, first.emoji[0], second.emoji[0])
				}
			}
		}
	}
}

func checkShowable(t rapid.TB, s string, era Era) {
	t.Helper()
	checkClean(t, s)
	for _, r := range s {
		switch {
		case r == '\n', r == '\t':
		case r > 0xffff && !(era == Modern && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r))),
			r == '\r', r == '\ufffd', !unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r), isDirection(r),
			r == '\u200b', r == '\u2060', r == '\ufeff', unicode.Is(unicode.Variation_Selector, r), isSkinTone(r):
			t.Fatalf("%q still has %U", s, r)
		}
	}
}

func TestFromNetworkIsShowable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(messy(), rapid.String()).Draw(t, "text")
		era := Era(rapid.IntRange(0, 2).Draw(t, "era"))
		got := FromNetwork(s, era)
		checkShowable(t, got, era)
		if again := FromNetwork(got, era); again != got {
			t.Fatalf("FromNetwork(%q) = %q, but once more %q", s, got, again)
		}
	})
}

func FuzzFromNetwork(f *testing.F) {
	for _, s := range []string{"🙂", "👨‍👩‍👧❤️‍🔥", "🇩🇪🇩", "𠮷𝐇", "e\u0301", "\u202e\u200d\ufe0f", "می\u200cخ", "a\xffb\r\nc"} {
		for era := range uint8(3) {
			f.Add(s, era)
		}
	}
	f.Fuzz(func(t *testing.T, s string, era uint8) {
		e := Era(era % 3)
		checkShowable(t, FromNetwork(s, e), e)
	})
}

func BenchmarkFromNetworkASCII(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(asciiText)))
	for b.Loop() {
		FromNetwork(asciiText, Classic)
	}
}

func BenchmarkFromNetworkLatin(b *testing.B) {
	s := "Grüße aus München, wir treffen uns um acht am großen Brunnen – „bis dann“"
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		FromNetwork(s, Classic)
	}
}

func BenchmarkFromNetworkEmoji(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		FromNetwork("see you 🙂 bring 🍕", Classic)
	}
}
