package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/store"
)

// childMode is the environment variable that makes the test program play
// another process on a database.
const childMode = "PAPILLON_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		if err := playChild(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// files are the paths of a database and its key.
type files struct{ path, key string }

// newFiles makes a key and names a database in a folder of its own. The name
// has in it what could be misread in an address.
func newFiles(t testing.TB) files {
	t.Helper()
	dir := t.TempDir()
	f := files{filepath.Join(dir, "papillon ?%41#&.db"), filepath.Join(dir, "papillon.key")}
	if err := store.NewKey(f.key); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f files) options(t testing.TB) store.Options {
	return store.Options{Path: f.path, KeyPath: f.key, Log: zerolog.New(zerolog.NewTestWriter(t))}
}

func (f files) open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), f.options(t))
	if err != nil {
		t.Fatal(err)
	}
	s.DB().DeadlockDetection = true
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	return newFiles(t).open(t)
}

const (
	alice bridge.Handle = "alice@example.org"
	bob   bridge.Handle = "bob@example.org"
	carol bridge.Handle = "carol@example.org"
	dave  bridge.Handle = "dave@remote.test" // no account
)

// newStoreWith makes accounts whose names are their handles.
func newStoreWith(t testing.TB, accounts ...bridge.Handle) *store.Store {
	t.Helper()
	s := newStore(t)
	for _, a := range accounts {
		must(t, s.AddAccount(t.Context(), a, ""))
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// get unpacks what must succeed: get(s.Account(ctx, alice))(t).
func get[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func wantErr(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func wantEqual(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func serialOf(t testing.TB, s *store.Store, account bridge.Handle) uint32 {
	t.Helper()
	return get(s.Account(t.Context(), account))(t).Serial
}

func put(t testing.TB, s *store.Store, account bridge.Handle, list msnp.List, handle bridge.Handle, name string) (serial, reverse uint32) {
	t.Helper()
	serial, reverse, err := s.AddEntry(t.Context(), account, list, msnp.Member{Handle: handle, Name: name}, 0)
	must(t, err)
	return serial, reverse
}

// count asks the database itself how many rows a table has.
func count(t testing.TB, s *store.Store, table string) (n int) {
	t.Helper()
	must(t, s.DB().QueryRow(context.Background(), "SELECT COUNT(*) FROM "+table).Scan(&n))
	return n
}
