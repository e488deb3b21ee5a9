package store_test

import (
	"testing"
	"time"

	"papillon/bridge"
)

func TestOutbox(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	send := bridge.OutboxEntry{Account: alice, Network: "matrix", Created: time.Date(2026, 11, 22, 10, 0, 0, 987_000_000, time.UTC),
		Order: bridge.Order{Kind: bridge.OrderSend, Chat: bridge.Chat{Contact: "@dave:remote.test", Group: "!g"}, Text: "hello\r\n🦋"}}
	follow := bridge.OutboxEntry{Account: alice, Network: "matrix", Order: bridge.Order{Kind: bridge.OrderFollow, Chat: bridge.Chat{Contact: "@dave:remote.test"}}}
	send.ID = get(s.OutboxAdd(ctx, send))(t)
	follow.ID = get(s.OutboxAdd(ctx, follow))(t)
	get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice, Network: "xmpp"}))(t)
	get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: bob, Network: "matrix"}))(t)
	if follow.ID <= send.ID || send.ID <= 0 {
		t.Errorf("ids are %d and %d, want them to rise", send.ID, follow.ID)
	}
	got := get(s.OutboxOf(ctx, "Alice@example.org", "matrix"))(t)
	if len(got) == 2 {
		if age := time.Since(got[1].Created); age < 0 || age > time.Minute {
			t.Errorf("an order without a time was created %v ago", age)
		}
		follow.Created = got[1].Created
	}
	wantEqual(t, "outbox", got, []bridge.OutboxEntry{send, follow})

	must(t, s.OutboxDone(ctx, send.ID))
	must(t, s.OutboxDone(ctx, send.ID))
	must(t, s.OutboxDone(ctx, 9999))
	wantEqual(t, "outbox after one is done", get(s.OutboxOf(ctx, alice, "matrix"))(t), []bridge.OutboxEntry{follow})
	wantEqual(t, "other network", len(get(s.OutboxOf(ctx, alice, "xmpp"))(t)), 1)
	wantEqual(t, "other account", len(get(s.OutboxOf(ctx, bob, "matrix"))(t)), 1)
}

// The id of an order is what a network knows a message by: a message with an id
// that was there before would be taken for that one, and never be sent.
func TestOutboxNeverGivesAnIDTwice(t *testing.T) {
	f := newFiles(t)
	s := f.open(t)
	must(t, s.AddAccount(t.Context(), alice, ""))
	var last int64
	for range 3 {
		id := get(s.OutboxAdd(t.Context(), bridge.OutboxEntry{Account: alice}))(t)
		if id <= last {
			t.Errorf("id %d after %d", id, last)
		}
		last = id
		must(t, s.OutboxDone(t.Context(), id))
		s = f.open(t)
	}
	get(s.OutboxAdd(t.Context(), bridge.OutboxEntry{Account: alice}))(t)
	must(t, s.RemoveAccount(t.Context(), alice))
	must(t, s.AddAccount(t.Context(), alice, ""))
	if id := get(s.OutboxAdd(t.Context(), bridge.OutboxEntry{Account: alice}))(t); id <= last+1 {
		t.Errorf("id %d after the account was made anew, last was %d", id, last+1)
	}
}
