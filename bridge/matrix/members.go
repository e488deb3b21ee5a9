package matrix

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// This file is about who is in which room, as far as the gateway has to know it:
// its own accounts everywhere, everybody in small rooms, and in large ones those
// who speak.

// roomsListed is the key under which the room state notes that it knows the rooms
// of all accounts: from then on the events tell.
const roomsListed = id.RoomID("!papillon-listed")

// accountsIn returns the open accounts that are in a room.
func (n *Network) accountsIn(ctx context.Context, room id.RoomID) ([]*account, error) {
	listed, err := n.state.HasFetchedMembers(ctx, roomsListed)
	if err != nil {
		return nil, fmt.Errorf("read the room state: %w", err)
	}
	if listed {
		in, err := n.knownIn(ctx, room)
		if err != nil || len(in) > 0 {
			return in, err
		}
	}
	// The room state does not know the room: it is new, or was lost.
	if err := n.listRooms(ctx); err != nil {
		return nil, err
	}
	if !listed {
		if err := n.state.MarkMembersFetched(ctx, roomsListed); err != nil {
			return nil, fmt.Errorf("write the room state: %w", err)
		}
	}
	return n.knownIn(ctx, room)
}

// knownIn returns the open accounts that the room state has in a room.
func (n *Network) knownIn(ctx context.Context, room id.RoomID) ([]*account, error) {
	members, err := n.state.GetRoomMembers(ctx, room, event.MembershipJoin)
	if err != nil {
		return nil, fmt.Errorf("read the members of %s: %w", room, err)
	}
	var in []*account
	for user := range members {
		if a := n.account(user); a != nil {
			in = append(in, a)
		}
	}
	return in, nil
}

// listRooms reads the rooms of every account into the room state, once in the
// life of an account.
func (n *Network) listRooms(ctx context.Context) error {
	if err := n.bot.listRooms(ctx); err != nil {
		return err
	}
	for _, a := range n.open() {
		a.mu.Lock()
		listed := a.listed
		a.mu.Unlock()
		if listed {
			continue
		}
		if err := a.listRooms(ctx); err != nil {
			return err
		}
		a.mu.Lock()
		a.listed = true
		a.mu.Unlock()
	}
	return nil
}

func (a *account) listRooms(ctx context.Context) error {
	joined, err := a.joinedRooms(ctx)
	if err != nil {
		return err
	}
	for _, room := range joined {
		if err := a.state.SetMembership(ctx, room, a.user, event.MembershipJoin); err != nil {
			return fmt.Errorf("store the rooms of %s: %w", a.user, err)
		}
	}
	return nil
}

// joinedRooms asks in which rooms the account is.
func (a *account) joinedRooms(ctx context.Context) ([]id.RoomID, error) {
	if err := a.ensureReady(ctx); err != nil {
		return nil, err
	}
	var resp *mautrix.RespJoinedRooms
	err := a.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = a.client.JoinedRooms(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the rooms of %s: %w", a.user, err)
	}
	return resp.JoinedRooms, nil
}

// keepMember stores a membership, unless it is that of a silent member of a group
// whose members are not all known.
func (n *Network) keepMember(ctx context.Context, room id.RoomID, user id.UserID, content *event.MemberEventContent) error {
	lazy := false
	if !n.ghosts.owns(user) {
		var err error
		if lazy, err = n.lazy(ctx, room); err != nil {
			return err
		}
	}
	if lazy {
		known, err := n.state.TryGetMember(ctx, room, user)
		if err != nil {
			return fmt.Errorf("read the members of %s: %w", room, err)
		}
		if known == nil {
			return nil
		}
	}
	if err := n.state.SetMember(ctx, room, user, content); err != nil {
		return fmt.Errorf("store the membership of %s: %w", user, err)
	}
	if lazy || content.Membership != event.MembershipJoin {
		return nil
	}
	return n.thinOut(ctx, room)
}

// lazy says whether a room is a group of which only those who speak are known.
func (n *Network) lazy(ctx context.Context, room id.RoomID) (bool, error) {
	fetched, err := n.state.HasFetchedMembers(ctx, room)
	if err != nil {
		return false, fmt.Errorf("read the members of %s: %w", room, err)
	}
	if fetched {
		return false, nil
	}
	return n.groupHere(ctx, room)
}

// groupHere says whether a room is a group for one of the accounts in it.
func (n *Network) groupHere(ctx context.Context, room id.RoomID) (bool, error) {
	in, err := n.knownIn(ctx, room)
	if err != nil {
		return false, err
	}
	for _, a := range in {
		if group, err := a.isGroup(ctx, room); group || err != nil {
			return group, err
		}
	}
	return false, nil
}

// thinOut forgets the members of a group that has grown large, but for our own:
// from then on those are known who speak.
func (n *Network) thinOut(ctx context.Context, room id.RoomID) error {
	members, err := n.state.GetRoomMembers(ctx, room, event.MembershipJoin)
	if err != nil {
		return fmt.Errorf("read the members of %s: %w", room, err)
	}
	if len(members) <= 2*maxKept {
		return nil
	}
	if encrypted, err := n.state.IsEncrypted(ctx, room); err != nil || encrypted {
		return err // whose messages go to each of them by himself
	}
	if group, err := n.groupHere(ctx, room); err != nil || !group {
		return err
	}
	err = n.options.StateDB.DoTxn(ctx, nil, func(ctx context.Context) error {
		if err := n.state.ClearCachedMembers(ctx, room); err != nil {
			return err
		}
		for user, content := range members {
			if !n.ghosts.owns(user) {
				continue
			}
			if err := n.state.SetMember(ctx, room, user, content); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget the members of %s: %w", room, err)
	}
	return nil
}

// contactIn returns somebody with the name used in a room. Where another one who is
// known there has the same name, the id tells them apart (Client-Server API,
// "Calculating the display name for a user").
func (a *account) contactIn(ctx context.Context, room id.RoomID, user id.UserID) bridge.Contact {
	contact := bridge.Contact{ID: bridge.RemoteID(user)}
	member, err := a.state.TryGetMember(ctx, room, user)
	if err == nil && member == nil && (a.pushed || a.state.realm != "") {
		if member, err = a.memberState(ctx, room, user); err == nil {
			err = a.state.SetMember(ctx, room, user, member)
		}
	}
	if err != nil || member == nil {
		a.log.Debug().Err(err).Str("room", string(room)).Msg("Member cannot be read")
		return contact
	}
	contact.Name = oneLine(member.Displayname)
	if contact.Name == "" || a.isFollowed(user) {
		return contact
	}
	alike, err := a.state.IsConfusableName(ctx, room, user, member.Displayname)
	if err != nil || len(alike) == 0 {
		return contact
	}
	if direct, ok, err := a.network.options.Chats.DirectChat(ctx, a.owner, Name, contact.ID); err != nil || ok && id.RoomID(direct) == room {
		return contact // there is nobody else to mean
	}
	contact.Name = fmt.Sprintf("%s (%s)", contact.Name, user)
	return contact
}

// memberState asks for somebody's membership of a room, which is known from then on.
func (a *account) memberState(ctx context.Context, room id.RoomID, user id.UserID) (*event.MemberEventContent, error) {
	content := &event.MemberEventContent{}
	err := a.network.call(ctx, func(ctx context.Context) error {
		return a.client.StateEvent(ctx, room, event.StateMember, string(user), content)
	})
	return content, err
}

// isFollowed says whether somebody is a contact of the user's.
func (a *account) isFollowed(user id.UserID) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, followed := a.watched[user]
	return followed
}
