package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// Send implements [bridge.Account].
func (a *account) Send(ctx context.Context, m bridge.Outgoing) error {
	room, inRoom, err := a.rooms.find(ctx, m.Chat)
	if err != nil {
		return err
	}
	if inRoom {
		return a.sendToRoom(ctx, room, m)
	}
	person := m.Chat.Contact
	if person == "" {
		return fmt.Errorf("%w: the message is to nobody", bridge.ErrRefused)
	}
	if a.hasArrived(person, m.ID) {
		return nil // only the server's word of it was lost
	}
	a.memory.sent.put(maxSent, m.ID, struct{}{})
	s := outgoing(m)
	s.Type = "chat"
	s.To = a.lockedTo(person)
	s.Children = append(s.Children, stream.NewElement(nsChatStates, "active"))
	if isOccupant(person) {
		s.Children = append(s.Children, stream.NewElement(nsMUCUser, "x"))
	} else {
		s.Children = append(s.Children, stream.NewElement(nsReceipts, "request"))
	}
	err = a.port.deliver(ctx, s)
	if errors.Is(err, stream.ErrBounced) && s.To != string(person) && isAway(err) {
		// The session that was written to is gone; another may be there.
		a.unlockFrom(s.To)
		again := *s
		again.To = string(person)
		err = a.port.deliver(ctx, &again)
	}
	if err != nil && a.hasArrived(person, m.ID) {
		return nil
	}
	return sendError(m.Chat.Contact, err)
}

// hasArrived says whether a person's client has confirmed a message (XEP-0184,
// XEP-0333).
func (a *account) hasArrived(person bridge.RemoteID, id string) bool {
	_, arrived := a.memory.arrived.get(sentTo{person, id})
	return arrived
}

// isAway says whether a message came back because nobody was at the address.
func isAway(err error) bool {
	var e *stream.StanzaError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Condition {
	case "service-unavailable", "recipient-unavailable", "item-not-found", "gone":
		return true
	}
	return false
}

// sendError says what came of sending a message: a message that came back is
// refused, unless it may be taken later.
func sendError(to bridge.RemoteID, err error) error {
	var e *stream.StanzaError
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, stream.ErrBounced) || !errors.As(err, &e):
		return fmt.Errorf("send to %s: %w", to, err)
	case e.Type == "wait":
		return fmt.Errorf("send to %s: %s: %w", to, reason(e), err)
	}
	return fmt.Errorf("%w: %s", bridge.ErrRefused, reason(e))
}

// outgoing makes the stanza of a message, without type and address. A look goes
// twice: as XHTML-IM for those who know it, and as message styling (XEP-0393) in
// the text, which current clients draw and all others can be read with.
func outgoing(m bridge.Outgoing) *stream.Stanza {
	rich := text.Rich{Text: xmlText(m.Text), Style: m.Style}
	s := &stream.Stanza{Kind: stream.Message, ID: m.ID, Children: []*stream.Element{
		stream.NewText("", "body", writeStyling(rich)),
		stream.NewElement(nsSID, "origin-id", "id", m.ID),
	}}
	if html := writeXHTML(rich); html != nil {
		s.Children = append(s.Children, html)
	}
	if late := time.Since(m.Sent); !m.Sent.IsZero() && late > lateAfter {
		s.Children = append(s.Children, stream.NewElement(nsDelay, "delay", "stamp", m.Sent.UTC().Format(time.RFC3339)))
	}
	return s
}

// lateAfter is how long a message may wait before its time is sent with it.
const lateAfter = 2 * time.Minute

// Typing implements [bridge.Typist].
func (a *account) Typing(ctx context.Context, chat bridge.Chat, typing bool) error {
	state := "paused"
	if typing {
		state = "composing"
	}
	s := &stream.Stanza{
		Kind: stream.Message, Type: "chat", ID: asideMark + digest(state, time.Now().String()),
		Children: []*stream.Element{
			stream.NewElement(nsChatStates, state), stream.NewElement(nsHints, "no-store"),
		},
	}
	room, inRoom, err := a.rooms.find(ctx, chat)
	switch {
	case err != nil:
		return err
	case inRoom:
		s.Type, s.To = "groupchat", string(room)
	default:
		s.To = a.lockedTo(chat.Contact)
		if isOccupant(chat.Contact) {
			s.Children = append(s.Children, stream.NewElement(nsMUCUser, "x"))
		}
	}
	if err := a.port.send(ctx, s); err != nil {
		return fmt.Errorf("say that the user types: %w", err)
	}
	return nil
}

// lockedTo returns where to write to somebody: to the session last heard from,
// else to all of them (XEP-0296).
func (a *account) lockedTo(person bridge.RemoteID) string {
	if full, ok := a.memory.locks.get(person); ok {
		return full
	}
	return string(person)
}

// lockTo notes the session that somebody writes from.
func (a *account) lockTo(full string) {
	if id, ok := bareID(full); ok && stream.Resource(full) != "" && !a.rooms.has(full) {
		a.memory.locks.put(maxLocks, id, full)
	}
}

// unlockFrom has the next message go to all sessions again: one of them came, went
// or changed.
func (a *account) unlockFrom(address string) {
	if id, ok := bareID(address); ok {
		a.memory.locks.remove(id)
	}
}

// unknownPerson are the conditions that are a clear sign that an address is
// nobody's. Servers answer service-unavailable for strangers who exist, too.
var unknownPerson = map[string]bool{
	"item-not-found": true, "remote-server-not-found": true, "jid-malformed": true, "gone": true,
}

// trimName makes a display name of what others say about themselves.
func trimName(s string) string {
	return text.Preview(strings.TrimSpace(xmlText(s)), maxName)
}

// maxName is how long a display name may be, in bytes.
const maxName = 128
