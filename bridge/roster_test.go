package bridge_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
)

// entry is somebody on the network's contact list.
func entry(id bridge.RemoteID, name string, watches bool) bridge.RosterEntry {
	return bridge.RosterEntry{Contact: bridge.Contact{ID: id, Name: name}, Watches: watches}
}

// handlesOn lists the handles on a list.
func handlesOn(p msnp.Properties, list msnp.List) (all []string) {
	for _, m := range p.Lists[list] {
		all = append(all, string(m.Handle)+"="+m.Name)
	}
	slices.Sort(all)
	return all
}

// wantList compares a list with handles and names.
func wantList(t *testing.T, p msnp.Properties, list msnp.List, want ...string) {
	t.Helper()
	want = append(slices.Clone(want), "papillon@example.org=Papillon")
	if list == msnp.Reverse || list == msnp.Block {
		want = want[:len(want)-1]
	}
	slices.Sort(want)
	if got := handlesOn(p, list); !slices.Equal(got, want) {
		t.Errorf("%s is %q, want %q", list, got, want)
	}
}

// The roster stands on FL when the client asks for its lists, before it has set
// a status.
func TestRosterIsThereAtSignIn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bobby", true), entry("dave@fake.test", "", false))
		a := open(t, w.g, alice, msnp.Offline)
		p := a.properties()
		wantList(t, p, msnp.Forward, "bob@fake.test=Bobby", "dave@fake.test=dave@fake.test")
		wantList(t, p, msnp.Allow, "bob@fake.test=Bobby", "dave@fake.test=dave@fake.test")
		wantList(t, p, msnp.Reverse, "bob@fake.test=Bobby")
		a.session.Close()

		// Changed elsewhere while alice was away.
		w.net.SetRoster(alice, entry("bob@fake.test", "Robert", false), entry("erin@fake.test", "Erin", false))
		a = open(t, w.g, alice, msnp.Offline)
		p = a.properties()
		wantList(t, p, msnp.Reverse)
		if got := handlesOn(p, msnp.Forward); !slices.Contains(got, "erin@fake.test=Erin") || slices.Contains(got, "dave@fake.test=dave@fake.test") {
			t.Errorf("FL is %q", got)
		}
		a.session.Close()
	}, fake.Social())
}

func TestRosterChangesWhileSignedIn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, w.net.Offer(alice, bridge.RosterChanged{Entry: entry("bob@fake.test", "Bob", true)}))
		a.sees("ADD FL bob@fake.test")
		a.sees("ADD AL bob@fake.test")
		a.sees("ADD RL bob@fake.test")
		must(t, w.bob.SetPresence(bridge.Presence{Show: bridge.Available}))
		must(t, w.net.Offer(alice, bridge.PresenceChanged{Contact: "bob@fake.test", Presence: bridge.Presence{Show: bridge.Available}}))
		a.sees("ILN NLN bob@fake.test")
		must(t, w.net.Offer(alice, bridge.RosterChanged{Entry: entry("bob@fake.test", "", true), Removed: true}))
		a.sees("REM FL bob@fake.test")
		a.sees("REM RL bob@fake.test")
		must(t, w.net.Offer(alice, bridge.BlockChanged{Contact: "bob@fake.test", Blocked: true}))
		a.sees("REM AL bob@fake.test")
		a.sees("ADD BL bob@fake.test")
		must(t, w.net.Offer(alice, bridge.BlockListReceived{}))
		a.sees("REM BL bob@fake.test")
		a.sees("ADD AL bob@fake.test")
		a.session.Close()
	}, fake.Social())
}

// aMSN renames a contact by removing and adding it: the network hears of a name.
func TestRemovedAndAddedIsRenamed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, w.net.Offer(alice, bridge.PresenceChanged{Contact: "bob@fake.test", Presence: bridge.Presence{Show: bridge.Available}}))
		a.sees("ILN NLN bob@fake.test")
		remove := func() {
			must(t, a.session.RemoveContact(t.Context(), msnp.Forward, "bob@fake.test", func(msnp.ListChange) {}))
		}
		remove()
		must(t, a.session.AddContact(t.Context(), msnp.Forward, "bob@fake.test", "My friend Bob", func(c msnp.ListChange, s msnp.Status) {
			a.record("added %s %s", c.Contact.Name, s)
		}))
		a.sees("added My friend Bob NLN")
		w.called(fake.RenameContact, func(c fake.Call) bool { return c.Name == "My friend Bob" })
		<-time.After(time.Minute)
		if i := slices.IndexFunc(w.net.Calls(), func(c fake.Call) bool { return c.Method == fake.Unfollow }); i >= 0 {
			t.Error("the network was told to unfollow")
		}
		remove()
		w.called(fake.Unfollow, func(c fake.Call) bool { return c.ID == "bob@fake.test" })
		a.session.Close()
	}, fake.Social())
}

// What the user has just done is not undone by a list that does not know it yet.
func TestRosterDoesNotUndo(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, w.net.Down("maintenance"))
		w.net.Person("dave@fake.test", "Dave")
		must(t, a.session.RemoveContact(t.Context(), msnp.Forward, "bob@fake.test", func(msnp.ListChange) {}))
		must(t, w.net.Offer(alice, bridge.RosterReceived{Entries: []bridge.RosterEntry{entry("bob@fake.test", "Bob", true)}}))
		wantList(t, a.properties(), msnp.Forward)
		must(t, w.net.Up())
		w.called(fake.Unfollow, func(c fake.Call) bool { return c.ID == "bob@fake.test" })
		a.session.Close()
	}, fake.Social())
}

func TestHugeRosterIsCutAtTheLimit(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, func(o *bridge.Options) { o.Limits.ListLength = 250 }, w.net)
		var all []bridge.RosterEntry
		for i := range 1000 {
			all = append(all, entry(bridge.RemoteID(fmt.Sprintf("friend%d@fake.test", i)), "", true))
		}
		w.net.SetRoster(alice, all...)
		a := open(t, w.g, alice, msnp.Online)
		if p := a.properties(); len(p.Lists[msnp.Forward]) != 251 || len(p.Lists[msnp.Reverse]) != 1000 {
			t.Errorf("FL has %d entries, RL %d", len(p.Lists[msnp.Forward]), len(p.Lists[msnp.Reverse]))
		}
		a.reads("papillon@example.org", "Your contact list on fakenet is longer than this server allows (limits.list_length is 250): the rest is not shown.")
		a.session.Close()
	}, fake.Social())
}

// Who was taken off the network's list while the user was away does not stay on RL; who
// has only asked does.
func TestRosterForgetsWhoDoesNotSeeTheUser(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		a := open(t, w.g, alice, msnp.Online)
		wantList(t, a.properties(), msnp.Reverse, "bob@fake.test=Bob")
		a.session.Close()
		dave := w.net.Person("dave@fake.test", "Dave")
		must(t, dave.Request(alice, "hello"))
		w.net.SetRoster(alice)
		a = open(t, w.g, alice, msnp.Online)
		wantList(t, a.properties(), msnp.Reverse, "dave@fake.test=Dave")
		wantList(t, a.properties(), msnp.Forward)
		a.session.Close()
	}, fake.Social())
}

// A client waits once for a network that has not told its contact list; what the list
// turns out to be is pushed to it then, and it asks for lists all the time (aMSN).
func TestListsWaitOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.net.SetRoster(alice, entry("bob@fake.test", "Bob", true))
		must(t, w.net.Down("maintenance"))
		a := open(t, w.g, alice, msnp.Online)
		began := time.Now()
		a.properties()
		if waited := time.Since(began); waited == 0 {
			t.Error("the client did not wait for the network's list")
		}
		began = time.Now()
		a.properties()
		if waited := time.Since(began); waited > 0 {
			t.Errorf("the second time it waited for %v", waited)
		}
		must(t, w.net.Up())
		must(t, w.net.Offer(alice, bridge.RosterChanged{Entry: entry("bob@fake.test", "Bob", true)}))
		a.sees("ADD FL bob@fake.test")
		a.session.Close()
	}, fake.Social())
}
