package matrix

import (
	"context"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
)

// This file is about rooms that are replaced by others, which is how Matrix gives a room
// a newer version: the old one falls silent, and the conversation goes on in the new one
// (Client-Server API, "Room Upgrades"). An MSN client cannot go there by itself.

// roomReplaced has the accounts in a room go where it goes on.
func (n *Network) roomReplaced(ctx context.Context, evt *event.Event) error {
	accounts, err := n.accountsIn(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := a.replaced(ctx, evt); err != nil {
			return err
		}
	}
	return nil
}

// replaced has the account enter the room by which one of its rooms is replaced, and
// tells the user. A direct chat goes on by the invite that comes with its upgrade, or in
// the room that the next message makes.
func (a *account) replaced(ctx context.Context, evt *event.Event) error {
	tombstone, ok := evt.Content.Parsed.(*event.TombstoneEventContent)
	if !ok || !isRoom(bridge.RemoteID(tombstone.ReplacementRoom)) || tombstone.ReplacementRoom == evt.RoomID {
		return nil
	}
	chat, err := a.nature.chatOf(ctx, evt.RoomID, evt.Sender)
	if err != nil || chat.Group == "" {
		return err
	}
	return a.network.joinSoon(ctx, joinKey{a.user, tombstone.ReplacementRoom}, func(ctx context.Context) error {
		return a.moveOn(ctx, evt, chat, tombstone.ReplacementRoom)
	}, a.spawn)
}

// moveOn enters the new room.
func (a *account) moveOn(ctx context.Context, evt *event.Event, chat bridge.Chat, room id.RoomID) error {
	line := "[this room goes on in another one, which lets nobody in without an invite]"
	_, err := a.enter(ctx, bridge.RemoteID(fmt.Sprintf("%s?via=%s", room, evt.Sender.Homeserver())))
	switch {
	case errors.Is(err, bridge.ErrRefused), errors.Is(err, bridge.ErrNoSuchContact):
	case err != nil:
		return fmt.Errorf("go on in %s: %w", room, err)
	default:
		if err := a.nature.entered(ctx, room); err != nil {
			return fmt.Errorf("go on in %s: %w", room, err)
		}
		title, err := a.titleOf(ctx, room)
		if err != nil {
			return fmt.Errorf("go on in %s: %w", room, err)
		}
		line = fmt.Sprintf("[this room goes on in another one, where you are now: %s]", title.title)
		if err := a.nature.movedOn(ctx, bridge.Contact{ID: bridge.RemoteID(room), Name: title.title, Room: true}); err != nil {
			return err
		}
	}
	return a.receive(ctx, bridge.MessageReceived{
		ID: string(evt.ID), Chat: chat, From: a.contactIn(ctx, evt.RoomID, evt.Sender), Kind: bridge.Notice, Text: line,
		Sent: content.SentAt(evt, time.Now()),
	})
}

// movedOn implements [nature]: a ghost's contact list is kept by the gateway, and
// the user is asked about the room as about any other that the ghost came into.
func (g ghost) movedOn(ctx context.Context, room bridge.Contact) error {
	return g.receive(ctx, bridge.ContactRequested{From: room, Note: "a room of yours goes on here"})
}

// movedOn implements [nature]: the next poll brings the room.
func (p *person) movedOn(context.Context, bridge.Contact) error { return nil }
