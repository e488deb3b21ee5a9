package store_test

import (
	"testing"

	"papillon/bridge"
	"papillon/store"
)

func TestContacts(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	want := bridge.ContactRecord{Handle: dave, Network: "matrix", ID: "@Dave:remote.test", Name: "Dave"}
	_, ok, err := s.ContactByHandle(ctx, dave)
	if ok || err != nil {
		t.Errorf("before: ok is %v, error %v", ok, err)
	}
	must(t, s.AddContact(ctx, want))
	check := func() {
		t.Helper()
		for _, find := range []func() (bridge.ContactRecord, bool, error){
			func() (bridge.ContactRecord, bool, error) { return s.ContactByHandle(ctx, "DAVE@remote.test") },
			func() (bridge.ContactRecord, bool, error) { return s.ContactByID(ctx, "matrix", "@Dave:remote.test") },
		} {
			got, ok, err := find()
			if !ok || err != nil || got != want {
				t.Errorf("got %+v, %v, %v; want %+v", got, ok, err, want)
			}
		}
	}
	check()
	must(t, s.AddContact(ctx, want)) // the same again
	check()
	want.Name = "David"
	must(t, s.AddContact(ctx, want)) // another name
	check()

	refused := []struct {
		name string
		c    bridge.ContactRecord
		want error
	}{
		{"handle of another contact", bridge.ContactRecord{Handle: dave, Network: "matrix", ID: "@other:remote.test"}, bridge.ErrHandleTaken},
		{"handle of one on the other network", bridge.ContactRecord{Handle: dave, Network: "xmpp", ID: "@Dave:remote.test"}, bridge.ErrHandleTaken},
		{"handle of an account", bridge.ContactRecord{Handle: "Alice@example.org", Network: "matrix", ID: "@alice:example.org"}, bridge.ErrHandleTaken},
		{"person with another handle", bridge.ContactRecord{Handle: "dave2@remote.test", Network: "matrix", ID: "@Dave:remote.test", Name: "x"}, store.ErrContactTied},
	}
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			wantErr(t, s.AddContact(ctx, test.c), test.want)
			check()
		})
	}
	// Ids of networks are not handles: their case counts.
	must(t, s.AddContact(ctx, bridge.ContactRecord{Handle: "dave3@remote.test", Network: "matrix", ID: "@dave:remote.test"}))
	must(t, s.AddContact(ctx, bridge.ContactRecord{Handle: "dave4@remote.test", Network: "xmpp", ID: "@Dave:remote.test"}))
	check()
	if _, ok, err = s.ContactByID(ctx, "matrix", "@nobody:remote.test"); ok || err != nil {
		t.Errorf("unknown id: ok is %v, error %v", ok, err)
	}
	wantEqual(t, "contacts", count(t, s, "contact"), 3)
}
