package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/msnp/msnptest"
)

// TestActsOverMatrix: what bob does with his modern client is a line each in
// alice's old window, and what she was shown is marked as read.
func TestActsOverMatrix(t *testing.T) {
	tw := newTown(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	stop := startServe(t, tw.config)
	alice := signIn(t, tw.config, tw.password)
	window, room := tw.acquaint(t, ctx, alice)
	if _, err := window.SendText(ctx, "see you at 5", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	alices, err := tw.bob.WaitText(ctx, ghost, "see you at 5")
	if err != nil {
		t.Fatal(err)
	}
	send := func(kind event.Type, content any) id.EventID {
		t.Helper()
		resp, err := tw.bob.SendMessageEvent(ctx, room, kind, content)
		if err != nil {
			t.Fatal(err)
		}
		return resp.EventID
	}
	shows := func(want string) {
		t.Helper()
		m, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, window, nil)
		if err != nil || strings.ReplaceAll(m.Message.Text(), "\r\n", "\n") != want {
			t.Fatalf("alice reads %q (%v), want %q", m.Message.Text(), err, want)
		}
	}
	bobs := send(event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "> <@x:y> see\n\nor at 6?", RelatesTo: (&event.RelatesTo{}).SetReplyTo(alices.ID)})
	shows("> you: see you at 5\nor at 6?")
	edit := &event.MessageEventContent{MsgType: event.MsgText, Body: "or at 7?"}
	edit.SetEdit(bobs)
	send(event.EventMessage, edit)
	shows(`[bob edited "or at 6?"] or at 7?`)
	like := send(event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: alices.ID, Key: "👍"}})
	shows(`[bob: [thumbs up] to your "see you at 5"]`)
	for target, want := range map[id.EventID]string{like: `[bob took back [thumbs up] to your "see you at 5"]`, bobs: `[bob deleted "or at 7?"]`} {
		if _, err := tw.bob.RedactEvent(ctx, room, target); err != nil {
			t.Fatal(err)
		}
		shows(want)
	}
	last := send(event.EventMessage, &event.MessageEventContent{MsgType: event.MsgText, Body: "bye"})
	shows("bye")
	if _, err := tw.bob.Wait(ctx, "a receipt", func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.ReceiptEventContent)
		if !ok || evt.RoomID != room {
			return false
		}
		_, read := (*content)[last][event.ReceiptTypeRead][ghost]
		return read
	}); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestLongTextsOverMatrix: more than a message of MSN, or an event of Matrix, can
// hold arrives whole and in order.
func TestLongTextsOverMatrix(t *testing.T) {
	tw := newTown(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	stop := startServe(t, tw.config)
	alice := signIn(t, tw.config, tw.password)
	window, room := tw.acquaint(t, ctx, alice)
	var words strings.Builder
	for i := range 9000 {
		fmt.Fprintf(&words, "%d ", i)
	}
	if _, err := tw.bob.Say(ctx, room, words.String()); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.bob.Say(ctx, room, "the end"); err != nil {
		t.Fatal(err)
	}
	whole := strings.Join(strings.Fields(words.String()), " ")
	var got []string
	for len(got) == 0 || got[len(got)-1] != "the end" {
		m, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, window, nil)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m.Message.Text())
	}
	if joined := strings.Join(got[:len(got)-1], " "); joined != whole || len(got) < 20 {
		t.Errorf("%d pieces of %d bytes, not of %d", len(got), len(joined), len(whole))
	}
	if _, err := window.SendText(ctx, whole, msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	if _, err := window.SendText(ctx, "the end", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	got = nil
	for len(got) == 0 || got[len(got)-1] != "the end" {
		evt, err := tw.bob.Wait(ctx, "a piece", func(evt *event.Event) bool {
			return evt.Type == event.EventMessage && evt.Sender == ghost
		})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, evt.Content.AsMessage().Body)
	}
	if joined := strings.Join(got[:len(got)-1], " "); joined != whole || len(got) < 3 {
		t.Errorf("%d events of %d bytes, not of %d", len(got), len(joined), len(whole))
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
