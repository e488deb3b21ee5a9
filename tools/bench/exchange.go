package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"papillon/msnp/msnptest"
)

// An exchange sends messages between MSN users and people far away, and measures how
// long each is on its way. What is sent is known again by its words.
type exchange struct {
	papillon *server
	relay    int                   // process of the server between Papillon and the people far away
	relays   string                // and its name
	sent     sync.Map              // words to when they were sent
	passed   sync.Map              // words to when they went through the meter, if there is one
	taken    atomic.Pointer[times] // of what is running
	inside   atomic.Pointer[times] // the part of it that was spent in Papillon
	count    atomic.Int64
	want     atomic.Int64
	all      chan struct{} // told when as many have arrived as are wanted
}

func newExchange(relays string) exchange {
	return exchange{relays: relays, all: make(chan struct{}, 1)}
}

// pass notes that a message goes through between Papillon and the relay.
func (x *exchange) pass(words string) {
	if _, under := x.sent.Load(words); under {
		x.passed.LoadOrStore(words, time.Now())
	}
}

// arrive notes that something has arrived.
func (x *exchange) arrive(words string) {
	now := time.Now()
	began, ok := x.sent.LoadAndDelete(words)
	if !ok {
		return
	}
	x.taken.Load().add(now.Sub(began.(time.Time)))
	if at, ok := x.passed.LoadAndDelete(words); ok {
		spent := at.(time.Time).Sub(began.(time.Time))
		if strings.HasPrefix(words, "in") { // on its way to Papillon
			spent = now.Sub(at.(time.Time))
		}
		x.inside.Load().add(spent)
	}
	if x.count.Add(1) == x.want.Load() {
		x.all <- struct{}{}
	}
}

// hear has what reaches an MSN client arrive, and keeps nothing of it but who
// joins: it is a client's Ignore.
func (x *exchange) hear(e msnptest.Event) bool {
	if m, ok := e.(msnptest.MessageArrived); ok {
		x.arrive(strings.TrimSpace(m.Message.Text()))
	}
	_, joined := e.(msnptest.Joined)
	return !joined
}

// send is how one direction sends message k.
type send func(ctx context.Context, k int, words string) error

// writers is how many send at the same time.
const writers = 8

// run sends n messages, paced at some rate per second or as fast as they go, and
// waits until all have arrived.
func (x *exchange) run(ctx context.Context, work string, n int, perSecond float64, f send) (row, error) {
	taken, inside := new(times), new(times)
	x.taken.Store(taken)
	x.inside.Store(inside)
	x.count.Store(0)
	x.want.Store(int64(n))
	before, err := cpuOf(x.relay)
	if err != nil {
		return row{}, err
	}
	r, err := measured(x.papillon, work, taken, func() (int, error) {
		if err := x.write(ctx, work, n, perSecond, f); err != nil {
			return 0, err
		}
		select {
		case <-x.all:
			return n, nil
		case <-time.After(3 * lossTimeout):
			return 0, fmt.Errorf("%d of %d messages arrived", x.count.Load(), n)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	if err != nil {
		return row{}, err
	}
	after, err := cpuOf(x.relay)
	r.note = fmt.Sprintf("%s's CPU each %v", x.relays, short((after-before)/time.Duration(n)))
	if len(inside.all) > 0 {
		r.note += fmt.Sprintf(", in Papillon p50 %v, p99 %v", short(inside.quantile(0.5)), short(inside.quantile(0.99)))
	}
	return r, err
}

// write sends them.
func (x *exchange) write(ctx context.Context, work string, n int, perSecond float64, f send) error {
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for w := range writers {
		group.Go(func() error {
			for k := w; k < n; k += writers {
				if perSecond > 0 {
					settle(ctx, time.Until(began.Add(time.Duration(float64(k)/perSecond*float64(time.Second)))))
				}
				words := fmt.Sprintf("%s-%d-%d", strings.Fields(work)[0], began.UnixMilli(), k)
				x.sent.Store(words, time.Now())
				if err := f(ctx, k, words); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
