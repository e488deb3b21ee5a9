package xmpptest

import (
	"context"
	"fmt"
)

// Join enters a room (XEP-0045) without its history, and enters it again after
// each later connection. A room that is not there yet is made, and stays locked
// until [Peer.ConfigureRoom]. A nickname that is taken is a [StanzaError]
// conflict.
func (p *Peer) Join(ctx context.Context, room, nick string) error {
	if _, err := p.do(ctx, "join", map[string]any{"room": room, "nick": nick}); err != nil {
		return fmt.Errorf("join %s as %s: %w", room, p.JID, err)
	}
	return nil
}

// CreateRoom makes a room with the given configuration and enters it.
func (p *Peer) CreateRoom(ctx context.Context, room, nick string, fields map[string]string) error {
	if err := p.Join(ctx, room, nick); err != nil {
		return err
	}
	return p.ConfigureRoom(ctx, room, fields)
}

// ConfigureRoom sets fields of a room's configuration, such as
// muc#roomconfig_membersonly to 1, and keeps the server's defaults of the
// others. It unlocks a new room.
func (p *Peer) ConfigureRoom(ctx context.Context, room string, fields map[string]string) error {
	form := ""
	if len(fields) > 0 {
		form = formFields("http://jabber.org/protocol/muc#roomconfig", fields)
	}
	_, err := p.IQ(ctx, "set", room,
		`<query xmlns="http://jabber.org/protocol/muc#owner"><x xmlns="jabber:x:data" type="submit">`+form+`</x></query>`)
	return err
}

// formFields writes the fields of a form (XEP-0004).
func formFields(formType string, fields map[string]string) string {
	text := ""
	if formType != "" {
		text = `<field var="FORM_TYPE"><value>` + escape(formType) + `</value></field>`
	}
	for name, value := range fields {
		text += `<field var="` + escape(name) + `"><value>` + escape(value) + `</value></field>`
	}
	return text
}

// SetAffiliation makes somebody owner, admin, member, outcast or none of a room.
func (p *Peer) SetAffiliation(ctx context.Context, room, jid, affiliation string) error {
	_, err := p.IQ(ctx, "set", room, `<query xmlns="http://jabber.org/protocol/muc#admin"><item jid="`+
		escape(jid)+`" affiliation="`+escape(affiliation)+`"/></query>`)
	return err
}

// Kick throws an occupant out of a room.
func (p *Peer) Kick(ctx context.Context, room, nick string) error {
	_, err := p.IQ(ctx, "set", room, `<query xmlns="http://jabber.org/protocol/muc#admin"><item nick="`+
		escape(nick)+`" role="none"/></query>`)
	return err
}

// Leave leaves a room that was joined.
func (p *Peer) Leave(ctx context.Context, room string) error {
	if _, err := p.do(ctx, "part", map[string]any{"room": room}); err != nil {
		return fmt.Errorf("leave %s as %s: %w", room, p.JID, err)
	}
	return nil
}

// Invite lets the room invite somebody (XEP-0045 §7.8.2).
func (p *Peer) Invite(ctx context.Context, room, jid, reason string) error {
	return p.perform(ctx, "xep_0045", "invite", map[string]any{"room": room, "jid": jid, "reason": reason})
}

// InviteDirectly invites somebody without the room (XEP-0249).
func (p *Peer) InviteDirectly(ctx context.Context, room, jid, reason string) error {
	return p.perform(ctx, "xep_0249", "send_invitation", map[string]any{"jid": jid, "roomjid": room, "reason": reason})
}
