package content

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"papillon/bridge/text"
)

const (
	// maxLabel is the longest name of a file or a question in a line, in bytes.
	maxLabel = 120
	// maxText is how much text of one event is shown, in bytes. An event has at
	// most 64 KiB (Client-Server API, "Size limits"), so that nothing of a
	// message is cut unless its homeserver breaks the rules.
	maxText = 128 << 10
)

// bracket writes "[what: a, b]" of the parts that are not empty.
func bracket(what string, parts ...string) string {
	var given []string
	for _, part := range parts {
		if part != "" {
			given = append(given, part)
		}
	}
	if len(given) == 0 {
		return "[" + what + "]"
	}
	return "[" + what + ": " + strings.Join(given, ", ") + "]"
}

// label makes one short line of somebody's words.
func label(s string) string { return text.Preview(s, maxLabel) }

// lines makes text what [bridge.MessageReceived] promises: UTF-8 with LF, without
// empty lines at either end.
func lines(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\x00", "").Replace(s)
	return strings.TrimRightFunc(strings.TrimLeft(s, "\n"), unicode.IsSpace)
}

// bounded cuts what is longer than any event may be, between characters.
func bounded(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + " […]"
}

// fallbackText finds the text that an event of an unknown type carries for those
// who do not know it (MSC1767).
func fallbackText(content map[string]any) string {
	for _, key := range []string{"body", "org.matrix.msc1767.text", "m.text"} {
		if words := textOf(content[key]); words != "" {
			return words
		}
	}
	return ""
}

// textOf reads text as MSC1767 has it: a string, or a list of representations of
// which the first one in plain text counts.
func textOf(value any) string {
	switch words := value.(type) {
	case string:
		return lines(words)
	case []any:
		for _, item := range words {
			part, _ := item.(map[string]any)
			body, _ := part["body"].(string)
			mime, _ := part["mimetype"].(string)
			if words := lines(body); words != "" && (mime == "" || mime == "text/plain") {
				return words
			}
		}
	}
	return ""
}
