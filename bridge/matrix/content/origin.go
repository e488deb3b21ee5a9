package content

import (
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/text"
)

// maxQuote is how much of a message is remembered for those that refer to it, in
// bytes.
const maxQuote = 1 << 10

// Origin is what is worth remembering of an event for later ones that refer to it.
// It is small whatever the event is.
type Origin struct {
	// Sender is who sent it.
	Sender id.UserID
	// Sent is the [bridge.Outgoing.ID] where the event says that the gateway sent
	// it; to be believed of the gateway's own accounts only.
	Sent string
	// Text is the beginning of what it said; empty for what was deleted or cannot
	// be read.
	Text string
	// Reaction says that it is a reaction. Reacted is the event that it is to, Text its
	// emoji; of one that was taken back both are empty.
	Reaction bool
	Reacted  id.EventID
	// Edited is the event that it corrects, Text the new words.
	Edited id.EventID
	// Deleted is the event that it takes away.
	Deleted id.EventID

	poll *poll
}

// OriginOf reads what is to be remembered of an event.
func OriginOf(evt *event.Event) Origin {
	evt = parsed(evt)
	o := Origin{Sender: evt.Sender, Sent: MessageID(evt), Reaction: evt.Type.Type == event.EventReaction.Type}
	m, ok := Decode(evt, false)
	switch {
	case ok && m.Act == text.Deleted:
		o.Deleted = id.EventID(m.Target.Ref)
		return o
	case !ok || evt.Type.Type == event.EventEncrypted.Type:
		return o
	}
	o.Text = text.Preview(m.Text, maxQuote)
	if m.Text == "" && len(m.Media) > 0 {
		o.Text = m.Media[0].Name
	}
	switch m.Act {
	case text.Reacted:
		o.Reacted = id.EventID(m.Target.Ref)
	case text.Edited:
		o.Edited = id.EventID(m.Target.Ref)
	}
	if p := pollOf(evt); p.Question.text() != "" {
		p = p.small()
		o.poll = &p
	}
	return o
}

// Resolve completes a message with the origin that it refers to, by Target.Ref:
// what an answer or a reaction is about, what an edit changes, what a vote was for.
// Author is how the sender of the origin is called, own says that it is the user
// himself. A redaction of a reaction becomes the withdrawal of it: then Target.Ref
// is the event that the reaction was to, whose origin is the next to be resolved.
//
// An edit of what somebody else wrote counts as a message of its own: nobody shall
// put words into the mouth of others (Client-Server API, "Validity of replacement
// events").
func Resolve(m *bridge.MessageReceived, evt *event.Event, origin Origin, author string, own bool) {
	if words, ok := pollWords(evt, origin.poll); ok {
		m.Text, m.Target = words, bridge.Target{}
		return
	}
	switch m.Act {
	case "":
		return
	case text.Edited:
		if evt.Sender != origin.Sender {
			Disown(m)
			return
		}
	case text.Deleted:
		if origin.Reaction {
			m.Act, m.Text, m.Target = text.Unreacted, origin.Text, bridge.Target{Ref: string(origin.Reacted)}
			return
		}
	}
	if origin.Text == "" {
		return
	}
	m.Target.Text, m.Target.Author, m.Target.Own = origin.Text, author, own
	if own || evt.Sender == origin.Sender && (m.Act == text.Edited || m.Act == text.Deleted) {
		m.Target.Author = "" // it goes without saying
	}
}
