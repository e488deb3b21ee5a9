package matrix

import (
	"context"
	"errors"
	"fmt"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// handle takes care of one event of a room: when it returns nil the event may
// be acknowledged. The caller holds the room's lock. An event that no account
// is concerned with is taken care of.
func (n *Network) handle(ctx context.Context, evt *event.Event) error {
	if n.seen.has(evt.ID) {
		return nil
	}
	closings := n.closings.Load()
	err := n.dispatch(ctx, evt)
	if err == nil && n.closings.Load() != closings {
		err = errClosed
	}
	if err == nil {
		n.seen.add(evt.ID)
	}
	return err
}

// errClosed says that an account was closed while events came: what was for it looks
// like nobody's, and is to be offered again, to whoever has the account open next.
var errClosed = errors.New("an account was closed meanwhile")

// dispatch sorts by what matters first: memberships change what is known of a
// room, whoever sent them; everything else that our own ghosts did is an echo.
func (n *Network) dispatch(ctx context.Context, evt *event.Event) error {
	switch {
	case evt.Type == event.StateMember:
		return n.member(ctx, evt)
	case evt.StateKey != nil && *evt.StateKey != "":
		return nil // of what is read here there is one in a room
	case evt.Type == event.StateRoomName, evt.Type == event.StateCanonicalAlias:
		return n.roomRenamed(ctx, evt.RoomID)
	case evt.Type == event.StateEncryption:
		return n.encryptionBegins(ctx, evt)
	case evt.Type == event.StateTombstone:
		return n.roomReplaced(ctx, evt)
	case evt.StateKey != nil:
		return nil
	case n.ghosts.owns(evt.Sender):
		n.origins.note(evt)
		return nil
	}
	accounts, err := n.accountsIn(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		return n.bot.overhear(ctx, evt)
	}
	if evt.Type == event.EventEncrypted {
		return n.encryptedEvent(ctx, evt)
	}
	for _, a := range accounts {
		if err := a.message(ctx, evt); err != nil {
			return err
		}
	}
	n.origins.note(evt)
	return nil
}

// message hands what somebody said to the account's receiver, or what the account's
// user did with another client.
func (a *account) message(ctx context.Context, evt *event.Event) error {
	early := a.heardEarly()
	if early != nil {
		if _, again := early.get(evt.ID); again {
			return nil
		}
	}
	m, ok := a.said(ctx, evt, evt.Sender == a.user)
	if !ok {
		return nil
	}
	var err error
	if m.Chat, err = a.nature.chatOf(ctx, evt.RoomID, evt.Sender); err != nil {
		return err
	}
	if err := a.receive(ctx, m); err != nil {
		return err
	}
	if early != nil {
		early.put(evt.ID, struct{}{})
	}
	return nil
}

// receive hands an event over. One that the user does not let through is dealt
// with as well.
func (a *account) receive(ctx context.Context, evt bridge.Event) error {
	err := a.events.Receive(ctx, evt)
	if err != nil && !errors.Is(err, bridge.ErrUnwelcome) {
		return fmt.Errorf("receive for %s: %w", a.owner, err)
	}
	return nil
}

// member handles a change of somebody's membership.
func (n *Network) member(ctx context.Context, evt *event.Event) error {
	content, ok := evt.Content.Parsed.(*event.MemberEventContent)
	target := id.UserID(evt.GetStateKey())
	if !ok || target == "" {
		return nil
	}
	if err := n.keepMember(ctx, evt.RoomID, target, content); err != nil {
		return err
	}
	if target == n.bot.user {
		return n.bot.member(ctx, evt)
	}
	if n.ghosts.owns(target) {
		return n.ghostMember(ctx, target, evt)
	}
	accounts, err := n.accountsIn(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if device := a.sealing.current(); device != nil {
			device.Member(ctx, evt)
		}
		if err := a.peerMember(ctx, target, evt); err != nil {
			return err
		}
	}
	return nil
}

// ghostMember handles what happens to one of our own.
func (n *Network) ghostMember(ctx context.Context, ghost id.UserID, evt *event.Event) error {
	a, membership := n.account(ghost), evt.Content.AsMember().Membership
	switch {
	case a == nil && membership == event.MembershipInvite:
		return n.declineFor(ctx, ghost, evt.RoomID)
	case a != nil && membership == event.MembershipJoin:
		return a.cameIn(ctx, evt)
	case a == nil || n.ghosts.owns(evt.Sender):
		return nil
	case membership == event.MembershipInvite:
		return a.invited(ctx, evt)
	case membership.IsLeaveOrBan():
		return a.removed(ctx, evt)
	}
	return nil
}

// declineFor leaves a room for a ghost whose account is not open. One that was
// never registered is not made for that.
func (n *Network) declineFor(ctx context.Context, ghost id.UserID, room id.RoomID) error {
	registered, err := n.state.IsRegistered(ctx, ghost)
	if err != nil {
		return fmt.Errorf("read whether %s is registered: %w", ghost, err)
	}
	n.log.Debug().Str("ghost", string(ghost)).Msg("Invite to a ghost without an account")
	if !registered || ghost == n.ghosts.bot {
		return nil
	}
	err = n.call(ctx, func(ctx context.Context) error {
		_, err := n.client(ghost).LeaveRoom(ctx, room)
		return err
	})
	if err != nil && !final(err) {
		return fmt.Errorf("decline for %s: %w", ghost, err)
	}
	return nil
}

// peerMember handles what somebody else does in a room the account is in.
func (a *account) peerMember(ctx context.Context, user id.UserID, evt *event.Event) error {
	contact, ok, err := a.contactOf(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	direct := ok && contact == user
	content := evt.Content.AsMember()
	if ok && isRoom(bridge.RemoteID(contact)) {
		if err := a.groupMember(ctx, evt.RoomID, user, content); err != nil {
			return err
		}
	}
	switch {
	case content.Membership == event.MembershipJoin:
		return a.named(ctx, user, oneLine(content.Displayname), direct)
	case direct && content.Membership.IsLeaveOrBan():
		return a.abandoned(ctx, user, evt.RoomID)
	}
	return nil
}

// named reports the name of a contact when it is new.
func (a *account) named(ctx context.Context, user id.UserID, name string, direct bool) error {
	a.mu.Lock()
	_, followed := a.watched[user]
	last := a.names[user]
	a.mu.Unlock()
	if last == name || !direct && !followed {
		return nil
	}
	if err := a.receive(ctx, bridge.ContactRenamed{Contact: bridge.Contact{ID: bridge.RemoteID(user), Name: name}}); err != nil {
		return err
	}
	a.mu.Lock()
	a.names[user] = name
	a.mu.Unlock()
	return nil
}

// abandoned handles that a contact left the direct room, or declined to come.
// The room is over: it is forgotten, the ghost leaves it too unless others are
// there, and the next message makes a new one. Clients do the same; an invite
// back into a room that somebody closed would need a right that the ghost has
// in its own rooms only.
func (a *account) abandoned(ctx context.Context, user id.UserID, room id.RoomID) error {
	if err := a.receive(ctx, bridge.ContactWithdrew{Contact: bridge.RemoteID(user)}); err != nil {
		return err
	}
	others, err := a.others(ctx, room)
	if err != nil {
		return err
	}
	if len(others) == 0 {
		if err := a.leave(ctx, room); err != nil {
			return err
		}
	}
	return a.forgetRoom(ctx, room)
}

// typingEvent handles m.typing, which lists everybody who types in a room now,
// and reports who began and who ceased. Nothing is lost when it cannot.
func (a *account) typingEvent(ctx context.Context, evt *event.Event) {
	content, ok := evt.Content.Parsed.(*event.TypingEventContent)
	if !ok {
		return
	}
	now := make(map[id.UserID]bool, len(content.UserIDs))
	for _, user := range content.UserIDs {
		if !a.nature.self(user) {
			now[user] = true
		}
	}
	a.mu.Lock()
	before := a.typing[evt.RoomID]
	if len(now) == 0 {
		delete(a.typing, evt.RoomID)
	} else {
		a.typing[evt.RoomID] = now
	}
	a.mu.Unlock()
	for user := range now {
		if !before[user] {
			a.typingSeen(ctx, evt.RoomID, user, true)
		}
	}
	for user := range before {
		if !now[user] {
			a.typingSeen(ctx, evt.RoomID, user, false)
		}
	}
}

func (a *account) typingSeen(ctx context.Context, room id.RoomID, user id.UserID, typing bool) {
	chat, err := a.nature.chatOf(ctx, room, user)
	if err != nil {
		a.log.Debug().Err(err).Str("room", string(room)).Msg("Typing in a room that cannot be read")
		return
	}
	a.feed.put(feedKey{kind: "typing", where: string(room), who: string(user)},
		bridge.TypingSeen{Chat: chat, From: a.contactIn(ctx, room, user), Typing: typing})
}
