package matrix

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// memory is a bridge.Memory in memory, of one account.
type memory struct {
	mu  sync.Mutex
	all map[string]string
}

func newMemory() *memory { return &memory{all: make(map[string]string)} }

func (m *memory) Recall(_ context.Context, account bridge.Handle, _, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[string(account)+" "+key], nil
}

func (m *memory) RecallAll(_ context.Context, account bridge.Handle, _, prefix string) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]string)
	for key, value := range m.all {
		if key, ok := strings.CutPrefix(key, string(account)+" "); ok && strings.HasPrefix(key, prefix) {
			all[key] = value
		}
	}
	return all, nil
}

func (m *memory) Remember(_ context.Context, account bridge.Handle, _, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value == "" {
		delete(m.all, string(account)+" "+key)
	} else {
		m.all[string(account)+" "+key] = value
	}
	return nil
}

// eachKind runs a test for both ways in.
func eachKind(t *testing.T, f func(t *testing.T, kind string)) {
	t.Helper()
	for _, kind := range []string{KindOwn, KindLogin} {
		t.Run(kind, func(t *testing.T) { f(t, kind) })
	}
}

// own is an MSN user who is on Matrix with an account of his own, and that account's
// other client.
type own struct {
	*user
	person *person
	other  *matrixtest.Person
	kind   string
	login  bridge.Login
}

// link makes a person and opens his account, by one of the ways in.
func (g *gateway) link(kind, name string) *own {
	g.t.Helper()
	return g.linkTo(kind, g.world.person(g.t, name))
}

// linkTo opens the account of a person.
func (g *gateway) linkTo(kind string, other *matrixtest.Person) *own {
	g.t.Helper()
	local := other.UserID.Localpart()
	login := bridge.Login{
		Account: bridge.Handle(local + "@msn.test"), Name: "The " + local, Kind: kind, ID: bridge.RemoteID(other.UserID),
	}
	if kind == KindLogin {
		credentials, err := LoginByPassword(patient(g.t), g.options.HomeserverURL, login.ID, matrixtest.Password(local))
		if err != nil {
			g.t.Fatal(err)
		}
		if login.Credentials, err = credentials.Marshal(); err != nil {
			g.t.Fatal(err)
		}
	}
	return g.openOwn(login, other)
}

func (g *gateway) openOwn(login bridge.Login, other *matrixtest.Person) *own {
	g.t.Helper()
	r := newRecorder()
	opened, err := g.Open(g.t.Context(), login, r)
	if err != nil {
		g.t.Fatal(err)
	}
	p := opened.(*person)
	return &own{user: &user{account: p.account, recorder: r, t: g.t}, person: p, other: other, kind: login.Kind, login: login}
}

// signIn signs in as the gateway does: hidden, until the contact list is there.
func (o *own) signIn(show bridge.Show) bridge.RosterReceived {
	o.t.Helper()
	o.shows(bridge.Hidden)
	if err := o.person.RosterReady(patient(o.t)); err != nil {
		o.t.Fatal(err)
	}
	roster := await(o.user, "the contact list", func(bridge.RosterReceived) bool { return true })
	if show != bridge.Hidden {
		o.shows(show)
	}
	return roster
}

func (o *own) shows(show bridge.Show) {
	o.t.Helper()
	if err := o.person.SetPresence(patient(o.t), bridge.Presence{Show: show}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *own) says(id, text string, chat bridge.Chat) {
	o.t.Helper()
	if err := o.person.Send(patient(o.t), bridge.Outgoing{ID: id, Chat: chat, Text: text, Sent: time.Now()}); err != nil {
		o.t.Fatal(err)
	}
}

// chatting makes a direct chat of the person with somebody, from the person's other
// client.
func (o *own) chatting(with *matrixtest.Person) id.RoomID {
	o.t.Helper()
	room, err := o.other.CreateDM(patient(o.t), with.UserID)
	if err != nil {
		o.t.Fatal(err)
	}
	if err := with.Join(patient(o.t), room); err != nil {
		o.t.Fatal(err)
	}
	if _, err := o.other.WaitMember(patient(o.t), room, with.UserID, event.MembershipJoin); err != nil {
		o.t.Fatal(err)
	}
	return room
}

func entryOf(entries []bridge.RosterEntry, id bridge.RemoteID) (bridge.RosterEntry, bool) {
	for _, e := range entries {
		if e.Contact.ID == id {
			return e, true
		}
	}
	return bridge.RosterEntry{}, false
}

// room makes a private room of the person's, from the other client, with people in
// it.
func (o *own) room(name string, people ...*matrixtest.Person) id.RoomID {
	o.t.Helper()
	request := &mautrix.ReqCreateRoom{Preset: "private_chat", Name: name}
	for _, p := range people {
		request.Invite = append(request.Invite, p.UserID)
	}
	resp, err := o.other.CreateRoom(patient(o.t), request)
	if err != nil {
		o.t.Fatal(err)
	}
	for _, p := range people {
		if err := p.Join(patient(o.t), resp.RoomID); err != nil {
			o.t.Fatal(err)
		}
	}
	return resp.RoomID
}

// texts returns the texts of the messages so far that match, in order.
func (r *recorder) texts(match func(bridge.MessageReceived) bool) (texts []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, evt := range r.all {
		if m, ok := evt.(bridge.MessageReceived); ok && match(m) {
			texts = append(texts, m.Text)
		}
	}
	return texts
}
