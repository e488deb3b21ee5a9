package main

import (
	"context"
	"fmt"
	"time"

	"papillon/msnp/msnptest"
)

// benchIdle measures what clients cost that are signed in and do nothing.
func benchIdle(ctx context.Context, o options) ([]row, error) {
	users := o.idle
	if o.quick {
		users /= 10
	}
	return onBoth(ctx, o, population{users, 11}, func(ctx context.Context, s *server) (row, error) {
		before, err := s.memory()
		if err != nil {
			return row{}, err
		}
		began := time.Now()
		clients, err := signInAll(ctx, s, users, 8, func(_ int, opts *msnptest.Options) {
			opts.Ignore = func(msnptest.Event) bool { return true }
		})
		defer closeAll(clients)
		if err != nil {
			return row{}, err
		}
		lasted := time.Since(began)
		settle(ctx, o.idleFor/4)
		cpuBefore, err := s.cpu()
		if err != nil {
			return row{}, err
		}
		settle(ctx, o.idleFor)
		cpuAfter, err := s.cpu()
		if err != nil {
			return row{}, err
		}
		after, err := s.memory()
		if err != nil {
			return row{}, err
		}
		return row{
			work: "idle", server: s.name, count: users, rate: float64(users) / lasted.Seconds(),
			note: fmt.Sprintf("%.1f KiB resident each; %d still there; idle CPU %.2f %%",
				float64(after-before)/1024/float64(users), alive(clients), 100*(cpuAfter-cpuBefore).Seconds()/o.idleFor.Seconds()),
		}, ctx.Err()
	})
}

// settle waits.
func settle(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// alive counts the clients whose connection stands.
func alive(clients []*msnptest.Client) (n int) {
	for _, c := range clients {
		select {
		case <-c.Done():
		default:
			n++
		}
	}
	return n
}
