package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"papillon/bridge/media"
)

// secretSize is the length of what Secret makes, in bytes.
const secretSize = 32

// Secret returns 32 random bytes that belong to this database under a name: made
// at the first call, sealed, and the same ever after.
func (s *Store) Secret(ctx context.Context, name string) (secret []byte, err error) {
	key := "secret " + name
	err = s.write(ctx, func(ctx context.Context) error {
		var sealed []byte
		err := s.db.QueryRow(ctx, `SELECT value FROM meta WHERE name=$1`, key).Scan(&sealed)
		if err == nil {
			secret, err = s.sealer.open(sealed, key)
			return err
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		secret = make([]byte, secretSize)
		if _, err := rand.Read(secret); err != nil {
			return err
		}
		_, err = s.exec(ctx, `INSERT INTO meta (name, value) VALUES ($1, $2)`, key, s.sealer.seal(secret, key))
		return err
	})
	return secret, wrap(err, "read the secret for %s", name)
}

// sealedSource begins a source that is sealed: what opens an encrypted file may stand in
// it. Links that were made before it did have theirs as it was.
const sealedSource = "sealed:"

func (s *Store) sealSource(r media.Record) string {
	return sealedSource + base64.StdEncoding.EncodeToString(s.sealer.seal([]byte(r.Source), "media", r.ID))
}

func (s *Store) openSource(stored, id string) (string, error) {
	text, ok := strings.CutPrefix(stored, sealedSource)
	if !ok {
		return stored, nil
	}
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", ErrSeal
	}
	source, err := s.sealer.open(sealed, "media", id)
	return string(source), err
}

// AddMedia is part of [media.Records]. The error is [bridge.ErrNoAccount].
func (s *Store) AddMedia(ctx context.Context, r media.Record) error {
	_, err := s.writeOne(ctx, `
		INSERT INTO media (id, account, network, message, source, name, type, size, voice, created, expires)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET expires=excluded.expires WHERE excluded.expires>media.expires
	`, r.ID, fold(r.Account), r.Network, r.Key, s.sealSource(r), r.Name, r.Type, r.Size, r.Voice, r.Created.UnixMilli(), r.Expires.UnixMilli())
	return wrap(err, "store a link for %s", r.Account)
}

// Media is part of [media.Records].
func (s *Store) Media(ctx context.Context, id string) (r media.Record, ok bool, err error) {
	var created, expires int64
	err = s.db.QueryRow(ctx, `
		SELECT id, account, network, message, source, name, type, size, voice, created, expires FROM media WHERE id=$1
	`, id).Scan(&r.ID, &r.Account, &r.Network, &r.Key, &r.Source, &r.Name, &r.Type, &r.Size, &r.Voice, &created, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return media.Record{}, false, nil
	}
	if err == nil {
		r.Source, err = s.openSource(r.Source, id)
	}
	r.Created, r.Expires = time.UnixMilli(created).UTC(), time.UnixMilli(expires).UTC()
	return r, err == nil, wrap(err, "read a link")
}
