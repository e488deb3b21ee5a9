package text

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var (
	isBold   = Style{Bold: true}
	isItalic = Style{Italic: true}
	isRed    = Style{Color: 0xff0000, Colored: true}
)

func TestFromHTMLText(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"only blanks", " \n&nbsp;<p> </p>", ""},
		{"plain", "hello &amp; good&nbsp;bye &lt;3", "hello & good bye <3"},
		{"blanks collapse", "  a \n\t b  <b> </b>c ", "a b c"},
		{"blanks that stay", "a &nbsp; b", "a   b"},
		{"controls", "a\x00\x07b\u0085c\u2028d&#1;&#xfffe;\xff", "ab\nc\nd\ufffd"},
		{"line ends", "a<br>b<br/>c<br />d", "a\nb\nc\nd"},
		{"blank lines", "a<br><br><br><br><br>b", "a\n\n\nb"},
		{"paragraphs", "<p>one</p>\n<p>two<br>\nthree</p>", "one\n\ntwo\nthree"},
		{"paragraphs without end", "<p>one<p>two", "one\n\ntwo"},
		{"divisions", "a<div>b</div>c<div><div>d</div></div>", "a\nb\nc\nd"},
		{"headings", "<h1>Title</h1>text", "*Title*\n\ntext"},
		{"quotation", "<blockquote>a<br>b</blockquote>c", "> a\n> b\nc"},
		{"quotation of paragraphs", "<blockquote>\n<p>a</p>\n<p>b</p>\n</blockquote>\n<p>c</p>", "> a\n>\n> b\n\nc"},
		{"quotation in a quotation", "<blockquote><blockquote>a</blockquote>b</blockquote>c", "> > a\n> b\nc"},
		{"list", "x<ul>\n<li>a</li>\n<li>b<ul><li>c</li></ul></li></ul>y", "x\n- a\n- b\n  - c\ny"},
		{"loose list", "<ul><li><p>a</p></li><li><p>b</p></li></ul>", "- a\n- b"},
		{"numbers", `<ol start="9"><li>a</li><li>b<br>c</li><li value="20">d</li></ol>`, "9. a\n10. b\n    c\n20. d"},
		{"list without ends", "<ul><li>a<li>b</ul>c", "- a\n- b\nc"},
		{"list with an empty item", "<ul><li>a</li><li></li></ul>b", "- a\nb"},
		{"quoted list", "<blockquote><ul><li>a</li><li>b</li></ul></blockquote>", "> - a\n> - b"},
		{"code block", "see<pre><code class=\"language-go\">if x {\n\ty()\n}\n</code></pre>done", "see\nif x {\n\ty()\n}\ndone"},
		{"code", "run <code>rm -rf *</code> now", "run `rm -rf *` now"},
		{"link", `<a href="https://example.org/x">this</a>!`, "this (https://example.org/x)!"},
		{"link that is its text", `<a href="https://example.org/">example.org</a> <a href="mailto:bob@example.org">bob@example.org</a>`, "example.org bob@example.org"},
		{"link that is its text, decoded", `<a href="https://example.org/Stra%C3%9Fe">https://example.org/Straße</a>`, "https://example.org/Straße"},
		{"link that lies", `<a href="http://evil.example/">http://bank.example/</a>`, "http://bank.example/ (http://evil.example/)"},
		{"link around blanks", `<a href="http://x.example/a">foo </a>bar`, "foo (http://x.example/a) bar"},
		{"link without text", `<a href="http://x.example/a"></a>`, "http://x.example/a"},
		{"link to nowhere", `<a href="javascript:alert(1)">a</a> <a href="#top">b</a> <a>c</a>`, "a b c"},
		{"mention", `hi <a href="https://matrix.to/#/@bob:example.org">Bob</a>: hello`, "hi Bob: hello"},
		{"picture", `<img src="mxc://x/y" alt="a cat"> <img data-mx-emoticon alt=":blob:" src="x"> <img src=x>`, "a cat :blob: [picture]"},
		{"table", "<table><thead><tr><th>a</th><th>b</th></tr></thead>\n<tbody>\n<tr>\n<td>1</td>\n<td>2</td></tr></tbody></table>", "a | b\n1 | 2"},
		{"table of paragraphs", "a<table><tr><td></td><td><p>b</p><p>c</p></td></tr><tr><td><p>d</p><td>e<td></table>f", "a\n | b c\nd | e | \nf"},
		{"empty table", "a<table><tr><td></td></tr></table>", "a"},
		{"empty elements", `a<b/>b<p/>c<a name="x"/>d<span style="color:red" />e`, "ab\n\ncde"},
		{"an address without quotes", `<a href=http://x.example/>y</a>`, "y (http://x.example/)"},
		{"spoiler", `he <span data-mx-spoiler>dies</span>`, "he [spoiler] dies"},
		{"spoiler with a reason", `<span data-mx-spoiler="the end">he dies</span>`, "[spoiler: the end] he dies"},
		{"details", "<details><summary>more</summary>text</details>", "more\ntext"},
		{"reply", `<mx-reply><blockquote><a href="https://matrix.to/#/!r/$e">In reply to</a> <b>x</b></blockquote></mx-reply>yes`, "yes"},
		{"reply without end", `<mx-reply>yes <b>you</b>`, "yes *you*"},
		{"hidden things", `a<script>b</script><style>c</style><span style="display: none">d</span><p hidden>e</p>f<!-- g -->`, "af"},
		{"script without end", `a<p><script>b`, "a"},
		{"a whole document", `<html><head><title>x</title><meta charset=utf-8><body>hello</body></html>`, "hello"},
		{"rule", "a<hr>b", "a\n----------\nb"},
		{"exponent", "10<sup>2</sup> and 1<sup>st</sup>", "10^2 and 1st"},
		{"wrong nesting", "<b>a<i>b</b>c</i>d", "abcd"},
		{"unknown elements", "<foo>a</foo><bar/>b", "ab"},
		{"a tag without end", "a <b and c", "a <b and c"},
		{"a comment without end", "a <!-- b", "a <!-- b"},
		{"no elements", "1 < 2 && 3 > 2 <", "1 < 2 && 3 > 2 <"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(Rich{Text: c.want}, FromHTML(c.in)); diff != "" {
				t.Errorf("FromHTML(%q): -want +got\n%s", c.in, diff)
			}
		})
	}
}

func TestFromHTMLStyle(t *testing.T) {
	for _, c := range []struct {
		in, want string
		style    Style
	}{
		{"<b>all</b>", "all", isBold},
		{"<strong>all</strong> <b>of</b> <h3>it</h3>", "all of\n\nit", isBold},
		{"<p><em>one</em></p><p><i>two</i></p>", "one\n\ntwo", isItalic},
		{"<u>a</u>", "a", Style{Underline: true}},
		{"<del>a</del>", "a", Style{Strike: true}},
		{"<strong><em><u><del>a</del></u></em></strong>", "a", Style{Bold: true, Italic: true, Underline: true, Strike: true}},
		{`<font color="red">a</font>`, "a", isRed},
		{`<font data-mx-color="#f00" color="#00f">a</font>`, "a", isRed},
		{`<span data-mx-color="#FF0000">a</span>`, "a", isRed},
		{`<span style="color: rgb(255, 0, 0)">a</span>`, "a", isRed},
		{`<span style="color:rgb(100% 0% 0% / 50%)">a</span>`, "a", isRed},
		{`<font face="Comic Sans MS, cursive">a</font>`, "a", Style{Font: "Comic Sans MS"}},
		{`<p style="font-family: &quot;Segoe UI&quot;, sans-serif; font-size: large">a</p>`, "a", Style{Font: "Segoe UI"}},
		{`<span style="font-family: monospace">a</span>`, "a", Style{}},
		{`<span style='font-weight:700;font-style:oblique;text-decoration:underline line-through'>a</span>`, "a",
			Style{Bold: true, Italic: true, Underline: true, Strike: true}},
		{`<b>a <span style="font-weight: normal">b</span></b>`, "*a* b", Style{}},
		{`<body style="color:#ff0000"><p>a</p></body>`, "a", isRed},
		{`<ul><li><b>a</b></li><li><b>b</b></li></ul>`, "- a\n- b", isBold},
		{`<b><a href="http://x.example/y">a</a></b>`, "a (http://x.example/y)", isBold},
		{`<i>a <b>b</b></i>`, "a *b*", isItalic},

		{"this is <b>very bold</b>, you see", "this is *very bold*, you see", Style{}},
		{"<b>a</b> <i>b</i> <s>c</s> <u>d</u>", "*a* _b_ ~c~ d", Style{}},
		{"x <b><i>both</i></b> <b>a <i>b</i></b>", "x *_both_* *a _b_*", Style{}},
		{"<b>one<br>two</b> three", "*one*\n*two* three", Style{}},
		{"un<b>believ</b>able", "unbelievable", Style{}},
		{"<del>un</del>happy", "~un~happy", Style{}},
		{"<b> a </b>b<b>!</b>", "*a* b!", Style{}},
		{"2 <b>* 3</b> is", "2 * 3 is", Style{}},
		{`<font color="red">a</font> b`, "a b", Style{}},
		{`<font color="red">a</font> <font color="blue">b</font>`, "a b", Style{}},
	} {
		if diff := cmp.Diff(Rich{Text: c.want, Style: c.style}, FromHTML(c.in)); diff != "" {
			t.Errorf("FromHTML(%q): -want +got\n%s", c.in, diff)
		}
	}
}

// settled is what a text is after it went through HTML.
func settled(s string) string {
	s = strings.ReplaceAll(cleanLines(s), "\t", "    ")
	s = strings.ReplaceAll(s, "\u00a0", " ")
	if strings.TrimLeft(s, " \n") == "" {
		return ""
	}
	s = strings.Trim(s, "\n")
	for strings.Contains(s, "\n\n\n\n") {
		s = strings.ReplaceAll(s, "\n\n\n\n", "\n\n\n")
	}
	return s
}

// checkRoundTrip checks what is written of r, and that it is read back.
func checkRoundTrip(t rapid.TB, r Rich) {
	t.Helper()
	want := Rich{Text: settled(r.Text), Style: r.Style.normal()}
	if strings.IndexFunc(want.Text, func(r rune) bool { return r != ' ' && r != '\n' }) < 0 {
		want.Style = Style{} // a look that nothing has
	}
	if parsed := ParseStyle(r.Style.String()); parsed != r.Style.normal() {
		t.Fatalf("ParseStyle(%q) = %+v, want %+v", r.Style.String(), parsed, r.Style.normal())
	}
	if xhtml, ok := ToXHTML(r); ok {
		checkXML(t, xhtml)
		if diff := cmp.Diff(want, FromHTML(xhtml)); diff != "" {
			t.Fatalf("ToXHTML(%+q) = %q: -want +got\n%s", r, xhtml, diff)
		}
	} else if !r.Style.Plain() {
		t.Fatalf("ToXHTML(%+v) says that it is plain", r)
	}
	want.Style.Font = ""
	if html, ok := ToHTML(r); ok {
		if diff := cmp.Diff(want, FromHTML(html)); diff != "" {
			t.Fatalf("ToHTML(%+q) = %q: -want +got\n%s", r, html, diff)
		}
	}
	checkClean(t, ToStyling(r))
}

func checkXML(t rapid.TB, content string) {
	t.Helper()
	checkClean(t, content)
	d := xml.NewDecoder(strings.NewReader("<body>" + content + "</body>"))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%q is not well-formed: %v", content, err)
		}
	}
}

// looks draws styles.
func looks() *rapid.Generator[Style] {
	return rapid.Custom(func(t *rapid.T) Style {
		return Style{
			Font: rapid.SampledFrom([]string{"", "Arial", "Comic Sans MS", "b'\"<;\\>x", "MS Pゴシック", "serif", " a  b "}).Draw(t, "font"),
			Bold: rapid.Bool().Draw(t, "b"), Italic: rapid.Bool().Draw(t, "i"),
			Underline: rapid.Bool().Draw(t, "u"), Strike: rapid.Bool().Draw(t, "s"),
			Color: rapid.Uint32().Draw(t, "color"), Colored: rapid.Bool().Draw(t, "colored"),
		}
	})
}

func TestHTMLRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(messy(), rapid.String(), rapid.StringMatching(`[ab<>&"' \n\t*_~>]{0,30}`)).Draw(t, "text")
		checkRoundTrip(t, Rich{s, looks().Draw(t, "style")})
	})
}

// tagSoup draws HTML, good and bad.
func tagSoup() *rapid.Generator[string] {
	parts := []string{"a", "b c", " ", "\n", "*", "_", "~", "&amp;", "&nbsp;", "&#0;", "\xff", "\x01", "\u2028", "<", ">", "</", "<!--", "-->",
		`<a href="http://x.example/">`, `<a href="javascript:x">`, "</a>", `<img alt="x">`, `<span data-mx-spoiler>`, "</span>",
		`<span style="color:red;font-weight:bold">`, `<p hidden>`, `<ol start="7">`, `<script>`, "</script>", "<![CDATA[", "]]>"}
	for name := range tags {
		parts = append(parts, "<"+name+">", "</"+name+">", "<"+name+"/>")
	}
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 25), func(p []string) string { return strings.Join(p, "") })
}

func checkFromHTML(t rapid.TB, source string) {
	t.Helper()
	got := FromHTML(source)
	checkClean(t, got.Text)
	if got.Text != strings.Trim(got.Text, "\n") {
		t.Fatalf("FromHTML(%q) = %q has blank lines at an end", source, got.Text)
	}
	if got.Style != got.Style.normal() || got.Text == "" && got.Style != (Style{}) {
		t.Fatalf("FromHTML(%q) has the style %+v", source, got.Style)
	}
}

func TestFromHTMLTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkFromHTML(t, tagSoup().Draw(t, "html")) })
}

// TestFromHTMLLosesNoText builds text in nested elements and looks for each word.
func TestFromHTMLLosesNoText(t *testing.T) {
	for _, open := range []string{"<b>", "<div>", "<blockquote>", "<ul><li>", "<ol><li>", "<table><tr><td>", "<span>", "<a href=x>", "<font color=red>", "<pre>", "<p>", "<foo>"} {
		for _, depth := range []int{1, maxDepth - 1, maxDepth, maxDepth + 1, 5000} {
			got := FromHTML("first " + strings.Repeat(open+"x ", depth) + "last<br>line")
			if n := strings.Count(got.Text, "x"); n < depth || !strings.HasPrefix(strings.TrimLeft(got.Text, "> *_~-1.|"), "first") || !strings.Contains(got.Text, "last") {
				t.Errorf("%d of %q: %d words of it are left in %.80q", depth, open, n, got.Text)
			}
		}
	}
}

func TestFromHTMLTakesLinearTime(t *testing.T) {
	for _, s := range []string{"<b>", "<b>a", "<b>a</b> ", "<i><b>a ", "<blockquote>a<br>", "<ul><li>a", "<a href=x>", "</b>", "<", "<!--", "&", "&amp;",
		"<p>", "<mx-reply>a", "<script>", "a<br>", "<pre>\n", "<td>", "<b a=1 b=2 c=3>", "<a href='", "<span style='color:red;font:x'>a", "<![CDATA[", "</a", "<img alt=x>", "<sup>1", "*", " "} {
		checkLinear(t, s, func(in string) { FromHTML(in) })
		got := FromHTML(strings.Repeat(s, 1<<20/len(s)))
		if len(got.Text) > 64<<20 {
			t.Errorf("1 MiB of %q becomes %d bytes", s, len(got.Text))
		}
	}
}

func FuzzFromHTML(f *testing.F) {
	for _, s := range []string{"<b>a</b> c", "<ul><li>a<ol><li>b", "<mx-reply>x</mx-reply>y", `<a href="http://x">y</a>`, "<pre> a\n b</pre>", "<font color=#f00 face=x>a", "&#0;\xff", "<p hidden>a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkFromHTML(t, s)
		checkRoundTrip(t, FromHTML(s))
	})
}

func FuzzToHTML(f *testing.F) {
	f.Add("a  b\n c", "b i #ff0000 f=Arial")
	f.Add("\t<&\"'>\x00\ufffe", "u s f=x'y")
	f.Fuzz(func(t *testing.T, s, style string) { checkRoundTrip(t, Rich{s, ParseStyle(style)}) })
}

func BenchmarkFromHTML(b *testing.B) {
	s := `<p>` + asciiText + ` <strong>soon</strong> <a href="https://example.org/a">there</a></p>`
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		FromHTML(s)
	}
}

func BenchmarkFromHTMLHostile(b *testing.B) {
	s := strings.Repeat("<i><b>a ", 1<<20/8)
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		FromHTML(s)
	}
}

func BenchmarkToHTML(b *testing.B) {
	r := Rich{asciiText, Style{Bold: true, Color: 0xff, Colored: true}}
	b.ReportAllocs()
	for b.Loop() {
		ToHTML(r)
	}
}
