package main

import (
	"context"
	"testing"
	"time"

	"papillon/bridge/xmpp/xmpptest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// TestMatrixAndXMPPInOneWindow: a Matrix friend and an XMPP friend stand on one list, and
// sit in one window: each reads, as alice's own words, what the other said.
func TestMatrixAndXMPPInOneWindow(t *testing.T) {
	for _, kind := range xmpptest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			tw := newTown(t)
			v := &village{config: tw.config, password: tw.password}
			var err error
			if v.server, err = xmpptest.Start(ctx, xmpptest.Options{Kind: kind}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := v.server.Stop(); err != nil {
					t.Error(err)
				}
			})
			v.alice = "alice@" + v.server.ComponentDomain
			v.config.XMPP.Component = ComponentConfig{
				Address: v.server.ComponentAddress, Domain: v.server.ComponentDomain, Secret: Secret(v.server.Secret),
			}
			stop := startServe(t, v.config)
			t.Cleanup(func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
			v.bob = v.signIn(t, ctx, "carol") // whom the village calls bob
			v.awaitComponent(t, ctx)
			oneWindow(t, ctx, tw, v)
		})
	}
}

// oneWindow has bob on Matrix and carol on XMPP talk by alice's window.
func oneWindow(t *testing.T, ctx context.Context, tw *town, v *village) {
	t.Helper()
	carol := v.bob
	if err := carol.SetVCard(ctx, "<FN>Carol</FN>"); err != nil {
		t.Fatal(err)
	}
	alice := signIn(t, v.config, v.password)
	v.acquaint(t, ctx, alice)
	window, room := tw.acquaint(t, ctx, alice)
	list, err := alice.List(ctx, msnp.Forward)
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[string]bool)
	for _, m := range list {
		listed[string(m.Handle)] = true
	}
	if !listed[bobHandle] || !listed[carol.Bare()] {
		t.Errorf("not both are on the list %v", list)
	}
	if err := window.Call(ctx, carol.Bare()); err != nil {
		t.Fatal(err)
	}
	if _, err := window.SendText(ctx, "hello both", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.bob.WaitText(ctx, ghost, "hello both"); err != nil {
		t.Fatal(err)
	}
	v.bobReadsNext(t, ctx, "hello both")
	if _, err := tw.bob.Say(ctx, room, "who is there?"); err != nil {
		t.Fatal(err)
	}
	reads(t, ctx, window, "who is there?")
	v.bobReadsNext(t, ctx, "bob: who is there?")
	if _, err := carol.Say(ctx, v.alice, "it is me"); err != nil {
		t.Fatal(err)
	}
	if m := inWindow(t, ctx, window, "it is me"); string(m.From.Handle) != carol.Bare() {
		t.Errorf("carol's words came from %s", m.From.Handle)
	}
	if _, err := tw.bob.WaitText(ctx, ghost, "Carol: it is me"); err != nil {
		t.Fatal(err)
	}
}
