package xmpp

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
	"papillon/bridge/xmpp/xmpptest"
)

// account of one's own, at a real server.
type home struct {
	t      *testing.T
	s      *xmpptest.Server
	n      *Network
	memory *notes
	jid    string
	login  bridge.Login
}

func newHome(t *testing.T, s *xmpptest.Server, name, address string) *home {
	t.Helper()
	memory := &notes{}
	n, err := New(Options{AccountDomain: "msn.localhost", Memory: memory, RootCAs: s.RootCAs, Log: zerolog.Nop()})
	must(t, err)
	t.Cleanup(n.end)
	jid, password, err := s.CreateUser(testContext(t), name)
	must(t, err)
	h := &home{t: t, s: s, n: n, memory: memory, jid: jid}
	h.use(password, address)
	return h
}

// use sets what to log in with from the next opening on.
func (h *home) use(password, address string) {
	h.t.Helper()
	credentials, err := Credentials{Password: password, Address: address}.Marshal()
	must(h.t, err)
	h.login = bridge.Login{
		Account: "alice@msn.localhost", Name: "Alice", Kind: KindLogin, ID: bridge.RemoteID(h.jid), Credentials: credentials,
	}
}

func (h *home) open() (*loginAccount, *inbox) {
	h.t.Helper()
	in := &inbox{events: make(chan bridge.Event, 20000)}
	a, err := h.n.Open(testContext(h.t), h.login, in)
	must(h.t, err)
	h.t.Cleanup(func() {
		if err := a.Close(); err != nil {
			h.t.Logf("close: %v", err)
		}
	})
	return a.(*loginAccount), in
}

// signIn signs in and waits for the roster, as the gateway does.
func (h *home) signIn(a *loginAccount) {
	h.t.Helper()
	ctx := testContext(h.t)
	must(h.t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Hidden}), a.RosterReady(ctx),
		a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}))
}

// elsewhere is another client of alice's.
func elsewhere(t *testing.T, s *xmpptest.Server, with *xmpptest.Peer) *xmpptest.Peer {
	t.Helper()
	p, err := with.Also(testContext(t), s, s.JID("alice"), xmpptest.Password("alice"))
	must(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// roster is the next whole roster, as id, name and whether they watch.
func roster(t *testing.T, in *inbox) (all []string) {
	t.Helper()
	e := await(t, in, "the roster", func(bridge.RosterReceived) bool { return true })
	for _, entry := range e.Entries {
		all = append(all, fmt.Sprintf("%s=%s watches %v unlisted %v", entry.Contact.ID, entry.Contact.Name, entry.Watches, entry.Unlisted))
	}
	slices.Sort(all)
	return all
}

// eachServer runs a test with both kinds of server.
func eachServer(t *testing.T, test func(t *testing.T, s *xmpptest.Server)) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) { test(t, startServer(t, program)) })
	}
}

// TestLoginRoster: the roster is the contact list, both ways.
func TestLoginRoster(t *testing.T) {
	eachServer(t, func(t *testing.T, s *xmpptest.Server) {
		ctx := longContext(t, 4*time.Minute)
		h := newHome(t, s, "alice", s.ClientAddress)
		bob := peer(t, s, "bob", nil)
		other := elsewhere(t, s, bob)
		must(t, other.AddContact(ctx, "erin@elsewhere.test", "Erin of old", "Friends", "Tea"))
		a, in := h.open()
		h.signIn(a)
		if got, want := roster(t, in), []string{"erin@elsewhere.test=Erin of old watches false unlisted false"}; !slices.Equal(got, want) {
			t.Errorf("roster is %q, want %q", got, want)
		}
		// She adds bob, who accepts and asks back.
		must(t, a.Follow(ctx, bridge.Contact{ID: bridge.RemoteID(bob.Bare()), Name: "Bob"}))
		_, err := bob.WaitSubscription(ctx, h.jid, "subscribe")
		must(t, err, bob.Subscribed(ctx, h.jid), bob.SetPresence(ctx, "away", "at lunch", 0))
		showing(t, in, bob.Bare(), bridge.Away, "at lunch")
		must(t, bob.Subscribe(ctx, h.jid))
		await(t, in, "bob's wish", func(e bridge.ContactRequested) bool { return e.From.ID == bridge.RemoteID(bob.Bare()) })
		must(t, a.Allow(ctx, bridge.RemoteID(bob.Bare())))
		_, err = bob.WaitPresence(ctx, h.jid, "", "")
		must(t, err)
		await(t, in, "bob to watch", func(e bridge.RosterChanged) bool { return e.Entry.Watches && e.Entry.Contact.Name == "Bob" })
		// Nobody is asked twice.
		bob.Forget()
		must(t, a.Follow(ctx, bridge.Contact{ID: bridge.RemoteID(bob.Bare())}), bob.Sync(ctx))
		if again := bob.Seen(func(e *xmpptest.Event) bool { return e.Type() == "subscribe" }); len(again) > 0 {
			t.Error("bob is asked again")
		}
		// Names change both ways, and the groups stay.
		must(t, a.RenameContact(ctx, "erin@elsewhere.test", "Erin"))
		contacts, err := other.Roster(ctx)
		must(t, err)
		i := slices.IndexFunc(contacts, func(c xmpptest.Contact) bool { return c.JID == "erin@elsewhere.test" })
		if i < 0 || contacts[i].Name != "Erin" || len(contacts[i].Groups) != 2 {
			t.Errorf("her other client sees %+v", contacts)
		}
		must(t, other.AddContact(ctx, bob.Bare(), "Bobby"))
		await(t, in, "another name", func(e bridge.RosterChanged) bool { return e.Entry.Contact.Name == "Bobby" })
		// She takes bob off her list, and he still sees her.
		must(t, a.Unfollow(ctx, bridge.RemoteID(bob.Bare())))
		await(t, in, "bob off the list", func(e bridge.RosterChanged) bool { return e.Entry.Unlisted && e.Entry.Watches })
		if s.Kind == xmpptest.Prosody { // ejabberd 23.01 does not tell him again before her next sign-in
			must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Busy, Text: "Busy"}))
			_, err = bob.WaitPresence(ctx, h.jid, "dnd", "Busy")
			must(t, err)
		}
		must(t, a.Unfollow(ctx, "erin@elsewhere.test"))
		await(t, in, "erin off the roster", func(e bridge.RosterChanged) bool { return e.Removed })
		must(t, bob.Unsubscribe(ctx, h.jid))
		await(t, in, "bob's leave", func(e bridge.ContactWithdrew) bool { return e.Contact == bridge.RemoteID(bob.Bare()) })
		// Hidden and signed out, she is not seen.
		bob.Forget()
		must(t, bob.Subscribe(ctx, h.jid))
		await(t, in, "bob's second wish", func(e bridge.ContactRequested) bool { return e.From.ID == bridge.RemoteID(bob.Bare()) })
		must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Busy, Text: "Busy again"}), a.Allow(ctx, bridge.RemoteID(bob.Bare())))
		_, err = bob.WaitPresence(ctx, h.jid, "dnd", "Busy again")
		must(t, err, a.SetPresence(ctx, bridge.Presence{Show: bridge.Hidden}))
		_, err = bob.WaitUnavailable(ctx, h.jid)
		must(t, err)
	})
}

// TestLoginBlocking: who is blocked here is blocked at the server, and the other
// way round.
func TestLoginBlocking(t *testing.T) {
	eachServer(t, func(t *testing.T, s *xmpptest.Server) {
		ctx := longContext(t, 4*time.Minute)
		h := newHome(t, s, "alice", s.ClientAddress)
		bob := peer(t, s, "bob", nil)
		other := elsewhere(t, s, bob)
		must(t, other.Block(ctx, "mallory@elsewhere.test"))
		a, in := h.open()
		h.signIn(a)
		await(t, in, "the block list", func(e bridge.BlockListReceived) bool {
			return slices.Equal(e.Blocked, []bridge.RemoteID{"mallory@elsewhere.test"})
		})
		must(t, a.Block(ctx, bridge.RemoteID(bob.Bare())))
		id, err := bob.Say(ctx, h.jid, "let me in")
		must(t, err)
		_, err = bob.WaitError(ctx, h.jid, id)
		must(t, err, a.Allow(ctx, bridge.RemoteID(bob.Bare())))
		_, err = bob.Say(ctx, h.jid, "thank you")
		must(t, err)
		saying(t, in, "thank you")
		// That alone puts nobody on her contact list.
		_, err = a.query(ctx, "", stream.NewElement(nsPing, "ping")) // the server has read all before
		must(t, err)
		contacts, err := other.Roster(ctx)
		must(t, err)
		if len(contacts) != 0 {
			t.Errorf("her roster is %+v", contacts)
		}
		must(t, other.Unblock(ctx, "mallory@elsewhere.test"))
		await(t, in, "mallory let in", func(e bridge.BlockChanged) bool {
			return e.Contact == "mallory@elsewhere.test" && !e.Blocked
		})
	})
}

// TestLoginArchive: what was missed comes at the next sign-in, in order and once,
// and what she writes elsewhere is her own.
func TestLoginArchive(t *testing.T) {
	eachServer(t, func(t *testing.T, s *xmpptest.Server) {
		ctx := longContext(t, 4*time.Minute)
		h := newHome(t, s, "alice", s.ClientAddress)
		bob := peer(t, s, "bob", nil)
		a, in := h.open()
		h.signIn(a)
		_, err := bob.Say(ctx, h.jid, "before")
		must(t, err)
		saying(t, in, "before")
		other := elsewhere(t, s, bob)
		must(t, other.SetPresence(ctx, "", "", 0))
		_, err = other.Say(ctx, bob.Bare(), "from my phone")
		must(t, err)
		if m := saying(t, in, "from my phone"); !m.Own || m.Chat.Contact != bridge.RemoteID(bob.Bare()) {
			t.Errorf("her own words came as %+v", m)
		}
		must(t, a.Send(ctx, bridge.Outgoing{ID: "out-from-here", Chat: bridge.Chat{Contact: bridge.RemoteID(bob.Bare())}, Text: "from here"}))
		must(t, other.Close(), a.SetPresence(ctx, bridge.Presence{Show: bridge.Offline}))

		const missed = 230 // more than two pages
		for i := range missed {
			_, err := bob.Say(ctx, h.jid, fmt.Sprintf("missed %d", i))
			must(t, err)
		}
		must(t, bob.Sync(ctx))
		in.drain()
		h.signIn(a)
		await(t, in, "word that much follows", func(e bridge.CatchingUp) bool { return !e.Done })
		seen := make(map[string]string)
		for i := range missed {
			m := await(t, in, fmt.Sprintf("message %d", i), func(m bridge.MessageReceived) bool { return !m.Own && seen[m.ID] == "" })
			if seen[m.ID] = m.Text; m.Text != fmt.Sprintf("missed %d", i) {
				t.Fatalf("message %d is %q", i, m.Text)
			}
			if m.Sent.IsZero() {
				t.Errorf("%q has no time", m.Text)
			}
		}
		await(t, in, "word that this was all", func(e bridge.CatchingUp) bool { return e.Done })
		// What comes again is known by its id.
		_, err = bob.Say(ctx, h.jid, "after")
		must(t, err)
		await(t, in, "what comes after", func(m bridge.MessageReceived) bool {
			if text, again := seen[m.ID]; again && text != m.Text {
				t.Errorf("%q has the id of %q", m.Text, text)
			}
			return m.Text == "after"
		})
		history, err := a.History(ctx, bridge.Chat{Contact: bridge.RemoteID(bob.Bare())}, 3)
		must(t, err)
		var words []string
		for _, m := range history {
			words = append(words, m.Text)
		}
		if want := []string{fmt.Sprintf("missed %d", missed-2), fmt.Sprintf("missed %d", missed-1), "after"}; !slices.Equal(words, want) {
			t.Errorf("history is %q, want %q", words, want)
		}
	})
}

// TestLoginHugeRoster: ten thousand contacts.
func TestLoginHugeRoster(t *testing.T) {
	s := startServer(t, xmpptest.Prosody)
	h := newHome(t, s, "alice", s.ClientAddress)
	var contacts []xmpptest.Contact
	for i := range 10_000 {
		contacts = append(contacts, xmpptest.Contact{JID: fmt.Sprintf("friend%d@elsewhere.test", i), Name: fmt.Sprintf("Friend %d", i), Subscription: "both"})
	}
	must(t, s.SeedRoster(testContext(t), "alice", contacts))
	a, in := h.open()
	h.signIn(a)
	if got := roster(t, in); len(got) != len(contacts) {
		t.Errorf("%d contacts came", len(got))
	}
	bob := peer(t, s, "bob", nil)
	_, err := bob.Say(testContext(t), h.jid, "still alive?")
	must(t, err)
	saying(t, in, "still alive?")
}
