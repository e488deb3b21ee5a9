package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// row is one line of the table.
type row struct {
	work, server string
	count        int
	lasted       time.Duration
	cpu          time.Duration // of the server, for all
	taken        *times        // how long each took; nil where that means nothing
	note         string
}

// rate is operations per second.
func (r row) rate() float64 {
	if r.lasted == 0 {
		return 0
	}
	return float64(r.count) / r.lasted.Seconds()
}

// each is the server's processor time of one operation.
func (r row) each() time.Duration { return r.cpu / time.Duration(max(r.count, 1)) }

// add puts a second part of the same measurement to the first.
func (r row) add(more row) row {
	more.count += r.count
	more.lasted += r.lasted
	more.cpu += r.cpu
	if r.taken != nil {
		more.taken = &times{all: slices.Concat(r.taken.all, more.taken.all)}
	}
	return more
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
	return row{work: work, server: s.name, count: n, lasted: lasted, cpu: after - before, taken: taken}, nil
}

// onBoth measures something at the floor and at Papillon, with the same people,
// and at each twice, f being asked for half of it: floor, Papillon, Papillon,
// floor. So none of them is always the first, and what else the machine does
// falls on both.
func onBoth(ctx context.Context, o options, p population, f func(context.Context, *server) (row, error)) ([]row, error) {
	servers, stop, err := startBoth(ctx, o, p)
	defer stop()
	if err != nil {
		return nil, err
	}
	var rows []row
	for turn, s := range []*server{servers[0], servers[1], servers[1], servers[0]} {
		r, err := f(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if turn < 2 {
			rows = append(rows, r)
		} else {
			rows[3-turn] = rows[3-turn].add(r)
		}
	}
	return rows, nil
}
