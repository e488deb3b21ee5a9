package xmpp

import (
	"time"

	"papillon/bridge/xmpp/stream"
)

// The namespaces of the questions that are answered.
const (
	nsVersion = "jabber:iq:version" // XEP-0092
	nsTime    = "urn:xmpp:time"     // XEP-0202
)

// softwareName is what this program calls itself.
const softwareName = "Papillon"

// answers are the answers to questions about an MSN user's address, by the
// namespace and name of the payload. Nil means that it cannot be answered.
var answers = map[[2]string]func(q *stream.Element) *stream.Element{
	{nsDiscoInfo, "query"}: answerInfo,
	{nsDiscoItems, "query"}: func(q *stream.Element) *stream.Element {
		return stream.NewElement(nsDiscoItems, "query", "node", q.Attribute("node"))
	},
	{nsVersion, "query"}: answerVersion,
	{nsTime, "time"}:     answerTime,
}

// answerQuery answers a question to an MSN user's address. Whoever asks something
// that is not known here hears that at once.
func answerQuery(s *stream.Stanza, card func() *stream.Element) *stream.Stanza {
	if len(s.Children) == 0 {
		return errorStanza(s, "modify", "bad-request", "")
	}
	q := s.Children[0]
	result := &stream.Stanza{Kind: stream.IQ, Type: "result", ID: s.ID, From: s.To, To: s.From}
	switch answer := answers[[2]string{q.Name.Space, q.Name.Local}]; {
	case s.Type != "get":
		return errorStanza(s, "cancel", "service-unavailable", "")
	case q.Name.Space == nsPing && q.Name.Local == "ping":
		return result
	case q.Name.Space == nsVCard && q.Name.Local == "vCard" && card != nil:
		result.Children = []*stream.Element{card()}
		return result
	case answer == nil:
		return errorStanza(s, "cancel", "service-unavailable", "")
	default:
		payload := answer(q)
		if payload == nil {
			return errorStanza(s, "cancel", "item-not-found", "")
		}
		result.Children = []*stream.Element{payload}
		return result
	}
}

// answerInfo is disco#info about an MSN user's address.
func answerInfo(q *stream.Element) *stream.Element {
	node := q.Attribute("node")
	if !knownNode(node) {
		return nil
	}
	return withNode(discoInfo(), node)
}

// withNode puts a node into an answer.
func withNode(e *stream.Element, node string) *stream.Element {
	if node != "" {
		e.Attr = append(e.Attr, stream.NewElement("", "x", "node", node).Attr...)
	}
	return e
}

// answerVersion is XEP-0092. The version is nobody's business.
func answerVersion(*stream.Element) *stream.Element {
	return stream.NewElement(nsVersion, "query").With(
		stream.NewText(nsVersion, "name", softwareName), stream.NewText(nsVersion, "version", "1"))
}

// answerTime is XEP-0202, without telling where the server is.
func answerTime(*stream.Element) *stream.Element {
	return stream.NewElement(nsTime, "time").With(
		stream.NewText(nsTime, "tzo", "+00:00"), stream.NewText(nsTime, "utc", time.Now().UTC().Format(time.RFC3339)))
}
