package store

import (
	"context"
	"database/sql"
	"errors"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
)

// ContactByHandle is part of [bridge.Contacts].
func (s *Store) ContactByHandle(ctx context.Context, handle bridge.Handle) (c bridge.ContactRecord, ok bool, err error) {
	c, ok, err = s.contact(ctx, `SELECT handle, network, remote_id, name, room FROM contact WHERE handle=$1`, fold(handle))
	return c, ok, wrap(err, "read contact %s", handle)
}

// ContactByID is part of [bridge.Contacts].
func (s *Store) ContactByID(ctx context.Context, network string, id bridge.RemoteID) (c bridge.ContactRecord, ok bool, err error) {
	c, ok, err = s.contact(ctx, `SELECT handle, network, remote_id, name, room FROM contact WHERE network=$1 AND remote_id=$2`, network, string(id))
	return c, ok, wrap(err, "read %s contact %s", network, id)
}

func scanContact(row dbutil.Scannable) (c bridge.ContactRecord, err error) {
	err = row.Scan(&c.Handle, &c.Network, &c.ID, &c.Name, &c.Room)
	return c, err
}

func (s *Store) contact(ctx context.Context, query string, args ...any) (c bridge.ContactRecord, ok bool, err error) {
	c, err = scanContact(s.db.QueryRow(ctx, query, args...))
	if errors.Is(err, sql.ErrNoRows) {
		return bridge.ContactRecord{}, false, nil
	} else if err != nil {
		return bridge.ContactRecord{}, false, err
	}
	return c, true, nil
}

// AddContact is part of [bridge.Contacts]. A person who has another handle
// already gives [ErrContactTied]: ask [Store.ContactByID] for it.
func (s *Store) AddContact(ctx context.Context, c bridge.ContactRecord) error {
	c.Handle = bridge.Handle(fold(c.Handle))
	// Mostly there is nothing to write: the gateway calls this for everybody
	// it hears of.
	if present, ok, err := s.ContactByHandle(ctx, c.Handle); err != nil {
		return err
	} else if ok && present == c {
		return nil
	}
	err := s.write(ctx, func(ctx context.Context) error {
		present, ok, err := s.ContactByHandle(ctx, c.Handle)
		if err != nil {
			return err
		}
		if ok && present.Network == c.Network && present.ID == c.ID {
			_, err = s.exec(ctx, `UPDATE contact SET name=$2, room=$3 WHERE handle=$1`, string(c.Handle), c.Name, c.Room)
			return err
		}
		if ok {
			return bridge.ErrHandleTaken
		}
		return s.insertContact(ctx, c)
	})
	return wrap(err, "add contact %s", c.Handle)
}

// insertContact stores a tie for a handle that no contact has.
func (s *Store) insertContact(ctx context.Context, c bridge.ContactRecord) error {
	if err := s.needAccount(ctx, c.Handle); err == nil {
		return bridge.ErrHandleTaken
	} else if !errors.Is(err, bridge.ErrNoAccount) {
		return err
	}
	added, err := s.exec(ctx, `
		INSERT INTO contact (handle, network, remote_id, name, room) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (network, remote_id) DO NOTHING
	`, string(c.Handle), c.Network, string(c.ID), c.Name, c.Room)
	if err == nil && added == 0 {
		err = ErrContactTied
	}
	return err
}
