package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// botAsked writes to the bot and returns its answer.
func botAsked(t *testing.T, ctx context.Context, p *matrixtest.Person, room id.RoomID, words string) string {
	t.Helper()
	if _, err := p.Say(ctx, room, words); err != nil {
		t.Fatal(err)
	}
	evt, err := p.Wait(ctx, "an answer to "+words, func(evt *event.Event) bool {
		return evt.Type == event.EventMessage && evt.Sender == "@papillon:"+matrixtest.Domain
	})
	if err != nil {
		t.Fatal(err)
	}
	return evt.Content.AsMessage().Body
}

// helperAsked writes to the helper contact and returns its answer.
func helperAsked(t *testing.T, ctx context.Context, window *msnptest.Switchboard, words string) string {
	t.Helper()
	if _, err := window.SendText(ctx, words, msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	m, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, window, nil)
	if err != nil {
		t.Fatalf("wait for an answer to %q: %v", words, err)
	}
	return m.Message.Text()
}

// TestSignUpOverMatrix: carol makes an MSN account by writing to the bot, finds her
// Matrix chats in Messenger, lives in rooms, and removes the account.
func TestSignUpOverMatrix(t *testing.T) {
	tw := newTown(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	carol, err := tw.homeserver.CreateUser(ctx, "carol")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(carol.Close)
	chat, err := carol.CreateDM(ctx, tw.bob.UserID)
	if err == nil {
		err = tw.bob.Join(ctx, chat)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop := startServe(t, tw.config)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	office, err := carol.CreateDM(ctx, "@papillon:"+matrixtest.Domain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := carol.WaitMember(ctx, office, "@papillon:"+matrixtest.Domain, event.MembershipJoin); err != nil {
		t.Fatal(err)
	}
	answer := botAsked(t, ctx, carol, office, "register carol")
	password := appPassword.FindString(answer)
	if password == "" || !strings.Contains(answer, "carol@example.org") || !strings.Contains(answer, "Server to set in the client") {
		t.Fatalf("register says %q", answer)
	}
	if got := botAsked(t, ctx, carol, office, "register another"); appPassword.MatchString(got) || !strings.Contains(got, "already") {
		t.Errorf("a second account: %q", got)
	}
	client, err := msnptest.Dial(ctx, tw.config.MSN.Listen, msnptest.Options{Handle: "carol@example.org", Password: password, Status: msnp.Online, AutoAnswer: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := tw.bob.Say(ctx, chat, "hello carol"); err != nil {
		t.Fatal(err)
	}
	reads(t, ctx, opened(t, ctx, client), "hello carol")
	tw.livesInRooms(t, ctx, client)
	if got := botAsked(t, ctx, carol, office, "status"); !strings.Contains(got, "carol@example.org, signed in") {
		t.Errorf("status says %q", got)
	}
	second := appPassword.FindString(botAsked(t, ctx, carol, office, "password"))
	if second == "" || second == password {
		t.Errorf("the second password is %q", second)
	}
	if got := botAsked(t, ctx, carol, office, "unlink"); !strings.Contains(got, "is removed") {
		t.Errorf("unlink says %q", got)
	}
	if got := botAsked(t, ctx, carol, office, "status"); !strings.Contains(got, "You have no MSN account here") {
		t.Errorf("status says %q", got)
	}
}

// livesInRooms uses what the helper contact knows of rooms.
func (tw *town) livesInRooms(t *testing.T, ctx context.Context, client *msnptest.Client) {
	t.Helper()
	room, err := tw.bob.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "public_chat", RoomAliasName: "lunch", Name: "Lunch"})
	if err != nil {
		t.Fatal(err)
	}
	helper, err := client.Chat(ctx, "papillon@example.org")
	if err != nil {
		t.Fatal(err)
	}
	address := "#lunch:" + matrixtest.Domain
	if got := helperAsked(t, ctx, helper, "join "+address); !strings.Contains(got, "You are in Lunch now") || !strings.Contains(got, "lunch@rooms.example.org") {
		t.Errorf("join says %q", got)
	}
	if _, err := tw.bob.Say(ctx, room.RoomID, "soup today"); err != nil {
		t.Fatal(err)
	}
	window := opened(t, ctx, client)
	m, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, window, nil)
	if err != nil || m.Message.Text() != "soup today" || string(m.From.Handle) != bobHandle {
		t.Fatalf("in the room: %+v, %v", m, err)
	}
	for _, step := range []struct{ words, want string }{
		{"rooms", "Lunch - lunch@rooms.example.org, on matrix: " + string(room.RoomID)},
		{"history " + address + " 5", "soup today"},
		{"link", "linked as own"},
		{"leave " + address, "You have left Lunch"},
	} {
		if got := helperAsked(t, ctx, helper, step.words); !strings.Contains(got, step.want) {
			t.Errorf("%s says %q, want %q in it", step.words, got, step.want)
		}
	}
}
