package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// lossTimeout is how long something may be on its way before it counts as lost.
const lossTimeout = 20 * time.Second

// fan watches how changes of status reach those who watch.
type fan struct {
	changed sync.Map // handle to when it was changed
	seen    atomic.Int64
	taken   times
	arrived chan struct{}
	want    atomic.Int64
}

// saw takes an event of a client; all of them are dealt with here.
func (f *fan) saw(e msnptest.Event) bool {
	status, ok := e.(msnptest.StatusChanged)
	if !ok {
		return true
	}
	if began, known := f.changed.Load(string(status.Contact.Handle)); known {
		f.taken.add(time.Since(began.(time.Time)))
		if f.seen.Add(1) == f.want.Load() {
			f.arrived <- struct{}{}
		}
	}
	return true
}

// benchPresence measures 200 users with ten mutual contacts who all change their
// status at once.
func benchPresence(ctx context.Context, o options) ([]row, error) {
	const group = 11
	const users = 18 * group // 198
	rounds := 50
	if o.quick {
		rounds = 5
	}
	return onBoth(ctx, o, population{users: users, group: group}, func(ctx context.Context, s *server) (row, error) {
		f := &fan{arrived: make(chan struct{}, 1)}
		clients, err := signInAll(ctx, s, users, 8, func(_ int, opts *msnptest.Options) { opts.Ignore = f.saw })
		defer closeAll(clients)
		if err != nil {
			return row{}, err
		}
		settle(ctx, time.Second) // what the sign-ins caused
		return measured(s, "presence (NLN)", &f.taken, func() (int, error) {
			for round := range rounds {
				if err := f.round(ctx, clients, group-1, round); err != nil {
					return 0, err
				}
			}
			return rounds * users * (group - 1), nil
		})
	})
}

// round has everybody change once, and waits until all have seen it.
func (f *fan) round(ctx context.Context, clients []*msnptest.Client, watchers, round int) error {
	status := [...]msnp.Status{msnp.Busy, msnp.Away}[round%2]
	f.seen.Store(0)
	f.want.Store(int64(len(clients) * watchers))
	var group errgroup.Group
	for _, c := range clients {
		group.Go(func() error {
			f.changed.Store(string(c.Self().Handle), time.Now())
			return c.SetStatus(ctx, status)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	select {
	case <-f.arrived:
		return nil
	case <-time.After(lossTimeout):
		return fmt.Errorf("%d of %d changes were seen in round %d", f.seen.Load(), f.want.Load(), round)
	case <-ctx.Done():
		return ctx.Err()
	}
}
