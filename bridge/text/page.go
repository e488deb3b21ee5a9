package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxQuote is the deepest quotation, and maxIndent the widest indentation
	// in blanks, that is shown: each costs its width on each line.
	maxQuote, maxIndent = 8, 16
	// maxBreaks is how many line ends stand together at most: two blank lines.
	maxBreaks = 3
)

// page is written on by a walker: text with a style, in lines that belong to
// quotations and lists, its blanks collapsed as HTML says.
type page struct {
	out   []byte
	spans []span
	looks []Style // what the spans refer to; the first one is plain

	quote  int    // how deep the next line is quoted
	indent int    // how far it is indented
	marker string // what it begins with in place of the indentation: "- ", "1. "

	breaks    int // line ends that stand before the next text
	blank     bool
	blankLook look
	lastQuote int // how deep the last line is quoted
	raised    bool
}

// span is a part of the text: from the end of the one before it. There may be
// one for every few bytes.
type span struct {
	end  int
	look look
}

// look is the number of a style of a page.
type look int32

const (
	plain look = 0
	// added is what are not the sender's words but ours: "- ", "> ", an address.
	added look = -1
)

// newLook numbers a style, which is often that of the element around.
func (p *page) newLook(style Style, outer look) look {
	if p.style(outer) == style {
		return outer
	}
	if len(p.looks) == 0 {
		p.looks = append(p.looks, Style{})
	}
	p.looks = append(p.looks, style)
	return look(len(p.looks) - 1)
}

// style is what a look stands for.
func (p *page) style(l look) Style {
	if l <= plain {
		return Style{}
	}
	return p.looks[l]
}

// extend says that the text now ends in something of that look.
func (p *page) extend(l look) {
	if n := len(p.spans); n > 0 && p.spans[n-1].look == l {
		p.spans[n-1].end = len(p.out)
		return
	}
	p.spans = append(p.spans, span{len(p.out), l})
}

// lineBreak ends the line; one more makes a blank line.
func (p *page) lineBreak() { p.breaks, p.blank = min(p.breaks+1, maxBreaks), false }

// block sees to it that at least n line ends stand before the next text.
func (p *page) block(n int) {
	if n > 0 {
		p.breaks, p.blank = max(p.breaks, n), false
	}
}

// gap sets what follows apart by a blank.
func (p *page) gap() {
	if n := len(p.out); n > 0 && p.breaks == 0 && p.out[n-1] != ' ' && p.out[n-1] != '\n' {
		p.blank, p.blankLook = true, plain
	}
}

// text writes words with collapsed blanks, or as they stand.
func (p *page) text(s []byte, l look, verbatim bool) {
	for len(s) > 0 {
		r, size := rune(s[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(s)
		}
		next := s[size:]
		switch {
		case verbatim && r == '\r':
			if len(next) == 0 || next[0] != '\n' {
				p.lineBreak()
			}
		case verbatim && r == '\n', r > '\r' && isLineEnd(r):
			p.lineBreak()
		case !verbatim && (r == ' ' || '\t' <= r && r <= '\r' && r != '\v'):
			if p.breaks == 0 && len(p.out) > 0 && !p.blank {
				p.blank, p.blankLook = true, l
			}
		case r == '\u00a0', r == '\t':
			p.put(s[:size], ' ', l)
		case r < ' ', r >= 0x7f && (unicode.IsControl(r) || isNoncharacter(r)):
		default:
			p.put(s[:size], r, l)
		}
		s = next
	}
}

// put writes a character, behind the blank and the line ends that are due.
func (p *page) put(encoded []byte, r rune, l look) {
	p.flush()
	if p.raised {
		p.raise(r)
	}
	if r == ' ' && encoded[0] != '\t' || r == utf8.RuneError {
		p.out = utf8.AppendRune(p.out, r)
	} else {
		p.out = append(p.out, encoded...)
	}
	p.extend(l)
}

// raise writes a sign for an exponent if one begins with r: 10² is not 102.
func (p *page) raise(r rune) {
	p.raised = false
	last, _ := utf8.DecodeLastRune(p.out)
	if (unicode.IsDigit(r) || r == '-' || r == '+') && (unicode.IsDigit(last) || unicode.IsLetter(last) || last == ')') {
		p.tail("^")
	}
}

// add writes something that is not the sender's, behind what is due.
func (p *page) add(s string) {
	p.flush()
	p.tail(s)
}

// tail is add in front of what is due.
func (p *page) tail(s string) {
	p.out = append(p.out, s...)
	p.extend(added)
}

// flush writes what is due: line ends and what a line begins with, or a blank.
func (p *page) flush() {
	switch {
	case len(p.out) == 0:
		p.beginLine()
	case p.breaks > 0:
		between := strings.TrimRight(strings.Repeat("> ", min(p.quote, p.lastQuote, maxQuote)), " ")
		p.out = append(p.out, '\n')
		for range p.breaks - 1 {
			p.out = append(p.out, between...)
			p.out = append(p.out, '\n')
		}
		p.extend(added)
		p.beginLine()
	case p.blank:
		p.out = append(p.out, ' ')
		p.extend(p.blankLook)
	}
	p.breaks, p.blank = 0, false
}

func (p *page) beginLine() {
	for range min(p.quote, maxQuote) {
		p.out = append(p.out, "> "...)
	}
	indent := min(p.indent, maxIndent)
	if p.marker != "" {
		indent = max(indent-len(p.marker), 0)
	}
	for range indent {
		p.out = append(p.out, ' ')
	}
	p.out = append(p.out, p.marker...)
	p.marker = ""
	p.lastQuote = p.quote
	if len(p.out) > 0 {
		p.extend(added)
	}
}

// rich is what was written. What all of it has in common is its style, effects
// of parts of it become markers.
func (p *page) rich() Rich {
	if isAllBlank(p.out) {
		return Rich{}
	}
	base := p.common()
	return Rich{Text: strings.Trim(p.marked(base), "\n"), Style: base}
}

// common is the style that all that can be seen of the text has.
func (p *page) common() Style {
	var base Style
	seen, start := false, 0
	for _, s := range p.spans {
		visible := s.look != added && !isAllBlank(p.out[start:s.end])
		start = s.end
		switch {
		case !visible:
		case !seen:
			base, seen = p.style(s.look), true
		default:
			base = base.and(p.style(s.look))
		}
	}
	return base
}

// isAllBlank says whether there is nothing to be seen of s.
func isAllBlank(s []byte) bool {
	for _, c := range s {
		if c != ' ' && c != '\t' && c != '\n' {
			return false
		}
	}
	return true
}

// and is what two styles have in common.
func (s Style) and(other Style) Style {
	s.Bold = s.Bold && other.Bold
	s.Italic = s.Italic && other.Italic
	s.Underline = s.Underline && other.Underline
	s.Strike = s.Strike && other.Strike
	if s.Font != other.Font {
		s.Font = ""
	}
	if s.Colored != other.Colored || s.Color != other.Color {
		s.Color, s.Colored = 0, false
	}
	return s
}
