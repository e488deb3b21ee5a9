package store_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"papillon/bridge"
	"papillon/store"
)

func message(account bridge.Handle, id string) bridge.InboxEntry {
	return bridge.InboxEntry{Account: account, Network: "matrix", Handle: dave, Message: bridge.MessageReceived{
		ID: id, Chat: bridge.Chat{Contact: "@dave:remote.test", Group: "!group:remote.test"},
		From: bridge.Contact{ID: "@dave:remote.test", Name: "Dave"}, Kind: bridge.Emoted, Text: "waves\n🦋 \x00 '\"",
		Sent: time.Date(2026, 11, 22, 10, 11, 12, 345_000_000, time.UTC),
	}}
}

func addMessage(t testing.TB, s *store.Store, e bridge.InboxEntry) (id int64, fresh bool) {
	t.Helper()
	id, fresh, err := s.InboxAdd(t.Context(), e)
	must(t, err)
	return id, fresh
}

func TestInbox(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	first := message(alice, "$1")
	id, fresh := addMessage(t, s, first)
	if !fresh || id <= 0 {
		t.Fatalf("id is %d, fresh %v", id, fresh)
	}
	first.ID = id
	second := bridge.InboxEntry{Account: alice, Network: "matrix", Handle: dave, Message: bridge.MessageReceived{ID: "$2"}}
	second.ID, _ = addMessage(t, s, second)
	if second.ID <= first.ID {
		t.Errorf("ids are %d and %d, want them to rise", first.ID, second.ID)
	}
	wantEqual(t, "inbox", get(s.InboxOf(ctx, "ALICE@example.org"))(t), []bridge.InboxEntry{first, second})

	again := []struct {
		name  string
		entry bridge.InboxEntry
		fresh bool
	}{
		{"while it waits", message(alice, "$1"), false},
		{"in other case", message("Alice@example.org", "$1"), false},
		{"to another account", message(bob, "$1"), true},
		{"of another network", func() bridge.InboxEntry { e := message(alice, "$1"); e.Network = "xmpp"; return e }(), true},
		{"without an id", message(alice, ""), true},
		{"without an id again", message(alice, ""), true},
	}
	for _, test := range again {
		id, fresh := addMessage(t, s, test.entry)
		if fresh != test.fresh || fresh != (id != 0) {
			t.Errorf("%s: id is %d, fresh %v; want %v", test.name, id, fresh, test.fresh)
		}
	}
	must(t, s.InboxDone(ctx))
	must(t, s.InboxDone(ctx, first.ID, second.ID, 9999))
	must(t, s.InboxDone(ctx, first.ID))
	left := get(s.InboxOf(ctx, alice))(t)
	wantEqual(t, "entries left", len(left), 3)
	if id, fresh := addMessage(t, s, message(alice, "$1")); fresh || id != 0 {
		t.Errorf("after it was taken: id is %d, fresh %v", id, fresh)
	}
	last := left[len(left)-1].ID
	for _, e := range left {
		must(t, s.InboxDone(ctx, e.ID))
	}
	wantEqual(t, "Bob's inbox", len(get(s.InboxOf(ctx, bob))(t)), 1)
	if id, _ := addMessage(t, s, message(alice, "$3")); id <= last {
		t.Errorf("id %d after %d: an id was given twice", id, last)
	}
}

// What a network sends comes back as it was, whatever is in it.
func TestInboxKeepsEveryByte(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	text := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
	rapid.Check(t, func(r *rapid.T) {
		want := bridge.InboxEntry{Account: alice, Network: "matrix", Handle: dave, Message: bridge.MessageReceived{
			Chat: bridge.Chat{Contact: bridge.RemoteID(text.Draw(r, "contact")), Group: text.Draw(r, "group")},
			From: bridge.Contact{ID: bridge.RemoteID(text.Draw(r, "from")), Name: text.Draw(r, "name")},
			Kind: bridge.MessageKind(text.Draw(r, "kind")), Text: text.Draw(r, "text"),
			Sent: time.UnixMilli(rapid.Int64Range(-1<<40, 1<<45).Draw(r, "sent")).UTC(),
		}}
		id, _, err := s.InboxAdd(ctx, want)
		if err != nil {
			r.Fatal(err)
		}
		want.ID = id
		got, err := s.InboxOf(ctx, alice)
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			r.Fatalf("got %+v (%v), want %+v", got, err, want)
		}
		if err = s.InboxDone(ctx, id); err != nil {
			r.Fatal(err)
		}
	})
}

// A transaction that fails after the id was remembered must forget it.
func TestInboxAddRemembersOnlyWhatItStores(t *testing.T) {
	s := newStoreWith(t, alice)
	_, err := s.DB().Exec(t.Context(), `CREATE TRIGGER fail BEFORE INSERT ON inbox BEGIN SELECT RAISE(ABORT, 'disk on fire'); END`)
	must(t, err)
	if id, fresh, err := s.InboxAdd(t.Context(), message(alice, "$1")); err == nil || id != 0 || fresh {
		t.Errorf("id is %d, fresh %v, error %v", id, fresh, err)
	}
	_, err = s.DB().Exec(t.Context(), `DROP TRIGGER fail`)
	must(t, err)
	if _, fresh := addMessage(t, s, message(alice, "$1")); !fresh {
		t.Error("the message is lost")
	}
}
