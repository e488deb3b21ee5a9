package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/mattn/go-sqlite3"
	"go.mau.fi/util/dbutil"

	"papillon/bridge"
)

// The errors of opening a database; compare with [errors.Is]. What [Open] and
// [NewKey] return is one line that names the file and says what to do.
var (
	// ErrUnusable: the database file cannot be made, read or written.
	ErrUnusable = errors.New("database cannot be used")
	// ErrNotDatabase: the file is something else, damaged, or another
	// program's.
	ErrNotDatabase = errors.New("not a Papillon database")
	// ErrNewerSchema: a newer version of the program has written the file.
	ErrNewerSchema = errors.New("database is of a newer version")
	// ErrClaimed: another process serves the database.
	ErrClaimed = errors.New("database is served already")
	// ErrKeyMissing: there is no key file, or it cannot be read.
	ErrKeyMissing = errors.New("no sealing key")
	// ErrKeyDamaged: the key file does not hold a key.
	ErrKeyDamaged = errors.New("sealing key is damaged")
	// ErrKeyMismatch: the key is not the one of this database.
	ErrKeyMismatch = errors.New("sealing key does not fit the database")
	// ErrKeyExists: there is a file already where a new key should go.
	ErrKeyExists = errors.New("sealing key exists")
)

// The errors of single methods; compare with [errors.Is]. The others are those
// of [bridge.Storage].
var (
	// ErrNoPassword: the account has no app password of that id (any more).
	ErrNoPassword = errors.New("no such app password")
	// ErrLinked: another account exists as that person on the network.
	ErrLinked = errors.New("linked to another account already")
	// ErrNoIdentity: the account has no identity on that network.
	ErrNoIdentity = errors.New("no such identity")
	// ErrContactTied: the person has another handle already.
	ErrContactTied = errors.New("the contact has another handle")
	// ErrSeal: a sealed value was changed, or moved from another row.
	ErrSeal = errors.New("sealed value does not open")
)

// fault is an error of a kind that [errors.Is] finds, with a text of its own.
type fault struct {
	kind error
	text string
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.kind }

func faultf(kind error, format string, args ...any) error {
	return &fault{kind: kind, text: fmt.Sprintf(format, args...)}
}

// explainFile says why a database file could not be made or opened for writing.
func explainFile(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return faultf(ErrUnusable, "database %s cannot be made: its folder does not exist: create the folder or change store.path", path)
	}
	return faultf(ErrUnusable, "database %s cannot be written: %v: give this user (uid %d) write access to it and its folder, or change store.path", path, pathCause(err), os.Getuid())
}

// explainFull says what more rights would not help against.
func explainFull(path string) error {
	return faultf(ErrUnusable, "database %s cannot be written: the disk is full: make room, or move the database and change store.path", path)
}

// pathCause leaves the path out of an error that names it in its own way.
func pathCause(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// explainOpen does the same for what the database says while it is opened.
func explainOpen(path string, err error) error {
	switch {
	case errors.Is(err, dbutil.ErrUnsupportedDatabaseVersion):
		return faultf(ErrNewerSchema, "database %s was written by a newer version of Papillon: run that version or a later one (%v)", path, err)
	case errors.Is(err, dbutil.ErrNotOwned), errors.Is(err, dbutil.ErrForeignTables):
		return faultf(ErrNotDatabase, "database %s belongs to another program: set store.path to a file of Papillon's own (%v)", path, err)
	}
	var se sqlite3.Error
	if !errors.As(err, &se) {
		return fmt.Errorf("open database %s: %w", path, err)
	}
	switch se.Code {
	case sqlite3.ErrNotADB, sqlite3.ErrCorrupt, sqlite3.ErrFormat:
		return faultf(ErrNotDatabase, "database %s is damaged or no SQLite file (%v): restore it from a backup or change store.path", path, se)
	case sqlite3.ErrFull:
		return explainFull(path)
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return faultf(ErrUnusable, "database %s is held by another program (%v): stop that program and try again", path, se)
	case sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrIoErr:
		// Where there is no room for the files beside it either, SQLite has a word for
		// what it wanted to do, and the system's for why it could not.
		if se.SystemErrno == syscall.ENOSPC || se.SystemErrno == syscall.EDQUOT {
			return explainFull(path)
		}
		return explainFile(path, se)
	}
	return fmt.Errorf("open database %s: %w", path, err)
}

// wrap says what was being done when err happened. A row that refers to an
// account that is not there is [bridge.ErrNoAccount].
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	var se sqlite3.Error
	if errors.As(err, &se) && se.ExtendedCode == sqlite3.ErrConstraintForeignKey {
		err = bridge.ErrNoAccount
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
