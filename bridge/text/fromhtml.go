package text

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

const (
	// maxStyledHTML is the longest HTML whose looks are read, in bytes. Of more
	// only the text is shown. A Matrix event has at most 64 KiB.
	maxStyledHTML = 256 << 10
	// maxDepth is how deep elements are followed. Deeper ones count for nothing
	// but the line ends that they make.
	maxDepth = 64
)

// FromHTML reads HTML as Matrix (formatted_body) and XMPP (XHTML-IM) have it,
// and any other.
//
// What all of the text has in common is the style. Where only a part is bold,
// italic or struck out, *, _ and ~ stand around it if it consists of whole words;
// parts with a colour or a font of their own show nothing of it. Blocks are
// lines, paragraphs have a blank line between them, quotations "> ", list
// items "- " or their number; an address follows the text of a link in
// parentheses if it says something new (a mention of a Matrix user is just the
// name); a picture is its description; cells are set apart by " | "; what a
// spoiler hides follows "[spoiler]". Blanks collapse as in a browser, and more
// than two blank lines to two. The quotation of a Matrix reply (mx-reply),
// scripts, style sheets and hidden elements are left out.
//
// It never fails, and its time is linear in the length. Beyond 256 KiB, or 64
// levels of elements, looks are ignored, but no text is.
func FromHTML(source string) Rich {
	w := walker{styled: len(source) <= maxStyledHTML}
	w.walk(source)
	if w.missing() {
		// Something hidden has no end: show it rather than lose all that follows.
		w = walker{styled: w.styled, revealed: true}
		w.walk(source)
	}
	return w.page.rich()
}

// walker goes through the tags of a document. It builds no tree, so that no
// nesting is too deep, and takes every mismatch of tags.
type walker struct {
	page     page
	stack    []element
	beyond   int  // open elements beyond maxDepth
	styled   bool // looks are read
	revealed bool // nothing is hidden
	dropped  bool // hidden text was left out, and its element is open
}

// element is an open element, with all that it hands on to those in it.
type element struct {
	name     string
	tag      tag
	style    Style
	hidden   bool
	verbatim bool // blanks and line ends count
	item     bool // in a list item: paragraphs stand close together
	quote    int
	indent   int
	number   int    // of the next item of this list; 0 if they have none
	href     string // of this link
	start    int    // where the text of this element begins
}

// attributes are those of a tag that matter.
type attributes struct {
	href, alt, title, style, color, mxColor, face, start, value, spoiler string
	hidden, isSpoiler                                                    bool
}

// walk writes the page.
func (w *walker) walk(source string) {
	z := html.NewTokenizer(strings.NewReader(source))
	z.SetMaxBuf(0)
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			w.text(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			w.open(string(name), readAttributes(z, more))
		case html.EndTagToken:
			name, _ := z.TagName()
			w.close(string(name))
		}
	}
}

// missing says whether hidden text was left out up to the end.
func (w *walker) missing() bool {
	return w.dropped && w.top().hidden && !w.revealed
}

// top is the innermost open element.
func (w *walker) top() element {
	if len(w.stack) == 0 {
		return element{}
	}
	return w.stack[len(w.stack)-1]
}

func (w *walker) text(s []byte) {
	e := w.top()
	if e.hidden {
		w.dropped = w.dropped || len(bytes.TrimSpace(s)) > 0
		return
	}
	w.page.text(s, e.style, e.verbatim)
}

// readAttributes reads the attributes of a tag.
func readAttributes(z *html.Tokenizer, more bool) (a attributes) {
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		switch string(key) {
		case "href":
			a.href = cleanValue(value)
		case "alt":
			a.alt = cleanValue(value)
		case "title":
			a.title = cleanValue(value)
		case "style":
			a.style = string(value)
		case "color":
			a.color = string(value)
		case "data-mx-color":
			a.mxColor = string(value)
		case "face":
			a.face = string(value)
		case "start":
			a.start = string(value)
		case "value":
			a.value = string(value)
		case "hidden":
			a.hidden = true
		case "data-mx-spoiler":
			a.spoiler, a.isSpoiler = cleanValue(value), true
		}
	}
	return a
}

// cleanValue is an attribute that is shown, on one line.
func cleanValue(value []byte) string {
	return strings.Join(strings.Fields(cleanLines(string(value))), " ")
}

// open begins an element.
func (w *walker) open(name string, a attributes) {
	t := tags[name]
	w.endImplied(name)
	e := w.top()
	e.name, e.tag, e.href, e.start, e.number = name, t, "", len(w.page.out), 0
	e.hidden = e.hidden || t.machine || (t.hidden || a.hidden) && !w.revealed
	if !e.hidden {
		w.space(t, e)
	}
	if t.void {
		if t.open != nil && !e.hidden {
			t.open(w, &e, a)
		}
		return
	}
	if len(w.stack) >= maxDepth {
		w.beyond++
		return
	}
	if w.styled {
		w.restyle(&e, a)
	}
	if !e.hidden && a.isSpoiler {
		w.page.add(spoiler(a.spoiler))
	}
	if !e.hidden && t.open != nil {
		t.open(w, &e, a)
	}
	w.push(e)
}

// push makes an element the innermost one.
func (w *walker) push(e element) {
	w.stack = append(w.stack, e)
	w.page.quote, w.page.indent = e.quote, e.indent
}

// space sets a block apart from what stands around it.
func (w *walker) space(t tag, e element) {
	if n := t.breaks; n > 1 && e.item {
		w.page.block(1)
	} else {
		w.page.block(n)
	}
}

// restyle gives an element its looks.
func (w *walker) restyle(e *element, a attributes) {
	if e.tag.style != nil {
		e.tag.style(&e.style)
	}
	for _, color := range []string{a.color, a.mxColor} {
		if rgb, ok := parseColor(color); ok {
			e.style.Color, e.style.Colored = rgb, true
		}
	}
	if a.face != "" {
		e.style.Font = firstFont(a.face, e.style.Font)
	}
	if a.style != "" {
		var hidden bool
		e.style, hidden = applyCSS(e.style, a.style)
		e.hidden = e.hidden || hidden && !w.revealed
	}
}

// spoiler is what stands before something that should not be read at once.
func spoiler(reason string) string {
	if reason == "" {
		return "[spoiler] "
	}
	return "[spoiler: " + reason + "] "
}

// endImplied closes the innermost element if the new one cannot be in it.
func (w *walker) endImplied(name string) {
	if len(w.stack) > 0 && w.beyond == 0 && strings.Contains(w.top().tag.endedBy, " "+name+" ") {
		w.pop()
	}
}

// close ends the innermost element of that name and all in it.
func (w *walker) close(name string) {
	if t := tags[name]; t.void || w.beyond > 0 {
		if !t.void {
			w.space(t, w.top())
			w.beyond--
		} else if name == "br" {
			w.page.lineBreak() // what browsers make of </br>
		}
		return
	}
	for i := len(w.stack) - 1; i >= 0; i-- {
		if w.stack[i].name == name {
			for len(w.stack) > i {
				w.pop()
			}
			return
		}
	}
}

// pop ends the innermost element.
func (w *walker) pop() {
	e := w.top()
	w.stack = w.stack[:len(w.stack)-1]
	outer := w.top()
	if e.hidden && !outer.hidden {
		w.dropped = false
	}
	if !e.hidden {
		if e.tag.close != nil {
			e.tag.close(w, e)
		}
		w.space(e.tag, outer)
	}
	w.page.quote, w.page.indent = outer.quote, outer.indent
}

// number reads the number of a list item.
func number(s string, otherwise int) int {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n > 0 && n < 1_000_000 {
		return n
	}
	return otherwise
}
