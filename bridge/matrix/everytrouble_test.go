package matrix

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// setting is a conversation of alice with bob, and how each of them takes part.
type setting struct {
	alice *user
	chat  bridge.Chat
	says  func(text string)    // bob
	reads func(texts []string) // bob, of alice: these, in this order, each once
}

// settings are the ways in which two people talk.
var settings = map[string]func(t *testing.T, tr *troubled, alice *user) *setting{
	"direct":    talksDirectly,
	"group":     talksInAGroup,
	"encrypted": talksInSecret,
}

// open makes a plain conversation in a room that bob has made.
func (tr *troubled) open(t *testing.T, alice *user, bob *matrixtest.Person, room id.RoomID) *setting {
	s := &setting{alice: alice}
	s.says = func(text string) { say(t, bob, room, text) }
	s.says("begin")
	s.chat = alice.awaitText("begin").Chat
	s.reads = func(texts []string) { readsAll(t, bob, alice.account.user, texts) }
	return s
}

func talksDirectly(t *testing.T, tr *troubled, alice *user) *setting {
	bob := tr.world.person(t, "bob")
	room, err := bob.CreateDM(patient(t), alice.account.user)
	if err != nil {
		t.Fatal(err)
	}
	alice.comesIn(bridge.RemoteID(bob.UserID))
	if _, err := bob.WaitMember(patient(t), room, alice.account.user, "join"); err != nil {
		t.Fatal(err)
	}
	return tr.open(t, alice, bob, room)
}

func talksInAGroup(t *testing.T, tr *troubled, alice *user) *setting {
	bob := tr.world.person(t, "bob")
	room := makesRoom(t, bob, "public_chat", "Troubled")
	if _, err := alice.Join(patient(t), bridge.RemoteID(room)); err != nil {
		t.Fatal(err)
	}
	awaitRooms(t, alice, bridge.RemoteID(room))
	return tr.open(t, alice, bob, room)
}

func talksInSecret(t *testing.T, tr *troubled, alice *user) *setting {
	bob := tr.world.encrypted(t, tr.world.person(t, "bob"))
	room, err := bob.Encrypt(patient(t), alice.account.user)
	if err != nil {
		t.Fatal(err)
	}
	alice.comesIn(bridge.RemoteID(bob.UserID))
	if err := bob.WaitJoin(patient(t), room, alice.account.user); err != nil {
		t.Fatal(err)
	}
	s := &setting{alice: alice}
	s.says = func(text string) { sayEncrypted(t, bob, room, text) }
	s.says("begin")
	s.chat = alice.awaitText("begin").Chat
	s.reads = func(texts []string) {
		for _, text := range texts {
			evt, err := bob.Next(patient(t))
			for err == nil && evt.Sender == bob.UserID {
				evt, err = bob.Next(patient(t))
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := evt.Content.AsMessage().Body; got != text || !evt.Mautrix.WasEncrypted {
				t.Fatalf("bob reads %q, encrypted %v, where %q is next", got, evt.Mautrix.WasEncrypted, text)
			}
		}
	}
	return s
}

// comesIn waits for an invite and accepts it.
func (u *user) comesIn(from bridge.RemoteID) {
	u.t.Helper()
	await(u, "the invite", func(r bridge.ContactRequested) bool { return r.From.ID == from })
	if err := u.nature.(bridge.Gatekeeper).Allow(patient(u.t), from); err != nil {
		u.t.Fatal(err)
	}
}

// polls chooses what brings news: to a person his polls, to a ghost transactions.
func polls(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/sync") || offers(r) }

// TestEveryConversationThroughTrouble: each kind of account, in each kind of
// conversation, with everything going wrong in turn: nothing is lost, nothing twice.
func TestEveryConversationThroughTrouble(t *testing.T) {
	troubles := []struct{ there, news matrixtest.Fault }{
		{matrixtest.Fault{Delay: 200 * time.Millisecond}, matrixtest.Fault{Delay: 200 * time.Millisecond, Times: 3}},
		{matrixtest.Fault{Every: 2, Status: http.StatusTooManyRequests, RetryAfter: 100 * time.Millisecond}, matrixtest.Fault{Times: 1, Status: http.StatusTooManyRequests, RetryAfter: 100 * time.Millisecond}},
		{matrixtest.Fault{Every: 2, Status: http.StatusBadGateway}, matrixtest.Fault{Times: 1, Status: http.StatusBadGateway}},
		{matrixtest.Fault{Every: 3, Cut: true}, matrixtest.Fault{Times: 1, Cut: true}},
		{matrixtest.Fault{Every: 2, Lost: true}, matrixtest.Fault{Times: 1, Lost: true}},
		{matrixtest.Fault{Replay: 1}, matrixtest.Fault{Times: 2, Replay: 1}},
	}
	for _, kind := range []string{KindGhost, KindOwn, KindLogin} {
		for name, begin := range settings {
			t.Run(kind+" "+name, func(t *testing.T) {
				tr := shared.troubled(t)
				alice := tr.signedIn(kind)
				s := begin(t, tr, alice)
				fromBob, fromAlice := []string{"begin"}, []string{}
				for i, c := range troubles {
					c.there.Match, c.news.Match = sends, polls
					there, polled, back := tr.there.Inject(c.there), tr.there.Inject(c.news), tr.back.Inject(c.news)
					for j := range 3 {
						text := fmt.Sprintf("%d.%d", i, j)
						fromBob, fromAlice = append(fromBob, "bob "+text), append(fromAlice, "alice "+text)
						s.says("bob " + text)
						alice.insistTo(fmt.Sprint(alice.owner, text), "alice "+text, s.chat)
					}
					alice.awaitText(fromBob[len(fromBob)-1])
					there()
					polled()
					back()
				}
				s.says("calm")
				alice.heardOf(append(fromBob, "calm"))
				s.reads(fromAlice)
			})
		}
	}
}

// heardOf checks that the user was told these texts of others, in this order, each
// once; the last of them is waited for.
func (u *user) heardOf(want []string) {
	u.t.Helper()
	u.awaitText(want[len(want)-1])
	got := u.texts(func(m bridge.MessageReceived) bool { return !m.Own })
	if strings.Join(got, "|") != strings.Join(want, "|") {
		u.t.Errorf("%s hears %q, not %q", u.owner, got, want)
	}
}
