package matrix

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
)

// This file says what an event of a room looks like to an MSN user. Nothing
// that somebody wrote is lost without a word: what cannot be shown is named in
// one short line. Only what no person would miss is left out, by name.

// rendering is what a user gets to see of an event.
type rendering struct {
	kind bridge.MessageKind
	text string
}

// maxLabel is the longest name of a file or a question in a line, in bytes.
const maxLabel = 120

func said(text string) rendering   { return rendering{bridge.Said, text} }
func notice(text string) rendering { return rendering{bridge.Notice, text} }

// eventRenderers is by event type; [render] deals with the others.
var eventRenderers = map[string]func(*event.Event) rendering{
	event.EventMessage.Type:            renderMessage,
	event.EventSticker.Type:            renderSticker,
	event.EventEncrypted.Type:          renderEncrypted,
	event.EventReaction.Type:           renderReaction,
	event.CallInvite.Type:              renderCall,
	event.EventUnstablePollStart.Type:  renderPoll,
	"m.poll.start":                     renderPoll,
	"org.matrix.msc3381.poll.response": func(*event.Event) rendering { return notice("[voted in a poll]") },
	"m.poll.response":                  func(*event.Event) rendering { return notice("[voted in a poll]") },
	"org.matrix.msc3381.poll.end":      func(*event.Event) rendering { return notice("[ended a poll]") },
	"m.poll.end":                       func(*event.Event) rendering { return notice("[ended a poll]") },
}

// silentEvents are steps of a machine's conversation with a machine, and
// redactions, which have nothing to show until messages can be taken back.
var silentEvents = map[string]bool{
	event.EventRedaction.Type:           true,
	event.CallCandidates.Type:           true,
	event.CallAnswer.Type:               true,
	event.CallReject.Type:               true,
	event.CallSelectAnswer.Type:         true,
	event.CallNegotiate.Type:            true,
	event.CallHangup.Type:               true,
	event.InRoomVerificationReady.Type:  true,
	event.InRoomVerificationStart.Type:  true,
	event.InRoomVerificationAccept.Type: true,
	event.InRoomVerificationKey.Type:    true,
	event.InRoomVerificationMAC.Type:    true,
	event.InRoomVerificationCancel.Type: true,
	event.InRoomVerificationDone.Type:   true,
	event.BeeperMessageStatus.Type:      true,
	event.BeeperTranscription.Type:      true,
	event.BeeperSendState.Type:          true,
}

// render translates a message-like event; ok is false for one that is not
// shown.
func render(evt *event.Event) (r rendering, ok bool) {
	if silentEvents[evt.Type.Type] {
		return rendering{}, false
	}
	if f := eventRenderers[evt.Type.Type]; f != nil {
		return f(evt), true
	}
	if text := fallbackText(evt.Content.Raw); text != "" {
		return said(text), true
	}
	return notice(fmt.Sprintf("[something that cannot be shown here: %s]", label(evt.Type.Type))), true
}

// fallbackText finds the text that an event of an unknown type carries for
// those who do not know it (MSC1767).
func fallbackText(content map[string]any) string {
	for _, key := range []string{"body", "org.matrix.msc1767.text", "m.text"} {
		switch text := content[key].(type) {
		case string:
			if strings.TrimSpace(text) != "" {
				return lines(text)
			}
		case []any:
			for _, item := range text {
				part, _ := item.(map[string]any)
				if body, _ := part["body"].(string); body != "" {
					return lines(body)
				}
			}
		}
	}
	return ""
}

// messageRenderers is by the type of an m.room.message.
var messageRenderers = map[event.MessageType]func(*event.MessageEventContent) rendering{
	event.MsgText:   func(c *event.MessageEventContent) rendering { return said(body(c)) },
	event.MsgEmote:  func(c *event.MessageEventContent) rendering { return rendering{bridge.Emoted, body(c)} },
	event.MsgNotice: func(c *event.MessageEventContent) rendering { return notice(body(c)) },
	event.MsgImage:  func(c *event.MessageEventContent) rendering { return renderFile("picture", c) },
	event.MsgVideo:  func(c *event.MessageEventContent) rendering { return renderFile("video", c) },
	event.MsgAudio:  renderAudio,
	event.MsgFile:   func(c *event.MessageEventContent) rendering { return renderFile("file", c) },
	event.MsgLocation: func(c *event.MessageEventContent) rendering {
		return said(bracket("location", label(c.Body), label(c.GeoURI)))
	},
	event.MsgVerificationRequest: func(*event.MessageEventContent) rendering {
		return notice("[asks to verify encryption, which the gateway cannot do]")
	},
}

// renderMessage translates m.room.message. An edit shows the corrected text,
// marked with a star as clients have it in their fallbacks.
func renderMessage(evt *event.Event) rendering {
	content, ok := evt.Content.Parsed.(*event.MessageEventContent)
	if !ok {
		return notice("[a message that the gateway cannot read]")
	}
	if len(evt.Content.Raw) == 0 {
		return notice("[a message that was deleted]")
	}
	if content.RelatesTo.GetReplaceID() == "" || content.NewContent == nil {
		return renderContent(content)
	}
	r := renderContent(content.NewContent)
	r.text = "* " + r.text
	return r
}

// renderContent translates the content of a message of any type.
func renderContent(content *event.MessageEventContent) rendering {
	if f := messageRenderers[content.MsgType]; f != nil {
		return f(content)
	}
	if strings.TrimSpace(content.Body) != "" {
		return said(body(content))
	}
	return notice(fmt.Sprintf("[a message that cannot be shown here: %s]", label(string(content.MsgType))))
}

// body returns a message's text, without the quotation that older clients put
// before an answer.
func body(content *event.MessageEventContent) string {
	text := lines(content.Body)
	if content.RelatesTo.GetReplyTo() != "" {
		text = event.TrimReplyFallbackText(text)
	}
	if strings.TrimSpace(text) == "" {
		return "[an empty message]"
	}
	return text
}

// renderFile names a file, how large it is, and what its sender wrote to it.
func renderFile(what string, content *event.MessageEventContent) rendering {
	size := 0
	if content.Info != nil {
		size = content.Info.Size
	}
	return said(withCaption(bracket(what, label(content.GetFileName()), bytesText(size)), content))
}

// renderAudio tells a recording of a voice from other sound.
func renderAudio(content *event.MessageEventContent) rendering {
	length, size := "", 0
	if info := content.Info; info != nil {
		length, size = lengthText(info.Duration), info.Size
	}
	if content.MSC3245Voice != nil {
		return said(withCaption(bracket("voice message", length, bytesText(size)), content))
	}
	return said(withCaption(bracket("audio", label(content.GetFileName()), length, bytesText(size)), content))
}

func withCaption(line string, content *event.MessageEventContent) string {
	if caption := strings.TrimSpace(lines(content.GetCaption())); caption != "" {
		return line + "\n" + caption
	}
	return line
}

func renderSticker(evt *event.Event) rendering {
	return said(bracket("sticker", label(evt.Content.AsMessage().Body)))
}

func renderEncrypted(*event.Event) rendering {
	return notice("[encrypted message: this room is encrypted, and the gateway cannot read it yet]")
}

func renderReaction(evt *event.Event) rendering {
	content, _ := evt.Content.Parsed.(*event.ReactionEventContent)
	if content == nil || content.RelatesTo.GetAnnotationKey() == "" {
		return notice("[reacted to a message]")
	}
	return notice(fmt.Sprintf("[reacted with %s]", label(content.RelatesTo.GetAnnotationKey())))
}

func renderCall(*event.Event) rendering {
	return notice("[is calling, which cannot be answered here]")
}

// poll is the part of a poll that is shown, in the two spellings of the wild
// (MSC3381 and Matrix 1.7).
type poll struct {
	Question pollText   `json:"question"`
	Answers  []pollText `json:"answers"`
}

type pollText struct {
	Unstable string          `json:"org.matrix.msc1767.text"`
	Body     string          `json:"body"`
	Stable   json.RawMessage `json:"m.text"`
}

// text returns the first spelling that is there.
func (t pollText) text() string {
	if t.Unstable != "" {
		return label(t.Unstable)
	}
	var parts []struct {
		Body string `json:"body"`
	}
	if json.Unmarshal(t.Stable, &parts) == nil && len(parts) > 0 {
		return label(parts[0].Body)
	}
	return label(t.Body)
}

func renderPoll(evt *event.Event) rendering {
	var content struct {
		Unstable poll `json:"org.matrix.msc3381.poll.start"`
		Stable   poll `json:"m.poll"`
	}
	// What cannot be read leaves the poll without words.
	_ = json.Unmarshal(evt.Content.VeryRaw, &content)
	p := content.Unstable
	if p.Question.text() == "" {
		p = content.Stable
	}
	var out strings.Builder
	out.WriteString(bracket("poll", p.Question.text()))
	for i, answer := range p.Answers {
		fmt.Fprintf(&out, "\n%d. %s", i+1, answer.text())
	}
	return said(out.String())
}

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
func label(s string) string {
	s = oneLine(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= maxLabel {
		return s
	}
	cut := maxLabel
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

// lines makes text what [bridge.MessageReceived] promises: UTF-8 with LF.
func lines(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// bytesText writes a size as people say it; nothing for an unknown one.
func bytesText(size int) string {
	switch {
	case size <= 0:
		return ""
	case size < 1<<10:
		return fmt.Sprintf("%d bytes", size)
	case size < 1<<20:
		return fmt.Sprintf("%d KB", (size+1<<9)>>10)
	}
	return fmt.Sprintf("%.1f MB", float64(size)/(1<<20))
}

// lengthText writes a duration in milliseconds as minutes and seconds.
func lengthText(ms int) string {
	if ms <= 0 {
		return ""
	}
	seconds := int(time.Duration(ms) * time.Millisecond / time.Second)
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}
