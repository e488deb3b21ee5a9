package fake

import (
	"context"
	"errors"

	"papillon/bridge"
	"papillon/msnp"
)

// queue offers the events of an account to its receiver, one after the other,
// from a goroutine of its own.
type queue struct {
	net      *Network
	account  msnp.Handle
	receiver bridge.Receiver
	ctx      context.Context // ends when the account is closed
	cancel   context.CancelFunc
	wake     chan struct{}
	done     chan struct{} // closed when the goroutine has ended
	waiting  []*offer      // guarded by the network's lock
}

// offer is an event on its way to the receiver.
type offer struct {
	event    bridge.Event
	answered chan struct{}
	err      error // what the receiver returned; valid once answered
	awaited  bool  // somebody reports err; guarded by the network's lock
}

func newQueue(n *Network, account msnp.Handle, receiver bridge.Receiver) *queue {
	q := &queue{
		net:      n,
		account:  account,
		receiver: receiver,
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	q.ctx, q.cancel = context.WithCancel(context.Background())
	go q.run()
	return q
}

// offer queues an event; the lock is held. Its outcome is noted among the
// network's errors unless it is awaited.
func (a *account) offer(event bridge.Event) *offer {
	o := &offer{event: event, answered: make(chan struct{})}
	a.events.waiting = append(a.events.waiting, o)
	select {
	case a.events.wake <- struct{}{}:
	default:
	}
	return o
}

// offerAwaited is offer for a caller who will report the outcome.
func (a *account) offerAwaited(event bridge.Event) *offer {
	o := a.offer(event)
	o.awaited = true
	return o
}

// await waits until events have been received, and joins the errors. An account
// that was closed meanwhile is none.
func await(offers []*offer) error {
	var errs []error
	for _, o := range offers {
		if <-o.answered; !errors.Is(o.err, ErrNotOpen) {
			errs = append(errs, o.err)
		}
	}
	return errors.Join(errs...)
}

func (q *queue) run() {
	defer close(q.done)
	for {
		o := q.take()
		if o == nil {
			select {
			case <-q.wake:
				continue
			case <-q.ctx.Done():
			}
			q.drop()
			return
		}
		if o.err = q.ctx.Err(); o.err == nil {
			o.err = q.receiver.Receive(q.ctx, o.event)
		} else {
			o.err = ErrNotOpen
		}
		q.answer(o)
	}
}

// take removes the oldest event, nil if there is none.
func (q *queue) take() *offer {
	q.net.mu.Lock()
	defer q.net.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	o := q.waiting[0]
	q.waiting = q.waiting[1:]
	return o
}

// answer tells whoever waits for the outcome of an event.
func (q *queue) answer(o *offer) {
	q.net.mu.Lock()
	defer q.net.mu.Unlock()
	closed := q.ctx.Err() != nil // then the error is of no account
	if o.err != nil && !errors.Is(o.err, bridge.ErrUnwelcome) && !o.awaited && !closed {
		q.net.blame("%s did not receive %T: %w", q.account, o.event, o.err)
	}
	close(o.answered)
	q.net.signal()
}

// drop answers the events that nobody will receive.
func (q *queue) drop() {
	for o := q.take(); o != nil; o = q.take() {
		o.err = ErrNotOpen
		q.answer(o)
	}
}

// close ends the goroutine and waits for it.
func (q *queue) close() {
	q.cancel()
	<-q.done
}
