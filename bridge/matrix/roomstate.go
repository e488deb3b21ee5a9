package matrix

import (
	"context"
	"fmt"
	"strings"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
	"maunium.net/go/mautrix/sqlstatestore"

	"papillon/bridge"
)

// roomState is what one homeserver says of rooms: who is in them, and whether they are
// encrypted. The homeserver of somebody who is logged in may be anybody's, and what it
// says must not count for others: that somebody is in a room would have the room's keys
// be sent to him. All methods are safe from any goroutine.
type roomState struct {
	store *sqlstatestore.SQLStateStore
	// realm begins the names of rooms in storage; it is empty for the gateway's own
	// homeserver.
	realm string
}

// own is what the gateway's own homeserver says.
func (n *Network) own() roomState { return roomState{store: n.state} }

// stateOf is what a client's homeserver says.
func (n *Network) stateOf(client *mautrix.Client) roomState {
	base := client.HomeserverURL
	if base == nil || n.base != nil && n.base.String() == base.String() {
		return n.own()
	}
	return roomState{store: n.state, realm: base.String() + " "}
}

func (s roomState) key(room id.RoomID) id.RoomID { return id.RoomID(s.realm) + room }

func (s roomState) TryGetMember(ctx context.Context, room id.RoomID, user id.UserID) (*event.MemberEventContent, error) {
	return s.store.TryGetMember(ctx, s.key(room), user)
}

func (s roomState) GetRoomMembers(ctx context.Context, room id.RoomID, memberships ...event.Membership) (map[id.UserID]*event.MemberEventContent, error) {
	return s.store.GetRoomMembers(ctx, s.key(room), memberships...)
}

func (s roomState) IsMembership(ctx context.Context, room id.RoomID, user id.UserID, memberships ...event.Membership) bool {
	return s.store.IsMembership(ctx, s.key(room), user, memberships...)
}

func (s roomState) IsConfusableName(ctx context.Context, room id.RoomID, user id.UserID, name string) ([]id.UserID, error) {
	return s.store.IsConfusableName(ctx, s.key(room), user, name)
}

func (s roomState) SetMember(ctx context.Context, room id.RoomID, user id.UserID, member *event.MemberEventContent) error {
	return s.store.SetMember(ctx, s.key(room), user, member)
}

func (s roomState) SetMembership(ctx context.Context, room id.RoomID, user id.UserID, membership event.Membership) error {
	return s.store.SetMembership(ctx, s.key(room), user, membership)
}

func (s roomState) ReplaceCachedMembers(ctx context.Context, room id.RoomID, members []*event.Event) error {
	return s.store.ReplaceCachedMembers(ctx, s.key(room), members)
}

func (s roomState) ClearCachedMembers(ctx context.Context, room id.RoomID, memberships ...event.Membership) error {
	return s.store.ClearCachedMembers(ctx, s.key(room), memberships...)
}

func (s roomState) HasFetchedMembers(ctx context.Context, room id.RoomID) (bool, error) {
	return s.store.HasFetchedMembers(ctx, s.key(room))
}

func (s roomState) IsEncrypted(ctx context.Context, room id.RoomID) (bool, error) {
	return s.store.IsEncrypted(ctx, s.key(room))
}

func (s roomState) GetEncryptionEvent(ctx context.Context, room id.RoomID) (*event.EncryptionEventContent, error) {
	return s.store.GetEncryptionEvent(ctx, s.key(room))
}

func (s roomState) GetHistoryVisibility(ctx context.Context, room id.RoomID) (*event.HistoryVisibilityEventContent, error) {
	return s.store.GetHistoryVisibility(ctx, s.key(room))
}

// FindSharedRooms returns the encrypted rooms in which somebody is.
func (s roomState) FindSharedRooms(ctx context.Context, user id.UserID) ([]id.RoomID, error) {
	all, err := s.store.FindSharedRooms(ctx, user)
	var rooms []id.RoomID
	for _, key := range all {
		if room, ok := strings.CutPrefix(string(key), s.realm); ok && isRoom(bridge.RemoteID(room)) {
			rooms = append(rooms, id.RoomID(room))
		}
	}
	return rooms, err
}

// keepEncryption stores that a room is encrypted, which is for ever: whatever the room
// may say later, by mistake or so that people write in the clear, it is not plain again.
func (s roomState) keepEncryption(ctx context.Context, room id.RoomID, content *event.EncryptionEventContent) error {
	kept := *content
	kept.Algorithm = id.AlgorithmMegolmV1
	if err := s.store.SetEncryptionEvent(ctx, s.key(room), &kept); err != nil {
		return fmt.Errorf("store the encryption of %s: %w", room, err)
	}
	return nil
}
