package content

import (
	"strings"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
	"papillon/bridge/text"
)

// readMessage reads m.room.message: what it does to an earlier one, then what it
// says.
func readMessage(evt *event.Event, m *bridge.MessageReceived) bool {
	c, ok := evt.Content.Parsed.(*event.MessageEventContent)
	if !ok {
		return say(m, bridge.Notice, lineUnreadable)
	}
	if edited := c.RelatesTo.GetReplaceID(); edited != "" && c.NewContent != nil {
		m.Act, m.Target.Ref = text.Edited, string(edited)
		readContent(c.NewContent, m)
	} else {
		readReply(c, m)
		readContent(c, m)
	}
	if m.Act != "" && m.Kind == bridge.Emoted {
		// It stands behind a line about the earlier message, not behind a name.
		m.Kind, m.Text = bridge.Said, "* "+m.Text
	}
	if m.Text == "" && len(m.Media) == 0 {
		m.Text = lineEmpty
	}
	return true
}

// readReply finds what a message answers. One in a thread answers the message
// that began it: what it names as answered is then only for those who know no
// threads (Client-Server API, "Fallback for unthreaded clients").
func readReply(c *event.MessageEventContent, m *bridge.MessageReceived) {
	answered := c.RelatesTo.GetNonFallbackReplyTo()
	if answered == "" {
		answered = c.RelatesTo.GetThreadParent()
	}
	if answered == "" {
		return
	}
	m.Act, m.Target.Ref = text.Replied, string(answered)
	if c.RelatesTo.GetReplyTo() == answered {
		_, m.Target.Author, m.Target.Text = splitReply(lines(c.Body))
	}
}

// contents is by the type of a message.
var contents = map[event.MessageType]func(*event.MessageEventContent, *bridge.MessageReceived){
	event.MsgText:                readText,
	event.MsgEmote:               readEmote,
	event.MsgNotice:              readNotice,
	event.MsgImage:               readFile,
	event.MsgVideo:               readFile,
	event.MsgAudio:               readFile,
	event.MsgFile:                readFile,
	event.MsgBeeperGallery:       readGallery,
	event.MsgLocation:            readLocation,
	event.MsgVerificationRequest: readVerification,
}

// readContent reads the content of a message of any type.
func readContent(c *event.MessageEventContent, m *bridge.MessageReceived) {
	if read := contents[c.MsgType]; read != nil {
		read(c, m)
		return
	}
	if readText(c, m); m.Text == "" {
		say(m, bridge.Notice, "[a message that cannot be shown here: "+label(string(c.MsgType))+"]")
	}
}

// readText reads words and their look: the formatted ones if there are any.
func readText(c *event.MessageEventContent, m *bridge.MessageReceived) {
	m.Text, m.Style = words(c)
}

func readEmote(c *event.MessageEventContent, m *bridge.MessageReceived) {
	m.Kind = bridge.Emoted
	readText(c, m)
}

func readNotice(c *event.MessageEventContent, m *bridge.MessageReceived) {
	m.Kind = bridge.Notice
	readText(c, m)
}

func readVerification(_ *event.MessageEventContent, m *bridge.MessageReceived) {
	say(m, bridge.Notice, lineVerify)
}

// words returns what a message says, without the quotation that older clients put
// before an answer. HTML that says nothing, or is blown up beyond every event,
// does not count.
func words(c *event.MessageEventContent) (string, text.Style) {
	if c.Format == event.FormatHTML && c.FormattedBody != "" {
		rich := text.FromHTML(strings.ToValidUTF8(c.FormattedBody, "\uFFFD"))
		if plain := lines(rich.Text); strings.TrimSpace(plain) != "" && len(plain) <= maxText {
			return plain, rich.Style
		}
	}
	plain := lines(c.Body)
	if c.RelatesTo.GetReplyTo() != "" {
		plain, _, _ = splitReply(plain)
	}
	return plain, text.Style{}
}

// splitReply takes apart an answer as clients wrote it before 2024
// (Client-Server API v1.12, "Fallbacks for rich replies"): who is quoted, as a
// Matrix id, and what he said. A text of another form is the answer.
func splitReply(body string) (answer, author, quote string) {
	if !strings.HasPrefix(body, "> <") && !strings.HasPrefix(body, "> * <") {
		return body, "", ""
	}
	var quoted []string
	rest := body
	for strings.HasPrefix(rest, ">") {
		var row string
		row, rest, _ = strings.Cut(rest, "\n")
		quoted = append(quoted, strings.TrimPrefix(strings.TrimPrefix(row, ">"), " "))
	}
	head := strings.TrimPrefix(quoted[0], "* ")
	author, first, ok := strings.Cut(strings.TrimPrefix(head, "<"), ">")
	if !ok || !strings.HasPrefix(author, "@") || strings.TrimSpace(rest) == "" {
		return body, "", ""
	}
	quoted[0] = strings.TrimSpace(first)
	return lines(rest), author, lines(strings.Join(quoted, "\n"))
}
