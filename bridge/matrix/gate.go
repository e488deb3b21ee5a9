package matrix

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// Allow implements [bridge.Gatekeeper].
func (a *account) Allow(ctx context.Context, contact bridge.RemoteID) error {
	if isRoom(contact) {
		return a.allowRoom(ctx, id.RoomID(contact))
	}
	user := id.UserID(contact)
	if err := a.setIgnored(ctx, user, false); err != nil {
		return fmt.Errorf("allow %s: %w", contact, err)
	}
	for room, pending := range a.invitesOf(user) {
		if _, err := a.accept(ctx, room, pending); err != nil {
			return fmt.Errorf("allow %s: %w", contact, err)
		}
	}
	return nil
}

// Block implements [bridge.Gatekeeper]. The direct room is left, because a
// homeserver still pushes what is written in it by somebody who is ignored.
func (a *account) Block(ctx context.Context, contact bridge.RemoteID) error {
	if isRoom(contact) {
		return a.Leave(ctx, contact)
	}
	user := id.UserID(contact)
	if err := a.setIgnored(ctx, user, true); err != nil {
		return fmt.Errorf("block %s: %w", contact, err)
	}
	for room := range a.invitesOf(user) {
		if err := a.leave(ctx, room); err != nil {
			return fmt.Errorf("block %s: %w", contact, err)
		}
	}
	room, ok, err := a.network.options.Chats.DirectChat(ctx, a.owner, Name, contact)
	if err != nil {
		return fmt.Errorf("block %s: find the room: %w", contact, err)
	}
	if !ok {
		return nil
	}
	if err := a.leave(ctx, id.RoomID(room)); err != nil {
		return fmt.Errorf("block %s: %w", contact, err)
	}
	return a.forgetRoom(ctx, id.RoomID(room))
}

// invitesOf returns the pending invites of somebody.
func (a *account) invitesOf(user id.UserID) map[id.RoomID]invite {
	a.mu.Lock()
	defer a.mu.Unlock()
	invites := maps.Clone(a.invites)
	maps.DeleteFunc(invites, func(_ id.RoomID, i invite) bool { return i.from != user })
	return invites
}

// setIgnored puts somebody on the account's list of ignored people, or takes
// him off it (Client-Server API, "Ignoring users").
func (a *account) setIgnored(ctx context.Context, user id.UserID, ignored bool) error {
	if err := a.ensureReady(ctx); err != nil {
		return err
	}
	a.ignoring.Lock()
	defer a.ignoring.Unlock()
	list, err := a.ignoredUsers(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(slices.Collect(maps.Keys(list)), user) == ignored {
		return nil
	}
	if ignored {
		list[user] = event.IgnoredUser{}
	} else {
		delete(list, user)
	}
	err = a.network.call(ctx, func(ctx context.Context) error {
		return a.client.SetAccountData(ctx, event.AccountDataIgnoredUserList.Type, &event.IgnoredUserListEventContent{IgnoredUsers: list})
	})
	if err != nil {
		return fmt.Errorf("write the list of ignored people: %w", err)
	}
	return nil
}

// ignoredUsers reads the list.
func (a *account) ignoredUsers(ctx context.Context) (map[id.UserID]event.IgnoredUser, error) {
	var content event.IgnoredUserListEventContent
	err := a.network.call(ctx, func(ctx context.Context) error {
		return a.client.GetAccountData(ctx, event.AccountDataIgnoredUserList.Type, &content)
	})
	if err != nil && !notThere(err) {
		return nil, fmt.Errorf("read the list of ignored people: %w", err)
	}
	if content.IgnoredUsers == nil {
		content.IgnoredUsers = make(map[id.UserID]event.IgnoredUser)
	}
	return content.IgnoredUsers, nil
}
