package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

var _ bridge.Rooms = (*account)(nil)

const (
	// gatherKey is the part of a room's creation that holds the key of
	// [bridge.Rooms.Gather].
	gatherKey = "dev.papillon.key"
	// memoryKey begins what is remembered of a key: its room, or that one is being
	// made.
	memoryKey    = "key/"
	keyIsPending = "?"
	// maxVia is how many servers are named by which a room may be entered.
	maxVia = 5
	// maxGroupName is how long the name of a new room is, in bytes.
	maxGroupName = 100
)

// errNoMemory is why there are no rooms.
var errNoMemory = errors.New("there is no storage for rooms")

// Gather implements [bridge.Rooms].
func (a *account) Gather(ctx context.Context, key string, people []bridge.RemoteID) (bridge.Contact, error) {
	if err := a.ensureReady(ctx); err != nil {
		return bridge.Contact{}, fmt.Errorf("make a room: %w", err)
	}
	a.making.Lock()
	defer a.making.Unlock()
	room, err := a.gathered(ctx, key)
	if err == nil && room == "" {
		room, err = a.makeGroup(ctx, key, people)
	}
	if err == nil {
		err = a.nature.entered(ctx, room)
	}
	if err == nil {
		err = a.inviteAll(ctx, room, people)
	}
	if err != nil {
		return bridge.Contact{}, fmt.Errorf("make a room: %w", err)
	}
	title, err := a.titleOf(ctx, room)
	if err != nil {
		return bridge.Contact{}, fmt.Errorf("make a room: %w", err)
	}
	return bridge.Contact{ID: bridge.RemoteID(room), Name: title.title, Room: true}, nil
}

// gathered returns the room of a key, empty if there is none. One that was made
// before a crash, and not remembered, is found by its creation.
func (a *account) gathered(ctx context.Context, key string) (id.RoomID, error) {
	known, err := a.recallKey(ctx, key)
	if err != nil || known != keyIsPending {
		return id.RoomID(known), err
	}
	joined, err := a.joinedRooms(ctx)
	if err != nil {
		return "", err
	}
	for _, room := range joined {
		var creation map[string]any
		err := a.network.call(ctx, func(ctx context.Context) error {
			_, err := a.client.MakeRequest(ctx, "GET", a.client.BuildClientURL("v3", "rooms", room, "state", event.StateCreate.Type, ""), nil, &creation)
			return err
		})
		if err != nil && !final(err) {
			return "", fmt.Errorf("read the creation of %s: %w", room, err)
		}
		if creation[gatherKey] == key {
			return room, a.rememberKey(ctx, key, string(room))
		}
	}
	return "", nil
}

// recallKey returns what is remembered of a key: a room, [keyIsPending], or nothing.
func (a *account) recallKey(ctx context.Context, key string) (string, error) {
	if a.network.options.Memory == nil {
		return "", errNoMemory
	}
	known, err := a.network.options.Memory.Recall(ctx, a.owner, Name, memoryKey+key)
	if err != nil {
		return "", fmt.Errorf("recall the room of %s: %w", key, err)
	}
	return known, nil
}

func (a *account) rememberKey(ctx context.Context, key, room string) error {
	if err := a.network.options.Memory.Remember(ctx, a.owner, Name, memoryKey+key, room); err != nil {
		return fmt.Errorf("remember the room of %s: %w", key, err)
	}
	return nil
}

// makeGroup makes a private room. The people are invited one by one, because a
// homeserver that refuses one of them would leave the room half made.
func (a *account) makeGroup(ctx context.Context, key string, people []bridge.RemoteID) (id.RoomID, error) {
	if err := a.rememberKey(ctx, key, keyIsPending); err != nil {
		return "", err
	}
	var resp *mautrix.RespCreateRoom
	err := a.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = a.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{
			Preset: "private_chat", Name: a.groupName(people), CreationContent: map[string]any{gatherKey: key},
		})
		return err
	})
	if err != nil && final(err) {
		return "", refused(err)
	}
	if err != nil {
		return "", err
	}
	a.log.Debug().Str("room", string(resp.RoomID)).Msg("Made a group")
	return resp.RoomID, a.rememberKey(ctx, key, string(resp.RoomID))
}

// groupName names a room after those in it.
func (a *account) groupName(people []bridge.RemoteID) string {
	a.mu.Lock()
	names := []string{or(oneLine(a.name), a.user.Localpart())}
	for _, person := range people {
		names = append(names, or(a.names[userOf(person)], userOf(person).Localpart()))
	}
	a.mu.Unlock()
	return cutTo(strings.Join(names, ", "), maxGroupName)
}

// cutTo cuts a line to a number of bytes, at the border of a character.
func cutTo(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("...")], "") + "..."
}

// inviteAll invites people to a room. If some cannot be, the user is told; if
// nobody can, the room is of no use.
func (a *account) inviteAll(ctx context.Context, room id.RoomID, people []bridge.RemoteID) error {
	var refusals []error
	for _, person := range people {
		err := a.inviteOne(ctx, room, person)
		if err != nil && !errors.Is(err, bridge.ErrRefused) {
			return err
		}
		if err != nil {
			refusals = append(refusals, err)
		}
	}
	if len(refusals) == 0 {
		return nil
	}
	if len(refusals) == len(people) {
		if err := a.Leave(ctx, bridge.RemoteID(room)); err != nil {
			return err
		}
		return errors.Join(refusals...)
	}
	for _, err := range refusals {
		a.feed.put(feedKey{kind: "invite", where: string(room), who: err.Error()}, bridge.NetworkSays{Text: err.Error()})
	}
	return nil
}

// inviteOne invites somebody. Who is there or invited already is not asked again.
func (a *account) inviteOne(ctx context.Context, room id.RoomID, person bridge.RemoteID) error {
	user := userOf(person)
	if !a.nature.reaches(user) {
		return fmt.Errorf("%w: %s cannot be invited to a room of Matrix", bridge.ErrRefused, person)
	}
	err := a.network.call(ctx, func(ctx context.Context) error {
		_, err := a.client.InviteUser(ctx, room, &mautrix.ReqInviteUser{UserID: user})
		return err
	})
	if err == nil || !final(err) {
		return err
	}
	if content, stateErr := a.memberState(ctx, room, user); stateErr == nil &&
		(content.Membership == event.MembershipJoin || content.Membership == event.MembershipInvite) {
		return nil
	}
	return refused(fmt.Errorf("%s cannot be invited: %w", person, err))
}

// Invite implements [bridge.Rooms].
func (a *account) Invite(ctx context.Context, room string, person bridge.RemoteID) error {
	at, err := a.groupRoom(ctx, room)
	if err == nil {
		err = a.ensureReady(ctx)
	}
	if err == nil {
		err = a.inviteOne(ctx, at, person)
	}
	if err != nil {
		return fmt.Errorf("invite %s: %w", person, err)
	}
	return nil
}

// groupRoom returns the room that a [bridge.Chat] names as its group: by its id, or
// by the key of [account.Gather].
func (a *account) groupRoom(ctx context.Context, group string) (id.RoomID, error) {
	if isRoom(bridge.RemoteID(group)) {
		return id.RoomID(group), nil
	}
	room, err := a.recallKey(ctx, group)
	if err != nil {
		return "", err
	}
	if !isRoom(bridge.RemoteID(room)) {
		return "", fmt.Errorf("%w: the room of this conversation was left", bridge.ErrRefused)
	}
	return id.RoomID(room), nil
}

// Join implements [bridge.Rooms]. The room is named by its id or its address; a
// space, which holds rooms and no messages, is left again.
func (a *account) Join(ctx context.Context, address bridge.RemoteID) (bridge.Contact, error) {
	if err := a.ensureReady(ctx); err != nil {
		return bridge.Contact{}, fmt.Errorf("join %s: %w", address, err)
	}
	room, err := a.enter(ctx, address)
	if status, code := response(err); status == http.StatusInternalServerError || status > http.StatusInternalServerError && code != "" {
		// So a homeserver says, too, that it knows of no such room: Dendrite with 500 and no
		// word, Synapse with 502 where the id names another server.
		err = fmt.Errorf("the Matrix server cannot get there: is the address right, and does a server answer that is in the room? An address like #room:server is found more easily than an id (%w)", err)
	}
	if err != nil {
		return bridge.Contact{}, fmt.Errorf("join %s: %w", address, err)
	}
	f, err := a.outline(ctx, room)
	if err == nil && f.Space {
		err = errors.Join(refused(errors.New("it is a space, which is a list of rooms: join one of these")), a.leave(ctx, room))
	}
	if err == nil {
		err = a.nature.entered(ctx, room)
	}
	if err != nil {
		return bridge.Contact{}, fmt.Errorf("join %s: %w", address, err)
	}
	title, err := a.titleOf(ctx, room)
	if err != nil {
		return bridge.Contact{}, fmt.Errorf("join %s: %w", address, err)
	}
	return bridge.Contact{ID: bridge.RemoteID(room), Name: title.title, Room: true}, nil
}

// enter joins a room by its id or its address.
func (a *account) enter(ctx context.Context, address bridge.RemoteID) (id.RoomID, error) {
	name, via := splitVia(address)
	if !isRoom(bridge.RemoteID(name)) && !isAlias(bridge.RemoteID(name)) {
		return "", fmt.Errorf("%w: it is no room of Matrix", bridge.ErrNoSuchContact)
	}
	if isAlias(address) {
		// A homeserver may have no word for a join of nothing: Dendrite fails.
		room, servers, err := a.roomBehind(ctx, id.RoomAlias(name))
		if err != nil {
			return "", err
		}
		name, via = string(room), append(via, servers[:min(len(servers), maxVia)]...)
	}
	var resp *mautrix.RespJoinRoom
	err := a.network.callFor(ctx, joinTimeout, func(ctx context.Context) (err error) {
		resp, err = a.client.JoinRoom(ctx, name, &mautrix.ReqJoinRoom{Via: viaOf(name, via)})
		return err
	})
	switch {
	case notThere(err):
		return "", fmt.Errorf("%w: %w", bridge.ErrNoSuchContact, err)
	case forbidden(err):
		return "", refused(errors.New("nobody comes in without an invite"))
	case err != nil && final(err):
		return "", refused(err)
	case err != nil:
		return "", err
	}
	if err := a.state.ClearCachedMembers(ctx, resp.RoomID, event.MembershipKnock); err != nil {
		return "", fmt.Errorf("forget the members of %s: %w", resp.RoomID, err)
	}
	return resp.RoomID, nil
}

// Leave implements [bridge.Rooms].
func (a *account) Leave(ctx context.Context, room bridge.RemoteID) error {
	at := id.RoomID(room)
	if err := a.ensureReady(ctx); err != nil {
		return fmt.Errorf("leave %s: %w", room, err)
	}
	if err := a.leave(ctx, at); err != nil {
		return err
	}
	a.mu.Lock()
	delete(a.titles, at)
	a.mu.Unlock()
	if err := a.forgetRoom(ctx, at); err != nil {
		return err
	}
	return a.forgetKeys(ctx, at)
}

// forgetKeys takes their room from the keys of [account.Gather].
func (a *account) forgetKeys(ctx context.Context, room id.RoomID) error {
	memory := a.network.options.Memory
	if memory == nil {
		return nil
	}
	all, err := memory.RecallAll(ctx, a.owner, Name, memoryKey)
	if err != nil {
		return fmt.Errorf("recall the keys of %s: %w", room, err)
	}
	for name, known := range all {
		if id.RoomID(known) != room {
			continue
		}
		if err := memory.Remember(ctx, a.owner, Name, name, ""); err != nil {
			return fmt.Errorf("forget the keys of %s: %w", room, err)
		}
	}
	return nil
}

// Rooms implements [bridge.Rooms].
func (a *account) Rooms(ctx context.Context) ([]bridge.Contact, error) {
	rooms, err := a.nature.groups(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the rooms of %s: %w", a.user, err)
	}
	slices.SortFunc(rooms, func(x, y bridge.Contact) int {
		return strings.Compare(strings.ToLower(x.Name)+string(x.ID), strings.ToLower(y.Name)+string(y.ID))
	})
	return rooms, nil
}

// entered implements [nature].
func (g ghost) entered(ctx context.Context, room id.RoomID) error {
	contact, ok, err := g.contactOf(ctx, room)
	if err != nil {
		return err
	}
	if ok && !isRoom(bridge.RemoteID(contact)) {
		return refused(fmt.Errorf("it is the direct chat with %s", contact))
	}
	_, err = g.becomesGroup(ctx, room)
	return err
}

// groups implements [nature].
func (g ghost) groups(ctx context.Context) (all []bridge.Contact, err error) {
	joined, err := g.joinedRooms(ctx)
	if err != nil {
		return nil, err
	}
	for _, room := range joined {
		group, err := g.knownGroup(ctx, room)
		if err != nil {
			return nil, err
		}
		if !group {
			continue
		}
		if _, err := g.groupChat(ctx, room); err != nil {
			return nil, err
		}
		g.mu.Lock()
		title := g.titles[room].title
		g.mu.Unlock()
		all = append(all, bridge.Contact{ID: bridge.RemoteID(room), Name: title, Room: true})
	}
	return all, nil
}

// knownGroup says whether a room that the ghost is in is a group; one in which
// nobody has spoken yet may not be stored.
func (g ghost) knownGroup(ctx context.Context, room id.RoomID) (bool, error) {
	contact, stored, err := g.contactOf(ctx, room)
	if err != nil || stored {
		return isRoom(bridge.RemoteID(contact)), err
	}
	group, err := g.crowded(ctx, room)
	if err != nil {
		return false, err
	}
	if !group {
		others, err := g.others(ctx, room)
		if err != nil {
			return false, err
		}
		group = len(others) > 1
	}
	if !group {
		return false, nil
	}
	_, err = g.becomesGroup(ctx, room)
	return true, err
}

// entered implements [nature]: the next poll brings the room.
func (p *person) entered(context.Context, id.RoomID) error { return nil }

// groups implements [nature]. A room that was entered just now may have no name yet.
func (p *person) groups(context.Context) (all []bridge.Contact, err error) {
	if err := p.broken(); err != nil {
		return nil, err
	}
	for _, entry := range p.book.roster() {
		if entry.Contact.Room {
			entry.Contact.Name = or(entry.Contact.Name, noTitle)
			all = append(all, entry.Contact)
		}
	}
	return all, nil
}
