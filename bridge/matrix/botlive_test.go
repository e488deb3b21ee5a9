package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// countingDesk answers with how often it was asked, and whom it asks the network for.
type countingDesk struct {
	network *Network

	mu    sync.Mutex
	asked []string
}

func (d *countingDesk) Commands() []bridge.DeskCommand { return nil }

func (d *countingDesk) Account(context.Context, bridge.RemoteID) (bridge.Handle, bool, error) {
	return "", false, nil
}

func (d *countingDesk) Ask(_ context.Context, person bridge.RemoteID, command, argument string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, command)
	if kind, refusal := d.network.LinkAs(person); kind == "" {
		return refusal, nil
	}
	return fmt.Sprintf("%d %s %s %s", len(d.asked), person, command, argument), nil
}

func (d *countingDesk) times() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

// attended is a gateway with a desk.
func attended(t *testing.T, change ...func(*Options)) (*gateway, *countingDesk) {
	g := shared.gateway(t, change...)
	desk := &countingDesk{network: g.Network}
	g.Attend(desk)
	return g, desk
}

// bots is the bot of the tests' homeserver.
const bots = id.UserID("@papillon:hs.test")

// meetsBot opens a direct chat with the bot.
func meetsBot(t *testing.T, p *matrixtest.Person) id.RoomID {
	t.Helper()
	room, err := p.CreateDM(patient(t), bots)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.WaitMember(patient(t), room, bots, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	return room
}

// says writes to a room and waits for an answer of the bot's.
func asks(t *testing.T, p *matrixtest.Person, room id.RoomID, words string) string {
	t.Helper()
	if _, err := p.Say(patient(t), room, words); err != nil {
		t.Fatal(err)
	}
	evt, err := p.Wait(patient(t), "an answer to "+words, func(evt *event.Event) bool {
		return evt.Type == event.EventMessage && evt.Sender == bots
	})
	if err != nil {
		t.Fatal(err)
	}
	if evt.Content.AsMessage().MsgType != event.MsgNotice {
		t.Errorf("the answer is no notice: %+v", evt.Content.AsMessage())
	}
	return evt.Content.AsMessage().Body
}

func TestBotAnswersInDirectChats(t *testing.T) {
	g, desk := attended(t)
	bob, dave := shared.person(t, "bob"), shared.person(t, "dave")
	room := meetsBot(t, bob)
	want := fmt.Sprintf("1 %s register bobby", bob.UserID)
	if got := asks(t, bob, room, "register bobby"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// A redelivered transaction, to this gateway and to one that was started anew.
	again := transactionWith(t, string(room), "register bobby")
	for _, n := range []*gateway{g, nil} {
		if n == nil {
			n, desk = attended(t)
			if in, err := n.accountsIn(patient(t), room); err != nil || len(in) != 0 {
				t.Fatal(in, err)
			}
		}
		before := desk.times()
		n.intake <- struct{}{} // no transaction is handled meanwhile
		n.seen = newSeenRing(seenEvents)
		<-n.intake
		if err := n.take(patient(t), again); err != nil {
			t.Fatal(err)
		}
		if desk.times() != before {
			t.Error("the same words were answered twice")
		}
	}
	if got := asks(t, bob, room, "status"); !strings.Contains(got, "status") {
		t.Errorf("got %q", got)
	}
	// With a third in the room there are no answers any more.
	if _, err := bob.InviteUser(patient(t), room, &mautrix.ReqInviteUser{UserID: dave.UserID}); err != nil {
		t.Fatal(err)
	}
	before := desk.times()
	if _, err := bob.Say(patient(t), room, "password"); err != nil {
		t.Fatal(err)
	}
	other := meetsBot(t, dave)
	if got := asks(t, dave, other, "help"); got == "" { // after the word before, in the same queue
		t.Error("no help")
	}
	if now := desk.times(); now != before+1 {
		t.Errorf("%d commands were carried out, want one", now-before)
	}
	group, err := dave.CreateRoomWith(patient(t), false, bots)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dave.WaitMember(patient(t), group, bots, event.MembershipLeave); err != nil {
		t.Fatal(err)
	}
}

// transactionWith waits for the transaction in which all of that stands: what was said
// while the bot came in may be answered before it is there.
func transactionWith(t *testing.T, words ...string) *transaction {
	t.Helper()
	for ctx := patient(t); ; {
		shared.mu.Lock()
		all, more := shared.transactions, shared.more
		shared.mu.Unlock()
		for _, r := range all {
			var txn transaction
			missing := func(word string) bool { return !bytes.Contains(r.body, []byte(word)) }
			if !slices.ContainsFunc(words, missing) && json.Unmarshal(r.body, &txn) == nil {
				return &txn
			}
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("there was no transaction with %q", words)
		}
	}
}

func TestBotMovesOutOfEncryptedRooms(t *testing.T) {
	_, desk := attended(t)
	bob := shared.person(t, "bob")
	resp, err := bob.CreateRoom(patient(t), &mautrix.ReqCreateRoom{
		Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{bots},
		InitialState: []*event.Event{{Type: event.StateEncryption, Content: event.Content{Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), resp.RoomID, bots, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Say(patient(t), resp.RoomID, "password"); err != nil { // in the clear, by a careless client
		t.Fatal(err)
	}
	invite, err := bob.WaitInvite(patient(t), bots)
	if err != nil {
		t.Fatal(err)
	}
	if err := bob.Join(patient(t), invite.RoomID); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMember(patient(t), resp.RoomID, bots, event.MembershipLeave); err != nil {
		t.Fatal(err)
	}
	if desk.times() != 0 {
		t.Error("the command was carried out where its answer could not go")
	}
	if _, err := bob.Wait(patient(t), "the bot's word", func(evt *event.Event) bool {
		return evt.RoomID == invite.RoomID && evt.Sender == bots && evt.Type == event.EventMessage
	}); err != nil {
		t.Fatal(err)
	}
	if got := asks(t, bob, invite.RoomID, "status"); !strings.Contains(got, "status") {
		t.Errorf("got %q", got)
	}
}

func TestWhoMaySignUp(t *testing.T) {
	g, _ := attended(t)
	for person, want := range map[bridge.RemoteID]string{
		"@alice:elsewhere.test": "--kind login", "@msn_alice:hs.test": "Nobody", bridge.RemoteID(bots): "Nobody",
	} {
		if kind, refusal := g.LinkAs(person); kind != "" || !strings.Contains(refusal, want) {
			t.Errorf("%s: %q, %q", person, kind, refusal)
		}
	}
	if kind, refusal := g.LinkAs("@alice:hs.test"); kind != KindOwn || refusal != "" {
		t.Errorf("alice: %q, %q", kind, refusal)
	}
	plain, _ := attended(t, func(o *Options) { o.Puppets = nil })
	if kind, refusal := plain.LinkAs("@alice:hs.test"); kind != "" || !strings.Contains(refusal, "second registration") {
		t.Errorf("without the second registration: %q, %q", kind, refusal)
	}
}

// Who makes a room in which others may read along, and has somebody ask there for a
// password, does not get it.
func TestBotKeepsSecretsOutOfOpenRooms(t *testing.T) {
	_, desk := attended(t)
	for name, request := range map[string]*mautrix.ReqCreateRoom{
		"anybody may join": {Preset: "public_chat"},
		"anybody may read": {Preset: "private_chat", InitialState: []*event.Event{{
			Type:    event.StateHistoryVisibility,
			Content: event.Content{Parsed: &event.HistoryVisibilityEventContent{HistoryVisibility: event.HistoryVisibilityWorldReadable}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			eve, bob := shared.person(t, "eve"), shared.person(t, "bob")
			request.IsDirect, request.Invite = true, []id.UserID{bots, bob.UserID}
			resp, err := eve.CreateRoom(patient(t), request)
			if err != nil {
				t.Fatal(err)
			}
			if err := bob.Join(patient(t), resp.RoomID); err != nil {
				t.Fatal(err)
			}
			if _, err := bob.WaitMember(patient(t), resp.RoomID, bots, event.MembershipJoin); err != nil {
				t.Fatal(err)
			}
			if _, err := eve.LeaveRoom(patient(t), resp.RoomID); err != nil {
				t.Fatal(err)
			}
			if got := asks(t, bob, resp.RoomID, "password"); got != openWords {
				t.Errorf("got %q", got)
			}
		})
	}
	if desk.times() != 0 {
		t.Error("a command was carried out where others read")
	}
}

// TestBotIsNoContact: the chat with the bot, which has the same name as the helper
// contact, stays on Matrix.
func TestBotIsNoContact(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g, _ := attended(t)
		person, bob := shared.person(t, "alice"), shared.person(t, "bob")
		room := meetsBot(t, person)
		asks(t, person, room, "help")
		alice := g.linkTo(kind, person)
		direct := alice.chatting(bob)
		roster := alice.signIn(bridge.Available)
		if len(roster.Entries) != 1 || roster.Entries[0].Contact.ID != bridge.RemoteID(bob.UserID) {
			t.Errorf("the contact list is %+v", roster.Entries)
		}
		asks(t, person, room, "help")
		say(t, bob, direct, "a friend")
		alice.awaitText("a friend")
		if heard := alice.texts(func(m bridge.MessageReceived) bool { return m.Chat.Contact != bridge.RemoteID(bob.UserID) }); len(heard) > 0 {
			t.Errorf("heard %q", heard)
		}
		second := meetsBot(t, person)
		asks(t, person, second, "help")
		say(t, bob, direct, "still there")
		alice.awaitText("still there")
		alice.recorder.mu.Lock()
		defer alice.recorder.mu.Unlock()
		for _, evt := range alice.all {
			if change, ok := evt.(bridge.RosterChanged); ok {
				t.Errorf("the contact list changed: %+v", change)
			}
		}
	})
}
