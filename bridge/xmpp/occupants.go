package xmpp

import (
	"context"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// occupancy is what a presence of a room says.
type occupancy struct {
	nick    string
	gone    bool
	codes   map[string]bool // XEP-0045 §15.6
	address string          // the occupant's own, where it is shown
	renamed string          // the new nick
	owner   bool
	reason  string
	destroy *stream.Element
}

// readOccupancy reads a presence of somebody in a room.
func readOccupancy(s *stream.Stanza) occupancy {
	x := s.Child(nsMUCUser, "x")
	item := x.Child(nsMUCUser, "item")
	o := occupancy{
		nick: stream.Resource(s.From), gone: s.Type == "unavailable", codes: make(map[string]bool),
		address: item.Attribute("jid"), renamed: item.Attribute("nick"),
		owner:   item.Attribute("affiliation") == "owner",
		reason:  lines(item.Child(nsMUCUser, "reason").Chars()),
		destroy: x.Child(nsMUCUser, "destroy"),
	}
	for _, c := range x.All(nsMUCUser, "status") {
		o.codes[c.Attribute("code")] = true
	}
	return o
}

// takePresence deals with the presence of a room and of those in it.
func (r *rooms) takePresence(s *stream.Stanza) (ok bool) {
	id, valid := bareID(s.From)
	if !valid || s.Type != "" && s.Type != "unavailable" && s.Type != "error" {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.all[id]
	if room == nil {
		return s.Child(nsMUCUser, "x") != nil // of a room that was left
	}
	room.heard = time.Now()
	if s.Type == "error" {
		if room.state == entering {
			r.refused(room, s.Err())
		}
		return true
	}
	o := readOccupancy(s)
	self := o.codes["110"] || o.nick == room.nick
	switch {
	case o.nick == "":
		// The room's own: its picture, and with ejabberd a farewell beside the
		// one that says why.
	case self && !o.gone:
		r.entered(room, o)
	case self && o.codes["303"]:
		room.nick = o.renamed
	case self:
		r.expelled(room, o)
	case o.gone:
		r.left(room, o)
	default:
		room.note(o)
	}
	return true
}

// entered takes note that the account is in a room. The mutex is held.
func (r *rooms) entered(room *room, o occupancy) {
	room.nick = o.nick
	room.owner = o.owner
	if room.state == inside {
		return
	}
	if room.state == outside && room.timer == nil {
		// The answer comes too late: the account has left meanwhile.
		r.send(&stream.Stanza{Kind: stream.Presence, Type: "unavailable", To: string(room.id) + "/" + o.nick})
		return
	}
	room.stopTimer()
	room.state, room.fails, room.refusals, room.made = inside, 0, 0, o.codes["201"]
	room.mark.Closed = false
	if room.behind() {
		room.holding = true
		go r.catchUp(r.account.life, room, room.round)
	} else if room.mark.Seen.IsZero() {
		room.mark.Seen = time.Now()
	}
	if room.made && !room.making {
		r.send(r.open(room.id))
	}
	if room.kept && !room.learned {
		room.learned = true
		r.learn(room.id)
	}
	room.answer(nil)
	r.show(room, bridge.Available)
	r.watch()
}

// expelled takes note that the account is not in a room any more, against its will.
// The mutex is held.
func (r *rooms) expelled(room *room, o occupancy) {
	if room.state == outside {
		return
	}
	was := room.state
	room.stopTimer()
	room.state = outside
	room.round++
	r.show(room, bridge.Offline)
	because := ""
	if o.reason != "" {
		because = ": " + o.reason
	}
	switch {
	case o.destroy != nil:
		r.say(room, "was closed"+destroyed(o.destroy))
		r.close(room)
	case o.codes["301"]:
		r.say(room, "has banned you"+because)
	case o.codes["332"], o.codes["333"]:
		r.comeBack(room) // trouble of the service's own
	case o.codes["307"]:
		r.say(room, "has thrown you out"+because+". To enter it again, write something there")
	case o.codes["321"], o.codes["322"]:
		r.say(room, "is for its members only now, and you are none"+because)
	case was == inside:
		r.comeBack(room)
	}
	room.answer(stream.ErrNotConnected)
	r.forget(room)
}

// close has a room that was destroyed not entered any more until the user, or somebody
// who invites him, says so. The mutex is held.
func (r *rooms) close(room *room) {
	room.mark.Closed = true
	if !room.kept {
		return
	}
	stored := room.mark
	r.post(func(ctx context.Context) {
		if err := r.remember(ctx, stored); err != nil {
			r.account.log.Warn().Err(err).Msg("Cannot store that a room was closed")
		}
	})
}

// destroyed says why a room was closed, and where it goes on.
func destroyed(e *stream.Element) (words string) {
	if why := lines(e.Child(nsMUCUser, "reason").Chars()); why != "" {
		words = ": " + why
	}
	if next, ok := bareID(e.Attribute("jid")); ok {
		words += ". It goes on at " + string(next)
	}
	return words
}

// left takes note that somebody else left a room or has another nick now. The mutex
// is held.
func (r *rooms) left(room *room, o occupancy) {
	address, known := room.addresses[o.nick]
	delete(room.addresses, o.nick)
	who, spoke := room.speakers.remove(o.nick)
	if o.codes["303"] && o.renamed != "" {
		if known {
			room.keepAddress(o.renamed, address)
		}
		if spoke && !isOccupant(who.ID) {
			room.speakers.put(maxSpeakers, o.renamed, who)
			return // the same person still
		}
	}
	if spoke {
		r.account.feed.put(bridge.SpeakerLeft{Chat: bridge.RoomChat(room.id), Who: who}, nil)
	}
}

// note keeps the address of somebody in a small room.
func (r *room) note(o occupancy) {
	if id, ok := bareID(o.address); ok && o.address != "" {
		r.keepAddress(o.nick, id)
	}
}

func (r *room) keepAddress(nick string, address bridge.RemoteID) {
	if r.crowded {
		return
	}
	if r.addresses == nil {
		r.addresses = make(map[string]bridge.RemoteID)
	}
	if r.addresses[nick] = address; len(r.addresses) > maxAddresses {
		// In a crowd people go by their nicks: the room stays small, and nobody
		// is called by an address now and by a nick then.
		r.crowded, r.addresses = true, nil
	}
}

// speaker is who speaks under a nick.
func (r *room) speaker(nick string) bridge.Contact {
	if nick == "" {
		return r.contact()
	}
	if who, ok := r.speakers.get(nick); ok {
		return who
	}
	if id, ok := r.addresses[nick]; ok {
		return bridge.Contact{ID: id}
	}
	id, ok := occupantID(string(r.id), nick)
	if !ok {
		return r.contact()
	}
	return bridge.Contact{ID: id, Name: nick}
}
