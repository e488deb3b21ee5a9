package text

import (
	"strings"
	"time"
	"unicode"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

// Stamp is the prefix of a message that is delivered long after it was sent at
// t: "[10:15]" if that is the day of now, else "[2026-11-22 10:15]". Both the
// day and the clock are those of t's location.
func Stamp(t, now time.Time) string {
	now = now.In(t.Location())
	if t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("[15:04]")
	}
	return t.Format("[2006-01-02 15:04]")
}

// Preview writes a text on one line of at most limit bytes, for the debug log and
// for a notice that quotes a message. Each run of blanks, line ends and control
// characters becomes one blank, none stands at either end; what turns the direction of
// writing is left out, so that nothing can reorder the line around it. What is too long is
// cut between graphemes and ends in "…", which counts too: with a limit below 3 it
// is empty.
func Preview(s string, limit int) string {
	const ellipsis = "…"
	var b strings.Builder
	fits := 0 // how much of b can stay before an ellipsis
	clusters := graphemes.FromString(onLine(s))
	for clusters.Next() {
		cluster := clusters.Value()
		if cluster[0] == ' ' { // a mark on a blank has nothing to stand on
			cluster = " "
			if b.Len() == 0 || strings.HasSuffix(b.String(), " ") {
				continue
			}
		}
		b.WriteString(cluster)
		if b.Len()+len(ellipsis) <= limit {
			fits = b.Len()
		}
		if len(strings.TrimRight(b.String(), " ")) > limit {
			if len(ellipsis) > limit {
				return ""
			}
			return strings.TrimRight(b.String()[:fits], " ") + ellipsis
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// onLine makes valid UTF-8 of s with no other blank than the space, and without what has
// no place on a line. That comes before it is taken apart: bytes that are no characters
// would be one grapheme with what follows them, and some signs are one with a blank.
func onLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case isNoncharacter(r), isDirection(r):
			return -1
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		}
		return r
	}, s)
}

// isDirection reports the characters that turn the direction of writing for
// what follows them, over the end of the text if nothing ends it.
func isDirection(r rune) bool {
	return 0x202a <= r && r <= 0x202e || 0x2066 <= r && r <= 0x2069
}
