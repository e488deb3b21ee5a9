package fake

import (
	"context"
	"fmt"
	"slices"

	"papillon/bridge"
	"papillon/msnp"
)

// Method is a method of [bridge.Network], [bridge.Account] or one of the
// optional interfaces.
type Method string

// The methods that are recorded: all that have an effect or ask something.
const (
	Open        Method = "Open"
	SetPresence Method = "SetPresence"
	Lookup      Method = "Lookup"
	Follow      Method = "Follow"
	Unfollow    Method = "Unfollow"
	Send        Method = "Send"
	Close       Method = "Close"
	Typing      Method = "Typing"
	Allow       Method = "Allow"
	Block       Method = "Block"
	Rename      Method = "Rename"
)

// Call is a call of the code under test, with those arguments that the method
// has.
type Call struct {
	Account  msnp.Handle
	Method   Method
	ID       bridge.RemoteID // for Send that of the chat's contact
	Name     string
	Chat     bridge.Chat
	Presence bridge.Presence
	Typing   bool
	Message  bridge.Outgoing
	People   []bridge.RemoteID
	// Done says that the call has returned, Err what.
	Done bool
	Err  error
}

// Sent is a message that the network has accepted. A message that was sent
// again under the same id is there once.
type Sent struct {
	Account msnp.Handle
	bridge.Outgoing
}

// entry is a recorded call, arrival an accepted message; taken says that a
// Wait function has returned it.
type entry struct {
	Call
	taken bool
}

type arrival struct {
	Sent
	taken bool
}

// record notes that a call has begun, finish that it ends; the lock is held.
func (n *Network) record(call Call) *entry {
	e := &entry{Call: call}
	n.calls = append(n.calls, e)
	n.signal()
	return e
}

func (n *Network) finish(e *entry, err error) {
	e.Done, e.Err = true, err
	n.signal()
}

// Calls returns all calls so far, in the order in which they began.
func (n *Network) Calls() []Call {
	n.mu.Lock()
	defer n.mu.Unlock()
	calls := make([]Call, len(n.calls))
	for i, e := range n.calls {
		calls[i] = e.Call
	}
	return calls
}

// Sent returns all accepted messages so far, in order.
func (n *Network) Sent() []Sent {
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := make([]Sent, len(n.sent))
	for i, a := range n.sent {
		sent[i] = a.Sent
	}
	return sent
}

// WaitSent returns the first accepted message that match accepts (nil: any) and
// that no WaitSent has returned yet, once there is one. If the context ends
// before, the error says what there was instead. Match must not call the
// network.
func (n *Network) WaitSent(ctx context.Context, match func(Sent) bool) (Sent, error) {
	var found Sent
	err := n.wait(ctx, func() bool {
		i := slices.IndexFunc(n.sent, func(a *arrival) bool { return !a.taken && (match == nil || match(a.Sent)) })
		if i >= 0 {
			n.sent[i].taken = true
			found = n.sent[i].Sent
		}
		return i >= 0
	})
	if err != nil {
		return Sent{}, fmt.Errorf("wait for a message on %s: %w; sent so far: %+v", n.name, err, n.Sent())
	}
	return found, nil
}

// WaitCall is WaitSent for calls. It sees a call as soon as it begins, whose
// Done is then false.
func (n *Network) WaitCall(ctx context.Context, match func(Call) bool) (Call, error) {
	var found Call
	err := n.wait(ctx, func() bool {
		i := slices.IndexFunc(n.calls, func(e *entry) bool { return !e.taken && (match == nil || match(e.Call)) })
		if i >= 0 {
			n.calls[i].taken = true
			found = n.calls[i].Call
		}
		return i >= 0
	})
	if err != nil {
		return Call{}, fmt.Errorf("wait for a call on %s: %w; calls so far: %+v", n.name, err, n.Calls())
	}
	return found, nil
}

// WaitState returns the state of an account once match accepts it, which only
// open accounts have.
func (n *Network) WaitState(ctx context.Context, account msnp.Handle, match func(State) bool) (State, error) {
	for {
		n.mu.Lock()
		changed := n.changed
		n.mu.Unlock()
		state, ok := n.Account(account)
		if ok && match(state) {
			return state, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return State{}, fmt.Errorf("wait for %s on %s: %w; open: %v, state: %+v", account, n.name, ctx.Err(), ok, state)
		}
	}
}

// wait calls find under the lock after every change until it returns true.
func (n *Network) wait(ctx context.Context, find func() bool) error {
	for {
		n.mu.Lock()
		found, changed := find(), n.changed
		n.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// To matches messages to a contact.
func To(id bridge.RemoteID) func(Sent) bool {
	return func(s Sent) bool { return s.Chat.Contact == id }
}

// Text matches messages of exactly that text.
func Text(text string) func(Sent) bool {
	return func(s Sent) bool { return s.Text == text }
}

// By matches calls of a method by an account.
func By(account msnp.Handle, method Method) func(Call) bool {
	return func(c Call) bool { return c.Account == account && c.Method == method }
}
