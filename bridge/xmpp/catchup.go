package xmpp

import (
	"context"
	"errors"
	"strconv"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// What was said in a room while the account was not in it is in the room's archive
// (XEP-0313), where it has one: the history that comes with entering is twenty
// messages on most services. The archive is read as soon as the account is in, and
// what is said meanwhile is held, so that all messages come in order and none
// falls in between. For rooms without an archive there is the history.

const (
	nsArchive = "urn:xmpp:mam:2"
	nsForward = "urn:xmpp:forward:0"
	nsPaging  = "http://jabber.org/protocol/rsm"
)

const (
	// catchUpPage is how many messages are asked for at once, and catchUpPages
	// how often: more than a thousand messages nobody reads afterwards.
	catchUpPage, catchUpPages = 100, 10
	catchUpTimeout            = 15 * time.Second
)

// behind says whether there may be messages in the room's archive that the
// account has not seen. The mutex is held.
func (r *room) behind() bool { return r.mark.Archive && !r.mark.Seen.IsZero() }

// heldTalk is something said while the archive is read.
type heldTalk struct {
	stanza *stream.Stanza
	done   func()
}

// maxHeld is how much is held; beyond that the room is entered again, and the
// archive has all of it.
const maxHeld = 500

// hold keeps what is said in a room until its archive is read.
func (r *rooms) hold(id bridge.RemoteID, s *stream.Stanza, done func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.all[id]
	if room == nil || !room.holding {
		return false
	}
	if len(room.held) >= maxHeld {
		r.comeBackFrom(room)
		finish(done)
		return true
	}
	room.held = append(room.held, heldTalk{s, done})
	return true
}

// letGo drops what is held: the archive has it, for the next time.
func (r *room) letGo() {
	for _, h := range r.held {
		finish(h.done)
	}
	r.held = nil
}

// catchUp reads the archive of a room since the last message that was seen, and
// then has heard what was held. Where the archive cannot be read, the room is
// entered again: what was missed is not passed over.
func (r *rooms) catchUp(ctx context.Context, room *room, round int) {
	r.mu.Lock()
	since := room.mark.Seen.Add(-historyMargin)
	id := digest(string(room.id), strconv.Itoa(round), time.Now().String())
	if room.round == round {
		room.reading = id
	}
	r.mu.Unlock()
	err := r.readArchive(ctx, room.id, id, since)
	r.mu.Lock()
	if room.round != round || room.state != inside {
		r.mu.Unlock()
		return // all begins anew
	}
	room.reading = ""
	if err != nil {
		r.account.log.Info().Err(err).Str("room", string(room.id)).Msg("Cannot read the archive of a room; entering again")
		var refusal *stream.StanzaError
		if errors.As(err, &refusal) {
			room.mark.Archive = false // the history has to do
		}
		r.comeBackFrom(room)
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.release(room, round)
}

// comeBackFrom has a room that the account is in entered again after a while. The
// mutex is held.
func (r *rooms) comeBackFrom(room *room) {
	if farewell := r.depart(room); farewell != nil {
		r.send(farewell)
	}
	r.comeBack(room)
}

// release has heard what was held, in order, until nothing is left.
func (r *rooms) release(room *room, round int) {
	for {
		r.mu.Lock()
		held := room.held
		room.held = nil
		if room.round != round || len(held) == 0 {
			room.holding = room.holding && room.round != round
			r.mu.Unlock()
			for _, h := range held {
				finish(h.done) // of another time in the room
			}
			return
		}
		r.mu.Unlock()
		for _, h := range held {
			r.talk(room.id, h.stanza, h.done)
		}
	}
}

// readArchive reads page by page.
func (r *rooms) readArchive(ctx context.Context, room bridge.RemoteID, query string, since time.Time) error {
	last := ""
	for range catchUpPages {
		fin, err := r.archivePage(ctx, room, query, since, last)
		if err != nil {
			return err
		}
		next := fin.Child(nsPaging, "set").Child(nsPaging, "last").Chars()
		if fin.Attribute("complete") == "true" || next == "" || next == last {
			return nil
		}
		last = next
	}
	return nil
}

// archivePage asks for one page of a room's archive. The messages come before the
// answer, see [rooms.takeArchived].
func (r *rooms) archivePage(ctx context.Context, id bridge.RemoteID, query string, since time.Time, after string) (fin *stream.Element, err error) {
	ctx, cancel := context.WithTimeout(ctx, catchUpTimeout)
	defer cancel()
	page := stream.NewElement(nsPaging, "set").With(stream.NewText(nsPaging, "max", strconv.Itoa(catchUpPage)))
	if after != "" {
		page.With(stream.NewText(nsPaging, "after", after))
	}
	return r.account.ask(ctx, "set", string(id), stream.NewElement(nsArchive, "query", "queryid", query).
		With(form(nsArchive, [2]string{"start", since.UTC().Format(time.RFC3339)}), page))
}

// takeArchived deals with a message out of a room's archive; ok is false for all
// others, and for one that nobody has asked the room for.
func (r *rooms) takeArchived(s *stream.Stanza, done func()) (ok bool) {
	result := s.Child(nsArchive, "result")
	if result == nil || stream.Resource(s.From) != "" {
		return false
	}
	id, valid := bareID(s.From)
	r.mu.Lock()
	room := r.all[id]
	asked := valid && room != nil && room.reading != "" && result.Attribute("queryid") == room.reading
	r.mu.Unlock()
	if !asked {
		return false
	}
	forwarded := result.Child(nsForward, "forwarded")
	e := forwarded.Child("", "message")
	sent := readDelay(forwardedDelay(forwarded))
	if e == nil || result.Attribute("id") == "" || sent.IsZero() || !sameBare(e.Attribute("from"), s.From) || e.Child("", "subject") != nil {
		finish(done)
		return true
	}
	said := &stream.Stanza{
		Kind: stream.Message, Type: "groupchat", From: e.Attribute("from"), To: s.To, ID: e.Attribute("id"), Children: e.Children,
	}
	m, ok := r.read(said, result.Attribute("id"), sent)
	if !ok {
		finish(done)
		return true
	}
	r.offer(id, m, done)
	return true
}

// forwardedDelay is what says when a forwarded stanza was sent.
func forwardedDelay(forwarded *stream.Element) []*stream.Element {
	if delay := forwarded.Child(nsDelay, "delay"); delay != nil {
		return []*stream.Element{delay}
	}
	return nil
}

// offer hands a message of a room to the feed.
func (r *rooms) offer(id bridge.RemoteID, m bridge.MessageReceived, done func()) {
	a := r.account
	if m.Own && a.isSent(m.ID) {
		a.memory.arrived.put(maxArrived, sentTo{id, m.ID}, struct{}{})
	}
	a.feed.put(m, func() {
		r.seen(id, m.Sent)
		finish(done)
	})
}

// learn asks a room once what it is called and whether it has an archive.
func (r *rooms) learn(id bridge.RemoteID) {
	r.asking.post(func() {
		ctx := r.account.life
		said, known := r.account.describe(ctx, id)
		r.mu.Lock()
		room := r.all[id]
		if room == nil || !known {
			if room != nil {
				room.learned = false // at the next time, then
			}
			r.mu.Unlock()
			return
		}
		named := room.mark.Name == "" && said.name != ""
		if !room.kept || room.mark.Archive == said.archive && !named {
			r.mu.Unlock()
			return
		}
		room.mark.Archive = said.archive
		if named {
			room.mark.Name = said.name
		}
		mark, contact := room.mark, room.contact()
		r.mu.Unlock()
		if err := r.remember(ctx, mark); err != nil {
			r.account.log.Warn().Err(err).Msg("Cannot store what was learned of a room")
		}
		if named {
			r.account.feed.put(bridge.ContactRenamed{Contact: contact}, nil)
		}
	})
}
