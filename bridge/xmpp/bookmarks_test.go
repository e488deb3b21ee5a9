package xmpp

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// refuses answers a query with an error.
func refuses(kind, condition string) (*stream.Stanza, error) {
	return nil, fmt.Errorf("x answers: %w", &stream.StanzaError{Type: kind, Condition: condition})
}

// bookmarkServer keeps the bookmarks of one account like a server of a certain
// kind.
type bookmarkServer struct {
	pep      bool
	options  int    // how many options it takes with a publication
	limit    string // the only pubsub#max_items that it takes; "" for any
	prepared bool
	items    map[string]*stream.Element
	storage  *stream.Element // XEP-0048; nil where it has none
	sets     int
}

func (b *bookmarkServer) answer(s *stream.Stanza) (*stream.Stanza, error) {
	if s.Type == "set" {
		b.sets++
	}
	e := s.Children[0]
	result := &stream.Stanza{Kind: stream.IQ, Type: "result"}
	switch {
	case e.Name.Space == nsPrivate && b.storage != nil:
		if s.Type == "set" {
			b.storage = e.Child(nsBookmarksOld, "storage")
			return result, nil
		}
		result.Children = []*stream.Element{stream.NewElement(nsPrivate, "query").With(b.storage)}
		return result, nil
	case e.Name.Local != "pubsub" || !b.pep:
		return refuses("cancel", "service-unavailable")
	case e.Child(nsPubSub, "items") != nil:
		if b.items == nil {
			return refuses("cancel", "item-not-found")
		}
		items := stream.NewElement(nsPubSub, "items", "node", nsBookmarks)
		for id, c := range b.items {
			items.With(stream.NewElement(nsPubSub, "item", "id", id).With(c))
		}
		result.Children = []*stream.Element{stream.NewElement(nsPubSub, "pubsub").With(items)}
		return result, nil
	}
	return b.change(e, result)
}

func (b *bookmarkServer) change(e *stream.Element, result *stream.Stanza) (*stream.Stanza, error) {
	const owner = "http://jabber.org/protocol/pubsub#owner"
	item := e.Child(nsPubSub, "publish").Child(nsPubSub, "item")
	switch {
	case e.Child(owner, "configure") != nil && b.items == nil:
		return refuses("cancel", "item-not-found")
	case e.Child(owner, "configure") != nil, e.Child(nsPubSub, "create") != nil:
		config := e.Child(owner, "configure")
		if config == nil {
			config = e.Child(nsPubSub, "configure")
		}
		if limit := value(config, "pubsub#max_items"); b.limit != "" && limit != b.limit {
			return refuses("modify", "not-acceptable")
		}
		b.prepared = value(config, "pubsub#access_model") == "whitelist"
		if b.items == nil {
			b.items = make(map[string]*stream.Element)
		}
	case item != nil:
		fields := e.Child(nsPubSub, "publish-options").Child("jabber:x:data", "x").All("jabber:x:data", "field")
		if len(fields)-1 > b.options {
			return refuses("wait", "resource-constraint")
		}
		if b.items == nil {
			b.items = make(map[string]*stream.Element)
		}
		b.items[item.Attribute("id")] = item.Children[0]
	default:
		id := e.Child(nsPubSub, "retract").Child(nsPubSub, "item").Attribute("id")
		if b.items[id] == nil {
			return refuses("cancel", "item-not-found")
		}
		delete(b.items, id)
	}
	return result, nil
}

func value(form *stream.Element, name string) string {
	for _, f := range form.Child("jabber:x:data", "x").All("jabber:x:data", "field") {
		if f.Attribute("var") == name {
			return f.Child("jabber:x:data", "value").Chars()
		}
	}
	return ""
}

func TestBookmarksOnEveryKindOfServer(t *testing.T) {
	foreign := func() *stream.Element {
		return stream.NewElement(nsBookmarksOld, "storage").With(
			stream.NewElement(nsBookmarksOld, "url", "url", "http://x"),
			stream.NewElement(nsBookmarksOld, "conference", "jid", "idle@conf.test", "name", "Idle"))
	}
	for name, c := range map[string]struct {
		server  *bookmarkServer
		private bool
	}{
		"all options":               {&bookmarkServer{pep: true, options: 4}, false},
		"few options, no node":      {&bookmarkServer{pep: true, options: 2}, false},
		"few options, other limit":  {&bookmarkServer{pep: true, options: 2, limit: "255", items: map[string]*stream.Element{}}, false},
		"no PEP":                    {&bookmarkServer{storage: foreign()}, true},
		"PEP that takes no options": {&bookmarkServer{pep: true, options: 0, limit: "7", storage: foreign()}, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, port, _ := newTestAccount(t)
			port.onQuery = c.server.answer
			r := &a.rooms
			if all, err := r.fetch(t.Context()); err != nil || len(all) != 0 {
				t.Fatalf("%+v, %v", all, err)
			}
			marks := []bookmark{{Room: tea, Name: "Tea & <cake>", Nick: "Al", Password: "pw"}, {Room: "b@conf.test"}}
			for _, m := range marks {
				if err := r.addBookmark(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			if got := r.usesPrivate(); got != c.private || !c.private && c.server.options < 4 && !c.server.prepared {
				t.Errorf("private: %v; the node is prepared: %v", got, c.server.prepared)
			}
			all, err := r.fetch(t.Context())
			if err != nil || len(all) != 2 || all[tea] != marks[0] {
				t.Errorf("%+v, %v", all, err)
			}
			for _, m := range append(marks, marks[0]) {
				if err := r.removeBookmark(t.Context(), m.Room); err != nil {
					t.Error(err)
				}
			}
			if all, err = r.fetch(t.Context()); err != nil || len(all) != 0 {
				t.Errorf("%+v, %v", all, err)
			}
			if c.private && len(c.server.storage.Children) != 2 {
				t.Errorf("other bookmarks were lost: %+v", c.server.storage)
			}
		})
	}
}

// A server that knows the newer bookmarks, but has none of them, may have older
// ones.
func TestOldBookmarksAreRead(t *testing.T) {
	a, port, _ := newTestAccount(t)
	server := &bookmarkServer{pep: true, options: 4, storage: stream.NewElement(nsBookmarksOld, "storage").With(
		stream.NewElement(nsBookmarksOld, "conference", "jid", string(tea), "autojoin", "1"),
		stream.NewElement(nsBookmarksOld, "conference", "jid", "conf.test", "autojoin", "1"))}
	port.onQuery = server.answer
	if err := a.rooms.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := a.rooms.entries(); len(e) != 1 || e[0].Contact != (bridge.Contact{ID: tea, Room: true}) || !a.rooms.usesPrivate() {
		t.Errorf("%+v", e)
	}
}

// What the server cannot tell now is as it was the last time; what it tells counts.
func TestLoad(t *testing.T) {
	a, port, _ := newTestAccount(t)
	if err := a.rooms.remember(t.Context(), bookmark{Room: tea, Name: "Tea", Seen: time.Unix(1e9, 0)}); err != nil {
		t.Fatal(err)
	}
	port.onQuery = func(*stream.Stanza) (*stream.Stanza, error) { return nil, stream.ErrNotConnected }
	if err := a.rooms.load(t.Context()); !errors.Is(err, stream.ErrNotConnected) {
		t.Errorf("%v", err)
	}
	if e := a.rooms.entries(); len(e) != 1 || e[0].Contact.Name != "Tea" {
		t.Errorf("%+v", e)
	}
	server := &bookmarkServer{pep: true, options: 4, items: map[string]*stream.Element{
		"cake@conf.test": stream.NewElement(nsBookmarks, "conference", "name", "Cake", "autojoin", "true"),
		"idle@conf.test": stream.NewElement(nsBookmarks, "conference", "name", "Idle"),
		"conf.test":      stream.NewElement(nsBookmarks, "conference", "autojoin", "true"),
		"bad@conf.test":  stream.NewElement("urn:x", "conference", "autojoin", "true"),
	}}
	port.onQuery = server.answer
	if err := a.rooms.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := a.rooms.entries(); len(e) != 1 || e[0].Contact.ID != "cake@conf.test" {
		t.Errorf("%+v", e)
	}
	if left, err := a.rooms.recallAll(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("%+v, %v", left, err)
	}
}

// Another client of the user's enters a room, renames its bookmark, and leaves.
func TestBookmarksChangedElsewhere(t *testing.T) {
	event := func(inside string) string {
		return `<message from='alice@msn.test'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:bookmarks:1'>` + inside + `</items></event></message>`
	}
	item := func(attributes string) string {
		return event(`<item id='tea@conf.test'><conference xmlns='urn:xmpp:bookmarks:1' ` + attributes + `/></item>`)
	}
	synctest.Test(t, func(t *testing.T) {
		a, port, in := newTestAccount(t)
		if a.rooms.take(read(t, strings.Replace(item(`autojoin='true'`), "alice@", "mallory@", 1)), nil) {
			t.Error("somebody else's bookmarks count")
		}
		take(t, a, item(`name='Tea' autojoin='true'`))
		if e := next[bridge.RosterChanged](t, in); e.Removed || e.Entry.Contact != (bridge.Contact{ID: tea, Name: "Tea", Room: true}) {
			t.Errorf("%+v", e)
		}
		if s := port.last(t); s.To != "tea@conf.test/Alice" {
			t.Errorf("%+v", s)
		}
		take(t, a, self(""), item(`name='Tea' autojoin='true'`))
		next[bridge.PresenceChanged](t, in)
		in.none(t)
		take(t, a, item(`name='Green tea' autojoin='1'`))
		if e := next[bridge.RosterChanged](t, in); e.Entry.Contact.Name != "Green tea" {
			t.Errorf("%+v", e)
		}
		if all, err := a.rooms.recallAll(t.Context()); err != nil || all[tea].Name != "Green tea" {
			t.Errorf("%+v, %v", all, err)
		}
		take(t, a, event(`<retract id='tea@conf.test'/>`), event(`<retract id='tea@conf.test'/>`))
		if e := next[bridge.RosterChanged](t, in); !e.Removed || e.Entry.Contact.ID != tea {
			t.Errorf("%+v", e)
		}
		in.none(t)
		if s := port.last(t); s.Type != "unavailable" || stateOf(a) != -1 {
			t.Errorf("%+v", s)
		}
		if all, err := a.rooms.recallAll(t.Context()); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

const (
	mediated = `<message from='tea@conf.test'><x xmlns='http://jabber.org/protocol/muc#user'><invite from='bob@x.org/phone'><reason>come!</reason></invite><password>pw</password></x><body>You are invited</body></message>`
	direct   = `<message from='bob@x.org/phone'><x xmlns='jabber:x:conference' jid='tea@conf.test' reason='come!'/></message>`
)

// newGuest is an account that may be invited to the rooms of conf.test.
func newGuest(t *testing.T) (*account, *scriptedPort, *inbox) {
	a, port, in := newTestAccount(t)
	port.onQuery = func(s *stream.Stanza) (*stream.Stanza, error) {
		if s.To != "conf.test" {
			return refuses("cancel", "service-unavailable")
		}
		return &stream.Stanza{Kind: stream.IQ, Type: "result", Children: []*stream.Element{
			stream.NewElement(nsDiscoInfo, "query").With(
				stream.NewElement(nsDiscoInfo, "identity", "category", "conference", "type", "text"),
				stream.NewElement(nsDiscoInfo, "feature", "var", nsMUC)),
		}}, nil
	}
	return a, port, in
}

func TestInvited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, in := newGuest(t)
		a.network.options.Component.Domain = "msn.test"
		done := 0
		for _, source := range []string{mediated, direct, mediated} {
			if !a.rooms.take(read(t, source), func() { done++ }) {
				t.Error("not taken")
			}
			synctest.Wait()
		}
		if e := next[bridge.ContactRequested](t, in); e.From != (bridge.Contact{ID: tea, Room: true}) || e.Inviter != "bob@x.org" || e.Note != "an invitation from bob@x.org: come!" {
			t.Errorf("%+v", e)
		}
		in.none(t)
		if done != 3 {
			t.Errorf("%d of 3 stanzas are done", done)
		}
		// Another process takes the answer.
		a.rooms.mu.Lock()
		a.rooms.invites = nil
		a.rooms.mu.Unlock()
		accepted := make(chan error)
		go func() {
			ok, err := a.rooms.accept(t.Context(), tea)
			if !ok {
				err = errors.Join(err, errors.New("no invitation"))
			}
			accepted <- err
		}()
		synctest.Wait()
		if s := port.last(t); s.Child(nsMUC, "x").Child(nsMUC, "password").Chars() != "pw" {
			t.Errorf("%+v", s)
		}
		take(t, a, self(""))
		if err := <-accepted; err != nil {
			t.Fatal(err)
		}
		if ok, err := a.rooms.accept(t.Context(), tea); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
		// Whoever is in needs no invitation.
		in.drain()
		take(t, a, direct)
		in.none(t)
		if keys := slices.Sorted(maps.Keys(a.network.options.Memory.(*notes).values)); len(keys) != 1 || keys[0] != "room tea@conf.test" {
			t.Errorf("%q", keys)
		}
	})
}

func TestUnwelcomeInvitationIsDeclined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, in := newGuest(t)
		in.answers(bridge.ErrUnwelcome)
		take(t, a, mediated)
		next[bridge.ContactRequested](t, in)
		s := port.last(t)
		if d := s.Child(nsMUCUser, "x").Child(nsMUCUser, "decline"); s.To != string(tea) || d.Attribute("to") != "bob@x.org/phone" {
			t.Errorf("%+v", s)
		}
		if ok, err := a.rooms.decline(t.Context(), tea); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
		asked := false
		a.refuse = func(id bridge.RemoteID) { asked = id == "bob@x.org" }
		a.feed.put(bridge.ContactRequested{From: bob}, nil)
		synctest.Wait()
		if !asked {
			t.Error("a person's request is not declined")
		}
	})
}

func TestTheirAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, in := newTestAccount(t)
		a.rooms.get(tea)
		for _, forged := range []string{"from='mallory@x.org'><x %s><decline from='bob@x.org'/></x>", "from='tea@conf.test'><x %s><decline from='Visit http://x.org. He'/></x>"} {
			a.rooms.take(read(t, "<message "+fmt.Sprintf(forged, "xmlns='http://jabber.org/protocol/muc#user'")+"</message>"), nil)
		}
		take(t, a, `<message from='tea@conf.test'><x xmlns='http://jabber.org/protocol/muc#user'><decline from='bob@x.org/phone'><reason>busy</reason></decline></x></message>`)
		if e := next[bridge.NetworkSays](t, in); e.Text != "bob@x.org does not want to come into tea@conf.test: busy" {
			t.Errorf("%q", e.Text)
		}
	})
}

// One person cannot keep the invitations of others away.
func TestManyInvitations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, in := newGuest(t)
		for i := range 2 * maxInvites {
			take(t, a, strings.ReplaceAll(direct, "tea@", fmt.Sprintf("r%d@", i)))
		}
		if n := len(in.events); n != maxInvitesOf {
			t.Errorf("%d invitations of one person were told", n)
		}
		for i := range 2 * maxInvites {
			take(t, a, strings.ReplaceAll(strings.ReplaceAll(direct, "tea@", fmt.Sprintf("s%d@", i)), "bob@", fmt.Sprintf("p%d@", i)))
		}
		if n := len(in.events); n != maxInvitesOf+2*maxInvites {
			t.Errorf("%d invitations were told", n)
		}
		if n := len(a.rooms.invites); n != maxInvites {
			t.Errorf("%d invitations are remembered", n)
		}
		if ok, err := a.rooms.decline(t.Context(), "s0@conf.test"); !ok || err != nil {
			t.Errorf("an old invitation: %v, %v", ok, err)
		}
	})
}

// Nobody can make a room of a person.
func TestInvitedToAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, in := newGuest(t)
		for _, source := range []string{strings.ReplaceAll(direct, "tea@conf.test", "carol@x.org"), strings.ReplaceAll(mediated, "tea@conf.test", "bob@x.org")} {
			done := false
			a.rooms.take(read(t, source), func() { done = true })
			synctest.Wait()
			if !done {
				t.Errorf("%s is not done", source)
			}
		}
		in.none(t)
		if len(a.rooms.invites) != 0 || len(a.network.options.Memory.(*notes).values) != 0 {
			t.Errorf("%v is remembered", a.rooms.invites)
		}
	})
}

// A bookmark of another client's, of a room that is not entered by itself, is heeded and
// kept: the user's name for the room, his nick, the password, and what is none of ours.
func TestBookmarkOfAnotherClient(t *testing.T) {
	theirs := func(ns string, attributes ...string) *stream.Element {
		return stream.NewElement(ns, "conference", append(attributes, "name", "My own", "autojoin", "false")...).With(
			stream.NewText(ns, "nick", "Ally"), stream.NewText(ns, "password", "pw"),
			stream.NewElement(ns, "extensions").With(stream.NewElement("urn:x:notify", "notify", "when", "never")))
	}
	for name, server := range map[string]*bookmarkServer{
		"PEP": {pep: true, options: 4, items: map[string]*stream.Element{string(tea): theirs(nsBookmarks)}},
		"private storage": {storage: stream.NewElement(nsBookmarksOld, "storage").
			With(theirs(nsBookmarksOld, "jid", string(tea)))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, port, _ := newTestAccount(t)
				port.onQuery = server.answer
				if err := a.rooms.load(t.Context()); err != nil {
					t.Fatal(err)
				}
				joined := make(chan bridge.Contact)
				go func() {
					c, err := a.Join(t.Context(), tea)
					if err != nil {
						t.Error(err)
					}
					joined <- c
				}()
				synctest.Wait()
				if s := port.last(t); s.To != string(tea)+"/Ally" || s.Child(nsMUC, "x").Child(nsMUC, "password").Chars() != "pw" {
					t.Errorf("asked to enter by %+v", s)
				}
				take(t, a, `<presence from='tea@conf.test/Ally'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/></x></presence>`)
				if c := <-joined; c.Name != "My own" {
					t.Errorf("the room is called %q", c.Name)
				}
				c, err := a.rooms.there(t.Context(), tea)
				if err != nil || c == nil {
					t.Fatalf("no bookmark: %v", err)
				}
				m, autojoin, _ := readBookmark(string(tea), c, c.Name.Space)
				if !autojoin || m != (bookmark{Room: tea, Name: "My own", Nick: "Ally", Password: "pw"}) || c.Child(c.Name.Space, "extensions") == nil {
					t.Errorf("the bookmark is %+v", c)
				}
			})
		})
	}
}
