package store

import (
	"context"
	"time"
)

// How long the store remembers what nobody asks it to remove.
const (
	// SeenFor is how long the id of a message is remembered after it came, to
	// know it again when a network sends it once more.
	SeenFor = 45 * 24 * time.Hour
	// ChangesFor is how long account changes are kept. A running gateway asks
	// for them every few seconds, one that starts reads the accounts anew.
	ChangesFor = 7 * 24 * time.Hour
)

// pruneBatch is how many rows Prune removes at a time, so that messages need not
// wait for it.
const pruneBatch = 2000

// Prune removes what is older than [SeenFor] and [ChangesFor], and links that have
// expired, as of now. Ids of
// messages that still wait stay. Call it every hour or so.
func (s *Store) Prune(ctx context.Context, now time.Time) error {
	err := s.pruneAll(ctx, `
		DELETE FROM seen_message WHERE (account, network, message_id) IN (
			SELECT account, network, message_id FROM seen_message
			WHERE seen<$1 AND (account, network, message_id) NOT IN (SELECT account, network, message_id FROM inbox)
			LIMIT $2
		)
	`, now.Add(-SeenFor))
	if err != nil {
		return wrap(err, "prune remembered messages")
	}
	err = s.pruneAll(ctx, `
		DELETE FROM account_change WHERE id IN (SELECT id FROM account_change WHERE changed<$1 ORDER BY id LIMIT $2)
	`, now.Add(-ChangesFor))
	if err != nil {
		return wrap(err, "prune account changes")
	}
	return s.pruneMedia(ctx, now)
}

// pruneMedia removes the links that have expired.
func (s *Store) pruneMedia(ctx context.Context, now time.Time) error {
	err := s.pruneAll(ctx, `DELETE FROM media WHERE id IN (SELECT id FROM media WHERE expires<$1 LIMIT $2)`, now)
	return wrap(err, "prune links")
}

// pruneAll repeats a statement until it finds less than a batch to remove.
func (s *Store) pruneAll(ctx context.Context, query string, before time.Time) error {
	for {
		removed, err := s.writeOne(ctx, query, before.UnixMilli(), pruneBatch)
		if err != nil || removed < pruneBatch {
			return err
		}
	}
}
