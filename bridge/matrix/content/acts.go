package content

import (
	"strings"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/text"
)

// readReaction reads an annotation. Its key is an emoji, a word, or the address of
// a picture that some clients draw in its place.
func readReaction(evt *event.Event, m *bridge.MessageReceived) bool {
	c, _ := evt.Content.Parsed.(*event.ReactionEventContent)
	if c == nil || c.RelatesTo.GetAnnotationID() == "" {
		return say(m, bridge.Notice, "[reacted to a message]")
	}
	m.Act, m.Target.Ref = text.Reacted, string(c.RelatesTo.GetAnnotationID())
	m.Text = label(c.RelatesTo.GetAnnotationKey())
	if strings.HasPrefix(m.Text, "mxc:") {
		m.Text = shortcode(evt.Content.Raw)
	}
	return true
}

// shortcode is what the picture of a reaction is called (MSC4027).
func shortcode(content map[string]any) string {
	for _, key := range []string{"shortcode", "com.beeper.reaction.shortcode"} {
		if name, _ := content[key].(string); strings.Trim(name, ": ") != "" {
			return ":" + label(strings.Trim(name, ": ")) + ":"
		}
	}
	return "[a picture]"
}

// readRedaction reads a deletion: what it takes away stands beside the content up
// to room version 10 and in it from 11 on.
func readRedaction(evt *event.Event, m *bridge.MessageReceived) bool {
	target, reason := evt.Redacts, ""
	if c, _ := evt.Content.Parsed.(*event.RedactionEventContent); c != nil {
		reason = c.Reason
		if c.Redacts != "" {
			target = c.Redacts
		}
	}
	if target == "" {
		return false // there is nothing that it says
	}
	m.Act, m.Target.Ref, m.Text = text.Deleted, string(target), lines(reason)
	return true
}

// Resolve completes a message with the event that it refers to: what an answer,
// an edit or a reaction is about, and what a vote was for. Author is how the
// author of that event is called; [Resolve] leaves that of the user's own unnamed.
//
// An edit of what somebody else wrote counts as a message of its own: its author
// shall not put words into the mouth of others (Client-Server API, "Validity of
// replacement events").
func Resolve(m *bridge.MessageReceived, evt, target *event.Event, author string) {
	if m.Act == text.Edited && evt.Sender != target.Sender {
		Disown(m)
		return
	}
	target = parsed(target)
	if words, ok := pollWords(evt, target); ok {
		m.Text = words
		return
	}
	if m.Act == text.Deleted || m.Act == "" {
		return // by now there is nothing in it
	}
	original, ok := Decode(target, false)
	if !ok || len(target.Content.Raw) == 0 {
		return
	}
	m.Target.Text, m.Target.Author = original.Text, author
	if m.Target.Text == "" && len(original.Media) > 0 {
		m.Target.Text = original.Media[0].Name
	}
}

// Disown makes a message of its own of an edit whose author is not known to be
// that of the edited message. The star is how clients show that something was
// corrected.
func Disown(m *bridge.MessageReceived) {
	if m.Act != text.Edited {
		return
	}
	m.Act, m.Target = "", bridge.Target{}
	if m.Text != "" && !strings.HasPrefix(m.Text, "* ") {
		m.Text = "* " + m.Text
	}
}

// Unreact makes the withdrawal of a reaction of a redaction: what it takes away is
// the reaction of that emoji to that event.
func Unreact(m *bridge.MessageReceived, emoji string, target id.EventID) {
	m.Act, m.Text, m.Target = text.Unreacted, emoji, bridge.Target{Ref: string(target)}
}
