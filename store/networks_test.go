package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/media"
	"papillon/bridge/text"
	"papillon/msnp"
	"papillon/store"
)

func TestQuotes(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	direct := bridge.Chat{Contact: "dave@remote.test"}
	heard := bridge.InboxEntry{Account: alice, Network: "xmpp", Handle: dave, Quote: "see you\nat five", Message: bridge.MessageReceived{
		ID: "archive-1", Ref: "ref-1", Chat: direct, From: bridge.Contact{ID: "dave@remote.test", Name: "Dave"}, Text: "see you\nat five",
	}}
	addMessage(t, s, heard)
	get(s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice, Network: "xmpp", MessageID: "out-1",
		Order: bridge.Order{Kind: bridge.OrderSend, Chat: direct, Text: "fine", Style: text.Style{Bold: true}}}))(t)
	for _, test := range []struct {
		account bridge.Handle
		chat    bridge.Chat
		ref     string
		want    bridge.Quote
	}{
		{alice, direct, "ref-1", bridge.Quote{Text: "see you at five", Author: "Dave"}},
		{alice, direct, "out-1", bridge.Quote{Text: "fine"}},
		{alice, direct, "archive-1", bridge.Quote{}},
		{alice, bridge.RoomChat("room@x"), "ref-1", bridge.Quote{}},
		{bob, direct, "ref-1", bridge.Quote{}},
	} {
		got, ok, err := s.Quote(ctx, test.account, "xmpp", test.chat, test.ref)
		if err != nil || got != test.want || ok != (test.want.Text != "") {
			t.Errorf("%s %v %s: %+v, %v, %v; want %+v", test.account, test.chat, test.ref, got, ok, err, test.want)
		}
	}
	// The echo of what was sent is no news, and tells what the room calls it.
	echo := bridge.InboxEntry{Account: alice, Network: "xmpp", Message: bridge.MessageReceived{ID: "out-1", Ref: "room-7", Own: true, Chat: direct}}
	if _, fresh := addMessage(t, s, echo); fresh {
		t.Error("an echo is fresh")
	}
	if q, _, err := s.Quote(ctx, alice, "xmpp", direct, "room-7"); err != nil || q.Text != "fine" {
		t.Errorf("the quote by its new reference: %+v, %v", q, err)
	}
	wantEqual(t, "style", get(s.OutboxOf(ctx, alice, "xmpp"))(t)[0].Order.Style, text.Style{Bold: true})
}

// The words of a message are those of its last correction, also where all came in the same
// moment.
func TestQuoteOfACorrection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where time stands still
		s := newStoreWith(t, alice)
		direct := bridge.Chat{Contact: "dave@remote.test"}
		for i, words := range []string{"or at 6?", "or at 7?", "or at 8?"} {
			m := bridge.MessageReceived{ID: fmt.Sprint("archive-", i), Chat: direct, Text: words}
			if i > 0 {
				m.Ref = "archive-0"
			}
			addMessage(t, s, bridge.InboxEntry{Account: alice, Network: "xmpp", Handle: dave, Quote: words, Message: m})
			if q, _, err := s.Quote(t.Context(), alice, "xmpp", direct, "archive-0"); err != nil || q.Text != words {
				t.Errorf("after %q the words are %q, %v", words, q.Text, err)
			}
		}
	})
}

func TestSettingsAndMemory(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	must(t, s.SetSetting(ctx, alice, "edits", "full"))
	must(t, s.SetSetting(ctx, alice, "edits", "hidden"))
	must(t, s.SetSetting(ctx, alice, "replies", "full"))
	must(t, s.SetSetting(ctx, alice, "replies", ""))
	wantEqual(t, "settings", get(s.Settings(ctx, alice))(t), map[string]string{"edits": "hidden"})
	wantErr(t, s.SetSetting(ctx, carol, "edits", "full"), bridge.ErrNoAccount)

	for key, value := range map[string]string{"sub/dave": "yes", "sub/erin": "no", "archive": "17", "sub": "x", "suc": "y"} {
		must(t, s.Remember(ctx, alice, "xmpp", key, value))
	}
	must(t, s.Remember(ctx, alice, "xmpp", "sub/erin", ""))
	wantEqual(t, "recalled", get(s.Recall(ctx, alice, "xmpp", "archive"))(t), "17")
	wantEqual(t, "recalled of another network", get(s.Recall(ctx, alice, "matrix", "archive"))(t), "")
	wantEqual(t, "recalled by prefix", get(s.RecallAll(ctx, alice, "xmpp", "sub/"))(t), map[string]string{"sub/dave": "yes"})
	// Another identity is somebody else.
	must(t, s.SetIdentity(ctx, bridge.IdentityRecord{Account: alice, Network: "xmpp", Kind: "login", ID: "alice@x"}))
	wantEqual(t, "recalled by another identity", len(get(s.RecallAll(ctx, alice, "xmpp", ""))(t)), 0)
	must(t, s.Remember(ctx, alice, "xmpp", "archive", "18"))
	must(t, s.SetIdentity(ctx, bridge.IdentityRecord{Account: alice, Network: "xmpp", Kind: "login", ID: "alice@x", Credentials: []byte("new")}))
	wantEqual(t, "recalled with a new password", get(s.Recall(ctx, alice, "xmpp", "archive"))(t), "18")
}

func TestSignUps(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	u := bridge.SignUp{Handle: bob, Name: "Bob", Network: "xmpp", Person: "bob@jabber.example", Password: "secret"}
	must(t, s.SignUp(ctx, u))
	if h, ok, err := s.SignedUp(ctx, "xmpp", u.Person); h != bob || !ok || err != nil {
		t.Errorf("signed up: %q, %v, %v", h, ok, err)
	}
	wantEqual(t, "password", get(s.Passwords(ctx, bob))(t)[0].Password, "secret")
	again := u
	again.Handle = carol
	wantErr(t, s.SignUp(ctx, again), bridge.ErrSignedUp)
	other := u
	other.Person, other.Handle = "eve@jabber.example", alice
	wantErr(t, s.SignUp(ctx, other), bridge.ErrHandleTaken)
	if _, ok, err := s.SignedUp(ctx, "xmpp", other.Person); ok || err != nil {
		t.Errorf("a failed sign-up is remembered: %v, %v", ok, err)
	}
	linked := bridge.SignUp{Handle: "dave@example.org", Name: "Dave", Network: "matrix", Person: "@dave:hs", Kind: "own", Password: "secret"}
	must(t, s.SignUp(ctx, linked))
	wantEqual(t, "identities", get(s.Identities(ctx, linked.Handle))(t), []bridge.IdentityRecord{{Account: linked.Handle, Network: "matrix", Kind: "own", ID: "@dave:hs"}})
	must(t, s.SetIdentity(ctx, bridge.IdentityRecord{Account: linked.Handle, Network: "matrix", Kind: "own", ID: "@erin:hs"}))
	linked.Handle, linked.Person = "erin@example.org", "@erin:hs"
	wantErr(t, s.SignUp(ctx, linked), bridge.ErrSignedUp)
	must(t, s.ReplacePassword(ctx, bob, "xmpp", "newer"))
	wantEqual(t, "passwords", len(get(s.Passwords(ctx, bob))(t)), 1)
	must(t, s.RemoveAccount(ctx, bob))
	if _, ok, err := s.SignedUp(ctx, "xmpp", u.Person); ok || err != nil {
		t.Errorf("a removed account is remembered: %v, %v", ok, err)
	}
}

func mediaRecord(id string) media.Record {
	return media.Record{ID: id, Offer: media.Offer{
		Account: alice, Network: "xmpp", Key: "m 0", Source: "https://x/y", Name: "cat.jpg", Type: "image/jpeg", Size: 7, Voice: true,
	}, Created: time.Unix(1000, 0).UTC(), Expires: time.Unix(2000, 0).UTC()}
}

// TestMediaSourcesAreSealed: the key of an encrypted file does not stand in the database,
// a source opens as that of its own link only, and one of before is read as it is.
func TestMediaSourcesAreSealed(t *testing.T) {
	s, ctx := newStoreWith(t, alice), t.Context()
	for _, id := range []string{"one", "two"} {
		r := mediaRecord(id)
		r.Source = `{"key":{"k":"secret of ` + id + `"}}`
		must(t, s.AddMedia(ctx, r))
	}
	stored := func(id string) (source string) {
		must(t, s.DB().QueryRow(ctx, `SELECT source FROM media WHERE id=$1`, id).Scan(&source))
		return source
	}
	if text := stored("one"); strings.Contains(text, "secret") || strings.Contains(text, "key") {
		t.Errorf("stored: %s", text)
	}
	set := func(source string) {
		_, err := s.DB().Exec(ctx, `UPDATE media SET source=$1 WHERE id='one'`, source)
		must(t, err)
	}
	set(stored("two"))
	_, _, err := s.Media(ctx, "one")
	wantErr(t, err, store.ErrSeal)
	set("mxc://hs.test/before")
	if r, ok, err := s.Media(ctx, "one"); !ok || err != nil || r.Source != "mxc://hs.test/before" {
		t.Errorf("of before: %q, %v, %v", r.Source, ok, err)
	}
}

func TestMedia(t *testing.T) {
	f := newFiles(t)
	s := f.open(t)
	ctx := t.Context()
	must(t, s.AddAccount(ctx, alice, ""))
	r := mediaRecord("id")
	must(t, s.AddMedia(ctx, r))
	earlier := r
	earlier.Expires = time.Unix(1500, 0)
	must(t, s.AddMedia(ctx, earlier))
	if got, ok, err := s.Media(ctx, "id"); !ok || err != nil || got != r {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	if _, ok, err := s.Media(ctx, "other"); ok || err != nil {
		t.Errorf("an unknown id: %v, %v", ok, err)
	}
	must(t, s.Prune(ctx, time.Unix(3000, 0)))
	if _, ok, err := s.Media(ctx, "id"); ok || err != nil {
		t.Errorf("an expired link: %v, %v", ok, err)
	}
	secret := get(s.Secret(ctx, "links"))(t)
	wantEqual(t, "secret", get(s.Secret(ctx, "links"))(t), secret)
	if other := get(s.Secret(ctx, "other"))(t); string(other) == string(secret) || len(secret) != 32 {
		t.Errorf("secrets %x and %x", secret, other)
	}
}

// Changes that are made at the same time are committed together, and each has
// an outcome of its own.
func TestChangesTogether(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	const n = 200
	var group sync.WaitGroup
	outcomes := make([]error, n)
	for i := range n {
		group.Go(func() {
			h := bridge.Handle(fmt.Sprintf("contact%d@remote.test", i/2)) // every second is there already
			_, _, outcomes[i] = s.AddEntry(ctx, alice, msnp.Forward, msnp.Member{Handle: h, Name: "x"}, 0)
		})
	}
	group.Wait()
	failed := 0
	for _, err := range outcomes {
		if errors.Is(err, bridge.ErrAlreadyListed) {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	wantEqual(t, "refused", failed, n/2)
	wantEqual(t, "FL", len(get(s.Lists(ctx, alice))(t)[msnp.Forward]), n/2)
}

func TestAtomically(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	boom := errors.New("boom")
	add := func(ctx context.Context, h bridge.Handle) error {
		_, _, err := s.AddEntry(ctx, alice, msnp.Forward, msnp.Member{Handle: h, Name: "x"}, 0)
		return err
	}
	wantErr(t, s.Atomically(ctx, func(ctx context.Context) error {
		must(t, add(ctx, "one@remote.test"))
		return boom
	}), boom)
	wantEqual(t, "FL after a failure", len(get(s.Lists(ctx, alice))(t)[msnp.Forward]), 0)
	must(t, s.Atomically(ctx, func(ctx context.Context) error {
		must(t, add(ctx, "one@remote.test"))
		wantErr(t, add(ctx, "one@remote.test"), bridge.ErrAlreadyListed) // fails alone
		return add(ctx, "two@remote.test")
	}))
	wantEqual(t, "FL", len(get(s.Lists(ctx, alice))(t)[msnp.Forward]), 2)
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	wantErr(t, add(ctx, "three@remote.test"), context.Canceled)
}
