package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"

	"papillon/bridge"
	"papillon/bridge/media"
)

// schema holds the files of upgrades/; dbutil describes their format. All of
// them run in one transaction, so none may ask for a transaction mode.
//
//go:embed upgrades/*.sql
var schema embed.FS

const (
	// owner marks a database as ours, so that nobody mixes it up with that of
	// another bridge.
	owner = "papillon"
	// defaultMaxOpen is enough for reads beside the one write at a time.
	defaultMaxOpen = 8
	// busyTimeout is how long a write waits for other processes.
	busyTimeout = 10 * time.Second
	// statementCache is how many prepared statements a connection keeps: all
	// of this package, and those of mautrix's state store.
	statementCache = 128
)

// Options says which database to open.
type Options struct {
	// Path is the database file. It is made with mode 0600 if it is not
	// there; its folder must be there.
	Path string
	// KeyPath is the file that [NewKey] has made.
	KeyPath string
	// Log receives upgrades at info, slow statements at warn, both without
	// any of the values in them.
	Log zerolog.Logger
	// MaxOpen is the most connections to keep to the file; 0 means 8.
	MaxOpen int
}

// Store is an open database; make one with [Open].
type Store struct {
	path   string // as it was given
	db     *dbutil.Database
	sealer sealer
	writer writer
	claim  *os.File // nil unless this process serves
}

var (
	_ bridge.Storage = (*Store)(nil)
	_ media.Records  = (*Store)(nil)
)

// Open opens a database, makes it if need be, and brings it up to the present
// schema. Several processes may have it open at once; the one that serves calls
// [Store.Claim]. The context is for Open alone. Errors are one line that says what
// to do, most of a kind that the variables of this package name; what the database
// holds is then unchanged.
func Open(ctx context.Context, opts Options) (*Store, error) {
	seal, err := readKey(opts.KeyPath, opts.Log)
	if err != nil {
		return nil, err
	}
	path, err := filepath.Abs(opts.Path)
	if err != nil {
		return nil, fmt.Errorf("find database %s: %w", opts.Path, err)
	}
	// SQLite would give a new file the mode 0644. Its -wal and -shm files get
	// the mode of this one.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explainFile(opts.Path, err)
	}
	if err = file.Close(); err != nil {
		return nil, explainFile(opts.Path, err)
	}
	db, err := dbutil.NewWithDialect(dsn(path), "sqlite3")
	if err != nil {
		return nil, explainOpen(opts.Path, err)
	}
	db.Owner = owner
	db.IgnoreForeignTables = false
	db.Log = queryLog{opts.Log}
	db.UpgradeTable = dbutil.BuildUpgradeTable().WithFSPath(schema, "upgrades").Finish()
	if opts.MaxOpen <= 0 {
		opts.MaxOpen = defaultMaxOpen
	}
	// As many idle as open: a new connection has no prepared statements.
	db.RawDB.SetMaxOpenConns(opts.MaxOpen)
	db.RawDB.SetMaxIdleConns(opts.MaxOpen)

	s := &Store{path: opts.Path, db: db, sealer: seal}
	if err = s.prepare(ctx); err != nil {
		closeErr := db.Close()
		if errors.Is(err, ErrKeyMismatch) {
			err = faultf(ErrKeyMismatch, "sealing key %s does not fit database %s: use the key that was made with it", opts.KeyPath, opts.Path)
		} else {
			err = explainOpen(opts.Path, err)
		}
		return nil, errors.Join(err, closeErr)
	}
	return s, nil
}

// dsn names a database for go-sqlite3, with what holds for every connection.
func dsn(path string) string {
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: url.Values{
		"_busy_timeout":  {fmt.Sprint(busyTimeout.Milliseconds())},
		"_journal_mode":  {"WAL"},
		"_synchronous":   {"FULL"}, // a message that was acknowledged survives a power cut
		"_foreign_keys":  {"1"},
		"_txlock":        {"immediate"}, // a transaction that reads and then writes could not wait otherwise
		"_secure_delete": {"FAST"},      // what has been delivered is not to be found in the file any more
		"_stmt_cache_size": {
			fmt.Sprint(statementCache),
		},
	}.Encode()}).String()
}

// prepare upgrades the schema and checks the key, or leaves the file as it was.
// One transaction around all of it keeps two processes that make the same
// database from colliding.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context) error {
		if err := s.db.Upgrade(ctx); err != nil {
			return err
		}
		return s.checkKey(ctx)
	})
}

// connect makes the first connection. When several processes meet on a new
// file, the change to WAL can fail at once with "busy", without waiting: each of
// them could be waiting for another.
func (s *Store) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for {
		err := s.db.RawDB.PingContext(ctx)
		var se sqlite3.Error
		if err == nil || !errors.As(err, &se) || se.Code != sqlite3.ErrBusy {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// keyCheck is the plain text of the value that tells whether a key fits.
const keyCheck = "papillon"

// checkKey compares the key with the database and ties it to a new one.
func (s *Store) checkKey(ctx context.Context) error {
	var sealed []byte
	err := s.db.QueryRow(ctx, `SELECT value FROM meta WHERE name='key_check'`).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = s.db.Exec(ctx, `INSERT INTO meta (name, value) VALUES ('key_check', $1)`,
			s.sealer.seal([]byte(keyCheck), "key check"))
		return err
	} else if err != nil {
		return err
	}
	if plain, err := s.sealer.open(sealed, "key check"); err != nil || string(plain) != keyCheck {
		return ErrKeyMismatch
	}
	return nil
}

// Close ends all use of the database, and the claim to it. Methods called later
// return errors.
func (s *Store) Close() error {
	return errors.Join(s.disconnect(), s.release())
}

// disconnect ends all connections to the database.
func (s *Store) disconnect() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	// A connection whose query was given up a moment ago is closed by its own goroutine,
	// and the last one puts everything into the file proper.
	for until := time.Now().Add(closeTimeout); s.db.RawDB.Stats().OpenConnections > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			return fmt.Errorf("close database: a query still runs after %s", closeTimeout)
		}
	}
	return nil
}

// closeTimeout bounds the wait for queries at the end.
const closeTimeout = 5 * time.Second

// DB is the database itself, for mautrix's state store, which keeps tables and
// a version of its own in it. The gateway's tables are for this package alone.
func (s *Store) DB() *dbutil.Database { return s.db }
