package matrix

import (
	"context"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
	"papillon/bridge/text"
)

// This file is where events become messages, for every kind of account, and
// messages become events. What they look like is for package content to say.

// said returns the message that an event is to the account, complete with what it
// refers to; ok is false for one that is not shown. Own is set for what the
// account's user sent. The Chat is left to the caller.
func (a *account) said(ctx context.Context, evt *event.Event, own bool) (m bridge.MessageReceived, ok bool) {
	m, ok = content.Decode(evt, own)
	if !ok {
		return m, false
	}
	if m.Act == text.Deleted && a.origins.untold(place{evt.RoomID, id.EventID(m.Target.Ref)}) {
		return m, false
	}
	m.From = a.contactIn(ctx, evt.RoomID, evt.Sender)
	a.resolve(ctx, evt, &m)
	return m, true
}

// encoded makes the content of a message for a room.
func (a *account) encoded(ctx context.Context, room id.RoomID, message bridge.Outgoing) (*event.Content, error) {
	return content.Encode(message), nil
}

const (
	// ghostOrigins and personOrigins are how many events are remembered for those
	// that refer to them: over all ghosts, and for each person. A person's
	// homeserver may be anybody's; what it says concerns nobody else.
	ghostOrigins, personOrigins = 2048, 256
	// lookBack is how long the homeserver is asked for an event that is not
	// remembered. The messages behind wait meanwhile.
	lookBack = 5 * time.Second
)

// place is where an event stands. Who is in one room shall not learn what was said
// in another one.
type place struct {
	room  id.RoomID
	event id.EventID
}

// origins are the events of the last time, for those that refer to them.
type origins struct {
	*recent[place, content.Origin]
}

func newOrigins(size int) origins { return origins{newRecent[place, content.Origin](size)} }

// note remembers an event, the gateway's own included, when everybody has been told
// of it: from then on an edited message has its new words, and a deleted one none. An
// encrypted one counts when it is opened; of the gateway's own it is known before.
func (o origins) note(evt *event.Event) {
	if evt.StateKey != nil || evt.ID == "" || evt.Type.Type == event.EventEncrypted.Type {
		return
	}
	origin := content.OriginOf(evt)
	o.put(place{evt.RoomID, evt.ID}, origin)
	changed := place{evt.RoomID, origin.Edited}
	if origin.Deleted != "" {
		changed.event = origin.Deleted
	}
	before, ok := o.get(changed)
	if ok && (origin.Deleted != "" || before.Sender == origin.Sender) {
		before.Text = origin.Text
		o.put(changed, before)
	}
}

// untold says whether an event is known as a reaction that was taken back before it
// came: nobody was told of it, so that there is nothing to take back.
func (o origins) untold(where place) bool {
	origin, ok := o.get(where)
	return ok && origin.Reaction && origin.Reacted == ""
}

// resolve completes a message with what it refers to. What cannot be found leaves
// it as it is, but for an edit: it must be the author's.
func (a *account) resolve(ctx context.Context, evt *event.Event, m *bridge.MessageReceived) {
	for range 2 { // a redaction, and the reaction that it takes away
		ref := id.EventID(m.Target.Ref)
		if ref == "" {
			return
		}
		origin, ok := a.originOf(ctx, evt.RoomID, ref)
		if !ok {
			content.Disown(m)
			return
		}
		own := origin.Sender == a.user
		author := a.contactIn(ctx, evt.RoomID, origin.Sender).Name
		content.Resolve(m, evt, origin, or(author, string(origin.Sender)), own)
		if id.EventID(m.Target.Ref) != ref {
			continue
		}
		if own && origin.Sent != "" {
			m.Target.Ref = origin.Sent
		}
		return
	}
}

// originOf returns what is remembered of an event; one that is not is asked for. Of one
// that was deleted the homeserver still knows whether it was a message or a reaction.
func (a *account) originOf(ctx context.Context, room id.RoomID, ref id.EventID) (content.Origin, bool) {
	if origin, ok := a.origins.get(place{room, ref}); ok {
		return origin, true
	}
	var found *event.Event
	err := a.network.callFor(ctx, lookBack, func(ctx context.Context) (err error) {
		found, err = a.client.GetEvent(ctx, room, ref)
		return err
	})
	if err != nil || found == nil || found.RoomID != "" && found.RoomID != room {
		a.log.Debug().Err(err).Str("room", string(room)).Str("event", string(ref)).Msg("What a message refers to cannot be read")
		return content.Origin{}, false
	}
	if found.RoomID = room; found.Type.Type == event.EventEncrypted.Type {
		if found = a.unsealOrigin(ctx, found); found == nil {
			return content.Origin{}, false
		}
	}
	origin := content.OriginOf(found)
	a.origins.put(place{room, ref}, origin)
	return origin, true
}
