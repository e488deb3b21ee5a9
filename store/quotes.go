package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"papillon/bridge"
	"papillon/bridge/text"
)

// maxQuote is how much of a message is remembered for others to refer to, in
// bytes.
const maxQuote = 200

// seenMessage is what is remembered of a message.
type seenMessage struct {
	account bridge.Handle
	network string
	id      string
	chat    bridge.Chat
	ref     string
	author  string
	quote   string
}

// see remembers a message; fresh is false if it is remembered already.
func (s *Store) see(ctx context.Context, m seenMessage) (fresh bool, err error) {
	var chat, ref *string // NULL
	quote := text.Preview(m.quote, maxQuote)
	if quote != "" {
		name := chatName(m.chat)
		chat, ref = &name, &m.ref
	}
	seen := time.Now().UnixMilli()
	if quote != "" && m.ref != m.id {
		if seen, err = s.after(ctx, m, seen); err != nil {
			return false, err
		}
	}
	added, err := s.exec(ctx, `
		INSERT INTO seen_message (account, network, message_id, seen, chat, ref, author, quote)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (account, network, message_id) DO NOTHING
	`, fold(m.account), m.network, m.id, seen, chat, ref, m.author, quote)
	return added > 0, err
}

// after returns a time that is later than that of all other words of the same message: what
// corrects it may come within the same millisecond.
func (s *Store) after(ctx context.Context, m seenMessage, now int64) (int64, error) {
	var last sql.NullInt64
	err := s.db.QueryRow(ctx, `SELECT MAX(seen) FROM seen_message WHERE account=$1 AND network=$2 AND ref=$3`,
		fold(m.account), m.network, m.ref).Scan(&last)
	return max(now, last.Int64+1), err
}

// chatName tells chats apart in one column.
func chatName(c bridge.Chat) string {
	if c.Group != "" {
		return c.Group
	}
	return string(c.Contact)
}

// Quote is part of [bridge.Quotes].
func (s *Store) Quote(ctx context.Context, account bridge.Handle, network string, chat bridge.Chat, ref string) (q bridge.Quote, ok bool, err error) {
	err = s.db.QueryRow(ctx, `
		SELECT quote, author FROM seen_message WHERE account=$1 AND network=$2 AND ref=$3 AND chat=$4 ORDER BY seen DESC LIMIT 1
	`, fold(account), network, ref, chatName(chat)).Scan(&q.Text, &q.Author)
	if errors.Is(err, sql.ErrNoRows) {
		return bridge.Quote{}, false, nil
	}
	return q, err == nil, wrap(err, "find a quote for %s", account)
}
