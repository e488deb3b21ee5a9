package matrix

import (
	"context"
	"errors"
	"sync"

	"papillon/bridge"
)

// feed hands an account's passing events (presence, typing, connection) to its
// receiver, one at a time, in order. It never blocks whoever puts them in and
// stays small: of events about the same thing only the newest is kept.
type feed struct {
	mu     sync.Mutex
	order  []feedKey
	newest map[feedKey]bridge.Event
	wake   chan struct{}
}

// feedKey is what an event is about: its kind, and where and who.
type feedKey struct{ kind, where, who string }

func newFeed() *feed {
	return &feed{newest: make(map[feedKey]bridge.Event), wake: make(chan struct{}, 1)}
}

// put adds an event, in the place of one about the same thing that waits.
func (f *feed) put(key feedKey, event bridge.Event) {
	f.mu.Lock()
	if _, waits := f.newest[key]; !waits {
		f.order = append(f.order, key)
	}
	f.newest[key] = event
	f.mu.Unlock()
	poke(f.wake)
}

// take removes the oldest event.
func (f *feed) take() (key feedKey, event bridge.Event, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.order) == 0 {
		return feedKey{}, nil, false
	}
	key = f.order[0]
	f.order = f.order[1:]
	event = f.newest[key]
	delete(f.newest, key)
	return key, event, true
}

// giveBack puts an event that was not received back, first in line, unless a
// newer one has come.
func (f *feed) giveBack(key feedKey, event bridge.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, newer := f.newest[key]; newer {
		return
	}
	f.order = append([]feedKey{key}, f.order...)
	f.newest[key] = event
}

// run hands the events over until the context ends. An event that the receiver
// could not take is offered again.
func (f *feed) run(ctx context.Context, receiver bridge.Receiver) {
	var failures backoff
	for ctx.Err() == nil {
		key, event, ok := f.take()
		if !ok {
			select {
			case <-f.wake:
			case <-ctx.Done():
			}
			continue
		}
		err := receiver.Receive(ctx, event)
		if err == nil || errors.Is(err, bridge.ErrUnwelcome) {
			failures.reset()
			continue
		}
		f.giveBack(key, event)
		wait(ctx, failures.fail(), nil)
	}
}
