package xmpp

import (
	"strings"

	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// readRich returns the text of a message and its look: out of XHTML-IM (XEP-0071)
// where there is some, else out of message styling (XEP-0393), unless the sender
// says that there is none. Whole says that words are all of the body; XHTML-IM,
// which says the same again, does not count otherwise.
func readRich(s *stream.Stanza, words string, whole bool) text.Rich {
	if html := s.Child(nsXHTML, "html").Child(nsXHTMLBody, "body"); html != nil && whole {
		var b strings.Builder
		for _, e := range html.Mixed {
			writeMarkup(&b, e, 0)
		}
		if r := text.FromHTML(b.String()); strings.TrimSpace(r.Text) != "" {
			return text.Rich{Text: lines(r.Text), Style: r.Style}
		}
	}
	if s.Child(nsStyling, "unstyled") != nil {
		return text.Rich{Text: lines(words)}
	}
	r := text.FromStyling(lines(words))
	return text.Rich{Text: lines(r.Text), Style: r.Style}
}

// writeStyling returns a message's text with its look as message styling.
func writeStyling(r text.Rich) string { return text.ToStyling(r) }

// writeXHTML returns a message as XHTML-IM; nil for one without a look.
func writeXHTML(r text.Rich) *stream.Element {
	source, ok := text.ToXHTML(r)
	if !ok {
		return nil
	}
	body, err := parseMarkup(`<body xmlns="`+nsXHTMLBody+`">`+source+`</body>`, "")
	if err != nil {
		return nil // it is well-formed; and the text is in the body in any case
	}
	return stream.NewElement(nsXHTML, "html").With(body)
}
