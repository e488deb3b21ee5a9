package text

import (
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/clipperhouse/uax29/v2/sentences"
	"github.com/clipperhouse/uax29/v2/words"
)

// Split cuts a text with LF line ends into pieces of at most limit bytes each,
// counted as the message body will be: UTF-8 with CRLF line ends, so that an LF
// counts 2. The pieces are in order and not empty; an empty text has none. A
// limit below 4, the size of the longest character, counts as 4.
//
// A cut is made, by preference, between paragraphs, between lines, between
// sentences, if that leaves a piece at least half full; then between words, if
// it leaves it a quarter full; else between graphemes (UAX #29). Only a single
// grapheme of more than limit bytes is cut inside, between its characters. The
// blank or LF at which a cut is made is left out, at most one for each cut;
// nothing else is lost.
func Split(s string, limit int) []string {
	limit = max(limit, utf8.UTFMax)
	if bodyLen(s) <= limit {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	units := measure(s, limit)
	var pieces []string
	for first := 0; first < len(units); {
		end, next := cut(units[first:], limit)
		if end > 0 {
			last := units[first+end-1]
			pieces = append(pieces, s[units[first].start:last.end])
		}
		first += next
	}
	return pieces
}

// bodyLen is the length of a text in the message body.
func bodyLen(s string) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if s[i] == '\n' {
			n++
		}
	}
	return n
}

// rank is how good a place for a cut is.
type rank uint8

const (
	betweenGraphemes rank = iota
	insideBlankless       // between words that no blank separates
	betweenWords
	betweenSentences
	betweenLines
	betweenParagraphs
	ranks // how many there are
)

// unit is what is not cut: a grapheme, or a character of an oversized one.
type unit struct {
	start, end int
	size       int  // in the message body
	before     rank // of a cut before it
	instead    rank // of a cut in place of it; betweenGraphemes if it has to stay
}

// measure takes a text apart into units.
func measure(s string, limit int) []unit {
	units := make([]unit, 0, len(s))
	word, sentence := words.FromString(s), sentences.FromString(s)
	wordEnd, sentenceEnd := 0, 0
	clusters := graphemes.FromString(s)
	for clusters.Next() {
		u := unit{start: clusters.Start(), end: clusters.End(), size: bodyLen(clusters.Value())}
		for wordEnd < u.start && word.Next() {
			wordEnd = word.End()
		}
		for sentenceEnd < u.start && sentence.Next() {
			sentenceEnd = sentence.End()
		}
		if wordEnd == u.start {
			u.before = insideBlankless
		}
		if sentenceEnd == u.start {
			u.before = betweenSentences
		}
		units = appendUnit(units, u, s, limit)
	}
	return units
}

// appendUnit appends a grapheme, in pieces if it is too large.
func appendUnit(units []unit, u unit, s string, limit int) []unit {
	switch s[u.start:u.end] {
	case " ":
		u.instead = betweenWords
	case "\n":
		u.instead = betweenLines
		if u.start > 0 && s[u.start-1] == '\n' {
			u.instead = betweenParagraphs
		}
	}
	if n := len(units); n > 0 && units[n-1].instead > betweenGraphemes {
		// The place for the cut is the blank before it.
		units[n-1].instead = max(units[n-1].instead, u.before)
		u.before = betweenGraphemes
	}
	if u.size <= limit {
		return append(units, u)
	}
	for i := u.start; i < u.end; {
		_, size := utf8.DecodeRuneInString(s[i:u.end])
		part := unit{start: i, end: i + size, size: bodyLen(s[i : i+size])}
		if i == u.start {
			part.before = u.before
		}
		units = append(units, part)
		i += size
	}
	return units
}

// cut finds the end of the first piece: it consists of the units before end, and
// the rest begins at next.
func cut(units []unit, limit int) (end, next int) {
	type place struct{ end, next int }
	var best [ranks]place
	size := 0
	note := func(r rank, end, next int) {
		if end > 0 && size >= r.least(limit) {
			best[r] = place{end, next}
		}
	}
	for i, u := range units {
		note(u.before, i, i)
		if u.instead > betweenGraphemes {
			note(u.instead, i, i+1)
		}
		if size += u.size; size > limit {
			for r := ranks; r > 0; r-- {
				if p := best[r-1]; p.next > 0 {
					return p.end, p.next
				}
			}
			return i, i
		}
	}
	return len(units), len(units)
}

// least is how full a cut of this rank must leave a piece.
func (r rank) least(limit int) int {
	switch {
	case r >= betweenSentences:
		return limit / 2
	case r >= insideBlankless:
		return limit / 4
	}
	return 0
}
