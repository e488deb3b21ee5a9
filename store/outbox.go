package store

import (
	"context"
	"database/sql"
	"time"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
	"papillon/bridge/text"
)

// OutboxAdd is part of [bridge.Outbox]. A zero Created means now. The error is
// [bridge.ErrNoAccount].
func (s *Store) OutboxAdd(ctx context.Context, entry bridge.OutboxEntry) (id int64, err error) {
	if entry.Created.IsZero() {
		entry.Created = time.Now()
	}
	order := entry.Order
	err = s.write(ctx, func(ctx context.Context) error {
		_, err := s.returning(ctx, []any{&id}, `
			INSERT INTO outbox (account, network, kind, chat_contact, chat_group, text, style, message_id, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id
		`, fold(entry.Account), entry.Network, string(order.Kind), string(order.Chat.Contact), order.Chat.Group,
			order.Text, order.Style.String(), entry.MessageID, entry.Created.UnixMilli())
		if err != nil || entry.MessageID == "" {
			return err
		}
		_, err = s.see(ctx, seenMessage{entry.Account, entry.Network, entry.MessageID, order.Chat, entry.MessageID, "", order.Text})
		return err
	})
	if err != nil {
		return 0, wrap(err, "store order of %s", entry.Account)
	}
	return id, nil
}

// OutboxOf is part of [bridge.Outbox].
func (s *Store) OutboxOf(ctx context.Context, account bridge.Handle, network string) ([]bridge.OutboxEntry, error) {
	entries, err := collect(ctx, s, scanOutbox, `
		SELECT id, account, network, kind, chat_contact, chat_group, text, style, message_id, created
		FROM outbox WHERE account=$1 AND network=$2 ORDER BY id
	`, fold(account), network)
	return entries, wrap(err, "read orders of %s", account)
}

func scanOutbox(row dbutil.Scannable) (e bridge.OutboxEntry, err error) {
	var created sql.NullInt64
	var style string
	err = row.Scan(&e.ID, &e.Account, &e.Network, &e.Order.Kind, &e.Order.Chat.Contact, &e.Order.Chat.Group,
		&e.Order.Text, &style, &e.MessageID, &created)
	e.Order.Style = text.ParseStyle(style)
	e.Created = fromMillis(created)
	return e, err
}

// OutboxDone is part of [bridge.Outbox]. An entry that is gone already is no
// error.
func (s *Store) OutboxDone(ctx context.Context, id int64) error {
	_, err := s.writeOne(ctx, `DELETE FROM outbox WHERE id=$1`, id)
	return wrap(err, "remove order %d", id)
}
