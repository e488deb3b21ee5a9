package bridge

import (
	"context"
	"errors"

	"papillon/msnp"
)

// seat is a signed-in user's place in a conversation: a [participant] towards
// the conversation, and the [msnp.Conversation] of the user's switchboard
// connection.
type seat struct {
	user         *user
	switchboard  msnp.Switchboard
	conversation *conversation
	// greeted says that a message from a network was handed over here, so that the
	// client has long read who sits in the conversation. Owned.
	greeted bool
}

// Converse implements [msnp.Session].
func (u *user) Converse(_ context.Context, switchboard msnp.Switchboard) (msnp.Conversation, error) {
	s := &seat{user: u, switchboard: switchboard}
	s.conversation = u.gateway.newConversation(s)
	return s, u.take(s)
}

// take notes that the user sits somewhere, so that the seat is left when the
// user signs out.
func (u *user) take(s *seat) error {
	var err error
	u.owner.do(func() {
		if u.closed {
			err = errSignedOut
			return
		}
		u.windows.seats = append(u.windows.seats, s)
	})
	return err
}

// ID implements [msnp.Conversation].
func (s *seat) ID() uint32 { return s.conversation.id }

// Leave implements [msnp.Conversation].
func (s *seat) Leave() {
	s.conversation.leave(s)
	s.user.owner.post(func() { s.user.windows.leave(s) })
}

// Send implements [msnp.Conversation].
func (s *seat) Send(ctx context.Context, message []byte, done func(error)) {
	s.conversation.say(ctx, utterance{from: s, body: message, done: done})
}

// member implements [participant].
func (s *seat) member() msnp.Member {
	s.user.mu.RLock()
	defer s.user.mu.RUnlock()
	return msnp.Member{Handle: s.user.handle, Name: s.user.name}
}

// joined implements [participant].
func (s *seat) joined(m msnp.Member) { s.switchboard.Joined(m) }

// left implements [participant].
func (s *seat) left(h Handle) { s.switchboard.Left(h) }

// errConnectionDied is why a message did not reach an MSN user.
var errConnectionDied = errors.New("the connection died before the message was through")

// hear implements [participant]: the body goes to the client untouched. Between
// MSN users a message counts as delivered when it is on its way, as on the
// original service.
func (s *seat) hear(_ context.Context, said utterance, done func(error)) {
	if s.switchboard.Message(said.from.member(), said.body, nil) {
		finish(done, nil)
	} else {
		finish(done, errConnectionDied)
	}
}

// Invite implements [msnp.Conversation].
func (s *seat) Invite(ctx context.Context, typed string, reply func()) error {
	g := s.user.gateway
	h, err := g.typedHandle(ctx, typed)
	if err != nil {
		return msnp.Errorf(msnp.CodeInvalidUsername, "%v", err)
	}
	if h == g.assistant().Handle {
		return s.bringIn(newAssistantParticipant(s), reply)
	}
	who, err := g.whois(ctx, s.user.handle, h)
	var unknown *msnp.Error
	if errors.As(err, &unknown) {
		return msnp.Errorf(msnp.CodeNotOnline, "%s", unknown.Reason)
	}
	if err != nil {
		return err
	}
	if who.contact == nil {
		return s.ring(h, reply)
	}
	l := g.awaitLink(ctx, s.user.handle, who.contact.Network)
	if l == nil {
		return msnp.Errorf(msnp.CodeNotOnline, "the account has no identity on %s", who.contact.Network)
	}
	if room := s.conversation.room(l.owner, l.network.Name()); room != nil && !who.contact.Room {
		return s.askIn(ctx, l, room, who, reply)
	}
	return s.bringIn(&remote{gateway: g, owner: s.user.handle, contact: *who.contact}, reply)
}

// askIn asks a person into the room whose window this is.
func (s *seat) askIn(ctx context.Context, l *link, room *remote, who person, reply func()) error {
	if err := s.conversation.call(who.handle); err != nil {
		return err
	}
	order := Order{Kind: OrderInvite, Chat: room.chat(), Text: string(who.contact.ID)}
	if err := l.outbox.add(ctx, order, nil); err != nil {
		s.conversation.uncall(who.handle)
		return err
	}
	reply()
	s.conversation.join(&speaker{who: memberOf(*who.contact)}, func([]msnp.Member) {})
	return nil
}

// bringIn adds somebody who needs no ringing. Who can be written to while
// offline is there at once: after a 217 some clients call the wrong contact from
// then on.
func (s *seat) bringIn(p participant, reply func()) error {
	h := p.member().Handle
	if err := s.conversation.call(h); err != nil {
		return err
	}
	reply()
	s.conversation.join(p, func([]msnp.Member) {})
	s.user.owner.post(func() {
		if together := s.conversation.inParty(h); len(together) > 0 {
			s.user.windows.split(together, s)
			return
		}
		s.user.opened(h, s)
	})
	return nil
}

// opened notes a window with a contact and hands over what waits from him. Owned.
func (u *user) opened(h Handle, s *seat) {
	if h != u.gateway.assistant().Handle {
		u.lastTalk = h
	}
	u.windows.open(h, s)
	if l := u.arrivals.lanes[h]; l != nil {
		u.pump(l)
	}
}

// ring calls a local user.
func (s *seat) ring(h Handle, reply func()) error {
	u := s.user.gateway.user(h)
	if u == nil {
		return msnp.Errorf(msnp.CodeNotOnline, "%s is not signed in", h)
	}
	me, c := s.member(), s.conversation
	if err := c.call(h); err != nil { // first, and for oneself: who is there may have hidden since
		return err
	}
	if err := u.mayRing(me.Handle); err != nil {
		c.uncall(h)
		return err
	}
	reply()
	u.countCall(me.Handle, 1)
	u.notifier.Ring(msnp.Ring{
		ID: c.id, Caller: me,
		Answer: func(_ context.Context, sb msnp.Switchboard) (msnp.Conversation, error) {
			u.countCall(me.Handle, -1)
			return u.answer(c, sb)
		},
		Expired: func() {
			u.countCall(me.Handle, -1)
			c.uncall(h)
		},
	})
	return nil
}

// maxCalls is how many calls of one user another one's client may leave unanswered.
const maxCalls = 5

// mayRing says whether somebody may call the user now. Safe from any goroutine.
func (u *user) mayRing(caller Handle) error {
	u.mu.RLock()
	defer u.mu.RUnlock()
	switch {
	case !u.status.Visible():
		return msnp.Errorf(msnp.CodeNotOnline, "%s is not online", u.handle)
	case !u.letsThrough(caller):
		return msnp.Errorf(msnp.CodeNotOnList, "%s does not let %s through", u.handle, caller)
	case u.calls[caller] >= maxCalls:
		return msnp.Errorf(msnp.CodeTooActive, "%s has %d calls of %s to answer", u.handle, maxCalls, caller)
	}
	return nil
}

// countCall counts calls that are not answered yet. Safe from any goroutine.
func (u *user) countCall(caller Handle, change int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.calls[caller] + change
	switch {
	case n > 0 && u.calls == nil:
		u.calls = map[Handle]int{caller: n}
	case n > 0:
		u.calls[caller] = n
	default:
		delete(u.calls, caller)
	}
	if len(u.calls) == 0 {
		u.calls = nil
	}
}

// answer takes a seat in a conversation that rang.
func (u *user) answer(c *conversation, sb msnp.Switchboard) (msnp.Conversation, error) {
	s := &seat{user: u, switchboard: sb, conversation: c}
	if err := u.take(s); err != nil {
		c.uncall(u.handle)
		return nil, err
	}
	c.join(s, sb.Roster)
	return s, nil
}
