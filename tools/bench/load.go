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

// quantile returns the time that a share of all stays below; 0 if there are none.
func (t *times) quantile(q float64) time.Duration {
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.all) == 0 {
		return 0
	}
	slices.Sort(t.all)
	return t.all[min(int(q*float64(len(t.all))), len(t.all)-1)]
}
