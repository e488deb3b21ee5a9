package store_test

import (
	"testing"
	"time"

	"papillon/bridge"
	"papillon/store"
)

func TestAccountChanges(t *testing.T) {
	f := newFiles(t)
	s, other := f.open(t), f.open(t)
	ctx := t.Context()
	changes, newest, err := s.AccountChanges(ctx, -1)
	must(t, err)
	wantEqual(t, "changes at the start", len(changes), 0)
	wantEqual(t, "newest at the start", newest, int64(0))

	must(t, other.AddAccount(ctx, "Alice@example.org", ""))
	id := get(other.AddPassword(ctx, alice, "", "x"))(t)
	get(other.AddPassword(ctx, alice, "", "y"))(t)
	must(t, other.RemovePassword(ctx, "ALICE@example.org", id))
	must(t, other.RemovePasswords(ctx, alice))
	must(t, other.RemovePasswords(ctx, alice)) // none left: no change
	must(t, s.SetIdentity(ctx, bridge.IdentityRecord{Account: alice, Network: "matrix", Kind: "ghost"}))
	must(t, other.RemoveIdentity(ctx, alice, "matrix"))
	must(t, other.RemoveAccount(ctx, alice))
	// What failed is no change, nor what the gateway itself stores.
	wantErr(t, other.RemoveAccount(ctx, alice), bridge.ErrNoAccount)

	want := []bridge.AccountChange{
		{Handle: alice, Kind: bridge.AccountAdded},
		{Handle: alice, Kind: bridge.PasswordRevoked},
		{Handle: alice, Kind: bridge.PasswordRevoked},
		{Handle: alice, Kind: bridge.IdentityChanged},
		{Handle: alice, Kind: bridge.IdentityChanged},
		{Handle: alice, Kind: bridge.AccountRemoved},
	}
	changes, newest, err = s.AccountChanges(ctx, 0)
	must(t, err)
	wantEqual(t, "changes", changes, want)
	_, fromStart, err := s.AccountChanges(ctx, -5)
	must(t, err)
	wantEqual(t, "newest", fromStart, newest)
	changes, same, err := s.AccountChanges(ctx, newest-1)
	must(t, err)
	wantEqual(t, "last change", changes, want[5:])
	wantEqual(t, "newest", same, newest)
	changes, same, err = s.AccountChanges(ctx, newest)
	must(t, err)
	wantEqual(t, "no changes", len(changes), 0)
	wantEqual(t, "newest", same, newest)
}

func TestPrune(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	now := time.Now()
	waiting, _ := addMessage(t, s, message(alice, "$waiting"))
	taken, _ := addMessage(t, s, message(alice, "$taken"))
	must(t, s.InboxDone(ctx, taken))
	fresh := func(id string) bool { _, fresh := addMessage(t, s, message(alice, id)); return fresh }
	_, newest, err := s.AccountChanges(ctx, -1)
	must(t, err)

	must(t, s.Prune(ctx, now))
	must(t, s.Prune(ctx, now.Add(30*24*time.Hour))) // at least as long they are kept
	if fresh("$taken") || fresh("$waiting") {
		t.Error("a message was forgotten within 30 days")
	}
	must(t, s.Prune(ctx, now.Add(store.SeenFor-time.Second)))
	wantEqual(t, "remembered just before", count(t, s, "seen_message"), 2)
	must(t, s.Prune(ctx, time.Now().Add(store.SeenFor+time.Second)))
	wantEqual(t, "remembered after", count(t, s, "seen_message"), 1)
	if fresh("$waiting") {
		t.Error("a message that waits was forgotten")
	}
	must(t, s.InboxDone(ctx, waiting))
	must(t, s.Prune(ctx, time.Now().Add(store.SeenFor+time.Second)))
	wantEqual(t, "remembered at last", count(t, s, "seen_message"), 0)

	// Changes are gone by now; their numbers go on.
	wantEqual(t, "changes", count(t, s, "account_change"), 0)
	if _, same, err := s.AccountChanges(ctx, newest); same != newest || err != nil {
		t.Errorf("newest is %d (%v), want %d", same, err, newest)
	}
	must(t, s.AddAccount(ctx, bob, ""))
	changes, next, err := s.AccountChanges(ctx, newest)
	must(t, err)
	wantEqual(t, "changes", changes, []bridge.AccountChange{{Handle: bob, Kind: bridge.AccountAdded}})
	if next <= newest {
		t.Errorf("newest is %d after %d", next, newest)
	}
}

func TestPruneKeepsRecentChanges(t *testing.T) {
	s := newStoreWith(t, alice)
	must(t, s.Prune(t.Context(), time.Now().Add(store.ChangesFor-time.Minute)))
	wantEqual(t, "changes", count(t, s, "account_change"), 1)
}

// More than one batch.
func TestPruneMany(t *testing.T) {
	s := newStoreWith(t, alice)
	_, err := s.DB().Exec(t.Context(), `
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5001)
		INSERT INTO seen_message (account, network, message_id, seen) SELECT $1, 'matrix', i, i FROM n`, string(alice))
	must(t, err)
	must(t, s.Prune(t.Context(), time.Now()))
	wantEqual(t, "remembered", count(t, s, "seen_message"), 0)
}
