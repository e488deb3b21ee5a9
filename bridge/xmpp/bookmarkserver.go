package xmpp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// How the user's server keeps bookmarks, and how they are read and written there.
const (
	nsBookmarks    = "urn:xmpp:bookmarks:1" // XEP-0402
	nsBookmarksOld = "storage:bookmarks"    // XEP-0048
	nsPrivate      = "jabber:iq:private"    // XEP-0049
)

// bookmarksTimeout bounds each exchange about bookmarks.
const bookmarksTimeout = 15 * time.Second

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

// there returns the server's bookmark of a room, whether it is to be entered or not; nil
// where there is none.
func (r *rooms) there(ctx context.Context, id bridge.RemoteID) (*stream.Element, error) {
	if r.usesPrivate() {
		storage, err := r.privateBookmarks(ctx)
		for _, c := range storage.All(nsBookmarksOld, "conference") {
			if sameBare(c.Attribute("jid"), string(id)) {
				return c, nil
			}
		}
		return nil, err
	}
	answer, err := r.account.query(ctx, "", stream.NewElement(nsPubSub, "pubsub").With(
		stream.NewElement(nsPubSub, "items", "node", nsBookmarks).With(stream.NewElement(nsPubSub, "item", "id", string(id)))))
	var e *stream.StanzaError
	if errors.As(err, &e) {
		return nil, nil // no such node, or no PEP: there is none
	}
	for _, item := range answer.Child(nsPubSub, "items").All(nsPubSub, "item") {
		if sameBare(item.Attribute("id"), string(id)) {
			return item.Child(nsBookmarks, "conference"), nil
		}
	}
	return nil, err
}

// asMarked fills in what the user has noted of a room with his other clients: the name
// that he gave it, his nick there, its password.
func (r *rooms) asMarked(ctx context.Context, mark bookmark) bookmark {
	if !r.hasServer() {
		return mark
	}
	ctx, cancel := context.WithTimeout(ctx, bookmarksTimeout)
	defer cancel()
	c, err := r.there(ctx, mark.Room)
	if err != nil {
		r.account.log.Debug().Err(err).Msg("Cannot read a bookmark")
	}
	if c == nil {
		return mark
	}
	noted, _, _ := readBookmark(string(mark.Room), c, c.Name.Space)
	mark.Name, mark.Nick = cmp.Or(mark.Name, noted.Name), cmp.Or(mark.Nick, noted.Nick)
	mark.Password = cmp.Or(mark.Password, noted.Password)
	return mark
}

// keepRest puts into a bookmark what other clients have in theirs (XEP-0402 §3.1).
func keepRest(c, old *stream.Element) *stream.Element {
	if c == nil || old == nil {
		return c
	}
	for _, e := range old.Children {
		if e.Name.Local != "nick" && e.Name.Local != "password" {
			c.With(e)
		}
	}
	return c
}

// publish writes one of the server's bookmarks.
func (r *rooms) publish(ctx context.Context, m bookmark) error {
	ctx, cancel := context.WithTimeout(ctx, bookmarksTimeout)
	defer cancel()
	if r.usesPrivate() {
		return r.changePrivate(ctx, m.Room, conference(nsBookmarksOld, m, "jid", string(m.Room)))
	}
	old, err := r.there(ctx, m.Room)
	if err != nil {
		return err
	}
	var e *stream.StanzaError
	c := keepRest(conference(nsBookmarks, m), old)
	_, err = r.account.ask(ctx, "set", "", publication(m.Room, c, bookmarkOptions))
	if errors.As(err, &e) && !hopeless[e.Condition] {
		// The node has other settings, or the server takes fewer of them with a
		// publication: it is given the right ones before, so that bookmarks are
		// neither shown to strangers nor push each other out.
		if err = r.prepare(ctx); err == nil {
			_, err = r.account.ask(ctx, "set", "", publication(m.Room, c, bookmarkOptions[:2]))
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

func publication(room bridge.RemoteID, c *stream.Element, options [][2]string) *stream.Element {
	return stream.NewElement(nsPubSub, "pubsub").With(
		stream.NewElement(nsPubSub, "publish", "node", nsBookmarks).With(
			stream.NewElement(nsPubSub, "item", "id", string(room)).With(c)),
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
		} else {
			c = keepRest(c, other)
		}
	}
	_, err = r.account.ask(ctx, "set", "", stream.NewElement(nsPrivate, "query").With(storage.With(c)))
	return err
}
