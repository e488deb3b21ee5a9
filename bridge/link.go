package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"papillon/msnp"
)

// link is an account's identity on one network. It implements [Receiver].
type link struct {
	login   Login // as it was opened
	gateway *Gateway
	owner   Handle // the account
	network Network
	account Account       // set before ready is closed
	ready   chan struct{} // a network may offer events before Open has returned
	log     zerolog.Logger
	outbox  outbox
	// presence is what the network is to show of the user.
	presence presenceSender
	reading  reading

	mu     sync.Mutex
	down   bool // the network cannot be reached
	reason string
}

func newLink(g *Gateway, n Network, account Handle) *link {
	l := &link{
		gateway: g, owner: account, network: n, ready: make(chan struct{}),
		log: g.Log.With().Str("handle", string(account)).Str("network", n.Name()).Logger(),
	}
	l.outbox = outbox{link: l, wake: make(chan struct{}, 1)}
	l.presence = presenceSender{link: l}
	l.reading = reading{link: l}
	return l
}

// Receive implements [Receiver]. One case a kind of event.
func (l *link) Receive(ctx context.Context, event Event) error {
	select {
	case <-l.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	switch e := event.(type) {
	case MessageReceived:
		return l.messageReceived(ctx, e)
	case ContactRequested:
		return l.contactRequested(ctx, e)
	case ContactWithdrew:
		return l.contactWithdrew(ctx, e)
	case ContactRenamed:
		return l.contactRenamed(ctx, e)
	case PresenceChanged:
		return l.presenceChanged(ctx, e)
	case TypingSeen:
		return l.typingSeen(ctx, e)
	case ConnectionChanged:
		l.connectionChanged(e)
		return nil
	case RosterReceived:
		return l.rosterReceived(ctx, e)
	case RosterChanged:
		return l.rosterChanged(ctx, e)
	case BlockListReceived:
		return l.blockListReceived(ctx, e)
	case BlockChanged:
		return l.blockChanged(ctx, e)
	case SpeakerLeft:
		return l.speakerLeft(ctx, e)
	case MessageReturned:
		return l.messageReturned(ctx, e)
	case NetworkSays:
		l.gateway.tell(l.owner, fmt.Sprintf("[%s] %s", l.network.Name(), e.Text))
		return nil
	case CatchingUp:
		if u := l.gateway.user(l.owner); u != nil {
			u.owner.post(func() { u.catchUp(l.network.Name(), e.Done) })
		}
		return nil
	default:
		return fmt.Errorf("event %T is not in the set", event)
	}
}

// contactRequested shows a wish to reach the user as an entry on RL, about which
// the client asks its user.
func (l *link) contactRequested(ctx context.Context, e ContactRequested) error {
	if e.Inviter != "" {
		if blocked, err := l.blocks(ctx, e.Inviter); err != nil || blocked {
			return cmp.Or(err, ErrUnwelcome)
		}
	}
	contact, err := l.welcome(ctx, e.From)
	if err != nil {
		return err
	}
	// Somebody whom the user has on FL or AL stands on RL from now on as well;
	// the client asks about those alone who are on neither AL nor BL.
	if err := l.addReverse(ctx, memberOf(contact)); err != nil {
		return err
	}
	allowed, err := l.listed(ctx, contact.Handle, msnp.Allow)
	if err != nil {
		return err
	}
	if allowed { // asked and answered: the network need not wait
		return l.outbox.add(ctx, Order{Kind: OrderAllow, Chat: Chat{Contact: contact.ID}}, nil)
	}
	return nil
}

// blocks says whether the user has blocked somebody on the network.
func (l *link) blocks(ctx context.Context, who RemoteID) (bool, error) {
	contact, known, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), who)
	if err != nil || !known {
		return false, err
	}
	return l.listed(ctx, contact.Handle, msnp.Block)
}

// welcome finds the contact behind an event and applies the user's permissions
// to it: [ErrUnwelcome] for who is not let through. A stranger is put on RL.
func (l *link) welcome(ctx context.Context, from Contact) (ContactRecord, error) {
	contact, err := l.gateway.contactOf(ctx, l.network, from)
	if err != nil {
		return contact, err
	}
	admitted, err := l.gateway.admits(ctx, l.owner, contact.Handle)
	if err != nil {
		return contact, err
	}
	if !admitted {
		return contact, ErrUnwelcome
	}
	known, err := l.listed(ctx, contact.Handle, msnp.Forward, msnp.Allow, msnp.Reverse)
	if err != nil || known {
		return contact, err
	}
	return contact, l.addReverse(ctx, memberOf(contact))
}

// addReverse puts a stranger on RL; the client prompts its user about it.
func (l *link) addReverse(ctx context.Context, m msnp.Member) error {
	serial, _, err := l.gateway.Storage.AddEntry(ctx, l.owner, msnp.Reverse, m, 0)
	if errors.Is(err, ErrAlreadyListed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("put a stranger on RL: %w", err)
	}
	if u := l.gateway.user(l.owner); u != nil {
		u.owner.do(func() { u.reverseChanged(true, m, serial) })
	}
	return nil
}

// listed says whether a handle is on one of an account's lists.
func (l *link) listed(ctx context.Context, h Handle, lists ...msnp.List) (bool, error) {
	if u := l.gateway.user(l.owner); u != nil {
		u.mu.RLock()
		defer u.mu.RUnlock()
		for _, list := range lists {
			if u.lists[list].has(h) {
				return true, nil
			}
		}
		return false, nil
	}
	stored, err := l.gateway.Storage.Lists(ctx, l.owner)
	if err != nil {
		return false, fmt.Errorf("read lists: %w", err)
	}
	for _, list := range lists {
		for _, m := range stored[list] {
			if m.Handle == h {
				return true, nil
			}
		}
	}
	return false, nil
}

// contactWithdrew takes somebody off RL.
func (l *link) contactWithdrew(ctx context.Context, e ContactWithdrew) error {
	contact, ok, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), e.Contact)
	if err != nil || !ok {
		return err
	}
	serial, _, err := l.gateway.Storage.RemoveEntry(ctx, l.owner, msnp.Reverse, contact.Handle)
	if errors.Is(err, ErrNotListed) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take a contact off RL: %w", err)
	}
	if u := l.gateway.user(l.owner); u != nil {
		u.owner.post(func() { u.reverseChanged(false, memberOf(contact), serial) })
	}
	return nil
}

// contactRenamed shows a contact's new name. A room that is new gets its handle, which
// is made of the name.
func (l *link) contactRenamed(ctx context.Context, e ContactRenamed) error {
	known, ok, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), e.Contact.ID)
	if err != nil || e.Contact.Name == "" {
		return err
	}
	if !ok {
		if e.Contact.Room {
			_, err = l.gateway.contactOf(ctx, l.network, e.Contact)
		}
		return err
	}
	if known.Name != e.Contact.Name {
		known.Name = e.Contact.Name
		if err := l.gateway.Storage.AddContact(ctx, known); err != nil {
			return fmt.Errorf("store a contact's name: %w", err)
		}
	}
	if u := l.gateway.user(l.owner); u != nil {
		u.owner.post(func() { u.contactRenamed(known.Handle, known.Name) })
	}
	return nil
}

// presenceChanged shows a contact's presence.
func (l *link) presenceChanged(ctx context.Context, e PresenceChanged) error {
	u := l.gateway.user(l.owner)
	if u == nil {
		return nil
	}
	contact, ok, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), e.Contact)
	if err != nil || !ok {
		return err
	}
	u.owner.post(func() { u.presenceChanged(contact.Handle, e.Presence) })
	return nil
}

// typingSeen shows in an open window that somebody types.
func (l *link) typingSeen(ctx context.Context, e TypingSeen) error {
	u := l.gateway.user(l.owner)
	if u == nil || !e.Typing || e.Chat.Group != "" {
		return nil
	}
	contact, ok, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), e.From.ID)
	if err != nil || !ok {
		return err
	}
	u.owner.post(func() {
		u.contactActive(contact.Handle, time.Now())
		u.windows.typing(memberOf(contact))
	})
	return nil
}

// connectionChanged remembers whether the network can be reached, lets what
// waits go on, and tells the user.
func (l *link) connectionChanged(e ConnectionChanged) {
	l.mu.Lock()
	changed := l.down == e.Up
	l.down, l.reason = !e.Up, e.Reason
	l.mu.Unlock()
	if !changed {
		return
	}
	l.log.Debug().Bool("up", e.Up).Str("reason", e.Reason).Msg("Connection changed")
	if e.Up {
		l.outbox.retryNow()
		l.presence.retryNow()
	}
	if u := l.gateway.user(l.owner); u != nil {
		u.owner.post(func() { u.noticeConnection(l) })
	}
}

// state says whether the network can be reached and, if not, why.
func (l *link) state() (up bool, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.down, l.reason
}

// goOffline takes the user off the network for good; for the gateway's end.
func (l *link) goOffline(ctx context.Context) {
	l.outbox.stop()
	if !l.presence.finish() {
		return
	}
	if err := l.account.SetPresence(ctx, presenceOf(msnp.Offline)); err != nil {
		l.log.Warn().Err(err).Msg("Cannot tell the network that the user is offline")
	}
}
