package bridge_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
)

// A change of an account's identity on one network leaves its identity on the
// other alone: what comes there meanwhile would find nobody.
func TestOtherIdentityGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, t.TempDir(), alice)
		one, two := fake.New("one"), fake.New("two")
		g := startGateway(t, db, nil, one, two)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		a := open(t, g, alice, msnp.Online)
		synctest.Wait()
		must(t, db.SetIdentity(t.Context(), bridge.IdentityRecord{Account: alice, Network: "one", Kind: "login", ID: "alice@elsewhere.test"}))
		<-time.After(time.Minute)
		closed := func(n *fake.Network) bool {
			return slices.ContainsFunc(n.Calls(), func(c fake.Call) bool { return c.Method == fake.Close })
		}
		if !closed(one) {
			t.Error("the identity that was changed is the old one")
		}
		if s, ok := one.Account(alice); !ok || s.ID != "alice@elsewhere.test" || s.Presence.Show != bridge.Available {
			t.Errorf("the identity that was changed is %+v, %v", s, ok)
		}
		if closed(two) {
			t.Error("the other identity was closed")
		}
		a.session.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		stopGateway(t, g)
		must(t, errors.Join(db.Close(), one.Close(), two.Close()))
	})
}
