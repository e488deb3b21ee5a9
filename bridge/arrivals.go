package bridge

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"papillon/bridge/text"
	"papillon/msnp"
	"papillon/msnp/body"
)

const (
	// ringAgainFirst and ringAgainMost bound the pause before a client that
	// did not answer a ring is rung again.
	ringAgainFirst = 30 * time.Second
	ringAgainMost  = 10 * time.Minute
	// onWayMost is how many bytes of one contact's messages may be on their
	// way to a client. Who was away for long has more waiting than a
	// connection's queue takes.
	onWayMost = 64 << 10
	// lateAfter is how old a message may be and still go without a time.
	lateAfter = time.Minute
)

// arrival is an incoming message on the last part of its way.
type arrival struct {
	entry   InboxEntry
	contact msnp.Member // in whose window it belongs
	from    msnp.Member // who speaks: the contact, or somebody in a room
	// skipped are the inbox ids of the messages, itself included, for which this one
	// stands as one line; see [user.abridge].
	skipped []int64
}

// arrivals are the messages that a signed-in user's client has not been handed
// yet, by contact. The store has all of them. All methods are owned.
type arrivals struct {
	lanes  map[Handle]*lane
	loaded int64 // the newest id that was read from the store at sign-in
}

// lane is what waits from one contact, oldest first.
type lane struct {
	contact Handle
	queue   []arrival
	ringing bool
	tries   int // rings without an answer
	timer   *time.Timer
	onWay   int  // bytes handed over of which the client has not all
	broken  bool // some of them were lost: wait for the fate of all, to keep the order
}

// lane returns the lane of a contact.
func (a *arrivals) lane(h Handle) *lane {
	if a.lanes == nil {
		a.lanes = make(map[Handle]*lane)
	}
	l := a.lanes[h]
	if l == nil {
		l = &lane{contact: h}
		a.lanes[h] = l
	}
	return l
}

// put sorts an arrival into its lane, once.
func (a *arrivals) put(m arrival) *lane {
	l := a.lane(m.entry.Handle)
	i, there := slices.BinarySearchFunc(l.queue, m.entry.ID, func(q arrival, id int64) int { return cmp.Compare(q.entry.ID, id) })
	if !there {
		l.queue = slices.Insert(l.queue, i, m)
	}
	return l
}

// loadArrivals reads what waits for the user. Owned; see [Gateway.Open].
func (u *user) loadArrivals(ctx context.Context) error {
	entries, err := u.gateway.Storage.InboxOf(ctx, u.handle)
	if err != nil {
		return fmt.Errorf("read inbox: %w", err)
	}
	members := map[Handle]msnp.Member{u.gateway.assistant().Handle: u.gateway.assistant()}
	for _, e := range entries {
		if u.gateway.reaper.has(e.ID) {
			continue // handed over already; the store is about to learn it
		}
		m := arrival{entry: e}
		if m.contact, err = u.gateway.memberCalled(ctx, e.Handle, members); err != nil {
			return err
		}
		m.from = m.contact
		if e.Speaker != "" {
			if m.from, err = u.gateway.memberCalled(ctx, e.Speaker, members); err != nil {
				return err
			}
		}
		u.arrivals.put(m)
		u.arrivals.loaded = e.ID
	}
	return nil
}

// memberCalled finds the contact of a handle, for the first time in the store.
func (g *Gateway) memberCalled(ctx context.Context, h Handle, known map[Handle]msnp.Member) (msnp.Member, error) {
	if m, ok := known[h]; ok {
		return m, nil
	}
	contact, stored, err := g.Storage.ContactByHandle(ctx, h)
	if err != nil {
		return msnp.Member{}, fmt.Errorf("read contact: %w", err)
	}
	known[h] = msnp.Member{Handle: h, Name: string(h)}
	if stored {
		known[h] = memberOf(contact)
	}
	return known[h], nil
}

// add takes in a message that has just been stored, and hands it over if that is
// possible now.
func (a *arrivals) add(u *user, m arrival) {
	if m.entry.ID > a.loaded && !u.closed {
		u.pump(a.put(m))
	}
}

// settled takes note that a client has a message, or takes it back when the
// connection died before. Then the next goes on its way.
func (a *arrivals) settled(u *user, l *lane, m arrival, size int, ok bool) {
	l.onWay -= size
	if !ok {
		l.broken = true
		a.put(m)
	}
	if l.onWay == 0 {
		l.broken = false
	}
	u.pump(l)
}

// resume hands over what waits, oldest first: the user is to be seen again.
func (a *arrivals) resume(u *user) {
	lanes := make([]*lane, 0, len(a.lanes))
	for _, l := range a.lanes {
		if len(l.queue) > 0 {
			lanes = append(lanes, l)
		}
	}
	slices.SortFunc(lanes, func(x, y *lane) int { return cmp.Compare(x.queue[0].entry.ID, y.queue[0].entry.ID) })
	for _, l := range lanes {
		u.pump(l)
	}
}

// stop ends the timers.
func (a *arrivals) stop() {
	for _, l := range a.lanes {
		if l.timer != nil {
			l.timer.Stop()
		}
	}
}

// pump hands over what waits in a lane: into the open window, or after a ring.
// A hidden user gets nothing: "clients cannot receive any instant messages in
// this state" (draft-movva-00 §7.7). Owned.
func (u *user) pump(l *lane) {
	if len(l.queue) == 0 || l.broken || u.closed || !u.status.Visible() || u.catching[l.queue[0].entry.Network] {
		return
	}
	u.abridge(l)
	if s := u.windows.find(l.contact); s != nil {
		for first := true; len(l.queue) > 0 && l.onWay < onWayMost; first = false {
			m := l.queue[0]
			l.queue = l.queue[1:]
			if !first && len(l.queue) == 0 {
				s.switchboard.Pause()
			}
			if !u.hand(l, s, m) {
				u.windows.leave(s) // its connection is dead and only has to notice
				return
			}
		}
		return
	}
	if !l.ringing {
		u.ringFor(l)
	}
}

// ringFor calls the user's client into a conversation with a contact. Owned.
func (u *user) ringFor(l *lane) {
	c := u.gateway.newConversation()
	p := u.partner(l.queue[0])
	if p == nil {
		return // the identity is not open now; its opening pumps again
	}
	c.members = []participant{p}
	l.ringing = true
	u.notifier.Ring(msnp.Ring{
		ID:     c.id,
		Caller: p.member(),
		Apart:  true,
		Answer: func(_ context.Context, sb msnp.Switchboard) (msnp.Conversation, error) {
			return u.answerFor(l, c, sb)
		},
		Expired: func() { u.owner.post(func() { u.ringExpired(l) }) },
	})
}

// partner makes the participant whose message is to be shown; nil when that is
// not possible now. Owned.
func (u *user) partner(m arrival) participant {
	if m.entry.Handle == u.gateway.assistant().Handle {
		return &assistantParticipant{gateway: u.gateway}
	}
	for _, l := range u.links {
		if l.network.Name() == m.entry.Network {
			return &remote{gateway: u.gateway, owner: u.handle, contact: m.window()}
		}
	}
	return nil
}

// window is the contact in whose window a message belongs.
func (m arrival) window() ContactRecord {
	chat := m.entry.Message.Chat
	c := ContactRecord{Handle: m.contact.Handle, Network: m.entry.Network, ID: chat.Contact, Name: m.contact.Name, Room: chat.isRoom()}
	if c.ID == "" { // a group that is no contact shows with whoever speaks
		c.ID = m.entry.Message.From.ID
	}
	return c
}

// isRoom says whether the chat is that of a room contact.
func (c Chat) isRoom() bool { return c.Group != "" && string(c.Contact) == c.Group }

// answerFor takes the user's seat after a ring and hands over what waits.
func (u *user) answerFor(l *lane, c *conversation, sb msnp.Switchboard) (msnp.Conversation, error) {
	conversation, err := u.answer(c, sb)
	if err != nil {
		return nil, err
	}
	u.owner.post(func() {
		l.ringing, l.tries = false, 0
		u.opened(l.contact, conversation.(*seat))
	})
	return conversation, nil
}

// ringExpired rings again some time after a client did not answer. Owned.
func (u *user) ringExpired(l *lane) {
	l.ringing = false
	if u.closed {
		return
	}
	pause := min(ringAgainFirst<<min(l.tries, 10), ringAgainMost)
	l.tries++
	u.log().Info().Str("contact", string(l.contact)).Stringer("pause", pause).
		Msg("The client did not answer a call; its messages wait")
	l.timer = time.AfterFunc(pause, func() { u.owner.post(func() { u.pump(l) }) })
}

// hand writes a message into a window, for all who sit in it. It leaves the inbox
// when the user's client has the last piece of it. It returns false when the
// window's connection is dead. Owned.
func (u *user) hand(l *lane, s *seat, m arrival) (queued bool) {
	var pieces [][]byte
	size := 0
	room := m.entry.Message.Chat.isRoom()
	if m.entry.Network != assistantNetwork {
		u.lastTalk = m.contact.Handle
	}
	format := formatOf(m.entry.Message.Style)
	for _, piece := range text.Split(u.wording(m), body.MaxText) {
		raw := body.NewText(piece, format).Append(nil)
		pieces = append(pieces, raw)
		size += len(raw)
	}
	l.onWay += size
	if len(pieces) == 0 { // nothing that MSN could show
		u.handed(l, m, 0, true)
		return true
	}
	if room && s.conversation.seatSpeaker(m.from) || !s.greeted {
		s.switchboard.Pause()
	}
	s.greeted = true
	for i, raw := range pieces {
		var delivered func(bool)
		if i == len(pieces)-1 {
			if i > 0 {
				s.switchboard.Pause()
			}
			delivered = func(ok bool) { u.handed(l, m, size, ok) }
		}
		queued = s.switchboard.Message(m.from, raw, delivered)
		if !m.entry.Message.Own {
			s.conversation.overhear(m.from.Handle, s, m.entry.Network, room, raw)
		}
	}
	return queued
}

// handed is told whether the client has a message.
func (u *user) handed(l *lane, m arrival, size int, ok bool) {
	if ok {
		u.gateway.reaper.done(m.entry.ID)
		for _, id := range m.skipped {
			u.gateway.reaper.done(id)
		}
		if l := u.gateway.linkOf(u.handle, m.entry.Network); l != nil && size > 0 {
			l.reading.handed(m.entry.Message)
		}
	}
	u.owner.post(func() { u.arrivals.settled(u, l, m, size, ok) })
}

// elsewhere marks what the user wrote with another client.
const elsewhere = "[you, elsewhere]"

// wording puts a message into words for the user's client: what kind it is, and
// when it was sent if that was a while ago.
func (u *user) wording(m arrival) string {
	msg := m.entry.Message
	words := msg.Text
	who := m.from.Name
	if msg.Own { // the window is the friend's, the deed is not
		who = u.statusFor(u.handle).Contact.Name
	}
	if msg.Kind == Emoted {
		words = "* " + who + " " + words
	}
	if msg.Own {
		words = elsewhere + " " + words
	}
	words = text.FromNetwork(words, u.era)
	if !msg.Own { // it is in the friend's name either way: nobody else shall write the mark
		words = strings.ReplaceAll(words, elsewhere, "(you, elsewhere)")
	}
	if now := time.Now(); now.Sub(msg.Sent) > lateAfter {
		words = text.Stamp(msg.Sent.In(now.Location()), now) + " " + words
	}
	return words
}
