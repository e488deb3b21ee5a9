package store

import (
	"context"
	"database/sql"
	"time"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
)

// OutboxAdd is part of [bridge.Outbox]. A zero Created means now. The error is
// [bridge.ErrNoAccount].
func (s *Store) OutboxAdd(ctx context.Context, entry bridge.OutboxEntry) (id int64, err error) {
	if entry.Created.IsZero() {
		entry.Created = time.Now()
	}
	_, err = s.writeReturning(ctx, []any{&id}, `
		INSERT INTO outbox (account, network, kind, chat_contact, chat_group, text, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
	`, fold(entry.Account), entry.Network, string(entry.Order.Kind), string(entry.Order.Chat.Contact),
		entry.Order.Chat.Group, entry.Order.Text, entry.Created.UnixMilli())
	if err != nil {
		return 0, wrap(err, "store order of %s", entry.Account)
	}
	return id, nil
}

// OutboxOf is part of [bridge.Outbox].
func (s *Store) OutboxOf(ctx context.Context, account bridge.Handle, network string) ([]bridge.OutboxEntry, error) {
	entries, err := collect(ctx, s, scanOutbox, `
		SELECT id, account, network, kind, chat_contact, chat_group, text, created
		FROM outbox WHERE account=$1 AND network=$2 ORDER BY id
	`, fold(account), network)
	return entries, wrap(err, "read orders of %s", account)
}

func scanOutbox(row dbutil.Scannable) (e bridge.OutboxEntry, err error) {
	var created sql.NullInt64
	err = row.Scan(&e.ID, &e.Account, &e.Network, &e.Order.Kind, &e.Order.Chat.Contact, &e.Order.Chat.Group,
		&e.Order.Text, &created)
	e.Created = fromMillis(created)
	return e, err
}

// OutboxDone is part of [bridge.Outbox]. An entry that is gone already is no
// error.
func (s *Store) OutboxDone(ctx context.Context, id int64) error {
	_, err := s.writeOne(ctx, `DELETE FROM outbox WHERE id=$1`, id)
	return wrap(err, "remove order %d", id)
}
