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
	news := gap{room: room, events: slices.Clone(came.Events), before: came.PrevBatch}
	switch {
	case t.at.Since == "" && !t.lost:
		return nil, nil
	case t.at.Since == "":
		news.begins = func(evt *event.Event) bool {
			return time.UnixMilli(evt.Timestamp).Before(t.at.At.Add(-clockMargin))
		}
	case t.changed.entered[room]:
		news.begins = t.coming()
	default:
		news.until = t.at.Since
	}
	if came.Limited {
		if err := t.missedMembers(ctx, room); err != nil {
			return nil, err
		}
		if err := t.fill(ctx, &news); err != nil {
			return nil, err
		}
	}
	return news.cut(), nil
}

// gap is a piece of a timeline that is being put together.
type gap struct {
	room   id.RoomID
	events []*event.Event // oldest first
	before string         // where the events before these are
	until  string         // where they end; empty if begins says so
	// begins says, of events from the newest to the oldest, whether the piece
	// begins behind this one. Nil if until does.
	begins func(*event.Event) bool
}

// cut returns the events that belong to the piece.
func (g *gap) cut() []*event.Event {
	if g.begins == nil {
		return g.events
	}
	for i, evt := range slices.Backward(g.events) {
		if g.begins(evt) {
			return g.events[i+1:]
		}
	}
	return g.events
}

// coming returns a test for the event with which the person came into a room: the
// invite, because what was said since was said to him, or the join where nobody
// invited him.
func (t *turn) coming() func(*event.Event) bool {
	joined := false
	return func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.MemberEventContent)
		if !ok || evt.GetStateKey() != string(t.user) {
			return false
		}
		switch {
		case content.Membership == event.MembershipInvite:
			return true
		case content.Membership == event.MembershipJoin && !joined:
			joined = true
			return !invitedBefore(evt)
		}
		return joined // anything before the join that is no invite
	}
}

// invitedBefore says whether a join answers an invite, as far as the event tells; one
// that does not tell is taken to.
func invitedBefore(join *event.Event) bool {
	if join.Unsigned.PrevContent == nil {
		return join.Unsigned.ReplacesState != ""
	}
	membership, _ := join.Unsigned.PrevContent.Raw["membership"].(string)
	return membership == string(event.MembershipInvite)
}

// fill asks for the events before those that came, page by page, until the piece is
// whole. What the homeserver does not let the person see is not there.
func (t *turn) fill(ctx context.Context, g *gap) error {
	whole := func(page []*event.Event) bool { return g.begins != nil && slices.ContainsFunc(page, g.begins) }
	newest := slices.Clone(g.events)
	slices.Reverse(newest)
	if whole(newest) {
		return nil
	}
	for g.before != "" && len(g.events) < maxGap {
		var resp *mautrix.RespMessages
		err := t.network.call(ctx, func(ctx context.Context) (err error) {
			resp, err = t.client.Messages(ctx, g.room, g.before, g.until, mautrix.DirectionBackward,
				&mautrix.FilterPart{LazyLoadMembers: true}, gapPage)
			return err
		})
		if err != nil && final(err) {
			t.log.Warn().Err(err).Str("room", string(g.room)).Msg("What was missed in a room cannot be read")
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what was missed in %s: %w", g.room, err)
		}
		if err := t.fillPage(ctx, g, resp); err != nil {
			return err
		}
		if len(resp.Chunk) == 0 || resp.End == "" || resp.End == g.before || whole(resp.Chunk) {
			return nil
		}
		g.before = resp.End
	}
	return nil
}

// fillPage puts a page, which is newest first, before the others.
func (t *turn) fillPage(ctx context.Context, g *gap, resp *mautrix.RespMessages) error {
	for _, evt := range resp.State {
		evt.RoomID = g.room
		if !t.parse(evt, event.StateEventType) {
			continue
		}
		if content, ok := evt.Content.Parsed.(*event.MemberEventContent); ok {
			if err := t.network.state.SetMember(ctx, g.room, id.UserID(evt.GetStateKey()), content); err != nil {
				return fmt.Errorf("store the membership of %s: %w", evt.GetStateKey(), err)
			}
		}
	}
	page := make([]*event.Event, 0, len(resp.Chunk)+len(g.events))
	for _, evt := range slices.Backward(resp.Chunk) {
		evt.RoomID = g.room
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
