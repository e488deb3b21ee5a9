package xmpp

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// account is what the two kinds of identity have in common; each embeds it and
// adds the rest of [bridge.Account].
type account struct {
	network *Network
	owner   bridge.Handle
	bare    string // the account's own bare JID
	events  bridge.Receiver
	port    port
	feed    feed // what is to be received, in order
	rooms   rooms
	memory  memory // of what was said
	// foreigners are the servers that write to the account and are not its own.
	foreigners foreigners
	// refuse declines somebody's wish to see the user's presence. It is set by
	// the kind of identity, and called by the feed.
	refuse func(id bridge.RemoteID)
	log    zerolog.Logger
	life   context.Context // ends with Close, or with the network
	end    context.CancelFunc

	mu    sync.Mutex
	name  string                  // the friendly name
	pages map[string]*archivePage // of archives that are being read, by query
}

// newAccount makes the common part of an account. The port is set by the caller
// before anything is sent.
func newAccount(n *Network, login bridge.Login, bare string, events bridge.Receiver) *account {
	a := &account{
		network: n, owner: login.Account, bare: bare, events: events, name: login.Name,
		pages: make(map[string]*archivePage),
		log:   n.log.With().Str("account", string(login.Account)).Logger(),
	}
	a.life, a.end = context.WithCancel(n.life)
	a.feed.account = a
	a.rooms.account = a
	return a
}

// ID implements [bridge.Account].
func (a *account) ID() bridge.RemoteID { return bridge.RemoteID(a.bare) }

// fromMe says whether something comes from the own account, or its server on its
// behalf.
func (a *account) fromMe(stanza *stream.Stanza) bool {
	return stanza.From == "" || sameBare(stanza.From, a.bare)
}
