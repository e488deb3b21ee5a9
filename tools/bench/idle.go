package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"papillon/msnp/msnptest"
)

// benchIdle measures what clients cost that are signed in and do nothing. The
// floor's are watched for a tenth of the time: what they cost does not change.
func benchIdle(ctx context.Context, o options) (rows []row, err error) {
	users := o.idle
	if o.quick {
		users /= 10
	}
	people := population{users: users, group: 11}
	for _, start := range []func() (*server, time.Duration, error){
		func() (*server, time.Duration, error) {
			s, err := startFloor(ctx, people)
			return s, o.idleFor / 10, err
		},
		func() (*server, time.Duration, error) {
			s, err := startPapillon(ctx, o, people, nil)
			return s, o.idleFor, err
		},
	} {
		s, watched, err := start()
		if err != nil {
			return nil, err
		}
		r, err := idle(ctx, s, users, watched)
		s.stop()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// idle signs users in at a server and watches it for a while.
func idle(ctx context.Context, s *server, users int, watched time.Duration) (row, error) {
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
	settle(ctx, time.Second) // what the sign-ins caused
	cpuBefore, err := s.cpu()
	if err != nil {
		return row{}, err
	}
	early, err := s.memory()
	if err != nil {
		return row{}, err
	}
	settle(ctx, watched)
	cpuAfter, err := s.cpu()
	if err != nil {
		return row{}, err
	}
	late, err := s.memory()
	if err != nil {
		return row{}, err
	}
	each := func(memory int64) float64 { return float64(memory-before) / 1024 / float64(users) }
	note := fmt.Sprintf("%.1f KiB resident each, %.1f after %v; %d still there; idle CPU %.2f %%",
		each(early), each(late), watched, alive(clients), 100*(cpuAfter-cpuBefore).Seconds()/watched.Seconds())
	return row{work: "idle", server: s.name, count: users, lasted: lasted, note: note}, errors.Join(ctx.Err(), s.profileNow())
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
