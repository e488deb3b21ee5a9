package xmpp

import (
	"context"
	"strconv"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// What was said in a room while the account was not in it is in the room's archive
// (XEP-0313), where it has one: the history that comes with entering is twenty
// messages on most services. The archive is read before entering, so that all
// messages come in order; what falls in between, and rooms without an archive, the
// history is for.

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

// catchUp reads the archive of a room since the last message that was seen, and
// then knocks. It ends early where the archive cannot be read: it is read at the
// next time, or the history has to do.
func (r *rooms) catchUp(ctx context.Context, room *room, round int) {
	r.mu.Lock()
	since := room.mark.Seen.Add(-historyMargin)
	id := digest(string(room.id), strconv.Itoa(round), time.Now().String())
	room.reading = id
	r.mu.Unlock()
	last := ""
	for range catchUpPages {
		fin, err := r.archivePage(ctx, room.id, id, since, last)
		if err != nil {
			r.account.log.Debug().Err(err).Str("room", string(room.id)).Msg("Cannot read the archive of a room")
			break
		}
		next := fin.Child(nsPaging, "set").Child(nsPaging, "last").Chars()
		if fin.Attribute("complete") == "true" || next == "" || next == last {
			break
		}
		last = next
	}
	// What was read goes before what comes with entering: it is in the feed.
	r.mu.Lock()
	defer r.mu.Unlock()
	room.reading = ""
	if room.round == round && room.state == entering {
		r.arm(room)
		r.knock(room, r.firstNick(room))
	}
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
		name, archive := r.account.describe(ctx, id)
		r.mu.Lock()
		room := r.all[id]
		if room == nil || !room.kept || room.mark.Archive == archive && (name == "" || room.mark.Name != "") {
			r.mu.Unlock()
			return
		}
		room.mark.Archive = archive
		named := room.mark.Name == "" && name != ""
		if named {
			room.mark.Name = name
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
