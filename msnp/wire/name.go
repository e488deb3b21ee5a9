package wire

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"golang.org/x/text/encoding/charmap"
)

// Encoding is how the characters of a friendly name are written: [ASCII] or
// [UTF8], with [Quoted] if need be.
type Encoding uint8

const (
	// ASCII writes every byte beyond ASCII as %XX, as draft-movva-00 §5.5 asks.
	ASCII Encoding = 0
	// UTF8 leaves them as they are. All clients seen show such names right;
	// aMSN shows two letters for an encoded one.
	UTF8 Encoding = 1
	// Quoted writes the signs that Tcl reads as more than themselves as %XX too: aMSN
	// of 2002 evaluates the answer to the USR of a switchboard, name and all, and is
	// deaf to every conversation once that has failed. Clients encoded these signs when
	// they chose a name, and the original server gave it back so.
	Quoted Encoding = 2
)

// tclSigns is what [Quoted] encodes.
const tclSigns = `"$[]{}\`

// namelessName stands for a name that has nothing to show: clients crash on an
// empty word or show a nameless contact.
const namelessName = "?"

// EncodeName makes one word of a friendly name (draft-movva-00 §5.5). Blanks,
// percent signs and control characters become %XX, and so do bytes beyond ASCII
// unless enc is [UTF8]. Other signs do only with [Quoted], ASCII letters and digits
// never: an encoded letter stops aMSN's event loop. Blanks at either end are dropped, and
// bytes that are not UTF-8 are read as Windows-1252.
//
// The encoded form has at most max bytes, 0 being no limit; a longer name is
// cut between graphemes. The draft allows 387; some clients stop at 129. The
// result is never empty: what has nothing to show becomes "?".
func EncodeName(s string, enc Encoding, max int) string {
	s = strings.TrimFunc(toUTF8(s), invisible)
	if !shows(s) {
		return namelessName
	}
	size := encodedSize(s, enc)
	switch {
	case max > 0 && size > max:
		return cutName(s, enc, max)
	case size == len(s):
		return s
	default:
		return string(appendName(make([]byte, 0, size), s, enc))
	}
}

// cutName encodes as many whole graphemes as fit.
func cutName(s string, enc Encoding, max int) string {
	dst := make([]byte, 0, max+16) // what does not fit is written before that is noticed
	kept := 0                      // length up to what is seen
	parts := graphemes.FromString(s)
	for parts.Next() {
		part := parts.Value()
		dst = appendName(dst, part, enc)
		if len(dst) > max {
			break
		}
		if shows(part) {
			kept = len(dst)
		}
	}
	if kept == 0 { // not even the first grapheme fits: keep what does of its runes
		return encodeRunes(s, enc, max)
	}
	return string(dst[:kept])
}

// encodeRunes encodes as many whole runes as fit. It is for a grapheme with so
// many marks on one letter that it fills a name by itself.
func encodeRunes(s string, enc Encoding, max int) string {
	var dst []byte
	shown := false
	for _, r := range s {
		before := len(dst)
		if dst = appendName(dst, string(r), enc); len(dst) > max {
			dst = dst[:before]
			break
		}
		shown = shown || shows(string(r))
	}
	if !shown {
		return namelessName
	}
	return string(dst)
}

// encodedSize is the size of the encoded form, uncut.
func encodedSize(s string, enc Encoding) int {
	size := len(s)
	for _, r := range s {
		if escapes(r, enc) {
			size += 2 * utf8.RuneLen(r)
		}
	}
	return size
}

func appendName(dst []byte, s string, enc Encoding) []byte {
	for i, r := range s {
		size := utf8.RuneLen(r)
		if !escapes(r, enc) {
			dst = append(dst, s[i:i+size]...)
			continue
		}
		for _, c := range []byte(s[i : i+size]) {
			dst = appendEscaped(dst, c)
		}
	}
	return dst
}

func escapes(r rune, enc Encoding) bool {
	return r <= ' ' || r == '%' || r >= 0x7f && r < 0xa0 || r >= 0xa0 && enc&UTF8 == 0 ||
		enc&Quoted != 0 && strings.ContainsRune(tclSigns, r)
}

// invisible says what has no place at either end of a name.
func invisible(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// shows says whether anything in a name can be seen. What only steers other characters
// (joiners, marks of direction, zero-width blanks) has its place in a name, but is none
// by itself.
func shows(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !invisible(r) && !unicode.Is(unicode.Cf, r) }) >= 0
}

// DecodeName reads a friendly name as a client or server sent it: %XX is
// decoded, and a percent sign without two hexadecimal digits stays. The result
// is valid UTF-8: bytes that are not are read as Windows-1252. Control
// characters are dropped.
func DecodeName(s string) string {
	if strings.IndexByte(s, '%') >= 0 {
		s = unescape(s)
	}
	s = toUTF8(s)
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

func unescape(s string) string {
	dst := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			dst = append(dst, s[i])
			continue
		}
		// libmsn prints a byte beyond ASCII as a negative number: %ffffffc3.
		const negative = "ffffff"
		if rest := s[i+1:]; strings.HasPrefix(rest, negative) {
			if c, ok := hexByte(rest[len(negative):]); ok && c >= 0x80 {
				dst = append(dst, c)
				i += len(negative) + 2
				continue
			}
		}
		if c, ok := hexByte(s[i+1:]); ok {
			dst = append(dst, c)
			i += 2
			continue
		}
		dst = append(dst, '%')
	}
	return string(dst)
}

// hexByte reads the two hexadecimal digits that s begins with.
func hexByte(s string) (c byte, ok bool) {
	if len(s) < 2 {
		return 0, false
	}
	high, ok1 := hexDigit(s[0])
	low, ok2 := hexDigit(s[1])
	return high<<4 | low, ok1 && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// toUTF8 returns s with every byte that is not part of valid UTF-8 read as
// Windows-1252. Byte by byte, since a client may have cut a name inside a
// character.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + len(s)/2)
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			r = charmap.Windows1252.DecodeByte(s[i])
		}
		b.WriteRune(r)
	}
	return b.String()
}
