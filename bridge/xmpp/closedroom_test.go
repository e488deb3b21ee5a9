package xmpp

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"papillon/bridge"
)

// A room that was destroyed is not made anew by coming back to it, nor by writing there:
// nobody would read it. Only the user's own word enters it again.
func TestClosedRoom(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		take(t, a, out(`<destroy/>`))
		before := len(port.all())
		// Another process takes over.
		a.rooms.leaveAll(t.Context())
		a.rooms.mu.Lock()
		a.rooms.all = nil
		a.rooms.mu.Unlock()
		in.drain()
		a.rooms.enter(t.Context())
		synctest.Wait()
		if e := next[bridge.PresenceChanged](t, in); e.Contact != tea || e.Presence.Show != bridge.Offline {
			t.Errorf("%+v", e)
		}
		if err := a.Send(t.Context(), bridge.Outgoing{ID: "1", Chat: bridge.RoomChat(tea), Text: "hello?"}); !errors.Is(err, bridge.ErrRefused) {
			t.Error(err)
		}
		if sent := port.all()[before:]; len(sent) != 0 {
			t.Errorf("sent %+v", sent[0])
		}
		joined := make(chan error)
		go func() {
			_, err := a.Join(t.Context(), tea)
			joined <- err
		}()
		synctest.Wait()
		take(t, a, self(`<status code='201'/>`))
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		if all, err := a.rooms.recallAll(t.Context()); err != nil || len(all) != 1 || all[tea].Closed {
			t.Errorf("%+v, %v", all, err)
		}
		synctest.Wait()
		next[bridge.PresenceChanged](t, in)
		if e := next[bridge.NetworkSays](t, in); !strings.Contains(e.Text, "tea@conf.test was not there, so that it has been made") {
			t.Errorf("%+v", e)
		}
		in.drain()
		if _, err := a.Join(t.Context(), tea); err != nil { // once is enough
			t.Fatal(err)
		}
		synctest.Wait()
		in.none(t)
	})
}

// Who has been put out of a room that is on his list hears of an invitation to it.
func TestInvitedBack(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		_, guest, _ := newGuest(t)
		set(port, &port.onQuery, guest.onQuery)
		take(t, a, direct)
		in.none(t) // whoever is in needs none
		take(t, a, out("", "321"))
		in.drain()
		take(t, a, mediated, direct)
		if e := next[bridge.ContactRequested](t, in); e.From.ID != tea || e.Inviter != "bob@x.org" {
			t.Errorf("%+v", e)
		}
		in.none(t)
	})
}

// Who enters a room by the command takes an invitation at its word.
func TestJoinTakesTheInvitation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, in := newGuest(t)
		a.network.options.Component.Domain = "msn.test"
		take(t, a, mediated)
		next[bridge.ContactRequested](t, in)
		joined := make(chan error)
		go func() {
			_, err := a.Join(t.Context(), tea)
			joined <- err
		}()
		synctest.Wait()
		if s := port.last(t); s.Child(nsMUC, "x").Child(nsMUC, "password").Chars() != "pw" {
			t.Errorf("%+v", s)
		}
		take(t, a, self(""))
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		if ok, err := a.rooms.decline(t.Context(), tea); ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
	})
}
