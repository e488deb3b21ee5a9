package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style is the look that a whole message has: MSN knows no other, because its
// format stands in one header. The zero value is plain. Styles are comparable.
type Style struct {
	// Font is the name of a typeface, "" if none is said. Quotes and other signs
	// that CSS has uses for are left out where it is written.
	Font                            string
	Bold, Italic, Underline, Strike bool
	// Color is 0xRRGGBB; it counts only with Colored.
	Color   uint32
	Colored bool
}

// Plain says whether nothing about the style differs from plain text.
func (s Style) Plain() bool { return s.normal() == Style{} }

// normal is the style as it is written and read back: without a colour that does
// not count and without what no font name has.
func (s Style) normal() Style {
	s.Font = cleanFont(s.Font)
	s.Color &= 0xffffff
	if !s.Colored {
		s.Color = 0
	}
	return s
}

// String is a compact, stable form of the style to be stored, "" if it is plain:
//
//	b i u s #ff0000 f=Comic Sans MS
//
// The font comes last and goes up to the end. [ParseStyle] reads it.
func (s Style) String() string {
	s = s.normal()
	var words []string
	for _, e := range s.effects() {
		if e.on {
			words = append(words, e.letter)
		}
	}
	if s.Colored {
		words = append(words, s.hexColor())
	}
	if s.Font != "" {
		words = append(words, "f="+s.Font)
	}
	return strings.Join(words, " ")
}

// hexColor is the colour as HTML writes it.
func (s Style) hexColor() string { return fmt.Sprintf("#%06x", s.Color&0xffffff) }

// effect is one of the four effects of a style in each way of writing it.
type effect struct {
	on     bool
	letter string // of Style.String
	tag    string // of HTML
	css    string // a declaration; text-decoration stands apart
	marker string // of XEP-0393
}

// effects lists the effects of a style, in the order of their markup from the
// outside to the inside.
func (s Style) effects() [4]effect {
	return [4]effect{
		{s.Bold, "b", "strong", "font-weight: bold", "*"},
		{s.Italic, "i", "em", "font-style: italic", "_"},
		{s.Underline, "u", "u", "", ""},
		{s.Strike, "s", "del", "", "~"},
	}
}

// ParseStyle reads what [Style.String] wrote. What it does not know it ignores,
// so that any string is a style.
func ParseStyle(s string) Style {
	var style Style
	for s != "" {
		if font, ok := strings.CutPrefix(s, "f="); ok {
			style.Font = cleanFont(font)
			break
		}
		var word string
		word, s, _ = strings.Cut(s, " ")
		switch word {
		case "b":
			style.Bold = true
		case "i":
			style.Italic = true
		case "u":
			style.Underline = true
		case "s":
			style.Strike = true
		default:
			if rgb, err := strconv.ParseUint(strings.TrimPrefix(word, "#"), 16, 24); err == nil && len(word) == 7 && word[0] == '#' {
				style.Color, style.Colored = uint32(rgb), true
			}
		}
	}
	return style
}

// maxFontName is the longest font name, in bytes; a longer one is none.
const maxFontName = 100

// cleanFont leaves letters, digits, blanks and the few signs that font names
// have, with single blanks.
func cleanFont(name string) string {
	if name == "" || len(name) > 4*maxFontName {
		return ""
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError:
			return -1
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r), strings.ContainsRune("-_.+@", r):
			return r
		}
		return -1
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if len(name) > maxFontName {
		return ""
	}
	return name
}

// Rich is a text with LF line ends and the look that the whole of it has.
type Rich struct {
	Text  string
	Style Style
}
