package cipher

import (
	"encoding/base64"
	"path/filepath"
	"testing"

	_ "github.com/mattn/go-sqlite3"
	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/id"
)

const room = id.RoomID("!r:hs.test")

// keyOf makes a key of a room and returns it as its owner gives it.
func keyOf(t *testing.T) *crypto.InboundGroupSession {
	t.Helper()
	out, err := crypto.NewOutboundGroupSession(room, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := crypto.NewInboundGroupSession("sender", "signing", room, out.Internal.Key(), 0, 0, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	in.KeySource = id.KeySourceDirect
	return in
}

// passedOn is a key from an index on, as somebody passes it on: as it is, or spoilt.
func passedOn(t *testing.T, key *crypto.InboundGroupSession, by id.UserID, index uint32, spoilt bool) *crypto.InboundGroupSession {
	t.Helper()
	exported, err := key.Internal.Export(index)
	if err != nil {
		t.Fatal(err)
	}
	if spoilt {
		raw, err := base64.RawStdEncoding.DecodeString(string(exported))
		if err != nil {
			t.Fatal(err)
		}
		raw[20] ^= 1 // of the ratchet: the name of the key stays
		exported = []byte(base64.RawStdEncoding.EncodeToString(raw))
	}
	internal, err := olm.InboundGroupSessionImport(exported)
	if err != nil {
		t.Fatal(err)
	}
	if internal.ID() != key.ID() {
		t.Fatal("the key has another name")
	}
	return &crypto.InboundGroupSession{
		Internal: internal, SenderKey: "sender", SigningKey: "signing", RoomID: room, KeySource: id.KeySourceForward, SourceUser: by,
	}
}

func TestKeysOutOfTheBlue(t *testing.T) {
	db, err := dbutil.NewWithDialect("file:"+filepath.Join(t.TempDir(), "keys.db")+"?_txlock=immediate", "sqlite3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := Upgrade(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	s := &watchedStore{SQLCryptoStore: newStore(db, "@alice:hs.test", "D", []byte("for tests")), own: "@alice:hs.test"}
	put := func(k *crypto.InboundGroupSession) {
		t.Helper()
		if err := s.PutGroupSession(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	// first returns from where on the stored key is known; -1 for none.
	first := func(k *crypto.InboundGroupSession) int {
		t.Helper()
		stored, err := s.GetGroupSession(t.Context(), room, k.ID())
		if err != nil {
			t.Fatal(err)
		}
		if stored == nil {
			return -1
		}
		return int(stored.Internal.FirstKnownIndex())
	}
	key := keyOf(t)
	put(passedOn(t, key, "@eve:hs.test", 0, false))
	if got := first(key); got != -1 {
		t.Error("a key that nobody asked for was taken")
	}
	s.expect(key.ID(), "@bob:hs.test")
	put(passedOn(t, key, "@eve:hs.test", 0, false))
	if got := first(key); got != -1 {
		t.Error("a key was taken that somebody else was asked for")
	}
	put(passedOn(t, key, "@bob:hs.test", 5, false))
	if got := first(key); got != 5 {
		t.Errorf("known from %d on, want 5", got)
	}
	for by, spoilt := range map[id.UserID]bool{"@eve:hs.test": true, "@alice:hs.test": true} {
		put(passedOn(t, key, by, 0, spoilt))
		if got := first(key); got != 5 {
			t.Error("a spoilt key took the place of a good one")
		}
	}
	put(passedOn(t, key, "@alice:hs.test", 2, false))
	if got := first(key); got != 2 {
		t.Errorf("known from %d on, want 2", got)
	}
	put(key)
	if got := first(key); got != 0 {
		t.Errorf("known from %d on, want 0", got)
	}
	another := keyOf(t)
	put(passedOn(t, another, "@alice:hs.test", 0, false))
	if got := first(another); got != 0 {
		t.Error("a key from the user's other device was not taken")
	}
}
