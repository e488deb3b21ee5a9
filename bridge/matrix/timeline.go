package matrix

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

const (
	// gapPage is how many events of a gap are asked for at once, maxGap how many
	// at most: more than a thousand nobody reads afterwards, and the room's own
	// history has them.
	gapPage, maxGap = 100, 1000
	// clockMargin is how far the homeservers' clocks may be apart from ours where
	// the time has to tell what was read.
	clockMargin = 5 * time.Minute
)

// timeline returns what happened in a room since the last poll, oldest first, with
// what the poll left out. The past of a room that the person has just come into,
// and that of the account before its first session, is nobody's news.
func (t *turn) timeline(ctx context.Context, room id.RoomID, came *mautrix.SyncTimeline) ([]*event.Event, error) {
	if t.at.Since == "" && !t.lost {
		return nil, nil
	}
	news := gap{events: slices.Clone(came.Events), before: came.PrevBatch, begin: t.byTime}
	if mark := t.book.markOf(room); t.changed.entered[room] {
		news.begin = t.byEntry
	} else if mark != "" {
		news.begin = func(events []*event.Event) int {
			return 1 + slices.IndexFunc(events, func(evt *event.Event) bool { return evt.ID == mark })
		}
	}
	if came.Limited {
		if err := t.missedMembers(ctx, room); err != nil {
			return nil, err
		}
		if err := t.fill(ctx, room, &news); err != nil {
			return nil, err
		}
	}
	return news.events[news.begin(news.events):], nil
}

// gap is a piece of a timeline that is being put together.
type gap struct {
	events []*event.Event // oldest first
	before string         // where the events before these are
	// begin returns where the piece begins, 0 if that is not among the events.
	// The homeserver is not asked to stop there: Dendrite v0.15.2 goes on behind
	// the place where it is told to end, an event a page.
	begin func(events []*event.Event) int
}

// byTime finds the beginning where nothing but the time tells.
func (t *turn) byTime(events []*event.Event) int {
	read := t.at.At.Add(-clockMargin).UnixMilli()
	for i, evt := range slices.Backward(events) {
		if evt.Timestamp < read {
			return i + 1
		}
	}
	return 0
}

// byEntry finds the event with which the person came into a room: the invite,
// because what was said since was said to him, or the join where nobody invited
// him.
func (t *turn) byEntry(events []*event.Event) int {
	begin := 0
	for i, evt := range slices.Backward(events) {
		content, ok := evt.Content.Parsed.(*event.MemberEventContent)
		if !ok || evt.GetStateKey() != string(t.user) {
			continue
		}
		switch content.Membership {
		case event.MembershipInvite:
			return i + 1
		case event.MembershipJoin:
			begin = i + 1
		default: // an earlier stay
			return max(begin, i+1)
		}
	}
	return begin
}

// fill asks for the events before those that came, page by page, until the piece is
// whole. What the homeserver does not let the person see is not there.
func (t *turn) fill(ctx context.Context, room id.RoomID, g *gap) error {
	for g.before != "" && len(g.events) < maxGap && g.begin(g.events) == 0 {
		var resp *mautrix.RespMessages
		err := t.network.call(ctx, func(ctx context.Context) (err error) {
			resp, err = askMessages(ctx, t.client, room, g.before, gapPage)
			return err
		})
		if err != nil && final(err) {
			t.log.Warn().Err(err).Str("room", string(room)).Msg("What was missed in a room cannot be read")
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what was missed in %s: %w", room, err)
		}
		if err := t.fillPage(ctx, room, g, resp); err != nil {
			return err
		}
		if len(resp.Chunk) == 0 || resp.End == g.before {
			return nil
		}
		g.before = resp.End
	}
	if g.before != "" && len(g.events) >= maxGap && g.begin(g.events) == 0 {
		t.log.Warn().Str("room", string(room)).Int("read", len(g.events)).Msg("More was missed in a room than is read; the rest stays in its history")
	}
	return nil
}

// fillPage puts a page, which is newest first, before the others.
func (t *turn) fillPage(ctx context.Context, room id.RoomID, g *gap, resp *mautrix.RespMessages) error {
	for _, evt := range resp.State {
		evt.RoomID = room
		if !t.parse(evt, event.StateEventType) {
			continue
		}
		if content, ok := evt.Content.Parsed.(*event.MemberEventContent); ok {
			if err := t.state.SetMember(ctx, room, id.UserID(evt.GetStateKey()), content); err != nil {
				return fmt.Errorf("store the membership of %s: %w", evt.GetStateKey(), err)
			}
		}
	}
	page := make([]*event.Event, 0, len(resp.Chunk)+len(g.events))
	for _, evt := range slices.Backward(resp.Chunk) {
		evt.RoomID = room
		class := event.MessageEventType
		if evt.StateKey != nil {
			class = event.StateEventType
		}
		t.parse(evt, class)
		page = append(page, evt)
	}
	g.events = append(page, g.events...)
	return nil
}
