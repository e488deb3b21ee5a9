package store

import (
	"context"
	"database/sql"
	"errors"

	"papillon/bridge"
)

// DirectChat is part of [bridge.Chats].
func (s *Store) DirectChat(ctx context.Context, account bridge.Handle, network string, contact bridge.RemoteID) (chat string, ok bool, err error) {
	chat, ok, err = s.chatColumn(ctx, `SELECT chat FROM direct_chat WHERE account=$1 AND network=$2 AND contact=$3`,
		fold(account), network, string(contact))
	return chat, ok, wrap(err, "read chat of %s with %s", account, contact)
}

// ChatContact is part of [bridge.Chats].
func (s *Store) ChatContact(ctx context.Context, account bridge.Handle, network string, chat string) (contact bridge.RemoteID, ok bool, err error) {
	id, ok, err := s.chatColumn(ctx, `SELECT contact FROM direct_chat WHERE account=$1 AND network=$2 AND chat=$3`,
		fold(account), network, chat)
	return bridge.RemoteID(id), ok, wrap(err, "read contact of chat %s of %s", chat, account)
}

func (s *Store) chatColumn(ctx context.Context, query string, args ...any) (value string, ok bool, err error) {
	err = s.db.QueryRow(ctx, query, args...).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return value, err == nil, err
}

// SetDirectChat is part of [bridge.Chats]. A chat belongs to one contact: if it
// was another one's, it is no more.
func (s *Store) SetDirectChat(ctx context.Context, account bridge.Handle, network string, contact bridge.RemoteID, chat string) error {
	err := s.write(ctx, func(ctx context.Context) error {
		if _, err := s.exec(ctx, `DELETE FROM direct_chat WHERE account=$1 AND network=$2 AND chat=$3 AND contact<>$4`,
			fold(account), network, chat, string(contact)); err != nil {
			return err
		}
		_, err := s.exec(ctx, `
			INSERT INTO direct_chat (account, network, contact, chat) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account, network, contact) DO UPDATE SET chat=excluded.chat
		`, fold(account), network, string(contact), chat)
		return err
	})
	return wrap(err, "set chat of %s with %s", account, contact)
}

// ForgetDirectChat is part of [bridge.Chats]. An unknown chat is no error.
func (s *Store) ForgetDirectChat(ctx context.Context, account bridge.Handle, network string, chat string) error {
	_, err := s.writeOne(ctx, `DELETE FROM direct_chat WHERE account=$1 AND network=$2 AND chat=$3`, fold(account), network, chat)
	return wrap(err, "forget chat %s of %s", chat, account)
}
