package bridge_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
)

// A contact that is removed and added for the sake of its name stays followed,
// even when the network comes back in between.
func TestRenamedWhileTheNetworkComesBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, a.session.RemoveContact(t.Context(), msnp.Forward, "bob@fake.test", func(msnp.ListChange) {}))
		must(t, w.net.Down("restarted"))
		must(t, w.net.Up())
		<-time.After(time.Second)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		<-time.After(time.Minute)
		if slices.ContainsFunc(w.net.Calls(), func(c fake.Call) bool { return c.Method == fake.Unfollow }) {
			t.Error("the network was told to unfollow")
		}
		a.session.Close()
	}, fake.Social())
}

// An order to unfollow that was tried may have been carried out: who is added
// then is followed again.
func TestAddedAfterAFailedUnfollow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, w.net.Down("cut off"))
		must(t, a.session.RemoveContact(t.Context(), msnp.Forward, "bob@fake.test", func(msnp.ListChange) {}))
		w.called(fake.Unfollow, func(c fake.Call) bool { return c.ID == "bob@fake.test" })
		<-time.After(100 * time.Millisecond) // it waits for the next attempt
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		must(t, w.net.Up())
		<-time.After(2 * time.Minute)
		tried, followed := -1, -1
		for i, c := range w.net.Calls() {
			switch c.Method {
			case fake.Unfollow:
				tried = i
			case fake.Follow:
				followed = i
			}
		}
		if followed < tried {
			t.Error("the network was not told to follow again")
		}
		a.session.Close()
	}, fake.Social())
}

// A name that is still on its way to the network is not undone by the old one.
func TestRosterDoesNotUndoAName(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, w.net.Down("cut off"))
		must(t, a.session.Rename(t.Context(), "bob@fake.test", "My friend Bob", func(uint32, msnp.Member) {}))
		must(t, w.net.Offer(alice, bridge.RosterChanged{Entry: entry("bob@fake.test", "Bob", true)}))
		<-time.After(time.Second)
		wantList(t, a.properties(), msnp.Forward, "bob@fake.test=My friend Bob")
		a.session.Close()
	}, fake.Social())
}

// An order to unfollow waits its five seconds in the next process, too.
func TestUnfollowWaitsOverARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, a.session.RemoveContact(t.Context(), msnp.Forward, "bob@fake.test", func(msnp.ListChange) {}))
		a.session.Close()
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, nil, w.net)
		<-time.After(time.Second)
		if slices.ContainsFunc(w.net.Calls(), func(c fake.Call) bool { return c.Method == fake.Unfollow }) {
			t.Error("the network was told to unfollow at once")
		}
		w.called(fake.Unfollow, func(c fake.Call) bool { return c.ID == "bob@fake.test" })
	}, fake.Social())
}

// A change that is told late, as that of RL after a removal, has the serial of those that
// were told before it: a client that kept the older one would be sent everything again.
func TestSerialNeverFalls(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
		c.properties()
		must(t, a.add(msnp.Forward, string(carol)))
		c.sees("ADD RL " + string(alice))
		must(t, a.session.RemoveContact(t.Context(), msnp.Forward, string(carol), func(msnp.ListChange) {}))
		must(t, c.add(msnp.Allow, string(alice)))
		must(t, c.session.SetPrivacy(t.Context(), msnp.BlockOthers, func(uint32) {}))
		c.sees("REM RL " + string(alice))
		c.mu.Lock()
		told := c.serials[len(c.serials)-1]
		c.mu.Unlock()
		if present := c.properties().Serial; told != present {
			t.Errorf("told serial %d with the last change, the lists have %d", told, present)
		}
		a.session.Close()
		c.session.Close()
	})
}

// Who signs out before he is told that somebody has taken him off FL, and has changed
// something of his own since, is sent his lists when he comes back: by the serial that
// his client has kept it has them all.
func TestSignedOutBeforeHeWasTold(t *testing.T) {
	for name, leave := range map[string]func(*client){
		"signs out":          func(c *client) { c.session.Close() },
		"signs in elsewhere": func(*client) {},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
				c.properties()
				must(t, a.add(msnp.Forward, string(carol)))
				c.sees("ADD RL " + string(alice))
				must(t, a.session.RemoveContact(t.Context(), msnp.Forward, string(carol), func(msnp.ListChange) {}))
				var kept uint32
				must(t, c.session.SetPrivacy(t.Context(), msnp.BlockOthers, func(serial uint32) { kept = serial }))
				leave(c)
				again := open(t, w.g, carol, msnp.Offline)
				if p := again.properties(); p.Serial == kept || len(p.Lists[msnp.Reverse]) > 0 {
					t.Errorf("serial %d, the client has %d; RL %v", p.Serial, kept, p.Lists[msnp.Reverse])
				}
				a.session.Close()
				again.session.Close()
			})
		})
	}
}

// What the earlier session of an account is changing while the next one begins is known
// to that one, or refused.
func TestChangesWhileSigningInElsewhere(t *testing.T) {
	db := openStore(t, t.TempDir(), alice, carol)
	g := startGateway(t, db, nil)
	session := open(t, g, alice, msnp.Online)
	for range 50 {
		ended := make(chan error, 1)
		go func() {
			var err error
			for i := 0; err == nil && i < 5000; i++ {
				if i%2 == 0 {
					err = session.session.AddContact(t.Context(), msnp.Allow, string(carol), "", func(msnp.ListChange, msnp.Status) {})
				} else {
					err = session.session.RemoveContact(t.Context(), msnp.Allow, string(carol), func(msnp.ListChange) {})
				}
			}
			ended <- err
		}()
		<-time.After(time.Millisecond)
		next := open(t, g, alice, msnp.Online)
		var refused *msnp.Error
		if err := <-ended; !errors.As(err, &refused) || refused.Code != msnp.CodeNotLoggedIn {
			t.Fatalf("the earlier session is told %v", err)
		}
		stored, err := db.Lists(t.Context(), alice)
		must(t, err)
		if known := next.properties().Lists[msnp.Allow][1:]; !slices.Equal(known, stored[msnp.Allow]) {
			t.Fatalf("the next session knows %v, stored is %v", known, stored[msnp.Allow])
		}
		if len(stored[msnp.Allow]) > 0 {
			must(t, next.session.RemoveContact(t.Context(), msnp.Allow, string(carol), func(msnp.ListChange) {}))
		}
		session.session.Close()
		session = next
	}
	session.session.Close()
	stopGateway(t, g)
	must(t, db.Close())
}
