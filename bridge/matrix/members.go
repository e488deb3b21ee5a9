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
	if encrypted, err := n.state.IsEncrypted(ctx, room); err != nil || encrypted {
		return err // whose messages go to each of them by himself
	}
	members, err := n.state.GetRoomMembers(ctx, room, event.MembershipJoin)
	if err != nil {
		return fmt.Errorf("read the members of %s: %w", room, err)
	}
	if len(members) <= 2*maxKept {
		return nil
	}
	if group, err := n.groupHere(ctx, room); err != nil || !group {
		return err
	}
	return n.forgetMembers(ctx, n.own(), room)
}

// forgetMembers forgets who is in a room, but for our own. Whoever speaks next is asked
// for, and all of them are when the members have to be known.
func (n *Network) forgetMembers(ctx context.Context, state roomState, room id.RoomID) error {
	err := n.butOurs(ctx, state, room, n.hosts, func(ctx context.Context) error {
		return state.ClearCachedMembers(ctx, room)
	})
	if err != nil {
		return fmt.Errorf("forget the members of %s: %w", room, err)
	}
	return nil
}

// butOurs changes what is known of a room's members, but of those who are to be kept.
func (n *Network) butOurs(ctx context.Context, state roomState, room id.RoomID, ours func(id.UserID) bool, change func(context.Context) error) error {
	return n.options.StateDB.DoTxn(ctx, nil, func(ctx context.Context) error {
		members, err := state.GetRoomMembers(ctx, room)
		if err != nil {
			return err
		}
		if err := change(ctx); err != nil {
			return err
		}
		for user, content := range members {
			if !ours(user) {
				continue
			}
			if err := state.SetMember(ctx, room, user, content); err != nil {
				return err
			}
		}
		return nil
	})
}

// pushes says whether the homeserver pushes what becomes of a user. What was asked for may be
// older then than what is known, and must not take its place: a ghost that is not known
// to be in a room hears nothing of it.
func (n *Network) pushes(state roomState, user id.UserID) bool {
	return state.realm == "" && n.ghosts.owns(user)
}

// hosts says whether a user is one of the gateway's: a ghost, the bot, or somebody whose
// own account is open.
func (n *Network) hosts(user id.UserID) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.accounts[user] != nil || n.ghosts.owns(user)
}

// maxSpeakers is how many of those who spoke are known of a room whose members are not
// all known. When there are more all are forgotten, and asked for as they speak again.
const maxSpeakers = 128

// keepSpeaker stores the membership of somebody who spoke.
func (a *account) keepSpeaker(ctx context.Context, room id.RoomID, user id.UserID, member *event.MemberEventContent) error {
	if _, _, err := a.knownMembers(ctx, room); err != nil {
		return err
	}
	return a.state.SetMember(ctx, room, user, member)
}

// knownMembers returns who is known in a room, after it was seen to that they are not too
// many; all is set instead where everybody is known.
func (a *account) knownMembers(ctx context.Context, room id.RoomID) (known map[id.UserID]*event.MemberEventContent, all bool, err error) {
	if all, err = a.state.HasFetchedMembers(ctx, room); err != nil {
		return nil, false, fmt.Errorf("read the members of %s: %w", room, err)
	}
	if all {
		return nil, true, nil
	}
	if known, err = a.state.GetRoomMembers(ctx, room); err != nil {
		return nil, false, fmt.Errorf("read the members of %s: %w", room, err)
	}
	others := 0
	for user := range known {
		if !a.network.hosts(user) {
			others++
		}
	}
	if others < maxSpeakers {
		return known, false, nil
	}
	return nil, false, a.network.forgetMembers(ctx, a.state, room)
}

// speakers returns who wrote the messages among events.
func speakers(events []*event.Event) map[id.UserID]bool {
	all := make(map[id.UserID]bool)
	for _, evt := range events {
		if evt.StateKey == nil {
			all[evt.Sender] = true
		}
	}
	return all
}

// keeps returns of whom the membership is to be stored that a poll brings: everybody's
// in a small room and where all are known already, who in an encrypted room get its keys.
// Of any other room the homeserver may list thousands.
func (t *turn) keeps(ctx context.Context, room id.RoomID, joined *mautrix.SyncJoinedRoom) (func(id.UserID) bool, error) {
	known, all, err := t.knownMembers(ctx, room)
	if err != nil {
		return nil, err
	}
	size := max(t.book.size(room), len(joined.State.Events))
	if all && size > 2*maxKept {
		encrypted, err := t.state.IsEncrypted(ctx, room)
		if err != nil {
			return nil, fmt.Errorf("read whether %s is encrypted: %w", room, err)
		}
		if all = encrypted; !encrypted {
			if err := t.network.forgetMembers(ctx, t.state, room); err != nil {
				return nil, err
			}
		}
	}
	if all || size <= maxKept {
		return func(id.UserID) bool { return true }, nil
	}
	spoke := speakers(joined.Timeline.Events)
	return func(user id.UserID) bool {
		return user == t.user || spoke[user] || known[user] != nil || t.network.pushes(t.state, user)
	}, nil
}

// contactIn returns somebody with the name used in a room. Where another one who is
// known there has the same name, the id tells them apart (Client-Server API,
// "Calculating the display name for a user").
func (a *account) contactIn(ctx context.Context, room id.RoomID, user id.UserID) bridge.Contact {
	contact := bridge.Contact{ID: bridge.RemoteID(user)}
	member, err := a.state.TryGetMember(ctx, room, user)
	if err == nil && member == nil {
		if member, err = a.memberState(ctx, room, user); err == nil {
			err = a.keepSpeaker(ctx, room, user, member)
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
