package fake_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"papillon/bridge"
	"papillon/bridge/fake"
)

const (
	alice = bridge.Handle("alice@example.org")
	bobID = bridge.RemoteID("bob@fake.test")
)

// receiver keeps what it receives, and answers with what answer returns.
type receiver struct {
	mu     sync.Mutex
	events []bridge.Event
	answer func(bridge.Event) error
}

func (r *receiver) Receive(_ context.Context, event bridge.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
	if r.answer != nil {
		return r.answer(event)
	}
	return nil
}

// take returns what came since the last time.
func (r *receiver) take() []bridge.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// bench is a network with bob on it and alice's account.
type bench struct {
	net     *fake.Network
	bob     *fake.Person
	account bridge.Account
	events  *receiver
}

// run runs a test on a bench in a bubble of its own: it fails if a goroutine is
// left when the network is closed.
func run(t *testing.T, test func(t *testing.T, b *bench), options ...fake.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{net: fake.New("matrix", options...), events: new(receiver)}
		b.bob = b.net.Person(bobID, "Bob")
		var err error
		b.account, err = b.net.Open(t.Context(), bridge.Login{Account: alice, Name: "Alice", Kind: "ghost"}, b.events)
		if err != nil {
			t.Fatal(err)
		}
		b.expect(t, bridge.ConnectionChanged{Up: true})
		test(t, b)
		if err := b.net.Close(); err != nil {
			t.Error(err)
		}
	})
}

// expect waits until all is quiet, and compares what came since the last time.
func (b *bench) expect(t *testing.T, want ...bridge.Event) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, b.events.take()); diff != "" {
		t.Errorf("events: -want +got\n%s", diff)
	}
}

func (b *bench) signIn(t *testing.T) {
	t.Helper()
	check(t, b.account.SetPresence(t.Context(), bridge.Presence{Show: bridge.Available}))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func checkIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func (b *bench) noErrors(t *testing.T) {
	t.Helper()
	if errs := b.net.Errors(); len(errs) > 0 {
		t.Errorf("errors: %v", errs)
	}
}

func message(id, text string) bridge.Outgoing {
	return bridge.Outgoing{ID: id, Chat: bridge.Chat{Contact: bobID}, Text: text}
}

func TestAddresses(t *testing.T) {
	anywhere, here := fake.New("xmpp"), fake.New("matrix", fake.Domains("fake.test"))
	for _, c := range []struct {
		address  string
		id       bridge.RemoteID
		ok, here bool
	}{
		{"bob@fake.test", "bob@fake.test", true, true},
		{"Bob@Fake.TEST", "Bob@fake.test", true, true},
		{"a@b@fake.test", "a@b@fake.test", true, true},
		{"bob@other.test", "bob@other.test", true, false},
		{"bob", "", false, false},
		{"@fake.test", "", false, false},
		{"bob@", "", false, false},
		{"b b@fake.test", "", false, false},
	} {
		if id, ok := anywhere.ParseContact(c.address); id != c.id || ok != c.ok {
			t.Errorf("ParseContact(%q) = %q, %v", c.address, id, ok)
		}
		if _, ok := here.ParseContact(c.address); ok != c.here {
			t.Errorf("with one domain, ParseContact(%q) = %v", c.address, ok)
		}
	}
	if local, domain := here.Address("a@b@fake.test"); local != "a@b" || domain != "fake.test" {
		t.Errorf("Address = %q, %q", local, domain)
	}
	if anywhere.Name() != "xmpp" || here.Name() != "matrix" {
		t.Error("the names are mixed up")
	}
}

func TestSay(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		sent := time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)
		check(t, b.bob.Say(alice, "hello", fake.WithID("m1"), fake.At(sent)))
		hello := bridge.MessageReceived{
			ID:   "m1",
			Chat: bridge.Chat{Contact: bobID},
			From: bridge.Contact{ID: bobID, Name: "Bob"},
			Kind: bridge.Said,
			Text: "hello",
			Sent: sent,
		}
		b.expect(t, hello)

		check(t, b.bob.Say(alice, "hello", fake.WithID("m1"), fake.At(sent))) // once more
		b.expect(t, hello)

		check(t, b.bob.Say(alice, "waves", fake.As(bridge.Emoted), fake.In(bridge.Chat{Group: "!room"})))
		check(t, b.bob.Say(alice, "again"))
		synctest.Wait()
		events := b.events.take()
		first, second := events[0].(bridge.MessageReceived), events[1].(bridge.MessageReceived)
		if first.Kind != bridge.Emoted || first.Chat.Group != "!room" || first.ID == second.ID || first.ID == "" {
			t.Errorf("got %+v and %+v", first, second)
		}

		b.events.answer = func(bridge.Event) error { return bridge.ErrUnwelcome }
		checkIs(t, b.bob.Say(alice, "psst"), bridge.ErrUnwelcome)
		checkIs(t, b.bob.Say("carol@example.org", "psst"), fake.ErrNotOpen)
		b.noErrors(t)
	})
}

func TestWhatElsePeopleDo(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		check(t, b.bob.Request(alice, "let me in"))
		check(t, b.bob.Typing(alice, true))
		check(t, b.bob.Typing(alice, false))
		check(t, b.bob.Withdraw(alice))
		check(t, b.bob.Rename("Robert")) // nobody follows
		check(t, b.account.Follow(t.Context(), bridge.Contact{ID: bobID, Name: "Bob"}))
		check(t, b.bob.Rename("Bobby"))
		bob, bobby := bridge.Contact{ID: bobID, Name: "Bob"}, bridge.Contact{ID: bobID, Name: "Bobby"}
		b.expect(t,
			bridge.ContactRequested{From: bob, Note: "let me in"},
			bridge.TypingSeen{Chat: bridge.Chat{Contact: bobID}, From: bob, Typing: true},
			bridge.TypingSeen{Chat: bridge.Chat{Contact: bobID}, From: bob},
			bridge.ContactWithdrew{Contact: bobID},
			bridge.ContactRenamed{Contact: bobby},
		)
		got, err := b.account.Lookup(t.Context(), bobID)
		if check(t, err); got != bobby {
			t.Errorf("Lookup finds %v", got)
		}
		_, err = b.account.Lookup(t.Context(), "nobody@fake.test")
		checkIs(t, err, bridge.ErrNoSuchContact)
	})
}

func TestPresence(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		available, away := bridge.Presence{Show: bridge.Available}, bridge.Presence{Show: bridge.Away, Text: "lunch"}
		check(t, b.account.Follow(t.Context(), bridge.Contact{ID: bobID, Name: "Bob"}))
		check(t, b.bob.SetPresence(available))
		b.expect(t) // alice is signed out

		b.signIn(t)
		b.expect(t, bridge.PresenceChanged{Contact: bobID, Presence: available})
		check(t, b.account.SetPresence(t.Context(), bridge.Presence{Show: bridge.Busy}))
		b.expect(t) // she was there already
		check(t, b.bob.SetPresence(away))
		b.expect(t, bridge.PresenceChanged{Contact: bobID, Presence: away})
		check(t, b.account.Follow(t.Context(), bridge.Contact{ID: bobID, Name: "Bob"})) // repeated at will
		b.expect(t, bridge.PresenceChanged{Contact: bobID, Presence: away})

		check(t, b.account.Unfollow(t.Context(), bobID))
		check(t, b.bob.SetPresence(available))
		b.net.Person("carol@fake.test", "Carol") // whose presence is unknown
		check(t, b.account.Follow(t.Context(), bridge.Contact{ID: "carol@fake.test", Name: "Carol"}))
		check(t, b.account.SetPresence(t.Context(), bridge.Presence{Show: bridge.Offline}))
		check(t, b.account.Follow(t.Context(), bridge.Contact{ID: bobID, Name: "Bob"}))
		b.expect(t)

		state, ok := b.net.Account(alice)
		want := []bridge.RemoteID{bobID, "carol@fake.test"}
		if !ok || state.Presence.Show != bridge.Offline || !slices.Equal(state.Follows, want) || state.ID != bridge.RemoteID(alice) {
			t.Errorf("state is %+v", state)
		}
		b.noErrors(t)
	})
}

func TestDown(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		b.signIn(t)
		check(t, b.account.Follow(t.Context(), bridge.Contact{ID: bobID, Name: "Bob"}))
		check(t, b.net.Down("the cable is out"))
		b.expect(t, bridge.ConnectionChanged{Reason: "the cable is out"})

		err := b.account.Send(t.Context(), message("1", "hi"))
		checkIs(t, err, fake.ErrDown)
		if errors.Is(err, bridge.ErrRefused) {
			t.Error("a message is refused by a network that is down")
		}
		checkIs(t, b.account.Follow(t.Context(), bridge.Contact{ID: "carol@fake.test", Name: "Carol"}), fake.ErrDown)
		checkIs(t, b.account.SetPresence(t.Context(), bridge.Presence{Show: bridge.Busy}), fake.ErrDown)
		checkIs(t, b.bob.Say(alice, "hi"), fake.ErrDown)
		check(t, b.bob.SetPresence(bridge.Presence{Show: bridge.Available}))
		b.expect(t)

		second := new(receiver)
		_, err = b.net.Open(t.Context(), bridge.Login{Account: "carol@example.org"}, second)
		check(t, err) // a network that is down is no error
		synctest.Wait()
		if diff := cmp.Diff([]bridge.Event{bridge.ConnectionChanged{Reason: "the cable is out"}}, second.take()); diff != "" {
			t.Errorf("a new account: -want +got\n%s", diff)
		}

		check(t, b.net.Up())
		b.expect(t, bridge.ConnectionChanged{Up: true},
			bridge.PresenceChanged{Contact: bobID, Presence: bridge.Presence{Show: bridge.Available}})
		if state, _ := b.net.Account(alice); state.Presence.Show != bridge.Busy {
			t.Errorf("alice comes up as %v", state.Presence)
		}
		check(t, b.account.Send(t.Context(), message("1", "hi")))
		b.noErrors(t)
	})
}

func TestOptionalInterfaces(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ctx, chat := t.Context(), bridge.Chat{Contact: bobID}
		check(t, b.account.(bridge.Typist).Typing(ctx, chat, true))
		check(t, b.account.(bridge.Renamer).Rename(ctx, "Alice A."))
		keeper := b.account.(bridge.Gatekeeper)
		check(t, keeper.Block(ctx, bobID))
		checkIs(t, b.bob.Say(alice, "hi"), fake.ErrBlocked)
		state, _ := b.net.Account(alice)
		want := fake.State{ID: bridge.RemoteID(alice), Name: "Alice A.", Presence: bridge.Presence{Show: bridge.Offline},
			Blocked: []bridge.RemoteID{bobID}, Typing: []bridge.Chat{chat}}
		if diff := cmp.Diff(want, state); diff != "" {
			t.Errorf("state: -want +got\n%s", diff)
		}
		check(t, keeper.Allow(ctx, bobID))
		check(t, b.account.(bridge.Typist).Typing(ctx, chat, false))
		check(t, b.bob.Say(alice, "hi"))
		state, err := b.net.WaitState(ctx, alice, func(s fake.State) bool { return len(s.Allowed) == 1 })
		if check(t, err); len(state.Blocked) != 0 || len(state.Typing) != 0 {
			t.Errorf("state is %+v", state)
		}
		var methods []fake.Method
		for _, c := range b.net.Calls() {
			if methods = append(methods, c.Method); !c.Done || c.Err != nil || c.Account != alice {
				t.Errorf("the call is %+v", c)
			}
		}
		if diff := cmp.Diff([]fake.Method{fake.Open, fake.Typing, fake.Rename, fake.Block, fake.Allow, fake.Typing}, methods); diff != "" {
			t.Errorf("calls: -want +got\n%s", diff)
		}
	})
}

func TestBare(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		switch b.account.(type) {
		case bridge.Typist, bridge.Gatekeeper, bridge.Renamer:
			t.Error("a bare account has an optional interface")
		}
		check(t, b.account.Send(t.Context(), message("1", "hi")))
	}, fake.Bare())
}

func TestLogin(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		wrong := errors.New("wrong token")
		b.net.RefuseLogin("carol@example.org", wrong)
		_, err := b.net.Open(t.Context(), bridge.Login{Account: "carol@example.org"}, new(receiver))
		checkIs(t, err, wrong)
		b.net.RefuseLogin("carol@example.org", nil)
		carol, err := b.net.Open(t.Context(), bridge.Login{Account: "carol@example.org", ID: "carol@fake.test"}, new(receiver))
		if check(t, err); carol.ID() != "carol@fake.test" {
			t.Errorf("carol is %s", carol.ID())
		}
		b.noErrors(t)
		if _, err = b.net.Open(t.Context(), bridge.Login{Account: alice}, new(receiver)); err == nil {
			t.Error("an account is opened twice")
		}
		if len(b.net.Errors()) != 1 {
			t.Errorf("errors: %v", b.net.Errors())
		}
	})
}

func TestErrorsThatNobodySees(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		full := errors.New("disk full")
		b.events.answer = func(bridge.Event) error { return full }
		checkIs(t, b.net.Down("x"), full) // reported, not noted
		b.noErrors(t)
		check(t, b.net.Person(bobID, "").SetPresence(bridge.Presence{Show: bridge.Away}))
		checkIs(t, b.net.Up(), full)
		b.signIn(t)
		check(t, b.account.Follow(t.Context(), bridge.Contact{ID: bobID, Name: "Bob"}))
		synctest.Wait()
		if errs := b.net.Errors(); len(errs) != 1 || !errors.Is(errs[0], full) {
			t.Errorf("errors: %v", errs)
		}
	})
}

func TestWaitsEndWithTheirContext(t *testing.T) {
	run(t, func(t *testing.T, b *bench) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := b.net.WaitSent(ctx, nil)
		checkIs(t, err, context.DeadlineExceeded)
		_, err = b.net.WaitCall(ctx, fake.By(alice, fake.Rename))
		checkIs(t, err, context.DeadlineExceeded)
		_, err = b.net.WaitState(ctx, "nobody@example.org", func(fake.State) bool { return true })
		checkIs(t, err, context.DeadlineExceeded)
		checkIs(t, b.account.Send(ctx, message("1", "hi")), context.DeadlineExceeded)
	})
}
