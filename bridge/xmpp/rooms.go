package xmpp

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// rooms are the chats of many that the account is in (XEP-0045). A room costs
// what its speakers cost: of those who only listen nothing is kept, but for the
// addresses of the people in a small room.
//
// Stanzas come from the goroutine that reads the stream. What has to be sent or
// stored because of them is done by the lane.
type rooms struct {
	account *account
	lane    lane
	asking  lane       // for questions whose answers may take long
	marking sync.Mutex // held while bookmarks are changed

	mu       sync.Mutex
	all      map[bridge.RemoteID]*room
	invites  map[bridge.RemoteID]invite // of which the user was told
	private  bool                       // bookmarks are in private storage (XEP-0048)
	service  string                     // where rooms are made; "" while not known
	checking *time.Timer                // the next look whether rooms are still there
}

// roomState is where the account is in relation to a room.
type roomState int

const (
	outside roomState = iota
	entering
	inside
)

// room is one room. The mutex of rooms guards it.
type room struct {
	id    bridge.RemoteID
	mark  bookmark
	kept  bool // has a bookmark: to be entered again
	state roomState
	nick  string // in use, or asked for

	round int // counts the tries to enter, so that a late timer is known as such
	names int // nicks that were taken, in this try
	fails int // tries that failed, in a row
	// refusals are those at which the room would not have the account.
	refusals int
	timer    *time.Timer  // ends this try, or begins the next
	waiting  []chan error // for the end of this try
	history  int          // messages to ask for when none was ever seen

	made      bool // the account has just made it, and nobody else can enter yet
	making    bool // Gather does what has to be done then
	busy      int  // how many are about to keep it
	owner     bool
	told      bool // its topic after entering has come: what comes now is new
	heard     time.Time
	reading   string // the query of its archive that runs
	holding   bool   // until the archive is read, what is said is held
	held      []heldTalk
	learned   bool      // what the room says of itself was asked for
	saved     time.Time // when mark was stored
	crowded   bool      // too many to keep their addresses
	addresses map[string]bridge.RemoteID
	speakers  recent[string, bridge.Contact] // by nick
}

// The limits of what is kept of a room.
const (
	maxAddresses = 64
	maxSpeakers  = 200
)

var _ bridge.Rooms = (*account)(nil)

// has says whether an address is that of a room that the account is in, or of
// somebody there.
func (r *rooms) has(address string) bool {
	id, ok := bareID(address)
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all[id] != nil
}

// get returns a room, known or new. The mutex is held.
func (r *rooms) get(id bridge.RemoteID) *room {
	if known := r.all[id]; known != nil {
		return known
	}
	if r.all == nil {
		r.all = make(map[bridge.RemoteID]*room)
	}
	r.all[id] = &room{id: id, mark: bookmark{Room: id}}
	return r.all[id]
}

// forget drops a room that nothing holds any more. The mutex is held.
func (r *rooms) forget(room *room) {
	if !room.kept && room.state == outside && len(room.waiting) == 0 && room.busy == 0 {
		room.round++
		room.stopTimer()
		delete(r.all, room.id)
	}
}

func (r *room) stopTimer() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// post has something done that may take long, in order.
func (r *rooms) post(do func(ctx context.Context)) {
	r.lane.post(func() {
		if r.account.life.Err() == nil {
			do(r.account.life)
		}
	})
}

// send sends a stanza from the lane. What is lost with the stream is made good
// when rooms are entered again.
func (r *rooms) send(s *stream.Stanza) {
	r.post(func(ctx context.Context) {
		if err := r.account.port.send(ctx, s); err != nil {
			r.account.log.Debug().Err(err).Str("to", s.To).Msg("Cannot tell a room something")
		}
	})
}

// take deals with a stanza that concerns a room: groupchat messages, presences
// of rooms, invites (mediated and direct). Ok is false for all others.
func (r *rooms) take(s *stream.Stanza, done func()) (ok bool) {
	switch {
	case s.Kind == stream.Presence:
		r.account.unlockFrom(s.From)
		if ok = r.takePresence(s); ok {
			finish(done)
		}
		return ok
	case s.Kind != stream.Message || s.Type == "error":
		return false
	case r.takeArchived(s, done), r.takeInvite(s, done), r.takeBookmarks(s, done):
		return true
	case s.Type == "groupchat":
		r.takeTalk(s, done)
		return true
	case stream.Resource(s.From) == "" && r.has(s.From):
		// A word of the room to the account alone: a question to prove that one
		// is no machine, a refusal.
		if words := lines(s.Text("body")); words != "" {
			r.account.feed.put(bridge.NetworkSays{Text: stream.Bare(s.From) + ": " + words}, done)
		} else {
			finish(done)
		}
		return true
	}
	return false
}

// find returns the room that a chat is held in; ok is false for a direct chat.
func (r *rooms) find(ctx context.Context, chat bridge.Chat) (room bridge.RemoteID, ok bool, err error) {
	if chat.Group == "" {
		return chat.Contact, !isOccupant(chat.Contact) && r.has(string(chat.Contact)), nil
	}
	if chat.Contact != "" {
		return chat.Contact, true, nil
	}
	room, err = r.named(ctx, chat.Group)
	return room, err == nil, err
}

// named returns the room that is meant by a key of Gather or by its id.
func (r *rooms) named(ctx context.Context, name string) (bridge.RemoteID, error) {
	r.mu.Lock()
	for id, room := range r.all {
		if string(id) == name || room.mark.Key == name && name != "" {
			r.mu.Unlock()
			return id, nil
		}
	}
	r.mu.Unlock()
	id, err := r.recallKey(ctx, name)
	if err != nil || id != "" {
		return id, err
	}
	if id, ok := bareID(name); ok && !isServer(string(id)) {
		return id, nil
	}
	return "", fmt.Errorf("%w: there is no room %q", bridge.ErrRefused, name)
}

// entries are the rooms as contacts, for a roster. [rooms.load] has to be called
// before.
func (r *rooms) entries() []bridge.RosterEntry {
	var all []bridge.RosterEntry
	for _, c := range r.contacts() {
		all = append(all, bridge.RosterEntry{Contact: c})
	}
	return all
}

// contacts lists the rooms that the account keeps.
func (r *rooms) contacts() (all []bridge.Contact) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, room := range r.all {
		if room.kept {
			all = append(all, room.contact())
		}
	}
	slices.SortFunc(all, func(a, b bridge.Contact) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all
}

// contact is the room as the gateway sees it.
func (r *room) contact() bridge.Contact {
	return bridge.Contact{ID: r.id, Name: r.mark.Name, Room: true}
}

// Rooms implements [bridge.Rooms].
func (a *account) Rooms(context.Context) ([]bridge.Contact, error) { return a.rooms.contacts(), nil }

// Join implements [bridge.Rooms]. Who was invited and has not answered yet answers by
// that: the invitation may hold the password.
func (a *account) Join(ctx context.Context, id bridge.RemoteID) (bridge.Contact, error) {
	i, invited, err := a.rooms.pending(ctx, id)
	if err != nil {
		return bridge.Contact{}, err
	}
	made := a.rooms.isOurs(id)
	contact, err := a.rooms.enterAndKeep(ctx, bookmark{Room: id, Password: i.Password})
	if err == nil && invited {
		err = a.rooms.answered(ctx, id)
	}
	if err == nil && !made {
		a.rooms.tellIfMade(contact.ID)
	}
	return contact, err
}

// follow has the account in a room that is on the user's list: nothing is to be done
// for one that it keeps anyway.
func (r *rooms) follow(ctx context.Context, id bridge.RemoteID) error {
	_, kept, err := r.recall(ctx, id)
	if err != nil || kept {
		return err
	}
	_, err = r.enterAndKeep(ctx, bookmark{Room: id})
	return err
}

// enterAndKeep enters a room and makes a bookmark.
func (r *rooms) enterAndKeep(ctx context.Context, mark bookmark) (bridge.Contact, error) {
	id, ok := bareID(string(mark.Room))
	if !ok || isServer(string(id)) {
		return bridge.Contact{}, fmt.Errorf("%w: %q is no room", bridge.ErrNoSuchContact, mark.Room)
	}
	stored, kept, err := r.recall(ctx, id)
	if err != nil {
		return bridge.Contact{}, err
	}
	mark.Room = id
	mark = r.asMarked(ctx, mark)
	r.mu.Lock()
	room := r.get(id)
	room.busy++
	defer r.unbusy(room)
	if kept && !room.kept { // it is only not loaded yet
		room.kept, room.mark = true, stored
	}
	room.history, room.mark.Closed = firstHistory, false
	if mark.Password != "" {
		room.mark.Password = mark.Password
	}
	if mark.Nick != "" {
		room.mark.Nick = mark.Nick
	}
	r.mu.Unlock()
	if err := r.join(ctx, id); err != nil {
		return bridge.Contact{}, err
	}
	newest, contact := r.noted(ctx, room, mark)
	if err := r.addBookmark(ctx, newest); err != nil {
		return bridge.Contact{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	room.kept = true
	return contact, nil
}

// noted puts into a room's bookmark what the room says of itself, and what is wanted.
func (r *rooms) noted(ctx context.Context, room *room, wanted bookmark) (bookmark, bridge.Contact) {
	said, known := r.account.describe(ctx, room.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	if known {
		room.mark.Archive = said.archive
	}
	if name := cmp.Or(wanted.Name, said.name); name != "" {
		room.mark.Name = name
	}
	if wanted.Key != "" {
		room.mark.Key = wanted.Key
	}
	return room.mark, room.contact()
}

// unbusy ends the time in which a room is not to be forgotten.
func (r *rooms) unbusy(room *room) {
	r.mu.Lock()
	defer r.mu.Unlock()
	room.busy--
	r.forget(room)
}

// firstHistory is how many messages are asked for when the user enters a room for
// the first time.
const firstHistory = 10

// Leave implements [bridge.Rooms].
func (a *account) Leave(ctx context.Context, id bridge.RemoteID) error {
	r := &a.rooms
	if err := r.removeBookmark(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	room := r.all[id]
	if room == nil {
		r.mu.Unlock()
		return nil
	}
	farewell := r.depart(room)
	room.kept = false
	r.forget(room)
	r.mu.Unlock()
	if farewell == nil {
		return nil
	}
	if err := a.port.send(ctx, farewell); err != nil {
		return fmt.Errorf("leave %s: %w", id, err)
	}
	return nil
}

// description is what a room says of itself.
type description struct {
	name    string
	archive bool
	room    bool // it says that it is one
}

// describe asks a room for its name, and whether it has an archive; ok is false
// where it does not answer.
func (a *account) describe(ctx context.Context, id bridge.RemoteID) (d description, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	info, err := a.query(ctx, string(id), stream.NewElement(nsDiscoInfo, "query"))
	if err != nil {
		return d, false
	}
	d.name, d.room = roomIdentity(info)
	d.archive = hasFeature(info, nsArchive)
	return d, true
}

// describeRoom is describe for an address that somebody else calls a room: ok is false
// where neither it nor the service that it is at says so.
func (a *account) describeRoom(ctx context.Context, id bridge.RemoteID) (d description, ok bool) {
	d, answered := a.describe(ctx, id)
	if answered {
		return d, d.room
	}
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	_, service := splitID(id)
	info, err := a.query(ctx, service, stream.NewElement(nsDiscoInfo, "query"))
	if err != nil {
		return d, false
	}
	_, conference := roomIdentity(info)
	return d, conference && hasFeature(info, nsMUC)
}
