package main

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"papillon/bridge/xmpp/xmpptest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// home is a village whose alice has an XMPP account of her own, linked by login,
// and another client there.
type home struct {
	*village
	jid   string
	phone *xmpptest.Peer
}

// newHome links alice's account while Papillon serves, as an administrator does.
// Bob is her friend already, under a name that she has given him.
func newHome(t *testing.T, ctx context.Context, v *village) *home {
	t.Helper()
	h := &home{village: v, phone: v.signIn(t, ctx, "alice")}
	h.jid, h.alice = h.phone.Bare(), h.phone.Bare()
	if err := errors.Join(h.phone.Befriend(ctx, v.bob), h.phone.AddContact(ctx, v.bob.Bare(), "Bobby", "Friends")); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(filepath.Dir(v.config.Store.Path), configName)
	write(t, config, strings.Replace(read(t, config), `ca: ""`, `ca: "`+v.server.CAFile+`"`, 1))
	link := func(password string) result {
		return command(t, password+"\n", "link", "alice", "xmpp", h.jid, "--kind", "login", "--password-stdin", "--server", v.server.ClientAddress, "-c", config)
	}
	if r := link("wrong"); r.code != exitFailed || !strings.Contains(r.err, "the password is wrong") || !strings.Contains(r.err, "nothing was changed") {
		t.Fatalf("link with a wrong password: %+v", r)
	}
	if r := link(xmpptest.Password("alice")); r.code != exitOK {
		t.Fatalf("link: %+v", r)
	}
	return h
}

// inWindow waits for a text in the windows that bob opens, or in an open one.
func inWindow(t *testing.T, ctx context.Context, window msnptest.Waiter, words string) msnptest.MessageArrived {
	t.Helper()
	m, err := msnptest.WaitFor(ctx, window, func(m msnptest.MessageArrived) bool { return strings.Contains(m.Message.Text(), words) })
	if err != nil {
		t.Fatalf("wait for %q: %v", words, err)
	}
	return m
}

// opened waits for a window that a contact opens.
func opened(t *testing.T, ctx context.Context, client *msnptest.Client) *msnptest.Switchboard {
	t.Helper()
	answered, err := msnptest.WaitFor[msnptest.Answered](ctx, client, nil)
	if err != nil || answered.Err != nil {
		t.Fatalf("wait for a window: %v, %v", err, answered.Err)
	}
	return answered.Switchboard
}

// listed waits until a contact is on a list.
func listed(t *testing.T, ctx context.Context, client *msnptest.Client, list msnp.List, handle string) {
	t.Helper()
	_, err := msnptest.WaitFor(ctx, client, func(l msnptest.ListChanged) bool {
		return l.Added && l.Change.List == list && string(l.Change.Contact.Handle) == handle
	})
	if err != nil {
		t.Fatalf("wait for %s on %v: %v", handle, list, err)
	}
}

// TestLoginOverXMPP: alice lives in Messenger with the account that she has.
func TestLoginOverXMPP(t *testing.T) {
	eachVillage(t, func(t *testing.T, ctx context.Context, v *village) {
		h := newHome(t, ctx, v)
		alice := signIn(t, h.config, h.password)
		h.bobIs(t, ctx, alice, msnp.Online)
		if _, err := h.bob.WaitPresence(ctx, h.jid+"/papillon", "", ""); err != nil {
			t.Fatal(err)
		}
		list, err := alice.List(ctx, msnp.Forward)
		if err != nil {
			t.Fatal(err)
		}
		named := ""
		for _, c := range list {
			if string(c.Handle) == h.bob.Bare() {
				named = c.Name
			}
		}
		if named != "Bobby" {
			t.Errorf("bob is called %q on the list %v", named, list)
		}
		h.talk(t, ctx, alice)
		h.strangers(t, ctx, alice)
		h.missed(t, ctx, alice)
	})
}

// talk is a chat, with a second client beside.
func (h *home) talk(t *testing.T, ctx context.Context, alice *msnptest.Client) {
	t.Helper()
	chat, err := alice.Chat(ctx, h.bob.Bare())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chat.SendText(ctx, "from Messenger", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	h.bobReadsNext(t, ctx, "from Messenger")
	if _, err := h.phone.WaitCarbon(ctx, h.jid, "from Messenger"); err != nil {
		t.Error(err)
	}
	if _, err := h.phone.Say(ctx, h.bob.Bare(), "from my phone"); err != nil {
		t.Fatal(err)
	}
	if m := inWindow(t, ctx, chat, "from my phone"); !strings.HasPrefix(m.Message.Text(), "[you, elsewhere]") {
		t.Errorf("alice reads %q", m.Message.Text())
	}
	if _, err := h.bob.Say(ctx, h.jid, "to both of you"); err != nil {
		t.Fatal(err)
	}
	inWindow(t, ctx, chat, "to both of you")
	if err := chat.Leave(ctx); err != nil {
		t.Fatal(err)
	}
}

// strangers come by request and by what another client does to the roster.
func (h *home) strangers(t *testing.T, ctx context.Context, alice *msnptest.Client) {
	t.Helper()
	carol := h.signIn(t, ctx, "carol")
	if err := carol.Subscribe(ctx, h.jid); err != nil {
		t.Fatal(err)
	}
	listed(t, ctx, alice, msnp.Reverse, carol.Bare())
	if _, err := alice.Add(ctx, msnp.Allow, carol.Bare(), "Carol"); err != nil {
		t.Fatal(err)
	}
	if _, err := carol.WaitSubscription(ctx, h.jid, "subscribed"); err != nil {
		t.Error(err)
	}
	if err := h.phone.AddContact(ctx, "dave@"+h.server.Domain, "Dave"); err != nil {
		t.Fatal(err)
	}
	listed(t, ctx, alice, msnp.Forward, "dave@"+h.server.Domain)
	if _, err := alice.Remove(ctx, msnp.Forward, "dave@"+h.server.Domain); err != nil {
		t.Fatal(err)
	}
	_, err := h.phone.Wait(ctx, "dave to leave the roster", func(e *xmpptest.Event) bool {
		item := e.Find("jabber:iq:roster", "item")
		return e.Kind == "iq" && e.Type() == "set" && item.Attr("jid") == "dave@"+h.server.Domain && item.Attr("subscription") == "remove"
	})
	if err != nil {
		t.Error(err)
	}
}

// missed is what comes while alice is signed out, and the end of the login.
func (h *home) missed(t *testing.T, ctx context.Context, alice *msnptest.Client) {
	t.Helper()
	h.bob.Forget()
	alice.Close()
	if _, err := h.bob.WaitUnavailable(ctx, h.jid+"/papillon"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.bob.Say(ctx, h.jid, "while you were out"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.phone.WaitMessage(ctx, h.bob.Bare(), "while you were out"); err != nil {
		t.Fatal(err)
	}
	alice = signIn(t, h.config, h.password)
	window := opened(t, ctx, alice)
	inWindow(t, ctx, window, "while you were out")
	if _, err := h.bob.WaitPresence(ctx, h.jid+"/papillon", "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.bob.Say(ctx, h.jid, "welcome back"); err != nil {
		t.Fatal(err)
	}
	// Nothing came twice: this is the next that she reads.
	m, err := msnptest.WaitFor(ctx, window, func(m msnptest.MessageArrived) bool { return m.Message.Text() != "" })
	if err != nil || m.Message.Text() != "welcome back" {
		t.Fatalf("alice reads %q (%v), want what bob said last", m.Message.Text(), err)
	}
	if err := h.server.SetPassword(ctx, "alice", "another"); err != nil {
		t.Fatal(err)
	}
	if err := h.server.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	told := inWindow(t, ctx, opened(t, ctx, alice), "cannot log in as "+h.jid)
	if told.From.Handle != "papillon@example.org" || !strings.Contains(told.Message.Text(), "the password is wrong") || !strings.Contains(told.Message.Text(), "--kind login --server ") {
		t.Errorf("%s says %q", told.From.Handle, told.Message.Text())
	}
}
