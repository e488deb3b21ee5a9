package text

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"go.mau.fi/util/emojishortcodes"
	"golang.org/x/text/unicode/norm"
)

// FromNetwork makes text that a client of the given era can show of what came
// from a network. Old clients run on systems whose fonts end where Unicode
// ended in 1999, and show the rest as boxes or "??". So
//
//   - an emoji becomes the code that the client draws, or that a reader of its
//     time understands; skin tones, U+FE0F and what hangs on by U+200D are
//     ignored for that. Other emoji become a word in brackets: "[pizza]",
//     "[flag DE]". A blank sets codes and words off from letters around them;
//   - characters beyond U+FFFF become their everyday form if they have one
//     (𝐇𝐢 is Hi); letters of rare scripts stay for Modern clients and are
//     "[U+20BB7]" for others, as are signs for all;
//   - characters are composed (NFC), because old fonts cannot stack accents;
//   - CRLF, CR, U+0085, U+2028 and U+2029 become LF, wide and narrow blanks
//     the plain one;
//   - control, zero-width, bidirectional control and format characters,
//     variation selectors and noncharacters are dropped, as there is nothing
//     to see. U+200C and U+200D stay between letters that they shape (Persian,
//     Hindi);
//   - "?" stands for private characters, unassigned ones, U+FFFD and bytes that
//     are not UTF-8: it shows that there was something.
//
// Symbols that every Windows font has (©, ™, ♠, ♥, ☺, ↔) stay unless U+FE0F
// asks for the emoji and there is a code for it. Text that happens to have the
// form of a code is left as it is, although a client may draw it: there is no
// way to tell it not to.
func FromNetwork(s string, era Era) string {
	if isPlain(s) {
		return s
	}
	w := writer{in: norm.NFC.String(s), era: era}
	for w.next < len(w.in) {
		w.step()
	}
	if !w.changed {
		return w.in
	}
	w.out.WriteString(w.in[w.done:])
	return norm.NFC.String(w.out.String()) // everyday forms may have accents behind them
}

// isPlain says whether every client can show s as it is: printable ASCII, tabs
// and LF.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			return false
		}
	}
	return true
}

// writer goes through a text character by character. It copies nothing until
// there is something to change.
type writer struct {
	in    string
	era   Era
	next  int // the character that is next
	done  int // up to where in is in out
	out   strings.Builder
	token int // where the last code or word was, its end; 0 if there was none

	changed bool
}

// step deals with the next character, or with the emoji that begins there.
func (w *writer) step() {
	rest := w.in[w.next:]
	r, size := rune(rest[0]), 1
	if r >= utf8.RuneSelf {
		r, size = utf8.DecodeRuneInString(rest)
		if mayBeEmoji(r) && w.emoji(rest) {
			return
		}
	}
	if to, stays := w.plainForm(r, size); !stays {
		w.put(to, size)
	} else if w.behindToken() && (unicode.IsLetter(r) || unicode.IsNumber(r)) {
		w.put(" "+string(r), size)
	} else {
		w.next += size
	}
}

// put writes something in place of so many bytes.
func (w *writer) put(to string, size int) {
	stillBehind := w.behindToken() && to == ""
	w.out.WriteString(w.in[w.done:w.next])
	w.out.WriteString(to)
	w.next += size
	w.done = w.next
	w.changed = true
	if stillBehind {
		w.token = w.next
	}
}

// putToken writes a code or a word in place of so many bytes, apart from what
// stands before it.
func (w *writer) putToken(to string, size int) {
	if !w.behindToken() && w.crowded() {
		to = " " + to
	}
	w.put(to, size)
	w.token = w.next
}

// behindToken says whether next is just behind a code or a word.
func (w *writer) behindToken() bool { return w.token > 0 && w.token == w.next }

// crowded says whether a code would run together with what stands before it: a
// client reads ":" and "(L)" as ":(" and "L)".
func (w *writer) crowded() bool {
	before := w.in[w.done:w.next]
	if before == "" {
		before = w.out.String()
	}
	r, size := utf8.DecodeLastRuneInString(before)
	return size > 0 && !unicode.IsSpace(r) && !strings.ContainsRune("([{<\"'“‘«„¿¡*_~", r)
}

// mayBeEmoji says whether it is worth while to look r up as an emoji.
func mayBeEmoji(r rune) bool {
	return r >= 0x1f000 || r >= 0x2100 && r < 0x2c00 || r == 0x2049
}

// emoji deals with the emoji that rest begins with; false if there is none.
func (w *writer) emoji(rest string) bool {
	clusters := graphemes.FromString(rest)
	clusters.Next()
	cluster := clusters.Value()
	if strings.ContainsRune(cluster, '\ufe0e') { // to be shown as text
		return false
	}
	base := bareEmoji(cluster)
	r, size := utf8.DecodeRuneInString(base)
	common := size == len(base) && isCommonSymbol(r)
	if common && !strings.ContainsRune(cluster, '\ufe0f') {
		return false
	}
	if e := index().emoji[base]; e != nil && e.era <= w.era {
		w.putToken(e.codes[0], len(cluster))
		return true
	}
	if common {
		return false
	}
	if word := emojiWord(cluster, base, base[:size]); word != "" {
		w.putToken(word, len(cluster))
		return true
	}
	return false
}

// bareEmoji takes off what makes variants of an emoji: presentation, skin
// tone, and everything behind a zero-width joiner.
func bareEmoji(cluster string) string {
	cluster, _, _ = strings.Cut(cluster, "\u200d")
	return strings.Map(func(r rune) rune {
		if r == '\ufe0f' || isSkinTone(r) {
			return -1
		}
		return r
	}, cluster)
}

func isSkinTone(r rune) bool { return 0x1f3fb <= r && r <= 0x1f3ff }

// isCommonSymbol reports the emoji that are in every font since Windows 95, in
// the character set WGL4.
func isCommonSymbol(r rune) bool {
	return strings.ContainsRune("©®™‼↔↕▪▫☺♀♂♠♣♥♦", r)
}

// emojiWord is what to call an emoji that has no code: the whole of it by
// preference, else without its variants, else its first character. It is
// empty for what is none.
func emojiWord(cluster, base, first string) string {
	if letters := flagLetters(base); letters != "" {
		return letters
	}
	switch base {
	case "❓", "❔":
		return "?"
	case "❗", "❕":
		return "!"
	case "⁉":
		return "!?"
	case "👍": // its short code is +1, which is no word
		return "[thumbs up]"
	case "👎":
		return "[thumbs down]"
	}
	for _, emoji := range []string{cluster, base, first} {
		if name := emojishortcodes.Get(emoji); name != "" {
			return "[" + strings.ReplaceAll(name, "_", " ") + "]"
		}
	}
	return ""
}

// flagLetters reads regional indicators: a pair of them is the flag of a
// country, a single one a letter.
func flagLetters(s string) string {
	var letters []byte
	for _, r := range s {
		if r < '🇦' || r > '🇿' {
			return ""
		}
		letters = append(letters, byte('A'+r-'🇦'))
	}
	if len(letters) == 2 {
		return "[flag " + string(letters) + "]"
	}
	return string(letters)
}

// plainForm is how to show a character that is no emoji: as it is (stays), as
// something else, or not at all. Size is its length in the text.
func (w *writer) plainForm(r rune, size int) (to string, stays bool) {
	switch {
	case ' ' <= r && r < 0x7f, r == '\t', r == '\n':
		return "", true
	case r == utf8.RuneError:
		return "?", false // also for what is not UTF-8
	case r == '\r' && strings.HasPrefix(w.in[w.next+size:], "\n"):
		return "", false
	case r == '\r', isLineEnd(r):
		return "\n", false
	case r == '\u200c', r == '\u200d':
		return "", w.shapes(size)
	case isInvisible(r):
		return "", false
	case unicode.Is(unicode.Zs, r):
		return " ", r == '\u00a0' || r == '\u3000' // these have their own width in old fonts
	case r > 0xffff:
		return farForm(r, w.era)
	}
	return "?", unicode.IsGraphic(r)
}

// isInvisible reports what leaves no mark on the screen: control and format
// characters, variation selectors, fillers, skin tones without somebody to
// wear them, the frame of a keycap, and noncharacters.
func isInvisible(r rune) bool {
	switch {
	case unicode.Is(unicode.Cf, r):
		return !unicode.Is(unicode.Prepended_Concatenation_Mark, r) // Arabic number signs are seen
	case unicode.IsControl(r), isNoncharacter(r), isSkinTone(r), unicode.Is(unicode.Variation_Selector, r):
		return true
	}
	return strings.ContainsRune("\u034f\u115f\u1160\u17b4\u17b5\u20e3\u3164\uffa0\ufffc", r)
}

// shapes says whether the joiner at next, of so many bytes, stands between two
// letters whose forms depend on it.
func (w *writer) shapes(size int) bool {
	before, _ := utf8.DecodeLastRuneInString(w.in[w.done:w.next])
	after, _ := utf8.DecodeRuneInString(w.in[w.next+size:])
	return isShaped(before) && isShaped(after)
}

// isShaped reports letters and marks of the scripts from Arabic on, without
// the symbols and the East Asian ones.
func isShaped(r rune) bool {
	return r >= 0x0600 && r < 0x2000 && (unicode.IsLetter(r) || unicode.IsMark(r))
}

// farForm is plainForm for a character beyond U+FFFF.
func farForm(r rune, era Era) (to string, stays bool) {
	if near := norm.NFKC.String(string(r)); isNear(near) {
		return near, false
	}
	switch {
	case 0x1f000 <= r && r < 0x1fc00 && !unicode.IsGraphic(r):
		return "[emoji]", false // newer than this program
	case !unicode.IsGraphic(r): // which private ones are not
		return "?", false
	case era >= Modern && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsNumber(r)):
		return "", true
	}
	return fmt.Sprintf("[U+%04X]", r), false
}

// isNear says whether a text has no character beyond U+FFFF.
func isNear(s string) bool {
	for _, r := range s {
		if r > 0xffff {
			return false
		}
	}
	return true
}
