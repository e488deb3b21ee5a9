package xmpp

import (
	"fmt"
	"strings"
	"time"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// message takes a message stanza of any type but error that is no room's and
// hands what it means to the feed.
func (a *account) message(s *stream.Stanza, done func()) {
	own := sameBare(s.From, a.bare)
	if !own {
		a.noteReceipts(s)
		a.noteTyping(s)
	}
	if who, ok := nickEvent(s); ok && !own && !a.rooms.hasServer() {
		// With a roster of the server's, the name there counts.
		a.feed.put(bridge.ContactRenamed{Contact: who}, done)
		return
	}
	if notice, ok := a.serverNotice(s); ok {
		if notice == "" {
			finish(done)
			return
		}
		a.feed.put(bridge.NetworkSays{Text: notice}, done)
		return
	}
	m, ok := a.readMessage(s, own, "", time.Time{})
	if !ok {
		finish(done)
		return
	}
	if !own {
		a.lockTo(s.From)
	}
	a.feed.putMessage(m, done, func() {
		if !own {
			a.confirm(s) // blocked people do not learn that the user is there
		}
	})
}

// finish calls a function that may be nil.
func finish(done func()) {
	if done != nil {
		done()
	}
}

// confirm sends the receipt that a message asks for (XEP-0184), now that it cannot
// be lost any more. Nothing waits for it, and nothing can be done if it is lost.
func (a *account) confirm(s *stream.Stanza) {
	if s.ID == "" || s.Child(nsReceipts, "request") == nil || s.Type == "groupchat" {
		return
	}
	receipt := &stream.Stanza{
		Kind: stream.Message, To: s.From, Type: s.Type, ID: asideMark + digest(s.From, s.ID),
		Children: []*stream.Element{
			stream.NewElement(nsReceipts, "received", "id", s.ID), stream.NewElement(nsHints, "store"),
		},
	}
	if err := a.port.send(a.life, receipt); err != nil {
		a.log.Debug().Err(err).Msg("Cannot send a receipt")
	}
}

// noteReceipts remembers which of the user's messages have arrived.
func (a *account) noteReceipts(s *stream.Stanza) {
	for _, c := range s.Children {
		receipt := c.Name.Space == nsReceipts && c.Name.Local == "received"
		marker := c.Name.Space == nsMarkers && c.Name.Local != "markable"
		if id := c.Attribute("id"); id != "" && (receipt || marker) {
			if from, ok := bareID(s.From); ok {
				a.memory.arrived.put(maxArrived, sentTo{from, id}, struct{}{})
			}
		}
	}
}

// noteTyping tells what a chat state says, once per change: every message carries
// one.
func (a *account) noteTyping(s *stream.Stanza) {
	typing, known := readChatState(s)
	chat, from, ok := a.direct(s.From, a.isPrivate(s))
	if !known || !ok {
		return
	}
	a.tellTyping(chat, from, typing)
}

// tellTyping hands on that somebody types, or no longer does.
func (a *account) tellTyping(chat bridge.Chat, from bridge.Contact, typing bool) {
	key := typist{chat, from.ID}
	if typing {
		a.memory.typing.put(maxTyping, key, struct{}{})
	} else if _, was := a.memory.typing.remove(key); !was {
		return
	}
	a.feed.put(bridge.TypingSeen{Chat: chat, From: from, Typing: typing}, nil)
}

// readChatState returns what XEP-0085 says; known is false for no word of it.
func readChatState(s *stream.Stanza) (typing, known bool) {
	for _, c := range s.Children {
		if c.Name.Space == nsChatStates {
			return c.Name.Local == "composing", true
		}
	}
	return false, false
}

// serverNotice returns what is to be told of what a server says as itself; ok is false
// for messages of people. What is from nobody is from the account's own server. What
// another server says is told as its words, if it does not say too much.
func (a *account) serverNotice(s *stream.Stanza) (notice string, ok bool) {
	if !isServer(s.From) || s.Type == "groupchat" {
		return "", false
	}
	words := withSubject(s.Text("subject"), lines(s.Text("body")))
	if words == "" {
		return "", false
	}
	if s.From == "" || sameBare(s.From, a.port.service()) {
		return words, true
	}
	return a.foreigners.hear(stream.Bare(s.From), words), true
}

// readMessage translates one message. Own is set for what the user himself sent
// with another client (then to counts), archived is the id in the account's
// archive or "", sent the time or zero for now. Ok is false for what has nothing
// to show. It serves live messages, carbons and archives alike, those of rooms
// included, where it finds out by itself whose the messages are; it remembers what
// later messages refer to, and is to be called once per message, in order.
func (a *account) readMessage(s *stream.Stanza, own bool, archived string, sent time.Time) (m bridge.MessageReceived, ok bool) {
	if s.Type == "groupchat" {
		return a.rooms.read(s, archived, sent)
	}
	peer := s.From
	if own && s.To != "" {
		peer = s.To
	}
	chat, from, ok := a.direct(peer, a.isPrivate(s))
	if !ok {
		return m, false
	}
	m = bridge.MessageReceived{Chat: chat, From: from, Own: own, Sent: sentAt(s, sent)}
	if own {
		m.From = bridge.Contact{ID: bridge.RemoteID(a.bare)}
	}
	if !a.readContent(s, &m) {
		return m, false
	}
	m.ID = a.messageID(s, own, archived)
	a.refer(s, &m, preferOrigin(s))
	return m, true
}

// preferOrigin returns what later messages of a direct chat call a message by:
// the origin id if there is one, else the id (XEP-0461 §3).
func preferOrigin(s *stream.Stanza) string {
	if id := s.Child(nsSID, "origin-id").Attribute("id"); id != "" {
		return id
	}
	return s.ID
}

// direct finds the chat and the speaker of a message from or to an address.
// Private says that it is that of somebody in a room.
func (a *account) direct(address string, private bool) (chat bridge.Chat, from bridge.Contact, ok bool) {
	if nick := stream.Resource(address); private && nick != "" {
		id, ok := occupantID(stream.Bare(address), nick)
		return bridge.Chat{Contact: id}, bridge.Contact{ID: id, Name: nick}, ok
	}
	id, ok := bareID(address)
	return bridge.Chat{Contact: id}, bridge.Contact{ID: id}, ok
}

// isPrivate says whether a message is one between two people in a room
// (XEP-0045 §7.5): then the resource says who. Only rooms that the account is in
// count: else whoever is kept away could pass for somebody in a room.
func (a *account) isPrivate(s *stream.Stanza) bool {
	return a.rooms.has(s.From) || a.rooms.has(s.To)
}

// returned takes a message of type error.
func (a *account) returned(s *stream.Stanza) {
	if s.ID == "" || strings.HasPrefix(s.ID, asideMark) {
		return
	}
	chat, _, ok := a.direct(s.From, a.rooms.has(s.From))
	if !ok {
		return
	}
	e := s.Err()
	if e == nil {
		return
	}
	if strings.HasPrefix(s.ID, inviteMark) {
		if _, sent := a.memory.sent.remove(s.ID); !sent {
			return
		}
		a.feed.put(bridge.NetworkSays{Text: fmt.Sprintf("The invitation to %s did not arrive: %s", chat.Contact, reason(e))}, nil)
		return
	}
	if a.rooms.has(s.From) && stream.Resource(s.From) == "" {
		chat = bridge.RoomChat(chat.Contact)
		a.rooms.bounced(s.From, e)
	}
	a.unlockFrom(s.From)
	a.feed.put(bridge.MessageReturned{ID: s.ID, Chat: chat, Reason: reason(e)}, nil)
}

// reasons are what the conditions of RFC 6120 §8.3.3 mean to somebody who wrote a
// message.
var reasons = map[string]string{
	"bad-request":             "the other server did not understand the message",
	"conflict":                "somebody else has that name",
	"feature-not-implemented": "the other side cannot take messages",
	"forbidden":               "you may not write there",
	"gone":                    "the address does not exist any more",
	"internal-server-error":   "the other server has trouble of its own",
	"item-not-found":          "there is nobody of that address",
	"jid-malformed":           "the address is not a proper one",
	"not-acceptable":          "it was not accepted there; perhaps you are not in the room, or the other side takes messages of contacts only",
	"not-allowed":             "nobody may write there",
	"not-authorized":          "you may not write there without being let in first",
	"payment-required":        "the other server wants money for it",
	"policy-violation":        "it is against the rules of the server",
	"recipient-unavailable":   "the other side is not there now, and its server keeps nothing",
	"redirect":                "the address has moved",
	"registration-required":   "only members of the room may write there",
	"remote-server-not-found": "the server of that address does not exist",
	"remote-server-timeout":   "the server of that address does not answer",
	"resource-constraint":     "the other server is too busy, or the mailbox there is full",
	"service-unavailable":     "the other side cannot be reached: it is away and its server keeps nothing, it does not exist, or it blocks you",
	"subscription-required":   "you have to be a contact of the other side first",
}

// reason puts an error into one line that a person understands.
func reason(err *stream.StanzaError) string {
	line, ok := reasons[err.Condition]
	if !ok {
		line = "the other server refused it (" + err.Condition + ")"
	}
	if words := text.Preview(xmlText(err.Text), maxErrorText); words != "" {
		line = fmt.Sprintf("%s (%q)", line, words)
	}
	return line
}

// maxErrorText is how much of a server's words is repeated, in bytes.
const maxErrorText = 160
