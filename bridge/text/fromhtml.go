package text

import (
	"bytes"
	"slices"
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
	stack    []element // the first one is the document
	beyond   int       // open elements beyond maxDepth
	styled   bool      // looks are read
	revealed bool      // nothing is hidden
	dropped  bool      // hidden text was left out, and its element is open

	attributes attributes // of the tag that is read
}

// element is an open element, with all that it hands on to those in it.
type element struct {
	tag      *tag
	look     look
	hidden   bool
	verbatim bool // blanks and line ends count
	item     bool // in a list item: paragraphs stand close together
	cell     bool // in a cell of a table: blocks stay on its line
	cells    int  // how many this row has
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
	w.stack = append(w.stack, element{tag: &document})
	z := html.NewTokenizer(strings.NewReader(source))
	z.SetMaxBuf(0)
	for {
		switch z.Next() {
		case html.ErrorToken:
			w.text(z.Raw()) // a tag that does not end: "a <b and c"
			return
		case html.CommentToken:
			if raw := z.Raw(); !bytes.HasSuffix(raw, []byte(">")) {
				w.text(raw)
			}
		case html.TextToken:
			w.text(z.Text())
		case html.StartTagToken:
			w.start(z)
		case html.SelfClosingTagToken:
			empty := isEmptyElement(z.Raw())
			if t := w.start(z); t != nil && empty && !t.machine {
				w.close(t)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if t := tags[string(name)]; t != nil {
				w.close(t)
			}
		}
	}
}

// isEmptyElement says whether a tag that ends in a slash has no content, as in
// XHTML: not if the slash belongs to the value of an attribute.
func isEmptyElement(raw []byte) bool {
	before := bytes.TrimSuffix(raw, []byte("/>"))
	return !bytes.Contains(before, []byte("=")) || bytes.IndexByte([]byte("\"' \t\n"), before[len(before)-1]) >= 0
}

// missing says whether hidden text was left out up to the end.
func (w *walker) missing() bool {
	return w.dropped && w.top().hidden && !w.revealed
}

// top is the innermost open element.
func (w *walker) top() *element { return &w.stack[len(w.stack)-1] }

// outer is the element around the innermost one.
func (w *walker) outer() *element { return &w.stack[len(w.stack)-2] }

func (w *walker) text(s []byte) {
	e := w.top()
	if e.hidden {
		w.dropped = w.dropped || len(bytes.TrimSpace(s)) > 0
		return
	}
	w.page.text(s, e.look, e.verbatim)
}

// readAttributes reads the attributes of a tag.
func readAttributes(z *html.Tokenizer) (a attributes) {
	for more := true; more; {
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

// start begins the element of a tag, nil if it is none that matters.
func (w *walker) start(z *html.Tokenizer) *tag {
	name, more := z.TagName()
	t := tags[string(name)]
	if t != nil {
		w.endImplied(string(name))
		w.open(t, z, more)
	}
	return t
}

// open begins an element, whose attributes are still to be read.
func (w *walker) open(t *tag, z *html.Tokenizer, more bool) {
	outer := w.top()
	if !t.void && len(w.stack) > maxDepth {
		w.space(t, outer)
		w.beyond++
		return
	}
	if w.attributes != (attributes{}) {
		w.attributes = attributes{}
	}
	if more {
		w.attributes = readAttributes(z)
	}
	a := &w.attributes
	w.stack = append(w.stack, *outer)
	e := w.top()
	e.tag, e.href, e.start, e.number, e.cells = t, "", len(w.page.out), 0, 0
	e.hidden = e.hidden || t.machine || (t.hidden || a.hidden) && !w.revealed
	if w.styled && (more || t.style != nil) {
		w.restyle(e, a)
	}
	if !e.hidden {
		w.begin(e, a)
	}
	if t.void {
		w.stack = w.stack[:len(w.stack)-1]
		return
	}
	w.page.quote, w.page.indent = e.quote, e.indent
}

// begin writes what stands before an element that is shown.
func (w *walker) begin(e *element, a *attributes) {
	w.space(e.tag, w.outer())
	if a.isSpoiler {
		w.page.add(spoiler(a.spoiler))
	}
	if e.tag.open != nil {
		e.tag.open(w, e, a)
	}
}

// space sets a block in an element apart from what stands around it.
func (w *walker) space(t *tag, e *element) {
	switch {
	case e.hidden:
	case e.cell:
		if t.breaks > 0 {
			w.page.gap()
		}
	case e.item:
		w.page.block(min(t.breaks, 1))
	default:
		w.page.block(t.breaks)
	}
}

// restyle gives an element its looks.
func (w *walker) restyle(e *element, a *attributes) {
	style := w.page.style(e.look)
	if e.tag.style != nil {
		e.tag.style(&style)
	}
	for _, color := range [...]string{a.color, a.mxColor} {
		if rgb, ok := parseColor(color); ok {
			style.Color, style.Colored = rgb, true
		}
	}
	if a.face != "" {
		style.Font = firstFont(a.face, style.Font)
	}
	if a.style != "" {
		var hidden bool
		style, hidden = applyCSS(style, a.style)
		e.hidden = e.hidden || hidden && !w.revealed
	}
	e.look = w.page.newLook(style, e.look)
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
	if w.beyond == 0 && slices.Contains(w.top().tag.endedBy, name) {
		w.pop()
	}
}

// close ends the innermost element of that kind and all in it. An end that
// belongs to nothing is ignored.
func (w *walker) close(t *tag) {
	switch {
	case t.void:
	case w.beyond > 0:
		w.space(t, w.top())
		w.beyond--
	default:
		for i := len(w.stack) - 1; i > 0; i-- {
			if w.stack[i].tag == t {
				for len(w.stack) > i {
					w.pop()
				}
				return
			}
		}
	}
}

// pop ends the innermost element.
func (w *walker) pop() {
	e, outer := w.top(), w.outer()
	if e.hidden && !outer.hidden {
		w.dropped = false
	}
	if !e.hidden {
		if e.tag.close != nil {
			e.tag.close(w, e)
		}
		w.space(e.tag, outer)
	}
	w.stack = w.stack[:len(w.stack)-1]
	w.page.quote, w.page.indent = outer.quote, outer.indent
}

// number reads the number of a list item.
func number(s string, otherwise int) int {
	if n, err := strconv.Atoi(strings.TrimSpace(s)); err == nil && n > 0 && n < 1_000_000 {
		return n
	}
	return otherwise
}
