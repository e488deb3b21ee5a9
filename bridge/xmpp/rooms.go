package xmpp

import (
	"context"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// rooms are the chats of many that the account is in.
type rooms struct{ account *account }

// has says whether an address is that of a room that the account is in, or of
// somebody there.
func (r *rooms) has(address string) bool { return false }

// chat is the chat of a room, by the key under which the gateway knows it.
func (r *rooms) chat(address string) bridge.Chat {
	return bridge.RoomChat(bridge.RemoteID(stream.Bare(address)))
}

// bounced takes note that a room sent something back.
func (r *rooms) bounced(s *stream.Stanza) {}

// find returns the room that a chat is held in; ok is false for a direct chat.
func (r *rooms) find(ctx context.Context, chat bridge.Chat) (room bridge.RemoteID, ok bool, err error) {
	return "", false, nil
}

// sendToRoom says something in a room.
func (a *account) sendToRoom(ctx context.Context, room bridge.RemoteID, m bridge.Outgoing) error {
	return errPending
}

// take deals with a stanza that concerns a room: groupchat messages, presences
// of rooms, invites (mediated and direct). Ok is false for all others.
func (r *rooms) take(s *stream.Stanza, done func()) (ok bool) {
	if s.Kind == stream.Presence {
		r.account.unlockFrom(s.From)
	}
	return false
}

// enter joins what is to be joined, after a new session began.
func (r *rooms) enter(ctx context.Context) {}

// leaveAll says farewell in all rooms and keeps them for the next time.
func (r *rooms) leaveAll(ctx context.Context) {}

// entries are the rooms as contacts, for a roster.
func (r *rooms) entries() []bridge.RosterEntry { return nil }

// accept and decline answer a pending invite; ok is false if there is none.
func (r *rooms) accept(ctx context.Context, room bridge.RemoteID) (ok bool, err error)  { return }
func (r *rooms) decline(ctx context.Context, room bridge.RemoteID) (ok bool, err error) { return }
