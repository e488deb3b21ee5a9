package xmpp

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/xmpptest"
)

// TestRoomsOfEachKind has rooms kept by accounts as they are, of each kind and on each
// server: over a sign-out, in which a lot is said, and over another process.
func TestRoomsOfEachKind(t *testing.T) {
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
			_, password, err := s.CreateUser(testContext(t), "alice")
			must(t, err)
			for _, kind := range []string{KindLogin, KindComponent} {
				t.Run(kind, func(t *testing.T) {
					credentials, err := Credentials{Password: password}.Marshal()
					must(t, err)
					login := bridge.Login{Account: "alice@msn.localhost", Name: "Alice", Kind: kind}
					if kind == KindLogin {
						login.ID, login.Credentials = bridge.RemoteID(s.JID("alice")), credentials
					}
					keepsRoom(t, s, login, bob)
				})
			}
		})
	}
}

// process is one run of the gateway, as far as the network is concerned.
func process(t *testing.T, s *xmpptest.Server, login bridge.Login, memory bridge.Memory) (bridge.Account, *inbox, func()) {
	o := Options{AccountDomain: "msn.localhost", Memory: memory, RootCAs: s.RootCAs, Servers: map[string]string{s.Domain: s.ClientAddress}, Log: zerolog.Nop()}
	if login.Kind == KindComponent {
		o.Component = ComponentOptions{Address: s.ComponentAddress, Domain: s.ComponentDomain, Secret: s.Secret}
	}
	n, err := New(o)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	in := &inbox{events: make(chan bridge.Event, 10000)}
	a, err := n.Open(ctx, login, in)
	must(t, err)
	end := func() {
		must(t, a.Close())
		cancel()
		must(t, <-ended)
	}
	return a, in, end
}

func keepsRoom(t *testing.T, s *xmpptest.Server, login bridge.Login, bob *xmpptest.Peer) {
	ctx := testContext(t)
	memory := &notes{}
	room := bridge.RemoteID("kept." + login.Kind + "@" + s.MUCDomain)
	must(t, bob.CreateRoom(ctx, string(room), "Bob", map[string]string{
		"muc#roomconfig_persistentroom": "1", "muc#roomconfig_roomname": "Kept",
	}))
	a, in, end := process(t, s, login, memory)
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}))
	joinKept(ctx, t, a, in, room)
	_, err := bob.SayInRoom(ctx, string(room), "hello")
	must(t, err)
	saying(t, in, "hello")
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Offline}))
	_, err = bob.Wait(ctx, "the farewell", func(e *xmpptest.Event) bool {
		return e.Kind == "presence" && e.Type() == "unavailable" && e.From() == string(room)+"/Alice"
	})
	must(t, err)
	const missed = 130
	say := func(from int) {
		for i := range missed {
			_, err := bob.SayInRoom(ctx, string(room), fmt.Sprint(from+i))
			must(t, err)
		}
		must(t, bob.Sync(ctx))
	}
	seen := make(map[string]bool)
	hear := func(in *inbox, from int) {
		for count := from; count < from+missed; {
			m := await(t, in, "message", func(m bridge.MessageReceived) bool { return m.Chat.Contact == room })
			if m.Text == "hello" || seen[m.ID] {
				continue
			}
			if seen[m.ID] = true; m.Text != fmt.Sprint(count) || m.Own || time.Since(m.Sent) > time.Minute {
				t.Fatalf("message %d is %+v", count, m)
			}
			count++
		}
	}
	say(0)
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Away}))
	hear(in, 0)
	end()

	say(missed)
	a, in, end = process(t, s, login, memory)
	defer end()
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Busy}))
	if login.Kind == KindLogin {
		await(t, in, "roster", func(e bridge.RosterReceived) bool {
			for _, entry := range e.Entries {
				if entry.Contact == (bridge.Contact{ID: room, Name: "Kept", Room: true}) {
					return true
				}
			}
			return false
		})
	}
	hear(in, missed)
	if rooms, err := a.(bridge.Rooms).Rooms(ctx); err != nil || len(rooms) != 1 || rooms[0].Name != "Kept" {
		t.Errorf("%+v, %v", rooms, err)
	}
	must(t, a.Send(ctx, bridge.Outgoing{ID: "kept-" + login.Kind, Chat: bridge.RoomChat(room), Text: "bye"}))
	if _, err := bob.WaitMessage(ctx, string(room), "bye"); err != nil {
		t.Error(err)
	}
	must(t, a.Unfollow(ctx, room))
	if rooms, err := a.(bridge.Rooms).Rooms(ctx); err != nil || len(rooms) != 0 {
		t.Errorf("%+v, %v", rooms, err)
	}
	must(t, bob.Leave(ctx, string(room)))
}

// joinKept enters the room. What is not connected yet is tried again, as the gateway
// does.
func joinKept(ctx context.Context, t *testing.T, a bridge.Account, in *inbox, room bridge.RemoteID) {
	t.Helper()
	for {
		c, err := a.(bridge.Rooms).Join(ctx, room)
		switch {
		case err == nil && c.Name == "Kept":
			return
		case err == nil || ctx.Err() != nil || errors.Is(err, bridge.ErrRefused):
			t.Fatalf("the room is %+v, %v", c, err)
		}
		await(t, in, "connection", func(e bridge.ConnectionChanged) bool { return e.Up })
	}
}
