package xmpp

import (
	"context"
	"encoding/json"
	"fmt"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// invite is an invitation to a room that the user has not answered.
type invite struct {
	From     string `json:"from"`               // who invites
	Mediated bool   `json:"mediated,omitempty"` // by the room: it can be told no
	Password string `json:"password,omitempty"`
	reason   string
	number   int // counts up
}

// takeInvite deals with invitations, by the room (XEP-0045 §7.8.2) and direct
// (XEP-0249), and with the answers to those of the user's, which rooms that he is in
// tell.
func (r *rooms) takeInvite(s *stream.Stanza, done func()) (ok bool) {
	id, i, ok := readInvite(s)
	if ok {
		r.invited(id, i, done)
		return true
	}
	d := s.Child(nsMUCUser, "x").Child(nsMUCUser, "decline")
	if who, valid := bareID(d.Attribute("from")); d != nil && valid && r.has(s.From) {
		words := string(who) + " does not want to come into " + stream.Bare(s.From)
		if why := lines(d.Child(nsMUCUser, "reason").Chars()); why != "" {
			words += ": " + why
		}
		r.account.feed.put(bridge.NetworkSays{Text: words}, done)
		return true
	}
	return false
}

// readInvite reads an invitation of either form.
func readInvite(s *stream.Stanza) (room bridge.RemoteID, i invite, ok bool) {
	if s.Type == "groupchat" {
		return "", i, false
	}
	x := s.Child(nsMUCUser, "x")
	if e := x.Child(nsMUCUser, "invite"); e != nil {
		room, ok = bareID(s.From)
		i = invite{
			From: e.Attribute("from"), Mediated: true, Password: x.Child(nsMUCUser, "password").Chars(),
			reason: lines(e.Child(nsMUCUser, "reason").Chars()),
		}
		return room, i, ok && !isServer(string(room))
	}
	if e := s.Child(nsConference, "x"); e.Attribute("jid") != "" {
		room, ok = bareID(e.Attribute("jid"))
		i = invite{From: s.From, Password: e.Attribute("password"), reason: lines(e.Attribute("reason"))}
		return room, i, ok && !isServer(string(room))
	}
	return "", i, false
}

// inviter names who invites: rooms that hide addresses tell the nick only.
func (i invite) inviter(id bridge.RemoteID) string {
	if nick := stream.Resource(i.From); nick != "" && sameBare(i.From, string(id)) {
		return trimName(nick)
	}
	return stream.Bare(i.From)
}

// maxInvites is how many unanswered invitations are known without a look at the store;
// beyond that, one that comes again is told again. maxInvitesOf is how many of one
// person's are told.
const maxInvites, maxInvitesOf = 100, 10

// invited tells the user of an invitation, once: it often comes in both forms. One to a
// room that the account has been put out of lets it in again.
func (r *rooms) invited(id bridge.RemoteID, i invite, done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.all[id]
	_, known := r.invites[id]
	if room != nil && room.kept && room.state != outside || known || !r.noteInvite(id, i) {
		finish(done)
		return
	}
	r.asking.post(func() { r.tellInvite(r.account.life, id, i, done) })
}

// noteInvite remembers an invitation in place of the oldest; it is false for one more of
// somebody who invites to a lot. The mutex is held.
func (r *rooms) noteInvite(id bridge.RemoteID, i invite) bool {
	if r.invites == nil {
		r.invites = make(map[bridge.RemoteID]invite)
	}
	of, oldest := 0, id
	for other, o := range r.invites {
		i.number = max(i.number, o.number+1)
		if stream.Bare(o.From) == stream.Bare(i.From) {
			of++
		}
		if oldest == id || o.number < r.invites[oldest].number {
			oldest = other
		}
	}
	if of >= maxInvitesOf {
		return false
	}
	if len(r.invites) >= maxInvites {
		delete(r.invites, oldest)
	}
	r.invites[id] = i
	return true
}

// tellInvite asks the room what it is called and tells the user of the invitation. What
// does not turn out to be a room is not told: whoever is once taken for a room is one for
// all users.
func (r *rooms) tellInvite(ctx context.Context, id bridge.RemoteID, i invite, done func()) {
	said, ok := r.account.describeRoom(ctx, id)
	if !ok {
		r.account.log.Info().Str("room", string(id)).Str("from", i.From).Msg("An invitation to what is no room was dropped")
		r.mu.Lock()
		delete(r.invites, id)
		r.mu.Unlock()
		finish(done)
		return
	}
	note := "an invitation"
	if who := i.inviter(id); who != "" {
		note += " from " + who
	}
	if i.reason != "" {
		note += ": " + i.reason
	}
	value, err := json.Marshal(i)
	if err == nil {
		err = r.recollect(ctx, memoryInvite+string(id), string(value))
	}
	if err != nil {
		r.account.log.Warn().Err(err).Msg("Cannot store an invitation")
	}
	request := bridge.ContactRequested{From: bridge.Contact{ID: id, Name: said.name, Room: true}, Note: note}
	if inviter, ok := bareID(i.From); ok && inviter != id {
		request.Inviter = inviter
	}
	r.account.feed.put(request, done)
}

// pending returns an invitation and takes it for answered.
func (r *rooms) pending(ctx context.Context, id bridge.RemoteID) (i invite, ok bool, err error) {
	value, err := r.account.network.options.Memory.Recall(ctx, r.account.owner, Name, memoryInvite+string(id))
	if err != nil {
		return i, false, fmt.Errorf("recall invitation: %w", err)
	}
	r.mu.Lock()
	i, ok = r.invites[id]
	r.mu.Unlock()
	if ok || value == "" {
		return i, ok, nil
	}
	if err := json.Unmarshal([]byte(value), &i); err != nil {
		return i, false, fmt.Errorf("recall invitation: %w", err)
	}
	return i, true, nil
}

// answered forgets an invitation.
func (r *rooms) answered(ctx context.Context, id bridge.RemoteID) error {
	r.mu.Lock()
	delete(r.invites, id)
	r.mu.Unlock()
	return r.recollect(ctx, memoryInvite+string(id), "")
}

// accept and decline answer a pending invite; ok is false if there is none.
func (r *rooms) accept(ctx context.Context, id bridge.RemoteID) (ok bool, err error) {
	i, ok, err := r.pending(ctx, id)
	if err != nil || !ok {
		return ok, err
	}
	if _, err := r.enterAndKeep(ctx, bookmark{Room: id, Password: i.Password}); err != nil {
		return true, err
	}
	return true, r.answered(ctx, id)
}

func (r *rooms) decline(ctx context.Context, id bridge.RemoteID) (ok bool, err error) {
	i, ok, err := r.pending(ctx, id)
	if err != nil || !ok {
		return ok, err
	}
	if i.Mediated && i.From != "" {
		s := &stream.Stanza{Kind: stream.Message, To: string(id), Children: []*stream.Element{
			// Prosody 0.12 drops a decline without a reason.
			stream.NewElement(nsMUCUser, "x").With(stream.NewElement(nsMUCUser, "decline", "to", i.From).
				With(stream.NewElement(nsMUCUser, "reason"))),
		}}
		if err := r.account.port.send(ctx, s); err != nil {
			return true, fmt.Errorf("decline the invitation to %s: %w", id, err)
		}
	}
	return true, r.answered(ctx, id)
}

// turnAway declines an invitation that the user does not let through.
func (r *rooms) turnAway(id bridge.RemoteID) {
	r.post(func(ctx context.Context) {
		if _, err := r.decline(ctx, id); err != nil {
			r.account.log.Warn().Err(err).Msg("Cannot decline an invitation")
		}
	})
}
