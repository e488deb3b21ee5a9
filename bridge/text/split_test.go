package text

import (
	"slices"
	"strings"
	"testing"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		name, in string
		limit    int
		want     []string
	}{
		{"nothing", "", 10, nil},
		{"short", "hello", 10, []string{"hello"}},
		{"exact", "0123456789", 10, []string{"0123456789"}},
		{"exact with LF", "01234567\n", 10, []string{"01234567\n"}},
		{"an LF too much", "012345678\n", 10, []string{"012345678"}},
		{"words", "one two three four", 10, []string{"one two", "three four"}},
		{"the blank just behind", "0123456789 abc", 10, []string{"0123456789", "abc"}},
		{"one blank a cut", "aaaaaaaa   bbb", 10, []string{"aaaaaaaa  ", "bbb"}},
		{"sentences", "It is me. Who are you, dear?", 18, []string{"It is me.", "Who are you, dear?"}},
		{"no tiny sentence", "No. This goes on and on for long", 20, []string{"No. This goes on and", "on for long"}},
		{"lines first", "A first line\nthen. This and that", 24, []string{"A first line", "then. This and that"}},
		{"paragraphs first", "one two three\n\nfour five\nsix seven", 30, []string{"one two three\n", "four five\nsix seven"}},
		{"no blank", "aaaabbbbccccdddd", 5, []string{"aaaab", "bbbcc", "ccddd", "d"}},
		{"Chinese", "我们明天见。你好吗", 21, []string{"我们明天见。", "你好吗"}},
		{"graphemes", "👍🏽👍🏽👍🏽", 20, []string{"👍🏽👍🏽", "👍🏽"}},
		{"flags", "🇩🇪🇺🇸🇫🇷", 20, []string{"🇩🇪🇺🇸", "🇫🇷"}},
		{"a huge grapheme", "a" + strings.Repeat("\u0301", 5) + "b", 5, []string{"a\u0301\u0301", "\u0301\u0301", "\u0301b"}},
		{"a limit that fits nothing", "😀\nb", 0, []string{"😀", "b"}},
		{"a mark on the blank", "aaaa \u0301bbb", 6, []string{"aaaa", " \u0301bbb"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Split(c.in, c.limit)); diff != "" {
				t.Errorf("Split(%q, %d): -want +got\n%s", c.in, c.limit, diff)
			}
		})
	}
}

// borders returns where graphemes begin, and the size of the one at each.
func borders(s string) map[int]int {
	at := map[int]int{len(s): 0}
	clusters := graphemes.FromString(s)
	for clusters.Next() {
		at[clusters.Start()] = bodyLen(clusters.Value())
	}
	return at
}

// locate finds where the pieces stand in s with nothing between two of them but
// at most one blank or LF, and nothing after the last but the same.
func locate(s string, pieces []string, from int) (starts []int, ok bool) {
	if len(pieces) == 0 {
		return nil, from == len(s)
	}
	if !strings.HasPrefix(s[from:], pieces[0]) {
		return nil, false
	}
	end := from + len(pieces[0])
	skips := []int{0}
	if end < len(s) && (s[end] == ' ' || s[end] == '\n') {
		skips = []int{1, 0}
	}
	for _, skip := range skips {
		if rest, ok := locate(s, pieces[1:], end+skip); ok {
			return append([]int{from}, rest...), true
		}
	}
	return nil, false
}

func checkSplit(t rapid.TB, s string, limit int) {
	t.Helper()
	pieces := Split(s, limit)
	limit = max(limit, 4)
	starts, ok := locate(s, pieces, 0)
	if !ok {
		t.Fatalf("Split(%q, %d) = %q loses something", s, limit, pieces)
	}
	border := borders(s)
	for i, piece := range pieces {
		if piece == "" || bodyLen(piece) > limit {
			t.Fatalf("Split(%q, %d) has the piece %q of %d bytes", s, limit, piece, bodyLen(piece))
		}
		for _, at := range []int{starts[i], starts[i] + len(piece)} {
			if _, ok := border[at]; !ok && !insideHuge(border, at, limit) {
				t.Fatalf("Split(%q, %d) = %q cuts a grapheme at %d", s, limit, pieces, at)
			}
		}
	}
	if slices.Equal(pieces, []string{s}) && bodyLen(s) > limit {
		t.Fatalf("Split(%q, %d) does nothing", s, limit)
	}
}

// insideHuge says whether at is inside a grapheme of more than limit bytes.
func insideHuge(border map[int]int, at, limit int) bool {
	for at > 0 {
		at--
		if size, ok := border[at]; ok {
			return size > limit
		}
	}
	return false
}

func TestSplitLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(messy(), rapid.String(), rapid.StringMatching(`([a-z]{1,9}[ \n.]{1,3}){0,30}`)).Draw(t, "text")
		checkSplit(t, s, rapid.IntRange(0, 60).Draw(t, "limit"))
	})
}

func TestSplitMakesNoTinyPieces(t *testing.T) {
	prose := rapid.StringMatching(`([A-Za-z]{1,9}[.,]? ?\n?){1,100}`)
	rapid.Check(t, func(t *rapid.T) {
		s, limit := prose.Draw(t, "text"), rapid.IntRange(40, 200).Draw(t, "limit")
		pieces := Split(s, limit)
		for i, piece := range pieces {
			if i < len(pieces)-1 && bodyLen(piece) < limit/4 {
				t.Fatalf("piece %d of %q has only %d of %d bytes", i, pieces, bodyLen(piece), limit)
			}
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add("one two. three\n\nfour", 8)
	f.Add("👨‍👩‍👧👍🏽🇩🇪🇺🇸", 9)
	f.Add("a\u0301\u0301\u0301 \u0301b\r\n\xff", 4)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if len(s) > 300 {
			s = s[:300]
		}
		checkSplit(t, s, limit)
	})
}

func BenchmarkSplitShort(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Split(asciiText, 1200)
	}
}

func BenchmarkSplitLong(b *testing.B) {
	s := strings.Repeat(asciiText+".\n", 200)
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		Split(s, 1200)
	}
}
