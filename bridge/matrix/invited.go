package matrix

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// invite is an invite that the account has seen.
type invite struct {
	from   id.UserID
	direct bool
	group  bool // to a room that is no direct chat for certain
}

// maxInvites is to how many rooms at a time somebody may invite a user who has not
// answered yet, and to how many direct chats.
const maxInvites = 5

// tooMany says whether somebody has sent as many invites of a kind as may be, that to the
// room aside: those that are not answered, and more that the caller knows of. Of groups
// those count that the user is asked about, and this one is among them from now on, unless
// it is too many: several may come at the same time. The user is told once, with what
// becomes of the rest.
func (a *account) tooMany(room id.RoomID, now invite, more int, rest string) bool {
	a.mu.Lock()
	open := maps.Clone(a.invites)
	maps.DeleteFunc(open, func(_ id.RoomID, i invite) bool { return i.group })
	maps.Copy(open, a.prompts)
	delete(open, room)
	maps.DeleteFunc(open, func(_ id.RoomID, i invite) bool { return i.from != now.from || i.direct != now.direct })
	many, told := len(open)+more >= maxInvites, a.overrun[now.from]
	if many {
		a.overrun[now.from] = true
	} else {
		delete(a.overrun, now.from)
	}
	if now.group && !many {
		a.prompts[room] = now
	}
	a.mu.Unlock()
	if many && !told {
		a.feed.put(feedKey{kind: "invites", who: string(now.from)}, bridge.NetworkSays{
			Text: fmt.Sprintf("%s sends many invites. You are asked about %d at a time; the others %s.", now.from, maxInvites, rest),
		})
	}
	return many
}

// invited handles an invite. Whoever may reach the user has the ghost in the
// room at once, so that the first message arrives; anybody else is declined. An
// invite to a room of several is asked about as the room's. Doing it twice does no
// harm. The caller holds the room's lock.
func (a *account) invited(ctx context.Context, evt *event.Event) error {
	content := evt.Content.AsMember()
	if a.network.ghosts.owns(evt.Sender) {
		return nil
	}
	pending := invite{from: evt.Sender, direct: content.IsDirect}
	inviter := bridge.Contact{ID: bridge.RemoteID(evt.Sender), Name: inviterName(evt)}
	request := bridge.ContactRequested{From: inviter, Note: oneLine(content.Reason)}
	if !content.IsDirect {
		shown, err := a.shownRoom(ctx, evt)
		if err != nil {
			return err
		}
		if shown.Space {
			return a.leave(ctx, evt.RoomID) // there is nothing to talk in
		}
		if title := shown.title(); title != "" || shown.Joined > 1 {
			pending.group = true
			request = roomRequest(evt.RoomID, title, inviter, request.Note)
		}
	}
	a.mu.Lock()
	a.invites[evt.RoomID] = pending
	delete(a.caughtUp, evt.RoomID) // what an earlier invite left
	a.mu.Unlock()
	err := a.mayInvite(ctx, pending)
	if err == nil && pending.group && a.tooMany(evt.RoomID, pending, 0, "are declined") {
		return a.leave(ctx, evt.RoomID)
	}
	if err == nil {
		err = a.events.Receive(ctx, request)
	}
	switch {
	case errors.Is(err, bridge.ErrUnwelcome):
		return a.leave(ctx, evt.RoomID)
	case err != nil:
		return fmt.Errorf("receive for %s: %w", a.owner, err)
	}
	return a.network.joinSoon(ctx, joinKey{a.user, evt.RoomID}, func(ctx context.Context) error {
		a.mu.Lock()
		_, holds := a.invites[evt.RoomID]
		a.mu.Unlock()
		if !holds {
			return nil // it was answered meanwhile
		}
		if in, err := a.accept(ctx, evt.RoomID, pending); err != nil || !in {
			return err
		}
		return a.catchUp(ctx, evt)
	}, a.spawn)
}

// roomRequest words an invite to a room.
func roomRequest(room id.RoomID, title string, inviter bridge.Contact, reason string) bridge.ContactRequested {
	who := or(inviter.Name, string(inviter.ID))
	note := "an invite from " + who
	if reason != "" {
		note += ": " + reason
	}
	return bridge.ContactRequested{
		From: bridge.Contact{ID: bridge.RemoteID(room), Name: or(title, "a room of "+who), Room: true}, Note: note,
	}
}

// mayInvite returns [bridge.ErrUnwelcome] for an invite to a room from somebody whom
// the user has blocked: the gateway is asked about the room alone.
func (a *account) mayInvite(ctx context.Context, pending invite) error {
	if !pending.group {
		return nil
	}
	if err := a.ensureReady(ctx); err != nil {
		return err
	}
	ignored, err := a.ignoredUsers(ctx)
	if err != nil {
		return err
	}
	if _, blocked := ignored[pending.from]; blocked {
		return bridge.ErrUnwelcome
	}
	return nil
}

// shownRoom reads what an invite shows of its room. Where it has no name, the
// homeserver may say whether there are several people in it.
func (a *account) shownRoom(ctx context.Context, evt *event.Event) (*facts, error) {
	f := &facts{}
	for _, state := range evt.Unsigned.InviteRoomState {
		if a.parse(state, event.StateEventType) && state.Type != event.StateMember {
			f.state(state, a.user)
		}
	}
	if f.Space || f.title() != "" {
		return f, nil
	}
	if err := a.ensureReady(ctx); err != nil {
		return nil, err
	}
	seen, err := a.outline(ctx, evt.RoomID)
	if err != nil && ctx.Err() == nil && !a.nature.down() && elsewhere(err) {
		return f, nil // another homeserver may take for ever to tell
	}
	return seen, err
}

// inviterName finds the inviter's name in what an invite shows of the room.
func inviterName(evt *event.Event) string {
	for _, state := range evt.Unsigned.InviteRoomState {
		if state.Type.Type != event.StateMember.Type || state.GetStateKey() != string(evt.Sender) {
			continue
		}
		if name, ok := state.Content.Raw["displayname"].(string); ok {
			return oneLine(name)
		}
	}
	return ""
}

// accept joins a room the account was invited to. A direct room becomes the
// inviter's; one that nobody called anything shows what it is with the first message,
// when everybody has been invited. An invite that does not hold any more is
// forgotten; in is false then.
func (a *account) accept(ctx context.Context, room id.RoomID, pending invite) (in bool, err error) {
	// Not every invite shows that its room is encrypted, and the first message comes as
	// soon as the account is there: by then it must have a device to send the key to.
	if err := a.readyForKeys(ctx); err != nil {
		return false, err
	}
	if err := a.join(ctx, room); err != nil && !final(err) {
		return false, fmt.Errorf("join %s: %w", room, err)
	} else if err != nil {
		a.log.Debug().Err(err).Str("room", string(room)).Msg("Invite does not hold any more")
		return false, a.leave(ctx, room)
	}
	a.mu.Lock()
	delete(a.invites, room)
	a.mu.Unlock()
	switch {
	case pending.direct:
		return true, a.setDirectRoom(ctx, pending.from, room)
	case pending.group:
		return true, a.setDirectRoom(ctx, id.UserID(room), room)
	}
	return true, nil
}

// allowRoom accepts a pending invite to a room.
func (a *account) allowRoom(ctx context.Context, room id.RoomID) error {
	a.mu.Lock()
	pending, ok := a.invites[room]
	delete(a.prompts, room)
	a.mu.Unlock()
	if !ok {
		return nil
	}
	if _, err := a.accept(ctx, room, pending); err != nil {
		return fmt.Errorf("allow %s: %w", room, err)
	}
	return nil
}

// followRoom sees to it that the account is in a room.
func (a *account) followRoom(ctx context.Context, room bridge.RemoteID) error {
	if a.state.IsMembership(ctx, id.RoomID(room), a.user, event.MembershipJoin) {
		return nil
	}
	_, err := a.Join(ctx, room)
	return err
}

// lookUpRoom finds a room by its address or its id: the latter only where the
// account may see what it is.
func (a *account) lookUpRoom(ctx context.Context, address bridge.RemoteID) (bridge.Contact, error) {
	if err := a.ensureReady(ctx); err != nil {
		return bridge.Contact{}, fmt.Errorf("look up %s: %w", address, err)
	}
	name, _ := splitVia(address)
	room, title := id.RoomID(name), ""
	if isAlias(address) {
		found, _, err := a.roomBehind(ctx, id.RoomAlias(name))
		if err != nil {
			return bridge.Contact{}, fmt.Errorf("look up %s: %w", address, err)
		}
		room, title = found, name
	}
	f, err := a.outline(ctx, room)
	if err != nil {
		return bridge.Contact{}, fmt.Errorf("look up %s: %w", address, err)
	}
	if f.Joined == 0 && title == "" {
		return bridge.Contact{}, fmt.Errorf("look up %s: %w", address, bridge.ErrNoSuchContact)
	}
	if f.Joined > 0 {
		if now, err := a.titleOf(ctx, room); err == nil {
			title = now.title
		}
	}
	return bridge.Contact{ID: bridge.RemoteID(room), Name: title, Room: true}, nil
}

// roomBehind finds the room of an address, and servers that are in it.
func (a *account) roomBehind(ctx context.Context, alias id.RoomAlias) (room id.RoomID, servers []string, err error) {
	var resp *mautrix.RespAliasResolve
	err = a.network.callFor(ctx, joinTimeout, func(ctx context.Context) (err error) {
		resp, err = a.client.ResolveAlias(ctx, alias)
		return err
	})
	switch {
	case notThere(err):
		return "", nil, bridge.ErrNoSuchContact
	case err != nil:
		return "", nil, err
	case !isRoom(bridge.RemoteID(resp.RoomID)):
		return "", nil, errors.New("the homeserver's answer names no room")
	}
	return resp.RoomID, resp.Servers, nil
}
