package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"papillon/msnp/msnptest"
)

// benchSignIns measures VER to CHG answered, eight at a time, ten contacts each.
func benchSignIns(ctx context.Context, o options) ([]row, error) {
	const users, together = 220, 8
	total := 2000
	if o.quick {
		total = 200
	}
	return onBoth(ctx, o, population{users: users, group: 11}, func(ctx context.Context, s *server) (row, error) {
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

// benchContacts measures sign-in and SYN of somebody with many contacts, of whom
// nobody is there.
func benchContacts(ctx context.Context, o options) (rows []row, err error) {
	rounds := 100
	if o.quick {
		rounds = 10
	}
	for _, contacts := range []int{10, 100, 1000} {
		var syns [2]times // the floor's and Papillon's
		more, err := onBoth(ctx, o, population{users: contacts + 1, group: contacts + 1, star: true}, func(ctx context.Context, s *server) (row, error) {
			var taken times
			syn := &syns[0]
			if s.name == papillonName {
				syn = &syns[1]
			}
			return measured(s, fmt.Sprintf("sign-in, %d contacts", contacts), &taken, func() (int, error) {
				for range rounds {
					took, err := synchronize(ctx, s, syn)
					if err != nil {
						return 0, err
					}
					taken.add(took)
				}
				return rounds, nil
			})
		})
		if err != nil {
			return nil, err
		}
		for i, r := range more {
			r.note = fmt.Sprintf("SYN: p50 %v, p99 %v", short(syns[i].quantile(0.5)), short(syns[i].quantile(0.99)))
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// synchronize signs user 0 in and out and returns how long VER to CHG took; in
// syn it notes how long the client waited for its lists.
func synchronize(ctx context.Context, s *server, syn *times) (took time.Duration, err error) {
	var asked time.Time
	began := time.Now()
	c, err := signIn(ctx, s, 0, func(o *msnptest.Options) {
		o.Trace = func(direction byte, line string) {
			switch {
			case direction == 'C' && strings.HasPrefix(line, "SYN "):
				asked = time.Now()
			case direction == 'S' && strings.HasPrefix(line, "LST ") && strings.Contains(line, " RL "):
				if words := strings.Fields(line); len(words) > 5 && words[4] == words[5] { // the last one
					syn.add(time.Since(asked))
				}
			}
		}
	})
	if err != nil {
		return 0, err
	}
	took = time.Since(began)
	c.Close()
	return took, nil
}
