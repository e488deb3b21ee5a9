package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
)

// write runs f as one transaction that may change things. F must hand the
// context it gets to every statement.
func (s *Store) write(ctx context.Context, f func(context.Context) error) error {
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	defer s.endTurn()
	return s.db.DoTxn(ctx, nil, f)
}

// writeOne runs one statement as a transaction of its own and returns how many
// rows it changed.
func (s *Store) writeOne(ctx context.Context, query string, args ...any) (changed int64, err error) {
	if err = s.takeTurn(ctx); err != nil {
		return 0, err
	}
	defer s.endTurn()
	return s.exec(ctx, query, args...)
}

// writeReturning is writeOne for a statement with RETURNING; see returning.
func (s *Store) writeReturning(ctx context.Context, dest []any, query string, args ...any) (ok bool, err error) {
	if err = s.takeTurn(ctx); err != nil {
		return false, err
	}
	defer s.endTurn()
	return s.returning(ctx, dest, query, args...)
}

func (s *Store) takeTurn(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) endTurn() { <-s.turn }

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
