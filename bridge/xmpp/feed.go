package xmpp

import (
	"context"
	"errors"
	"time"

	"papillon/bridge"
)

// feed hands events to an account's receiver, in order and off the goroutine
// that reads the stream: receiving writes to the database. There is a goroutine
// while there is something to hand over.
type feed struct {
	account *account
	lane    lane
}

// feedRetry is the pause before an event that could not be received is offered
// again.
const feedRetry = time.Second

// put offers an event. Done, if not nil, is called when the event is durably
// taken care of. After the account's end events are dropped, and done is not
// called: who sent them has to offer them again.
func (f *feed) put(event bridge.Event, done func()) {
	f.call(func(ctx context.Context) {
		if f.offer(ctx, event) && done != nil {
			done()
		}
	})
}

// call runs something in the feed's order: what has to happen after the events
// before it.
func (f *feed) call(do func(ctx context.Context)) {
	f.lane.post(func() {
		if f.account.life.Err() == nil {
			do(f.account.life)
		}
	})
}

// putMessage offers a message that somebody sent. Welcome, if not nil, is called
// after done if the user lets that person through.
func (f *feed) putMessage(m bridge.MessageReceived, done, welcome func()) {
	f.call(func(ctx context.Context) {
		taken, err := f.settle(ctx, m)
		if !taken {
			return
		}
		finish(done)
		if err == nil {
			welcome()
		}
	})
}

// offer hands an event over until it is received; taken is false at the account's
// end.
func (f *feed) offer(ctx context.Context, event bridge.Event) (taken bool) {
	taken, _ = f.settle(ctx, event)
	return taken
}

// settle is offer, and returns what became of the event: nil or
// [bridge.ErrUnwelcome].
func (f *feed) settle(ctx context.Context, event bridge.Event) (taken bool, err error) {
	for {
		err := f.account.events.Receive(ctx, event)
		if err == nil || errors.Is(err, bridge.ErrUnwelcome) {
			f.account.received(event, err)
			return true, err
		}
		if ctx.Err() != nil {
			return false, err
		}
		f.account.log.Warn().Err(err).Msg("Cannot take an event in; trying again")
		select {
		case <-time.After(feedRetry):
		case <-ctx.Done():
			return false, err
		}
	}
}

// received is told what became of an event: an unwelcome request is declined.
func (a *account) received(event bridge.Event, err error) {
	request, ok := event.(bridge.ContactRequested)
	switch {
	case !ok || !errors.Is(err, bridge.ErrUnwelcome):
	case request.From.Room:
		a.rooms.turnAway(request.From.ID)
	case a.refuse != nil:
		a.refuse(request.From.ID)
	}
}
