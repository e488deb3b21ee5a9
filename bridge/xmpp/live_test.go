package xmpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
	"papillon/bridge/xmpp/xmpptest"
)

// livePort is an account's way over a real stream, with nothing but what the common
// part needs.
type livePort struct {
	stream.Conn
	from, home string
	account    *account
	up         chan struct{}
	once       sync.Once
}

func (p *livePort) self() string    { return p.from }
func (p *livePort) service() string { return p.home }

func (p *livePort) sign(s *stream.Stanza) *stream.Stanza {
	signed := *s
	signed.From = p.from
	return &signed
}

func (p *livePort) send(ctx context.Context, s *stream.Stanza) error { return p.Send(ctx, p.sign(s)) }
func (p *livePort) deliver(ctx context.Context, s *stream.Stanza) error {
	return p.Deliver(ctx, p.sign(s))
}
func (p *livePort) query(ctx context.Context, s *stream.Stanza) (*stream.Stanza, error) {
	return p.Query(ctx, p.sign(s))
}

// Stanza implements [stream.Handler].
func (p *livePort) Stanza(s *stream.Stanza, done func()) {
	switch {
	case s.Kind == stream.IQ && (s.Type == "get" || s.Type == "set"):
		answer := &stream.Stanza{Kind: stream.IQ, Type: "result", ID: s.ID, To: s.From}
		if s.Child(nsDiscoInfo, "query") != nil {
			answer.Children = []*stream.Element{discoInfo()}
		}
		go func() { _ = p.send(p.account.life, answer) }()
	case p.account.rooms.take(s, done):
		return
	case s.Kind == stream.Message && s.Type == "error":
		p.account.returned(s)
	case s.Kind == stream.Message:
		p.account.message(s, done)
		return
	}
	finish(done)
}

func (p *livePort) Connected(resumed bool) {
	p.once.Do(func() { close(p.up) })
	if !resumed {
		go p.account.rooms.enter(p.account.life)
	}
}

func (p *livePort) Disconnected(error) {}

// live makes an account on a real server.
func live(t *testing.T, s *xmpptest.Server, kind, name string, memory bridge.Memory) (*account, *inbox) {
	t.Helper()
	ctx := testContext(t)
	o := Options{AccountDomain: "msn.localhost", Memory: memory, Log: zerolog.Nop()}
	bare := name + "@" + s.ComponentDomain
	if kind == KindLogin {
		bare = s.JID(name)
	}
	n, err := New(o)
	must(t, err)
	if kind == KindComponent {
		n.options.Component.Domain = s.ComponentDomain
	}
	in := &inbox{events: make(chan bridge.Event, 10000)}
	a := newAccount(n, bridge.Login{Account: bridge.Handle(name + "@msn.localhost"), Name: strings.ToUpper(name[:1]) + name[1:]}, bare, in)
	p := &livePort{account: a, from: bare + "/papillon", home: s.ComponentDomain, up: make(chan struct{})}
	a.port = p
	if kind == KindLogin {
		_, password, err := s.CreateUser(ctx, name)
		must(t, err)
		p.home = s.Domain
		c := stream.NewClient(stream.ClientOptions{
			JID: bare, Password: password, Resource: "papillon", Address: s.ClientAddress, RootCAs: s.RootCAs, Log: o.Log,
		}, p)
		p.Conn = c
		c.Start()
	} else {
		c := stream.NewComponent(stream.ComponentOptions{
			Address: s.ComponentAddress, Domain: s.ComponentDomain, Secret: s.Secret, Log: o.Log,
		}, p)
		p.Conn = c
		c.Start()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		a.end()
		_ = p.Close(ctx)
	})
	select {
	case <-p.up:
	case <-ctx.Done():
		t.Fatal("no connection")
	}
	if kind == KindLogin {
		must(t, p.send(ctx, presenceStanza(bridge.Presence{Show: bridge.Available}, "")))
	}
	return a, in
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// await returns the next event of type T that fits, and drops all before it.
func await[T bridge.Event](t *testing.T, in *inbox, what string, fits func(T) bool) T {
	t.Helper()
	timeout := time.After(40 * time.Second)
	var others []string
	for {
		select {
		case e := <-in.events:
			if got, ok := e.(T); ok && fits(got) {
				return got
			}
			others = append(others, fmt.Sprintf("%+v", e))
		case <-timeout:
			t.Fatalf("no event: %s; others were %q", what, others)
		}
	}
}

// saying waits for a message with a text.
func saying(t *testing.T, in *inbox, words string) bridge.MessageReceived {
	t.Helper()
	return await(t, in, "message "+words, func(m bridge.MessageReceived) bool { return m.Text == words })
}

func peer(t *testing.T, s *xmpptest.Server, name string, with *xmpptest.Peer) *xmpptest.Peer {
	t.Helper()
	ctx := testContext(t)
	jid, password, err := s.CreateUser(ctx, name)
	must(t, err)
	var p *xmpptest.Peer
	if with == nil {
		p, err = xmpptest.Login(ctx, s, jid, password)
	} else {
		p, err = with.Also(ctx, s, jid, password)
	}
	must(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// TestLive runs the conversation of both kinds of identity with both kinds of
// server.
func TestLive(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			s, err := xmpptest.Start(testContext(t), xmpptest.Options{Kind: program})
			must(t, err)
			t.Cleanup(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
			bob := peer(t, s, "bob", nil)
			carol := peer(t, s, "carol", bob)
			for _, kind := range []string{KindLogin, KindComponent} {
				t.Run(kind, func(t *testing.T) {
					memory := &notes{}
					a, in := live(t, s, kind, "alice."+kind, memory)
					t.Run("chat", func(t *testing.T) { liveChat(t, s, a, in, bob) })
					t.Run("look-up", func(t *testing.T) { liveLookup(t, s, a, bob) })
					t.Run("room", func(t *testing.T) { liveRoom(t, s, a, in, bob) })
					t.Run("expelled", func(t *testing.T) { liveExpelled(t, s, a, in, bob) })
					t.Run("invited", func(t *testing.T) { liveInvited(t, s, a, in, bob, carol) })
					t.Run("gathered", func(t *testing.T) { liveGathered(t, a, in, bob, carol) })
					t.Run("again", func(t *testing.T) { liveAgain(t, s, a, in, bob) })
					t.Run("restart", func(t *testing.T) { liveRestart(t, s, a, in, bob) })
				})
			}
		})
	}
}

func liveChat(t *testing.T, s *xmpptest.Server, a *account, in *inbox, bob *xmpptest.Peer) {
	ctx := testContext(t)
	must(t, a.Send(ctx, bridge.Outgoing{ID: "out-1-" + a.bare, Chat: bridge.Chat{Contact: bridge.RemoteID(bob.Bare())}, Text: "hello <Bob>"}))
	heard, err := bob.WaitMessage(ctx, a.bare, "hello <Bob>")
	must(t, err)
	if heard.ID() != "out-1-"+a.bare {
		t.Error(heard.XML)
	}
	must(t, bob.SetChatState(ctx, a.bare, "composing"))
	await(t, in, "typing", func(e bridge.TypingSeen) bool { return e.Typing && e.From.ID == bridge.RemoteID(bob.Bare()) })
	id, err := bob.Say(ctx, a.bare, "hi Alice")
	must(t, err)
	m := saying(t, in, "hi Alice")
	if m.From.ID != bridge.RemoteID(bob.Bare()) || m.Own || m.Kind != bridge.Said || m.Ref != id && m.ID != id {
		t.Errorf("%+v", m)
	}
	if _, err := bob.WaitReceipt(ctx, a.bare, id); err != nil {
		t.Error(err)
	}
	must(t, bob.Correct(ctx, a.bare, id, "hi, Alice"))
	if m := saying(t, in, "hi, Alice"); m.Act != text.Edited || m.Target.Ref != id {
		t.Errorf("%+v", m)
	}
	must(t, bob.React(ctx, a.bare, "out-1-"+a.bare, "👍"))
	if m := saying(t, in, "👍"); m.Act != text.Reacted || m.Target.Ref != "out-1-"+a.bare {
		t.Errorf("%+v", m)
	}
	must(t, bob.Retract(ctx, a.bare, id), bob.RetractAsBefore(ctx, a.bare, id))
	for range 2 {
		if m := saying(t, in, ""); m.Act != text.Deleted || m.Target.Ref != id {
			t.Errorf("%+v", m)
		}
	}
	must(t, a.Typing(ctx, m.Chat, true))
	if _, err := bob.WaitChatState(ctx, a.bare, "composing"); err != nil {
		t.Error(err)
	}
	err = a.Send(ctx, bridge.Outgoing{ID: "out-2-" + a.bare, Chat: bridge.Chat{Contact: bridge.RemoteID(s.JID("nobody"))}, Text: "x"})
	if err != nil && !errors.Is(err, bridge.ErrRefused) {
		t.Errorf("a message to nobody: %v", err)
	}
	if err == nil {
		await(t, in, "return", func(e bridge.MessageReturned) bool { return e.ID == "out-2-"+a.bare })
	}
}

func liveLookup(t *testing.T, s *xmpptest.Server, a *account, bob *xmpptest.Peer) {
	ctx := testContext(t)
	must(t, bob.SetVCard(ctx, "<FN>Robert</FN>"))
	c, err := a.Lookup(ctx, bridge.RemoteID(bob.Bare()))
	if err != nil || c.Name != "Robert" || c.Room {
		t.Errorf("%+v, %v", c, err)
	}
	room := "lookup." + a.port.(*livePort).home + "@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, room, "Bob", map[string]string{"muc#roomconfig_roomname": "Tea"}))
	if c, err = a.Lookup(ctx, bridge.RemoteID(room)); err != nil || !c.Room || c.Name != "Tea" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := a.Lookup(ctx, bridge.RemoteID("nobody@"+s.MUCDomain)); !errors.Is(err, bridge.ErrNoSuchContact) {
		t.Errorf("a room that does not exist: %v", err)
	}
}

// events drains what has come.
func (i *inbox) drain() {
	for {
		select {
		case <-i.events:
		default:
			return
		}
	}
}

func liveRoom(t *testing.T, s *xmpptest.Server, a *account, in *inbox, bob *xmpptest.Peer) {
	ctx := testContext(t)
	room := "tea." + a.port.(*livePort).home + "@" + s.MUCDomain
	chat := bridge.RoomChat(bridge.RemoteID(room))
	must(t, bob.CreateRoom(ctx, room, "Alice."+a.port.(*livePort).home, map[string]string{"muc#roomconfig_roomname": "Tea"}))
	c, err := a.Join(ctx, bridge.RemoteID(room))
	if err != nil || c.Name != "Tea" || !c.Room {
		t.Fatalf("%+v, %v", c, err)
	}
	await(t, in, "presence", func(e bridge.PresenceChanged) bool {
		return e.Contact == bridge.RemoteID(room) && e.Presence.Show == bridge.Available
	})
	id, err := bob.SayInRoom(ctx, room, "who is there?")
	must(t, err)
	m := saying(t, in, "who is there?")
	if m.Chat != chat || m.Own || m.From.Name == "" || !isOccupant(m.From.ID) {
		t.Errorf("%+v", m)
	}
	must(t, a.Send(ctx, bridge.Outgoing{ID: "room-1-" + a.bare, Chat: chat, Text: "me"}))
	heard, err := bob.Wait(ctx, "the answer", func(e *xmpptest.Event) bool { return e.Type() == "groupchat" && e.Body() == "me" })
	must(t, err)
	if echo := saying(t, in, "me"); !echo.Own || echo.ID != "room-1-"+a.bare {
		t.Errorf("%+v", echo)
	}
	_, err = bob.Send(ctx, xmpptest.Message{To: room, Type: "groupchat", Body: "who is it?", Replaces: id})
	must(t, err)
	if e := saying(t, in, "who is it?"); e.Act != text.Edited || m.Ref != "" && e.Target.Ref != m.Ref {
		t.Errorf("%+v refers to %+v", e, m)
	}
	if stanzaID := heard.Child(nsSID, "stanza-id").Attr("id"); stanzaID != "" {
		_, err = bob.Send(ctx, xmpptest.Message{To: room, Type: "groupchat", Extra: `<reactions xmlns='urn:xmpp:reactions:0' id='` + stanzaID + `'><reaction>🎉</reaction></reactions>`})
		must(t, err)
		if e := saying(t, in, "🎉"); e.Act != text.Reacted || e.Target.Ref != "room-1-"+a.bare {
			t.Errorf("%+v", e)
		}
	}
	_, err = bob.Send(ctx, xmpptest.Message{To: heard.From(), Body: "psst", Extra: `<x xmlns='http://jabber.org/protocol/muc#user'/>`})
	must(t, err)
	private := saying(t, in, "psst")
	if private.Chat != (bridge.Chat{Contact: m.From.ID}) || private.From.ID != m.From.ID {
		t.Errorf("%+v", private)
	}
	must(t, a.Send(ctx, bridge.Outgoing{ID: "room-2-" + a.bare, Chat: private.Chat, Text: "psst yourself"}))
	if e, err := bob.WaitMessage(ctx, room, "psst yourself"); err != nil || e.Type() != "chat" {
		t.Errorf("%v", err)
	}
	_, err = bob.Send(ctx, xmpptest.Message{To: room, Type: "groupchat", Subject: "Cake"})
	must(t, err)
	if e := saying(t, in, "[topic: Cake]"); e.Kind != bridge.Notice {
		t.Errorf("%+v", e)
	}
	if rooms, err := a.Rooms(ctx); err != nil || !slices.Contains(rooms, c) {
		t.Errorf("%+v, %v", rooms, err)
	}
	must(t, bob.Leave(ctx, room))
	await(t, in, "speaker left", func(e bridge.SpeakerLeft) bool { return e.Chat == chat && e.Who.ID == m.From.ID })
	must(t, a.Leave(ctx, bridge.RemoteID(room)))
	if rooms, err := a.Rooms(ctx); err != nil || slices.Contains(rooms, c) {
		t.Errorf("%+v, %v", rooms, err)
	}
}

func liveExpelled(t *testing.T, s *xmpptest.Server, a *account, in *inbox, bob *xmpptest.Peer) {
	ctx := testContext(t)
	room := "strict." + a.port.(*livePort).home + "@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, room, "Bob", nil))
	_, err := a.Join(ctx, bridge.RemoteID(room))
	must(t, err)
	a.rooms.mu.Lock()
	nick := a.rooms.all[bridge.RemoteID(room)].nick
	a.rooms.mu.Unlock()
	must(t, bob.Kick(ctx, room, nick))
	await(t, in, "word of it", func(e bridge.NetworkSays) bool { return strings.Contains(e.Text, "thrown you out") })
	must(t, a.Send(ctx, bridge.Outgoing{ID: "strict-1-" + a.bare, Chat: bridge.RoomChat(bridge.RemoteID(room)), Text: "back"}))
	must(t, bob.SetAffiliation(ctx, room, a.bare, "outcast"))
	await(t, in, "word of it", func(e bridge.NetworkSays) bool { return strings.Contains(e.Text, "banned you") })
	err = a.Send(ctx, bridge.Outgoing{ID: "strict-2-" + a.bare, Chat: bridge.RoomChat(bridge.RemoteID(room)), Text: "back"})
	if !errors.Is(err, bridge.ErrRefused) {
		t.Errorf("said in a room that has banned us: %v", err)
	}
	must(t, a.Leave(ctx, bridge.RemoteID(room)), bob.Leave(ctx, room))
}

func liveInvited(t *testing.T, s *xmpptest.Server, a *account, in *inbox, bob, carol *xmpptest.Peer) {
	ctx := testContext(t)
	room := "party." + a.port.(*livePort).home + "@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, room, "Bob", map[string]string{
		"muc#roomconfig_roomname": "Party", "muc#roomconfig_membersonly": "1", "muc#roomconfig_whois": "anyone",
	}))
	must(t, bob.Invite(ctx, room, a.bare, "come"))
	must(t, bob.InviteDirectly(ctx, room, a.bare, "come"))
	request := await(t, in, "invitation", func(e bridge.ContactRequested) bool { return e.From.ID == bridge.RemoteID(room) })
	if !request.From.Room || request.From.Name != "" && request.From.Name != "Party" ||
		request.Note != "an invitation from "+bob.Bare()+": come" && request.Note != "an invitation from Bob: come" {
		t.Errorf("%+v", request)
	}
	if ok, err := a.rooms.accept(ctx, request.From.ID); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	_, err := bob.SayInRoom(ctx, room, "welcome")
	must(t, err)
	if m := saying(t, in, "welcome"); m.From.ID != bridge.RemoteID(bob.Bare()) {
		t.Errorf("the address of the speaker is not known: %+v", m)
	}
	must(t, a.Invite(ctx, room, bridge.RemoteID(carol.Bare())))
	if _, err := carol.WaitInvite(ctx, room); err != nil {
		t.Error(err)
	}
	must(t, a.Leave(ctx, bridge.RemoteID(room)))
	other := "dull." + a.port.(*livePort).home + "@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, other, "Bob", nil), bob.Invite(ctx, other, a.bare, ""))
	await(t, in, "invitation", func(e bridge.ContactRequested) bool { return e.From.ID == bridge.RemoteID(other) })
	if ok, err := a.rooms.decline(ctx, bridge.RemoteID(other)); err != nil || !ok {
		t.Errorf("%v, %v", ok, err)
	}
	if _, err := bob.Wait(ctx, "the refusal", func(e *xmpptest.Event) bool { return e.Find(nsMUCUser, "decline") != nil }); err != nil {
		t.Error(err)
	}
	if ok, err := a.rooms.accept(ctx, bridge.RemoteID(other)); err != nil || ok {
		t.Errorf("an answered invitation is still there: %v, %v", ok, err)
	}
	must(t, bob.Leave(ctx, room), bob.Leave(ctx, other))
}

func liveGathered(t *testing.T, a *account, in *inbox, bob, carol *xmpptest.Peer) {
	ctx := testContext(t)
	people := []bridge.RemoteID{bridge.RemoteID(bob.Bare()), bridge.RemoteID(carol.Bare())}
	key := "key-" + a.bare
	c, err := a.Gather(ctx, key, people)
	must(t, err)
	if again, err := a.Gather(ctx, key, people); err != nil || again != c {
		t.Errorf("%+v and then %+v, %v", c, again, err)
	}
	_, features, err := bob.DiscoInfo(ctx, string(c.ID), "")
	must(t, err)
	for _, f := range []string{"muc_membersonly", "muc_nonanonymous", "muc_persistent", "muc_hidden"} {
		if !slices.Contains(features, f) {
			t.Errorf("the room is not %s: %q", f, features)
		}
	}
	for _, p := range []*xmpptest.Peer{bob, carol} {
		if _, err := p.WaitInvite(ctx, string(c.ID)); err != nil {
			t.Fatal(err)
		}
		must(t, p.Join(ctx, string(c.ID), p.Bare()))
	}
	chat := bridge.Chat{Group: key}
	must(t, a.Send(ctx, bridge.Outgoing{ID: "gather-1-" + a.bare, Chat: chat, Text: "all here?"}))
	for _, p := range []*xmpptest.Peer{bob, carol} {
		if _, err := p.WaitMessage(ctx, string(c.ID), "all here?"); err != nil {
			t.Error(err)
		}
		_, err := p.SayInRoom(ctx, string(c.ID), "here")
		must(t, err)
		if m := saying(t, in, "here"); m.From.ID != bridge.RemoteID(p.Bare()) || m.Chat != bridge.RoomChat(c.ID) {
			t.Errorf("%+v", m)
		}
		must(t, p.Leave(ctx, string(c.ID)))
	}
	must(t, a.Leave(ctx, c.ID))
}

// liveAgain leaves for a while and comes back, as somebody who signs out does.
func liveAgain(t *testing.T, s *xmpptest.Server, a *account, in *inbox, bob *xmpptest.Peer) {
	ctx := testContext(t)
	room := "daily." + a.port.(*livePort).home + "@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, room, "Bob", map[string]string{"muc#roomconfig_persistentroom": "1"}))
	_, err := bob.SayInRoom(ctx, room, "before")
	must(t, err)
	_, err = a.Join(ctx, bridge.RemoteID(room))
	must(t, err)
	before := saying(t, in, "before")
	a.rooms.leaveAll(ctx)
	must(t, bob.Sync(ctx))
	const missed = 45 // more than a room's history has
	for i := range missed {
		_, err = bob.SayInRoom(ctx, room, fmt.Sprintf("missed %d", i))
		must(t, err)
	}
	must(t, bob.Sync(ctx))
	in.drain()
	other := "second." + a.port.(*livePort).home + "@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, other, "Bob", nil))
	_, err = a.Join(ctx, bridge.RemoteID(other))
	must(t, err)
	// Another process: nothing is known but what is stored.
	a.rooms.mu.Lock()
	a.rooms.all, a.rooms.private = nil, false
	a.rooms.mu.Unlock()
	a.rooms.enter(ctx)
	if e := a.rooms.entries(); len(e) != 2 || e[0].Contact.ID != bridge.RemoteID(room) {
		t.Errorf("%+v", e)
	}
	ids := map[string]bool{before.ID: true}
	for count := 0; count < missed; {
		m := await(t, in, "message", func(m bridge.MessageReceived) bool { return m.Chat.Contact == bridge.RemoteID(room) })
		if ids[m.ID] {
			continue // the gateway drops it
		}
		if ids[m.ID] = true; m.Text != fmt.Sprintf("missed %d", count) || m.Own {
			t.Fatalf("message %d is %+v", count, m)
		}
		count++
	}
	if _, ok := a.port.(*livePort).Conn.(*stream.Client); ok {
		listed, err := a.rooms.fetch(ctx)
		if _, ok := listed[bridge.RemoteID(room)]; err != nil || !ok || len(listed) != 2 || a.rooms.usesPrivate() {
			t.Errorf("the server has no bookmark: %+v, %v", listed, err)
		}
	}
	must(t, a.Leave(ctx, bridge.RemoteID(room)), bob.Leave(ctx, room), a.Leave(ctx, bridge.RemoteID(other)), bob.Leave(ctx, other))
	if !a.rooms.hasServer() {
		return
	}
	if listed, err := a.rooms.fetch(ctx); err != nil || len(listed) != 0 {
		t.Errorf("bookmarks are left: %+v, %v", listed, err)
	}
}

// liveRestart loses the server, with all that it knew of who is in a room.
func liveRestart(t *testing.T, s *xmpptest.Server, a *account, in *inbox, bob *xmpptest.Peer) {
	ctx := testContext(t)
	room := "lasting." + a.port.(*livePort).home + "@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, room, "Bob", map[string]string{"muc#roomconfig_persistentroom": "1"}))
	_, err := a.Join(ctx, bridge.RemoteID(room))
	must(t, err)
	must(t, bob.Leave(ctx, room))
	in.drain()
	must(t, s.Restart(ctx))
	await(t, in, "the room", func(e bridge.PresenceChanged) bool {
		return e.Contact == bridge.RemoteID(room) && e.Presence.Show == bridge.Available
	})
	must(t, bob.WaitConnected(ctx))
	must(t, bob.Join(ctx, room, "Bob"))
	_, err = bob.SayInRoom(ctx, room, "still there?")
	must(t, err)
	saying(t, in, "still there?")
	must(t, a.Leave(ctx, bridge.RemoteID(room)), bob.Leave(ctx, room))
}
