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

// slowOutbox takes its time before it stores a message.
type slowOutbox struct{ bridge.Storage }

func (s slowOutbox) OutboxAdd(ctx context.Context, e bridge.OutboxEntry) (int64, error) {
	if e.Order.Kind == bridge.OrderSend {
		<-time.After(2 * time.Second)
	}
	return s.Storage.OutboxAdd(ctx, e)
}

// A message that is being stored while the identity changes goes out by the new
// one, and not at the next start.
func TestMessageWhileTheIdentityChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, t.TempDir(), alice)
		net := fake.New("one")
		net.Person("bob@fake.test", "Bob")
		g := startGateway(t, db, func(o *bridge.Options) { o.Storage = slowOutbox{db} }, net)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		a := open(t, g, alice, msnp.Online)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		b, err := a.chat("bob@fake.test")
		must(t, err)
		synctest.Wait()
		go b.say("under way")
		must(t, db.SetIdentity(t.Context(), bridge.IdentityRecord{Account: alice, Network: "one", Kind: "login", ID: "alice@elsewhere.test"}))
		<-time.After(time.Minute)
		if sent := net.Sent(); len(sent) != 1 || sent[0].Text != "under way" {
			t.Errorf("the network got %v", sent)
		}
		a.session.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		stopGateway(t, g)
		must(t, errors.Join(db.Close(), net.Close()))
	})
}

// Whoever waits for a message when the identity changes is told by the next one; when
// there is none any more, that it will not be sent.
func TestMessageOutlivesTheIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, t.TempDir(), alice)
		net := fake.New("one")
		net.Person("bob@fake.test", "Bob")
		g := startGateway(t, db, nil, net)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		a := open(t, g, alice, msnp.Online)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		b, err := a.chat("bob@fake.test")
		must(t, err)
		release := net.HoldSends()
		b.say("first")
		<-time.After(time.Second)
		began := time.Now()
		must(t, db.SetIdentity(t.Context(), bridge.IdentityRecord{Account: alice, Network: "one", Kind: "login", ID: "alice@elsewhere.test"}))
		w := func() bool {
			s, ok := net.Account(alice)
			return ok && s.ID == "alice@elsewhere.test"
		}
		for !w() {
			<-time.After(100 * time.Millisecond)
		}
		if waited := time.Since(began); waited > 20*time.Second {
			t.Errorf("an order that hangs held up the new identity for %v", waited)
		}
		release()
		a.sees("ACK first")
		must(t, net.Down("cut off"))
		b.say("second")
		<-time.After(time.Second)
		must(t, db.RemoveIdentity(t.Context(), alice, "one"))
		a.sees("NAK second")
		a.session.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		stopGateway(t, g)
		must(t, errors.Join(db.Close(), net.Close()))
	})
}

// A contact belongs to his network: the identity that is opened on another one neither
// asks for him nor takes him off the list.
func TestIdentityOpensForItsOwnContacts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, t.TempDir(), alice)
		one, two := fake.New("one"), fake.New("two", fake.Social())
		one.RefuseLogin(alice, bridge.ErrNotLinked)
		two.RefuseLogin(alice, bridge.ErrNotLinked)
		must(t, db.AddContact(t.Context(), bridge.ContactRecord{Handle: "bob@one.test", Network: "one", ID: "bob@one.test", Name: "Bob"}))
		_, _, err := db.AddEntry(t.Context(), alice, msnp.Forward, msnp.Member{Handle: "bob@one.test", Name: "Bob"}, 0)
		must(t, err)
		g := startGateway(t, db, nil, one, two)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		a := open(t, g, alice, msnp.Online)
		synctest.Wait()
		two.RefuseLogin(alice, nil)
		two.SetRoster(alice, entry("dave@two.test", "Dave", true))
		must(t, db.SetIdentity(t.Context(), bridge.IdentityRecord{Account: alice, Network: "two", Kind: "login", ID: "alice@two.test"}))
		<-time.After(time.Minute)
		wantList(t, a.properties(), msnp.Forward, "bob@one.test=Bob", "dave@two.test=Dave")
		for _, c := range two.Calls() {
			if c.Method == fake.Follow {
				t.Errorf("the other network is asked for its presence: %+v", c)
			}
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
