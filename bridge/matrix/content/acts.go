package content

import (
	"strings"

	"maunium.net/go/mautrix/event"

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
