package xmpp

import (
	"context"
	"fmt"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// What others want to see of an account, and let it see (RFC 6121 §3). The
// functions that take a stanza are called by the goroutine that reads the stream;
// what they do is done in the sender's turn, and so in order.

// bareStanza is a presence between bare addresses: a question or a grant.
func (a *componentAccount) bareStanza(to bridge.RemoteID, kind string) *stream.Stanza {
	s := &stream.Stanza{Kind: stream.Presence, Type: kind, From: a.bare, To: string(to)}
	if name := xmlText(a.friendlyName()); kind == "subscribe" && name != "" {
		s.Children = append(s.Children, stream.NewText(nsNick, "nick", name))
	}
	return s
}

// sendTo sends a bareStanza.
func (a *componentAccount) sendTo(ctx context.Context, id bridge.RemoteID, kind string) error {
	if err := a.port.send(ctx, a.bareStanza(id, kind)); err != nil {
		return fmt.Errorf("send %s to %s: %w", kind, id, err)
	}
	return nil
}

// grant tells somebody that he may see the account, and what there is to see.
func (a *componentAccount) grant(ctx context.Context, id bridge.RemoteID) error {
	if err := a.sendTo(ctx, id, "subscribed"); err != nil {
		return err
	}
	return a.showTo(ctx, string(id))
}

// hideFrom tells somebody that he may not see the account.
func (a *componentAccount) hideFrom(ctx context.Context, id bridge.RemoteID) error {
	if err := a.sendTo(ctx, id, "unsubscribed"); err != nil {
		return err
	}
	gone := presenceStanza(bridge.Presence{Show: bridge.Offline}, "")
	gone.To = string(id)
	return a.port.send(ctx, gone)
}

// turnAway declines a wish that the user does not let through.
func (a *componentAccount) turnAway(id bridge.RemoteID) {
	_, err := a.change(a.life, id, func(s *subscription) { s.from, s.pending = false, false })
	if err == nil {
		err = a.sendTo(a.life, id, "unsubscribed")
	}
	if err != nil && a.life.Err() == nil {
		a.log.Debug().Err(err).Msg("Cannot decline a subscription; it will be asked for again")
	}
}

// inTurn does something about a stanza in its sender's turn.
func (a *componentAccount) inTurn(s *stream.Stanza, do func(ctx context.Context) error) {
	a.gateway.later(s, func() {
		if err := do(a.life); err != nil && a.life.Err() == nil {
			a.log.Warn().Err(err).Msg("Cannot deal with a subscription; the other side has to say it again")
		}
	})
}

// remember changes a subscription in the sender's turn.
func (a *componentAccount) remember(s *stream.Stanza, id bridge.RemoteID, f func(*subscription)) {
	a.inTurn(s, func(ctx context.Context) error {
		_, err := a.change(ctx, id, f)
		return err
	})
}

// wished takes in that somebody wishes to see the account.
func (a *componentAccount) wished(id bridge.RemoteID, s *stream.Stanza) {
	name, note := trimName(s.Child(nsNick, "nick").Chars()), lines(s.Text("status"))
	a.inTurn(s, func(ctx context.Context) error {
		before, err := a.change(ctx, id, func(s *subscription) { s.pending = !s.from })
		if err != nil {
			return err
		}
		if before.from { // a server that has forgotten
			return a.grant(ctx, id)
		}
		a.feed.put(bridge.ContactRequested{From: bridge.Contact{ID: id, Name: name}, Note: note}, nil)
		return nil
	})
}

// accepted takes in that the account may see somebody. What was not asked for is
// nothing to it.
func (a *componentAccount) accepted(id bridge.RemoteID, s *stream.Stanza) {
	a.remember(s, id, func(sub *subscription) {
		if sub.to != unasked {
			sub.to = granted
		}
	})
}

// abandoned takes in that somebody does not want to see the account any more.
func (a *componentAccount) abandoned(id bridge.RemoteID, s *stream.Stanza) {
	a.inTurn(s, func(ctx context.Context) error {
		_, err := a.change(ctx, id, func(s *subscription) { s.from, s.pending = false, false })
		if err != nil {
			return err
		}
		a.feed.put(bridge.ContactWithdrew{Contact: id}, nil)
		return a.hideFrom(ctx, id)
	})
}

// rejected takes in that the account may not, or no longer, see somebody.
func (a *componentAccount) rejected(id bridge.RemoteID, s *stream.Stanza) {
	a.inTurn(s, func(ctx context.Context) error {
		before, err := a.change(ctx, id, func(s *subscription) {
			if s.to != unasked {
				s.to = refused
			}
		})
		if before.to != unasked {
			a.forget(id)
			a.tell(id, bridge.Presence{Show: bridge.Unknown})
		}
		return err
	})
}
