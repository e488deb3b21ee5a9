package xmpp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// How much an account remembers of what was said. Beyond that, an earlier message
// is called by the id that the later one names it by, which is mostly right, too.
const (
	maxRefs      = 256
	maxReactions = 128
	maxArrived   = 256
	maxSent      = 256
	maxTyping    = 64
	maxLocks     = 256
)

// memory is what an account remembers to understand later messages.
type memory struct {
	refs      recent[alias, string]      // the Ref of a message, by its other ids
	reactions recent[reaction, []string] // who reacted how; [account.react]
	arrived   recent[sentTo, struct{}]   // of the user's messages, by receipt
	sent      recent[string, struct{}]   // by [bridge.Outgoing.ID], and invitations by the stanza's
	typing    recent[typist, struct{}]   // who is typing
	lately    recent[string, string]     // ids of room messages that have none, by content
	locks     recent[bridge.RemoteID, string]
}

// alias is an id by which later messages may call a message. Author is set for ids
// that are an author's own choice: others may use the same.
type alias struct {
	chat   bridge.Chat
	author bridge.RemoteID
	id     string
}

type reaction struct {
	chat   bridge.Chat
	author bridge.RemoteID
	target string
}

type sentTo struct {
	person bridge.RemoteID
	id     string
}

type typist struct {
	chat bridge.Chat
	who  bridge.RemoteID
}

// refer notes by which ids later messages may call a message, and sets what it is
// to be called by: ref, if that is not empty. What the gateway may have sent
// itself is called by its ID, which is how the gateway knows it. A correction takes
// the place of the message that it corrects (XEP-0308 §3).
func (a *account) refer(s *stream.Stanza, m *bridge.MessageReceived, ref string) {
	origin := s.Child(nsSID, "origin-id").Attribute("id")
	switch {
	case a.replaces(s, m):
		ref = m.Target.Ref
	case ref == "" || m.Own && m.ID == origin:
		ref = m.ID
	}
	if ref != m.ID {
		m.Ref = ref
	}
	for _, id := range []string{s.ID, origin} {
		if id != "" && id != ref {
			a.memory.refs.put(maxRefs, alias{m.Chat, m.From.ID, id}, ref)
		}
	}
	for _, c := range s.Children {
		if id := c.Attribute("id"); isStanzaID(c) && id != "" && id != ref && sameBare(c.Attribute("by"), s.From) {
			a.memory.refs.put(maxRefs, alias{chat: m.Chat, id: id}, ref)
		}
	}
}

// replaces says whether a message is a correction of one of its author's. In a room
// that has to be remembered, as anybody there can name anything.
func (a *account) replaces(s *stream.Stanza, m *bridge.MessageReceived) bool {
	if m.Act != text.Edited || m.Target.Ref == "" {
		return false
	}
	if m.Chat.Group == "" {
		return m.Own || !a.isSent(m.Target.Ref)
	}
	_, known := a.memory.refs.get(alias{m.Chat, m.From.ID, s.Child(nsCorrect, "replace").Attribute("id")})
	return known
}

// ownTarget returns the Ref of a message that its author calls by an id.
func (a *account) ownTarget(m *bridge.MessageReceived, id string) bridge.Target {
	return a.target(alias{m.Chat, m.From.ID, id}, alias{chat: m.Chat, id: id})
}

// anyTarget returns the Ref of a message that anybody in the chat calls by an id:
// in a room by the one that the room gave it, in a direct chat by its author's.
func (a *account) anyTarget(m *bridge.MessageReceived, id string) bridge.Target {
	return a.target(alias{chat: m.Chat, id: id}, alias{m.Chat, m.Chat.Contact, id}, alias{m.Chat, bridge.RemoteID(a.bare), id})
}

// target looks for an id under several keys; all of them end in it.
func (a *account) target(keys ...alias) bridge.Target {
	for _, key := range keys {
		if ref, ok := a.memory.refs.get(key); ok {
			return bridge.Target{Ref: ref}
		}
	}
	return bridge.Target{Ref: keys[0].id}
}

// isStanzaID recognises an id that a server gave a message (XEP-0359).
func isStanzaID(c *stream.Element) bool { return c.Name.Space == nsSID && c.Name.Local == "stanza-id" }

// stanzaID returns the id that a server gave a message. Nobody's word but the
// server's own counts: anybody can write such an element into a message.
func stanzaID(s *stream.Stanza, by string) string {
	for _, c := range s.Children {
		if isStanzaID(c) && c.Attribute("by") != "" && sameBare(c.Attribute("by"), by) {
			return c.Attribute("id")
		}
	}
	return ""
}

// asideMark begins the ids of stanzas that carry no message of the user's:
// receipts, typing. That one of them comes back concerns nobody.
const asideMark = "aside-"

// inviteMark begins the ids of invitations from person to person, whose return
// does concern the user.
const inviteMark = "invite-"

// hashMark begins the ids that are made here.
const hashMark = "h:"

// messageID returns the id by which a repetition of a message is known.
func (a *account) messageID(s *stream.Stanza, own bool, archived string) string {
	if own {
		if id := s.Child(nsSID, "origin-id").Attribute("id"); id != "" {
			return id
		}
		if _, sent := a.memory.sent.get(s.ID); sent {
			return s.ID
		}
	}
	if archived == "" {
		archived = stanzaID(s, a.bare)
	}
	if archived != "" && !strings.HasPrefix(archived, hashMark) {
		return archived
	}
	if a.isPrivate(s) {
		return contentID(s, s.From, s.To)
	}
	// Who sends again after an interruption may have another resource by then.
	return contentID(s, stream.Bare(s.From), stream.Bare(s.To))
}

// shortID is how long an id has to be to be unique by itself. Simple clients count
// from 1 whenever they start.
const shortID = 8

// contentID makes an id for a message that no archive gave one: from its sender,
// the sender's id and its content. Where the sender's id may come again with
// another message of the same words, the time counts, too: rather a message
// twice than one that is lost.
func contentID(s *stream.Stanza, from, to string) string {
	parts := []string{from, to, s.ID, s.Type}
	if len(s.ID) < shortID {
		at := readDelay(s.Children)
		if at.IsZero() {
			at = time.Now()
		}
		parts = append(parts, strconv.FormatInt(at.UnixNano(), 10))
	}
	return hashMark + digest(append(parts, flatten(s.Children)...)...)
}

// unstable are payloads that servers add on the way, differently each time. In the history
// of a room that shows addresses, and only there, they say whose each message is: Prosody
// by an item of the room, ejabberd by XEP-0033.
func unstable(e *stream.Element) bool {
	switch e.Name.Space {
	case nsDelay, nsDelayOld, nsMUCUser, nsAddresses:
		return true
	}
	return isStanzaID(e) || e.Name.Local == "archived"
}

// flatten lists everything that elements say.
func flatten(elements []*stream.Element) (parts []string) {
	for _, e := range elements {
		if unstable(e) {
			continue
		}
		parts = append(parts, e.Name.Space, e.Name.Local, e.Text)
		for _, a := range e.Attr {
			parts = append(parts, a.Name.Local, a.Value)
		}
		parts = append(append(parts, strconv.Itoa(len(e.Children))), flatten(e.Children)...)
	}
	return parts
}

// digest is 128 bits of a SHA-256 of the parts, in hexadecimal digits. Each part
// is preceded by its length, so that no two lists of parts are hashed alike.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
