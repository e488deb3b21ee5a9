package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// bounce is what deliver says of a message that came back.
func bounce(kind, condition string) error {
	return fmt.Errorf("%w: %w", stream.ErrBounced, &stream.StanzaError{Type: kind, Condition: condition})
}

func TestSend(t *testing.T) {
	a, port, _ := newTestAccount(t)
	m := bridge.Outgoing{ID: "out-1", Chat: withBob, Text: "hi\x01 <there>", Sent: time.Now()}
	if err := a.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	s := port.last(t)
	if s.Type != "chat" || s.To != "bob@x.org" || s.ID != "out-1" || s.Text("body") != "hi <there>" ||
		s.Child(nsSID, "origin-id").Attribute("id") != "out-1" || s.Child(nsReceipts, "request") == nil ||
		s.Child(nsChatStates, "active") == nil || s.Child(nsDelay, "delay") != nil {
		t.Errorf("%+v", s)
	}
	m.Sent = time.Now().Add(-time.Hour)
	if err := a.Send(t.Context(), m); err != nil || port.last(t).Child(nsDelay, "delay") == nil {
		t.Errorf("a late message has no time: %v", err)
	}
	m.Chat = bridge.Chat{Contact: "room@c.x/Bob"}
	if err := a.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if s := port.last(t); s.Type != "chat" || s.To != "room@c.x/Bob" || s.Child(nsReceipts, "request") != nil || s.Child(nsMUCUser, "x") == nil {
		t.Errorf("%+v", s)
	}
}

// A look goes as styling in the text, and as XHTML-IM beside it.
func TestSendLook(t *testing.T) {
	a, port, _ := newTestAccount(t)
	m := bridge.Outgoing{ID: "out-1", Chat: withBob, Text: "a < b\nc", Style: text.Style{Bold: true, Font: "Comic Sans MS", Color: 0x00ff00, Colored: true}}
	if err := a.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	s := port.last(t)
	if body := s.Text("body"); body != "*a < b*\n*c*" {
		t.Errorf("%q", body)
	}
	if back := readRich(s, s.Text("body"), true); back.Text != m.Text || back.Style != m.Style {
		t.Errorf("%+v", back)
	}
}

func TestSendRefused(t *testing.T) {
	for condition, refused := range map[string]bool{
		"cancel service-unavailable": true, "auth forbidden": true, "modify policy-violation": true,
		"wait resource-constraint": false, "wait recipient-unavailable": false, "wait remote-server-timeout": false,
	} {
		a, port, _ := newTestAccount(t)
		kind, name, _ := strings.Cut(condition, " ")
		port.onDeliver = func(*stream.Stanza) error { return bounce(kind, name) }
		err := a.Send(t.Context(), bridge.Outgoing{ID: "out-1", Chat: withBob, Text: "x"})
		if err == nil || errors.Is(err, bridge.ErrRefused) != refused || !strings.Contains(err.Error(), reasons[name]) {
			t.Errorf("%s: %v", condition, err)
		}
	}
	a, port, _ := newTestAccount(t)
	port.onDeliver = func(*stream.Stanza) error { return stream.ErrNotConnected }
	if err := a.Send(t.Context(), bridge.Outgoing{ID: "out-1", Chat: withBob, Text: "x"}); !errors.Is(err, stream.ErrNotConnected) || errors.Is(err, bridge.ErrRefused) {
		t.Errorf("%v", err)
	}
}

// XEP-0296: answers go where the last word came from, until that changes.
func TestSendGoesToTheSessionLastHeardFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, _ := newTestAccount(t)
		heard := func(from string) {
			a.message(read(t, `<message from='`+from+`' id='0123456789'><body>x</body></message>`), nil)
			synctest.Wait()
		}
		send := func() string {
			if err := a.Send(t.Context(), bridge.Outgoing{ID: "out-1", Chat: withBob, Text: "x"}); err != nil {
				t.Error(err)
			}
			return port.last(t).To
		}
		heard("bob@x.org/phone")
		if to := send(); to != "bob@x.org/phone" {
			t.Error(to)
		}
		heard("bob@x.org/work")
		if to := send(); to != "bob@x.org/work" {
			t.Error(to)
		}
		if a.rooms.take(read(t, `<presence from='bob@x.org/phone'/>`), nil) {
			t.Error("a person's presence is taken for a room's")
		}
		if to := send(); to != "bob@x.org" {
			t.Error(to)
		}
		heard("bob@x.org/work")
		port.onDeliver = func(s *stream.Stanza) error {
			if s.To == "bob@x.org/work" {
				return bounce("cancel", "service-unavailable")
			}
			return nil
		}
		if to := send(); to != "bob@x.org" {
			t.Error("a session that is gone gets the message: " + to)
		}
	})
}

// A message whose acceptance was not heard of, but whose receipt was, has arrived.
func TestReceiptSparesTheSecondTry(t *testing.T) {
	a, port, _ := newTestAccount(t)
	port.onDeliver = func(s *stream.Stanza) error {
		a.message(read(t, `<message from='bob@x.org/phone' id='r'><received xmlns='urn:xmpp:receipts' id='`+s.ID+`'/></message>`), nil)
		return stream.ErrNotConnected
	}
	for range 2 {
		if err := a.Send(t.Context(), bridge.Outgoing{ID: "out-1", Chat: withBob, Text: "x"}); err != nil {
			t.Error(err)
		}
	}
	if n := len(port.all()); n != 1 {
		t.Errorf("sent %d times", n)
	}
	port.onDeliver = func(s *stream.Stanza) error {
		a.message(read(t, `<message from='carol@x.org/phone' id='r'><received xmlns='urn:xmpp:receipts' id='`+s.ID+`'/></message>`), nil)
		return stream.ErrNotConnected
	}
	if err := a.Send(t.Context(), bridge.Outgoing{ID: "out-2", Chat: withBob, Text: "x"}); err == nil {
		t.Error("somebody else's receipt counts")
	}
}

func TestTyping(t *testing.T) {
	a, port, _ := newTestAccount(t)
	for typing, want := range map[bool]string{true: "composing", false: "paused"} {
		if err := a.Typing(t.Context(), withBob, typing); err != nil {
			t.Fatal(err)
		}
		if s := port.last(t); s.To != "bob@x.org" || s.Child(nsChatStates, want) == nil || s.Child(nsHints, "no-store") == nil || s.Text("body") != "" {
			t.Errorf("%+v", s)
		}
	}
}

// A silent server does not keep anybody off the list.
func TestLookupOfTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := newTestAccount(t)
		a.port = silentPort{}
		if c, err := a.Lookup(t.Context(), "bob@x.org"); err != nil || c != bob {
			t.Errorf("%+v, %v", c, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Lookup(ctx, "bob@x.org"); err == nil || errors.Is(err, bridge.ErrNoSuchContact) {
			t.Errorf("out of time: %v", err)
		}
	})
}

// silentPort never answers.
type silentPort struct{ port }

func (silentPort) query(ctx context.Context, _ *stream.Stanza) (*stream.Stanza, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestLookup(t *testing.T) {
	answer := func(source string) func(*stream.Stanza) (*stream.Stanza, error) {
		return func(*stream.Stanza) (*stream.Stanza, error) { return readStanza(source) }
	}
	refuse := func(kind, condition string) func(*stream.Stanza) (*stream.Stanza, error) {
		return func(*stream.Stanza) (*stream.Stanza, error) {
			return nil, &stream.StanzaError{Type: kind, Condition: condition}
		}
	}
	for name, c := range map[string]struct {
		disco, pep, card func(*stream.Stanza) (*stream.Stanza, error)
		want             bridge.Contact
		none, failed     bool
	}{
		"room": {disco: answer(`<iq><query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='text' name='Tea'/></query></iq>`),
			want: bridge.Contact{ID: "bob@x.org", Name: "Tea", Room: true}},
		"stranger": {want: bridge.Contact{ID: "bob@x.org"}},
		"nickname": {pep: answer(`<iq><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='http://jabber.org/protocol/nick'><item><nick xmlns='http://jabber.org/protocol/nick'> Bobby </nick></item></items></pubsub></iq>`),
			want: bridge.Contact{ID: "bob@x.org", Name: "Bobby"}},
		"card":         {card: answer(`<iq><vCard xmlns='vcard-temp'><FN>Robert</FN></vCard></iq>`), want: bridge.Contact{ID: "bob@x.org", Name: "Robert"}},
		"empty answer": {disco: answer(`<iq/>`), card: answer(`<iq/>`), want: bridge.Contact{ID: "bob@x.org"}},
		"nobody":       {disco: refuse("cancel", "item-not-found"), none: true},
		"no server":    {disco: refuse("cancel", "remote-server-not-found"), none: true},
		"slow server":  {disco: refuse("wait", "remote-server-timeout"), failed: true},
		"no stream":    {disco: func(*stream.Stanza) (*stream.Stanza, error) { return nil, stream.ErrNotConnected }, failed: true},
	} {
		t.Run(name, func(t *testing.T) {
			a, port, _ := newTestAccount(t)
			port.onQuery = func(s *stream.Stanza) (*stream.Stanza, error) {
				f := c.disco
				switch s.Children[0].Name.Space {
				case nsPubSub:
					f = c.pep
				case nsVCard:
					f = c.card
				}
				if f == nil {
					return nil, &stream.StanzaError{Type: "cancel", Condition: "service-unavailable"}
				}
				return f(s)
			}
			got, err := a.Lookup(t.Context(), "bob@x.org")
			if got != c.want || errors.Is(err, bridge.ErrNoSuchContact) != c.none || (err != nil) != (c.none || c.failed) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
