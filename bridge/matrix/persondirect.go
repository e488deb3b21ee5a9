package matrix

import (
	"context"
	"fmt"
	"slices"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// sendDirect implements [nature]. A room that the homeserver does not let the person
// write to may be one that was left elsewhere, since the last session: then another
// is looked for, once. No room is left for that.
func (p *person) sendDirect(ctx context.Context, contact id.UserID, message bridge.Outgoing) error {
	room, err := p.directRoom(ctx, contact)
	if err != nil {
		return err
	}
	if err = p.put(ctx, room, message); !forbidden(err) && !notThere(err) {
		return err
	}
	leads, leadsErr := p.leadsTo(ctx, room, contact)
	if leadsErr != nil {
		return leadsErr
	}
	if leads {
		return err // there is no other way to the contact
	}
	p.book.forget(room)
	if err := p.forgetRoom(ctx, room); err != nil {
		return err
	}
	if room, err = p.directRoom(ctx, contact); err != nil {
		return err
	}
	return p.put(ctx, room, message)
}

// directRoom returns the room of the chat with a contact: the one that is stored,
// another one that is known or on the list of direct chats, or a new one.
func (p *person) directRoom(ctx context.Context, contact id.UserID) (id.RoomID, error) {
	p.making.Lock()
	defer p.making.Unlock()
	stored, ok, err := p.network.options.Chats.DirectChat(ctx, p.owner, Name, bridge.RemoteID(contact))
	if err != nil {
		return "", fmt.Errorf("find the room of %s: %w", contact, err)
	}
	known := p.book.roomsOf(contact)
	if room := id.RoomID(stored); ok && (slices.Contains(known, room) || !p.book.knows(room)) {
		return room, nil
	}
	if len(known) > 0 {
		return known[0], p.setDirectRoom(ctx, contact, known[0])
	}
	room, err := p.findDirect(ctx, contact)
	if err != nil {
		return "", err
	}
	if room == "" {
		if room, err = p.makeDirect(ctx, contact); err != nil {
			return "", err
		}
	}
	return room, p.setDirectRoom(ctx, contact, room)
}

// findDirect looks for a room on the list of direct chats that the book does not
// know yet: made by another client a moment ago, or by this one before a crash.
func (p *person) findDirect(ctx context.Context, contact id.UserID) (id.RoomID, error) {
	direct, err := p.directChats(ctx)
	if err != nil {
		return "", err
	}
	for _, room := range direct[contact] {
		leads, err := p.leadsTo(ctx, room, contact)
		if err != nil {
			return "", err
		}
		if leads {
			return room, nil
		}
	}
	return "", nil
}

// leadsTo asks the homeserver whether a room has the person and the contact in it,
// who may have been invited only, and nobody else.
func (p *person) leadsTo(ctx context.Context, room id.RoomID, contact id.UserID) (bool, error) {
	var members []*event.Event
	err := p.network.call(ctx, func(ctx context.Context) (err error) {
		members, err = askMembers(ctx, p.client, room)
		return err
	})
	if forbidden(err) || notThere(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list the members of %s: %w", room, err)
	}
	there := make(map[id.UserID]bool)
	for _, evt := range members {
		if m := evt.Content.AsMember().Membership; m == event.MembershipJoin || m == event.MembershipInvite {
			there[id.UserID(evt.GetStateKey())] = true
		}
	}
	return len(there) == 2 && there[p.user] && there[contact], nil
}

// makeDirect makes a room, invites the contact and puts it on the list of direct
// chats.
func (p *person) makeDirect(ctx context.Context, contact id.UserID) (id.RoomID, error) {
	room, err := p.createDirectRoom(ctx, contact)
	if err != nil {
		return "", err
	}
	p.book.change(room, func(f *facts) {
		*f = facts{Direct: true, Joined: 1, Invited: 1, Heroes: []id.UserID{contact}}
	})
	return room, p.listDirect(ctx, contact, room)
}

// directChats reads the list of direct chats.
func (p *person) directChats(ctx context.Context) (event.DirectChatsEventContent, error) {
	direct := make(event.DirectChatsEventContent)
	err := p.network.call(ctx, func(ctx context.Context) error {
		return p.client.GetAccountData(ctx, event.AccountDataDirectChats.Type, &direct)
	})
	if err != nil && !notThere(err) {
		return nil, fmt.Errorf("read the list of direct chats: %w", err)
	}
	return direct, nil
}

// listDirect puts a room on the list of direct chats, as every client has to who
// makes or accepts one (Client-Server API, "Direct Messaging").
func (p *person) listDirect(ctx context.Context, contact id.UserID, room id.RoomID) error {
	p.listing.Lock()
	defer p.listing.Unlock()
	direct, err := p.directChats(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(direct[contact], room) {
		return nil
	}
	direct[contact] = append([]id.RoomID{room}, direct[contact]...)
	err = p.network.call(ctx, func(ctx context.Context) error {
		return p.client.SetAccountData(ctx, event.AccountDataDirectChats.Type, &direct)
	})
	if err != nil {
		return fmt.Errorf("write the list of direct chats: %w", err)
	}
	p.book.setDirect(direct)
	return nil
}
