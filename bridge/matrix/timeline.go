package matrix

import (
	"context"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

const (
	// clockMargin is how far the homeservers' clocks may be apart from ours where
	// the time has to tell what was read.
	clockMargin = 5 * time.Minute
	// A room that the person has just come into may be listed before the homeserver
	// tells what it is (Dendrite v0.15.2 under load, one time in twenty): it is asked
	// again so often, after such a pause.
	bareTries, barePause = 5, 200 * time.Millisecond
)

// bare says whether a poll lists a new room without its state.
func (t *turn) bare(resp *mautrix.RespSync) bool {
	is := func(evt *event.Event) bool { return evt.Type.Type == event.StateCreate.Type }
	for room, joined := range resp.Rooms.Join {
		if !t.book.knows(room) && !slices.ContainsFunc(joined.State.Events, is) && !slices.ContainsFunc(joined.Timeline.Events, is) {
			return true
		}
	}
	return false
}

// timeline returns what happened in a room since the last poll, oldest first, with
// what the poll left out. The past of a room that the person has just come into,
// and that of the account before its first session, is nobody's news.
func (t *turn) timeline(ctx context.Context, room id.RoomID, came *mautrix.SyncTimeline) ([]*event.Event, error) {
	if t.at.Since == "" && !t.lost {
		return nil, nil
	}
	news := gap{events: slices.Clone(came.Events), before: came.PrevBatch, whole: came.PrevBatch == "", begin: t.byTime}
	if mark := t.book.markOf(room); t.changed.entered[room] {
		news.begin = byEntry(t.user)
	} else if mark != "" {
		news.begin = func(events []*event.Event) (int, bool) {
			i := slices.IndexFunc(events, func(evt *event.Event) bool { return evt.ID == mark })
			return i + 1, i >= 0
		}
	}
	if came.Limited {
		if err := t.missedMembers(ctx, room); err != nil {
			return nil, err
		}
		if err := t.network.fill(ctx, t.client, room, &news); err != nil {
			return nil, err
		}
		t.meet(ctx, room, news.members, speakers(news.events))
	}
	return news.news(), nil
}

// byTime finds the beginning where nothing but the time tells.
func (t *turn) byTime(events []*event.Event) (int, bool) {
	read := t.at.At.Add(-clockMargin).UnixMilli()
	for i, evt := range slices.Backward(events) {
		if evt.Timestamp < read {
			return i + 1, true
		}
	}
	return 0, false
}
