package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// The gateway ends, or an account is linked anew, while a transaction is handled: what is
// for an account that is closed by then is not taken for nobody's.
func TestTransactionWhileAnAccountIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.on("GET", "/joined_rooms", fixed(200, `{"joined_rooms":["!r:hs.test"]}`))
		alice := f.open(t)
		synctest.Wait() // the account is told that the homeserver is there
		closing := make(chan error)
		alice.answering(func(evt bridge.Event) error {
			if m, ok := evt.(bridge.MessageReceived); ok && m.ID == "$1" {
				go func() { closing <- alice.Close() }()
				synctest.Wait()
			}
			return nil
		})
		var txn transaction
		for _, id := range []string{"$1", "$2"} {
			txn.Events = append(txn.Events, json.RawMessage(fmt.Sprintf(`{"type":"m.room.message","event_id":%q,"room_id":"!r:hs.test",
				"sender":"@bob:hs.test","origin_server_ts":1,"content":{"msgtype":"m.text","body":"x"}}`, id)))
		}
		if err := alice.network.take(t.Context(), &txn); err == nil {
			t.Error("the transaction was taken")
		}
		if err := <-closing; err != nil {
			t.Error(err)
		}
		again := newRecorder()
		if _, err := alice.network.Open(t.Context(), bridge.Login{Account: alice.owner, Name: "Alice"}, again); err != nil {
			t.Fatal(err)
		}
		if err := alice.network.take(t.Context(), &txn); err != nil {
			t.Error(err)
		}
		if got := strings.Join(again.messages(), " "); got != "$1 $2" { // the gateway knows the first by its id
			t.Errorf("got %s", got)
		}
	})
}

// Who is hidden is not given away by what his client does.
func TestHiddenIsNotSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		chat := bridge.RoomChat("!r:hs.test")
		for _, show := range []bridge.Show{bridge.Hidden, bridge.Available} {
			alice.show(bridge.Presence{Show: show})
			if err := errors.Join(alice.Typing(t.Context(), chat, true), alice.Read(t.Context(), chat, "$1")); err != nil {
				t.Fatal(err)
			}
			told := len(f.made("PUT", "/typing/")) + len(f.made("POST", "/receipt/"))
			if want := map[bridge.Show]int{bridge.Hidden: 0, bridge.Available: 2}[show]; told != want {
				t.Errorf("presence %d told %d times, want %d", show, told, want)
			}
		}
	})
}

// Who sends a great many messages that cannot be opened does not keep those of others
// from waiting for their keys.
func TestSealedMessagesOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		alice := f.open(t)
		keep := func(sender id.UserID, n, size int) {
			t.Helper()
			evt := &event.Event{ID: id.EventID(fmt.Sprintf("$%s%d", sender, n)), RoomID: "!r:hs.test", Sender: sender, Type: event.EventEncrypted}
			evt.Content.VeryRaw = json.RawMessage(`{"x":"` + strings.Repeat("x", size) + `"}`)
			if err := alice.keepSealed(t.Context(), &sealedEvent{Event: evt, Came: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		waiting := func() int {
			alice.sealing.mu.Lock()
			defer alice.sealing.mu.Unlock()
			return len(alice.sealing.waiting)
		}
		for i := range maxSealed {
			keep("@eve:hs.test", i, 1)
		}
		if got := waiting(); got != maxSealedOf {
			t.Errorf("%d wait", got)
		}
		keep(bob, 1, 1)
		if got := waiting(); got != maxSealedOf+1 {
			t.Error("there is no place for another's")
		}
		for i := range maxSealedOf {
			keep("@zoe:hs.test", i, 60<<10)
		}
		if got := waiting(); got > maxSealedOf+1+maxSealedBytes/(60<<10) {
			t.Errorf("%d wait, which is too much", got)
		}
	})
}
