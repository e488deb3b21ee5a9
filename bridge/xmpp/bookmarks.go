package xmpp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// bookmark is what is remembered of a room. The gateway's own store has it for
// every kind of identity; for a login the server's bookmarks say which rooms there
// are, and the store what was seen of them.
type bookmark struct {
	Room     bridge.RemoteID `json:"-"`
	Name     string          `json:"name,omitempty"`
	Nick     string          `json:"nick,omitempty"` // where it is not the friendly name
	Password string          `json:"password,omitempty"`
	// Key is that of Gather.
	Key string `json:"key,omitempty"`
	// Archive says that the room keeps what is said.
	Archive bool `json:"archive,omitempty"`
	// Closed says that the room was destroyed: to enter it would make another under its
	// name, with nobody in it.
	Closed bool `json:"closed,omitempty"`
	// Seen is when the last message came.
	Seen time.Time `json:"seen,omitzero"`
}

// The beginnings of keys in the gateway's store.
const (
	memoryRoom   = "room "
	memoryInvite = "invite "
)

// remember stores a bookmark in the gateway's store.
func (r *rooms) remember(ctx context.Context, m bookmark) error {
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write bookmark: %w", err)
	}
	return r.recollect(ctx, memoryRoom+string(m.Room), string(value))
}

// recollect stores something under a key; "" forgets it.
func (r *rooms) recollect(ctx context.Context, key, value string) error {
	err := r.account.network.options.Memory.Remember(ctx, r.account.owner, Name, key, value)
	if err != nil {
		return fmt.Errorf("remember %s: %w", key, err)
	}
	return nil
}

// recall reads one bookmark in the gateway's store; ok is false if there is none.
func (r *rooms) recall(ctx context.Context, id bridge.RemoteID) (m bookmark, ok bool, err error) {
	key := memoryRoom + string(id)
	value, err := r.account.network.options.Memory.Recall(ctx, r.account.owner, Name, key)
	if err != nil {
		return m, false, fmt.Errorf("recall %s: %w", key, err)
	}
	if value == "" {
		return bookmark{Room: id}, false, nil
	}
	m, err = parseBookmark(key, value)
	return m, err == nil, err
}

// parseBookmark reads a bookmark as it is stored under a key.
func parseBookmark(key, value string) (m bookmark, err error) {
	if err := json.Unmarshal([]byte(value), &m); err != nil {
		return m, fmt.Errorf("recall %s: %w", key, err)
	}
	m.Room = bridge.RemoteID(key[len(memoryRoom):])
	return m, nil
}

// recallAll reads the bookmarks in the gateway's store.
func (r *rooms) recallAll(ctx context.Context) (map[bridge.RemoteID]bookmark, error) {
	values, err := r.account.network.options.Memory.RecallAll(ctx, r.account.owner, Name, memoryRoom)
	if err != nil {
		return nil, fmt.Errorf("recall rooms: %w", err)
	}
	all := make(map[bridge.RemoteID]bookmark)
	for key, value := range values {
		m, err := parseBookmark(key, value)
		if err != nil {
			return nil, err
		}
		all[m.Room] = m
	}
	return all, nil
}

// recallKey finds the room that Gather made with a key, "" if there is none.
func (r *rooms) recallKey(ctx context.Context, key string) (bridge.RemoteID, error) {
	all, err := r.recallAll(ctx)
	if err != nil || key == "" {
		return "", err
	}
	for id, m := range all {
		if m.Key == key {
			return id, nil
		}
	}
	return "", nil
}

// hasServer says whether the account's server keeps things for it: not for an
// address of the component's.
func (r *rooms) hasServer() bool {
	_, domain := splitID(bridge.RemoteID(r.account.bare))
	return r.account.network.options.Component.Domain != domain
}

// load reads the bookmarks; [rooms.enter] does it, too. When the server's cannot be
// read, the rooms of the last time stand.
func (r *rooms) load(ctx context.Context) error {
	marks, err := r.recallAll(ctx)
	if err != nil {
		return err
	}
	var failed error
	if r.hasServer() {
		wanted, err := r.fetch(ctx)
		if failed = err; err == nil {
			for id := range marks {
				if _, ok := wanted[id]; !ok {
					delete(marks, id)
					failed = errors.Join(failed, r.recollect(ctx, memoryRoom+string(id), ""))
				}
			}
			for id, w := range wanted {
				marks[id] = merge(marks[id], w)
			}
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, m := range marks {
		room := r.get(id)
		room.kept, room.mark = true, newer(room.mark, m)
	}
	if failed == nil {
		for id, room := range r.all {
			if _, ok := marks[id]; !ok && room.state == outside {
				room.kept = false
				r.forget(room)
			}
		}
	}
	return failed
}

// newer takes what is stored of a room into what this process knows, which may have
// learned more meanwhile.
func newer(known, stored bookmark) bookmark {
	stored.Archive = stored.Archive || known.Archive
	if known.Key != "" {
		stored.Key = known.Key
	}
	if stored.Name == "" {
		stored.Name = known.Name
	}
	if known.Seen.After(stored.Seen) {
		stored.Seen = known.Seen
	}
	return stored
}

// merge takes what the server says of a room into what is known.
func merge(known, server bookmark) bookmark {
	known.Room, known.Nick, known.Password = server.Room, server.Nick, server.Password
	if server.Name != "" {
		known.Name = server.Name
	}
	return known
}

// addBookmark stores a bookmark here and, for a login, at the server.
func (r *rooms) addBookmark(ctx context.Context, m bookmark) error {
	r.marking.Lock()
	defer r.marking.Unlock()
	if r.hasServer() {
		if err := r.publish(ctx, m); err != nil {
			return fmt.Errorf("keep a bookmark of %s: %w", m.Room, err)
		}
	}
	return r.remember(ctx, m)
}

// removeBookmark removes a bookmark here and at the server.
func (r *rooms) removeBookmark(ctx context.Context, id bridge.RemoteID) error {
	r.marking.Lock()
	defer r.marking.Unlock()
	if r.hasServer() {
		if err := r.retract(ctx, id); err != nil {
			return fmt.Errorf("remove the bookmark of %s: %w", id, err)
		}
	}
	return r.recollect(ctx, memoryRoom+string(id), "")
}

// takeBookmarks deals with the news that another client of the user's changed the
// bookmarks (XEP-0402 §4.3); ok is false for all other messages.
func (r *rooms) takeBookmarks(s *stream.Stanza, done func()) (ok bool) {
	items := s.Child(nsPubSubEvent, "event").Child(nsPubSubEvent, "items")
	if items.Attribute("node") != nsBookmarks || s.From != "" && stream.Bare(s.From) != r.account.bare {
		return false
	}
	for _, item := range items.All(nsPubSubEvent, "item") {
		if m, autojoin, ok := readBookmark(item.Attribute("id"), item.Child(nsBookmarks, "conference"), nsBookmarks); ok {
			r.marked(m, autojoin)
		}
	}
	for _, item := range items.All(nsPubSubEvent, "retract") {
		if id, ok := bareID(item.Attribute("id")); ok {
			r.marked(bookmark{Room: id}, false)
		}
	}
	finish(done)
	return true
}

// marked brings a room to where a bookmark that was changed elsewhere wants it.
func (r *rooms) marked(m bookmark, autojoin bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.all[m.Room]
	if !autojoin {
		if known == nil || !known.kept {
			return
		}
		contact := known.contact()
		if farewell := r.depart(known); farewell != nil {
			r.send(farewell)
		}
		known.kept = false
		r.forget(known)
		r.store(memoryRoom+string(m.Room), "")
		r.account.feed.put(bridge.RosterChanged{Entry: bridge.RosterEntry{Contact: contact}, Removed: true}, nil)
		return
	}
	room := r.get(m.Room)
	news := !room.kept || m.Name != "" && m.Name != room.mark.Name
	room.kept, room.mark = true, merge(room.mark, m)
	if room.state == outside && room.timer == nil && !room.mark.Closed {
		r.begin(room)
		r.watch()
	}
	if news {
		stored := room.mark
		r.post(func(ctx context.Context) {
			if err := r.remember(ctx, stored); err != nil {
				r.account.log.Warn().Err(err).Msg("Cannot store a bookmark")
			}
		})
		r.account.feed.put(bridge.RosterChanged{Entry: bridge.RosterEntry{Contact: room.contact()}}, nil)
	}
}

// store remembers something from the lane.
func (r *rooms) store(key, value string) {
	r.post(func(ctx context.Context) {
		if err := r.recollect(ctx, key, value); err != nil {
			r.account.log.Warn().Err(err).Msg("Cannot store something about a room")
		}
	})
}
