package bridge_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/msnp/body"
	"papillon/store"
)

// openStore opens a fresh database, or an old one of the same folder, with the
// accounts named.
func openStore(t testing.TB, dir string, accounts ...bridge.Handle) *store.Store {
	t.Helper()
	key := filepath.Join(dir, "key")
	if len(accounts) > 0 {
		if err := store.NewKey(key); err != nil {
			t.Fatal(err)
		}
	}
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "papillon.db"), KeyPath: key, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range accounts {
		if err := db.AddAccount(t.Context(), h, "Friendly "+h.Local()); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// startGateway makes a gateway and starts it; options may be adjusted.
func startGateway(t testing.TB, db *store.Store, adjust func(*bridge.Options), networks ...bridge.Network) *bridge.Gateway {
	t.Helper()
	options := bridge.Options{
		Domain: "example.org", LoginDomains: []string{"hotmail.com"}, Storage: db, Networks: networks,
		Presence: bridge.PresenceRules{Unknown: msnp.Idle, Offline: msnp.Offline},
		Log:      zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel),
	}
	if adjust != nil {
		adjust(&options)
	}
	g := bridge.New(options)
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

// stopGateway stops it within a short time.
func stopGateway(t testing.TB, g *bridge.Gateway) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := g.Stop(ctx); err != nil {
		t.Errorf("stop gateway: %v", err)
	}
}

// client is the client side of a session, in memory: it records what is pushed
// and, unless told not to, answers rings.
type client struct {
	t       testing.TB
	session msnp.Session
	handle  bridge.Handle

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something was recorded
	log     []string      // statuses, list changes and sign-outs, in words
	serials []uint32      // told with list changes
	boards  []*board
	deaf    bool // does not answer rings
	unread  bool // its TCP stack acknowledges nothing
	slow    bool // its TCP stack keeps receipts back, in kept
	kept    []receipt
	rings   []msnp.Ring
	apart   []string // the texts that came after a pause
}

// open signs a user in and sets a status, unless it is Offline.
func open(t testing.TB, g *bridge.Gateway, h bridge.Handle, status msnp.Status) *client {
	t.Helper()
	c := &client{t: t, handle: h, changed: make(chan struct{})}
	session, err := g.Open(t.Context(), h, msnp.Client{Dialect: 2}, c)
	if err != nil {
		t.Fatal(err)
	}
	c.session = session
	if status != msnp.Offline {
		c.setStatus(status)
	}
	return c
}

func (c *client) setStatus(status msnp.Status) {
	c.t.Helper()
	err := c.session.SetStatus(c.t.Context(), status, func(initial []msnp.ContactStatus) {
		for _, cs := range initial {
			c.record("ILN %s %s", cs.Status, cs.Contact.Handle)
		}
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// properties reads the lists, which starts the pushes of list changes.
func (c *client) properties() (p msnp.Properties) {
	c.t.Helper()
	if err := c.session.Properties(c.t.Context(), func(got msnp.Properties) { p = got }); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// add puts a contact on a list.
func (c *client) add(list msnp.List, handle string) error {
	return c.session.AddContact(c.t.Context(), list, handle, handle, func(change msnp.ListChange, status msnp.Status) {
		c.record("added %s %s %s %s", change.List, change.Contact.Handle, change.Contact.Name, status)
	})
}

// record notes something and wakes who waits.
func (c *client) record(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = append(c.log, fmt.Sprintf(format, args...))
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait waits until a condition on what was recorded holds.
func (c *client) wait(what string, holds func() bool) {
	c.t.Helper()
	deadline := time.After(24 * time.Hour) // of synthetic time
	for {
		c.mu.Lock()
		ok, changed := holds(), c.changed
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			c.mu.Lock()
			defer c.mu.Unlock()
			c.t.Fatalf("%s waits in vain for %s; log: %q", c.handle, what, c.log)
		}
	}
}

// sees waits until an entry was recorded, and forgets everything up to it.
func (c *client) sees(entry string) {
	c.t.Helper()
	c.wait(fmt.Sprintf("%q", entry), func() bool {
		i := slices.Index(c.log, entry)
		if i >= 0 {
			c.log = c.log[i+1:]
		}
		return i >= 0
	})
}

// reads waits until a text was written in a window, and forgets everything up to
// it.
func (c *client) reads(from bridge.Handle, words string) {
	c.t.Helper()
	c.sees(fmt.Sprintf("MSG %s %s", from, words))
}

// ContactStatus implements [msnp.Notifier].
func (c *client) ContactStatus(cs msnp.ContactStatus) {
	name := "NLN"
	switch {
	case !cs.Status.Visible():
		c.record("FLN %s", cs.Contact.Handle)
		return
	case cs.Initial:
		name = "ILN"
	}
	c.record("%s %s %s", name, cs.Status, cs.Contact.Handle)
}

// ListChanged implements [msnp.Notifier].
func (c *client) ListChanged(added bool, change msnp.ListChange) {
	word := map[bool]string{true: "ADD", false: "REM"}[added]
	c.mu.Lock()
	c.serials = append(c.serials, change.Serial)
	c.mu.Unlock()
	c.record("%s %s %s", word, change.List, change.Contact.Handle)
}

// Ring implements [msnp.Notifier].
func (c *client) Ring(r msnp.Ring) {
	c.mu.Lock()
	deaf := c.deaf
	c.rings = append(c.rings, r)
	c.mu.Unlock()
	c.record("RNG %s", r.Caller.Handle)
	if !deaf {
		go c.answer(r)
	}
}

// answer comes to a ring with a switchboard connection.
func (c *client) answer(r msnp.Ring) {
	b := &board{client: c}
	conversation, err := r.Answer(context.Background(), b)
	if err != nil {
		c.record("ANS failed: %v", err)
		return
	}
	b.conversation = conversation
	c.mu.Lock()
	c.boards = append(c.boards, b)
	c.mu.Unlock()
	c.record("ANS OK")
}

// window waits for the first window, which a ring has opened.
func (c *client) window() (b *board) {
	c.t.Helper()
	c.wait("a window", func() bool {
		if len(c.boards) > 0 {
			b = c.boards[0]
		}
		return b != nil
	})
	return b
}

// SignOut implements [msnp.Notifier].
func (c *client) SignOut(reason msnp.Reason) { c.record("OUT %s", reason) }

// chat opens a window with somebody.
func (c *client) chat(with string) (*board, error) {
	c.t.Helper()
	b := &board{client: c}
	conversation, err := c.session.Converse(c.t.Context(), b)
	if err != nil {
		c.t.Fatal(err)
	}
	b.conversation = conversation
	return b, conversation.Invite(c.t.Context(), with, func() { c.record("RINGING %s", with) })
}

// board is a switchboard connection of a client.
type board struct {
	client       *client
	conversation msnp.Conversation
	dead         bool // its connection is gone and has not noticed; guarded by client.mu
	paused       bool // since the last message; guarded by client.mu
}

// say sends a text; the outcome is recorded as ACK or NAK.
func (b *board) say(words string) {
	raw := body.NewText(words, body.DefaultFormat()).Append(nil)
	b.conversation.Send(b.client.t.Context(), raw, func(err error) {
		if err != nil {
			b.client.record("NAK %s", words)
		} else {
			b.client.record("ACK %s", words)
		}
	})
}

// Roster implements [msnp.Switchboard].
func (b *board) Roster(others []msnp.Member) {
	for _, m := range others {
		b.client.record("IRO %s", m.Handle)
	}
}

// Joined implements [msnp.Switchboard].
func (b *board) Joined(m msnp.Member) { b.client.record("JOI %s", m.Handle) }

// Left implements [msnp.Switchboard].
func (b *board) Left(h msnp.Handle) { b.client.record("BYE %s", h) }

// Message implements [msnp.Switchboard].
func (b *board) Message(from msnp.Member, message []byte, delivered func(bool)) bool {
	m, err := body.Parse(message)
	if err != nil {
		b.client.t.Errorf("message from %s: %v", from.Handle, err)
	}
	b.client.mu.Lock()
	dead := b.dead
	if b.paused {
		b.paused = false
		b.client.apart = append(b.client.apart, m.Text())
	}
	b.client.mu.Unlock()
	switch user, typing := m.Typing(); {
	case dead:
	case typing:
		b.client.record("typing %s", user)
	case m.MediaType() == body.TypeText:
		b.client.record("MSG %s %s", from.Handle, m.Text())
	default:
		b.client.record("MSG %s of %s", from.Handle, m.MediaType())
	}
	b.client.mu.Lock()
	defer b.client.mu.Unlock()
	switch {
	case b.dead:
		if delivered != nil {
			go delivered(false)
		}
		return false
	case b.client.slow:
		b.client.kept = append(b.client.kept, receipt{len(message), delivered})
	case delivered != nil:
		go delivered(!b.client.unread)
	}
	return true
}

// receipt is what a slow client's TCP stack has not acknowledged yet.
type receipt struct {
	size      int
	delivered func(bool)
}

// settle makes a slow client's TCP stack acknowledge what it has, or lose it.
// It returns how many bytes that were.
func (c *client) settle(ok bool) (size int) {
	c.mu.Lock()
	kept := c.kept
	c.kept = nil
	c.mu.Unlock()
	for _, r := range kept {
		size += r.size
		if r.delivered != nil {
			r.delivered(ok)
		}
	}
	return size
}

// Pause implements [msnp.Switchboard].
func (b *board) Pause() {
	b.client.mu.Lock()
	defer b.client.mu.Unlock()
	b.paused = true
}

// Hangup implements [msnp.Switchboard].
func (b *board) Hangup() {
	b.client.record("hung up")
	if b.conversation != nil {
		go b.conversation.Leave()
	}
}
