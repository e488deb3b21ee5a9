package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// This file is about the rooms of ghosts that are no direct chats. In storage such a
// room is its own contact. It costs what its speakers cost: the homeserver is asked
// how many are in it and, of a small one, who.

// maxKept is how many members a room may have whose members are all known.
const maxKept = 16

// titled is what a room was called when the user was told last.
type titled struct {
	title string
	// byMembers says that it is made of the members' names, because the room has
	// none.
	byMembers bool
}

// chatOf implements [nature]. A room of two is a direct chat and is stored as one,
// in the place of an earlier one: answers go where the contact wrote last. A room of
// more is a group from then on, also when it was direct before: what is meant for
// one must not be read by others.
func (g ghost) chatOf(ctx context.Context, room id.RoomID, sender id.UserID) (bridge.Chat, error) {
	contact, stored, err := g.contactOf(ctx, room)
	if err != nil {
		return bridge.Chat{}, err
	}
	if stored && isRoom(bridge.RemoteID(contact)) {
		return g.groupChat(ctx, room)
	}
	crowd, err := g.crowded(ctx, room)
	if err != nil {
		return bridge.Chat{}, err
	}
	if crowd {
		return g.becomesGroup(ctx, room)
	}
	others, err := g.others(ctx, room)
	if err != nil {
		return bridge.Chat{}, err
	}
	switch {
	case len(others) == 1 && others[0] == sender:
		if !stored || contact != sender {
			err = g.setDirectRoom(ctx, sender, room)
		}
	case len(others) > 1, len(others) == 1 && !stored:
		return g.becomesGroup(ctx, room)
	}
	// Whoever spoke may have left since.
	return bridge.Chat{Contact: bridge.RemoteID(sender)}, err
}

// contactOf returns whose direct chat a room is, or the room itself for a group.
func (a *account) contactOf(ctx context.Context, room id.RoomID) (contact id.UserID, ok bool, err error) {
	stored, ok, err := a.network.options.Chats.ChatContact(ctx, a.owner, Name, string(room))
	if err != nil {
		return "", false, fmt.Errorf("find the contact of %s: %w", room, err)
	}
	return id.UserID(stored), ok, nil
}

// isGroup says whether a room is known to be a group.
func (a *account) isGroup(ctx context.Context, room id.RoomID) (bool, error) {
	contact, ok, err := a.contactOf(ctx, room)
	return ok && isRoom(bridge.RemoteID(contact)), err
}

// becomesGroup stores that a room is no direct chat.
func (g ghost) becomesGroup(ctx context.Context, room id.RoomID) (bridge.Chat, error) {
	if err := g.setDirectRoom(ctx, id.UserID(room), room); err != nil {
		return bridge.Chat{}, err
	}
	return g.groupChat(ctx, room)
}

// groupChat returns the chat of a group. Before it is used for the first time the
// user is told what the room is called: its handle is made of that, for ever.
func (g ghost) groupChat(ctx context.Context, room id.RoomID) (bridge.Chat, error) {
	g.mu.Lock()
	_, told := g.titles[room]
	g.mu.Unlock()
	if !told {
		if err := g.retitle(ctx, room); err != nil {
			return bridge.Chat{}, err
		}
	}
	return bridge.RoomChat(bridge.RemoteID(room)), nil
}

// retitle tells the user what a room is called, if that is new.
func (a *account) retitle(ctx context.Context, room id.RoomID) error {
	now, err := a.titleOf(ctx, room)
	if err != nil {
		return err
	}
	a.mu.Lock()
	before, told := a.titles[room]
	a.mu.Unlock()
	if !told || before.title != now.title {
		contact := bridge.Contact{ID: bridge.RemoteID(room), Name: now.title, Room: true}
		if err := a.receive(ctx, bridge.ContactRenamed{Contact: contact}); err != nil {
			return err
		}
	}
	a.mu.Lock()
	a.titles[room] = now
	a.mu.Unlock()
	return nil
}

// noTitle is what a room is called of which nothing is known.
const noTitle = "a room"

// titleOf finds what a room is called: its name, its address, or who is in it.
func (a *account) titleOf(ctx context.Context, room id.RoomID) (titled, error) {
	f, err := a.lookAt(ctx, room)
	if err != nil {
		return titled{}, err
	}
	if title := f.title(); title != "" {
		return titled{title, f.Name == "" && f.Alias == ""}, nil
	}
	if f.Joined > 1 {
		return titled{fmt.Sprintf("a room of %d people", f.Joined), false}, nil
	}
	return titled{noTitle, true}, nil
}

// lookAt asks the homeserver about a room: what it is called, how many are in it
// and, where they are few and make its name, who. The answer to the first question
// has the same size for every room.
func (a *account) lookAt(ctx context.Context, room id.RoomID) (*facts, error) {
	f, err := a.outline(ctx, room)
	if err != nil {
		return nil, err
	}
	if f.Name != "" || f.Alias != "" || f.Joined > maxKept {
		return f, nil
	}
	others, err := a.others(ctx, room)
	if err != nil {
		return nil, err
	}
	f.Joined = len(others) + 1
	for _, user := range others[:min(len(others), maxNames)] {
		member, err := a.state.TryGetMember(ctx, room, user)
		if err != nil {
			return nil, fmt.Errorf("read the members of %s: %w", room, err)
		}
		if member != nil {
			f.member(user, member, a.user)
		}
	}
	return f, nil
}

// outline asks for a room's name, address and size. What the homeserver does not
// tell stays empty.
func (a *account) outline(ctx context.Context, room id.RoomID) (*facts, error) {
	resp, err := a.hierarchy(ctx, room)
	switch {
	case err != nil && final(err):
		a.log.Debug().Err(err).Str("room", string(room)).Msg("The homeserver does not tell what a room is")
		return &facts{}, nil
	case err != nil:
		return nil, fmt.Errorf("ask what %s is: %w", room, err)
	case len(resp.Rooms) == 0:
		return &facts{}, nil
	}
	about := resp.Rooms[0]
	return &facts{
		Name: oneLine(about.Name), Alias: about.Alias, Space: about.Type == string(event.RoomTypeSpace), Joined: about.Joined,
	}, nil
}

// summaries is what is read of the answer to [account.hierarchy]: no more than that,
// because the rest of what a room says of itself may be anything.
type summaries struct {
	Rooms []struct {
		Name   string `json:"name"`
		Alias  string `json:"canonical_alias"`
		Type   string `json:"room_type"`
		Joined int    `json:"num_joined_members"`
	} `json:"rooms"`
}

// hierarchy asks for the summary of a room. What cannot be read of it is empty.
func (a *account) hierarchy(ctx context.Context, room id.RoomID) (*summaries, error) {
	depth := 0
	query := (&mautrix.ReqHierarchy{Limit: 1, MaxDepth: &depth}).Query()
	var raw []byte
	err := a.network.call(ctx, func(ctx context.Context) (err error) {
		raw, err = a.client.MakeRequest(ctx, http.MethodGet, a.client.BuildURLWithQuery(mautrix.ClientURLPath{"v1", "rooms", room, "hierarchy"}, query), nil, nil)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := &summaries{}
	var strange *json.UnmarshalTypeError // all that is of the right type was read
	if err := json.Unmarshal(raw, resp); err != nil && !errors.As(err, &strange) {
		return nil, err
	}
	return resp, nil
}

// crowded says whether a room has more members than are kept.
func (a *account) crowded(ctx context.Context, room id.RoomID) (bool, error) {
	fetched, err := a.state.HasFetchedMembers(ctx, room)
	if err != nil {
		return false, fmt.Errorf("read the members of %s: %w", room, err)
	}
	if fetched {
		return false, nil
	}
	f, err := a.outline(ctx, room)
	if err != nil {
		return false, err
	}
	return f.Joined > maxKept, nil
}

// groupMember takes in that somebody came into a group, or left it.
func (a *account) groupMember(ctx context.Context, room id.RoomID, user id.UserID, content *event.MemberEventContent) error {
	if content.Membership.IsLeaveOrBan() {
		left := bridge.SpeakerLeft{
			Chat: bridge.RoomChat(bridge.RemoteID(room)),
			Who:  bridge.Contact{ID: bridge.RemoteID(user), Name: oneLine(content.Displayname)},
		}
		if err := a.receive(ctx, left); err != nil {
			return err
		}
	}
	a.mu.Lock()
	told := a.titles[room]
	a.mu.Unlock()
	if !told.byMembers {
		return nil
	}
	return a.retitle(ctx, room)
}

// roomRenamed takes in a change of what a room is called.
func (n *Network) roomRenamed(ctx context.Context, room id.RoomID) error {
	accounts, err := n.accountsIn(ctx, room)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		group, err := a.isGroup(ctx, room)
		if err == nil && group {
			err = a.retitle(ctx, room)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// removed takes in that others took the ghost out of a room.
func (a *account) removed(ctx context.Context, evt *event.Event) error {
	group, err := a.isGroup(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	if err := a.forgetRoom(ctx, evt.RoomID); err != nil || !group {
		return err
	}
	a.mu.Lock()
	name := or(a.titles[evt.RoomID].title, string(evt.RoomID))
	delete(a.titles, evt.RoomID)
	delete(a.prompts, evt.RoomID)
	a.mu.Unlock()
	contact := bridge.Contact{ID: bridge.RemoteID(evt.RoomID), Room: true}
	words := fmt.Sprintf("You were taken out of %s by %s.", name, evt.Sender)
	if reason := oneLine(evt.Content.AsMember().Reason); reason != "" {
		words += " The reason: " + reason
	}
	if err := a.receive(ctx, bridge.RosterChanged{Entry: bridge.RosterEntry{Contact: contact}, Removed: true}); err != nil {
		return err
	}
	return a.receive(ctx, bridge.NetworkSays{Text: words})
}
