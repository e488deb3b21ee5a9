package store_test

import (
	"testing"

	"papillon/bridge"
	"papillon/store"
)

func TestIdentities(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	login := bridge.IdentityRecord{Account: alice, Network: "xmpp", Kind: "login", ID: "Alice@jabber.example", Credentials: []byte("pass\x00word")}
	ghost := bridge.IdentityRecord{Account: alice, Network: "matrix", Kind: "ghost"}
	must(t, s.SetIdentity(ctx, login))
	must(t, s.SetIdentity(ctx, ghost))
	wantEqual(t, "identities", get(s.Identities(ctx, "ALICE@example.org"))(t), []bridge.IdentityRecord{ghost, login})

	own := bridge.IdentityRecord{Account: alice, Network: "matrix", Kind: "own", ID: "@alice:hs.test", Credentials: []byte("t")}
	must(t, s.SetIdentity(ctx, own))
	login.Credentials = nil
	must(t, s.SetIdentity(ctx, login))
	wantEqual(t, "identities replaced", get(s.Identities(ctx, alice))(t), []bridge.IdentityRecord{own, login})
	login.Account = bob
	wantErr(t, s.SetIdentity(ctx, login), store.ErrLinked)
	login.Account = alice
	wantEqual(t, "Bob's identities", len(get(s.Identities(ctx, bob))(t)), 0)

	_, before, err := s.AccountChanges(ctx, -1)
	must(t, err)
	must(t, s.RenewCredentials(ctx, alice, "matrix", []byte("u")))
	own.Credentials = []byte("u")
	wantEqual(t, "identities renewed", get(s.Identities(ctx, alice))(t), []bridge.IdentityRecord{own, login})
	changes, _, err := s.AccountChanges(ctx, before)
	must(t, err)
	wantEqual(t, "changes told of a renewal", len(changes), 0)
	wantErr(t, s.RenewCredentials(ctx, bob, "matrix", []byte("u")), store.ErrNoIdentity)

	get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice, Network: "matrix"}))(t)
	get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice, Network: "xmpp"}))(t)
	get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: bob, Network: "matrix"}))(t)
	_, _, err = s.InboxAdd(ctx, bridge.InboxEntry{Account: alice, Network: "matrix"})
	must(t, err)

	must(t, s.RemoveIdentity(ctx, alice, "matrix"))
	wantErr(t, s.RemoveIdentity(ctx, alice, "matrix"), store.ErrNoIdentity)
	wantEqual(t, "identities left", get(s.Identities(ctx, alice))(t), []bridge.IdentityRecord{login})
	wantEqual(t, "orders for the network", len(get(s.OutboxOf(ctx, alice, "matrix"))(t)), 0)
	wantEqual(t, "orders for the other network", len(get(s.OutboxOf(ctx, alice, "xmpp"))(t)), 1)
	wantEqual(t, "Bob's orders", len(get(s.OutboxOf(ctx, bob, "matrix"))(t)), 1)
	wantEqual(t, "inbox", len(get(s.InboxOf(ctx, alice))(t)), 1)
}
