package store

import (
	"context"
	"database/sql"
	"errors"

	"papillon/bridge"
)

// SignUp is part of [bridge.SignUps]. An error of [Store.AddAccount] is
// possible too.
func (s *Store) SignUp(ctx context.Context, u bridge.SignUp) error {
	err := s.write(ctx, func(ctx context.Context) error {
		if _, taken, err := s.SignedUp(ctx, u.Network, u.Person); err != nil {
			return err
		} else if taken {
			return bridge.ErrSignedUp
		}
		if _, linked, err := s.LinkedTo(ctx, u.Network, u.Person); err != nil {
			return err
		} else if linked && u.Kind != "" {
			return bridge.ErrSignedUp
		}
		if err := s.AddAccount(ctx, u.Handle, u.Name); err != nil {
			return err
		}
		if u.Kind != "" {
			if err := s.SetIdentity(ctx, bridge.IdentityRecord{Account: u.Handle, Network: u.Network, Kind: u.Kind, ID: u.Person}); err != nil {
				return err
			}
		}
		if _, err := s.exec(ctx, `INSERT INTO sign_up (account, network, person) VALUES ($1, $2, $3)`,
			fold(u.Handle), u.Network, string(u.Person)); err != nil {
			return err
		}
		_, err := s.AddPassword(ctx, u.Handle, u.Network, u.Password)
		return err
	})
	return wrap(err, "sign %s up", u.Handle)
}

// SignedUp is part of [bridge.SignUps].
func (s *Store) SignedUp(ctx context.Context, network string, person bridge.RemoteID) (account bridge.Handle, ok bool, err error) {
	err = s.db.QueryRow(ctx, `SELECT account FROM sign_up WHERE network=$1 AND person=$2`, network, string(person)).Scan(&account)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return account, err == nil, wrap(err, "find who signed up")
}

// ReplacePassword is part of [bridge.SignUps].
func (s *Store) ReplacePassword(ctx context.Context, account bridge.Handle, label, password string) error {
	err := s.write(ctx, func(ctx context.Context) error {
		if err := s.RemovePasswords(ctx, account); err != nil {
			return err
		}
		_, err := s.AddPassword(ctx, account, label, password)
		return err
	})
	return wrap(err, "replace the password of %s", account)
}
