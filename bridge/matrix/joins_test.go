package matrix

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
)

// A homeserver whose rooms cannot be joined does not hold up what all others say.
func TestInviteToARoomThatCannotBeJoined(t *testing.T) {
	silent := func(r *http.Request) (int, string) {
		<-r.Context().Done()
		return 0, ""
	}
	for name, far := range map[string]func(*http.Request) (int, string){
		"refuses": fixed(http.StatusBadGateway, `{"errcode":"M_UNKNOWN","error":"Failed to make_join via any server"}`),
		"silent":  silent,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.on("POST", "/join", far)
				alice := f.open(t)
				invite := transaction{Events: []json.RawMessage{json.RawMessage(`{"type":"m.room.member","room_id":"!i:far.test","event_id":"$i",
					"state_key":"@msn_alice:hs.test","sender":"@zoe:far.test","content":{"membership":"invite","is_direct":true}}`)}}
				began := time.Now()
				if err := alice.network.take(t.Context(), &invite); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > 2*joinAtOnce {
					t.Errorf("it took %s", took)
				}
				// It is offered again by a sync: there is still one that tries.
				alice.network.seen = newSeenRing(seenEvents)
				if err := alice.network.take(t.Context(), &invite); err != nil {
					t.Fatal(err)
				}
				f.on("POST", "/join", fixed(200, `{"room_id":"!i:far.test"}`))
				time.Sleep(5 * time.Minute)
				room, ok, err := alice.network.options.Chats.DirectChat(t.Context(), alice.owner, Name, "@zoe:far.test")
				if err != nil || !ok || room != "!i:far.test" {
					t.Errorf("stored %q, %v, %v", room, ok, err)
				}
				await(alice, "the request", func(bridge.ContactRequested) bool { return true })
				// The one that joined says so before it ends.
				synctest.Wait()
				if left := len(alice.network.joins.waiting); left != 0 {
					t.Errorf("%d joins are still tried", left)
				}
			})
		})
	}
}
