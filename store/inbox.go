package store

import (
	"context"
	"database/sql"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
	"papillon/bridge/text"
)

// InboxAdd is part of [bridge.Inbox]. The id is 0 when fresh is false. A message
// without an id is always fresh. Message ids and quotes are remembered for
// [SeenFor] and for as long as the message waits. The error is
// [bridge.ErrNoAccount].
func (s *Store) InboxAdd(ctx context.Context, entry bridge.InboxEntry) (id int64, fresh bool, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		if fresh, err = s.remember(ctx, entry); err != nil || !fresh {
			return err
		}
		m := entry.Message
		_, err = s.returning(ctx, []any{&id}, `
			INSERT INTO inbox (account, network, handle, message_id, chat_contact, chat_group, from_id, from_name,
				speaker, own, kind, text, style, sent)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id
		`, fold(entry.Account), entry.Network, fold(entry.Handle), m.ID, string(m.Chat.Contact), m.Chat.Group,
			string(m.From.ID), m.From.Name, fold(entry.Speaker), m.Own, string(m.Kind), m.Text, m.Style.String(), millis(m.Sent))
		return err
	})
	if err != nil {
		return 0, false, wrap(err, "store message for %s", entry.Account)
	}
	return id, fresh, nil
}

// remember notes that the account has had a message; fresh is false if it has
// had it before.
func (s *Store) remember(ctx context.Context, entry bridge.InboxEntry) (fresh bool, err error) {
	m := entry.Message
	if m.ID == "" {
		return true, nil
	}
	seen := seenMessage{entry.Account, entry.Network, m.ID, m.Chat, m.Ref, m.From.Name, entry.Quote}
	if seen.ref == "" {
		seen.ref = m.ID
	}
	if m.Own {
		seen.author = ""
	}
	fresh, err = s.see(ctx, seen)
	if err == nil && !fresh && m.Own && m.Ref != "" {
		_, err = s.exec(ctx, `UPDATE seen_message SET ref=$4 WHERE account=$1 AND network=$2 AND message_id=$3`,
			fold(entry.Account), entry.Network, m.ID, m.Ref)
	}
	return fresh, err
}

// InboxOf is part of [bridge.Inbox].
func (s *Store) InboxOf(ctx context.Context, account bridge.Handle) ([]bridge.InboxEntry, error) {
	entries, err := collect(ctx, s, scanInbox, `
		SELECT id, account, network, handle, message_id, chat_contact, chat_group, from_id, from_name,
			speaker, own, kind, text, style, sent
		FROM inbox WHERE account=CAST($1 AS TEXT) ORDER BY id
	`, fold(account))
	return entries, wrap(err, "read messages for %s", account)
}

func scanInbox(row dbutil.Scannable) (e bridge.InboxEntry, err error) {
	var sent sql.NullInt64
	var style string
	m := &e.Message
	err = row.Scan(&e.ID, &e.Account, &e.Network, &e.Handle, &m.ID, &m.Chat.Contact, &m.Chat.Group,
		&m.From.ID, &m.From.Name, &e.Speaker, &m.Own, &m.Kind, &m.Text, &style, &sent)
	m.Style = text.ParseStyle(style)
	m.Sent = fromMillis(sent)
	return e, err
}

// InboxDone is part of [bridge.Inbox]. An entry that is gone already is no
// error. The ids of its messages stay remembered.
func (s *Store) InboxDone(ctx context.Context, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	err := s.write(ctx, func(ctx context.Context) error {
		for _, id := range ids {
			if _, err := s.exec(ctx, `DELETE FROM inbox WHERE id=$1`, id); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "remove messages that were taken")
}
