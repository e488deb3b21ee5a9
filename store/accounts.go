package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
	"papillon/msnp"
)

const accountColumns = `handle, name, serial, prompt, privacy, created`

func scanAccount(row dbutil.Scannable) (a bridge.AccountRecord, err error) {
	var created sql.NullInt64
	err = row.Scan(&a.Handle, &a.Name, &a.Serial, &a.Prompt, &a.Privacy, &created)
	a.Created = fromMillis(created)
	return a, err
}

// Account is part of [bridge.Accounts].
func (s *Store) Account(ctx context.Context, handle bridge.Handle) (bridge.AccountRecord, error) {
	a, err := scanAccount(s.db.QueryRow(ctx, `SELECT `+accountColumns+` FROM account WHERE handle=$1`, fold(handle)))
	if errors.Is(err, sql.ErrNoRows) {
		err = bridge.ErrNoAccount
	}
	if err != nil {
		return bridge.AccountRecord{}, wrap(err, "read account %s", handle)
	}
	return a, nil
}

// accountPage is how many accounts EachAccount reads at a time.
const accountPage = 256

// EachAccount is part of [bridge.Accounts]. It holds no transaction and no
// connection while f runs: f may call any method. Accounts added meanwhile may
// or may not be among those it is called for.
func (s *Store) EachAccount(ctx context.Context, f func(bridge.AccountRecord) error) error {
	for after := ""; ; {
		page, err := collect(ctx, s, scanAccount,
			`SELECT `+accountColumns+` FROM account WHERE handle>$1 ORDER BY handle LIMIT $2`, after, accountPage)
		if err != nil {
			return wrap(err, "read accounts")
		}
		for _, a := range page {
			if err = f(a); err != nil {
				return err
			}
			after = string(a.Handle)
		}
		if len(page) < accountPage {
			return nil
		}
	}
}

// AddAccount makes an account with the settings of a new user: ask about new
// entries on RL, let everybody through. An empty name means the handle. Those
// who have the handle on FL already stand on its RL at once. The errors are
// those of [msnp.ParseHandle] and [bridge.ErrHandleTaken] (an account or a
// contact has the handle).
func (s *Store) AddAccount(ctx context.Context, handle bridge.Handle, name string) error {
	canonical, err := msnp.ParseHandle(string(handle))
	if err != nil {
		return wrap(err, "add account")
	}
	if name == "" {
		name = string(canonical)
	}
	err = s.write(ctx, func(ctx context.Context) error {
		serial, err := s.firstSerial(ctx)
		if err != nil {
			return err
		}
		added, err := s.exec(ctx, `
			INSERT INTO account (handle, name, serial, prompt, privacy, created)
			SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM contact WHERE handle=$1)
			ON CONFLICT (handle) DO NOTHING
		`, string(canonical), name, serial, msnp.PromptAsk, msnp.AllowOthers, time.Now().UnixMilli())
		if err != nil {
			return err
		} else if added == 0 {
			return bridge.ErrHandleTaken
		}
		if err = s.fillReverse(ctx, canonical); err != nil {
			return err
		}
		return s.noteChange(ctx, canonical, bridge.AccountAdded)
	})
	return wrap(err, "add account %s", canonical)
}

// fillReverse puts those who have a new account on FL on its RL.
func (s *Store) fillReverse(ctx context.Context, handle bridge.Handle) error {
	listing, err := collect(ctx, s, scanMember, `
		SELECT account.handle, account.name FROM list_entry JOIN account ON account.handle=list_entry.account
		WHERE list_entry.handle=$1 AND list_entry.list=$2 ORDER BY account.handle
	`, string(handle), msnp.Forward)
	if err != nil {
		return err
	}
	for _, who := range listing {
		if _, err = s.putReverse(ctx, handle, who); err != nil {
			return err
		}
	}
	return nil
}

// RemoveAccount removes an account with all that belongs to it: app passwords,
// identities, lists, chats, and the messages that wait. It goes off the RL of
// others, whose serials rise; their FL, AL and BL stay as they are. The error
// is [bridge.ErrNoAccount].
func (s *Store) RemoveAccount(ctx context.Context, handle bridge.Handle) error {
	err := s.write(ctx, func(ctx context.Context) error {
		var serial int64
		found, err := s.returning(ctx, []any{&serial}, `DELETE FROM account WHERE handle=$1 RETURNING serial`, fold(handle))
		if err != nil {
			return err
		} else if !found {
			return bridge.ErrNoAccount
		}
		if err = s.raiseFirstSerial(ctx, serial+1); err != nil {
			return err
		}
		if _, err = s.exec(ctx, `
			UPDATE account SET serial=serial+1
			WHERE handle IN (SELECT account FROM list_entry WHERE handle=$1 AND list=$2)
		`, fold(handle), msnp.Reverse); err != nil {
			return err
		}
		if _, err = s.exec(ctx, `DELETE FROM list_entry WHERE handle=$1 AND list=$2`, fold(handle), msnp.Reverse); err != nil {
			return err
		}
		return s.noteChange(ctx, handle, bridge.AccountRemoved)
	})
	return wrap(err, "remove account %s", handle)
}

// firstSerial is the serial for a new account: above those of all removed ones.
// A client that remembers the lists of a removed account of the same handle
// must not take them for current (draft-movva-00 §7.5).
func (s *Store) firstSerial(ctx context.Context) (int64, error) {
	var value []byte
	err := s.db.QueryRow(ctx, `SELECT value FROM meta WHERE name='first_serial'`).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return 1, nil
	} else if err != nil {
		return 0, err
	}
	serial, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read first serial: %w", err)
	}
	return serial, nil
}

func (s *Store) raiseFirstSerial(ctx context.Context, serial int64) error {
	if present, err := s.firstSerial(ctx); err != nil || present >= serial {
		return err
	}
	_, err := s.exec(ctx, `
		INSERT INTO meta (name, value) VALUES ('first_serial', $1)
		ON CONFLICT (name) DO UPDATE SET value=excluded.value
	`, strconv.AppendInt(nil, serial, 10))
	return err
}

// SetAccountName is part of [bridge.Accounts]. An empty name means the handle.
// The entries on others' lists stay as they are.
func (s *Store) SetAccountName(ctx context.Context, handle bridge.Handle, name string) (serial uint32, err error) {
	if name == "" {
		name = fold(handle)
	}
	return s.setting(ctx, handle, `UPDATE account SET serial=serial+1, name=$2 WHERE handle=$1 RETURNING serial`, name)
}

// SetPrivacy is part of [bridge.Accounts].
func (s *Store) SetPrivacy(ctx context.Context, handle bridge.Handle, mode msnp.Privacy) (serial uint32, err error) {
	return s.setting(ctx, handle, `UPDATE account SET serial=serial+1, privacy=$2 WHERE handle=$1 RETURNING serial`, string(mode))
}

// SetPrompt is part of [bridge.Accounts].
func (s *Store) SetPrompt(ctx context.Context, handle bridge.Handle, mode msnp.Prompt) (serial uint32, err error) {
	return s.setting(ctx, handle, `UPDATE account SET serial=serial+1, prompt=$2 WHERE handle=$1 RETURNING serial`, string(mode))
}

// setting runs a statement that changes a setting of an account.
func (s *Store) setting(ctx context.Context, handle bridge.Handle, query, value string) (serial uint32, err error) {
	found, err := s.writeReturning(ctx, []any{&serial}, query, fold(handle), value)
	if err == nil && !found {
		err = bridge.ErrNoAccount
	}
	if err != nil {
		return 0, wrap(err, "change account %s", handle)
	}
	return serial, nil
}

// AccountSummary is an account as the command line lists it.
type AccountSummary struct {
	bridge.AccountRecord
	// Passwords is how many app passwords there are; LastUsed is when one of
	// them was last used to sign in, zero if never.
	Passwords int
	LastUsed  time.Time
	// Contacts is how many entries FL has.
	Contacts int
	// Waiting is how many messages wait for the client, Pending how many
	// orders wait for a network.
	Waiting, Pending int
	// Networks names the networks on which the account has an identity.
	Networks []string
}

// AccountsList returns all accounts by handle, with figures.
func (s *Store) AccountsList(ctx context.Context) ([]AccountSummary, error) {
	accounts, err := collect(ctx, s, scanSummary, `
		SELECT `+accountColumns+`,
			(SELECT COUNT(*) FROM password p WHERE p.account=a.handle),
			(SELECT MAX(p.last_used) FROM password p WHERE p.account=a.handle),
			(SELECT COUNT(*) FROM list_entry e WHERE e.account=a.handle AND e.list=$1),
			(SELECT COUNT(*) FROM inbox i WHERE i.account=a.handle),
			(SELECT COUNT(*) FROM outbox o WHERE o.account=a.handle)
		FROM account a ORDER BY handle
	`, msnp.Forward)
	if err != nil {
		return nil, wrap(err, "list accounts")
	}
	place := make(map[bridge.Handle]int, len(accounts))
	for i, a := range accounts {
		place[a.Handle] = i
	}
	rows, err := collect(ctx, s, scanMember, `SELECT account, network FROM identity ORDER BY account, network`)
	if err != nil {
		return nil, wrap(err, "list identities")
	}
	for _, row := range rows {
		// One that was made since the first query is not there.
		if i, ok := place[row.Handle]; ok {
			accounts[i].Networks = append(accounts[i].Networks, row.Name)
		}
	}
	return accounts, nil
}

func scanSummary(row dbutil.Scannable) (a AccountSummary, err error) {
	var created, used sql.NullInt64
	err = row.Scan(&a.Handle, &a.Name, &a.Serial, &a.Prompt, &a.Privacy, &created,
		&a.Passwords, &used, &a.Contacts, &a.Waiting, &a.Pending)
	a.Created, a.LastUsed = fromMillis(created), fromMillis(used)
	return a, err
}
