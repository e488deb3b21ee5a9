package bridge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
	"papillon/store"
)

const (
	alice = bridge.Handle("alice@example.org")
	carol = bridge.Handle("carol@example.org")
	bobs  = bridge.Handle("bob@fake.test")
)

// world is a gateway on one network, with alice and carol as accounts and bob as
// somebody on the network.
type world struct {
	t   *testing.T
	dir string
	db  *store.Store
	net *fake.Network
	bob *fake.Person
	g   *bridge.Gateway
}

// pass lets time go by, on the clock of the world.
func (w *world) pass(d time.Duration) { time.Sleep(d) }

// inWorld runs a test in a bubble of synthetic time.
func inWorld(t *testing.T, test func(*testing.T, *world), options ...fake.Option) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: t.TempDir()}
		w.db = openStore(t, w.dir, alice, carol)
		w.net = fake.New("fakenet", options...)
		w.bob = w.net.Person("bob@fake.test", "Bob")
		w.g = startGateway(t, w.db, nil, w.net)
		test(t, w)
		w.stop()
		for _, err := range w.net.Errors() {
			t.Errorf("the network complains: %v", err)
		}
		if err := w.net.Close(); err != nil {
			t.Error(err)
		}
	})
}

// stop ends the gateway and its store.
func (w *world) stop() {
	stopGateway(w.t, w.g)
	if err := w.db.Close(); err != nil {
		w.t.Error(err)
	}
}

// restart ends the gateway and starts another on the same store and network.
func (w *world) restart() {
	w.stop()
	w.db = openStore(w.t, w.dir)
	w.g = startGateway(w.t, w.db, nil, w.net)
}

// sent expects the next message that the network gets.
func (w *world) sent(text string) fake.Sent {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	sent, err := w.net.WaitSent(ctx, func(fake.Sent) bool { return true })
	if err != nil {
		w.t.Fatalf("wait for %q to be sent: %v", text, err)
	}
	if sent.Text != text {
		w.t.Fatalf("sent %q, want %q", sent.Text, text)
	}
	return sent
}

// called waits for a call of the network.
func (w *world) called(method fake.Method, match func(fake.Call) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Hour)
	defer cancel()
	_, err := w.net.WaitCall(ctx, func(c fake.Call) bool { return c.Method == method && match(c) })
	if err != nil {
		w.t.Fatalf("wait for %s: %v", method, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code expects an error for the client.
func code(t testing.TB, err error, want msnp.Code) {
	t.Helper()
	var e *msnp.Error
	if !errors.As(err, &e) || e.Code != want {
		t.Errorf("error %v, want %d", err, want)
	}
}

func TestMessagesBothWays(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		a.sees("added FL bob@fake.test Bob FLN")
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		a.sees("RINGING bob@fake.test")
		a.sees("JOI bob@fake.test")
		chat.say("hello\nBob")
		if sent := w.sent("hello\nBob"); sent.Chat.Contact != w.bob.ID() || sent.Account != alice {
			t.Errorf("sent %+v", sent)
		}
		a.sees("ACK hello\nBob")
		// The answer comes into the same window.
		must(t, w.bob.Say(alice, "hello Alice"))
		a.reads(bobs, "hello Alice")
		must(t, w.bob.Typing(alice, true))
		a.sees("typing bob@fake.test")
		chat.conversation.Leave()
		// Without a window the client is rung.
		must(t, w.bob.Say(alice, "still there?"))
		a.sees("RNG bob@fake.test")
		a.sees("IRO bob@fake.test")
		a.reads(bobs, "still there?")
		a.session.Close()
	})
}

func TestStrangerIsAsked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		must(t, w.bob.Request(alice, "may I?"))
		a.sees("ADD RL bob@fake.test")
		must(t, w.bob.Request(alice, "may I?")) // offered again
		must(t, w.bob.Say(alice, "hello"))
		a.reads(bobs, "hello")
		must(t, a.add(msnp.Allow, "bob@fake.test"))
		w.called(fake.Allow, func(c fake.Call) bool { return c.ID == w.bob.ID() })
		must(t, w.bob.Withdraw(alice))
		a.sees("REM RL bob@fake.test")
		a.session.Close()
		b := open(t, w.g, alice, msnp.Online)
		if p := b.properties(); len(p.Lists[msnp.Reverse]) != 0 || len(p.Lists[msnp.Allow]) != 2 {
			t.Errorf("RL %v, AL %v", p.Lists[msnp.Reverse], p.Lists[msnp.Allow])
		}
		b.session.Close()
	})
}

func TestBlockedAreKeptOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		must(t, a.add(msnp.Block, "bob@fake.test"))
		w.called(fake.Block, func(c fake.Call) bool { return c.ID == w.bob.ID() })
		a.session.Close()
		// Signed in or not.
		for range 2 {
			if err := w.bob.Say(alice, "let me in"); !errors.Is(err, fake.ErrBlocked) && !errors.Is(err, bridge.ErrUnwelcome) {
				t.Errorf("a blocked person's message: %v", err)
			}
			if err := w.bob.Request(alice, ""); !errors.Is(err, fake.ErrBlocked) && !errors.Is(err, bridge.ErrUnwelcome) {
				t.Errorf("a blocked person's request: %v", err)
			}
			invitation := bridge.ContactRequested{From: bridge.Contact{ID: "tea@fake.test", Room: true}, Inviter: w.bob.ID()}
			if err := w.net.Offer(alice, invitation); !errors.Is(err, bridge.ErrUnwelcome) {
				t.Errorf("a blocked person's invitation: %v", err)
			}
			a = open(t, w.g, alice, msnp.Online)
		}
		must(t, a.session.RemoveContact(t.Context(), msnp.Block, "bob@fake.test", func(msnp.ListChange) {}))
		w.called(fake.Allow, func(c fake.Call) bool { return c.ID == w.bob.ID() })
		// Those on neither list, when BLP says BL.
		must(t, a.session.SetPrivacy(t.Context(), msnp.BlockOthers, func(uint32) {}))
		if err := w.bob.Say(alice, "and now?"); !errors.Is(err, bridge.ErrUnwelcome) {
			t.Errorf("a stranger's message with BLP BL: %v", err)
		}
		must(t, a.add(msnp.Allow, "bob@fake.test"))
		must(t, w.bob.Say(alice, "thank you"))
		a.reads(bobs, "thank you")
		a.session.Close()
	})
}

func TestPresenceOfContacts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		must(t, w.bob.SetPresence(bridge.Presence{Show: bridge.Available}))
		a := open(t, w.g, alice, msnp.Online)
		a.sees("ILN NLN papillon@example.org")
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		a.sees("ILN NLN bob@fake.test")
		for _, step := range []struct {
			presence bridge.Presence
			sees     string
		}{
			{bridge.Presence{Show: bridge.Away}, "NLN AWY bob@fake.test"},
			{bridge.Presence{Show: bridge.Away, Since: time.Now().Add(-time.Hour)}, "NLN IDL bob@fake.test"},
			{bridge.Presence{Show: bridge.Busy}, "NLN BSY bob@fake.test"},
			{bridge.Presence{Show: bridge.Offline}, "FLN bob@fake.test"},
			{bridge.Presence{Show: bridge.ExtendedAway}, "NLN IDL bob@fake.test"},
			{bridge.Presence{Show: bridge.Available}, "NLN NLN bob@fake.test"},
			{bridge.Presence{Show: bridge.Unknown}, "NLN IDL bob@fake.test"},
		} {
			must(t, w.bob.SetPresence(step.presence))
			a.sees(step.sees)
		}
		// A sign of life counts where there is no presence, for a while.
		must(t, w.bob.Say(alice, "hello"))
		a.sees("NLN NLN bob@fake.test")
		time.Sleep(time.Hour)
		a.sees("NLN IDL bob@fake.test")
		must(t, w.bob.Rename("Robert"))
		a.wait("the new name", func() bool { return true })
		a.session.Close()
	})
}

// TestInitialPresence: at the next sign-in a contact comes as ILN; one of whom
// nothing is said, after a moment, as unknown.
func TestInitialPresence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		silent := w.net.Person("silent@fake.test", "Silent")
		a := open(t, w.g, alice, msnp.Online)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		must(t, a.add(msnp.Forward, string(silent.ID())))
		a.session.Close()
		must(t, w.bob.SetPresence(bridge.Presence{Show: bridge.Busy}))
		a = open(t, w.g, alice, msnp.Offline)
		a.setStatus(msnp.Away)
		a.wait("both", func() bool {
			log := strings.Join(a.log, "\n")
			return strings.Contains(log, "ILN BSY bob@fake.test") && strings.Contains(log, "ILN IDL silent@fake.test")
		})
		a.session.Close()
	})
}

func TestOwnPresence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Offline)
		shows := func(show bridge.Show, text string) {
			t.Helper()
			_, err := w.net.WaitState(t.Context(), alice, func(s fake.State) bool {
				return s.Presence.Show == show && s.Presence.Text == text
			})
			must(t, err)
		}
		for _, step := range []struct {
			status msnp.Status
			show   bridge.Show
			text   string
		}{
			{msnp.Online, bridge.Available, ""},
			{msnp.BRB, bridge.Away, "Be right back"},
			{msnp.Lunch, bridge.ExtendedAway, "Out to lunch"},
			{msnp.Phone, bridge.Busy, "On the phone"},
			{msnp.Hidden, bridge.Hidden, ""},
			{msnp.Busy, bridge.Busy, "Busy"},
		} {
			a.setStatus(step.status)
			shows(step.show, step.text)
		}
		a.session.Close()
		shows(bridge.Offline, "")
	})
}

// TestWaitsForTheSignedOut: what comes while the user is away or hidden is
// handed over later, in order, once, with its time.
func TestWaitsForTheSignedOut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		sent := time.Now()
		for _, words := range []string{"one", "two", "three"} {
			must(t, w.bob.Say(alice, words, fake.WithID(words)))
			must(t, w.bob.Say(alice, words, fake.WithID(words))) // a redelivery
		}
		time.Sleep(time.Hour)
		w.restart()
		a := open(t, w.g, alice, msnp.Hidden)
		synctest.Wait()
		a.mu.Lock()
		if log := strings.Join(a.log, "\n"); strings.Contains(log, "RNG") {
			t.Errorf("a hidden user is rung: %q", a.log)
		}
		a.mu.Unlock()
		a.setStatus(msnp.Online)
		stamp := sent.Format("[15:04]")
		if sent.Day() != time.Now().Day() {
			stamp = sent.Format("[2006-01-02 15:04]")
		}
		for _, words := range []string{"one", "two", "three"} {
			a.reads(bobs, stamp+" "+words)
		}
		synctest.Wait()
		must(t, w.bob.Say(alice, "one", fake.WithID("one")))
		must(t, w.bob.Say(alice, "four"))
		a.reads(bobs, "four")
		synctest.Wait()
		waiting, err := w.db.InboxOf(t.Context(), alice)
		must(t, err)
		if len(waiting) != 0 {
			t.Errorf("%d messages are still in the inbox", len(waiting))
		}
		a.session.Close()
	})
}

// TestUnreadIsKept: what a client's TCP stack has not taken stays in the inbox.
func TestUnreadIsKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		a.mu.Lock()
		a.deaf = true
		a.mu.Unlock()
		must(t, w.bob.Say(alice, "read me"))
		a.sees("RNG bob@fake.test")
		// The client does not come; it is rung again later.
		a.mu.Lock()
		ring := a.rings[0]
		a.deaf = false
		a.mu.Unlock()
		ring.Expired()
		a.sees("RNG bob@fake.test")
		a.reads(bobs, "read me")
		synctest.Wait()

		a.mu.Lock()
		a.unread = true
		a.mu.Unlock()
		must(t, w.bob.Say(alice, "lost on the way"))
		a.reads(bobs, "lost on the way")
		a.session.Close()
		synctest.Wait()
		a = open(t, w.g, alice, msnp.Online)
		a.wait("the message again", func() bool { return strings.Contains(strings.Join(a.log, "\n"), "lost on the way") })
		a.session.Close()
	})
}

// TestNetworkDown: what is written waits, its order is kept, the writer is told,
// and it goes out when the network is back or after a restart.
func TestNetworkDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		must(t, w.net.Down("it is Monday"))
		for _, words := range []string{"one", "two", "three"} {
			chat.say(words)
		}
		a.wait("the helper", func() bool {
			log := strings.Join(a.log, "\n")
			return strings.Contains(log, "MSG papillon@example.org The network fakenet cannot be reached at the moment: it is Monday") &&
				strings.Contains(log, `MSG papillon@example.org Your message to bob@fake.test ("one") waits`)
		})
		code(t, a.add(msnp.Forward, "somebody@fake.test"), msnp.CodeServerUnavailable)
		must(t, w.net.Up())
		for _, words := range []string{"one", "two", "three"} {
			w.sent(words)
			a.sees("ACK " + words)
		}
		must(t, w.net.Down("again"))
		chat.say("four")
		a.session.Close()
		w.restart()
		must(t, w.net.Up())
		w.sent("four")
	})
}

// TestRefused: NAK means that it will not be sent any more, and the helper
// contact says why.
func TestRefused(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		w.net.RefuseNext()
		chat.say("no")
		a.sees("NAK no")
		chat.say("yes")
		w.sent("yes")
		// An answer that was lost: sent again under the same id, accepted once.
		w.net.LoseNextAnswer()
		chat.say("once")
		w.sent("once")
		chat.say("after")
		w.sent("after")
		a.session.Close()
	})
}

func TestGivesUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, func(o *bridge.Options) { o.GiveUpAfter = time.Hour }, w.net)
		a := open(t, w.g, alice, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		must(t, w.net.Down("for good"))
		chat.say("hello?")
		a.sees("NAK hello?")
		a.session.Close()
	})
}

// TestMixedWindow: a local user and a person on a network in one window; the
// latter is told who said what.
func TestMixedWindow(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		a.sees("JOI bob@fake.test")
		must(t, chat.conversation.Invite(t.Context(), string(carol), func() {}))
		a.sees("JOI carol@example.org")
		c.sees("ANS OK")
		chat.say("hello both")
		w.sent("hello both")
		c.reads(alice, "hello both")
		hers := c.window()
		hers.say("hello Bob")
		w.sent("Friendly carol: hello Bob")
		a.reads(carol, "hello Bob")
		// What bob says is heard by both.
		must(t, w.bob.Say(alice, "hello you two"))
		a.reads(bobs, "hello you two")
		c.reads(bobs, "hello you two")
		a.session.Close()
		c.session.Close()
	})
}

func TestUnknownPeople(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		code(t, a.add(msnp.Forward, "nobody@fake.test"), msnp.CodeInvalidUser)
		code(t, a.add(msnp.Forward, "no handle"), msnp.CodeInvalidParameter)
		_, err := a.chat("nobody@fake.test")
		code(t, err, msnp.CodeNotOnline)
		_, err = a.chat(string(carol))
		code(t, err, msnp.CodeNotOnline)
		_, err = a.chat(string(alice))
		code(t, err, msnp.CodeAlreadyThere)
		// A client whose window insists on a domain.
		must(t, a.add(msnp.Forward, "bob%fake.test@hotmail.com"))
		a.sees("added FL bob@fake.test Bob FLN")
		must(t, a.add(msnp.Forward, "carol@hotmail.com"))
		a.sees("added FL carol@example.org Friendly carol FLN")
		a.session.Close()
	})
}

// TestNewNameReachesAbsent: who was signed out while a contact took another name
// finds it on the list.
func TestNewNameReachesAbsent(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		c := open(t, w.g, carol, msnp.Online)
		must(t, c.add(msnp.Forward, string(alice)))
		c.session.Close()
		a := open(t, w.g, alice, msnp.Online)
		must(t, a.session.Rename(t.Context(), string(alice), "Queen Alice", func(uint32, msnp.Member) {}))
		synctest.Wait()
		c = open(t, w.g, carol, msnp.Online)
		if fl := c.properties().Lists[msnp.Forward]; len(fl) != 2 || fl[1].Name != "Queen Alice" {
			t.Errorf("FL %v", fl)
		}
		a.session.Close()
		c.session.Close()
	})
}

func TestHelperCommands(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		a.properties()
		chat, err := a.chat("papillon@example.org")
		must(t, err)
		chat.say("help")
		a.wait("help", func() bool { return strings.Contains(strings.Join(a.log, "\n"), "add ADDRESS - puts somebody") })
		chat.say("add @bob:fake.test")
		a.sees("ADD FL bob@fake.test")
		a.sees("ADD AL bob@fake.test")
		a.reads("papillon@example.org", "Bob (bob@fake.test) is on your contact list now.")
		chat.say("ADD bob@fake.test")
		a.reads("papillon@example.org", "bob@fake.test is on your contact list already.")
		chat.say("add @nobody:fake.test")
		a.wait("a refusal", func() bool { return strings.Contains(strings.Join(a.log, "\n"), "That did not work: ") })
		chat.say("dance")
		a.wait("an answer", func() bool { return strings.Contains(strings.Join(a.log, "\n"), `I do not know "dance"`) })
		chat.say("status")
		a.wait("the status", func() bool { return strings.Contains(strings.Join(a.log, "\n"), "fakenet: you are ") })
		a.session.Close()
	})
}

// TestBareNetwork: a network without any optional interface.
func TestBareNetwork(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		must(t, a.add(msnp.Allow, "bob@fake.test"))
		must(t, a.session.Rename(t.Context(), string(alice), "Al", func(uint32, msnp.Member) {}))
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		chat.say("plain")
		w.sent("plain")
		a.session.Close()
	}, fake.Bare())
}

// TestSecondSignIn: the first session ends, and what waits goes to the second.
// Whose account is removed, or password revoked, is signed out at once: out of the sight
// of the others and out of conversations, whether his client hangs up or not.
func TestSignedOutByTheCommandLine(t *testing.T) {
	for name, command := range map[string]func(*testing.T, *world){
		"removed": func(t *testing.T, w *world) { must(t, w.db.RemoveAccount(t.Context(), carol)) },
		"revoked": func(t *testing.T, w *world) { must(t, w.db.RemovePasswords(t.Context(), carol)) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				_, err := w.db.AddPassword(t.Context(), carol, "", "secret")
				must(t, err)
				a, c := open(t, w.g, alice, msnp.Online), open(t, w.g, carol, msnp.Online)
				must(t, a.add(msnp.Forward, string(carol)))
				_, err = a.chat(string(carol))
				must(t, err)
				a.sees("JOI " + string(carol))
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- w.g.Run(ctx) }()
				synctest.Wait() // until it looks
				command(t, w)
				c.sees("OUT ")
				a.wait("BYE and FLN", func() bool {
					return slices.Contains(a.log, "BYE "+string(carol)) && slices.Contains(a.log, "FLN "+string(carol))
				})
				cancel()
				must(t, <-ended)
				a.session.Close()
				c.session.Close()
			})
		})
	}
}

func TestSecondSignIn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		first := open(t, w.g, alice, msnp.Online)
		second := open(t, w.g, alice, msnp.Online)
		first.sees("OUT OTH")
		must(t, w.bob.Say(alice, "hello"))
		second.reads(bobs, "hello")
		first.session.Close()
		must(t, w.bob.Say(alice, "again"))
		second.reads(bobs, "again")
		second.session.Close()
	})
}
