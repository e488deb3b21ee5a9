package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/sqlstatestore"

	"papillon/store"
)

func TestOpenMakesPrivateFile(t *testing.T) {
	f := newFiles(t)
	s := f.open(t)
	must(t, s.AddAccount(t.Context(), alice, ""))
	for _, name := range []string{f.path, f.path + "-wal", f.path + "-shm", f.key} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode())
		}
	}
	entries, err := os.ReadDir(filepath.Dir(f.path))
	must(t, err)
	wantEqual(t, "files beside the database", len(entries), 4)
}

func TestOpenAgainFindsEverything(t *testing.T) {
	f := newFiles(t)
	s, err := store.Open(t.Context(), f.options(t))
	must(t, err)
	must(t, s.AddAccount(t.Context(), alice, "Alice"))
	get(s.AddPassword(t.Context(), alice, "desk", "secret"))(t)
	want := get(s.Account(t.Context(), alice))(t)
	must(t, s.Close())

	if _, err = s.Account(t.Context(), alice); err == nil {
		t.Error("a closed store still answers")
	}
	s = f.open(t)
	wantEqual(t, "account", get(s.Account(t.Context(), alice))(t), want)
	wantEqual(t, "password", get(s.Passwords(t.Context(), alice))(t)[0].Password, "secret")
}

// Every connection of the pool must have the settings, not only the first.
func TestEveryConnectionIsSetUp(t *testing.T) {
	f := newFiles(t)
	opts := f.options(t)
	opts.MaxOpen = 3
	s, err := store.Open(t.Context(), opts)
	must(t, err)
	defer s.Close()
	for range opts.MaxOpen {
		conn, err := s.DB().RawDB.Conn(t.Context())
		must(t, err)
		defer conn.Close() // held until the end, so that the next is another
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "secure_delete": "2",
		} {
			var got string
			must(t, conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
			if got != want {
				t.Errorf("PRAGMA %s is %s, want %s", pragma, got, want)
			}
		}
	}
	wantEqual(t, "most connections", s.DB().RawDB.Stats().MaxOpenConnections, 3)
}

func TestOpenRefuses(t *testing.T) {
	truncate := func(t *testing.T, path string, to int64) {
		t.Helper()
		info, err := os.Stat(path)
		must(t, err)
		must(t, os.Truncate(path, info.Size()+to))
	}
	exec := func(query string) func(*testing.T, *files) {
		return func(t *testing.T, f *files) {
			s, err := store.Open(t.Context(), f.options(t))
			must(t, err)
			_, err = s.DB().Exec(t.Context(), query)
			must(t, err)
			must(t, s.Close())
		}
	}
	tests := []struct {
		name  string
		spoil func(*testing.T, *files)
		want  error
		says  string
	}{
		{"no key", func(t *testing.T, f *files) { must(t, os.Remove(f.key)) },
			store.ErrKeyMissing, "restore it from its backup"},
		{"key is a folder", func(t *testing.T, f *files) { must(t, os.Remove(f.key)); must(t, os.Mkdir(f.key, 0o700)) },
			store.ErrKeyMissing, "read access"},
		{"truncated key", func(t *testing.T, f *files) { truncate(t, f.key, -5) },
			store.ErrKeyDamaged, "restore it from its backup"},
		{"shorter key", func(t *testing.T, f *files) {
			must(t, os.WriteFile(f.key, []byte(base64.StdEncoding.EncodeToString(make([]byte, 16))), 0o600))
		}, store.ErrKeyDamaged, "16 bytes and not 32"},
		{"empty key", func(t *testing.T, f *files) { must(t, os.Truncate(f.key, 0)) },
			store.ErrKeyDamaged, "0 bytes and not 32"},
		{"two keys", func(t *testing.T, f *files) {
			text, err := os.ReadFile(f.key)
			must(t, err)
			must(t, os.WriteFile(f.key, append(text, text...), 0o600))
		}, store.ErrKeyDamaged, "more than one key"},
		{"another key", func(t *testing.T, f *files) {
			s, err := store.Open(t.Context(), f.options(t))
			must(t, err)
			must(t, s.Close())
			must(t, os.Remove(f.key))
			must(t, store.NewKey(f.key))
		}, store.ErrKeyMismatch, "use the key that was made with it"},
		{"newer schema", exec(`UPDATE version SET version=999, compat=999`),
			store.ErrNewerSchema, "run that version or a later one"},
		{"another program's", exec(`UPDATE database_owner SET owner='somebridge'`),
			store.ErrNotDatabase, "belongs to another program"},
		{"no database", func(t *testing.T, f *files) {
			must(t, os.WriteFile(f.path, bytes.Repeat([]byte("no database "), 1000), 0o600))
		}, store.ErrNotDatabase, "restore it from a backup"},
		{"folder in place of the file", func(t *testing.T, f *files) { must(t, os.Mkdir(f.path, 0o700)) },
			store.ErrUnusable, "change store.path"},
		{"file in place of the folder", func(t *testing.T, f *files) {
			must(t, os.WriteFile(f.path, nil, 0o600))
			f.path = filepath.Join(f.path, "papillon.db")
		}, store.ErrUnusable, "change store.path"},
		{"no folder", func(_ *testing.T, f *files) { f.path = filepath.Join(filepath.Dir(f.path), "none", "papillon.db") },
			store.ErrUnusable, "create the folder"},
		{"kernel file system", func(_ *testing.T, f *files) { f.path = "/proc/papillon.db" },
			store.ErrUnusable, "change store.path"},
		// The file itself opens, but SQLite can put nothing beside it.
		{"no room for the log", func(t *testing.T, f *files) { must(t, os.Mkdir(f.path+"-wal", 0o700)) },
			store.ErrUnusable, "write access"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFiles(t)
			test.spoil(t, &f)
			before, statErr := os.ReadFile(f.path)
			s, err := store.Open(t.Context(), f.options(t))
			if err == nil {
				s.Close()
				t.Fatal("it opened")
			}
			wantErr(t, err, test.want)
			if text := err.Error(); strings.Contains(text, "\n") || !strings.Contains(text, test.says) {
				t.Errorf("error is %q, want one line with %q", text, test.says)
			}
			if after, err := os.ReadFile(f.path); statErr == nil && (err != nil || !bytes.Equal(before, after)) {
				t.Errorf("the file has changed (%v)", err)
			}
			t.Log(err)
		})
	}
}

func TestNewerButCompatibleSchemaOpens(t *testing.T) {
	f := newFiles(t)
	s, err := store.Open(t.Context(), f.options(t))
	must(t, err)
	_, err = s.DB().Exec(t.Context(), `UPDATE version SET version=999, compat=1`)
	must(t, err)
	must(t, s.Close())
	f.open(t)
}

func TestDatabaseHeldByAnotherProgram(t *testing.T) {
	t.Parallel() // it waits as long as a write does
	f := newFiles(t)
	s, err := store.Open(t.Context(), f.options(t))
	must(t, err)
	must(t, s.Close())
	address := url.URL{Scheme: "file", Opaque: (&url.URL{Path: f.path}).EscapedPath(), RawQuery: "_locking_mode=EXCLUSIVE&_txlock=exclusive"}
	other, err := sql.Open("sqlite3", address.String())
	must(t, err)
	defer other.Close()
	tx, err := other.Begin()
	must(t, err)
	_, err = tx.Exec(`UPDATE version SET version=version`)
	must(t, err)
	defer tx.Rollback()

	_, err = store.Open(t.Context(), f.options(t))
	wantErr(t, err, store.ErrUnusable)
	if err == nil || !strings.Contains(err.Error(), "stop that program") {
		t.Errorf("error is %v, want advice", err)
	}
}

func TestOpenWithEndedContext(t *testing.T) {
	f := newFiles(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := store.Open(ctx, f.options(t)); err == nil {
		s.Close()
		t.Error("it opened")
	}
	f.open(t) // and nothing was spoilt
}

func TestKeyReadableByOthersIsLogged(t *testing.T) {
	f := newFiles(t)
	must(t, os.Chmod(f.key, 0o644))
	var log bytes.Buffer
	opts := f.options(t)
	opts.Log = zerolog.New(&log)
	s, err := store.Open(t.Context(), opts)
	must(t, err)
	must(t, s.Close())
	if !strings.Contains(log.String(), "chmod 600") {
		t.Errorf("log is %q, want a warning", log.String())
	}
}

func TestNewKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "papillon.key")
	must(t, store.NewKey(path))
	first, err := os.ReadFile(path)
	must(t, err)
	if !bytes.HasPrefix(first, []byte("# ")) || !bytes.Contains(first, []byte("backup")) {
		t.Errorf("key file does not say what it is:\n%s", first)
	}
	err = store.NewKey(path)
	wantErr(t, err, store.ErrKeyExists)
	second, readErr := os.ReadFile(path)
	must(t, readErr)
	if !bytes.Equal(first, second) {
		t.Error("the key was overwritten")
	}
	other := filepath.Join(t.TempDir(), "papillon.key")
	must(t, store.NewKey(other))
	if third, err := os.ReadFile(other); err != nil || bytes.Equal(first, third) {
		t.Errorf("two keys are the same (%v)", err)
	}
	if err = store.NewKey(filepath.Join(path, "papillon.key")); err == nil || errors.Is(err, store.ErrKeyExists) {
		t.Errorf("a key below a file: error is %v", err)
	}
}

// Mautrix keeps its tables and a version of its own in the same file.
func TestStateStoreLivesInTheSameFile(t *testing.T) {
	f := newFiles(t)
	for range 2 {
		s, err := store.Open(t.Context(), f.options(t))
		must(t, err)
		states := sqlstatestore.NewSQLStateStore(s.DB(), nil, false)
		must(t, states.Upgrade(t.Context()))
		must(t, states.MarkRegistered(t.Context(), "@msn_alice:hs.test"))
		if registered, err := states.IsRegistered(t.Context(), "@msn_alice:hs.test"); err != nil || !registered {
			t.Errorf("registered is %v, error %v", registered, err)
		}
		must(t, s.Close())
	}
}
