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

// openWith is open with a client of a certain dialect.
func openWith(t *testing.T, g *bridge.Gateway, h bridge.Handle, dialect int) *client {
	t.Helper()
	c := &client{t: t, handle: h, changed: make(chan struct{})}
	session, err := g.Open(t.Context(), h, msnp.Client{Dialect: dialect}, c)
	must(t, err)
	c.session = session
	c.setStatus(msnp.Online)
	return c
}

// Groups outlive the session, and a network's contacts are in one of their own until
// the user puts them elsewhere.
func TestGroupsAreKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := openWith(t, w.g, alice, 7)
		p := a.properties()
		want := []msnp.Group{{ID: 0, Name: "Other Contacts"}, {ID: 1, Name: "fakenet"}}
		if !slices.Equal(p.Groups.All, want) || !slices.Equal(p.Groups.Of["bob@fake.test"], []uint32{1}) {
			t.Errorf("at first the groups are %+v", p.Groups)
		}
		groups := p.Groups
		groups.All = append(groups.All, msnp.Group{ID: 2, Name: "Friends"})
		groups.Of["bob@fake.test"] = []uint32{2}
		serial, err := a.session.(msnp.GroupStore).StoreGroups(t.Context(), groups)
		must(t, err)
		if serial != p.Serial+1 {
			t.Errorf("the serial is %d after %d", serial, p.Serial)
		}
		a.session.Close()
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, nil, w.net)
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true), entry("dave@fake.test", "Dave", true))
		a = openWith(t, w.g, alice, 7)
		p = a.properties()
		if !slices.Equal(p.Groups.All, groups.All) || !slices.Equal(p.Groups.Of["bob@fake.test"], []uint32{2}) || !slices.Equal(p.Groups.Of["dave@fake.test"], []uint32{1}) {
			t.Errorf("at the next sign-in the groups are %+v", p.Groups)
		}
		// A network's group that the user removes does not come back.
		groups.All = slices.Delete(groups.All, 1, 2)
		_, err = a.session.(msnp.GroupStore).StoreGroups(t.Context(), groups)
		must(t, err)
		a.session.Close()
		a = openWith(t, w.g, alice, 7)
		if p = a.properties(); !slices.Equal(p.Groups.All, groups.All) || len(p.Groups.Of["dave@fake.test"]) != 0 {
			t.Errorf("without the network's group the groups are %+v", p.Groups)
		}
		// Nor does the next group that gets its number become the network's.
		groups.All = append(groups.All, msnp.Group{ID: 1, Name: "Enemies"})
		delete(groups.Of, "dave@fake.test")
		_, err = a.session.(msnp.GroupStore).StoreGroups(t.Context(), groups)
		must(t, err)
		if p = a.properties(); !slices.Equal(p.Groups.All, groups.All) || len(p.Groups.Of["dave@fake.test"]) != 0 {
			t.Errorf("with another group of that number the groups are %+v", p.Groups)
		}
		a.session.Close()
	}, fake.Social())
}

// Who is linked to a network while signed in is sent the lists at the next sign-in: they
// have the network's group, and the serial of the last change may be that of a client that
// was not told of it.
func TestGroupOfALaterLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := openStore(t, t.TempDir(), alice)
		net := fake.New("net")
		net.RefuseLogin(alice, bridge.ErrRefused)
		g := startGateway(t, db, nil, net)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- g.Run(ctx) }()
		a := openWith(t, g, alice, 7)
		before := a.properties()
		net.RefuseLogin(alice, nil)
		must(t, db.SetIdentity(t.Context(), bridge.IdentityRecord{Account: alice, Network: "net", Kind: "login", ID: "alice@elsewhere.test"}))
		<-time.After(time.Minute)
		a.session.Close()
		for _, raised := range []uint32{1, 1} { // and not again
			a = openWith(t, g, alice, 7)
			if p := a.properties(); len(p.Groups.All) != len(before.Groups.All)+1 || p.Serial != before.Serial+raised {
				t.Errorf("the groups %v of serial %d are %v with serial %d", before.Groups.All, before.Serial, p.Groups.All, p.Serial)
			}
			a.session.Close()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		stopGateway(t, g)
		must(t, errors.Join(db.Close(), net.Close()))
	})
}

// A contact whose network the user is not on any more stays on the list, in no group of a
// network.
func TestGroupsWithoutTheNetwork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := openWith(t, w.g, alice, 7)
		a.properties()
		a.session.Close()
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, nil)
		a = openWith(t, w.g, alice, 7)
		p := a.properties()
		if len(p.Lists[msnp.Forward]) != 2 || len(p.Groups.Of["bob@fake.test"]) != 0 {
			t.Errorf("without the network the lists are %v and the groups %+v", p.Lists, p.Groups)
		}
		a.session.Close()
	}, fake.Social())
}

// A client of a dialect without groups, which was not shown them, leaves those that are
// stored alone.
func TestGroupsOutliveAnEarlierDialect(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		friends := []msnp.Group{{ID: 0, Name: "Other Contacts"}, {ID: 1, Name: "Friends"}}
		store := func(dialect int, all []msnp.Group) (before, after uint32) {
			a := openWith(t, w.g, alice, dialect)
			defer a.session.Close()
			before = a.properties().Serial
			after, err := a.session.(msnp.GroupStore).StoreGroups(t.Context(), msnp.Groups{All: all})
			must(t, err)
			return before, after
		}
		store(7, friends)
		if before, after := store(5, []msnp.Group{{ID: 0}, {ID: 1, Name: "New"}}); after != before {
			t.Errorf("the serial is %d after %d, and nothing was stored", after, before)
		}
		a := openWith(t, w.g, alice, 7)
		defer a.session.Close()
		if p := a.properties(); !slices.Equal(p.Groups.All, friends) {
			t.Errorf("after a client of MSNP5 the groups are %+v", p.Groups.All)
		}
	})
}

// The helper contact stands in the group that the user has put it into.
func TestGroupOfTheHelper(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := openWith(t, w.g, alice, 7)
		groups := a.properties().Groups
		groups.All = append(groups.All, msnp.Group{ID: 2, Name: "Machines"})
		helper := a.properties().Lists[msnp.Forward][0].Handle
		groups.Of[helper] = []uint32{2}
		_, err := a.session.(msnp.GroupStore).StoreGroups(t.Context(), groups)
		must(t, err)
		a.session.Close()
		a = openWith(t, w.g, alice, 7)
		defer a.session.Close()
		if p := a.properties(); !slices.Equal(p.Groups.Of[helper], []uint32{2}) {
			t.Errorf("at the next sign-in the helper contact is in the groups %v", p.Groups.Of[helper])
		}
	})
}

// Who was taken off the list by a client without groups, and is put there again, is where
// the client was told he is, also at the next sign-in.
func TestGroupOfWhoComesBack(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := openWith(t, w.g, alice, 7)
		must(t, a.add(msnp.Forward, string(carol)))
		groups := a.properties().Groups
		groups.All = append(groups.All, msnp.Group{ID: 2, Name: "Friends"})
		groups.Of[carol] = []uint32{2}
		_, err := a.session.(msnp.GroupStore).StoreGroups(t.Context(), groups)
		must(t, err)
		a.session.Close()

		a = openWith(t, w.g, alice, 5)
		var told uint32
		must(t, a.session.RemoveContact(t.Context(), msnp.Forward, string(carol), func(c msnp.ListChange) { told = c.Serial }))
		a.session.Close()

		a = openWith(t, w.g, alice, 7)
		if p := a.properties(); p.Serial == told || len(p.Groups.Of) != 0 {
			t.Errorf("without carol the groups are %+v, with the serial %d after %d", p.Groups, p.Serial, told)
		}
		must(t, a.session.AddContact(t.Context(), msnp.Forward, string(carol), "", func(c msnp.ListChange, _ msnp.Status) {
			if told = c.Serial; c.Group != 0 {
				t.Errorf("carol comes back in group %d", c.Group)
			}
		}))
		a.session.Close()

		a = openWith(t, w.g, alice, 7)
		defer a.session.Close()
		if p := a.properties(); p.Serial != told || len(p.Groups.Of[carol]) != 0 {
			t.Errorf("at the next sign-in carol is in the groups %v, with the serial %d after %d", p.Groups.Of[carol], p.Serial, told)
		}
	})
}

// ContactPhone implements [msnp.PhoneNotifier].
func (c *client) ContactPhone(h bridge.Handle, key msnp.PhoneKey, value string, _ uint32) {
	c.record("BPR %s %s %s", h, key, value)
}

// Telephone numbers are kept, and shown to those contacts who are not blocked.
func TestPhonesAreKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, c := openWith(t, w.g, alice, 7), openWith(t, w.g, carol, 7)
		must(t, c.add(msnp.Forward, string(alice)))
		a.properties()
		c.properties()
		set := func(key msnp.PhoneKey, value string) {
			must(t, a.session.(msnp.PhoneKeeper).SetPhone(t.Context(), key, value, func(uint32) {}))
		}
		set(msnp.PhoneHome, "555 1234")
		c.sees("BPR alice@example.org PHH 555 1234")
		set(msnp.PhoneMobile, "555 9")
		set(msnp.PhoneMobile, "")
		a.session.Close()
		a = openWith(t, w.g, alice, 5)
		if p := a.properties(); len(p.Phones) != 1 || p.Phones[msnp.PhoneHome] != "555 1234" {
			t.Errorf("alice's numbers are %v", p.Phones)
		}
		if p := c.properties(); p.ContactPhones[alice][msnp.PhoneHome] != "555 1234" {
			t.Errorf("carol sees %v", p.ContactPhones)
		}
		// Who lets nobody through but those on AL shows no number to others.
		must(t, a.session.SetPrivacy(t.Context(), msnp.BlockOthers, func(uint32) {}))
		if p := c.properties(); len(p.ContactPhones) != 0 {
			t.Errorf("carol is not on AL and sees %v", p.ContactPhones)
		}
		set(msnp.PhoneWork, "555 2")
		synctest.Wait()
		c.mu.Lock()
		if slices.Contains(c.log, "BPR alice@example.org PHW 555 2") {
			t.Error("carol is not on AL and sees a change")
		}
		c.mu.Unlock()
		must(t, a.add(msnp.Allow, string(carol)))
		if p := c.properties(); p.ContactPhones[alice][msnp.PhoneWork] != "555 2" {
			t.Errorf("carol is on AL and sees %v", p.ContactPhones)
		}
		set(msnp.PhoneWork, "555 3")
		c.sees("BPR alice@example.org PHW 555 3")
		must(t, a.session.RemoveContact(t.Context(), msnp.Allow, string(carol), func(msnp.ListChange) {}))
		must(t, a.session.SetPrivacy(t.Context(), msnp.AllowOthers, func(uint32) {}))
		must(t, a.add(msnp.Block, string(carol)))
		if p := c.properties(); len(p.ContactPhones) != 0 {
			t.Errorf("carol is blocked and sees %v", p.ContactPhones)
		}
		a.session.Close()
		c.session.Close()
	})
}
