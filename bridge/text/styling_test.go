package text

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFromStyling(t *testing.T) {
	for _, c := range []struct {
		in, want string
		style    Style
	}{
		{"", "", Style{}},
		{"hello", "hello", Style{}},
		{"*hello you*", "hello you", isBold},
		{"_hello_", "hello", isItalic},
		{"~hello~", "hello", Style{Strike: true}},
		{"*_~all~_*", "all", Style{Bold: true, Italic: true, Strike: true}},
		{"*one*\n\n *two* ", "one\n\n two ", isBold},
		{"> *one*\n*two*", "> one\ntwo", isBold},
		{"*one*\n_two_", "*one*\n_two_", Style{}},
		{"*one*\ntwo", "*one*\ntwo", Style{}},
		{"*a* and *b*", "*a* and *b*", Style{}},
		{"this is *bold*", "this is *bold*", Style{}},
		{"_snake_case_", "_snake_case_", Style{}},
		{"__init__", "__init__", Style{}},
		{"* a *", "* a *", Style{}},
		{"**", "**", Style{}},
		{"***", "***", Style{}},
		{"*_*_*", "*_*_*", Style{}},
		{"**a**", "**a**", Style{}},
		{"~", "~", Style{}},
		{"*-) hm :-*", "*-) hm :-*", Style{}},
		{"*a :*", "*a :*", Style{}},
		{"```\n*a*\n```", "```\n*a*\n```", Style{}},
		{"`*a*`", "`*a*`", Style{}},
		{"/me *waves*", "/me waves", isBold},
		{"/me waves *hard*", "/me waves *hard*", Style{}},
		{"/me *waves*\n*and goes*", "/me waves\nand goes", isBold},
		{"*/me waves*", "/me waves", isBold},
		{"*a\x00*\r\n*b*\xff", "*a*\n*b*\ufffd", Style{}},
	} {
		if diff := cmp.Diff(Rich{c.want, c.style}, FromStyling(c.in)); diff != "" {
			t.Errorf("FromStyling(%q): -want +got\n%s", c.in, diff)
		}
	}
}

func TestFromMarkdown(t *testing.T) {
	for _, c := range []struct {
		in, want string
		style    Style
	}{
		{"hello **you**", "hello **you**", Style{}},
		{"**hello**", "hello", isBold},
		{"__hello__", "hello", isBold},
		{"*hello*", "hello", isItalic},
		{"_hello_", "hello", isItalic},
		{"~~hello~~", "hello", Style{Strike: true}},
		{"***hello***", "hello", Style{Bold: true, Italic: true}},
		{"**_hello_**", "hello", Style{Bold: true, Italic: true}},
		{"**one\ntwo**", "one\ntwo", isBold},
		{"**one**\n\n**two**", "one\n\ntwo", isBold},
		{"**one**\n**two**", "one\ntwo", isBold},
		{"**one\n\ntwo**", "**one\n\ntwo**", Style{}},
		{"**a** **b**", "**a** **b**", Style{}},
		{"* one\n* two", "* one\n* two", Style{}},
		{"[a](http://x)", "[a](http://x)", Style{}},
		{"```go\nx := 1\n\ty()\n```", "x := 1\n\ty()", Style{}},
		{"```\na\n```\nb\n```\nc\n```", "```\na\n```\nb\n```\nc\n```", Style{}},
		{"```\n```", "```\n```", Style{}},
		{"see\n```\na\n```", "see\n```\na\n```", Style{}},
		{"****", "****", Style{}},
	} {
		if diff := cmp.Diff(Rich{c.want, c.style}, FromMarkdown(c.in)); diff != "" {
			t.Errorf("FromMarkdown(%q): -want +got\n%s", c.in, diff)
		}
	}
}

func TestToStyling(t *testing.T) {
	for _, c := range []struct {
		in    string
		style Style
		want  string
	}{
		{"hello", Style{}, "hello"},
		{"hello", isRed, "hello"},
		{"hello", Style{Underline: true, Font: "Arial"}, "hello"},
		{"hello", isBold, "*hello*"},
		{"hello", Style{Bold: true, Italic: true, Strike: true}, "*_~hello~_*"},
		{" one \n\ntwo", isBold, " *one* \n\n*two*"},
		{"> one\ntwo", isItalic, "> _one_\n_two_"},
		{"2 * 3", isBold, "2 * 3"},
		{"2 * 3", Style{Bold: true, Italic: true}, "_2 * 3_"},
		{"a\n```\nb\n```\nc", isBold, "*a*\n```\nb\n```\n*c*"},
		{"a\r\nb\x00", isBold, "*a*\n*b*"},
		{"/me waves", isBold, "/me *waves*"},
		{"/me waves\n/me goes", isItalic, "/me _waves_\n_/me goes_"},
		{"/me", isBold, "*/me*"},
		{"/me ", isBold, "/me "},
	} {
		if got := ToStyling(Rich{c.in, c.style}); got != c.want {
			t.Errorf("ToStyling(%q, %v) = %q, want %q", c.in, c.style, got, c.want)
		}
	}
}

func TestStylingRoundTrip(t *testing.T) {
	words := rapid.StringMatching(`(> |/me )?[a-zäé]{1,6}( [a-z,.!?"]{1,6}){0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		r := Rich{Text: strings.Join(rapid.SliceOfN(words, 1, 4).Draw(t, "lines"), "\n")}
		r.Style.Bold, r.Style.Italic, r.Style.Strike = rapid.Bool().Draw(t, "b"), rapid.Bool().Draw(t, "i"), rapid.Bool().Draw(t, "s")
		if got := FromStyling(ToStyling(r)); got != r {
			t.Fatalf("FromStyling(%q) = %+v, want %+v", ToStyling(r), got, r)
		}
	})
}

// withoutMarkers is a text without anything that is or could be a marker.
func withoutMarkers(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("*_~", r) {
			return -1
		}
		return r
	}, s)
}

func checkStyling(t rapid.TB, s string) {
	t.Helper()
	for name, from := range map[string]func(string) Rich{"FromStyling": FromStyling, "FromMarkdown": FromMarkdown} {
		got := from(s)
		checkClean(t, got.Text)
		if code, ok := fenced(cleanLines(s)); ok && name == "FromMarkdown" {
			if got.Text != code {
				t.Fatalf("FromMarkdown(%q) = %+v", s, got)
			}
			continue
		}
		if withoutMarkers(got.Text) != withoutMarkers(cleanLines(s)) {
			t.Fatalf("%s(%q) = %+v changes more than markers", name, s, got)
		}
		if got.Style.Plain() && got.Text != cleanLines(s) {
			t.Fatalf("%s(%q) = %+v takes markers for nothing", name, s, got)
		}
	}
	for _, style := range []Style{isBold, {Bold: true, Italic: true, Strike: true}} {
		got := ToStyling(Rich{s, style})
		checkClean(t, got)
		if withoutMarkers(got) != withoutMarkers(cleanLines(s)) {
			t.Fatalf("ToStyling(%q) = %q changes more than markers", s, got)
		}
	}
}

func TestStylingTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkStyling(t, rapid.OneOf(messy(), rapid.String(), rapid.StringMatching("[*_~` >ab\n]{0,30}")).Draw(t, "text"))
	})
}

func TestStylingTakesLinearTime(t *testing.T) {
	for _, s := range []string{"*", "_~*", "*a*\n", ">", "> *a*\n", "```\n", "**a\n", "*-)"} {
		checkLinear(t, s, func(in string) {
			FromStyling(in)
			FromMarkdown(in)
			ToStyling(Rich{in, Style{Bold: true, Italic: true, Strike: true}})
		})
	}
}

func TestStyleString(t *testing.T) {
	for _, c := range []struct {
		style Style
		want  string
	}{
		{Style{}, ""},
		{Style{Color: 1}, ""},
		{Style{Colored: true}, "#000000"},
		{Style{Bold: true, Italic: true, Underline: true, Strike: true, Color: 0xff00aa, Colored: true, Font: "Comic Sans MS"}, "b i u s #ff00aa f=Comic Sans MS"},
		{Style{Font: `a";<b>`}, "f=ab"},
		{Style{Font: strings.Repeat("x", 101)}, ""},
	} {
		if got := c.style.String(); got != c.want || c.style.Plain() != (c.want == "") {
			t.Errorf("%+v: %q, plain %v, want %q", c.style, got, c.style.Plain(), c.want)
		}
		if got := ParseStyle(c.want); got != c.style.normal() {
			t.Errorf("ParseStyle(%q) = %+v, want %+v", c.want, got, c.style.normal())
		}
	}
	if got, want := ParseStyle("x b  #12 #gg0000 q=1 #00ff00 f= A f=B "), (Style{Bold: true, Color: 0xff00, Colored: true, Font: "A fB"}); got != want {
		t.Errorf("ParseStyle = %+v, want %+v", got, want)
	}
}

func TestParseColor(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint32
		ok   bool
	}{
		{"red", 0xff0000, true}, {" RebeccaPurple ", 0x663399, true}, {"#abc", 0xaabbcc, true}, {"#ABCD", 0xaabbcc, true},
		{"#12345678", 0x123456, true}, {"rgb(1,2,3)", 0x010203, true}, {"rgba(300 -5 50% / .5)", 0xff0080, true},
		{"", 0, false}, {"#12", 0, false}, {"#ggg", 0, false}, {"rgb(1,2)", 0, false}, {"rgb(nan,1,1)", 0, false}, {"reddish", 0, false},
		{"#1é", 0, false}, {strings.Repeat(" ", 99) + "red", 0, false},
	} {
		if got, ok := parseColor(c.in); got != c.want || ok != c.ok {
			t.Errorf("parseColor(%q) = %#x, %v", c.in, got, ok)
		}
	}
}

func FuzzFromStyling(f *testing.F) {
	for _, s := range []string{"*a*", "*_a_*\n> *_b_*", "```\n*a*\n```", "**a\nb**", "***a***", "*-) :-*", "~\xff~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkStyling(t, s) })
}

func FuzzParseStyle(f *testing.F) {
	f.Add("b i u s #ff0000 f=Comic Sans MS")
	f.Add("f=\xff x")
	f.Fuzz(func(t *testing.T, s string) {
		style := ParseStyle(s)
		checkClean(t, style.String())
		if again := ParseStyle(style.String()); again != style {
			t.Fatalf("ParseStyle(%q) = %+v, and again %+v", s, style, again)
		}
	})
}

func BenchmarkFromStyling(b *testing.B) {
	s := "*" + asciiText + "*"
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		FromStyling(s)
	}
}
