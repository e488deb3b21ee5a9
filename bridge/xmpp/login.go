package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// loginAccount is an MSN user who is on XMPP with an account of his own. It has a
// session at the server while the user is signed in; meanwhile, the server keeps
// what comes. A message or another order that was left over when the user signed
// out is carried out by a short session without presence.
type loginAccount struct {
	*account
	options  stream.ClientOptions
	contacts presences   // of those whom the account sees
	archives atomic.Bool // the server is known to keep an archive

	changing sync.Mutex // held while a session is begun or ended

	state    sync.Mutex
	presence bridge.Presence
	session  *session // nil for none
	errand   bool     // the session is there for an order alone
	dismiss  *time.Timer
	told     string // the last trouble that the user was told of
}

var (
	_ bridge.Account      = (*loginAccount)(nil)
	_ bridge.Typist       = (*loginAccount)(nil)
	_ bridge.Gatekeeper   = (*loginAccount)(nil)
	_ bridge.Renamer      = (*loginAccount)(nil)
	_ bridge.RosterKeeper = (*loginAccount)(nil)
	_ bridge.Rooms        = (*loginAccount)(nil)
	_ bridge.Backlog      = (*loginAccount)(nil)
)

// errandTime is how long a session stays that was begun for an order alone.
const errandTime = 15 * time.Second

// openLogin makes the account; it connects with the first presence.
func (n *Network) openLogin(_ context.Context, login bridge.Login, events bridge.Receiver) (bridge.Account, error) {
	credentials, err := parseCredentials(login.Credentials)
	if err != nil {
		return nil, fmt.Errorf("%w: link the account again with \"papillon link\"", err)
	}
	jid, err := ParseJID(string(login.ID))
	if err != nil {
		return nil, err
	}
	a := &loginAccount{
		account: newAccount(n, login, string(jid), events), options: n.options.clientOptions(jid, credentials),
		presence: bridge.Presence{Show: bridge.Offline},
	}
	a.options.Slots, a.options.Log = n.slots, a.log
	a.port = &loginPort{a}
	a.refuse = a.turnAway
	return a, nil
}

// SetPresence implements [bridge.Account]. What is to be seen is said as soon as
// the session allows it, and again after each interruption.
func (a *loginAccount) SetPresence(ctx context.Context, p bridge.Presence) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.state.Lock()
	a.presence = p
	s, errand := a.session, a.errand
	a.state.Unlock()
	switch {
	case !isThere(p) && s != nil && !errand:
		return a.endSession(ctx)
	case !isThere(p):
		return nil
	case s != nil && errand: // it has no roster for the user who signs in
		if err := a.endSession(ctx); err != nil {
			a.log.Debug().Err(err).Msg("Cannot end a session in good order")
		}
		a.beginSession(false)
		return nil
	case s == nil:
		a.beginSession(false)
		return nil
	}
	return s.showPresence(ctx)
}

// beginSession begins a session. The caller holds changing.
func (a *loginAccount) beginSession(errand bool) *session {
	s := newSession(a)
	a.state.Lock()
	a.session, a.errand = s, errand
	a.state.Unlock()
	s.client.Start()
	return s
}

// endSession says farewell and ends the session. The caller holds changing.
func (a *loginAccount) endSession(ctx context.Context) error {
	a.state.Lock()
	s := a.session
	a.session, a.errand = nil, false
	if a.dismiss != nil {
		a.dismiss.Stop()
	}
	a.state.Unlock()
	if s == nil {
		return nil
	}
	err := s.close(ctx)
	a.contacts.reset()
	return err
}

// current returns the session; nil for none.
func (a *loginAccount) current() *session {
	a.state.Lock()
	defer a.state.Unlock()
	return a.session
}

// awake returns the session, and begins one for an order if the user has signed
// out. It waits until that is connected.
func (a *loginAccount) awake(ctx context.Context) (*session, error) {
	a.changing.Lock()
	s := a.current()
	if s == nil && a.life.Err() == nil {
		s = a.beginSession(true)
	}
	a.changing.Unlock()
	if s == nil {
		return nil, stream.ErrNotConnected
	}
	a.state.Lock()
	if a.errand {
		if a.dismiss != nil {
			a.dismiss.Stop()
		}
		a.dismiss = time.AfterFunc(errandTime, a.dismissErrand)
	}
	a.state.Unlock()
	select {
	case <-s.settled:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dismissErrand ends a session that was begun for an order.
func (a *loginAccount) dismissErrand() {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.state.Lock()
	errand := a.errand
	a.state.Unlock()
	if !errand {
		return
	}
	ctx, cancel := context.WithTimeout(a.life, farewellTime)
	defer cancel()
	if err := a.endSession(ctx); err != nil {
		a.log.Debug().Err(err).Msg("Cannot end a session in good order")
	}
}

// Close implements [bridge.Account].
func (a *loginAccount) Close() error {
	a.changing.Lock()
	defer a.changing.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	err := a.endSession(ctx)
	a.end()
	if errors.Is(err, stream.ErrNotConnected) {
		err = nil // there was nobody to say farewell to
	}
	return err
}

// RosterReady implements [bridge.RosterKeeper].
func (a *loginAccount) RosterReady(ctx context.Context) error {
	s := a.current()
	if s == nil {
		return stream.ErrNotConnected
	}
	select {
	case <-s.rosterTold:
		return nil
	case <-s.failed:
		return s.failure()
	case <-ctx.Done():
		return fmt.Errorf("wait for the roster: %w", ctx.Err())
	}
}

// server returns the part of the command with which the account was linked that says
// where its server is.
func (a *loginAccount) server() string {
	switch {
	case a.options.Address == "":
		return ""
	case a.options.DirectTLS:
		return " --server " + a.options.Address + " --direct-tls"
	}
	return " --server " + a.options.Address
}

// trouble tells the user of something that he has to see to, once.
func (a *loginAccount) trouble(reason string) {
	words := fmt.Sprintf("Papillon cannot log in as %s: %s. It tries again at your next sign-in. "+
		"If the password has changed, have the administrator run: papillon link %s xmpp %s --kind login%s --password-stdin",
		a.bare, reason, a.owner, a.bare, a.server())
	a.state.Lock()
	again := a.told == words
	a.told = words
	a.state.Unlock()
	a.log.Error().Str("jid", a.bare).Str("reason", reason).Msg("An XMPP account cannot be used; link it again, or unlink it")
	if !again {
		a.feed.put(bridge.NetworkSays{Text: words}, nil)
	}
}

// loginPort is how an account speaks over its session.
type loginPort struct{ account *loginAccount }

// self implements [port].
func (p *loginPort) self() string {
	if s := p.account.current(); s != nil {
		return s.client.JID()
	}
	return ""
}

// service implements [port].
func (p *loginPort) service() string {
	_, domain, _ := strings.Cut(p.account.bare, "@")
	return domain
}

// send implements [port].
func (p *loginPort) send(ctx context.Context, s *stream.Stanza) error {
	session := p.account.current()
	if session == nil {
		return stream.ErrNotConnected
	}
	return session.client.Send(ctx, s)
}

// deliver implements [port]. A message that was left over does not wait for the
// next sign-in.
func (p *loginPort) deliver(ctx context.Context, s *stream.Stanza) error {
	session, err := p.account.awake(ctx)
	if err != nil {
		return err
	}
	return session.client.Deliver(ctx, s)
}

// query implements [port].
func (p *loginPort) query(ctx context.Context, s *stream.Stanza) (*stream.Stanza, error) {
	session := p.account.current()
	if session == nil {
		return nil, stream.ErrNotConnected
	}
	return session.client.Query(ctx, s)
}
