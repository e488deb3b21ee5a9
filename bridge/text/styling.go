package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// marker is what stands on both sides of text to give it a look.
type marker struct {
	text string
	add  func(*Style)
}

func setBold(s *Style)   { s.Bold = true }
func setItalic(s *Style) { s.Italic = true }
func setStrike(s *Style) { s.Strike = true }

var (
	// stylingMarkers are those of XEP-0393 §6.
	stylingMarkers = []marker{{"*", setBold}, {"_", setItalic}, {"~", setStrike}}
	// markdownMarkers are those of CommonMark §6.2, and of GitHub for what is
	// struck out; the longest first.
	markdownMarkers = []marker{{"**", setBold}, {"__", setBold}, {"~~", setStrike}, {"*", setItalic}, {"_", setItalic}}
)

// fence begins and ends a block of code, on a line of its own.
const fence = "```"

// FromStyling reads message styling (XEP-0393). A message whose every line is
// wholly in the same look gets that as its style and loses the markers.
// Everything else stays as it was typed, because it can be read like that:
// markers inside running text, blocks of code, quotations. [ToStyling] is the
// way back. What makes a message an action is no part of the look.
func FromStyling(s string) Rich {
	action, s := cutAction(cleanLines(s))
	r := unmarkLines(s, stylingMarkers)
	r.Text = action + r.Text
	return r
}

// cutAction sets apart what makes a message something that its sender does
// (XEP-0245). It counts only where the message begins with it, so that no marker may
// stand before it.
func cutAction(s string) (action, rest string) {
	const me = "/me "
	if rest, ok := strings.CutPrefix(s, me); ok {
		return me, rest
	}
	return "", s
}

// FromMarkdown is [FromStyling] for a message that has its looks in Markdown
// alone. One that is nothing but a block of code loses the fences. It is no
// reader of Markdown: links, lists and headings stay as typed.
func FromMarkdown(s string) Rich {
	s = cleanLines(s)
	if code, ok := fenced(s); ok {
		return Rich{Text: code}
	}
	if !strings.Contains(s, "\n\n") && !strings.Contains(s, fence) && strings.Contains(s, "\n") {
		if inner, style := unmark(s, markdownMarkers); !style.Plain() {
			return Rich{Text: inner, Style: style}
		}
	}
	return unmarkLines(s, markdownMarkers)
}

// fenced takes the fences off a message that is one block of code.
func fenced(s string) (code string, ok bool) {
	s = strings.Trim(s, "\n")
	first, rest, ok := strings.Cut(s, "\n")
	if !ok || !strings.HasPrefix(first, fence) || strings.Contains(first[len(fence):], "`") {
		return "", false
	}
	code, ok = strings.CutSuffix("\n"+rest, "\n"+fence)
	if !ok || strings.Contains(code, "\n"+fence) || strings.TrimSpace(code) == "" {
		return "", false
	}
	return strings.TrimPrefix(code, "\n"), true
}

// unmarkLines takes the markers off if they are the same on all lines.
func unmarkLines(s string, markers []marker) Rich {
	if !strings.ContainsAny(s, "*_~") || strings.Contains(s, fence) {
		return Rich{Text: s}
	}
	lines := strings.Split(s, "\n")
	var style Style
	seen := false
	for i, line := range lines {
		prefix, words, tail := cutLine(line)
		if words == "" {
			continue
		}
		inner, found := unmark(words, markers)
		if found.Plain() || seen && found != style {
			return Rich{Text: s}
		}
		style, seen = found, true
		lines[i] = prefix + inner + tail
	}
	return Rich{Text: strings.Join(lines, "\n"), Style: style}
}

// cutLine sets apart what markers do not stand around: blanks, and the signs of
// a quotation.
func cutLine(line string) (prefix, words, tail string) {
	words = strings.TrimLeft(line, " \t")
	for strings.HasPrefix(words, ">") {
		words = strings.TrimLeft(words[1:], " \t")
	}
	prefix = line[:len(line)-len(words)]
	all := words
	words = strings.TrimRight(words, " \t")
	return prefix, words, all[len(words):]
}

// unmark takes markers off both ends as long as there are any.
func unmark(s string, markers []marker) (string, Style) {
	var style Style
	for taken := true; taken; {
		taken = false
		for _, m := range markers {
			next := style
			m.add(&next)
			if inner, ok := m.inside(s); ok && next != style {
				s, style, taken = inner, next, true
				break
			}
		}
	}
	return s, style
}

// inside is what stands between two markers, if they belong together and are no
// emoticon.
func (m marker) inside(s string) (inner string, ok bool) {
	n := len(m.text)
	if len(s) <= 2*n || !strings.HasPrefix(s, m.text) || !strings.HasSuffix(s, m.text) {
		return "", false
	}
	if _, face := index().match(s); face || strings.HasSuffix(s, ":*") || strings.HasSuffix(s, ":-*") {
		return "", false
	}
	inner = s[n : len(s)-n]
	if !canStandInside(inner, m.text) {
		return "", false
	}
	return inner, true
}

// canStandInside says whether markers can stand around s and be told from it.
func canStandInside(s, marker string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	if unicode.IsSpace(first) || unicode.IsSpace(last) || strings.IndexFunc(s, isVisible) < 0 {
		return false
	}
	if len(marker) > 1 { // "***": the last sign is another marker's
		return !strings.Contains(s, marker) && strings.HasPrefix(s, marker[:1]) == strings.HasSuffix(s, marker[:1])
	}
	return !strings.Contains(s, marker)
}

// isVisible says whether r is anything but a marker.
func isVisible(r rune) bool { return !strings.ContainsRune("*_~", r) && !unicode.IsSpace(r) }

// ToStyling writes a look as message styling (XEP-0393): *bold*, _italic_ and
// ~struck out~, around each line because styles end with the line. A line that
// holds such a marker stays without it, blocks of code without any; "/me " stays in
// front of them. There is no marker for colours, fonts and underlined text.
func ToStyling(r Rich) string {
	s := cleanLines(r.Text)
	if !r.Style.Bold && !r.Style.Italic && !r.Style.Strike {
		return s
	}
	action, s := cutAction(s)
	lines := strings.Split(s, "\n")
	inCode := false
	for i, line := range lines {
		if strings.HasPrefix(line, fence) {
			inCode = !inCode
			continue
		}
		if prefix, words, tail := cutLine(line); !inCode && words != "" {
			lines[i] = prefix + wrap(words, r.Style) + tail
		}
	}
	return action + strings.Join(lines, "\n")
}

// wrap sets a line without blanks at its ends in the markers of a style.
func wrap(words string, style Style) string {
	effects := style.effects()
	for i := len(effects) - 1; i >= 0; i-- {
		if e := effects[i]; e.on && e.marker != "" && canStandInside(words, e.marker) {
			words = e.marker + words + e.marker
		}
	}
	return words
}
