package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// signInTimeout bounds one sign-in.
const signInTimeout = 30 * time.Second

// signIn signs user i in and sets him online.
func signIn(ctx context.Context, s *server, i int, adjust func(*msnptest.Options)) (*msnptest.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	o := msnptest.Options{Handle: handle(i), Password: password, Status: msnp.Online, AutoAnswer: true}
	if adjust != nil {
		adjust(&o)
	}
	c, err := msnptest.Dial(ctx, s.addr, o)
	if err != nil {
		return nil, fmt.Errorf("sign %s in at %s: %w", o.Handle, s.name, err)
	}
	return c, nil
}

// signInAll signs users in, some at a time.
func signInAll(ctx context.Context, s *server, n, together int, adjust func(i int, o *msnptest.Options)) ([]*msnptest.Client, error) {
	clients := make([]*msnptest.Client, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(together)
	for i := range n {
		group.Go(func() (err error) {
			clients[i], err = signIn(ctx, s, i, func(o *msnptest.Options) {
				if adjust != nil {
					adjust(i, o)
				}
			})
			return err
		})
	}
	return clients, group.Wait()
}

// closeAll drops clients.
func closeAll(clients []*msnptest.Client) {
	for _, c := range clients {
		if c != nil {
			c.Close()
		}
	}
}

// times collects how long things took.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

// quantile returns the time that a share of all stays below.
func (t *times) quantile(q float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return 0
	}
	slices.Sort(t.all)
	return t.all[min(int(q*float64(len(t.all))), len(t.all)-1)]
}

// measured runs work and makes a row of it.
func measured(s *server, work string, taken *times, f func() (count int, err error)) (row, error) {
	before, err := s.cpu()
	if err != nil {
		return row{}, err
	}
	began := time.Now()
	n, err := f()
	if err != nil {
		return row{}, err
	}
	lasted := time.Since(began)
	after, err := s.cpu()
	if err != nil {
		return row{}, err
	}
	return row{
		work: work, server: s.name, count: n, rate: float64(n) / lasted.Seconds(),
		p50: taken.quantile(0.5), p99: taken.quantile(0.99), cpu: (after - before) / time.Duration(max(n, 1)),
	}, nil
}

// onBoth measures something at the floor and at Papillon, with the same people.
func onBoth(ctx context.Context, o options, p population, f func(context.Context, *server) (row, error)) (rows []row, err error) {
	servers, stop, err := startBoth(ctx, o, p)
	defer stop()
	if err != nil {
		return nil, err
	}
	for _, s := range servers {
		r, err := f(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}
