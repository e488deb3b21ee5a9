package store

import (
	"context"
	"database/sql"
	"strconv"
	"time"

	"papillon/bridge"
	"papillon/msnp"
)

// Passwords is part of [bridge.Accounts]. They come oldest first.
func (s *Store) Passwords(ctx context.Context, handle bridge.Handle) ([]bridge.PasswordRecord, error) {
	rows, err := s.db.Query(ctx, `
		SELECT id, label, sealed, created, last_used FROM password WHERE account=$1 ORDER BY id
	`, fold(handle))
	if err != nil {
		return nil, wrap(err, "read passwords of %s", handle)
	}
	defer rows.Close()
	var passwords []bridge.PasswordRecord
	for rows.Next() {
		var p bridge.PasswordRecord
		var sealed []byte
		var created, used sql.NullInt64
		if err = rows.Scan(&p.ID, &p.Label, &sealed, &created, &used); err != nil {
			return nil, wrap(err, "read passwords of %s", handle)
		}
		if p.Password, err = s.unsealPassword(handle, p.ID, sealed); err != nil {
			return nil, err
		}
		p.Created, p.LastUsed = fromMillis(created), fromMillis(used)
		passwords = append(passwords, p)
	}
	return passwords, wrap(rows.Err(), "read passwords of %s", handle)
}

// Credentials is part of [bridge.Accounts].
func (s *Store) Credentials(ctx context.Context, handle bridge.Handle) (who msnp.Member, passwords []bridge.PasswordRecord, err error) {
	rows, err := s.read(ctx, `
		SELECT a.handle, a.name, p.id, p.label, p.sealed, p.created, p.last_used
		FROM account a LEFT JOIN password p ON p.account=a.handle WHERE a.handle=CAST($1 AS TEXT) ORDER BY p.id
	`, fold(handle))
	if err != nil {
		return who, nil, wrap(err, "read credentials of %s", handle)
	}
	defer rows.Close()
	for rows.Next() {
		var id, created, used sql.NullInt64
		var label sql.NullString
		var sealed []byte
		if err = rows.Scan(&who.Handle, &who.Name, &id, &label, &sealed, &created, &used); err != nil {
			return who, nil, wrap(err, "read credentials of %s", handle)
		}
		if !id.Valid {
			continue // an account without passwords
		}
		p := bridge.PasswordRecord{ID: id.Int64, Label: label.String, Created: fromMillis(created), LastUsed: fromMillis(used)}
		if p.Password, err = s.unsealPassword(handle, p.ID, sealed); err != nil {
			return who, nil, err
		}
		passwords = append(passwords, p)
	}
	return who, passwords, wrap(rows.Err(), "read credentials of %s", handle)
}

// unsealPassword opens a stored password.
func (s *Store) unsealPassword(handle bridge.Handle, id int64, sealed []byte) (string, error) {
	plain, err := s.sealer.open(sealed, passwordPlace(handle, id)...)
	return string(plain), wrap(err, "read password %d of %s", id, handle)
}

// passwordPlace is what a password is sealed for.
func passwordPlace(handle bridge.Handle, id int64) []string {
	return []string{"password", fold(handle), strconv.FormatInt(id, 10)}
}

// PasswordUsed is part of [bridge.Accounts]. [ErrNoPassword] means that it has
// been revoked meanwhile: whoever signed in with it must not be let in.
func (s *Store) PasswordUsed(ctx context.Context, id int64, at time.Time) error {
	changed, err := s.writeOne(ctx, `UPDATE password SET last_used=$2 WHERE id=$1`, id, millis(at))
	if err == nil && changed == 0 {
		err = ErrNoPassword
	}
	return wrap(err, "note use of password %d", id)
}

// AddPassword seals and stores an app password of an account and returns its id.
// The label is for people. The error is [bridge.ErrNoAccount].
func (s *Store) AddPassword(ctx context.Context, handle bridge.Handle, label, password string) (id int64, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		// The id has a part in the sealing, so it has to be known first.
		if _, err := s.returning(ctx, []any{&id}, `
			INSERT INTO password (account, label, sealed, created) VALUES ($1, $2, $3, $4) RETURNING id
		`, fold(handle), label, []byte{}, time.Now().UnixMilli()); err != nil {
			return err
		}
		_, err := s.exec(ctx, `UPDATE password SET sealed=$2 WHERE id=$1`,
			id, s.sealer.seal([]byte(password), passwordPlace(handle, id)...))
		return err
	})
	if err != nil {
		return 0, wrap(err, "add password of %s", handle)
	}
	return id, nil
}

// RemovePassword revokes one app password. The errors are [bridge.ErrNoAccount]
// and [ErrNoPassword].
func (s *Store) RemovePassword(ctx context.Context, handle bridge.Handle, id int64) error {
	err := s.write(ctx, func(ctx context.Context) error {
		if err := s.needAccount(ctx, handle); err != nil {
			return err
		}
		removed, err := s.exec(ctx, `DELETE FROM password WHERE id=$1 AND account=$2`, id, fold(handle))
		if err != nil {
			return err
		} else if removed == 0 {
			return ErrNoPassword
		}
		return s.noteChange(ctx, handle, bridge.PasswordRevoked)
	})
	return wrap(err, "remove password %d of %s", id, handle)
}

// RemovePasswords revokes all app passwords of an account; none is no error.
// The error is [bridge.ErrNoAccount].
func (s *Store) RemovePasswords(ctx context.Context, handle bridge.Handle) error {
	err := s.write(ctx, func(ctx context.Context) error {
		if err := s.needAccount(ctx, handle); err != nil {
			return err
		}
		removed, err := s.exec(ctx, `DELETE FROM password WHERE account=$1`, fold(handle))
		if err != nil || removed == 0 {
			return err
		}
		return s.noteChange(ctx, handle, bridge.PasswordRevoked)
	})
	return wrap(err, "remove passwords of %s", handle)
}

// needAccount returns [bridge.ErrNoAccount] for an unknown handle.
func (s *Store) needAccount(ctx context.Context, handle bridge.Handle) error {
	var known bool
	err := s.db.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM account WHERE handle=$1)`, fold(handle)).Scan(&known)
	if err == nil && !known {
		err = bridge.ErrNoAccount
	}
	return err
}
