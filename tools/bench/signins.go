package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// benchSignIns measures VER to CHG answered, eight at a time, ten contacts each.
func benchSignIns(ctx context.Context, o options) ([]row, error) {
	const users, together = 220, 8
	total := 4000
	if o.quick {
		total = 400
	}
	return onBoth(ctx, o, population{users, 11}, func(ctx context.Context, s *server) (row, error) {
		var taken times
		return measured(s, "sign-in", &taken, func() (int, error) {
			group, ctx := errgroup.WithContext(ctx)
			var next atomic.Int64
			for worker := range together {
				group.Go(func() error {
					// Each has users of its own: a second sign-in would end the first.
					for k := 0; next.Add(1) <= int64(total); k++ {
						began := time.Now()
						c, err := signIn(ctx, s, worker+together*(k%(users/together)), nil)
						if err != nil {
							return err
						}
						taken.add(time.Since(began))
						c.Close()
					}
					return nil
				})
			}
			return total, group.Wait()
		})
	})
}

// benchContacts measures a sign-in of somebody with many contacts, of whom nobody is there.
func benchContacts(ctx context.Context, o options) (rows []row, err error) {
	for _, contacts := range []int{10, 100, 1000} {
		more, err := onBoth(ctx, o, population{contacts + 1, contacts + 1}, func(ctx context.Context, s *server) (row, error) {
			var taken times
			return measured(s, fmt.Sprintf("sign-in, %d contacts", contacts), &taken, func() (int, error) {
				const rounds = 50
				for range rounds {
					began := time.Now()
					c, err := signIn(ctx, s, 0, nil)
					if err != nil {
						return 0, err
					}
					taken.add(time.Since(began))
					c.Close()
				}
				return rounds, nil
			})
		})
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}
