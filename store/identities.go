package store

import (
	"context"
	"database/sql"
	"errors"

	"papillon/bridge"
)

// Identities is part of [bridge.Accounts]. They come by name of the network.
func (s *Store) Identities(ctx context.Context, handle bridge.Handle) ([]bridge.IdentityRecord, error) {
	rows, err := s.db.Query(ctx, `
		SELECT account, network, kind, remote_id, credentials FROM identity WHERE account=$1 ORDER BY network
	`, fold(handle))
	if err != nil {
		return nil, wrap(err, "read identities of %s", handle)
	}
	defer rows.Close()
	var identities []bridge.IdentityRecord
	for rows.Next() {
		var id bridge.IdentityRecord
		var sealed []byte
		if err = rows.Scan(&id.Account, &id.Network, &id.Kind, &id.ID, &sealed); err != nil {
			return nil, wrap(err, "read identities of %s", handle)
		}
		if sealed != nil {
			if id.Credentials, err = s.sealer.open(sealed, identityPlace(id)...); err != nil {
				return nil, wrap(err, "read %s credentials of %s", id.Network, handle)
			}
		}
		identities = append(identities, id)
	}
	return identities, wrap(rows.Err(), "read identities of %s", handle)
}

// identityPlace is what credentials are sealed for.
func identityPlace(id bridge.IdentityRecord) []string {
	return []string{"credentials", fold(id.Account), id.Network}
}

// SetIdentity says how an account exists on a network, in place of what was said
// before. What waits in the outbox will be sent by the new identity. The errors
// are [bridge.ErrNoAccount] and [ErrLinked].
func (s *Store) SetIdentity(ctx context.Context, identity bridge.IdentityRecord) error {
	var sealed any // NULL
	if len(identity.Credentials) > 0 {
		sealed = s.sealer.seal(identity.Credentials, identityPlace(identity)...)
	}
	err := s.write(ctx, func(ctx context.Context) error {
		if owner, linked, err := s.LinkedTo(ctx, identity.Network, identity.ID); err != nil {
			return err
		} else if linked && fold(owner) != fold(identity.Account) {
			return ErrLinked
		}
		if err := s.forgetOther(ctx, identity); err != nil {
			return err
		}
		if _, err := s.exec(ctx, `
			INSERT INTO identity (account, network, kind, remote_id, credentials) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (account, network) DO UPDATE
			SET kind=excluded.kind, remote_id=excluded.remote_id, credentials=excluded.credentials
		`, fold(identity.Account), identity.Network, identity.Kind, string(identity.ID), sealed); err != nil {
			return err
		}
		return s.noteChange(ctx, identity.Account, bridge.IdentityChanged)
	})
	return wrap(err, "set %s identity of %s", identity.Network, identity.Account)
}

// LinkedTo returns the account that exists as somebody on a network; ok is false if none
// does, and for an empty id, which stands for the one that is made from a handle.
func (s *Store) LinkedTo(ctx context.Context, network string, person bridge.RemoteID) (account bridge.Handle, ok bool, err error) {
	if person == "" {
		return "", false, nil
	}
	err = s.db.QueryRow(ctx, `SELECT account FROM identity WHERE network=$1 AND remote_id=$2`, network, string(person)).Scan(&account)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return account, err == nil, wrap(err, "find who is linked to %s", person)
}

// RenewCredentials stores new credentials of an identity that goes on as it is: no
// [bridge.AccountChange] tells of it. The error is [ErrNoIdentity] for one that is
// there no more.
func (s *Store) RenewCredentials(ctx context.Context, handle bridge.Handle, network string, credentials []byte) error {
	sealed := s.sealer.seal(credentials, identityPlace(bridge.IdentityRecord{Account: handle, Network: network})...)
	err := s.write(ctx, func(ctx context.Context) error {
		renewed, err := s.exec(ctx, `UPDATE identity SET credentials=$1 WHERE account=$2 AND network=$3`, sealed, fold(handle), network)
		if err == nil && renewed == 0 {
			err = ErrNoIdentity
		}
		return err
	})
	return wrap(err, "renew %s identity of %s", network, handle)
}

// forgetOther removes what was remembered for somebody else: another identity
// has other chats, and another place in another archive.
func (s *Store) forgetOther(ctx context.Context, next bridge.IdentityRecord) error {
	var same bool
	err := s.db.QueryRow(ctx, `
		SELECT EXISTS (SELECT 1 FROM identity WHERE account=$1 AND network=$2 AND kind=$3 AND remote_id=$4)
	`, fold(next.Account), next.Network, next.Kind, string(next.ID)).Scan(&same)
	if err != nil || same {
		return err
	}
	return s.forgetNetwork(ctx, next.Account, next.Network)
}

// forgetNetwork removes what was remembered for an account on a network.
func (s *Store) forgetNetwork(ctx context.Context, account bridge.Handle, network string) error {
	for _, table := range [...]string{"network_memory", "direct_chat"} {
		if _, err := s.exec(ctx, `DELETE FROM `+table+` WHERE account=$1 AND network=$2`, fold(account), network); err != nil {
			return err
		}
	}
	return nil
}

// RemoveIdentity takes an account off a network. What waits in the outbox for
// that network goes too: it must not be sent months later, or as somebody else.
// Messages that came from there stay in the inbox. The errors are
// [bridge.ErrNoAccount] and [ErrNoIdentity].
func (s *Store) RemoveIdentity(ctx context.Context, handle bridge.Handle, network string) error {
	err := s.write(ctx, func(ctx context.Context) error {
		if err := s.needAccount(ctx, handle); err != nil {
			return err
		}
		removed, err := s.exec(ctx, `DELETE FROM identity WHERE account=$1 AND network=$2`, fold(handle), network)
		if err != nil {
			return err
		} else if removed == 0 {
			return ErrNoIdentity
		}
		if _, err = s.exec(ctx, `DELETE FROM outbox WHERE account=$1 AND network=$2`, fold(handle), network); err != nil {
			return err
		}
		if err = s.forgetNetwork(ctx, handle, network); err != nil {
			return err
		}
		return s.noteChange(ctx, handle, bridge.IdentityChanged)
	})
	return wrap(err, "remove %s identity of %s", network, handle)
}
