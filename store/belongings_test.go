package store_test

import (
	"testing"
	"time"

	"papillon/bridge"
	"papillon/msnp"
)

func TestBelongings(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	carol := bridge.ContactRecord{Handle: "carol@far.example", Network: "matrix", ID: "@carol:far.example", Name: "Carol"}
	room := bridge.ContactRecord{Handle: "club@rooms.example", Network: "xmpp", ID: "club@muc.example", Name: "Club", Room: true}
	must(t, s.AddContact(ctx, carol))
	must(t, s.AddContact(ctx, room))
	for _, e := range []struct {
		list msnp.List
		who  msnp.Member
	}{
		{msnp.Forward, msnp.Member{Handle: room.Handle, Name: "The club"}},
		{msnp.Forward, msnp.Member{Handle: bob, Name: "Bob"}},
		{msnp.Forward, msnp.Member{Handle: carol.Handle, Name: "C."}},
		{msnp.Allow, msnp.Member{Handle: carol.Handle, Name: "C."}},
		{msnp.Block, msnp.Member{Handle: "eve@example.org", Name: "Eve"}},
	} {
		put(t, s, alice, e.list, e.who.Handle, e.who.Name)
	}
	put(t, s, bob, msnp.Forward, alice, "Alice")
	get(s.SetPrivacy(ctx, alice, msnp.BlockOthers))(t)
	serial := get(s.SetPrompt(ctx, alice, msnp.PromptAllow))(t)

	account := get(s.Account(ctx, alice))(t)
	b := get(s.Belongings(ctx, "ALICE@example.org"))(t)
	wantEqual(t, "name", b.Name, account.Name)
	wantEqual(t, "serial", b.Serial, serial)
	wantEqual(t, "privacy", b.Privacy, msnp.BlockOthers)
	wantEqual(t, "prompt", b.Prompt, msnp.PromptAllow)
	wantEqual(t, "lists", b.Lists, get(s.Lists(ctx, alice))(t))
	wantEqual(t, "FL", len(b.Lists[msnp.Forward]), 3)
	wantEqual(t, "contacts", b.Contacts, map[bridge.Handle]bridge.ContactRecord{carol.Handle: carol, room.Handle: room})
	wantEqual(t, "waiting", b.Waiting, false)

	_, _, err := s.InboxAdd(ctx, bridge.InboxEntry{Account: bob, Network: "matrix", Handle: carol.Handle})
	must(t, err)
	wantEqual(t, "waiting for Alice", get(s.Belongings(ctx, alice))(t).Waiting, false)
	wantEqual(t, "waiting for Bob", get(s.Belongings(ctx, bob))(t).Waiting, true)
	_, err = s.Belongings(ctx, "nobody@example.org")
	wantErr(t, err, bridge.ErrNoAccount)
}

func TestCredentials(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	get(s.AddPassword(ctx, alice, "desk", "one"))(t)
	second := get(s.AddPassword(ctx, alice, "", "two"))(t)
	must(t, s.PasswordUsed(ctx, second, time.Now()))

	who, passwords, err := s.Credentials(ctx, "ALICE@example.org")
	must(t, err)
	wantEqual(t, "who", who, msnp.Member{Handle: alice, Name: get(s.Account(ctx, alice))(t).Name})
	wantEqual(t, "passwords", passwords, get(s.Passwords(ctx, alice))(t))
	wantEqual(t, "last password", passwords[1].Password, "two")

	who, passwords, err = s.Credentials(ctx, bob)
	must(t, err)
	wantEqual(t, "one without passwords", who.Handle, msnp.Handle(bob))
	wantEqual(t, "his passwords", len(passwords), 0)

	who, passwords, err = s.Credentials(ctx, "nobody@example.org")
	must(t, err)
	wantEqual(t, "nobody", who, msnp.Member{})
	wantEqual(t, "nobody's passwords", len(passwords), 0)
}
