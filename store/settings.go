package store

import (
	"context"
	"strings"

	"go.mau.fi/util/dbutil"

	"papillon/bridge"
	"papillon/msnp"
)

// pair is a row of two texts.
type pair struct{ name, value string }

func scanPair(row dbutil.Scannable) (p pair, err error) {
	err = row.Scan(&p.name, &p.value)
	return p, err
}

// pairs reads rows of a name and a value.
func (s *Store) pairs(ctx context.Context, query string, args ...any) (map[string]string, error) {
	rows, err := collect(ctx, s, scanPair, query, args...)
	if err != nil {
		return nil, err
	}
	all := make(map[string]string, len(rows))
	for _, p := range rows {
		all[p.name] = p.value
	}
	return all, nil
}

// Settings is part of [bridge.Settings].
func (s *Store) Settings(ctx context.Context, account bridge.Handle) (map[string]string, error) {
	all, err := s.pairs(ctx, `SELECT name, value FROM setting WHERE account=$1`, fold(account))
	return all, wrap(err, "read settings of %s", account)
}

// SetSetting is part of [bridge.Settings]. The error is [bridge.ErrNoAccount].
func (s *Store) SetSetting(ctx context.Context, account bridge.Handle, name, value string) (err error) {
	if value == "" {
		_, err = s.writeOne(ctx, `DELETE FROM setting WHERE account=$1 AND name=$2`, fold(account), name)
	} else {
		_, err = s.writeOne(ctx, `
			INSERT INTO setting (account, name, value) VALUES ($1, $2, $3)
			ON CONFLICT (account, name) DO UPDATE SET value=excluded.value
		`, fold(account), name, value)
	}
	return wrap(err, "set %s of %s", name, account)
}

// SetProperty is part of [bridge.Settings].
func (s *Store) SetProperty(ctx context.Context, account bridge.Handle, name, value string) (serial uint32, err error) {
	err = s.write(ctx, func(ctx context.Context) error {
		if serial, _, err = s.raise(ctx, account); err != nil {
			return err
		}
		return s.SetSetting(ctx, account, name, value)
	})
	return serial, wrap(err, "set %s of %s", name, account)
}

// ContactProperties is part of [bridge.Settings].
func (s *Store) ContactProperties(ctx context.Context, account bridge.Handle, name string) (map[bridge.Handle]string, error) {
	all, err := s.pairs(ctx, `
		SELECT s.account, s.value FROM list_entry e JOIN setting s ON s.account=e.handle AND s.name=$2
		JOIN account a ON a.handle=e.handle
		WHERE e.account=$1 AND e.list=$3
		AND NOT EXISTS (SELECT 1 FROM list_entry b WHERE b.account=e.handle AND b.list=$4 AND b.handle=$1)
		AND (a.privacy<>$5 OR EXISTS (SELECT 1 FROM list_entry b WHERE b.account=e.handle AND b.list=$6 AND b.handle=$1))
	`, fold(account), name, msnp.Forward, msnp.Block, string(msnp.BlockOthers), msnp.Allow)
	if err != nil {
		return nil, wrap(err, "read %s of the contacts of %s", name, account)
	}
	values := make(map[bridge.Handle]string, len(all))
	for h, value := range all {
		values[bridge.Handle(h)] = value
	}
	return values, nil
}

// Recall is part of [bridge.Memory].
func (s *Store) Recall(ctx context.Context, account bridge.Handle, network, key string) (string, error) {
	all, err := s.pairs(ctx, `SELECT name, value FROM network_memory WHERE account=$1 AND network=$2 AND name=$3`,
		fold(account), network, key)
	return all[key], wrap(err, "recall for %s", account)
}

// RecallAll is part of [bridge.Memory].
func (s *Store) RecallAll(ctx context.Context, account bridge.Handle, network, prefix string) (map[string]string, error) {
	all, err := s.pairs(ctx, `SELECT name, value FROM network_memory WHERE account=$1 AND network=$2 AND name>=$3`,
		fold(account), network, prefix)
	if err != nil {
		return nil, wrap(err, "recall for %s", account)
	}
	for name := range all {
		if !strings.HasPrefix(name, prefix) {
			delete(all, name)
		}
	}
	return all, nil
}

// Remember is part of [bridge.Memory]. The error is [bridge.ErrNoAccount].
func (s *Store) Remember(ctx context.Context, account bridge.Handle, network, key, value string) (err error) {
	if value == "" {
		_, err = s.writeOne(ctx, `DELETE FROM network_memory WHERE account=$1 AND network=$2 AND name=$3`, fold(account), network, key)
	} else {
		_, err = s.writeOne(ctx, `
			INSERT INTO network_memory (account, network, name, value) VALUES ($1, $2, $3, $4)
			ON CONFLICT (account, network, name) DO UPDATE SET value=excluded.value
		`, fold(account), network, key, value)
	}
	return wrap(err, "remember for %s", account)
}
