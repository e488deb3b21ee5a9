package body

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// MaxPayload is the longest body of MSG, header included, in bytes. The
// original switchboards closed the connection over a longer one.
const MaxPayload = 1664

// MaxText is how much text always fits one MSG, in bytes of UTF-8: [NewText]
// with at most so many, any format and any number of newlines stays within
// [MaxPayload]. Longer text must be split before.
const MaxText = 1400

// headerText is the Content-Type of text that is made here.
const headerText = TypeText + "; charset=UTF-8"

// NewText makes a text message. Newlines, in whatever form, are written as CRLF;
// only when that alone would lead over [MaxPayload] (some hundred newlines) are
// they written as LF. What is not UTF-8 becomes a question mark.
func NewText(text string, f Format) Message {
	m := newMessage(headerText, Field{"X-MMS-IM-Format", f.String()})
	text = strings.ToValidUTF8(unixLines(text), "?")
	wide := strings.ReplaceAll(text, "\n", crlf)
	if len(wide) > MaxText && len(text) <= MaxText && len(m.Append(nil))+len(wide) > MaxPayload {
		wide = text
	}
	m.Content = []byte(wide)
	return m
}

// Text returns the text of a text/plain message with LF between its lines; for
// others the result is "". One line end that closes the content is dropped: it
// belongs to the client, not to the writer.
//
// Valid UTF-8 is read as such whatever the label, anything else as Windows-1252:
// the labels of old clients are wrong as often as right (gaim of 2000 labels
// local bytes UTF-8, aMSN sends Latin-1 without a label).
func (m Message) Text() string {
	if m.MediaType() != TypeText {
		return ""
	}
	text := string(m.Content)
	if !utf8.ValidString(text) {
		text = fromWindows1252(text)
	}
	return strings.TrimSuffix(unixLines(text), "\n")
}

func unixLines(text string) string {
	if strings.IndexByte(text, '\r') < 0 {
		return text
	}
	return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
}

func fromWindows1252(text string) string {
	var b strings.Builder
	b.Grow(2 * len(text))
	for i := 0; i < len(text); i++ {
		b.WriteRune(charmap.Windows1252.DecodeByte(text[i]))
	}
	return b.String()
}
