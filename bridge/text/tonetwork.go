package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// ToNetwork makes network text of what an MSN client sent. Line ends (CRLF,
// CR, U+0085, U+2028, U+2029) become LF; other control characters but the tab,
// and the code points that are no characters, are dropped, because XML and with
// it XMPP cannot carry them; bytes that are not UTF-8 become U+FFFD.
//
// Emoticon codes become emoji, compared without case, the longest first. MSN
// clients draw them anywhere, and the friend on the other side never
// typed any: text that was not meant as a face would change its meaning, while
// a code left alone can still be read. So a code counts only where it stands
// apart: behind a blank, the start of a line, "." "!" "?" or another
// emoticon, and before a blank, the end of a line, closing punctuation or another
// emoticon. "10:00", "std::vector", "c:\path", "file(s)" stay as they are, and
// so does a prolonged ":)))". Words with "://" and those that begin
// with "www." are links and left alone. Beyond that,
//
//   - faces that begin with a colon or the like, hearts, kisses, thumbs and
//     hugs count wherever they stand apart; ":)", ":(" and ":'(" also directly
//     behind a word of two letters or more ("hi:)"), unless the line has the
//     other parenthesis too ("(as follows:)");
//   - a letter or sign in parentheses that rarely ends a sentence counts at the
//     end of a line, in capitals as the official client inserts it:
//     "good night (S)", but "time (s)" and "plan (F) is off" stay;
//   - the others, which prose uses for itself, (a), (c), (i), (8), (pl), (so),
//     count only on a line of nothing but emoticons, or when they touch one
//     that counts: "(L)(A)";
//   - ":-*", "8-)" and ":^)" never count: client 6.0 gave them
//     other meanings than they have for everybody else.
func ToNetwork(s string) string {
	clean, codes := inspect(s)
	if !clean {
		s = cleanLines(s)
	}
	if !codes {
		return s
	}
	return drawEmoticons(s)
}

// inspect says whether s has no byte that cleanLines might change, and whether
// it has one that a code begins with.
func inspect(s string) (clean, codes bool) {
	kinds := &index().kinds
	var seen kind
	for i := 0; i < len(s); i++ {
		seen |= kinds[s[i]]
	}
	return seen&unclean == 0, seen&begins != 0
}

// cleanLines mends line ends and drops what no network can carry.
func cleanLines(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '\r':
			if i+1 < len(s) && s[i+1] == '\n' {
				size = 2
			}
			b.WriteByte('\n')
		case isLineEnd(r):
			b.WriteByte('\n')
		case r == '\t':
			b.WriteByte('\t')
		case unicode.IsControl(r), isNoncharacter(r):
		default:
			b.WriteRune(r) // U+FFFD for what is not UTF-8
		}
		i += size
	}
	return b.String()
}

// isLineEnd says whether r ends a line by itself; CR is left to the caller.
func isLineEnd(r rune) bool {
	return r == '\n' || r == '\u0085' || r == '\u2028' || r == '\u2029'
}

// isNoncharacter reports the code points that Unicode reserves for ever
// (Unicode 23.7); the last two of the first plane are illegal in XML.
func isNoncharacter(r rune) bool {
	return r&0xfffe == 0xfffe || 0xfdd0 <= r && r <= 0xfdef
}

// drawer replaces codes line by line. It copies nothing until there is
// something to replace.
type drawer struct {
	table *lookup
	in    string
	out   strings.Builder
	done  int // up to where in is in out
}

func drawEmoticons(s string) string {
	d := drawer{table: index(), in: s}
	for start := 0; start <= len(s); {
		end := start + strings.IndexByte(s[start:], '\n')
		if end < start {
			end = len(s)
		}
		d.line(start, end)
		start = end + 1
	}
	if d.done == 0 {
		return s
	}
	d.out.WriteString(s[d.done:])
	return d.out.String()
}

// line replaces the codes in a line.
func (d *drawer) line(start, end int) {
	line := d.in[start:end]
	if !d.hasCode(line) {
		return
	}
	prose := start // the end of the last word that is not all emoticons
	for from, to := range fields(d.in, start, end) {
		if word := d.in[from:to]; isLink(word) || d.run(word) != len(word) {
			prose = to
		}
	}
	at := position{
		alone:  prose == start,
		opens:  strings.Contains(line, "("),
		closes: strings.Contains(line, ")"),
	}
	for from, to := range fields(d.in, start, end) {
		if !isLink(d.in[from:to]) {
			at.end = from >= prose
			d.word(from, to, at)
		}
	}
}

// hasCode says whether there is a code anywhere in s.
func (d *drawer) hasCode(s string) bool {
	for i := 0; i < len(s); i++ {
		if d.table.kinds[s[i]] == begins {
			if _, ok := d.table.match(s[i:]); ok {
				return true
			}
		}
	}
	return false
}

// fields yields the borders of the words between blanks.
func fields(s string, start, end int) func(yield func(from, to int) bool) {
	return func(yield func(from, to int) bool) {
		for start < end {
			if isBlank(s[start]) {
				start++
				continue
			}
			to := start
			for to < end && !isBlank(s[to]) {
				to++
			}
			if !yield(start, to) {
				return
			}
			start = to
		}
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isLink says whether a word is or holds a link.
func isLink(word string) bool {
	return strings.Contains(word, "://") || len(word) > 4 && equalFold(word[:4], "www.")
}

// position is where in its line a word stands.
type position struct {
	end           bool // nothing but emoticons follows on the line
	alone         bool // nothing but emoticons is on the line
	opens, closes bool // parentheses are on the line, those of codes included
}

// word looks for emoticons at the end of a word and replaces them.
func (d *drawer) word(from, to int, at position) {
	word := d.in[from:to]
	for i := 0; i < len(word); {
		c, ok := d.table.match(word[i:])
		if !ok || !mayBegin(word, i, c, at) {
			i++
			continue
		}
		if n := d.run(word[i:]); i+n < len(word) {
			i += max(n, 1) // no code before that point has the end of the word behind it
			continue
		}
		d.replace(from+i, to, i > 0 && !afterStop(word, i), at)
		return
	}
}

// mayBegin says whether an emoticon may begin at i of a word: at its start,
// behind a full stop or the like, or behind letters if its code allows that.
func mayBegin(word string, i int, c code, at position) bool {
	if i == 0 || afterStop(word, i) {
		return true
	}
	if c.place != attached {
		return false
	}
	last, size := utf8.DecodeLastRuneInString(word[:i])
	before, _ := utf8.DecodeLastRuneInString(word[:i-size])
	if !unicode.IsLetter(last) || !unicode.IsLetter(before) {
		return false
	}
	switch c.text[len(c.text)-1] {
	case ')':
		return !at.opens
	case '(':
		return !at.closes
	}
	return false
}

func afterStop(word string, i int) bool {
	r, _ := utf8.DecodeLastRuneInString(word[:i])
	return strings.ContainsRune(".!?…。！？", r)
}

// run measures how much of s, up to the end of a word, is emoticons with
// closing punctuation behind the last of them: all of it, or up to where it
// ceases to be.
func (d *drawer) run(s string) int {
	i := 0
	for {
		c, ok := d.table.match(s[i:])
		if !ok {
			break
		}
		i += len(c.text)
	}
	if i == 0 || i == len(s) || s[i] == s[i-1] {
		return i // the last case is a prolonged one, as in ":)))"
	}
	if strings.Trim(s[i:], closing) == "" {
		return len(s)
	}
	return i
}

// closing is what may follow an emoticon at the end of a word.
const closing = ".,!?…)]}\"”»。、，！？）」』"

// replace draws the codes at the beginning of in[from:to] if one of them counts
// where it stands. Behind says that letters stand before the first.
func (d *drawer) replace(from, to int, behind bool, at position) {
	counts := false
	end := from
	for end < to {
		c, ok := d.table.match(d.in[end:to])
		if !ok {
			break
		}
		counts = counts || c.counts(d.in[end:end+len(c.text)], at) && (!behind || end == from)
		end += len(c.text)
	}
	if !counts {
		return
	}
	for i := from; i < end; {
		c, _ := d.table.match(d.in[i:end])
		if c.place != nowhere {
			d.out.WriteString(d.in[d.done:i])
			d.out.WriteString(c.emoji[0])
			d.done = i + len(c.text)
		}
		i += len(c.text)
	}
}

// counts says whether a code that stands apart is an emoticon by itself.
func (c code) counts(typed string, at position) bool {
	switch c.place {
	case apart, attached:
		return true
	case ending:
		return at.alone || at.end && typed == c.text
	case among:
		return at.alone
	}
	return false
}
