package fake

import (
	"context"
	"errors"
	"fmt"

	"papillon/bridge"
)

// answer is what becomes of a message.
type answer struct {
	err error
	// accept says that the message arrives although err is returned.
	accept bool
}

// Send implements [bridge.Account]. A message whose id was accepted before is
// accepted again and does not arrive a second time.
func (a *account) Send(ctx context.Context, message bridge.Outgoing) error {
	n := a.net
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.record(Call{Account: a.login.Account, Method: Send, ID: message.Chat.Contact, Chat: message.Chat, Message: message})
	if a.sending[message.Chat] {
		n.blame("%s sends %s while another message to the same chat is on its way", a.login.Account, message.ID)
	}
	a.sending[message.Chat] = true
	err := a.held(ctx)
	delete(a.sending, message.Chat)
	if err == nil {
		err = a.accept(ctx, message)
	}
	if err != nil {
		err = fmt.Errorf("%s on %s: %w", Send, n.name, err)
	}
	n.finish(e, err)
	return err
}

// held waits while sends are held. The lock is held before and after.
func (a *account) held(ctx context.Context) error {
	for a.net.hold != nil {
		hold := a.net.hold
		a.net.mu.Unlock()
		var err error
		select {
		case <-hold:
		case <-ctx.Done():
			err = ctx.Err()
		case <-a.events.ctx.Done():
			err = ErrNotOpen
		}
		a.net.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

// accept decides about a message; the lock is held.
func (a *account) accept(ctx context.Context, message bridge.Outgoing) error {
	n := a.net
	if err := errors.Join(a.ready(ctx), n.reach()); err != nil {
		return err
	}
	if message.ID == "" {
		n.blame("%s sends a message without an id", a.login.Account)
	}
	if n.refused[message.Chat.Contact] {
		return fmt.Errorf("%s takes no messages: %w", message.Chat.Contact, bridge.ErrRefused)
	}
	var then answer
	if len(n.next) > 0 {
		then, n.next = n.next[0], n.next[1:]
		if then.err != nil && !then.accept {
			return then.err
		}
	}
	if before, ok := n.byID[message.ID]; !ok {
		n.byID[message.ID] = message
		n.sent = append(n.sent, &arrival{Sent: Sent{Account: a.login.Account, Outgoing: message}})
	} else if before.Chat != message.Chat || before.Text != message.Text {
		err := fmt.Errorf("the id %s was another message's", message.ID)
		n.blame("%s: %w", a.login.Account, err)
		return err
	}
	return then.err
}

// RefuseNext makes the next message fail for good, with [bridge.ErrRefused].
// It, FailNext and LoseNextAnswer add up: each is for one more message.
func (n *Network) RefuseNext() { n.answerNext(answer{err: bridge.ErrRefused}) }

// FailNext makes the next message fail with an error, by which it is to be
// tried again unless it is [bridge.ErrRefused].
func (n *Network) FailNext(err error) {
	if err == nil {
		err = errors.New("failed by the test")
	}
	n.answerNext(answer{err: err})
}

// LoseNextAnswer makes the next message arrive and its sender get [ErrLost]
// all the same: the case for which messages have ids.
func (n *Network) LoseNextAnswer() { n.answerNext(answer{err: ErrLost, accept: true}) }

func (n *Network) answerNext(then answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.next = append(n.next, then)
}

// Refuse makes all messages to somebody fail for good, and every room with him; Accept
// ends that.
func (n *Network) Refuse(id bridge.RemoteID) { n.setRefused(id, true) }

// Accept ends what Refuse began.
func (n *Network) Accept(id bridge.RemoteID) { n.setRefused(id, false) }

func (n *Network) setRefused(id bridge.RemoteID, refused bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused[id] = refused
}

// HoldSends makes every Send block, those that wait already included, until
// release is called or their context ends; [Network.WaitCall] sees them while
// they block. Release may be called more than once.
func (n *Network) HoldSends() (release func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.hold == nil {
		n.hold = make(chan struct{})
	}
	hold := n.hold
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.hold == hold {
			close(hold)
			n.hold = nil
		}
	}
}
