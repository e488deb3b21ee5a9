package matrix

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// facts is what is known of a room that a person is in: as much as it takes to say
// whose chat it is and what it is called.
type facts struct {
	Name     string `json:"name,omitempty"`
	Alias    string `json:"alias,omitempty"`
	Space    bool   `json:"space,omitempty"`
	Replaced bool   `json:"replaced,omitempty"` // by the room of an upgrade
	// Direct says that somebody meant the room to be a direct chat when he
	// invited to it.
	Direct bool `json:"direct,omitempty"`
	// Joined and Invited count the members, the person included. Heroes are
	// some of the others.
	Joined  int         `json:"joined"`
	Invited int         `json:"invited,omitempty"`
	Heroes  []id.UserID `json:"heroes,omitempty"`
	// Names are the display names of others, where they are few.
	Names map[id.UserID]string `json:"names,omitempty"`
	// Mark is the last event that was taken care of.
	Mark id.EventID `json:"mark,omitempty"`
}

// maxNames is how many people's names are kept for a room.
const maxNames = 8

// summary takes in what a sync says of the members: only what has changed.
func (f *facts) summary(s mautrix.LazyLoadSummary) {
	if s.JoinedMemberCount != nil {
		f.Joined = *s.JoinedMemberCount
	}
	if s.InvitedMemberCount != nil {
		f.Invited = *s.InvitedMemberCount
	}
	if len(s.Heroes) > 0 {
		f.Heroes = s.Heroes
	}
}

// state takes in a state event.
func (f *facts) state(evt *event.Event, self id.UserID) {
	if evt.Type.Type != event.StateMember.Type && evt.GetStateKey() != "" {
		return // it says nothing of the room
	}
	switch content := evt.Content.Parsed.(type) {
	case *event.RoomNameEventContent:
		f.Name = oneLine(content.Name)
	case *event.CanonicalAliasEventContent:
		f.Alias = string(content.Alias)
	case *event.CreateEventContent:
		f.Space = content.Type == event.RoomTypeSpace
	case *event.TombstoneEventContent:
		f.Replaced = content.ReplacementRoom != ""
	case *event.MemberEventContent:
		f.member(id.UserID(evt.GetStateKey()), content, self)
	}
}

// member takes in somebody's membership.
func (f *facts) member(user id.UserID, content *event.MemberEventContent, self id.UserID) {
	if user == self {
		f.Direct = f.Direct || content.IsDirect
		return
	}
	if content.IsDirect && content.Membership == event.MembershipInvite {
		f.Direct = true // the person meant it so
	}
	_, kept := f.Names[user]
	if content.Membership.IsLeaveOrBan() {
		delete(f.Names, user)
	} else if kept || len(f.Names) < maxNames {
		if f.Names == nil {
			f.Names = make(map[id.UserID]string)
		}
		f.Names[user] = oneLine(content.Displayname)
	}
}

// peer returns the other person of a direct chat in which one can still talk, empty if
// the room is none.
func (f *facts) peer(listed id.UserID) id.UserID {
	if f.Replaced {
		return ""
	}
	return f.partner(listed)
}

// partner returns the other person of a direct chat, empty if the room is none: it has
// two members, and is on the list of direct chats as somebody's, or was meant to be
// one, or has no name. What is meant for one must not be read by more.
func (f *facts) partner(listed id.UserID) id.UserID {
	if f.Space || f.Joined+f.Invited != 2 {
		return ""
	}
	other := listed
	if len(f.Heroes) > 0 && !slices.Contains(f.Heroes, listed) {
		other = f.Heroes[0]
	}
	if other == "" && len(f.Names) == 1 {
		for user := range f.Names {
			other = user
		}
	}
	if other == listed || f.Direct || f.Name == "" && f.Alias == "" {
		return other
	}
	return ""
}

// title is what a room is called.
func (f *facts) title() string {
	if name := or(f.Name, f.Alias); name != "" {
		return name
	}
	var names []string
	for _, user := range slices.Sorted(maps.Keys(f.Names)) {
		names = append(names, or(f.Names[user], string(user)))
	}
	if more := f.Joined + f.Invited - 1 - len(names); more > 0 && len(names) > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// book is what is known of a person's rooms and people. All methods are safe from
// any goroutine; the sync alone changes rooms that it has heard of.
type book struct {
	mu       sync.Mutex
	rooms    map[id.RoomID]*facts
	direct   event.DirectChatsEventContent // the list of direct chats
	ignored  map[id.UserID]bool
	follows  map[id.UserID]string // taken up on MSN, whether there is a room or not
	unlisted map[id.UserID]bool   // taken off the MSN list, while the room stays
}

func (b *book) init() {
	b.rooms = make(map[id.RoomID]*facts)
	b.direct = make(event.DirectChatsEventContent)
	b.ignored = make(map[id.UserID]bool)
	b.follows = make(map[id.UserID]string)
	b.unlisted = make(map[id.UserID]bool)
}

// listedIn returns as whose direct chat a room is listed. The mutex is held.
func (b *book) listedIn(room id.RoomID) id.UserID {
	for user, rooms := range b.direct {
		if slices.Contains(rooms, room) {
			return user
		}
	}
	return ""
}

// chatsWith returns how many rooms are listed as direct chats with somebody that the
// person is in, however many others are.
func (b *book) chatsWith(user id.UserID) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, room := range b.direct[user] {
		if f := b.rooms[room]; f != nil && !f.Replaced {
			n++
		}
	}
	return n
}

// contactOf returns whose direct chat a room is; empty if it is none.
func (b *book) contactOf(room id.RoomID) id.UserID {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.rooms[room]; f != nil {
		return f.peer(b.listedIn(room))
	}
	return ""
}

// couple says whether a room is, or was, a direct chat.
func (b *book) couple(room id.RoomID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.rooms[room]
	return f != nil && f.partner(b.listedIn(room)) != ""
}

// size returns how many are in a room, or invited to it, as far as is known.
func (b *book) size(room id.RoomID) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.rooms[room]; f != nil {
		return f.Joined + f.Invited
	}
	return 0
}

// knows says whether a room is in the book.
func (b *book) knows(room id.RoomID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rooms[room] != nil
}

// change lets f change what is known of a room, which is new if need be.
func (b *book) change(room id.RoomID, f func(*facts)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rooms[room] == nil {
		b.rooms[room] = &facts{}
	}
	f(b.rooms[room])
}

// markOf returns the last event of a room that was taken care of, empty if none is
// known.
func (b *book) markOf(room id.RoomID) id.EventID {
	b.mu.Lock()
	defer b.mu.Unlock()
	if f := b.rooms[room]; f != nil {
		return f.Mark
	}
	return ""
}

// forget removes a room.
func (b *book) forget(room id.RoomID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.rooms, room)
}

// roomsOf returns the rooms of the chats with a contact, those that are on the list
// of direct chats first.
func (b *book) roomsOf(contact id.UserID) []id.RoomID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var listed, others []id.RoomID
	for room, f := range b.rooms {
		in := b.listedIn(room)
		switch {
		case f.peer(in) != contact:
		case in != "":
			listed = append(listed, room)
		default:
			others = append(others, room)
		}
	}
	slices.Sort(listed)
	slices.Sort(others)
	return append(listed, others...)
}

// text is the form in which facts are remembered; empty for a room that is unknown.
func (b *book) text(room id.RoomID) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.rooms[room]
	if f == nil {
		return "", nil
	}
	raw, err := json.Marshal(f)
	return string(raw), err
}

// roster returns the contact list: the people of the direct chats, those whom the
// user took up on MSN, and the rooms.
func (b *book) roster() map[bridge.RemoteID]bridge.RosterEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	entries := make(map[bridge.RemoteID]bridge.RosterEntry)
	for user, name := range b.follows {
		id := bridge.RemoteID(user)
		entries[id] = bridge.RosterEntry{Contact: bridge.Contact{ID: id, Name: name}}
	}
	for _, room := range slices.Sorted(maps.Keys(b.rooms)) {
		f := b.rooms[room]
		peer := f.peer(b.listedIn(room))
		switch {
		case peer != "":
			id := bridge.RemoteID(peer)
			entry := bridge.RosterEntry{
				Contact: bridge.Contact{ID: id, Name: or(f.Names[peer], entries[id].Contact.Name)},
				Watches: entries[id].Watches || f.Joined == 2, Unlisted: b.unlisted[peer],
			}
			entries[id] = entry
		case !f.Space && !f.Replaced && (f.Name != "" || f.Joined+f.Invited > 1):
			id := bridge.RemoteID(room)
			entries[id] = bridge.RosterEntry{Contact: bridge.Contact{ID: id, Name: f.title(), Room: true}}
		}
	}
	return entries
}
