package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"papillon/bridge/xmpp/xmpptest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// village is an XMPP server with bob on it, and a Papillon with alice that is a
// component of the server.
type village struct {
	config   *Config
	password string // alice's
	server   *xmpptest.Server
	line     *xmpptest.Proxy // between Papillon and the server
	bob      *xmpptest.Peer
	alice    string // her address on XMPP
	stop     func() error
}

// eachVillage runs a test with every kind of server.
func eachVillage(t *testing.T, test func(*testing.T, context.Context, *village), adjust ...func(*xmpptest.Options)) {
	for _, kind := range xmpptest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
			t.Cleanup(cancel)
			test(t, ctx, newVillage(t, ctx, kind, adjust...))
		})
	}
}

func newVillage(t *testing.T, ctx context.Context, kind xmpptest.Kind, adjust ...func(*xmpptest.Options)) *village {
	t.Helper()
	v := &village{}
	options := xmpptest.Options{Kind: kind}
	for _, a := range adjust {
		a(&options)
	}
	var err error
	if v.server, err = xmpptest.Start(ctx, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if v.line, err = xmpptest.NewProxy(v.server.ComponentAddress); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.line.Close(); err != nil {
			t.Error(err)
		}
	})
	v.alice = "alice@" + v.server.ComponentDomain
	v.config, v.password = install(t, func(c *Config) {
		c.XMPP.Component = ComponentConfig{
			Address: v.line.Address, Domain: v.server.ComponentDomain, Secret: Secret(v.server.Secret),
		}
		c.XMPP.CA = v.server.CAFile
	})
	v.stop = startServe(t, v.config)
	t.Cleanup(func() {
		if v.stop != nil {
			if err := v.stop(); err != nil {
				t.Error(err)
			}
		}
	})
	v.bob = v.signIn(t, ctx, "bob")
	v.awaitComponent(t, ctx)
	return v
}

// signIn makes an account on the server and signs in with it.
func (v *village) signIn(t *testing.T, ctx context.Context, name string) *xmpptest.Peer {
	t.Helper()
	jid, password, err := v.server.CreateUser(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := xmpptest.Login(ctx, v.server, jid, password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// awaitComponent waits until the server has Papillon as its component.
func (v *village) awaitComponent(t *testing.T, ctx context.Context) {
	t.Helper()
	for {
		_, _, err := v.bob.DiscoInfo(ctx, v.server.ComponentDomain, "")
		if err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("wait for the component: %v", err)
		}
	}
}

// acquaint has alice add bob, and bob let her see him and ask in turn.
func (v *village) acquaint(t *testing.T, ctx context.Context, alice *msnptest.Client) {
	t.Helper()
	if _, err := alice.Add(ctx, msnp.Allow, v.bob.Bare(), "Bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Add(ctx, msnp.Forward, v.bob.Bare(), "Bob"); err != nil {
		t.Fatal(err)
	}
	_, err := v.bob.WaitSubscription(ctx, v.alice, "subscribe")
	if err := errors.Join(err, v.bob.Subscribed(ctx, v.alice), v.bob.Subscribe(ctx, v.alice)); err != nil {
		t.Fatal(err)
	}
	v.bobIs(t, ctx, alice, msnp.Online)
}

// bobIs waits until alice sees bob like that.
func (v *village) bobIs(t *testing.T, ctx context.Context, alice *msnptest.Client, status msnp.Status) {
	t.Helper()
	_, err := msnptest.WaitFor(ctx, alice, func(s msnptest.StatusChanged) bool {
		return string(s.Contact.Handle) == v.bob.Bare() && s.Status == status
	})
	if err != nil {
		t.Fatalf("wait for bob to be %s: %v", status, err)
	}
}

// bobReadsNext expects the next text that bob gets from alice.
func (v *village) bobReadsNext(t *testing.T, ctx context.Context, want string) {
	t.Helper()
	evt, err := v.bob.Wait(ctx, fmt.Sprintf("%q", want), func(e *xmpptest.Event) bool {
		return e.Kind == "message" && e.IsFrom(v.alice) && e.Body() != ""
	})
	if err != nil {
		t.Fatal(err)
	}
	if evt.Body() != want {
		t.Fatalf("bob reads %q, want %q: %+v", evt.Body(), want, evt)
	}
}

// appPassword is the form of the passwords that Papillon makes.
var appPassword = regexp.MustCompile(`\b[a-z0-9]{5}(-[a-z0-9]{5}){3}\b`)

// dial signs somebody in with an MSN client.
func (v *village) dial(ctx context.Context, handle, password string) (*msnptest.Client, error) {
	return msnptest.Dial(ctx, v.config.MSN.Listen, msnptest.Options{Handle: handle, Password: password, Status: msnp.Online, AutoAnswer: true})
}

// TestSignUpOverXMPP: somebody with an XMPP client makes an MSN account, uses
// it, and removes it, without anybody's help.
func TestSignUpOverXMPP(t *testing.T) {
	eachVillage(t, func(t *testing.T, ctx context.Context, v *village) {
		component := v.server.ComponentDomain
		items, err := v.bob.DiscoItems(ctx, v.server.Domain, "")
		if err != nil || !slices.ContainsFunc(items, func(e *xmpptest.Element) bool { return e.Attr("jid") == component }) {
			t.Fatalf("the server does not name the component: %v", err)
		}
		identities, features, err := v.bob.DiscoInfo(ctx, component, "")
		if err != nil || !slices.Contains(identities, "gateway/msn") || !slices.Contains(features, "jabber:iq:register") ||
			!slices.Contains(features, "http://jabber.org/protocol/commands") {
			t.Fatalf("%q %q, %v", identities, features, err)
		}
		form, err := v.bob.RegistrationForm(ctx, component)
		if err != nil || form.Child("", "username") == nil || form.Child("", "registered") != nil {
			t.Fatalf("%+v, %v", form, err)
		}
		if err := v.bob.Register(ctx, component, map[string]string{"username": "robert"}); err != nil {
			t.Fatal(err)
		}
		first := v.passwordFrom(t, ctx)
		if form, err = v.bob.RegistrationForm(ctx, component); err != nil || form.Child("", "registered") == nil {
			t.Fatalf("%+v, %v", form, err)
		}
		robert, err := v.dial(ctx, "robert@example.org", first)
		if err != nil {
			t.Fatal(err)
		}
		defer robert.Close()

		if status := v.command(t, ctx, "status", nil); !strings.Contains(status, "robert@example.org, signed in") {
			t.Errorf("status says %q", status)
		}
		second := appPassword.FindString(v.command(t, ctx, "password", nil))
		if second == "" || second == first {
			t.Fatalf("the new password is %q", second)
		}
		if _, err := v.dial(ctx, "robert@example.org", first); err == nil {
			t.Error("the old password still works")
		}
		again, err := v.dial(ctx, "robert@example.org", second)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if err := v.bob.Unregister(ctx, component); err != nil {
			t.Fatal(err)
		}
		if _, err := v.dial(ctx, "robert@example.org", second); err == nil {
			t.Error("the account outlives its end")
		}
		if answer := v.command(t, ctx, "register", map[string]string{"argument": "bobby"}); !strings.Contains(answer, "bobby@example.org") {
			t.Errorf("register says %q", answer)
		}
	})
}

// passwordFrom reads the password out of the component's message.
func (v *village) passwordFrom(t *testing.T, ctx context.Context) string {
	t.Helper()
	evt, err := v.bob.Wait(ctx, "the app password", func(e *xmpptest.Event) bool {
		return e.Kind == "message" && e.IsFrom(v.server.ComponentDomain) && appPassword.MatchString(e.Body())
	})
	if err != nil {
		t.Fatal(err)
	}
	return appPassword.FindString(evt.Body())
}

// command has bob carry out one of the component's commands, and returns the
// answer.
func (v *village) command(t *testing.T, ctx context.Context, node string, fields map[string]string) string {
	t.Helper()
	step := xmpptest.CommandStep{To: v.server.ComponentDomain, Node: node}
	answer, err := v.bob.Command(ctx, step)
	if err == nil && fields != nil {
		step.Session, step.Action, step.Fields = answer.Attr("sessionid"), "complete", fields
		answer, err = v.bob.Command(ctx, step)
	}
	if err != nil || answer.Attr("status") != "completed" {
		t.Fatalf("%s: %+v, %v", node, answer, err)
	}
	return answer.Child("", "note").Content()
}

// TestXMPPServerDown: MSN goes on without the XMPP server, and what was written
// meanwhile arrives, in order, once; also when the server was killed.
func TestXMPPServerDown(t *testing.T) {
	eachVillage(t, func(t *testing.T, ctx context.Context, v *village) {
		alice := signIn(t, v.config, v.password)
		v.acquaint(t, ctx, alice)
		chat, err := alice.Chat(ctx, v.bob.Bare())
		if err != nil {
			t.Fatal(err)
		}
		// ejabberd writes down late what it has handed out. When it is killed, what it had
		// kept for bob comes to him again; so it starts afresh before.
		kill := func() error {
			err := v.server.Restart(ctx)
			if err == nil {
				err = v.bob.WaitConnected(ctx)
			}
			v.awaitComponent(t, ctx)
			v.bob.Forget()
			return errors.Join(err, v.server.Kill())
		}
		for _, end := range []struct {
			name string
			how  func() error
		}{{"halted", v.server.Halt}, {"killed", kill}} {
			v.bob.Forget()
			if err := end.how(); err != nil {
				t.Fatal(err)
			}
			if err := v.bob.WaitDisconnected(ctx); err != nil {
				t.Fatal(err)
			}
			for i := range 5 {
				if _, err := chat.SendText(ctx, fmt.Sprintf("%s %d", end.name, i), msnptest.NakOnly); err != nil {
					t.Fatal(err)
				}
			}
			v.resume(t, ctx)
			for i := range 5 {
				v.bobReadsNext(t, ctx, fmt.Sprintf("%s %d", end.name, i))
			}
			// Nothing came twice: what is written now is the next thing bob reads.
			if _, err := chat.SendText(ctx, "the last", msnptest.Acknowledged); err != nil {
				t.Fatal(err)
			}
			v.bobReadsNext(t, ctx, "the last")
			if _, err := v.bob.Say(ctx, v.alice, "I am back, "+end.name); err != nil {
				t.Fatal(err)
			}
			_, err := msnptest.WaitFor(ctx, chat, func(m msnptest.MessageArrived) bool {
				return m.Message.Text() == "I am back, "+end.name
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := v.bob.SetPresence(ctx, "dnd", "", 0); err != nil {
				t.Fatal(err)
			}
			v.bobIs(t, ctx, alice, msnp.Busy)
			if err := v.bob.SetPresence(ctx, "", "", 0); err != nil {
				t.Fatal(err)
			}
			v.bobIs(t, ctx, alice, msnp.Online)
		}
		v.restart(t, ctx, alice)
	})
}

// resume starts the server again, and lets Papillon in once bob is there: what comes for
// somebody in the moment in which he signs in, ejabberd may put aside until he does so
// again, and hand him what comes after it.
func (v *village) resume(t *testing.T, ctx context.Context) {
	t.Helper()
	v.line.Cut()
	defer v.line.Mend()
	err := v.server.Resume(ctx)
	if err == nil {
		err = v.bob.WaitConnected(ctx)
	}
	if err == nil { // what he said before this has been taken
		_, _, err = v.bob.DiscoInfo(ctx, v.server.Domain, "")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// restart restarts Papillon: bob sees alice go, and everything is as before.
func (v *village) restart(t *testing.T, ctx context.Context, alice *msnptest.Client) {
	t.Helper()
	v.bob.Forget()
	alice.Close()
	if err := v.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.bob.WaitUnavailable(ctx, v.alice); err != nil {
		t.Fatal(err)
	}
	v.stop = startServe(t, v.config)
	alice = signIn(t, v.config, v.password)
	if _, err := v.bob.WaitPresence(ctx, v.alice, "", ""); err != nil {
		t.Fatal(err)
	}
	v.bobIs(t, ctx, alice, msnp.Online)
}
