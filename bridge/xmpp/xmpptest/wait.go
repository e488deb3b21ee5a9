package xmpptest

import (
	"context"
	"fmt"
)

// WaitMessage waits for a message with that text, of any type but error, sent
// to this resource itself: carbon copies are found by [Peer.WaitCarbon].
func (p *Peer) WaitMessage(ctx context.Context, from, body string) (*Event, error) {
	return p.Wait(ctx, fmt.Sprintf("%q from %s", body, from), func(evt *Event) bool {
		return evt.Kind == "message" && evt.Type() != "error" && evt.IsFrom(from) && evt.Body() == body
	})
}

// WaitCarbon waits for a carbon copy of a message with that text, which this
// person sent or received with another client.
func (p *Peer) WaitCarbon(ctx context.Context, from, body string) (*Event, error) {
	return p.Wait(ctx, fmt.Sprintf("a carbon copy of %q from %s", body, from), func(evt *Event) bool {
		inner, _ := evt.Carbon()
		return inner != nil && evt.IsFrom(p.Bare()) && inner.IsFrom(from) && inner.Body() == body
	})
}

// WaitChild waits for a message from somebody that has a child of that name,
// such as a correction, a reaction or a file.
func (p *Peer) WaitChild(ctx context.Context, from, space, local string) (*Event, error) {
	return p.Wait(ctx, fmt.Sprintf("a message with %s from %s", local, from), func(evt *Event) bool {
		return evt.Kind == "message" && evt.IsFrom(from) && evt.Child(space, local) != nil
	})
}

// WaitError waits for a message that came back from somebody as an error.
func (p *Peer) WaitError(ctx context.Context, from, id string) (*Event, error) {
	return p.Wait(ctx, "an error about message "+id, func(evt *Event) bool {
		return evt.Kind == "message" && evt.Type() == "error" && evt.IsFrom(from) && evt.ID() == id
	})
}

// WaitChatState waits for a chat state such as composing (XEP-0085).
func (p *Peer) WaitChatState(ctx context.Context, from, state string) (*Event, error) {
	return p.Wait(ctx, fmt.Sprintf("%s to be %s", from, state), func(evt *Event) bool {
		return evt.Kind == "message" && evt.IsFrom(from) && evt.ChatState() == state
	})
}

// WaitReceipt waits until somebody says that a message arrived (XEP-0184).
func (p *Peer) WaitReceipt(ctx context.Context, from, id string) (*Event, error) {
	return p.Wait(ctx, fmt.Sprintf("a receipt from %s for %s", from, id), func(evt *Event) bool {
		return evt.Kind == "message" && evt.IsFrom(from) && evt.Receipt() == id
	})
}

// WaitPresence waits for somebody to be available with that show, "" for plain
// available, and that status text.
func (p *Peer) WaitPresence(ctx context.Context, from, show, status string) (*Event, error) {
	return p.Wait(ctx, fmt.Sprintf("%s to be available %s (%q)", from, show, status), func(evt *Event) bool {
		return evt.Kind == "presence" && evt.Type() == "" && evt.IsFrom(from) && evt.Show() == show && evt.Status() == status
	})
}

// WaitUnavailable waits for somebody to go offline, or to leave a room.
func (p *Peer) WaitUnavailable(ctx context.Context, from string) (*Event, error) {
	return p.waitPresenceType(ctx, from, "unavailable")
}

// WaitSubscription waits for a presence of one of the kinds that are about
// subscriptions: subscribe, subscribed, unsubscribe or unsubscribed.
func (p *Peer) WaitSubscription(ctx context.Context, from, kind string) (*Event, error) {
	return p.waitPresenceType(ctx, from, kind)
}

func (p *Peer) waitPresenceType(ctx context.Context, from, kind string) (*Event, error) {
	return p.Wait(ctx, kind+" from "+from, func(evt *Event) bool {
		return evt.Kind == "presence" && evt.Type() == kind && evt.IsFrom(from)
	})
}

// WaitIQ waits for a query whose payload is of that namespace. A roster push is
// one of jabber:iq:roster; an empty from stands for the own server.
func (p *Peer) WaitIQ(ctx context.Context, from, kind, space string) (*Event, error) {
	return p.Wait(ctx, fmt.Sprintf("an IQ %s about %s from %s", kind, space, from), func(evt *Event) bool {
		return evt.Kind == "iq" && evt.Type() == kind && len(evt.Children) > 0 && evt.Children[0].XMLName.Space == space &&
			(from != "" && evt.IsFrom(from) || from == "" && (evt.From() == "" || evt.IsFrom(p.Bare())))
	})
}

// WaitInvite waits for an invitation to a room, by the room (XEP-0045 §7.8.2)
// or directly (XEP-0249), and returns it; the first is the one with a muc#user
// child.
func (p *Peer) WaitInvite(ctx context.Context, room string) (*Event, error) {
	return p.Wait(ctx, "an invitation to "+room, func(evt *Event) bool {
		mediated := evt.Child("http://jabber.org/protocol/muc#user", "x").Child("", "invite") != nil && evt.IsFrom(room)
		direct := evt.Child("jabber:x:conference", "x").Attr("jid") == room
		return evt.Kind == "message" && (mediated || direct)
	})
}

// WaitConnected waits until the person has signed in once more than before.
// The login itself is the first time.
func (p *Peer) WaitConnected(ctx context.Context) error {
	_, err := p.Wait(ctx, "its connection", func(evt *Event) bool { return evt.Kind == "connected" })
	return err
}

// WaitDisconnected waits until the person has lost the connection.
func (p *Peer) WaitDisconnected(ctx context.Context) error {
	_, err := p.Wait(ctx, "the end of its connection", func(evt *Event) bool { return evt.Kind == "disconnected" })
	return err
}
