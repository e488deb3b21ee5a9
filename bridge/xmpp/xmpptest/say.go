package xmpptest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
)

// Message is what a [Peer] can send in one message. Only To is needed.
type Message struct {
	To   string
	Type string // empty means chat
	ID   string // empty means one is made
	Body string

	Subject   string
	XHTML     string // the children of <body/> (XEP-0071)
	ChatState string // XEP-0085
	Receipt   bool   // asks for one (XEP-0184)
	Replaces  string // the id of the message it corrects (XEP-0308)
	ReplyTo   string // who wrote what it replies to (XEP-0461)
	ReplyID   string // and the id of that
	OOB       string // the URL of a file (XEP-0066)
	Nick      string // XEP-0172
	Extra     string // more children, as XML
}

// Send sends a message and returns its id. It does not wait for the server:
// [Peer.Sync] does. While the connection is lost, the message waits for the
// next.
func (p *Peer) Send(ctx context.Context, m Message) (id string, err error) {
	if m.Type == "" {
		m.Type = "chat"
	}
	if m.ID == "" {
		m.ID = rand.Text()
	}
	_, err = p.do(ctx, "message", map[string]any{
		"to": m.To, "type": m.Type, "id": m.ID, "body": m.Body, "subject": m.Subject, "xhtml": m.XHTML,
		"state": m.ChatState, "receipt": m.Receipt, "replaces": m.Replaces, "reply_to": m.ReplyTo,
		"reply_id": m.ReplyID, "oob": m.OOB, "nick": m.Nick, "extra": m.Extra,
	})
	if err != nil {
		return "", fmt.Errorf("send as %s: %w", p.JID, err)
	}
	return m.ID, nil
}

// Say sends a chat message as common clients do: active, and with a request for
// a receipt. It returns the message's id.
func (p *Peer) Say(ctx context.Context, to, body string) (id string, err error) {
	return p.Send(ctx, Message{To: to, Body: body, ChatState: "active", Receipt: true})
}

// SayInRoom sends a message to everybody in a room and returns its id.
func (p *Peer) SayInRoom(ctx context.Context, room, body string) (id string, err error) {
	return p.Send(ctx, Message{To: room, Type: "groupchat", Body: body})
}

// SetChatState sends a chat state such as composing or paused (XEP-0085).
func (p *Peer) SetChatState(ctx context.Context, to, state string) error {
	_, err := p.Send(ctx, Message{To: to, ChatState: state})
	return err
}

// Correct replaces the text of an earlier message (XEP-0308).
func (p *Peer) Correct(ctx context.Context, to, id, body string) error {
	_, err := p.Send(ctx, Message{To: to, Body: body, Replaces: id})
	return err
}

// React sets the whole of this person's reactions to a message (XEP-0444); none
// takes them back.
func (p *Peer) React(ctx context.Context, to, id string, emoji ...string) error {
	if emoji == nil {
		emoji = []string{}
	}
	return p.perform(ctx, "xep_0444", "send_reactions", map[string]any{"to": to, "to_id": id, "reactions": emoji})
}

// Retract takes a message back as clients do today (XEP-0424, version 0.4).
func (p *Peer) Retract(ctx context.Context, to, id string) error {
	_, err := p.Send(ctx, Message{
		To: to, Body: "This person attempted to retract a previous message, but it's unsupported by your client.",
		Extra: `<retract xmlns="urn:xmpp:message-retract:1" id="` + escape(id) + `"/>` +
			`<fallback xmlns="urn:xmpp:fallback:0" for="urn:xmpp:message-retract:1"/><store xmlns="urn:xmpp:hints"/>`,
	})
	return err
}

// RetractAsBefore takes a message back as clients did before version 0.4 of
// XEP-0424, by fastening (XEP-0422); it is what slixmpp itself does.
func (p *Peer) RetractAsBefore(ctx context.Context, to, id string) error {
	return p.perform(ctx, "xep_0424", "send_retraction", map[string]any{"mto": to, "id": id})
}

// SendRaw writes text into the stream as it is, well-formed or not.
func (p *Peer) SendRaw(ctx context.Context, text string) error {
	if _, err := p.do(ctx, "raw", map[string]any{"xml": text}); err != nil {
		return fmt.Errorf("send as %s: %w", p.JID, err)
	}
	return nil
}

// Sync returns once the server has taken everything that was sent before, and
// once everything that it had sent before is here: it asks the server for an
// answer.
func (p *Peer) Sync(ctx context.Context) error {
	_, domain, _ := strings.Cut(p.Bare(), "@")
	_, err := p.IQ(ctx, "get", domain, `<ping xmlns="urn:xmpp:ping"/>`)
	return err
}

// perform calls a method of the client ("") or of one of its plugins.
func (p *Peer) perform(ctx context.Context, plugin, method string, args map[string]any) error {
	if _, err := p.do(ctx, "call", map[string]any{"plugin": plugin, "method": method, "args": args}); err != nil {
		return fmt.Errorf("%s as %s: %w", method, p.JID, err)
	}
	return nil
}

// query is perform for methods that return a stanza.
func (p *Peer) query(ctx context.Context, plugin, method string, args map[string]any) (*Element, error) {
	text, err := p.do(ctx, "call", map[string]any{"plugin": plugin, "method": method, "args": args})
	if err != nil {
		return nil, fmt.Errorf("%s as %s: %w", method, p.JID, err)
	}
	element, err := parseElement(text)
	if err != nil {
		return nil, err
	}
	return &element, nil
}
