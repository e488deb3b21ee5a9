package matrix

import (
	"context"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// This file is where events become messages and messages become events, for every
// kind of account.

// echoKey is the part of an event's content that holds the [bridge.Outgoing.ID] of
// a message of ours. It comes back with the event in every way there is, which the
// transaction id does not.
const echoKey = "dev.papillon.message"

// decoded translates a message-like event; ok is false for one that is not shown.
func decoded(evt *event.Event) (message bridge.MessageReceived, ok bool) {
	r, ok := render(evt)
	return bridge.MessageReceived{Kind: r.kind, Text: r.text}, ok
}

// encoded makes the content of a message for a room.
func (a *account) encoded(_ context.Context, _ id.RoomID, message bridge.Outgoing) (*event.Content, error) {
	return &event.Content{
		Parsed: &event.MessageEventContent{MsgType: event.MsgText, Body: message.Text},
		Raw:    map[string]any{echoKey: message.ID},
	}, nil
}

// echoOf returns the [bridge.Outgoing.ID] of a message that the account's user
// sent, by this account or an earlier one of the same gateway; empty if another
// client did.
func echoOf(evt *event.Event) string {
	id, _ := evt.Content.Raw[echoKey].(string)
	return id
}
