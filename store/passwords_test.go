package store_test

import (
	"testing"
	"time"

	"papillon/bridge"
	"papillon/store"
)

func TestPasswords(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	first := get(s.AddPassword(ctx, alice, "desk", "same"))(t)
	second := get(s.AddPassword(ctx, "Alice@example.ORG", "", "same"))(t)
	empty := get(s.AddPassword(ctx, bob, "empty", ""))(t)

	got := get(s.Passwords(ctx, "ALICE@example.org"))(t)
	for i := range got {
		if age := time.Since(got[i].Created); age < 0 || age > time.Minute {
			t.Errorf("created %v ago", age)
		}
		got[i].Created = time.Time{}
	}
	wantEqual(t, "passwords", got, []bridge.PasswordRecord{{ID: first, Label: "desk", Password: "same"}, {ID: second, Password: "same"}})
	wantEqual(t, "empty password", get(s.Passwords(ctx, bob))(t)[0].Password, "")

	at := time.Date(2001, 10, 25, 12, 0, 0, 0, time.UTC)
	must(t, s.PasswordUsed(ctx, second, at))
	got = get(s.Passwords(ctx, alice))(t)
	wantEqual(t, "last use", []time.Time{got[0].LastUsed, got[1].LastUsed}, []time.Time{{}, at})

	wantErr(t, s.RemovePassword(ctx, alice, empty), store.ErrNoPassword) // Bob's
	must(t, s.RemovePassword(ctx, alice, second))
	wantErr(t, s.RemovePassword(ctx, alice, second), store.ErrNoPassword)
	wantErr(t, s.PasswordUsed(ctx, second, at), store.ErrNoPassword)
	wantEqual(t, "passwords left", len(get(s.Passwords(ctx, alice))(t)), 1)

	if third := get(s.AddPassword(ctx, alice, "", "new"))(t); third <= empty {
		t.Errorf("id %d after %d: an id was given twice", third, empty)
	}
	must(t, s.RemovePasswords(ctx, alice))
	must(t, s.RemovePasswords(ctx, alice)) // none is no error
	wantEqual(t, "Alice's passwords", len(get(s.Passwords(ctx, alice))(t)), 0)
	wantEqual(t, "Bob's passwords", len(get(s.Passwords(ctx, bob))(t)), 1)
}
