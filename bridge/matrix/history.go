package matrix

import (
	"context"
	"fmt"
	"slices"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
)

var _ bridge.Backlog = (*account)(nil)

const (
	// historyPage is how many events are asked for at once, historyMost how many
	// are looked through for the messages among them.
	historyPage, historyMost = 100, 2000
)

// Keeps implements [bridge.Backlog].
func (a *account) Keeps(bridge.Chat) bool { return true }

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
		if message, ok := a.said(ctx, evt, evt.Sender == a.user); ok {
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
			resp, err = askMessages(ctx, a.client, room, from, min(historyPage, max(2*n, 10)))
			return err
		})
		if err != nil && final(err) {
			return nil, refused(err)
		}
		if err != nil {
			return nil, err
		}
		a.meet(ctx, room, resp.State, speakers(resp.Chunk))
		for _, evt := range resp.Chunk {
			evt.RoomID = room
			if evt.StateKey != nil || len(events) == n || !a.parse(evt, event.MessageEventType) {
				continue
			}
			if evt = a.opened(ctx, evt); a.shows(evt) {
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

// meet takes note of the names of those who wrote, where they are not known. The
// homeserver names those who came and went as well.
func (a *account) meet(ctx context.Context, room id.RoomID, state []*event.Event, wrote map[id.UserID]bool) {
	for _, evt := range state {
		member, ok := evt.Content.Parsed.(*event.MemberEventContent)
		if !ok && a.parse(evt, event.StateEventType) {
			member, ok = evt.Content.Parsed.(*event.MemberEventContent)
		}
		user := id.UserID(evt.GetStateKey())
		if !ok || !wrote[user] {
			continue
		}
		known, err := a.state.TryGetMember(ctx, room, user)
		if err == nil && known == nil {
			err = a.keepSpeaker(ctx, room, user, member)
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
	_, ok := content.Decode(evt, false)
	return ok
}

// opened returns an event as it is to be read: an encrypted one decrypted, if that can
// be.
func (a *account) opened(ctx context.Context, evt *event.Event) *event.Event {
	if evt.Type != event.EventEncrypted {
		return evt
	}
	if err := a.readyForKeys(ctx); err != nil {
		a.log.Debug().Err(err).Msg("Encrypted history cannot be read")
		return evt
	}
	if plain := a.unsealOrigin(ctx, evt); plain != nil {
		return plain
	}
	return evt
}
