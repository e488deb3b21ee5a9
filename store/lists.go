package store

import (
	"context"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
	"papillon/msnp"
)

func scanMember(row dbutil.Scannable) (m msnp.Member, err error) {
	err = row.Scan(&m.Handle, &m.Name)
	return m, err
}

// Lists is part of [bridge.Lists]. They are empty for an unknown account.
func (s *Store) Lists(ctx context.Context, account bridge.Handle) (lists [4][]msnp.Member, err error) {
	rows, err := s.db.Query(ctx, `
		SELECT list, handle, name FROM list_entry WHERE account=CAST($1 AS TEXT) ORDER BY list, added
	`, fold(account))
	if err != nil {
		return lists, wrap(err, "read lists of %s", account)
	}
	defer rows.Close()
	var list msnp.List
	var m msnp.Member
	for rows.Next() {
		if err = rows.Scan(&list, &m.Handle, &m.Name); err != nil {
			return lists, wrap(err, "read lists of %s", account)
		}
		lists[list] = append(lists[list], m)
	}
	return lists, wrap(rows.Err(), "read lists of %s", account)
}

// AddEntry is part of [bridge.Lists]. The limit is for this list; the RL of
// another account grows without one. Reverse is 0 also when the account stands
// on that RL already. [bridge.ErrNoAccount] is returned for an unknown account.
func (s *Store) AddEntry(ctx context.Context, account bridge.Handle, list msnp.List, entry msnp.Member, limit int) (serial, reverse uint32, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		var who msnp.Member
		if serial, who, err = s.raise(ctx, account); err != nil {
			return err
		}
		added, err := s.putEntry(ctx, account, list, entry, serial)
		if err != nil {
			return err
		} else if !added {
			return bridge.ErrAlreadyListed
		}
		if err = s.checkLimit(ctx, account, list, limit); err != nil || list != msnp.Forward {
			return err
		}
		reverse, err = s.putReverse(ctx, entry.Handle, who)
		return err
	})
	if err != nil {
		return 0, 0, wrap(err, "put %s on %s of %s", entry.Handle, list, account)
	}
	return serial, reverse, nil
}

// RaiseSerial is part of [bridge.Lists].
func (s *Store) RaiseSerial(ctx context.Context, account bridge.Handle) (serial uint32, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		serial, _, err = s.raise(ctx, account)
		return err
	})
	return serial, wrap(err, "raise the serial of %s", account)
}

// raise raises the serial of an account and tells it, with who the account is.
func (s *Store) raise(ctx context.Context, account bridge.Handle) (serial uint32, who msnp.Member, err error) {
	found, err := s.returning(ctx, []any{&serial, &who.Handle, &who.Name},
		`UPDATE account SET serial=serial+1 WHERE handle=$1 RETURNING serial, handle, name`, fold(account))
	if err == nil && !found {
		err = bridge.ErrNoAccount
	}
	return serial, who, err
}

// putEntry stores an entry; added is false if it is there already.
func (s *Store) putEntry(ctx context.Context, account bridge.Handle, list msnp.List, entry msnp.Member, serial uint32) (added bool, err error) {
	rows, err := s.exec(ctx, `
		INSERT INTO list_entry (account, list, handle, name, added) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account, list, handle) DO NOTHING
	`, fold(account), list, fold(entry.Handle), entry.Name, serial)
	return rows > 0, err
}

// checkLimit returns [bridge.ErrListFull] when a list, with the entry just put
// on it, is longer than it may be.
func (s *Store) checkLimit(ctx context.Context, account bridge.Handle, list msnp.List, limit int) error {
	if limit <= 0 {
		return nil
	}
	var entries int
	err := s.db.QueryRow(ctx, `SELECT COUNT(*) FROM list_entry WHERE account=$1 AND list=$2`, fold(account), list).Scan(&entries)
	if err == nil && entries > limit {
		err = bridge.ErrListFull
	}
	return err
}

// putReverse puts somebody on an account's RL and returns the account's new
// serial, or 0 if there is no such account or nothing to change.
func (s *Store) putReverse(ctx context.Context, account bridge.Handle, who msnp.Member) (serial uint32, err error) {
	added, err := s.exec(ctx, `
		INSERT INTO list_entry (account, list, handle, name, added)
		SELECT handle, $2, $3, $4, serial+1 FROM account WHERE handle=$1
		ON CONFLICT (account, list, handle) DO NOTHING
	`, fold(account), msnp.Reverse, fold(who.Handle), who.Name)
	if err != nil || added == 0 {
		return 0, err
	}
	serial, _, err = s.raise(ctx, account)
	return serial, err
}

// RemoveEntry is part of [bridge.Lists]. Reverse is 0 also when the account did
// not stand on the other's RL. [bridge.ErrNoAccount] is returned for an unknown
// account.
func (s *Store) RemoveEntry(ctx context.Context, account bridge.Handle, list msnp.List, handle bridge.Handle) (serial, reverse uint32, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		if serial, _, err = s.raise(ctx, account); err != nil {
			return err
		}
		removed, err := s.dropEntry(ctx, account, list, handle)
		if err != nil {
			return err
		} else if !removed {
			return bridge.ErrNotListed
		}
		if list != msnp.Forward {
			return nil
		}
		if removed, err = s.dropEntry(ctx, handle, msnp.Reverse, account); err != nil || !removed {
			return err
		}
		reverse, _, err = s.raise(ctx, handle)
		return err
	})
	if err != nil {
		return 0, 0, wrap(err, "take %s off %s of %s", handle, list, account)
	}
	return serial, reverse, nil
}

func (s *Store) dropEntry(ctx context.Context, account bridge.Handle, list msnp.List, handle bridge.Handle) (removed bool, err error) {
	rows, err := s.exec(ctx, `DELETE FROM list_entry WHERE account=$1 AND list=$2 AND handle=$3`,
		fold(account), list, fold(handle))
	return rows > 0, err
}

// RenameEntry is part of [bridge.Lists]. [bridge.ErrNoAccount] is returned for
// an unknown account.
func (s *Store) RenameEntry(ctx context.Context, account bridge.Handle, entry msnp.Member) (serial uint32, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		if serial, _, err = s.raise(ctx, account); err != nil {
			return err
		}
		renamed, err := s.exec(ctx, `UPDATE list_entry SET name=$3 WHERE account=$1 AND handle=$2`,
			fold(account), fold(entry.Handle), entry.Name)
		if err == nil && renamed == 0 {
			err = bridge.ErrNotListed
		}
		return err
	})
	if err != nil {
		return 0, wrap(err, "rename %s of %s", entry.Handle, account)
	}
	return serial, nil
}

// ListedBy is part of [bridge.Lists]. The handle need not be an account's.
func (s *Store) ListedBy(ctx context.Context, handle bridge.Handle) ([]bridge.Handle, error) {
	accounts, err := collect(ctx, s, dbutil.ScanSingleColumn[bridge.Handle],
		`SELECT account FROM list_entry WHERE handle=$1 AND list=$2 ORDER BY account`, fold(handle), msnp.Forward)
	return accounts, wrap(err, "read who has %s", handle)
}
