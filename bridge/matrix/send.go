package matrix

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/content"
)

// late is how old a message is when it keeps its own time instead of getting
// the homeserver's.
const late = time.Minute

// typingTimeout is how long others see somebody typing who says no more. MSN
// clients say it every five seconds, and nothing when they cease.
const typingTimeout = 10 * time.Second

// Send implements [bridge.Account]. A message to somebody without a room makes
// one. A homeserver that does not let the ghost write to the room is taken to
// mean that the room is over: it is mended once before the message is given up.
func (a *account) Send(ctx context.Context, message bridge.Outgoing) error {
	if err := a.ensureReady(ctx); err != nil {
		return a.sendError(err)
	}
	if message.Chat.Group != "" {
		group, err := a.groupRoom(ctx, message.Chat.Group)
		if err != nil {
			return a.sendError(err)
		}
		err = a.put(ctx, group, message)
		if forbidden(err) && a.join(ctx, group) == nil {
			err = a.put(ctx, group, message)
		}
		return a.sendError(err)
	}
	contact := id.UserID(message.Chat.Contact)
	if !a.nature.reaches(contact) {
		return refused(fmt.Errorf("send to %q: it is not an address on Matrix", contact))
	}
	return a.sendError(a.nature.sendDirect(ctx, contact, message))
}

// sendDirect implements [nature]. When the ghost may not write to the room, it
// first comes back if it can, and then takes a new one.
func (g ghost) sendDirect(ctx context.Context, contact id.UserID, message bridge.Outgoing) error {
	a := g.account
	room, err := a.directRoom(ctx, contact)
	if err != nil {
		return err
	}
	if err = a.put(ctx, room, message); !forbidden(err) && !notThere(err) {
		return err
	}
	back, err := a.comeBack(ctx, room, contact)
	if err != nil {
		return err
	}
	if back {
		if err = a.put(ctx, room, message); !forbidden(err) && !notThere(err) {
			return err
		}
	}
	a.log.Debug().Str("room", string(room)).Str("contact", string(contact)).Msg("Direct room is over")
	if err := a.leave(ctx, room); err != nil {
		return err
	}
	if room, err = a.directRoom(ctx, contact); err != nil {
		return err
	}
	return a.put(ctx, room, message)
}

// sendError sorts an error of Send into what is tried again and what is not.
func (a *account) sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case final(err):
		return refused(fmt.Errorf("send as %s: %w", a.user, err))
	}
	return fmt.Errorf("send as %s: %w", a.user, err)
}

// put sends a message to a room, in several events if it is longer than one may be.
// A try after a failure begins with the first again, which the homeserver has by
// then and does not tell anybody twice.
func (a *account) put(ctx context.Context, room id.RoomID, message bridge.Outgoing) error {
	for i, piece := range content.Split(message) {
		transaction := a.transactionID(message.ID)
		if i > 0 {
			transaction += fmt.Sprintf("-%d", i+1)
		}
		if err := a.putPiece(ctx, room, piece, transaction); err != nil {
			return err
		}
	}
	return nil
}

// putPiece makes the request. The transaction id is the same at every try, and has
// the user in it: homeservers keep one list for the whole gateway.
func (a *account) putPiece(ctx context.Context, room id.RoomID, message bridge.Outgoing, transaction string) error {
	encoded, err := a.encoded(ctx, room, message)
	if err != nil {
		return err
	}
	kind, sealed, err := a.seal(ctx, room, encoded)
	if err != nil {
		return err
	}
	extra := mautrix.ReqSendEvent{TransactionID: transaction}
	if !message.Sent.IsZero() && time.Since(message.Sent) > late {
		extra.Timestamp = message.Sent.UnixMilli()
	}
	var resp *mautrix.RespSendEvent
	err = a.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = a.client.SendMessageEvent(ctx, room, kind, sealed, extra)
		return err
	})
	if err != nil {
		return err
	}
	a.origins.note(&event.Event{
		ID: resp.EventID, RoomID: room, Sender: a.user, Type: event.EventMessage, Content: *encoded,
	})
	return nil
}

func (a *account) transactionID(message string) string {
	return url.QueryEscape(a.user.Localpart()) + "-" + url.QueryEscape(message)
}

// comeBack joins a room the ghost was invited back to, and says whether the
// contact can read what is written there.
func (a *account) comeBack(ctx context.Context, room id.RoomID, contact id.UserID) (bool, error) {
	if err := a.join(ctx, room); err != nil {
		if final(err) {
			return false, nil
		}
		return false, err
	}
	others, err := a.others(ctx, room)
	return slices.Contains(others, contact), err
}

// roomOf returns the room of a chat; ok is false if there is none yet.
func (a *account) roomOf(ctx context.Context, chat bridge.Chat) (room id.RoomID, ok bool, err error) {
	if chat.Group != "" {
		room, err = a.groupRoom(ctx, chat.Group)
		return room, err == nil, err
	}
	stored, ok, err := a.network.options.Chats.DirectChat(ctx, a.owner, Name, chat.Contact)
	if err != nil {
		return "", false, fmt.Errorf("find the room of %s: %w", chat.Contact, err)
	}
	return id.RoomID(stored), ok, nil
}

// Typing implements [bridge.Typist]. It never makes a room. Who is hidden is not seen
// typing.
func (a *account) Typing(ctx context.Context, chat bridge.Chat, typing bool) error {
	if a.hides() {
		return nil
	}
	room, ok, err := a.roomOf(ctx, chat)
	if err != nil || !ok {
		return err
	}
	err = a.network.call(ctx, func(ctx context.Context) error {
		_, err := a.client.UserTyping(ctx, room, typing, typingTimeout)
		return err
	})
	if err != nil {
		return fmt.Errorf("show %s typing: %w", a.user, err)
	}
	return nil
}
