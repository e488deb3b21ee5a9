package store_test

import (
	"testing"

	"papillon/bridge"
)

func TestDirectChats(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	const dave, erin bridge.RemoteID = "@dave:remote.test", "@erin:remote.test"
	// check wants the chats of Alice on Matrix, and what they lead back to.
	check := func(what string, want map[bridge.RemoteID]string, none ...string) {
		t.Helper()
		for _, contact := range []bridge.RemoteID{dave, erin} {
			chat, ok, err := s.DirectChat(ctx, "Alice@example.org", "matrix", contact)
			if err != nil || chat != want[contact] || ok != (chat != "") {
				t.Errorf("%s: chat of %s is %q, %v, %v; want %q", what, contact, chat, ok, err, want[contact])
			}
			if !ok {
				continue
			}
			back, ok, err := s.ChatContact(ctx, "Alice@example.org", "matrix", chat)
			if err != nil || !ok || back != contact {
				t.Errorf("%s: chat %s is of %q, %v, %v; want %s", what, chat, back, ok, err, contact)
			}
		}
		for _, chat := range none {
			if contact, ok, err := s.ChatContact(ctx, alice, "matrix", chat); ok || err != nil || contact != "" {
				t.Errorf("%s: chat %s is of %q, %v, %v; want nobody", what, chat, contact, ok, err)
			}
		}
	}
	check("new", nil, "!1")
	must(t, s.SetDirectChat(ctx, "ALICE@example.org", "matrix", dave, "!1"))
	must(t, s.SetDirectChat(ctx, alice, "matrix", erin, "!2"))
	must(t, s.SetDirectChat(ctx, alice, "xmpp", dave, "!x"))
	must(t, s.SetDirectChat(ctx, bob, "matrix", dave, "!1"))
	check("set", map[bridge.RemoteID]string{dave: "!1", erin: "!2"}, "!x")
	must(t, s.SetDirectChat(ctx, alice, "matrix", dave, "!1"))
	check("set again", map[bridge.RemoteID]string{dave: "!1", erin: "!2"})
	must(t, s.SetDirectChat(ctx, alice, "matrix", dave, "!3"))
	check("replaced", map[bridge.RemoteID]string{dave: "!3", erin: "!2"}, "!1")
	must(t, s.SetDirectChat(ctx, alice, "matrix", erin, "!3"))
	check("moved", map[bridge.RemoteID]string{erin: "!3"}, "!1", "!2")
	must(t, s.ForgetDirectChat(ctx, alice, "matrix", "!none"))
	must(t, s.ForgetDirectChat(ctx, "Alice@Example.org", "matrix", "!3"))
	check("forgotten", nil, "!3")

	if chat, ok, err := s.DirectChat(ctx, bob, "matrix", dave); chat != "!1" || !ok || err != nil {
		t.Errorf("Bob's chat is %q, %v, %v", chat, ok, err)
	}
	if chat, ok, err := s.DirectChat(ctx, alice, "xmpp", dave); chat != "!x" || !ok || err != nil {
		t.Errorf("Alice's other chat is %q, %v, %v", chat, ok, err)
	}
}
