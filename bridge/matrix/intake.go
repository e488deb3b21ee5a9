package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// changes is what one poll changed in the book.
type changes struct {
	rooms   map[id.RoomID]bool // of which something is new
	entered map[id.RoomID]bool // that the person was not in before
	direct  bool
	ignored bool
}

// take deals with everything that a poll brought, in the order in which it makes
// sense to a user: who is on the list, who wants to be, what they said, how they
// are. After an error the same poll is made again; doing all of it twice does no
// harm.
func (t *turn) take(ctx context.Context, resp *mautrix.RespSync) error {
	if t.changed == nil {
		t.changed = &changes{rooms: make(map[id.RoomID]bool), entered: make(map[id.RoomID]bool)}
	}
	if err := t.absorb(ctx, resp); err != nil {
		return err
	}
	if err := t.tellLists(ctx); err != nil {
		return err
	}
	for room, invited := range resp.Rooms.Invite {
		if err := t.takeInvite(ctx, room, invited.State.Events); err != nil {
			return err
		}
	}
	if err := t.hear(ctx, resp); err != nil {
		return err
	}
	t.passing(ctx, resp)
	t.note(resp)
	t.changed = nil
	return nil
}

// absorb brings the book and the room state up to date.
func (t *turn) absorb(ctx context.Context, resp *mautrix.RespSync) error {
	for _, evt := range resp.AccountData.Events {
		if !t.parse(evt, event.AccountDataEventType) {
			continue
		}
		switch content := evt.Content.Parsed.(type) {
		case *event.DirectChatsEventContent:
			t.book.setDirect(*content)
			t.changed.direct = true
		case *event.IgnoredUserListEventContent:
			t.book.setIgnored(content.IgnoredUsers)
			t.changed.ignored = true
		}
	}
	for room, joined := range resp.Rooms.Join {
		if err := t.absorbRoom(ctx, room, joined); err != nil {
			return err
		}
	}
	for room := range resp.Rooms.Leave {
		if err := t.gone(ctx, room); err != nil {
			return err
		}
	}
	return nil
}

// absorbRoom takes in what is new of a room.
func (t *turn) absorbRoom(ctx context.Context, room id.RoomID, joined *mautrix.SyncJoinedRoom) error {
	if !t.book.knows(room) {
		t.changed.entered[room] = true
		if err := t.answered(ctx, room); err != nil {
			return err
		}
	}
	t.book.change(room, func(f *facts) { f.summary(joined.Summary) })
	if !joined.Summary.IsZero() || t.changed.entered[room] {
		t.changed.rooms[room] = true
	}
	var states []*event.Event
	for _, events := range [][]*event.Event{joined.State.Events, joined.Timeline.Events} {
		for _, evt := range events {
			evt.RoomID = room
			if evt.StateKey == nil {
				t.parse(evt, event.MessageEventType)
			} else if t.parse(evt, event.StateEventType) {
				states = append(states, evt)
			}
		}
	}
	if len(states) == 0 {
		return nil
	}
	t.changed.rooms[room] = true
	// In one transaction: a first sync brings hundreds, and a commit for each would keep
	// all others from the database.
	return t.network.options.StateDB.DoTxn(ctx, nil, func(ctx context.Context) error {
		keeps, err := t.keeps(ctx, room, joined)
		if err != nil {
			return err
		}
		for _, evt := range states {
			if err := t.absorbState(ctx, evt, keeps); err != nil {
				return err
			}
		}
		return nil
	})
}

// absorbState takes in a state event; keeps says whose membership is stored.
func (t *turn) absorbState(ctx context.Context, evt *event.Event, keeps func(id.UserID) bool) error {
	t.book.change(evt.RoomID, func(f *facts) { f.state(evt, t.user) })
	switch content := evt.Content.Parsed.(type) {
	case *event.MemberEventContent:
		if user := id.UserID(evt.GetStateKey()); keeps(user) {
			return t.absorbMember(ctx, evt.RoomID, user, content)
		}
	case *event.EncryptionEventContent:
		if evt.GetStateKey() == "" {
			return t.state.keepEncryption(ctx, evt.RoomID, content)
		}
	}
	return nil
}

// absorbMember stores somebody's membership.
func (t *turn) absorbMember(ctx context.Context, room id.RoomID, user id.UserID, content *event.MemberEventContent) error {
	if t.network.pushes(t.state, user) {
		known, err := t.state.TryGetMember(ctx, room, user)
		if err != nil {
			return fmt.Errorf("read the membership of %s: %w", user, err)
		}
		if known != nil {
			return nil
		}
	}
	if err := t.state.SetMember(ctx, room, user, content); err != nil {
		return fmt.Errorf("store the membership of %s: %w", user, err)
	}
	return nil
}

// gone takes in that the person is no longer in a room, or no longer invited.
func (t *turn) gone(ctx context.Context, room id.RoomID) error {
	if err := t.answered(ctx, room); err != nil {
		return err
	}
	if t.book.knows(room) {
		t.book.forget(room)
		t.changed.rooms[room] = true
	}
	if err := t.state.SetMembership(ctx, room, t.user, event.MembershipLeave); err != nil {
		return fmt.Errorf("store that %s was left: %w", room, err)
	}
	return t.forgetRoom(ctx, room)
}

// hear hands over what was said, in the order of each room and, over all rooms, as
// nearly as that allows in the order of time.
func (t *turn) hear(ctx context.Context, resp *mautrix.RespSync) (err error) {
	var lanes [][]*event.Event
	for _, room := range slices.Sorted(maps.Keys(resp.Rooms.Join)) {
		events, err := t.timeline(ctx, room, &resp.Rooms.Join[room].Timeline)
		if err != nil {
			return err
		}
		if len(events) > 0 {
			lanes = append(lanes, events)
		}
	}
	if slices.ContainsFunc(lanes, func(events []*event.Event) bool { return len(events) > timelineLimit }) {
		if err := t.receive(ctx, bridge.CatchingUp{}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.receive(context.WithoutCancel(ctx), bridge.CatchingUp{Done: true})) }()
	}
	for len(lanes) > 0 {
		oldest := 0
		for i := range lanes {
			if lanes[i][0].Timestamp < lanes[oldest][0].Timestamp {
				oldest = i
			}
		}
		if err := t.hearEvent(ctx, lanes[oldest][0]); err != nil {
			return err
		}
		if lanes[oldest] = lanes[oldest][1:]; len(lanes[oldest]) == 0 {
			lanes = slices.Delete(lanes, oldest, oldest+1)
		}
	}
	return nil
}

// withBot says whether a room is the chat with the gateway's own bot. It is nobody's
// contact: on MSN the helper contact does what it does.
func (p *person) withBot(room id.RoomID) bool {
	bot := p.network.ghosts.bot
	return bot != "" && p.book.contactOf(room) == bot
}

// hearEvent takes care of one event of a timeline.
func (p *person) hearEvent(ctx context.Context, evt *event.Event) error {
	if p.seen.has(evt.ID) || p.book.ignores(evt.Sender) || p.withBot(evt.RoomID) {
		return nil
	}
	unlock := p.network.rooms.lock(p.state.key(evt.RoomID))
	defer unlock()
	if err := p.heardEvent(ctx, evt); err != nil {
		return err
	}
	p.seen.add(evt.ID)
	return nil
}

func (p *person) heardEvent(ctx context.Context, evt *event.Event) error {
	if content, ok := evt.Content.Parsed.(*event.MemberEventContent); ok {
		return p.memberHeard(ctx, evt, content)
	}
	if evt.Type == event.StateTombstone && evt.GetStateKey() == "" && !p.book.couple(evt.RoomID) && evt.Sender != p.user {
		return p.replaced(ctx, evt)
	}
	if evt.StateKey != nil {
		return nil
	}
	if evt.Type == event.EventEncrypted {
		plain, err := p.unseal(ctx, evt)
		if err != nil || plain == nil {
			return err
		}
		evt = plain
	}
	if err := p.message(ctx, evt); err != nil {
		return err
	}
	p.origins.note(evt)
	return nil
}

// memberHeard tells that somebody left a room.
func (p *person) memberHeard(ctx context.Context, evt *event.Event, content *event.MemberEventContent) error {
	who := id.UserID(evt.GetStateKey())
	if device := p.sealing.current(); device != nil {
		device.Member(ctx, evt)
	}
	if !content.Membership.IsLeaveOrBan() || who == p.user {
		return nil
	}
	chat, err := p.chatOf(ctx, evt.RoomID, evt.Sender)
	if err != nil || chat.Group == "" {
		return err
	}
	return p.receive(ctx, bridge.SpeakerLeft{Chat: chat, Who: bridge.Contact{ID: bridge.RemoteID(who), Name: oneLine(content.Displayname)}})
}

// passing deals with what is true for the moment: presence and typing.
func (t *turn) passing(ctx context.Context, resp *mautrix.RespSync) {
	now := time.Now()
	for _, evt := range resp.Presence.Events {
		if t.parse(evt, event.EphemeralEventType) {
			t.presenceEvent(evt, now)
		}
	}
	for room, joined := range resp.Rooms.Join {
		for _, evt := range joined.Ephemeral.Events {
			evt.RoomID = room
			if evt.Type.Type == event.EphemeralEventTyping.Type && !t.withBot(room) && t.parse(evt, event.EphemeralEventType) {
				t.typingEvent(ctx, evt)
			}
		}
	}
}

// note marks what changed as being to be stored. It comes after what was said: a
// room that is in storage counts as one whose past is known.
func (t *turn) note(resp *mautrix.RespSync) {
	for room, joined := range resp.Rooms.Join {
		if n := len(joined.Timeline.Events); n > 0 {
			t.book.change(room, func(f *facts) { f.Mark = joined.Timeline.Events[n-1].ID })
			t.changed.rooms[room] = true
		}
	}
	if t.unsaved == nil {
		t.unsaved = t.changed
		return
	}
	maps.Copy(t.unsaved.rooms, t.changed.rooms)
	t.unsaved.direct = t.unsaved.direct || t.changed.direct
	t.unsaved.ignored = t.unsaved.ignored || t.changed.ignored
}

// saveBook stores what changed in the book.
func (t *turn) saveBook(ctx context.Context) error {
	if t.unsaved == nil {
		return nil
	}
	for room := range t.unsaved.rooms {
		text, err := t.book.text(room)
		if err != nil {
			return fmt.Errorf("write what is known of %s: %w", room, err)
		}
		if err := t.remember(ctx, memoryRoom+string(room), text); err != nil {
			return err
		}
	}
	t.book.mu.Lock()
	direct, directErr := json.Marshal(t.book.direct)
	ignored, ignoredErr := json.Marshal(slices.Sorted(maps.Keys(t.book.ignored)))
	t.book.mu.Unlock()
	if err := errors.Join(directErr, ignoredErr); err != nil {
		return fmt.Errorf("write the account's lists: %w", err)
	}
	if t.unsaved.direct {
		if err := t.remember(ctx, memoryDirect, string(direct)); err != nil {
			return err
		}
	}
	if t.unsaved.ignored {
		if err := t.remember(ctx, memoryIgnored, string(ignored)); err != nil {
			return err
		}
	}
	t.unsaved = nil
	return nil
}
