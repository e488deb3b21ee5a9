package xmpptest

import (
	"context"
	"fmt"
	"strings"
)

// SetPresence shows the person as available to all subscribers, with a show (""
// is plain available), a status text and a priority. It is shown again after
// each later connection.
func (p *Peer) SetPresence(ctx context.Context, show, status string, priority int) error {
	return p.show(ctx, map[string]any{"pshow": show, "pstatus": status, "ppriority": priority})
}

// GoOffline shows the person as unavailable; the connection stays.
func (p *Peer) GoOffline(ctx context.Context) error {
	return p.show(ctx, map[string]any{"ptype": "unavailable"})
}

func (p *Peer) show(ctx context.Context, presence map[string]any) error {
	if _, err := p.do(ctx, "presence", presence); err != nil {
		return fmt.Errorf("set presence of %s: %w", p.JID, err)
	}
	return nil
}

// Subscribe asks to see somebody's presence.
func (p *Peer) Subscribe(ctx context.Context, to string) error {
	return p.sendPresence(ctx, to, "subscribe")
}

// Subscribed lets somebody see this person's presence.
func (p *Peer) Subscribed(ctx context.Context, to string) error {
	return p.sendPresence(ctx, to, "subscribed")
}

// Unsubscribe gives up somebody's presence.
func (p *Peer) Unsubscribe(ctx context.Context, to string) error {
	return p.sendPresence(ctx, to, "unsubscribe")
}

// Unsubscribed refuses a request, or lets somebody not see this person's
// presence any more.
func (p *Peer) Unsubscribed(ctx context.Context, to string) error {
	return p.sendPresence(ctx, to, "unsubscribed")
}

// Probe asks somebody's server for the presence, as servers do.
func (p *Peer) Probe(ctx context.Context, to string) error { return p.sendPresence(ctx, to, "probe") }

func (p *Peer) sendPresence(ctx context.Context, to, kind string) error {
	return p.perform(ctx, "", "send_presence", map[string]any{"pto": to, "ptype": kind})
}

// Contact is an entry of a roster.
type Contact struct {
	JID, Name    string
	Subscription string // none, to, from or both
	Asked        bool   // a request is under way
	Groups       []string
}

// Roster asks the server for the roster.
func (p *Peer) Roster(ctx context.Context) ([]Contact, error) {
	answer, err := p.IQ(ctx, "get", "", `<query xmlns="jabber:iq:roster"/>`)
	if err != nil {
		return nil, err
	}
	var contacts []Contact
	for _, item := range answer.Child("jabber:iq:roster", "query").all("item") {
		c := Contact{
			JID: item.Attr("jid"), Name: item.Attr("name"), Subscription: item.Attr("subscription"), Asked: item.Attr("ask") != "",
		}
		for _, group := range item.all("group") {
			c.Groups = append(c.Groups, group.Text)
		}
		contacts = append(contacts, c)
	}
	return contacts, nil
}

// all returns the children of that name.
func (e *Element) all(local string) (found []*Element) {
	if e == nil {
		return nil
	}
	for i := range e.Children {
		if e.Children[i].XMLName.Local == local {
			found = append(found, &e.Children[i])
		}
	}
	return found
}

// AddContact puts somebody into the roster, or changes name and groups there.
// It does not subscribe.
func (p *Peer) AddContact(ctx context.Context, jid, name string, groups ...string) error {
	var item strings.Builder
	fmt.Fprintf(&item, `<query xmlns="jabber:iq:roster"><item jid="%s" name="%s">`, escape(jid), escape(name))
	for _, group := range groups {
		fmt.Fprintf(&item, "<group>%s</group>", escape(group))
	}
	_, err := p.IQ(ctx, "set", "", item.String()+"</item></query>")
	return err
}

// RemoveContact takes somebody out of the roster, with the subscriptions.
func (p *Peer) RemoveContact(ctx context.Context, jid string) error {
	_, err := p.IQ(ctx, "set", "",
		`<query xmlns="jabber:iq:roster"><item jid="`+escape(jid)+`" subscription="remove"/></query>`)
	return err
}

// Befriend makes two people see each other's presence, as after a request that
// each has accepted.
func (p *Peer) Befriend(ctx context.Context, other *Peer) error {
	for _, pair := range [][2]*Peer{{p, other}, {other, p}} {
		asks, answers := pair[0], pair[1]
		if err := asks.Subscribe(ctx, answers.Bare()); err != nil {
			return err
		}
		if _, err := answers.WaitSubscription(ctx, asks.Bare(), "subscribe"); err != nil {
			return err
		}
		if err := answers.Subscribed(ctx, asks.Bare()); err != nil {
			return err
		}
		if _, err := asks.WaitSubscription(ctx, answers.Bare(), "subscribed"); err != nil {
			return err
		}
	}
	return nil
}

// Block hides this person from somebody and drops what they send (XEP-0191).
func (p *Peer) Block(ctx context.Context, jid string) error {
	_, err := p.query(ctx, "xep_0191", "block", map[string]any{"jids": jid})
	return err
}

// Unblock undoes [Peer.Block].
func (p *Peer) Unblock(ctx context.Context, jid string) error {
	_, err := p.query(ctx, "xep_0191", "unblock", map[string]any{"jids": jid})
	return err
}

// SetNick publishes a nickname (XEP-0172).
func (p *Peer) SetNick(ctx context.Context, nick string) error {
	_, err := p.query(ctx, "xep_0172", "publish_nick", map[string]any{"nick": nick})
	return err
}
