package xmpp

// This file goes: each part of it moves to where it is built.

import (
	"context"
	"errors"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

var errPending = errors.New("not built yet")

// --- component.go

type gateway struct{}

func newGateway(*Network) (*gateway, error) { return nil, errPending }
func (g *gateway) open(context.Context, bridge.Login, bridge.Receiver) (bridge.Account, error) {
	return nil, errPending
}
func (g *gateway) run(context.Context) error { return errPending }

// --- login.go

func (n *Network) openLogin(context.Context, bridge.Login, bridge.Receiver) (bridge.Account, error) {
	return nil, errPending
}

// --- address.go

// parseContact reads "bob@jabber.org" or "xmpp:bob@jabber.org" into a bare JID.
func parseContact(address string) (bridge.RemoteID, bool) { return "", false }

// splitID is [Network.Address]: for somebody in a room whose own address is not
// known, "room@conference.x/nick", it is nick and the rest.
func splitID(id bridge.RemoteID) (local, domain string) { return "", "" }

// --- message.go

// message takes a message stanza of any type but error that is no room's and hands what it means
// to the feed.
func (a *account) message(s *stream.Stanza, done func()) {}

// readMessage translates one message. Own is set for what the user himself sent
// with another client (then to counts), archived is the id in the account's
// archive or "", sent the time or zero for now. Ok is false for what has nothing
// to show. It serves live messages, carbons and archives alike.
func (a *account) readMessage(s *stream.Stanza, own bool, archived string, sent time.Time) (m bridge.MessageReceived, ok bool) {
	return m, false
}

// returned takes a message of type error.
func (a *account) returned(s *stream.Stanza) {}

// Send implements [bridge.Account].
func (a *account) Send(ctx context.Context, m bridge.Outgoing) error { return errPending }

// Typing implements [bridge.Typist].
func (a *account) Typing(ctx context.Context, chat bridge.Chat, typing bool) error {
	return errPending
}

// Lookup implements [bridge.Account]: disco, vCard or nickname.
func (a *account) Lookup(ctx context.Context, id bridge.RemoteID) (bridge.Contact, error) {
	return bridge.Contact{}, errPending
}

// --- presence.go

// presences keeps the presence of each resource of others.
type presences struct{}

// take notes an available or unavailable presence and returns what counts for
// the bare JID now; changed is false when that is as before.
func (p *presences) take(s *stream.Stanza) (best bridge.Presence, changed bool) { return }

// reset forgets all.
func (p *presences) reset() {}

// presenceStanza says a presence of the user's: without addresses, type
// unavailable for [bridge.Offline] and [bridge.Hidden], with show, status,
// XEP-0319 idle, XEP-0172 nick and XEP-0115 caps.
func presenceStanza(p bridge.Presence, nick string) *stream.Stanza { return nil }

// --- rooms.go

// rooms are the chats of many that the account is in.
type rooms struct{ account *account }

// take deals with a stanza that concerns a room: groupchat messages, presences
// of rooms, invites (mediated and direct). Ok is false for all others.
func (r *rooms) take(s *stream.Stanza, done func()) (ok bool) { return false }

// enter joins what is to be joined, after a new session began.
func (r *rooms) enter(ctx context.Context) {}

// leaveAll says farewell in all rooms and keeps them for the next time.
func (r *rooms) leaveAll(ctx context.Context) {}

// entries are the rooms as contacts, for a roster.
func (r *rooms) entries() []bridge.RosterEntry { return nil }

// accept and decline answer a pending invite; ok is false if there is none.
func (r *rooms) accept(ctx context.Context, room bridge.RemoteID) (ok bool, err error)  { return }
func (r *rooms) decline(ctx context.Context, room bridge.RemoteID) (ok bool, err error) { return }

// --- feed.go

// received is told what became of an event: an unwelcome request is declined.
func (a *account) received(event bridge.Event, err error) {}
