package matrix

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// joinTimeout bounds a join: one of a room on another homeserver fetches the
// room from there.
const joinTimeout = time.Minute

// directRoom returns the room of the chat with a contact: the stored one while
// both can be in it, else one that is found among the account's rooms, else a
// new one. A new room is stored before anything is sent to it, so that a
// message that is tried again goes to the same room.
func (a *account) directRoom(ctx context.Context, contact id.UserID) (id.RoomID, error) {
	a.making.Lock()
	defer a.making.Unlock()
	stored, ok, err := a.network.options.Chats.DirectChat(ctx, a.owner, Name, bridge.RemoteID(contact))
	if err != nil {
		return "", fmt.Errorf("find the room of %s: %w", contact, err)
	}
	if ok {
		usable, err := a.usable(ctx, id.RoomID(stored), contact)
		if err != nil || usable {
			return id.RoomID(stored), err
		}
		if err := a.forgetRoom(ctx, id.RoomID(stored)); err != nil {
			return "", err
		}
	}
	room, err := a.findDirectRoom(ctx, contact)
	if err != nil {
		return "", err
	}
	if room == "" {
		if room, err = a.createDirectRoom(ctx, contact); err != nil {
			return "", err
		}
	}
	if err := a.setDirectRoom(ctx, contact, room); err != nil {
		return "", err
	}
	return room, nil
}

// usable says whether a stored room still leads to the contact and to nobody
// else, as far as is known here; a room of which nothing is known is tried.
func (a *account) usable(ctx context.Context, room id.RoomID, contact id.UserID) (bool, error) {
	for _, user := range []id.UserID{contact, a.user} {
		member, err := a.state.TryGetMember(ctx, room, user)
		if err != nil {
			return false, fmt.Errorf("read the members of %s: %w", room, err)
		}
		if member != nil && member.Membership.IsLeaveOrBan() {
			return false, nil
		}
	}
	members, err := a.state.GetRoomMembers(ctx, room, event.MembershipJoin, event.MembershipInvite)
	if err != nil {
		return false, fmt.Errorf("read the members of %s: %w", room, err)
	}
	return len(members) <= 2, nil
}

// findDirectRoom looks for a room that holds nobody but the account and the
// contact, joined or invited, and belongs to no other chat. There is one when a
// crash came between making and storing it, or when storage was lost. A room
// that holds nobody but the account is left on the way: it comes from an
// invite that failed.
func (a *account) findDirectRoom(ctx context.Context, contact id.UserID) (id.RoomID, error) {
	var resp *mautrix.RespJoinedRooms
	err := a.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = a.client.JoinedRooms(ctx)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("list the rooms of %s: %w", a.user, err)
	}
	slices.Sort(resp.JoinedRooms) // the same choice every time
	for _, room := range resp.JoinedRooms {
		_, taken, err := a.network.options.Chats.ChatContact(ctx, a.owner, Name, string(room))
		if err != nil {
			return "", fmt.Errorf("find the contact of %s: %w", room, err)
		}
		if taken {
			continue
		}
		others, err := a.others(ctx, room)
		switch {
		case err != nil:
			return "", err
		case len(others) == 0:
			if err := a.leave(ctx, room); err != nil {
				return "", err
			}
		case len(others) == 1 && others[0] == contact:
			return room, nil
		}
	}
	return "", nil
}

// createDirectRoom makes a room and invites the contact.
func (a *account) createDirectRoom(ctx context.Context, contact id.UserID) (id.RoomID, error) {
	var resp *mautrix.RespCreateRoom
	err := a.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = a.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{
			Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{contact},
		})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make a room for %s: %w", contact, err)
	}
	a.log.Debug().Str("room", string(resp.RoomID)).Str("contact", string(contact)).Msg("Made a direct room")
	return resp.RoomID, nil
}

// others returns who is in a room or invited to it, without the account. It
// asks the homeserver once per room; memberships are kept up to date by events
// from then on.
func (a *account) others(ctx context.Context, room id.RoomID) ([]id.UserID, error) {
	if err := a.ensureMembers(ctx, room); err != nil {
		return nil, err
	}
	members, err := a.state.GetRoomMembers(ctx, room, event.MembershipJoin, event.MembershipInvite)
	if err != nil {
		return nil, fmt.Errorf("read the members of %s: %w", room, err)
	}
	delete(members, a.user)
	others := make([]id.UserID, 0, len(members))
	for user := range members {
		others = append(others, user)
	}
	slices.Sort(others)
	return others, nil
}

// ensureMembers makes the room state know all members of a room that the
// account is in.
func (a *account) ensureMembers(ctx context.Context, room id.RoomID) error {
	fetched, err := a.state.HasFetchedMembers(ctx, room)
	if err != nil {
		return fmt.Errorf("read the members of %s: %w", room, err)
	}
	if fetched {
		return nil
	}
	var members []*event.Event
	err = a.network.call(ctx, func(ctx context.Context) (err error) {
		members, err = askMembers(ctx, a.client, room)
		return err
	})
	switch {
	case err == nil && len(members) == 0: // the account itself would be among them
		return nil
	case err == nil:
		others := func(user id.UserID) bool { return user != a.user && a.network.pushes(a.state, user) }
		err := a.network.butOurs(ctx, a.state, room, others, func(ctx context.Context) error {
			return a.state.ReplaceCachedMembers(ctx, room, members)
		})
		if err != nil {
			return fmt.Errorf("store the members of %s: %w", room, err)
		}
		return nil
	case forbidden(err) || notThere(err):
		// The account is not in it any more.
		return a.state.SetMembership(ctx, room, a.user, event.MembershipLeave)
	}
	return fmt.Errorf("list the members of %s: %w", room, err)
}

// join joins a room. Joining again does nothing.
func (a *account) join(ctx context.Context, room id.RoomID) error {
	if err := a.ensureReady(ctx); err != nil {
		return err
	}
	// Who came and went while the account was not in the room is not known:
	// the members are asked for again. Naming a membership that nobody has
	// keeps what is known of others, which lets events find their accounts.
	if err := a.state.ClearCachedMembers(ctx, room, event.MembershipKnock); err != nil {
		return fmt.Errorf("forget the members of %s: %w", room, err)
	}
	return a.network.callFor(ctx, joinTimeout, func(ctx context.Context) error {
		_, err := a.client.JoinRoomByID(ctx, room)
		return err
	})
}

// leave leaves a room or declines an invite. A room that the account is not in
// is left already.
func (a *account) leave(ctx context.Context, room id.RoomID) error {
	err := a.network.call(ctx, func(ctx context.Context) error {
		_, err := a.client.LeaveRoom(ctx, room)
		return err
	})
	if err != nil && !final(err) {
		return fmt.Errorf("leave %s: %w", room, err)
	}
	a.mu.Lock()
	delete(a.invites, room)
	delete(a.prompts, room)
	a.mu.Unlock()
	return a.state.SetMembership(ctx, room, a.user, event.MembershipLeave)
}

// setDirectRoom stores the room of a contact.
func (a *account) setDirectRoom(ctx context.Context, contact id.UserID, room id.RoomID) error {
	err := a.network.options.Chats.SetDirectChat(ctx, a.owner, Name, bridge.RemoteID(contact), string(room))
	if err != nil {
		return fmt.Errorf("store the room of %s: %w", contact, err)
	}
	return nil
}

// forgetRoom removes a room from storage, whosever it is.
func (a *account) forgetRoom(ctx context.Context, room id.RoomID) error {
	if err := a.network.options.Chats.ForgetDirectChat(ctx, a.owner, Name, string(room)); err != nil {
		return fmt.Errorf("forget %s: %w", room, err)
	}
	return nil
}

// forgetDirectRoom removes a contact's room from storage.
func (a *account) forgetDirectRoom(ctx context.Context, contact id.UserID) error {
	room, ok, err := a.network.options.Chats.DirectChat(ctx, a.owner, Name, bridge.RemoteID(contact))
	if err != nil {
		return fmt.Errorf("find the room of %s: %w", contact, err)
	}
	if !ok {
		return nil
	}
	return a.forgetRoom(ctx, id.RoomID(room))
}
