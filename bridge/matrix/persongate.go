package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// keptInvite is an invite that waits for the user's answer, as it is remembered.
type keptInvite struct {
	From   id.UserID `json:"from"`
	Direct bool      `json:"direct,omitempty"`
}

// keep takes note of an invite.
func (p *person) keep(room id.RoomID, i keptInvite) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.invites[room] = invite{from: i.From, direct: i.Direct}
}

// takeInvite asks the user about an invite, and waits for [person.Allow] or
// [person.Block]. Whoever may not reach the user is declined.
func (t *turn) takeInvite(ctx context.Context, room id.RoomID, state []*event.Event) error {
	f := &facts{}
	var own *event.Event
	for _, evt := range state {
		evt.RoomID = room
		if !t.parse(evt, event.StateEventType) {
			continue
		}
		f.state(evt, t.user)
		if evt.Type == event.StateMember && evt.GetStateKey() == string(t.user) {
			own = evt
		}
	}
	if own == nil || own.Content.AsMember().Membership != event.MembershipInvite ||
		t.book.ignores(own.Sender) || own.Sender == t.network.ghosts.bot {
		return nil
	}
	kept := keptInvite{From: own.Sender, Direct: own.Content.AsMember().IsDirect && !f.Space}
	there := 0
	if kept.Direct {
		there = t.book.chatsWith(own.Sender)
	}
	if t.tooMany(room, invite{from: kept.From, direct: kept.Direct}, there, "wait in your other Matrix clients") {
		return nil
	}
	raw, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("write an invite: %w", err)
	}
	if err := t.remember(ctx, memoryInvite+string(room), string(raw)); err != nil {
		return err
	}
	t.keep(room, kept)
	name, note := f.Names[own.Sender], oneLine(own.Content.AsMember().Reason)
	from := bridge.Contact{ID: bridge.RemoteID(own.Sender), Name: name}
	if !kept.Direct {
		from = bridge.Contact{ID: bridge.RemoteID(room), Name: or(f.Name, f.Alias), Room: true}
		who := "an invite from " + or(name, string(own.Sender))
		if note != "" {
			who += ": " + note
		}
		note = who
	}
	err = t.events.Receive(ctx, bridge.ContactRequested{From: from, Note: note})
	switch {
	case errors.Is(err, bridge.ErrUnwelcome):
		return t.decline(ctx, room)
	case err != nil:
		return fmt.Errorf("receive for %s: %w", t.owner, err)
	}
	return nil
}

// answered forgets an invite that was answered, here or elsewhere.
func (p *person) answered(ctx context.Context, room id.RoomID) error {
	p.mu.Lock()
	_, pending := p.invites[room]
	delete(p.invites, room)
	p.mu.Unlock()
	if !pending {
		return nil
	}
	return p.remember(ctx, memoryInvite+string(room), "")
}

// decline leaves a room to which the person was invited.
func (p *person) decline(ctx context.Context, room id.RoomID) error {
	if err := p.leave(ctx, room); err != nil {
		return err
	}
	return p.remember(ctx, memoryInvite+string(room), "")
}

// requests returns the pending invites that an answer about a contact means: to
// the room, or somebody's to direct chats.
func (p *person) requests(contact bridge.RemoteID) map[id.RoomID]invite {
	p.mu.Lock()
	defer p.mu.Unlock()
	invites := maps.Clone(p.invites)
	maps.DeleteFunc(invites, func(room id.RoomID, i invite) bool {
		if isRoom(contact) {
			return room != id.RoomID(contact)
		}
		return !i.direct || i.from != userOf(contact)
	})
	return invites
}

// Allow implements [bridge.Gatekeeper].
func (p *person) Allow(ctx context.Context, contact bridge.RemoteID) error {
	if err := p.ensureReady(ctx); err != nil {
		return fmt.Errorf("allow %s: %w", contact, err)
	}
	if !isRoom(contact) {
		if err := p.setIgnored(ctx, userOf(contact), false); err != nil {
			return fmt.Errorf("allow %s: %w", contact, err)
		}
	}
	for room, pending := range p.requests(contact) {
		if err := p.comeIn(ctx, room, pending); err != nil {
			return fmt.Errorf("allow %s: %w", contact, err)
		}
	}
	return nil
}

// comeIn accepts an invite. A direct room goes on the list of direct chats, for the
// person's other clients. An invite that does not hold any more is forgotten.
func (p *person) comeIn(ctx context.Context, room id.RoomID, pending invite) error {
	err := p.join(ctx, room)
	switch {
	case err != nil && final(err):
		p.log.Debug().Err(err).Str("room", string(room)).Msg("Invite does not hold any more")
		return p.decline(ctx, room)
	case err != nil:
		return fmt.Errorf("join %s: %w", room, err)
	}
	if pending.direct {
		if err := p.listDirect(ctx, pending.from, room); err != nil {
			return err
		}
		if err := p.setDirectRoom(ctx, pending.from, room); err != nil {
			return err
		}
	}
	return p.answered(ctx, room)
}

// Block implements [bridge.Gatekeeper]. Whom the person ignores is kept out by the
// homeserver, so that no room is left.
func (p *person) Block(ctx context.Context, contact bridge.RemoteID) error {
	if err := p.ensureReady(ctx); err != nil {
		return fmt.Errorf("block %s: %w", contact, err)
	}
	for room := range p.requests(contact) {
		if err := p.decline(ctx, room); err != nil {
			return fmt.Errorf("block %s: %w", contact, err)
		}
	}
	if isRoom(contact) {
		return nil
	}
	if err := p.setIgnored(ctx, userOf(contact), true); err != nil {
		return fmt.Errorf("block %s: %w", contact, err)
	}
	return nil
}
