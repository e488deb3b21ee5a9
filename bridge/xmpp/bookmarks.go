package xmpp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

const (
	nsBookmarks    = "urn:xmpp:bookmarks:1" // XEP-0402
	nsBookmarksOld = "storage:bookmarks"    // XEP-0048
	nsPrivate      = "jabber:iq:private"    // XEP-0049
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
	// Seen is when the last message came.
	Seen time.Time `json:"seen,omitzero"`
}

// The beginnings of keys in the gateway's store.
const (
	memoryRoom   = "room "
	memoryInvite = "invite "
)

// bookmarksTimeout bounds each exchange about bookmarks.
const bookmarksTimeout = 15 * time.Second

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

// fetch reads the server's bookmarks of rooms to be entered: those of XEP-0402,
// else those of XEP-0048.
func (r *rooms) fetch(ctx context.Context) (map[bridge.RemoteID]bookmark, error) {
	ctx, cancel := context.WithTimeout(ctx, bookmarksTimeout)
	defer cancel()
	answer, err := r.account.query(ctx, "", stream.NewElement(nsPubSub, "pubsub").
		With(stream.NewElement(nsPubSub, "items", "node", nsBookmarks)))
	var e *stream.StanzaError
	switch {
	case err == nil:
		r.usePrivate(false)
		return readItems(answer.Child(nsPubSub, "items").All(nsPubSub, "item")), nil
	case !errors.As(err, &e):
		return nil, fmt.Errorf("read bookmarks: %w", err)
	}
	storage, privateErr := r.privateBookmarks(ctx)
	if privateErr != nil {
		if e.Condition == "item-not-found" { // there are none yet
			r.usePrivate(false)
			return nil, nil
		}
		return nil, fmt.Errorf("read bookmarks: %w", errors.Join(err, privateErr))
	}
	// The user's other clients keep them where they are; with none at all, the
	// newer ones are begun, if the server knows them.
	r.usePrivate(e.Condition != "item-not-found" || storage.Child(nsBookmarksOld, "conference") != nil)
	return readConferences(storage), nil
}

func (r *rooms) usePrivate(private bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.private = private
}

func (r *rooms) usesPrivate() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.private
}

// readItems reads the rooms to be entered out of items of XEP-0402.
func readItems(items []*stream.Element) map[bridge.RemoteID]bookmark {
	all := make(map[bridge.RemoteID]bookmark)
	for _, item := range items {
		if m, autojoin, ok := readBookmark(item.Attribute("id"), item.Child(nsBookmarks, "conference"), nsBookmarks); ok && autojoin {
			all[m.Room] = m
		}
	}
	return all
}

// readConferences is readItems for XEP-0048.
func readConferences(storage *stream.Element) map[bridge.RemoteID]bookmark {
	all := make(map[bridge.RemoteID]bookmark)
	for _, c := range storage.All(nsBookmarksOld, "conference") {
		if m, autojoin, ok := readBookmark(c.Attribute("jid"), c, nsBookmarksOld); ok && autojoin {
			all[m.Room] = m
		}
	}
	return all
}

// readBookmark reads one bookmark of either form.
func readBookmark(address string, c *stream.Element, ns string) (m bookmark, autojoin, ok bool) {
	id, ok := bareID(address)
	if !ok || c == nil || isServer(address) {
		return m, false, false
	}
	m = bookmark{
		Room: id, Name: trimName(c.Attribute("name")),
		Nick: c.Child(ns, "nick").Chars(), Password: c.Child(ns, "password").Chars(),
	}
	auto := c.Attribute("autojoin")
	return m, auto == "true" || auto == "1", true
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

// publish writes one of the server's bookmarks.
func (r *rooms) publish(ctx context.Context, m bookmark) error {
	ctx, cancel := context.WithTimeout(ctx, bookmarksTimeout)
	defer cancel()
	if r.usesPrivate() {
		return r.changePrivate(ctx, m.Room, conference(nsBookmarksOld, m, "jid", string(m.Room)))
	}
	var e *stream.StanzaError
	_, err := r.account.ask(ctx, "set", "", publication(m, bookmarkOptions))
	if errors.As(err, &e) && !hopeless[e.Condition] {
		// The node has other settings, or the server takes fewer of them with a
		// publication: it is given the right ones before, so that bookmarks are
		// neither shown to strangers nor push each other out.
		if err = r.prepare(ctx); err == nil {
			_, err = r.account.ask(ctx, "set", "", publication(m, bookmarkOptions[:2]))
		}
	}
	if err == nil || !errors.As(err, &e) || e.Type == "wait" && e.Condition != "resource-constraint" {
		return err
	}
	if private := r.changePrivate(ctx, m.Room, conference(nsBookmarksOld, m, "jid", string(m.Room))); private != nil {
		return errors.Join(err, private)
	}
	r.usePrivate(true)
	return nil
}

// hopeless are the conditions by which a server says that it has no PEP.
var hopeless = map[string]bool{
	"service-unavailable": true, "feature-not-implemented": true, "item-not-found": true, "forbidden": true,
}

// conference writes a bookmark in either form.
func conference(ns string, m bookmark, attributes ...string) *stream.Element {
	c := stream.NewElement(ns, "conference", append(attributes, "name", xmlText(m.Name), "autojoin", "true")...)
	if m.Nick != "" {
		c.With(stream.NewText(ns, "nick", m.Nick))
	}
	if m.Password != "" {
		c.With(stream.NewText(ns, "password", m.Password))
	}
	return c
}

// bookmarkOptions are what the node of bookmarks has to be like; XEP-0402 §3. Every
// server takes the first two with a publication.
var bookmarkOptions = [][2]string{
	{"pubsub#persist_items", "true"}, {"pubsub#access_model", "whitelist"},
	{"pubsub#max_items", "max"}, {"pubsub#send_last_published_item", "never"},
}

// bookmarkLimits are how many items a node may hold, most first: not every server
// knows "max" (XEP-0060 §16.4.3).
var bookmarkLimits = []string{"max", "1000", "255"}

func publication(m bookmark, options [][2]string) *stream.Element {
	return stream.NewElement(nsPubSub, "pubsub").With(
		stream.NewElement(nsPubSub, "publish", "node", nsBookmarks).With(
			stream.NewElement(nsPubSub, "item", "id", string(m.Room)).With(conference(nsBookmarks, m))),
		stream.NewElement(nsPubSub, "publish-options").With(
			form("http://jabber.org/protocol/pubsub#publish-options", options...)),
	)
}

// prepare gives the node of bookmarks its options, and makes it if it is not there.
func (r *rooms) prepare(ctx context.Context) (err error) {
	const owner = "http://jabber.org/protocol/pubsub#owner"
	for _, limit := range bookmarkLimits {
		options := slices.Clone(bookmarkOptions)
		options[2][1] = limit
		config := form("http://jabber.org/protocol/pubsub#node_config", options...)
		_, err = r.account.ask(ctx, "set", "", stream.NewElement(owner, "pubsub").
			With(stream.NewElement(owner, "configure", "node", nsBookmarks).With(config)))
		var e *stream.StanzaError
		if errors.As(err, &e) && e.Condition == "item-not-found" {
			_, err = r.account.ask(ctx, "set", "", stream.NewElement(nsPubSub, "pubsub").With(
				stream.NewElement(nsPubSub, "create", "node", nsBookmarks),
				stream.NewElement(nsPubSub, "configure").With(config)))
		}
		if err == nil || !errors.As(err, &e) {
			return err
		}
	}
	return err
}

// form makes a submitted form (XEP-0004) of fields and values.
func form(kind string, fields ...[2]string) *stream.Element {
	const ns = "jabber:x:data"
	x := stream.NewElement(ns, "x", "type", "submit")
	for i, f := range append([][2]string{{"FORM_TYPE", kind}}, fields...) {
		hidden := ""
		if i == 0 {
			hidden = "hidden"
		}
		x.With(stream.NewElement(ns, "field", "var", f[0], "type", hidden).With(stream.NewText(ns, "value", f[1])))
	}
	return x
}

// retract removes one of the server's bookmarks.
func (r *rooms) retract(ctx context.Context, id bridge.RemoteID) error {
	ctx, cancel := context.WithTimeout(ctx, bookmarksTimeout)
	defer cancel()
	if r.usesPrivate() {
		return r.changePrivate(ctx, id, nil)
	}
	_, err := r.account.ask(ctx, "set", "", stream.NewElement(nsPubSub, "pubsub").With(
		stream.NewElement(nsPubSub, "retract", "node", nsBookmarks, "notify", "true").With(
			stream.NewElement(nsPubSub, "item", "id", string(id)))))
	var e *stream.StanzaError
	if errors.As(err, &e) && e.Condition == "item-not-found" {
		return nil
	}
	return err
}

// privateBookmarks reads what is in private storage (XEP-0048 §3.2).
func (r *rooms) privateBookmarks(ctx context.Context) (*stream.Element, error) {
	answer, err := r.account.query(ctx, "", stream.NewElement(nsPrivate, "query").
		With(stream.NewElement(nsBookmarksOld, "storage")))
	if err != nil {
		return nil, err
	}
	if s := answer.Child(nsBookmarksOld, "storage"); s != nil {
		return s, nil
	}
	return stream.NewElement(nsBookmarksOld, "storage"), nil
}

// changePrivate puts a bookmark in private storage in place of another of the same
// room, or removes it, and leaves the others as they are.
func (r *rooms) changePrivate(ctx context.Context, id bridge.RemoteID, c *stream.Element) error {
	old, err := r.privateBookmarks(ctx)
	if err != nil {
		return err
	}
	storage := stream.NewElement(nsBookmarksOld, "storage")
	for _, other := range old.Children {
		if address := other.Attribute("jid"); other.Name.Local != "conference" || !sameBare(address, string(id)) {
			storage.With(other)
		}
	}
	_, err = r.account.ask(ctx, "set", "", stream.NewElement(nsPrivate, "query").With(storage.With(c)))
	return err
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
	if room.state == outside && room.timer == nil {
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
