package content

import (
	"encoding/json"
	"strings"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
	"papillon/bridge/text"
)

const (
	// maxPiece is how much text goes into one event, in bytes.
	maxPiece = 16 << 10
	// maxContent is what the words of an event may take, in bytes of JSON. An
	// event has at most 64 KiB (Client-Server API, "Size limits"), of which its
	// encryption takes a quarter and its signatures a little.
	maxContent = 40 << 10
)

// Encode makes the content of an m.room.message of what a user wrote. A look goes
// into the formatted_body, what begins with "/me " is an emote. The content has
// the message's ID; see [IDKey]. A text that is longer than an event may be is to
// be taken apart by [Split] before.
func Encode(out bridge.Outgoing) *event.Content {
	rich := text.Rich{Text: out.Text, Style: out.Style}
	message := &event.MessageEventContent{MsgType: event.MsgText}
	if done, ok := strings.CutPrefix(rich.Text, "/me "); ok && strings.TrimSpace(done) != "" {
		message.MsgType, rich.Text = event.MsgEmote, done
	}
	message.Body = strings.ToValidUTF8(rich.Text, "\uFFFD")
	if html, ok := text.ToHTML(rich); ok && jsonSize(message.Body)+jsonSize(html) <= maxContent {
		message.Format, message.FormattedBody = event.FormatHTML, html
	}
	encoded := &event.Content{Parsed: message}
	if out.ID != "" {
		encoded.Raw = map[string]any{IDKey: out.ID}
	}
	return encoded
}

// Split takes a message apart that is too long for one event, at the borders of
// [text.Split]; most are returned as they are. All pieces have the ID, because
// the gateway knows no other; what tells their transactions apart is their number.
func Split(out bridge.Outgoing) []bridge.Outgoing {
	if len(out.Text) <= maxPiece {
		return []bridge.Outgoing{out}
	}
	texts := text.Split(out.Text, maxPiece)
	pieces := make([]bridge.Outgoing, len(texts))
	for i, words := range texts {
		pieces[i] = out
		pieces[i].Text = words
	}
	return pieces
}

// jsonSize is how many bytes a text takes in JSON as homeservers count it, or a
// few more.
func jsonSize(s string) int {
	raw, err := json.Marshal(s)
	if err != nil {
		return maxContent + 1 // every string can be written
	}
	return len(raw)
}
