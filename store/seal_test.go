package store_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"papillon/bridge"
	"papillon/store"
)

// TestFileHasNoSecrets reads the bytes of the database as a thief would.
func TestFileHasNoSecrets(t *testing.T) {
	f := newFiles(t)
	s, err := store.Open(t.Context(), f.options(t))
	must(t, err)
	const password, token, text = "flutterbywing", "syt_bearertoken", "clear text of a message"
	must(t, s.AddAccount(t.Context(), alice, ""))
	get(s.AddPassword(t.Context(), alice, "desk", password))(t)
	must(t, s.SetIdentity(t.Context(), bridge.IdentityRecord{Account: alice, Network: "matrix", Kind: "login", Credentials: []byte(token)}))
	_, err = s.OutboxAdd(t.Context(), bridge.OutboxEntry{Account: alice, Network: "matrix", Order: bridge.Order{Kind: bridge.OrderSend, Text: text}})
	must(t, err)

	check := func(when string) {
		var found bool
		for _, name := range []string{f.path, f.path + "-wal", f.path + "-shm", f.path + "-journal"} {
			data, err := os.ReadFile(name)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			for _, secret := range []string{password, token} {
				if bytes.Contains(data, []byte(secret)) {
					t.Errorf("%s: %s has %q in it", when, name, secret)
				}
			}
			// The reading itself must be shown to work.
			found = found || bytes.Contains(data, []byte(text))
		}
		if !found {
			t.Errorf("%s: not even the message is found", when)
		}
	}
	check("open")
	must(t, s.Close())
	check("closed")
}

// A sealed value opens in its own row only.
func TestSealedValueDoesNotMove(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	first := get(s.AddPassword(ctx, alice, "", "one"))(t)
	second := get(s.AddPassword(ctx, alice, "", "two"))(t)
	others := get(s.AddPassword(ctx, bob, "", "three"))(t)
	for _, account := range []bridge.Handle{alice, bob} {
		for _, network := range []string{"matrix", "xmpp"} {
			must(t, s.SetIdentity(ctx, bridge.IdentityRecord{Account: account, Network: network, Kind: "login", Credentials: []byte("token")}))
		}
	}
	passwords := func() error { _, err := s.Passwords(ctx, alice); return err }
	identities := func() error { _, err := s.Identities(ctx, alice); return err }
	const copyPassword = `UPDATE password SET sealed=(SELECT sealed FROM password WHERE id=$2) WHERE id=$1`
	tests := []struct {
		name  string
		read  func() error
		query string
		args  []any
	}{
		{"password of the same account", passwords, copyPassword, []any{first, second}},
		{"password of another account", passwords, copyPassword, []any{first, others}},
		{"row given to another account", passwords, `UPDATE password SET account=$2 WHERE id=$1`, []any{others, string(alice)}},
		{"changed password", passwords, `UPDATE password SET sealed=$2 WHERE id=$1`, []any{first, bytes.Repeat([]byte{7}, 60)}},
		{"emptied password", passwords, `UPDATE password SET sealed=$2 WHERE id=$1`, []any{first, []byte{}}},
		{"credentials of another network", identities, `UPDATE identity SET credentials=(SELECT credentials FROM identity WHERE account=$1 AND network='xmpp') WHERE account=$1 AND network='matrix'`, []any{string(alice)}},
		{"credentials of another account", identities, `UPDATE identity SET credentials=(SELECT credentials FROM identity WHERE account=$2 AND network='xmpp') WHERE account=$1 AND network='xmpp'`, []any{string(alice), string(bob)}},
		{"password as credentials", identities, `UPDATE identity SET credentials=(SELECT sealed FROM password WHERE id=$2) WHERE account=$1`, []any{string(alice), first}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			must(t, test.read())
			tx, err := s.DB().RawDB.Begin()
			must(t, err)
			_, err = tx.Exec(`CREATE TABLE keep_password AS SELECT * FROM password; CREATE TABLE keep_identity AS SELECT * FROM identity`)
			must(t, err)
			must(t, tx.Commit())
			result, err := s.DB().Exec(ctx, test.query, test.args...)
			must(t, err)
			if n, err := result.RowsAffected(); err != nil || n == 0 {
				t.Fatalf("nothing was spoilt (%v)", err)
			}
			wantErr(t, test.read(), store.ErrSeal)
			_, err = s.DB().Exec(ctx, `
				DELETE FROM password; INSERT INTO password SELECT * FROM keep_password; DROP TABLE keep_password;
				DELETE FROM identity; INSERT INTO identity SELECT * FROM keep_identity; DROP TABLE keep_identity`)
			must(t, err)
		})
	}
}

func TestSameSecretIsSealedDifferently(t *testing.T) {
	s := newStoreWith(t, alice)
	id := bridge.IdentityRecord{Account: alice, Network: "matrix", Kind: "login", Credentials: []byte("token")}
	read := func() (sealed []byte) {
		must(t, s.SetIdentity(t.Context(), id))
		must(t, s.DB().QueryRow(t.Context(), `SELECT credentials FROM identity`).Scan(&sealed))
		return sealed
	}
	if first, second := read(), read(); bytes.Equal(first, second) {
		t.Error("the nonce was used twice")
	}
}
