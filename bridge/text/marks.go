package text

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// mark is a kind of emphasis that a reader of plain text understands.
type mark struct {
	sign byte
	of   func(Style) bool
	// inside says that the sign may also stand inside a word: with what is
	// struck out left unmarked, "unhappy" could be either.
	inside bool
}

// marks are from the outside to the inside.
var marks = [...]mark{
	{'*', func(s Style) bool { return s.Bold }, false},
	{'_', func(s Style) bool { return s.Italic }, false},
	{'~', func(s Style) bool { return s.Strike }, true},
}

// sign is a marker before a byte of a text.
type sign struct {
	at   int
	char byte
}

// marked is the text with markers around the parts that are emphasised beyond
// the base: whole words, each line by itself.
func (p *page) marked(base Style) string {
	var opening, closing [len(marks)][]sign
	total := 0
	for i, m := range marks {
		if m.of(base) {
			continue
		}
		opening[i], closing[i] = p.signs(m)
		total += len(opening[i]) + len(closing[i])
	}
	if total == 0 {
		return string(p.out)
	}
	out := make([]byte, 0, len(p.out)+total)
	done := 0
	for {
		at, from := -1, -1 // the next sign; 0..2 close, 3..5 open
		look := func(list []sign, i int) {
			if len(list) > 0 && (at < 0 || list[0].at < at) {
				at, from = list[0].at, i
			}
		}
		for i := range marks { // from the inside
			look(closing[len(marks)-1-i], len(marks)-1-i)
		}
		for i := range marks {
			look(opening[i], len(marks)+i)
		}
		if at < 0 {
			return string(append(out, p.out[done:]...))
		}
		list := &closing[from%len(marks)]
		if from >= len(marks) {
			list = &opening[from-len(marks)]
		}
		out = append(out, p.out[done:at]...)
		out = append(out, (*list)[0].char)
		*list, done = (*list)[1:], at
	}
}

// signs finds where the markers of one kind belong.
func (p *page) signs(m mark) (opening, closing []sign) {
	note := func(from, to int) {
		for from < to && isBlank(p.out[from]) {
			from++
		}
		for from < to && isBlank(p.out[to-1]) {
			to--
		}
		if m.fits(p.out, from, to) {
			opening = append(opening, sign{from, m.sign})
			closing = append(closing, sign{to, m.sign})
		}
	}
	from, start := -1, 0
	for _, s := range p.spans {
		switch on := !s.added && m.of(s.style); {
		case on && from < 0:
			from = start
		case !on && from >= 0:
			note(from, start)
			from = -1
		}
		start = s.end
	}
	if from >= 0 {
		note(from, start)
	}
	return opening, closing
}

// fits says whether a marker can stand around a part of a text: if there are
// words in it, if it is not confused with a marker in it, and if it begins and
// ends with words.
func (m mark) fits(s []byte, from, to int) bool {
	part := s[from:to]
	if bytes.IndexByte(part, m.sign) >= 0 || bytes.IndexByte(part, '\n') >= 0 || bytes.IndexFunc(part, isWordRune) < 0 {
		return false
	}
	if m.inside {
		return true
	}
	before, _ := utf8.DecodeLastRune(s[:from])
	first, _ := utf8.DecodeRune(part)
	last, _ := utf8.DecodeLastRune(part)
	after, _ := utf8.DecodeRune(s[to:])
	return !(from > 0 && isWordRune(before) && isWordRune(first)) && !(to < len(s) && isWordRune(after) && isWordRune(last))
}

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r))
}
