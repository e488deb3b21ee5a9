package xmpp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// takeTalk deals with a message to all in a room.
func (r *rooms) takeTalk(s *stream.Stanza, done func()) {
	id, ok := bareID(s.From)
	if !ok || !r.has(s.From) {
		finish(done) // of a room that was left
		return
	}
	if r.hold(id, s, done) {
		return
	}
	r.talk(id, s, done)
}

// talk deals with what is said in a room, in its turn.
func (r *rooms) talk(id bridge.RemoteID, s *stream.Stanza, done func()) {
	a := r.account
	if m, is := r.topic(id, s); is {
		if m.Text == "" {
			finish(done)
		} else {
			a.feed.put(m, done)
		}
		return
	}
	m, ok := r.read(s, "", time.Time{})
	if !m.Own {
		r.noteTyping(id, m.From, s)
	}
	if !ok {
		finish(done)
		return
	}
	r.offer(id, m, done)
}

// noteTyping tells that somebody in a room types.
func (r *rooms) noteTyping(id bridge.RemoteID, from bridge.Contact, s *stream.Stanza) {
	if typing, known := readChatState(s); known && stream.Resource(s.From) != "" && readDelay(s.Children).IsZero() {
		r.account.tellTyping(bridge.RoomChat(id), from, typing)
	}
}

// read translates a message to all in a room; see [account.readMessage]. What it
// says of the speaker is right also where there is nothing to show.
func (r *rooms) read(s *stream.Stanza, archived string, sent time.Time) (m bridge.MessageReceived, ok bool) {
	a := r.account
	id, ok := bareID(s.From)
	if !ok {
		return m, false
	}
	m = bridge.MessageReceived{Chat: bridge.RoomChat(id), Sent: sentAt(s, sent)}
	m.From, m.Own = r.who(id, s)
	if !a.readContent(s, &m) {
		return m, false
	}
	if stream.Resource(s.From) == "" && m.Act == "" {
		m.Kind = bridge.Notice
	}
	m.ID = r.messageID(s, m.Own, archived)
	ref := archived
	if ref == "" {
		ref = stanzaID(s, string(id))
	}
	a.refer(s, &m, ref)
	if archived != "" && m.Ref == "" && m.ID != archived {
		a.memory.refs.put(maxRefs, alias{chat: m.Chat, id: archived}, m.ID)
	}
	if m.Own {
		m.From = bridge.Contact{ID: bridge.RemoteID(a.bare)}
	}
	if archived == "" {
		r.spoke(id, s, m.From)
	}
	return m, true
}

// who finds out who said something in a room, and whether it was the user. What a
// moderator takes away comes from the room, which says who did it.
func (r *rooms) who(id bridge.RemoteID, s *stream.Stanza) (from bridge.Contact, own bool) {
	nick := stream.Resource(s.From)
	if nick == "" {
		moderated := s.Child(nsFasten, "apply-to").Child(nsModerateOld, "moderated")
		if retract := s.Child(nsRetract, "retract"); retract != nil {
			moderated = retract.Child(nsModerate, "moderated")
		}
		nick = stream.Resource(moderated.Attribute("by"))
	}
	// Archives of rooms that show addresses have them with each message.
	address := s.Child(nsMUCUser, "x").Child(nsMUCUser, "item").Attribute("jid")
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.all[id]
	if known == nil {
		known = &room{id: id}
	}
	if real, ok := bareID(address); ok && address != "" {
		return bridge.Contact{ID: real}, real == bridge.RemoteID(r.account.bare)
	}
	from = known.speaker(nick)
	return from, from.ID == bridge.RemoteID(r.account.bare) || nick != "" && nick == known.nick
}

// spoke remembers somebody who spoke just now, to tell when he leaves.
func (r *rooms) spoke(id bridge.RemoteID, s *stream.Stanza, who bridge.Contact) {
	nick := stream.Resource(s.From)
	if nick == "" || who.ID == bridge.RemoteID(r.account.bare) || !readDelay(s.Children).IsZero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := r.all[id]; room != nil {
		room.heard = time.Now()
		room.speakers.put(maxSpeakers, nick, who)
	}
}

// maxLately is how many messages without an id of a room's are remembered, to know
// them again in the history.
const maxLately = 64

// messageID is [account.messageID] for a room: its own ids count.
func (r *rooms) messageID(s *stream.Stanza, own bool, archived string) string {
	if archived == "" {
		archived = stanzaID(s, stream.Bare(s.From))
	}
	if archived != "" && !own {
		// Two rooms may give the same id.
		return stream.Bare(s.From) + " " + archived
	}
	to := s.To
	s.To = "" // it differs each time the account enters
	defer func() { s.To = to }()
	id := r.account.messageID(s, own, archived)
	if len(s.ID) >= shortID || id == archived {
		return id
	}
	said := digest(s.From, s.ID, s.Text("body"))
	if earlier, known := r.account.memory.lately.get(said); known && !readDelay(s.Children).IsZero() {
		return earlier
	}
	r.account.memory.lately.put(maxLately, said, id)
	return id
}

// topic reads a change of a room's subject (XEP-0045 §8.1): is is true for one, and
// the text of m empty for the one that every newcomer is told.
func (r *rooms) topic(id bridge.RemoteID, s *stream.Stanza) (m bridge.MessageReceived, is bool) {
	subject := s.Child("", "subject")
	if subject == nil || s.Child("", "body") != nil || s.Child("", "thread") != nil {
		return m, false
	}
	m = bridge.MessageReceived{Chat: bridge.RoomChat(id), Kind: bridge.Notice, Sent: sentAt(s, time.Time{})}
	m.From, m.Own = r.who(id, s)
	m.ID = r.messageID(s, m.Own, "")
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.all[id]
	if room == nil || !room.told {
		if room != nil {
			room.told = true
		}
		return m, true
	}
	m.Text = "[the topic was removed]"
	if words := lines(subject.Text); words != "" {
		m.Text = "[topic: " + words + "]"
	}
	return m, true
}

// saveEvery is how often it is stored up to when a room was seen.
const saveEvery = time.Minute

// seen notes that the messages of a room up to a time have arrived. It is called
// by the feed.
func (r *rooms) seen(id bridge.RemoteID, at time.Time) {
	r.mu.Lock()
	room := r.all[id]
	if room == nil || !at.After(room.mark.Seen) {
		r.mu.Unlock()
		return
	}
	room.mark.Seen = at
	mark, due := room.mark, room.kept && time.Since(room.saved) > saveEvery
	if due {
		room.saved = time.Now()
	}
	r.mu.Unlock()
	if !due {
		return
	}
	if err := r.remember(r.account.life, mark); err != nil {
		r.account.log.Warn().Err(err).Msg("Cannot store what was seen of a room")
	}
}

// sendToRoom says something in a room, which is entered first if need be.
func (a *account) sendToRoom(ctx context.Context, id bridge.RemoteID, m bridge.Outgoing) error {
	if a.hasArrived(id, m.ID) {
		return nil
	}
	if err := a.rooms.join(ctx, id); err != nil {
		return err
	}
	a.memory.sent.put(maxSent, m.ID, struct{}{})
	s := outgoing(m)
	s.Type, s.To = "groupchat", string(id)
	err := a.port.deliver(ctx, s)
	if err != nil && a.hasArrived(id, m.ID) {
		return nil // the room has said it to all, us included
	}
	var e *stream.StanzaError
	if errors.Is(err, stream.ErrBounced) && errors.As(err, &e) && e.Condition == "not-acceptable" {
		a.rooms.bounced(string(id), e)
		return fmt.Errorf("say something in %s: not in it any more: %w", id, err)
	}
	return sendError(id, err)
}
