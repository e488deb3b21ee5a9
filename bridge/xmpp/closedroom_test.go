package xmpp

import (
	"errors"
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
	})
}
