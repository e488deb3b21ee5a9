package matrix

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
)

// TestOldMembershipsDoNotCount: what a poll or a list says of a ghost or of the bot may
// be older than what the homeserver has pushed.
func TestOldMembershipsDoNotCount(t *testing.T) {
	f := newFake()
	alice, polls := f.person(t, KindOwn)
	alice.signIn(bridge.Available)
	ours := []string{string(bots), "@msn_carol:hs.test"}
	member := func(user, membership string) string {
		return fmt.Sprintf(`{"type":"m.room.member","room_id":%q,"event_id":"$%s%s","sender":"@alice:hs.test","state_key":%[3]q,"content":{"membership":%[2]q}}`,
			hall, membership, user)
	}
	var txn transaction
	var invites []string
	for _, user := range ours {
		txn.Events = append(txn.Events, json.RawMessage(member(user, "join")))
		invites = append(invites, member(user, "invite"))
	}
	old := memberEvent("@alice:hs.test") + "," + strings.Join(invites, ",")
	if err := alice.network.take(t.Context(), &txn); err != nil {
		t.Fatal(err)
	}
	check := func(where string) {
		for user, content := range alice.members() {
			if alice.network.ghosts.owns(user) && content.Membership != event.MembershipJoin {
				t.Errorf("%s: the membership of %s is %s", where, user, content.Membership)
			}
		}
		if known := len(alice.members()); known < 1+len(ours) {
			t.Errorf("%s: %d are known", where, known)
		}
	}
	polls.add(3, func() string { return old }, says("@bob:hs.test", "polled"))
	alice.awaitText("polled")
	check("the poll")
	f.on("GET", "/members", fixed(http.StatusOK, `{"chunk":[`+old+`]}`))
	if err := alice.ensureMembers(t.Context(), hall); err != nil {
		t.Fatal(err)
	}
	check("the list")
}
