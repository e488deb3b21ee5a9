package xmpp

import (
	"context"
	"errors"
	"fmt"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// readBlockList reads who is blocked (XEP-0191). Its changes come by themselves
// from then on.
func (s *session) readBlockList(ctx context.Context) error {
	answer, err := s.account.query(ctx, "", stream.NewElement(nsBlock, "blocklist"))
	if err != nil {
		return err
	}
	event := bridge.BlockListReceived{}
	blocked := make(map[bridge.RemoteID]bool)
	for _, e := range answer.All(nsBlock, "item") {
		if id, ok := blockedPerson(e); ok {
			blocked[id] = true
			event.Blocked = append(event.Blocked, id)
		}
	}
	s.mu.Lock()
	s.blocked = blocked
	s.mu.Unlock()
	s.account.feed.put(event, nil)
	return nil
}

// blockedPerson reads an entry of the list. Whole servers and single sessions may
// stand there, too; MSN has no place for them, and the server heeds them by
// itself.
func blockedPerson(e *stream.Element) (bridge.RemoteID, bool) {
	address := e.Attribute("jid")
	id, ok := bareID(address)
	return id, ok && !isServer(address) && stream.Resource(address) == ""
}

// blockPushed takes in that somebody was blocked, or let in again, by this session
// or another.
func (s *session) blockPushed(q *stream.Element, blocked bool) {
	items := q.All(nsBlock, "item")
	if !blocked && len(items) == 0 { // everybody is let in again
		s.mu.Lock()
		s.blocked = make(map[bridge.RemoteID]bool)
		s.mu.Unlock()
		s.account.feed.put(bridge.BlockListReceived{}, nil)
		return
	}
	for _, e := range items {
		id, ok := blockedPerson(e)
		if !ok {
			continue
		}
		s.mu.Lock()
		if blocked {
			s.blocked[id] = true
		} else {
			delete(s.blocked, id)
		}
		s.mu.Unlock()
		s.account.feed.put(bridge.BlockChanged{Contact: id, Blocked: blocked}, nil)
	}
}

// setBlocked changes the list, if it is not as it should be. A server that has none
// leaves the keeping away to the gateway.
func (s *session) setBlocked(ctx context.Context, id bridge.RemoteID, blocked bool) error {
	s.mu.Lock()
	is := s.blocked[id]
	s.mu.Unlock()
	if is == blocked {
		return nil
	}
	name := "block"
	if !blocked {
		name = "unblock"
	}
	change := stream.NewElement(nsBlock, name).With(stream.NewElement(nsBlock, "item", "jid", string(id)))
	_, err := s.account.ask(ctx, "set", "", change)
	var refusal *stream.StanzaError
	if errors.As(err, &refusal) && (refusal.Condition == "service-unavailable" || refusal.Condition == "feature-not-implemented") {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, id, final(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if blocked {
		s.blocked[id] = true
	} else {
		delete(s.blocked, id)
	}
	return nil
}

// final marks what a server will never do.
func final(err error) error {
	var refusal *stream.StanzaError
	if errors.As(err, &refusal) && refusal.Type != "wait" {
		return fmt.Errorf("%w: %w", bridge.ErrRefused, err)
	}
	return err
}
