package xmpp

import (
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/xmpptest"
)

// TestLoginInterrupted kills the server in the middle of a burst each way, and cuts
// the network for two minutes: nothing is lost, and what comes twice has the same id.
func TestLoginInterrupted(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			t.Parallel()
			// An archive of thousands is slow with the servers' default stores:
			// the burst goes without, the cut with.
			t.Run("killed", func(t *testing.T) { t.Parallel(); loginKilled(t, startServer(t, program, noArchive)) })
			t.Run("cut", func(t *testing.T) { t.Parallel(); loginCut(t, startServer(t, program)) })
		})
	}
}

func noArchive(o *xmpptest.Options) { o.NoArchive = true }

// loginKilled writes a thousand messages each way, and kills the server after a
// third. Who writes to alice repeats what was not confirmed, as a client does.
func loginKilled(t *testing.T, s *xmpptest.Server) {
	ctx := longContext(t, 4*time.Minute)
	h := newHome(t, s, "alice", s.ClientAddress)
	bob := peer(t, s, "bob", nil)
	a, in := h.open()
	h.signIn(a)
	must(t, s.Settle(ctx))
	out, sent := newBurstOut(), make(chan error, 1)
	go func() { sent <- out.send(ctx, a.Send, bob.Bare()) }()
	killed := false
	for i := range burst {
		_, err := bob.Send(ctx, xmpptest.Message{To: h.jid, ID: fmt.Sprintf("in-%08d", i), Body: fmt.Sprintf("in %d", i), Receipt: true})
		if i == burst/3 {
			<-out.third
			out.kill(ctx, t, s)
			killed = true
		}
		if err != nil && !killed {
			t.Fatal(err)
		}
	}
	must(t, bob.WaitConnected(ctx), bob.SetPresence(ctx, "", "", 0))
	seen := make(map[string]map[string]bool)
	for len(seen) < burst {
		must(t, bob.Sync(ctx))
		awaitFeed(a.account)
		for drained := false; !drained; {
			select {
			case e := <-in.events:
				if m, ok := e.(bridge.MessageReceived); ok && strings.HasPrefix(m.Text, "in ") {
					if seen[m.Text] == nil {
						seen[m.Text] = make(map[string]bool)
					}
					seen[m.Text][m.ID] = true
				}
			default:
				drained = true
			}
		}
		for i := range burst {
			if text := fmt.Sprintf("in %d", i); seen[text] == nil && ctx.Err() == nil {
				_, err := bob.Send(ctx, xmpptest.Message{To: h.jid, ID: fmt.Sprintf("in-%08d", i), Body: text, Receipt: true})
				must(t, err)
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("%d of %d arrived", len(seen), burst)
		}
	}
	for text, ids := range seen {
		if len(ids) != 1 {
			t.Errorf("%q came under %d ids", text, len(ids))
		}
	}
	must(t, <-sent)
	out.check(ctx, t, bob, h.jid)
}

// loginCut cuts alice's connection for two minutes, without a word to either side.
func loginCut(t *testing.T, s *xmpptest.Server) {
	ctx := longContext(t, 8*time.Minute)
	proxy, err := xmpptest.NewProxy(s.ClientAddress)
	must(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	h := newHome(t, s, "alice", proxy.Address)
	bob := peer(t, s, "bob", nil)
	a, in := h.open()
	h.signIn(a)
	_, err = bob.Say(ctx, h.jid, "before")
	must(t, err)
	before := saying(t, in, "before")
	proxy.Cut()
	const missed = 20
	for i := range missed {
		_, err := bob.Say(ctx, h.jid, fmt.Sprintf("meanwhile %d", i))
		must(t, err)
	}
	sent := make(chan error, 1)
	go func() {
		m := bridge.Outgoing{ID: "out-in-the-dark", Chat: bridge.Chat{Contact: bridge.RemoteID(bob.Bare())}, Text: "in the dark"}
		err := a.Send(ctx, m)
		for err != nil && ctx.Err() == nil {
			<-time.After(time.Second)
			err = a.Send(ctx, m)
		}
		sent <- err
	}()
	<-time.After(2 * time.Minute)
	proxy.Mend()
	seen := map[string]string{before.ID: before.Text} // by id
	next := 0
	for next < missed {
		var m bridge.MessageReceived
		select {
		case e := <-in.events:
			m, _ = e.(bridge.MessageReceived)
		case <-ctx.Done():
			t.Fatalf("%d of %d arrived", next, missed)
		}
		if m.Text == "" || m.Own || seen[m.ID] != "" {
			continue // known by its id
		}
		seen[m.ID] = m.Text
		if want := fmt.Sprintf("meanwhile %d", next); m.Text != want {
			t.Fatalf("%q came instead of %q", m.Text, want)
		}
		next++
	}
	must(t, <-sent)
	_, err = bob.WaitMessage(ctx, h.jid, "in the dark")
	must(t, err)
}

// TestLoginRefused changes the password under way, and takes the account away: the user is told,
// and nothing is tried for ever.
func TestLoginRefused(t *testing.T) {
	eachServer(t, func(t *testing.T, s *xmpptest.Server) {
		ctx := longContext(t, 4*time.Minute)
		h := newHome(t, s, "alice", s.ClientAddress)
		h.use("wrong", s.ClientAddress)
		a, in := h.open()
		must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}))
		await(t, in, "the network to be down", func(e bridge.ConnectionChanged) bool {
			return !e.Up && strings.Contains(e.Reason, "password is wrong")
		})
		await(t, in, "a word to the user", func(e bridge.NetworkSays) bool { return strings.Contains(e.Text, "papillon link") })
		if err := a.RosterReady(ctx); err == nil {
			t.Error("there is a roster without a login")
		}
		if err := a.Send(ctx, bridge.Outgoing{ID: "1", Chat: bridge.Chat{Contact: "bob@x.test"}, Text: "x"}); err == nil {
			t.Error("a message was sent without a login")
		}
		// The next sign-in tries once more.
		must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Offline}), a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}))
		await(t, in, "the network to be down again", func(e bridge.ConnectionChanged) bool { return !e.Up })
		must(t, a.Close())

		h.use(xmpptest.Password("alice"), s.ClientAddress)
		a, in = h.open()
		h.signIn(a)
		await(t, in, "the network", func(e bridge.ConnectionChanged) bool { return e.Up })
		// Another Papillon takes the resource: they do not throw each other out.
		b, second := h.open()
		h.signIn(b)
		await(t, second, "the second one", func(e bridge.ConnectionChanged) bool { return e.Up })
		await(t, in, "the first one to give up", func(e bridge.ConnectionChanged) bool {
			return !e.Up && strings.Contains(e.Reason, "same resource")
		})
		must(t, s.RemoveUser(ctx, "alice"))
		await(t, second, "the account to be gone", func(e bridge.ConnectionChanged) bool { return !e.Up })
	})
}

// TestLoginCertificate: a certificate that is not trusted ends the log-in before
// the password.
func TestLoginCertificate(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			misnamed := startServer(t, program, func(o *xmpptest.Options) { o.CertificateDomain = "other.test" })
			certificateRefused(t, newHome(t, misnamed, "alice", misnamed.ClientAddress), "certificate is for another name")
			s := startServer(t, program)
			h := newHome(t, s, "alice", s.ClientAddress)
			h.n.options.RootCAs = x509.NewCertPool()
			certificateRefused(t, h, "not signed by an authority that is trusted here")
		})
	}
}

func certificateRefused(t *testing.T, h *home, why string) {
	t.Helper()
	a, in := h.open()
	must(t, a.SetPresence(testContext(t), bridge.Presence{Show: bridge.Available}))
	await(t, in, "a word about the certificate", func(e bridge.ConnectionChanged) bool { return !e.Up && strings.Contains(e.Reason, why) })
}
