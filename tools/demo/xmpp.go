package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"papillon/bridge/xmpp/xmpptest"
	"papillon/msnp"
)

// xmppNetwork shows XMPP: the server Prosody with Papillon as its component.
type xmppNetwork struct {
	server *xmpptest.Server
	people map[string]*xmppPerson
}

func (*xmppNetwork) title() string { return "XMPP" }

func (n *xmppNetwork) self() string { return "alice@" + n.server.ComponentDomain }

// settings implements network: Prosody runs from here on, because it chooses
// its ports itself.
func (n *xmppNetwork) settings() ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sceneTimeout)
	defer cancel()
	server, err := xmpptest.Start(ctx, xmpptest.Options{})
	if err != nil {
		return nil, err
	}
	n.server, n.people = server, make(map[string]*xmppPerson)
	return []string{
		"PAPILLON_XMPP_COMPONENT_ADDRESS=" + server.ComponentAddress,
		"PAPILLON_XMPP_COMPONENT_DOMAIN=" + server.ComponentDomain,
		"PAPILLON_XMPP_COMPONENT_SECRET=" + server.Secret,
	}, nil
}

func (n *xmppNetwork) start(ctx context.Context, _ string, out *printer) error {
	out.note("the XMPP server Prosody runs for %s, with a component %s", n.server.Domain, n.server.ComponentDomain)
	var first *xmpptest.Peer
	for _, name := range []string{"bob", "carol"} {
		jid, password, err := n.server.CreateUser(ctx, name)
		if err != nil {
			return err
		}
		var peer *xmpptest.Peer
		if first == nil {
			peer, err = xmpptest.Login(ctx, n.server, jid, password)
			first = peer
		} else {
			peer, err = first.Also(ctx, n.server, jid, password)
		}
		if err != nil {
			return err
		}
		n.people[name] = &xmppPerson{Peer: peer, alice: n.self()}
		shown := strings.ToUpper(name[:1]) + name[1:]
		if err := errors.Join(peer.SetVCard(ctx, "<FN>"+shown+"</FN>"), peer.SetNick(ctx, shown)); err != nil {
			return fmt.Errorf("name %s: %w", name, err)
		}
	}
	return nil
}

// connected implements network: the server answers for a component that is not
// there, with an error.
func (n *xmppNetwork) connected(ctx context.Context) error {
	for {
		_, _, err := n.people["bob"].DiscoInfo(ctx, n.server.ComponentDomain, "")
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("wait for Papillon at Prosody: %w", err)
		}
	}
}

func (n *xmppNetwork) bob() person { return n.people["bob"] }

func (n *xmppNetwork) carol() person { return n.people["carol"] }

// scenes implements network: the demo shows nothing that only XMPP has.
func (*xmppNetwork) scenes(*conversation) []scene { return nil }

func (n *xmppNetwork) invite() string {
	return fmt.Sprintf(`and with an XMPP client that trusts the authority in %s:

    server      %s
    users       bob@%s (password %s), carol@%s (password %s)`,
		n.server.CAFile, n.server.ClientAddress, n.server.Domain, xmpptest.Password("bob"), n.server.Domain, xmpptest.Password("carol"))
}

func (n *xmppNetwork) stop() error {
	var errs []error
	for _, p := range n.people {
		errs = append(errs, p.Close())
	}
	if n.server != nil {
		errs = append(errs, n.server.Stop())
	}
	return errors.Join(errs...)
}

// xmppPerson is somebody with an XMPP client.
type xmppPerson struct {
	*xmpptest.Peer
	alice string // her address
}

func (p *xmppPerson) address() string { return p.Bare() }

func (p *xmppPerson) handle() string { return p.Bare() }

// meet implements person: alice's request is accepted and returned, as clients
// do after one press of a button.
func (p *xmppPerson) meet(ctx context.Context) error {
	if _, err := p.WaitSubscription(ctx, p.alice, "subscribe"); err != nil {
		return err
	}
	return errors.Join(p.Subscribed(ctx, p.alice), p.Subscribe(ctx, p.alice))
}

// join implements person: on XMPP, a message needs no room.
func (p *xmppPerson) join(context.Context) error { return nil }

func (p *xmppPerson) approach(ctx context.Context) error { return p.Subscribe(ctx, p.alice) }

func (p *xmppPerson) say(ctx context.Context, words string) error {
	_, err := p.Say(ctx, p.alice, words)
	return err
}

func (p *xmppPerson) read(ctx context.Context, words string) error {
	_, err := p.WaitMessage(ctx, p.alice, words)
	return err
}

func (p *xmppPerson) typeOn(ctx context.Context) error {
	return p.SetChatState(ctx, p.alice, "composing")
}

func (p *xmppPerson) seeTyping(ctx context.Context) error {
	_, err := p.WaitChatState(ctx, p.alice, "composing")
	return err
}

func (p *xmppPerson) show(ctx context.Context, status msnp.Status) error {
	switch status {
	case msnp.Online:
		return p.SetPresence(ctx, "", "", 0)
	case msnp.Away:
		return p.SetPresence(ctx, "away", "", 0)
	case msnp.Offline:
		return p.GoOffline(ctx)
	}
	return errors.New("there is no presence for " + string(status))
}

func (p *xmppPerson) see(ctx context.Context, status msnp.Status) error {
	_, err := p.Wait(ctx, "alice to be "+string(status), func(evt *xmpptest.Event) bool {
		if evt.Kind != "presence" || !evt.IsFrom(p.alice) {
			return false
		}
		if status == msnp.Offline {
			return evt.Type() == "unavailable"
		}
		return evt.Type() == "" && evt.Show() == "dnd"
	})
	return err
}
