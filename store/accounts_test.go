package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/store"
)

func TestAddAccount(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	before := time.Now().Truncate(time.Millisecond)
	must(t, s.AddAccount(ctx, "Alice@Example.ORG", "Alice in Wonderland"))
	must(t, s.AddAccount(ctx, bob, ""))
	must(t, s.AddContact(ctx, bridge.ContactRecord{Handle: dave, Network: "matrix", ID: "@dave:remote.test"}))

	got := get(s.Account(ctx, "ALICE@example.org"))(t)
	if got.Created.Before(before) || got.Created.After(time.Now()) || got.Created.Location() != time.UTC {
		t.Errorf("created at %v", got.Created)
	}
	got.Created = time.Time{}
	wantEqual(t, "account", got, bridge.AccountRecord{Handle: alice, Name: "Alice in Wonderland", Serial: 1, Prompt: msnp.PromptAsk, Privacy: msnp.AllowOthers})
	wantEqual(t, "name of an account without one", get(s.Account(ctx, bob))(t).Name, string(bob))

	wantErr(t, s.AddAccount(ctx, alice, ""), bridge.ErrHandleTaken)
	wantErr(t, s.AddAccount(ctx, "ALICE@EXAMPLE.ORG", ""), bridge.ErrHandleTaken)
	wantErr(t, s.AddAccount(ctx, dave, ""), bridge.ErrHandleTaken)
	wantEqual(t, "name after a refusal", get(s.Account(ctx, alice))(t).Name, "Alice in Wonderland")
	for _, bad := range []bridge.Handle{"", "alice", "a b@c", "@c", "a@", "ä@c", bridge.Handle(strings.Repeat("a", 130) + "@c")} {
		if err := s.AddAccount(ctx, bad, ""); err == nil || errors.Is(err, bridge.ErrHandleTaken) {
			t.Errorf("AddAccount(%q): error is %v", bad, err)
		}
	}
	wantEqual(t, "accounts", count(t, s, "account"), 2)
}

func TestUnknownAccount(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	tests := map[string]func() error{
		"Account":         func() error { _, err := s.Account(ctx, bob); return err },
		"SetAccountName":  func() error { _, err := s.SetAccountName(ctx, bob, "B"); return err },
		"SetPrivacy":      func() error { _, err := s.SetPrivacy(ctx, bob, msnp.BlockOthers); return err },
		"SetPrompt":       func() error { _, err := s.SetPrompt(ctx, bob, msnp.PromptAllow); return err },
		"RemoveAccount":   func() error { return s.RemoveAccount(ctx, bob) },
		"AddPassword":     func() error { _, err := s.AddPassword(ctx, bob, "", "x"); return err },
		"RemovePassword":  func() error { return s.RemovePassword(ctx, bob, 1) },
		"RemovePasswords": func() error { return s.RemovePasswords(ctx, bob) },
		"SetIdentity":     func() error { return s.SetIdentity(ctx, bridge.IdentityRecord{Account: bob, Network: "matrix"}) },
		"RemoveIdentity":  func() error { return s.RemoveIdentity(ctx, bob, "matrix") },
		"AddEntry": func() error {
			_, _, err := s.AddEntry(ctx, bob, msnp.Forward, msnp.Member{Handle: alice}, 0)
			return err
		},
		"RemoveEntry":   func() error { _, _, err := s.RemoveEntry(ctx, bob, msnp.Forward, alice); return err },
		"RaiseSerial":   func() error { _, err := s.RaiseSerial(ctx, bob); return err },
		"RenameEntry":   func() error { _, err := s.RenameEntry(ctx, bob, msnp.Member{Handle: alice}); return err },
		"SetDirectChat": func() error { return s.SetDirectChat(ctx, bob, "matrix", "@x:y", "!z:y") },
		"InboxAdd": func() error {
			_, _, err := s.InboxAdd(ctx, bridge.InboxEntry{Account: bob, Message: bridge.MessageReceived{ID: "1"}})
			return err
		},
		"InboxAdd, no id": func() error { _, _, err := s.InboxAdd(ctx, bridge.InboxEntry{Account: bob}); return err },
		"OutboxAdd":       func() error { _, err := s.OutboxAdd(ctx, bridge.OutboxEntry{Account: bob}); return err },
	}
	for name, call := range tests {
		t.Run(name, func(t *testing.T) { wantErr(t, call(), bridge.ErrNoAccount) })
	}
	// Asking what somebody unknown has is no error.
	wantEqual(t, "passwords", len(get(s.Passwords(ctx, bob))(t)), 0)
	wantEqual(t, "identities", len(get(s.Identities(ctx, bob))(t)), 0)
	wantEqual(t, "lists", get(s.Lists(ctx, bob))(t), [4][]msnp.Member{})
	wantEqual(t, "inbox", len(get(s.InboxOf(ctx, bob))(t)), 0)
	wantEqual(t, "outbox", len(get(s.OutboxOf(ctx, bob, "matrix"))(t)), 0)
	wantEqual(t, "changes", count(t, s, "account_change"), 1)
	wantEqual(t, "seen messages", count(t, s, "seen_message"), 0)
}

func TestSettings(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	put(t, s, bob, msnp.Forward, alice, "my dear Alice")
	bobs := serialOf(t, s, bob)
	want := get(s.Account(ctx, alice))(t)
	steps := []struct {
		name string
		set  func() (uint32, error)
		want func(*bridge.AccountRecord)
	}{
		{"name", func() (uint32, error) { return s.SetAccountName(ctx, alice, "Älice\x00 🦋") }, func(a *bridge.AccountRecord) { a.Name = "Älice\x00 🦋" }},
		{"no name", func() (uint32, error) { return s.SetAccountName(ctx, "Alice@EXAMPLE.org", "") }, func(a *bridge.AccountRecord) { a.Name = string(alice) }},
		{"privacy", func() (uint32, error) { return s.SetPrivacy(ctx, alice, msnp.BlockOthers) }, func(a *bridge.AccountRecord) { a.Privacy = msnp.BlockOthers }},
		{"prompt", func() (uint32, error) { return s.SetPrompt(ctx, alice, msnp.PromptAllow) }, func(a *bridge.AccountRecord) { a.Prompt = msnp.PromptAllow }},
		{"same again", func() (uint32, error) { return s.SetPrompt(ctx, alice, msnp.PromptAllow) }, func(*bridge.AccountRecord) {}},
	}
	for _, step := range steps {
		serial, err := step.set()
		must(t, err)
		want.Serial++
		step.want(&want)
		wantEqual(t, step.name+": serial", serial, want.Serial)
		wantEqual(t, step.name, get(s.Account(ctx, alice))(t), want)
	}
	wantEqual(t, "Bob's entry", get(s.Lists(ctx, bob))(t)[msnp.Forward], []msnp.Member{{Handle: alice, Name: "my dear Alice"}})
	wantEqual(t, "Bob's serial", serialOf(t, s, bob), bobs)
}

func TestEachAccount(t *testing.T) {
	s := newStore(t)
	ctx := t.Context()
	s.DB().RawDB.SetMaxOpenConns(1) // whoever holds a connection while calling f waits for ever
	want := map[bridge.Handle]bool{}
	for i := range 600 {
		h := bridge.Handle(fmt.Sprintf("user%03d@example.org", i))
		_, err := s.DB().Exec(ctx, `INSERT INTO account (handle, name, serial, prompt, privacy, created) VALUES ($1, 'n', 1, 'A', 'AL', 1)`, string(h))
		must(t, err)
		want[h] = true
	}
	got := map[bridge.Handle]bool{}
	must(t, s.EachAccount(ctx, func(a bridge.AccountRecord) error {
		if got[a.Handle] {
			t.Errorf("%s comes twice", a.Handle)
		}
		got[a.Handle] = true
		_, err := s.SetAccountName(ctx, a.Handle, "new")
		return err
	}))
	wantEqual(t, "accounts", got, want)

	stop, calls := errors.New("stop"), 0
	if err := s.EachAccount(ctx, func(bridge.AccountRecord) error { calls++; return stop }); err != stop || calls != 1 {
		t.Errorf("error is %v after %d calls, want the function's own after 1", err, calls)
	}
}

func TestRemoveAccount(t *testing.T) {
	s := newStoreWith(t, alice, bob, carol)
	ctx := t.Context()
	put(t, s, alice, msnp.Forward, bob, "Bob")    // Alice on Bob's RL
	put(t, s, bob, msnp.Forward, alice, "Alice")  // Bob's own entry
	put(t, s, bob, msnp.Block, alice, "Alice")    // which stays
	put(t, s, carol, msnp.Forward, bob, "Bob")    // none of Alice's business
	put(t, s, carol, msnp.Reverse, dave, "David") // a remote one on RL
	get(s.AddPassword(ctx, alice, "", "x"))(t)
	must(t, s.SetIdentity(ctx, bridge.IdentityRecord{Account: alice, Network: "matrix", Kind: "ghost"}))
	must(t, s.SetDirectChat(ctx, alice, "matrix", "@dave:remote.test", "!a:hs"))
	_, _, err := s.InboxAdd(ctx, bridge.InboxEntry{Account: alice, Network: "matrix", Message: bridge.MessageReceived{ID: "$1"}})
	must(t, err)
	get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice, Network: "matrix"}))(t)
	must(t, s.AddContact(ctx, bridge.ContactRecord{Handle: dave, Network: "matrix", ID: "@dave:remote.test"}))
	bobs, carols := serialOf(t, s, bob), serialOf(t, s, carol)

	must(t, s.RemoveAccount(ctx, "ALICE@example.org"))

	_, err = s.Account(ctx, alice)
	wantErr(t, err, bridge.ErrNoAccount)
	wantErr(t, s.RemoveAccount(ctx, alice), bridge.ErrNoAccount)
	for _, table := range []string{"password", "identity", "direct_chat", "inbox", "outbox", "seen_message"} {
		wantEqual(t, "rows of "+table, count(t, s, table), 0)
	}
	wantEqual(t, "contacts", count(t, s, "contact"), 1)
	wantEqual(t, "Bob's lists", get(s.Lists(ctx, bob))(t), [4][]msnp.Member{
		msnp.Forward: {{Handle: alice, Name: "Alice"}},
		msnp.Block:   {{Handle: alice, Name: "Alice"}},
		msnp.Reverse: {{Handle: carol, Name: string(carol)}},
	})
	wantEqual(t, "Bob's serial", serialOf(t, s, bob), bobs+1)
	wantEqual(t, "Carol's serial", serialOf(t, s, carol), carols)
}

// A client that remembers the lists of the removed account by their serial must
// not find that serial again, and the new account is told who lists it.
func TestAccountOfTheSameHandleAgain(t *testing.T) {
	s := newStoreWith(t, alice, bob, carol)
	ctx := t.Context()
	put(t, s, carol, msnp.Forward, alice, "A")
	put(t, s, bob, msnp.Forward, alice, "A")
	put(t, s, alice, msnp.Forward, dave, "D")
	old := serialOf(t, s, alice)
	must(t, s.RemoveAccount(ctx, alice))
	must(t, s.RemoveAccount(ctx, carol))
	must(t, s.AddAccount(ctx, alice, "Alice anew"))

	wantEqual(t, "lists", get(s.Lists(ctx, alice))(t), [4][]msnp.Member{msnp.Reverse: {{Handle: bob, Name: string(bob)}}})
	if serial := serialOf(t, s, alice); serial <= old {
		t.Errorf("serial is %d, was %d before", serial, old)
	}
	serial, _ := put(t, s, alice, msnp.Forward, dave, "D")
	wantEqual(t, "serial", serial, serialOf(t, s, alice))
}

func TestAccountsList(t *testing.T) {
	s := newStoreWith(t, bob, alice)
	ctx := t.Context()
	get(s.AddPassword(ctx, alice, "never", "x"))(t)
	used := time.Date(2026, 11, 22, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	must(t, s.PasswordUsed(ctx, get(s.AddPassword(ctx, alice, "desk", "y"))(t), used))
	must(t, s.PasswordUsed(ctx, get(s.AddPassword(ctx, alice, "old", "z"))(t), used.Add(-time.Hour)))
	put(t, s, alice, msnp.Forward, dave, "D")
	put(t, s, alice, msnp.Allow, dave, "D")
	put(t, s, alice, msnp.Forward, bob, "B")
	for _, network := range []string{"xmpp", "matrix"} {
		must(t, s.SetIdentity(ctx, bridge.IdentityRecord{Account: alice, Network: network, Kind: "login"}))
	}
	_, _, err := s.InboxAdd(ctx, bridge.InboxEntry{Account: alice})
	must(t, err)
	for range 2 {
		get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice}))(t)
	}
	got := get(s.AccountsList(ctx))(t)
	want := []store.AccountSummary{
		{AccountRecord: get(s.Account(ctx, alice))(t), Passwords: 3, LastUsed: used.UTC().Truncate(time.Millisecond),
			Contacts: 2, Waiting: 1, Pending: 2, Networks: []string{"matrix", "xmpp"}},
		{AccountRecord: get(s.Account(ctx, bob))(t)},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
}
