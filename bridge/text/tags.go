package text

import (
	"strconv"
	"strings"
)

// tag says what a walker makes of an element. Elements that are not in the table
// are looked through.
type tag struct {
	void    bool // has no content and no end
	hidden  bool // nothing of it is shown
	machine bool // nor if it has no end: it is not for people
	breaks  int  // line ends before and behind it
	endedBy string
	style   func(*Style)
	// open is called when the element begins, and may change what it hands on;
	// close when it ends.
	open  func(*walker, *element, attributes)
	close func(*walker, element)
}

// tags are the elements of org.matrix.custom.html (Client-Server API,
// m.room.message), of XHTML-IM (XEP-0071 §6) and some more that are met.
var tags = map[string]tag{
	"html": {}, "body": {},
	"p":       {breaks: 2, endedBy: " p div ul ol blockquote pre table h1 h2 h3 h4 h5 h6 hr "},
	"div":     {breaks: 1},
	"section": {breaks: 1}, "article": {breaks: 1}, "header": {breaks: 1}, "footer": {breaks: 1}, "main": {breaks: 1},
	"details": {breaks: 1}, "summary": {breaks: 1}, "center": {breaks: 1}, "address": {breaks: 1},
	"figure": {breaks: 1}, "figcaption": {breaks: 1}, "fieldset": {breaks: 1}, "form": {breaks: 1},
	"dl": {breaks: 1}, "dt": {breaks: 1, endedBy: " dt dd "}, "dd": {breaks: 1, endedBy: " dt dd "},
	"h1": heading, "h2": heading, "h3": heading, "h4": heading, "h5": heading, "h6": heading,
	"blockquote": {breaks: 1, open: func(_ *walker, e *element, _ attributes) { e.quote++ }},
	"pre":        {breaks: 1, open: func(_ *walker, e *element, _ attributes) { e.verbatim = true }},
	"textarea":   {breaks: 1, open: func(_ *walker, e *element, _ attributes) { e.verbatim = true }},
	"ul":         {breaks: 1}, "ol": {breaks: 1, open: openList}, "menu": {breaks: 1},
	"li":    {breaks: 1, endedBy: " li ", open: openItem},
	"table": {breaks: 1}, "caption": {breaks: 1}, "tr": {breaks: 1, endedBy: " tr "},
	"td": {endedBy: " td th tr ", open: openCell}, "th": {endedBy: " td th tr ", open: openCell},

	"b": bold, "strong": bold,
	"i": italic, "em": italic, "cite": italic, "dfn": italic, "var": italic,
	"u": underline, "ins": underline,
	"s": strike, "strike": strike, "del": strike,
	"code": codeTag, "tt": codeTag, "kbd": codeTag, "samp": codeTag,
	"sup": {open: func(w *walker, _ *element, _ attributes) { w.page.raised = !w.page.blank && w.page.breaks == 0 },
		close: func(w *walker, _ element) { w.page.raised = false }},
	"q": {open: addQuote, close: func(w *walker, _ element) { w.page.tail(`"`) }},
	"a": {endedBy: " a ", open: func(_ *walker, e *element, a attributes) { e.href = a.href }, close: closeLink},

	"br":  {void: true, open: func(w *walker, _ *element, _ attributes) { w.page.lineBreak() }},
	"hr":  {void: true, breaks: 1, open: openRule},
	"img": {void: true, open: openImage},
	"wbr": {void: true}, "input": {void: true}, "meta": {void: true}, "link": {void: true}, "base": {void: true},
	"col": {void: true}, "area": {void: true}, "embed": {void: true}, "param": {void: true}, "source": {void: true}, "track": {void: true},

	"mx-reply": {hidden: true},
	"head":     {hidden: true, endedBy: " body "},
	"script":   {hidden: true, machine: true}, "style": {hidden: true, machine: true}, "title": {hidden: true}, "template": {hidden: true}, "iframe": {hidden: true},
}

var (
	heading   = tag{breaks: 2, style: func(s *Style) { s.Bold = true }}
	bold      = tag{style: func(s *Style) { s.Bold = true }}
	italic    = tag{style: func(s *Style) { s.Italic = true }}
	underline = tag{style: func(s *Style) { s.Underline = true }}
	strike    = tag{style: func(s *Style) { s.Strike = true }}
	codeTag   = tag{open: openCode, close: closeCode}
)

func openList(_ *walker, e *element, a attributes) { e.number = number(a.start, 1) }

// openItem sets the marker of a list item, which stands before its first line.
// An element that is no list, or none, makes it "- ".
func openItem(w *walker, e *element, a attributes) {
	marker := "- "
	if n := len(w.stack); n > 0 && w.stack[n-1].number > 0 {
		list := &w.stack[n-1]
		list.number = number(a.value, list.number)
		marker = strconv.Itoa(list.number) + ". "
		list.number++
	}
	e.item = true
	e.indent += len(marker)
	w.page.marker = marker
}

// openCell sets a cell of a table apart from the one before it.
func openCell(w *walker, _ *element, _ attributes) {
	if w.page.breaks == 0 && len(w.page.out) > 0 {
		w.page.blank = false
		w.page.tail(" | ")
	}
}

// openCode marks code in running text, which is hard to tell from words. In a
// block of it that is not needed.
func openCode(w *walker, e *element, _ attributes) {
	if !e.verbatim {
		w.page.add("`")
		e.start = len(w.page.out)
	}
}

func closeCode(w *walker, e element) {
	if !e.verbatim {
		w.page.tail("`")
	}
}

func addQuote(w *walker, _ *element, _ attributes) { w.page.add(`"`) }

func openRule(w *walker, _ *element, _ attributes) {
	w.page.add("----------")
	w.page.block(1)
}

// openImage writes the description of a picture; custom emoji have their name
// there.
func openImage(w *walker, e *element, a attributes) {
	words := a.alt
	if words == "" {
		words = a.title
	}
	if words == "" {
		words = "[picture]"
	}
	w.page.text([]byte(words), e.style, false)
}

// closeLink writes where a link leads.
func closeLink(w *walker, e element) {
	if e.href == "" || isInternal(e.href) {
		return
	}
	words := strings.TrimSpace(string(w.page.out[min(e.start, len(w.page.out)):]))
	switch {
	case words == "":
		w.page.add(e.href)
	case isMention(e.href) && !strings.Contains(words, "://"), isSameLink(words, e.href):
	default:
		w.page.tail(" (" + e.href + ")")
	}
}

// isInternal says whether a link leads nowhere outside the message, or to what a
// reader cannot open.
func isInternal(href string) bool {
	if href[0] == '#' {
		return true
	}
	scheme, _, ok := strings.Cut(href, ":")
	return ok && strings.Contains(" javascript vbscript data mxc about cid ", " "+strings.ToLower(scheme)+" ")
}

// isMention says whether a link is a mention of a user or a room, for which its
// text is enough.
func isMention(href string) bool {
	low := strings.ToLower(href[:min(len(href), 40)])
	return strings.HasPrefix(low, "https://matrix.to/#/") || strings.HasPrefix(low, "matrix:")
}

// isSameLink says whether the text of a link is its address, written perhaps
// without what everybody can add.
func isSameLink(words, href string) bool {
	return strings.EqualFold(bareLink(words), bareLink(href))
}

func bareLink(s string) string {
	for _, scheme := range []string{"https://", "http://", "mailto:", "xmpp:", "tel:"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			s = s[len(scheme):]
			break
		}
	}
	return strings.TrimSuffix(s, "/")
}
