package matrix

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

var _ bridge.Backlog = (*account)(nil)

const (
	// historyPage is how many events are asked for at once, historyMost how many
	// are looked through for the messages among them.
	historyPage, historyMost = 100, 2000
)

// History implements [bridge.Backlog]. Messages are read as live ones are.
func (a *account) History(ctx context.Context, chat bridge.Chat, n int) ([]bridge.MessageReceived, error) {
	if err := a.ensureReady(ctx); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	room, ok, err := a.roomOf(ctx, chat)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if !ok || n <= 0 {
		return nil, nil
	}
	events, err := a.lastMessages(ctx, room, n)
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", room, err)
	}
	all := make([]bridge.MessageReceived, 0, len(events))
	for _, evt := range slices.Backward(events) {
		if message, ok := a.told(ctx, evt); ok {
			message.Chat = chat
			all = append(all, message)
		}
	}
	return all, nil
}

// lastMessages returns the last n events of a room that are messages, newest first.
func (a *account) lastMessages(ctx context.Context, room id.RoomID, n int) (events []*event.Event, err error) {
	from := ""
	for looked := 0; len(events) < n && looked < historyMost; {
		var resp *mautrix.RespMessages
		err := a.network.call(ctx, func(ctx context.Context) (err error) {
			resp, err = a.client.Messages(ctx, room, from, "", mautrix.DirectionBackward,
				&mautrix.FilterPart{LazyLoadMembers: true}, min(historyPage, max(2*n, 10)))
			return err
		})
		if err != nil && final(err) {
			return nil, refused(err)
		}
		if err != nil {
			return nil, err
		}
		a.meet(ctx, room, resp.State)
		for _, evt := range resp.Chunk {
			evt.RoomID = room
			if evt.StateKey == nil && a.parse(evt, event.MessageEventType) && a.shows(evt) && len(events) < n {
				events = append(events, evt)
			}
		}
		looked += len(resp.Chunk)
		if len(resp.Chunk) == 0 || resp.End == "" || resp.End == from {
			break
		}
		from = resp.End
	}
	return events, nil
}

// meet takes note of the names of those who wrote, where they are not known.
func (a *account) meet(ctx context.Context, room id.RoomID, state []*event.Event) {
	for _, evt := range state {
		content, ok := evt.Content.Parsed.(*event.MemberEventContent)
		if !ok && a.parse(evt, event.StateEventType) {
			content, ok = evt.Content.Parsed.(*event.MemberEventContent)
		}
		user := id.UserID(evt.GetStateKey())
		known, err := a.network.state.TryGetMember(ctx, room, user)
		if ok && err == nil && known == nil {
			err = a.network.state.SetMember(ctx, room, user, content)
		}
		if err != nil {
			a.log.Debug().Err(err).Str("room", string(room)).Msg("Member cannot be stored")
		}
	}
}

// shows says whether an event is something that the user is shown: what was deleted
// is not, and so neither is its deletion.
func (a *account) shows(evt *event.Event) bool {
	if evt.Type == event.EventRedaction || evt.Unsigned.RedactedBecause != nil || len(evt.Content.Raw) == 0 {
		return false
	}
	_, ok := decoded(evt)
	return ok
}

// told returns the message that an event of long ago is.
func (a *account) told(ctx context.Context, evt *event.Event) (bridge.MessageReceived, bool) {
	message, ok := decoded(evt)
	if !ok {
		return message, false
	}
	message.ID, message.Own = string(evt.ID), evt.Sender == a.user
	if message.Own {
		message.ID = or(echoOf(evt), message.ID)
	}
	message.From = a.contactIn(ctx, evt.RoomID, evt.Sender)
	message.Sent = sentAt(evt, time.Now())
	return message, true
}
