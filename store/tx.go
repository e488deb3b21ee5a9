package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
)

// writer lets one change of the database at a time happen. SQLite allows no
// more and makes the others sleep and try again; within a process, waiting for
// one's turn is quicker and fair. Changes that gather meanwhile are committed
// together: what costs most is the disk, and it costs that once per commit.
type writer struct {
	mu      sync.Mutex
	busy    bool
	waiting []*change
}

// change is one change that waits for its turn.
type change struct {
	ctx  context.Context
	f    func(context.Context) error
	done chan struct{} // closed when err is set
	err  error

	mu      sync.Mutex
	begun   bool
	dropped bool
}

// maxTogether is how many changes are committed together. All wait for the
// slowest, and all fail if the disk fails.
const maxTogether = 128

// insideKey marks the context of a function that runs as part of a transaction.
type insideKey struct{}

// write runs f as a change of its own: wholly or not at all, durable when write
// returns nil. F must hand the context it gets to every statement. Inside of
// another change it is part of that one.
func (s *Store) write(ctx context.Context, f func(context.Context) error) error {
	if ctx.Value(insideKey{}) == s {
		return s.savepoint(ctx, f)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{ctx: ctx, f: f, done: make(chan struct{})}
	w := &s.writer
	w.mu.Lock()
	w.waiting = append(w.waiting, c)
	if !w.busy {
		w.busy = true
		go s.commitAll()
	}
	w.mu.Unlock()
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.drop() {
			return ctx.Err()
		}
		<-c.done
	}
	return c.err
}

// drop takes a change back; false means that it has begun.
func (c *change) drop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = !c.begun
	return c.dropped
}

// begin starts a change; false means that nobody wants it any more.
func (c *change) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = !c.dropped
	return c.begun
}

// Atomically implements [bridge.Storage].
func (s *Store) Atomically(ctx context.Context, f func(context.Context) error) error {
	return s.write(ctx, f)
}

// commitAll makes changes until none waits.
func (s *Store) commitAll() {
	w := &s.writer
	for {
		w.mu.Lock()
		if len(w.waiting) == 0 {
			w.busy, w.waiting = false, nil
			w.mu.Unlock()
			return
		}
		n := min(len(w.waiting), maxTogether)
		together := w.waiting[:n:n]
		w.waiting = w.waiting[n:]
		w.mu.Unlock()
		s.commit(together)
	}
}

// commit makes changes together. Each has its own outcome; if the commit fails,
// all have.
func (s *Store) commit(changes []*change) {
	// No caller's context may end the others' transaction.
	ctx := context.WithoutCancel(changes[0].ctx)
	err := s.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		ctx = context.WithValue(ctx, insideKey{}, s)
		if len(changes) == 1 {
			changes[0].err = s.run(ctx, changes[0])
			return changes[0].err
		}
		for _, c := range changes {
			c.err = s.savepoint(ctx, func(ctx context.Context) error { return s.run(ctx, c) })
			if errors.Is(c.err, errSavepoint) {
				return c.err
			}
		}
		return nil
	})
	for _, c := range changes {
		if c.err == nil {
			c.err = err
		}
		close(c.done)
	}
}

// run makes one change.
func (s *Store) run(ctx context.Context, c *change) error {
	if err := c.ctx.Err(); err != nil || !c.begin() {
		return err
	}
	return c.f(ctx)
}

// errSavepoint: the transaction itself is broken.
var errSavepoint = errors.New("savepoint")

// savepoint runs f as a part of a transaction that can fail by itself.
func (s *Store) savepoint(ctx context.Context, f func(context.Context) error) error {
	const name = "part" // they nest: the newest of a name is meant
	if _, err := s.db.Exec(ctx, "SAVEPOINT "+name); err != nil {
		return fmt.Errorf("%w: %w", errSavepoint, err)
	}
	outcome := f(ctx)
	if outcome != nil {
		if _, err := s.db.Exec(ctx, "ROLLBACK TO SAVEPOINT "+name); err != nil {
			return fmt.Errorf("%w: %w", errSavepoint, errors.Join(err, outcome))
		}
	}
	if _, err := s.db.Exec(ctx, "RELEASE SAVEPOINT "+name); err != nil {
		return fmt.Errorf("%w: %w", errSavepoint, errors.Join(err, outcome))
	}
	return outcome
}

// writeOne runs one statement as a change of its own and returns how many rows
// it changed.
func (s *Store) writeOne(ctx context.Context, query string, args ...any) (changed int64, err error) {
	err = s.write(ctx, func(ctx context.Context) (err error) {
		changed, err = s.exec(ctx, query, args...)
		return err
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}

// writeReturning is writeOne for a statement with RETURNING; see returning.
func (s *Store) writeReturning(ctx context.Context, dest []any, query string, args ...any) (ok bool, err error) {
	err = s.write(ctx, func(ctx context.Context) (err error) {
		ok, err = s.returning(ctx, dest, query, args...)
		return err
	})
	return ok && err == nil, err
}

// exec runs a statement, in the transaction of ctx if there is one, and returns
// how many rows it changed.
func (s *Store) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	result, err := s.db.Exec(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// returning runs a statement with RETURNING that changes one row at most, and
// reads that row; ok is false if there was none. It runs the statement to its
// end, which is when SQLite commits: reading one row and closing could hide the
// error of the commit.
func (s *Store) returning(ctx context.Context, dest []any, query string, args ...any) (ok bool, err error) {
	rows, err := s.db.Query(ctx, query, args...)
	if err != nil {
		return false, err
	}
	for err == nil && rows.Next() {
		ok = true
		err = rows.Scan(dest...)
	}
	if err == nil {
		err = rows.Err()
	}
	if closeErr := rows.Close(); err == nil {
		err = closeErr
	}
	return ok && err == nil, err
}

// read runs a statement that reads a few rows of one account. It is over in
// microseconds, so that it need not be broken off: database/sql starts a goroutine for
// each query whose context can end, and SQLite's driver watches it too, which
// takes as long as the query.
func (s *Store) read(ctx context.Context, query string, args ...any) (dbutil.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.db.Query(context.WithoutCancel(ctx), query, args...)
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, s *Store, scan dbutil.ConvertRowFn[T], query string, args ...any) ([]T, error) {
	return scan.NewRowIter(s.db.Query(ctx, query, args...)).AsList()
}

// fold puts a handle into the form in which the database has it. Handles are in
// that form already; a caller that forgot must not make a second one.
func fold(h bridge.Handle) string { return strings.ToLower(string(h)) }

// millis and fromMillis turn times into what the database has, and back; the
// zero time is NULL.
func millis(t time.Time) *int64 { return dbutil.UnixMilliPtr(t) }

func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}
