package matrix

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
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
	if group := id.RoomID(message.Chat.Group); group != "" {
		err := a.put(ctx, group, message)
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

// put makes the request. The transaction id is the same at every try, and has
// the user in it: homeservers keep one list for the whole gateway.
func (a *account) put(ctx context.Context, room id.RoomID, message bridge.Outgoing) error {
	content, err := a.encoded(ctx, room, message)
	if err != nil {
		return err
	}
	kind, sealed, err := a.seal(ctx, room, content)
	if err != nil {
		return err
	}
	extra := mautrix.ReqSendEvent{TransactionID: a.transactionID(message.ID)}
	if !message.Sent.IsZero() && time.Since(message.Sent) > late {
		extra.Timestamp = message.Sent.UnixMilli()
	}
	return a.network.call(ctx, func(ctx context.Context) error {
		_, err := a.client.SendMessageEvent(ctx, room, kind, sealed, extra)
		return err
	})
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

// Typing implements [bridge.Typist]. It never makes a room.
func (a *account) Typing(ctx context.Context, chat bridge.Chat, typing bool) error {
	room := id.RoomID(chat.Group)
	if room == "" {
		stored, ok, err := a.network.options.Chats.DirectChat(ctx, a.owner, Name, chat.Contact)
		if err != nil {
			return fmt.Errorf("find the room of %s: %w", chat.Contact, err)
		}
		if !ok {
			return nil
		}
		room = id.RoomID(stored)
	}
	err := a.network.call(ctx, func(ctx context.Context) error {
		_, err := a.client.UserTyping(ctx, room, typing, typingTimeout)
		return err
	})
	if err != nil {
		return fmt.Errorf("show %s typing: %w", a.user, err)
	}
	return nil
}
