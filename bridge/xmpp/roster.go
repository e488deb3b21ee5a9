package xmpp

import (
	"context"
	"fmt"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// rosterItem is an entry of the roster (RFC 6121 §2.1). Its groups are kept as
// they are in every change: MSN's groups are not theirs.
type rosterItem struct {
	jid, name, subscription, ask string
	groups                       []*stream.Element
}

// readItem reads one; ok is false for what is no address.
func readItem(e *stream.Element) (id bridge.RemoteID, item rosterItem, ok bool) {
	id, ok = bareID(e.Attribute("jid"))
	return id, rosterItem{
		jid: e.Attribute("jid"), name: e.Attribute("name"), subscription: e.Attribute("subscription"), ask: e.Attribute("ask"),
		groups: e.All(nsRoster, "group"),
	}, ok && !isServer(string(id))
}

// sees says whether the account sees the contact, watches whether the contact
// sees the account.
func (i rosterItem) sees() bool    { return i.subscription == "to" || i.subscription == "both" }
func (i rosterItem) watches() bool { return i.subscription == "from" || i.subscription == "both" }

// entry is the item in the gateway's words. Who sees the account and is not seen
// by it stands on the roster for that alone.
func (i rosterItem) entry(id bridge.RemoteID) bridge.RosterEntry {
	return bridge.RosterEntry{
		Contact: bridge.Contact{ID: id, Name: trimName(i.name)}, Watches: i.watches(),
		Unlisted: i.subscription == "from" && i.ask == "",
	}
}

// readRoster reads the whole roster and hands it to the gateway. Its changes come
// by themselves from then on.
func (s *session) readRoster(ctx context.Context) error {
	a := s.account
	answer, err := a.query(ctx, "", stream.NewElement(nsRoster, "query"))
	if err != nil {
		return err
	}
	if err := a.rooms.load(ctx); err != nil {
		a.log.Info().Err(err).Msg("Cannot read all bookmarks")
	}
	roster := make(map[bridge.RemoteID]rosterItem)
	event := bridge.RosterReceived{}
	for _, e := range answer.All(nsRoster, "item") {
		if id, item, ok := readItem(e); ok && item.subscription != "remove" {
			roster[id] = item
			event.Entries = append(event.Entries, item.entry(id))
		}
	}
	event.Entries = append(event.Entries, a.rooms.entries()...)
	s.mu.Lock()
	s.roster = roster
	s.mu.Unlock()
	a.contacts.reset()
	a.feed.put(event, nil)
	a.feed.call(func(context.Context) {
		s.mu.Lock()
		defer s.mu.Unlock()
		mark(&s.once.rosterTold, s.rosterTold)
	})
	return nil
}

// rosterPushed takes in a change of the roster, made by this session or another.
func (s *session) rosterPushed(q *stream.Element) {
	for _, e := range q.All(nsRoster, "item") {
		id, item, ok := readItem(e)
		if !ok {
			continue
		}
		removed := item.subscription == "remove"
		s.mu.Lock()
		if removed {
			delete(s.roster, id)
		} else {
			s.roster[id] = item
		}
		s.mu.Unlock()
		s.account.feed.put(bridge.RosterChanged{Entry: item.entry(id), Removed: removed}, nil)
	}
}

// item returns an entry of the roster.
func (s *session) item(id bridge.RemoteID) (rosterItem, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.roster[id]
	return item, ok
}

// setItem changes an entry of the roster, or makes it.
func (s *session) setItem(ctx context.Context, id bridge.RemoteID, name string, groups []*stream.Element) error {
	item := stream.NewElement(nsRoster, "item", "jid", string(id), "name", xmlText(name)).With(groups...)
	_, err := s.account.ask(ctx, "set", "", stream.NewElement(nsRoster, "query").With(item))
	return final(err)
}

// presenceTo sends a presence that grants or asks for something.
func (s *session) presenceTo(ctx context.Context, id bridge.RemoteID, kind string) error {
	p := &stream.Stanza{Kind: stream.Presence, Type: kind, To: string(id)}
	if name := xmlText(s.account.friendlyName()); kind == "subscribe" && name != "" {
		p.Children = append(p.Children, stream.NewText(nsNick, "nick", name))
	}
	return s.client.Send(ctx, p)
}

// Follow implements [bridge.Account]: the roster is to have the contact, and the
// contact is asked, unless that was done before.
func (a *loginAccount) Follow(ctx context.Context, contact bridge.Contact) error {
	s, err := a.prepared(ctx)
	if err != nil {
		return fmt.Errorf("add %s: %w", contact.ID, err)
	}
	switch {
	case contact.Room:
		return a.rooms.follow(ctx, contact.ID)
	case isOccupant(contact.ID) || isServer(string(contact.ID)):
		return nil // nobody whom a roster could have
	}
	item, known := s.item(contact.ID)
	if !known {
		name := contact.Name
		if name == string(contact.ID) {
			name = ""
		}
		if err := s.setItem(ctx, contact.ID, name, nil); err != nil {
			return fmt.Errorf("add %s to the roster: %w", contact.ID, err)
		}
	}
	if item.sees() || item.ask == "subscribe" {
		return nil
	}
	if err := s.presenceTo(ctx, contact.ID, "subscribe"); err != nil {
		return fmt.Errorf("ask for the presence of %s: %w", contact.ID, err)
	}
	return nil
}

// Unfollow implements [bridge.Account]. Who sees the account goes on seeing it:
// taking the entry off the roster would end that, too.
func (a *loginAccount) Unfollow(ctx context.Context, id bridge.RemoteID) error {
	s, err := a.prepared(ctx)
	if err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	if a.rooms.has(string(id)) {
		return a.Leave(ctx, id)
	}
	item, known := s.item(id)
	switch {
	case !known:
		return nil
	case item.watches():
		if !item.sees() && item.ask == "" {
			return nil
		}
		if err := s.presenceTo(ctx, id, "unsubscribe"); err != nil {
			return fmt.Errorf("unsubscribe from %s: %w", id, err)
		}
		return nil
	}
	remove := stream.NewElement(nsRoster, "item", "jid", string(id), "subscription", "remove")
	if _, err := a.ask(ctx, "set", "", stream.NewElement(nsRoster, "query").With(remove)); err != nil {
		return fmt.Errorf("remove %s from the roster: %w", id, final(err))
	}
	return nil
}

// RenameContact implements [bridge.RosterKeeper].
func (a *loginAccount) RenameContact(ctx context.Context, id bridge.RemoteID, name string) error {
	s, err := a.prepared(ctx)
	if err != nil {
		return fmt.Errorf("rename %s: %w", id, err)
	}
	item, known := s.item(id)
	if !known || item.name == name {
		return nil // a room, or somebody who is gone
	}
	if err := s.setItem(ctx, id, name, item.groups); err != nil {
		return fmt.Errorf("rename %s: %w", id, err)
	}
	return nil
}

// prepared returns a session that knows the roster.
func (a *loginAccount) prepared(ctx context.Context) (*session, error) {
	s, err := a.awake(ctx)
	if err != nil {
		return nil, err
	}
	select {
	case <-s.rosterTold:
		return s, nil
	case <-s.failed:
		return nil, s.failure()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Allow implements [bridge.Gatekeeper]. Who is not on the roster and has not asked is not
// told: a server takes that for leave given in advance (RFC 6121 §3.4), and puts on the
// roster whom the user has only let in again. If he asks later, the gateway comes back.
func (a *loginAccount) Allow(ctx context.Context, id bridge.RemoteID) error {
	s, err := a.prepared(ctx)
	if err != nil {
		return fmt.Errorf("allow %s: %w", id, err)
	}
	if ok, err := a.rooms.accept(ctx, id); ok || err != nil {
		return err
	}
	if isOccupant(id) || isServer(string(id)) {
		return nil
	}
	if err := s.setBlocked(ctx, id, false); err != nil {
		return err
	}
	item, known := s.item(id)
	if _, asked := s.asked.get(id); item.watches() || !known && !asked {
		return nil
	}
	if err := s.presenceTo(ctx, id, "subscribed"); err != nil {
		return fmt.Errorf("let %s see the presence: %w", id, err)
	}
	s.asked.remove(id)
	return nil
}

// Block implements [bridge.Gatekeeper].
func (a *loginAccount) Block(ctx context.Context, id bridge.RemoteID) error {
	s, err := a.prepared(ctx)
	if err != nil {
		return fmt.Errorf("block %s: %w", id, err)
	}
	if ok, err := a.rooms.decline(ctx, id); ok || err != nil {
		return err
	}
	if isOccupant(id) || isServer(string(id)) {
		return nil
	}
	// Also what is pending; servers drop what nobody has asked for.
	if err := s.presenceTo(ctx, id, "unsubscribed"); err != nil {
		return fmt.Errorf("decline %s: %w", id, err)
	}
	s.asked.remove(id)
	return s.setBlocked(ctx, id, true)
}

// turnAway declines a wish that the user does not let through.
func (a *loginAccount) turnAway(id bridge.RemoteID) {
	s := a.current()
	if s == nil {
		return
	}
	s.asked.remove(id)
	if err := s.presenceTo(a.life, id, "unsubscribed"); err != nil {
		a.log.Debug().Err(err).Msg("Cannot decline a subscription; the server says it again")
	}
}
