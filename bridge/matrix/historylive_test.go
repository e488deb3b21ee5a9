package matrix

import (
	"fmt"
	"slices"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// spoken makes a list of who said what.
func spoken(messages []bridge.MessageReceived) (all []string) {
	for _, m := range messages {
		who := string(m.From.ID)
		if m.Own {
			who = "me"
		}
		all = append(all, who+": "+m.Text)
	}
	return all
}

func TestHistoryOfBothSides(t *testing.T) {
	everyKind(t, func(t *testing.T, g *gateway, alice *user) {
		bob, dave := shared.person(t, "bob"), shared.person(t, "dave")
		room := gathers(t, alice, "papillon-history", bob, dave)
		chat := bridge.RoomChat(room.ID)
		var want []string
		for i := range 15 {
			line := fmt.Sprintf("line %d", i)
			alice.sayTo(fmt.Sprintf("h-%d", i), line, chat)
			if _, err := bob.WaitText(patient(t), alice.account.user, line); err != nil {
				t.Fatal(err)
			}
			answer := fmt.Sprintf("answer %d", i)
			if _, err := bob.Say(patient(t), id.RoomID(room.ID), answer); err != nil {
				t.Fatal(err)
			}
			want = append(want, "me: "+line, string(bob.UserID)+": "+answer)
		}
		gone, err := dave.Say(patient(t), id.RoomID(room.ID), "never mind")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dave.RedactEvent(patient(t), id.RoomID(room.ID), gone); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Wait(patient(t), "the deletion", func(evt *event.Event) bool { return evt.Type == event.EventRedaction }); err != nil {
			t.Fatal(err)
		}
		alice.awaitText("answer 14")
		for _, n := range []int{4, 30, 200} {
			got, err := alice.History(patient(t), chat, n)
			if err != nil {
				t.Fatal(err)
			}
			if said := spoken(got); !slices.Equal(said, want[len(want)-min(n, len(want)):]) {
				t.Errorf("the last %d messages are %q, want the end of %q", n, said, want)
			}
			for i, m := range got {
				if m.Sent.IsZero() || m.Chat != chat || m.ID == "" || i > 0 && m.Sent.Before(got[i-1].Sent) {
					t.Errorf("message %d is %+v", i, m)
				}
			}
		}
		if got, err := alice.History(patient(t), bridge.Chat{Group: "papillon-history"}, 1); err != nil || len(got) != 1 {
			t.Errorf("by its key: %v, %v", got, err)
		}
	})
}

func TestHistoryOfADirectChat(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.person(t, "bob")
	room := talking(t, alice, bob)
	alice.say("d-1", "do you remember", bob.UserID)
	if _, err := bob.WaitText(patient(t), alice.account.user, "do you remember"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), room, "I do"); err != nil {
		t.Fatal(err)
	}
	alice.awaitText("I do")
	got, err := alice.History(patient(t), bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}, 2)
	if want := []string{"me: do you remember", string(bob.UserID) + ": I do"}; err != nil || !slices.Equal(spoken(got), want) {
		t.Errorf("got %q, %v, want %q", spoken(got), err, want)
	}
	if got[0].ID != "d-1" {
		t.Errorf("her own message has the id %q", got[0].ID)
	}
	if got, err := alice.History(patient(t), bridge.Chat{Contact: "@nobody:hs.test"}, 5); err != nil || len(got) != 0 {
		t.Errorf("with nobody: %v, %v", got, err)
	}
}
