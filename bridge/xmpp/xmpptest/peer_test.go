package xmpptest

import (
	"testing"
)

// signIn makes an account and signs in with a client that ends with the test;
// with another peer it shares that one's process.
func signIn(t *testing.T, s *Server, name string, with *Peer) *Peer {
	t.Helper()
	ctx := testContext(t)
	jid, password, err := s.CreateUser(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	var p *Peer
	if with == nil {
		p, err = Login(ctx, s, jid, password)
	} else {
		p, err = with.Also(ctx, s, jid, password)
	}
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

func TestConversation(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		t.Parallel()
		ctx := testContext(t)
		s := start(t, Options{Kind: kind})
		bob := signIn(t, s, "bob", nil)
		carol := signIn(t, s, "carol", bob)
		if err := bob.Befriend(ctx, carol); err != nil {
			t.Fatal(err)
		}
		id, err := bob.Say(ctx, carol.Bare(), "Hällo & <good> day 🙂")
		if err != nil {
			t.Fatal(err)
		}
		message, err := carol.WaitMessage(ctx, bob.Bare(), "Hällo & <good> day 🙂")
		if err != nil {
			t.Fatal(err)
		}
		if message.ID() != id || message.ChatState() != "active" || message.From() != bob.JID {
			t.Errorf("%s", message.XML)
		}
		if _, err := bob.WaitReceipt(ctx, carol.Bare(), id); err != nil {
			t.Error(err)
		}
	})
}
