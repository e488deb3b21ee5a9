package store

import (
	"context"
	"time"

	"papillon/bridge"
)

// noteChange writes down what was done to an account, for [Store.AccountChanges]
// in other processes. It belongs into the transaction of what was done.
func (s *Store) noteChange(ctx context.Context, handle bridge.Handle, kind bridge.AccountChangeKind) error {
	_, err := s.exec(ctx, `INSERT INTO account_change (handle, kind, changed) VALUES ($1, $2, $3)`,
		fold(handle), string(kind), time.Now().UnixMilli())
	return err
}

// AccountChanges is part of [bridge.Accounts]. It includes the changes made
// through this Store. Changes are kept for [ChangesFor]. Newest is never below
// since.
func (s *Store) AccountChanges(ctx context.Context, since int64) (changes []bridge.AccountChange, newest int64, err error) {
	if since < 0 {
		err = s.db.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) FROM account_change`).Scan(&newest)
		return nil, newest, wrap(err, "read newest account change")
	}
	rows, err := s.db.Query(ctx, `SELECT id, handle, kind FROM account_change WHERE id>$1 ORDER BY id`, since)
	if err != nil {
		return nil, since, wrap(err, "read account changes")
	}
	defer rows.Close()
	newest = since
	for rows.Next() {
		var c bridge.AccountChange
		if err = rows.Scan(&newest, &c.Handle, &c.Kind); err != nil {
			return nil, since, wrap(err, "read account changes")
		}
		changes = append(changes, c)
	}
	if err = rows.Err(); err != nil {
		return nil, since, wrap(err, "read account changes")
	}
	return changes, newest, nil
}
