package bridge

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"papillon/bridge/text"
)

const (
	// orderTimeout is how long a network may take to carry out one order.
	orderTimeout = time.Minute
	// retryFirst and retryMost bound the pause before an order is tried again.
	retryFirst = time.Second
	retryMost  = time.Minute
	// waitingNotice is how long a message may wait before its writer is told.
	waitingNotice = 15 * time.Second
	// unfollowHold is how long an order to unfollow waits: some clients (aMSN)
	// rename a contact by removing and adding it, and elsewhere a contact that was
	// removed has to be asked again.
	unfollowHold = 5 * time.Second
)

// outbox carries out an account's orders to a network. All of them are stored;
// the queue here mirrors the store. Messages of one chat are carried out in the
// order in which they were given, and so are the other orders about one contact;
// one that has to be tried again holds up its own kind only. There is a worker while there is something to do.
type outbox struct {
	link *link
	wake chan struct{} // something was added, or may be tried again

	mu      sync.Mutex
	queue   []*pendingOrder
	working bool
	stopped bool

	running sync.WaitGroup // the worker

	adding  sync.WaitGroup     // orders on their way into the store and the queue
	closed  bool               // no more are taken; guarded by mu
	abandon context.CancelFunc // gives up the order under way; nil if there is none; guarded by mu
	noRoom  map[string]error   // why a group got none, by the key of [Rooms.Gather]; guarded by mu
}

// errIdentityClosed is why an order is not taken.
var errIdentityClosed = errors.New("the identity on the network was just closed or changed: try again")

// pendingOrder is an order in the queue.
type pendingOrder struct {
	OutboxEntry
	done     func(error) // may be nil
	tries    int
	after    time.Time // not to be tried before
	hold     time.Time // not even when the network is back
	noticed  bool      // its writer was told that it waits
	executed bool      // accepted or given up; only the store has it still
}

// orderKey names what must stay in order: the messages of one chat, and beside
// them whatever else concerns one contact.
type orderKey struct {
	chat    Chat
	message bool
}

func (p *pendingOrder) key() orderKey {
	switch p.Order.Kind {
	case OrderSend, OrderGather, OrderInvite:
		return orderKey{p.Order.Chat, true}
	}
	return orderKey{Chat{Contact: p.Order.Chat.Contact}, false}
}

// load takes up what an earlier run left.
func (o *outbox) load(ctx context.Context) error {
	left, err := o.link.gateway.Storage.OutboxOf(ctx, o.link.owner, o.link.network.Name())
	if err != nil {
		return fmt.Errorf("read outbox: %w", err)
	}
	for _, e := range left {
		p := &pendingOrder{OutboxEntry: e}
		p.holdBack()
		o.enqueue(p)
	}
	return nil
}

// add stores an order and has it carried out. Done, if not nil, is called once
// with the outcome: nil when the network has accepted the order, an error when
// it will not be tried any more. It is not called when add fails.
func (o *outbox) add(ctx context.Context, order Order, done func(error)) error {
	e := OutboxEntry{Account: o.link.owner, Network: o.link.network.Name(), Order: order, Created: time.Now()}
	if order.Kind == OrderSend {
		// The account is in it because some networks have one name space for all.
		e.MessageID = fmt.Sprintf("papillon-%s-%s", o.link.owner, crand.Text())
	}
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return errIdentityClosed
	}
	o.adding.Add(1)
	o.mu.Unlock()
	defer o.adding.Done()
	id, err := o.link.gateway.Storage.OutboxAdd(ctx, e)
	if err != nil {
		return fmt.Errorf("store order: %w", err)
	}
	e.ID = id
	p := &pendingOrder{OutboxEntry: e, done: done}
	p.holdBack()
	o.enqueue(p)
	return nil
}

// holdBack sets how long an order to unfollow waits.
func (p *pendingOrder) holdBack() {
	if p.Order.Kind == OrderUnfollow {
		p.hold = p.Created.Add(unfollowHold)
		p.after = p.hold
	}
}

// takeBack drops orders to unfollow a contact that were not tried yet, and says
// whether there were any. The network may have carried out one that was tried,
// even if its answer was lost.
func (o *outbox) takeBack(ctx context.Context, contact RemoteID) (any bool, err error) {
	o.mu.Lock()
	var dropped []*pendingOrder
	for _, p := range o.queue {
		if p.Order.Kind == OrderUnfollow && p.Order.Chat.Contact == contact && !p.executed && time.Now().Before(p.hold) {
			p.executed = true // nothing is left to do but to remove it
			dropped = append(dropped, p)
		}
	}
	o.mu.Unlock()
	for _, p := range dropped {
		if doneErr := o.link.gateway.Storage.OutboxDone(ctx, p.ID); doneErr != nil {
			err = errors.Join(err, fmt.Errorf("take an order back: %w", doneErr))
			continue
		}
		o.remove(p)
	}
	return len(dropped) > 0, err
}

// has says whether an order about a contact waits.
func (o *outbox) has(kind OrderKind, contact RemoteID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.queue, func(p *pendingOrder) bool {
		return p.Order.Kind == kind && p.Order.Chat.Contact == contact && !p.executed
	})
}

// enqueue puts an order at the end and sees to it that there is a worker.
func (o *outbox) enqueue(p *pendingOrder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = append(o.queue, p)
	switch {
	case o.stopped:
	case o.working:
		o.nudge()
	default:
		o.working = true
		o.running.Add(1)
		if !o.link.gateway.spawn(func(ctx context.Context) { defer o.running.Done(); o.work(ctx) }) {
			o.running.Done()
		}
	}
}

// nudge wakes the worker.
func (o *outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// retryNow has everything tried at once that failed before: the network is back.
func (o *outbox) retryNow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.queue {
		p.after = p.hold
	}
	o.nudge()
}

// stop ends the worker after what it does now; the store keeps the rest.
func (o *outbox) stop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stopped = true
	o.nudge()
}

// waiting counts the messages that wait.
func (o *outbox) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, p := range o.queue {
		if p.Order.Kind == OrderSend && !p.executed {
			n++
		}
	}
	return n
}

// close is stop for an identity that another may follow: when it returns every
// order that was taken is stored, for the next identity to find, and none is taken
// any more; the one under way is given up. It waits for storage.
func (o *outbox) close() {
	o.stop()
	o.mu.Lock()
	o.closed = true
	if o.abandon != nil {
		o.abandon()
	}
	o.mu.Unlock()
	o.adding.Wait()
}

// orphans returns the orders of a closed outbox whose outcome somebody waits for. The
// worker must have ended.
func (o *outbox) orphans() (left []*pendingOrder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.queue {
		if p.done != nil && !p.executed {
			left = append(left, p)
		}
	}
	return left
}

// adopt has whoever waits for an order of an earlier identity be told by this one, and
// says whether the order is here.
func (o *outbox) adopt(orphan *pendingOrder) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.queue, func(p *pendingOrder) bool { return p.ID == orphan.ID && !p.executed })
	if i < 0 {
		return false
	}
	o.queue[i].done = orphan.done
	return true
}

// work carries out orders until none is left.
func (o *outbox) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p, pause, more := o.next(time.Now())
		switch {
		case !more:
			return
		case p != nil:
			o.attempt(ctx, p)
		default:
			timer.Reset(pause)
			select {
			case <-timer.C:
			case <-o.wake:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// next chooses the oldest order whose chat is not held up by an earlier one, or
// says how long there is nothing to do. More is false when the worker is done.
func (o *outbox) next(now time.Time) (p *pendingOrder, pause time.Duration, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stopped || len(o.queue) == 0 {
		o.working = false
		return nil, 0, false
	}
	pause = retryMost
	held := make(map[orderKey]bool)
	for _, p := range o.queue {
		if held[p.key()] {
			continue
		}
		if wait := p.after.Sub(now); wait > 0 {
			held[p.key()] = true
			pause = min(pause, wait)
			continue
		}
		return p, 0, true
	}
	return nil, pause, true
}

// attempt tries one order and draws the consequences.
func (o *outbox) attempt(ctx context.Context, p *pendingOrder) {
	if !p.executed {
		err := o.execute(ctx, p)
		final := errors.Is(err, ErrRefused) || errors.Is(err, ErrNoSuchContact) || o.tooOld(p)
		switch {
		case ctx.Err() != nil:
			return // the gateway stops; the order stays stored
		case err != nil && !final:
			o.again(ctx, p, err)
			return
		case err != nil:
			o.link.log.Warn().Err(err).Str("order", string(p.Order.Kind)).Msg("Order given up")
			o.giveUp(ctx, p, err)
		}
		o.mu.Lock()
		p.executed = true
		done := p.done
		o.mu.Unlock()
		if done != nil {
			done(err)
		}
	}
	if err := o.link.gateway.Storage.OutboxDone(ctx, p.ID); err != nil {
		o.again(ctx, p, fmt.Errorf("remove order: %w", err))
		return
	}
	o.remove(p)
}

// giveUp says that an order will not be tried any more. Of a room for a group it is said
// of each message that would have gone there.
func (o *outbox) giveUp(ctx context.Context, p *pendingOrder, err error) {
	if p.Order.Kind != OrderGather {
		o.tellWriter(ctx, p, "will not be delivered: "+err.Error())
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.noRoom == nil {
		o.noRoom = make(map[string]error)
	}
	o.noRoom[p.Order.Chat.Group] = err
}

// execute carries an order out, once.
func (o *outbox) execute(ctx context.Context, p *pendingOrder) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return errIdentityClosed
	}
	o.abandon = cancel
	why := o.noRoom[p.Order.Chat.Group]
	o.mu.Unlock()
	if why != nil {
		return fmt.Errorf("%w: there is no room for it: %w", ErrRefused, why)
	}
	account, id := o.link.account, p.Order.Chat.Contact
	switch p.Order.Kind {
	case OrderSend:
		return account.Send(ctx, Outgoing{
			ID: p.messageID(), Chat: p.Order.Chat, Text: p.Order.Text, Style: p.Order.Style, Sent: p.Created,
		})
	case OrderFollow:
		return account.Follow(ctx, Contact{ID: id, Name: p.Order.Text, Room: p.Order.Chat.Group != ""})
	case OrderUnfollow:
		return account.Unfollow(ctx, id)
	}
	return o.executeOptional(ctx, account, p.Order)
}

// messageID is the id of a message for the network.
func (p *pendingOrder) messageID() string {
	if p.MessageID == "" { // stored by a version that made it of these
		return fmt.Sprintf("papillon-%s-%d-%d", p.Account, p.ID, p.Created.UnixMilli())
	}
	return p.MessageID
}

// executeOptional carries out an order that not every network knows. Where it is
// not known there is nothing to do.
func (o *outbox) executeOptional(ctx context.Context, account Account, order Order) error {
	gatekeeper, _ := account.(Gatekeeper)
	renamer, _ := account.(Renamer)
	keeper, _ := account.(RosterKeeper)
	rooms, _ := account.(Rooms)
	switch {
	case order.Kind == OrderAllow && gatekeeper != nil:
		return gatekeeper.Allow(ctx, order.Chat.Contact)
	case order.Kind == OrderBlock && gatekeeper != nil:
		return gatekeeper.Block(ctx, order.Chat.Contact)
	case order.Kind == OrderRename && renamer != nil:
		return renamer.Rename(ctx, order.Text)
	case order.Kind == OrderRenameContact && keeper != nil:
		return keeper.RenameContact(ctx, order.Chat.Contact, order.Text)
	case order.Kind == OrderGather && rooms != nil:
		return o.link.gather(ctx, rooms, order)
	case order.Kind == OrderInvite && rooms != nil:
		return rooms.Invite(ctx, order.Chat.Group, RemoteID(order.Text))
	}
	return nil
}

// tooOld says whether an order has been tried long enough.
func (o *outbox) tooOld(p *pendingOrder) bool {
	limit := o.link.gateway.GiveUpAfter
	return limit > 0 && time.Since(p.Created) > limit
}

// again has an order tried later.
func (o *outbox) again(ctx context.Context, p *pendingOrder, err error) {
	pause := min(retryFirst<<min(p.tries, 10), retryMost)
	pause += rand.N(pause/4 + 1) // so that not all accounts come back at once
	p.tries++
	o.link.log.Info().Err(err).Str("order", string(p.Order.Kind)).Int("tries", p.tries).
		Stringer("pause", pause).Msg("Order has to wait")
	if !p.executed && !p.noticed && time.Since(p.Created) > waitingNotice {
		p.noticed = true
		o.tellWriter(ctx, p, "waits: "+o.link.network.Name()+" cannot be reached or does not take it now. It is tried again until it does.")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p.after = time.Now().Add(pause)
}

// remove takes an order off the queue.
func (o *outbox) remove(p *pendingOrder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, q := range o.queue {
		if q == p {
			o.queue = slices.Delete(o.queue, i, i+1)
			return
		}
	}
}

// noticePreview is how much of a message the helper contact repeats, in bytes.
const noticePreview = 60

// tellWriter has the helper contact say what became of what the user has said or asked for.
func (o *outbox) tellWriter(ctx context.Context, p *pendingOrder, what string) {
	switch p.Order.Kind {
	case OrderSend:
		what = fmt.Sprintf("Your message to %s (%q) %s", o.link.whereTo(ctx, p.Order.Chat), text.Preview(p.Order.Text, noticePreview), what)
	case OrderInvite:
		what = fmt.Sprintf("Your invitation to %s %s", p.Order.Text, what)
	case OrderGather:
		what = "The room for your group " + what
	default:
		return
	}
	o.link.gateway.tell(o.link.owner, what)
}

// whereTo names a chat for its user: by the handle, which is what stands on the contact
// list. The id of a room says nothing to anybody.
func (l *link) whereTo(ctx context.Context, c Chat) string {
	if c.Contact == "" {
		return "the group"
	}
	contact, known, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), c.Contact)
	if err != nil || !known {
		return string(c.Contact)
	}
	return string(contact.Handle)
}
