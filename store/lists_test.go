package store_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/store"
)

func TestEntries(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx := t.Context()
	for list := msnp.Forward; list <= msnp.Reverse; list++ {
		t.Run(list.String(), func(t *testing.T) {
			before := serialOf(t, s, alice)
			serial, reverse := put(t, s, alice, list, "Zoe@Remote.Test", "Zoë 🦋")
			wantEqual(t, "serial", serial, before+1)
			wantEqual(t, "reverse", reverse, uint32(0))
			put(t, s, alice, list, dave, "Dave")

			_, _, err := s.AddEntry(ctx, "ALICE@example.org", list, msnp.Member{Handle: "ZOE@remote.test", Name: "other"}, 0)
			wantErr(t, err, bridge.ErrAlreadyListed)
			_, _, err = s.AddEntry(ctx, alice, list, msnp.Member{Handle: "new@remote.test"}, 2)
			wantErr(t, err, bridge.ErrListFull)
			// A full list is no reason to hide that somebody is on it.
			_, _, err = s.AddEntry(ctx, alice, list, msnp.Member{Handle: dave}, 2)
			wantErr(t, err, bridge.ErrAlreadyListed)
			_, _, err = s.RemoveEntry(ctx, alice, list, "new@remote.test")
			wantErr(t, err, bridge.ErrNotListed)
			wantEqual(t, "serial after errors", serialOf(t, s, alice), before+2)
			wantEqual(t, "entries", get(s.Lists(ctx, alice))(t)[list],
				[]msnp.Member{{Handle: "zoe@remote.test", Name: "Zoë 🦋"}, {Handle: dave, Name: "Dave"}})

			serial, _, err = s.AddEntry(ctx, alice, list, msnp.Member{Handle: "new@remote.test"}, 3)
			must(t, err)
			wantEqual(t, "serial at the limit", serial, before+3)
			serial, reverse, err = s.RemoveEntry(ctx, alice, list, "Zoe@remote.test")
			must(t, err)
			wantEqual(t, "serial of the removal", serial, before+4)
			wantEqual(t, "reverse of the removal", reverse, uint32(0))
			// Who comes back stands last.
			put(t, s, alice, list, "zoe@remote.test", "Z")
			wantEqual(t, "order", get(s.Lists(ctx, alice))(t)[list],
				[]msnp.Member{{Handle: dave, Name: "Dave"}, {Handle: "new@remote.test"}, {Handle: "zoe@remote.test", Name: "Z"}})
		})
	}
}

func TestReverseList(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	get(s.SetAccountName(ctx, alice, "Alice in Wonderland"))(t)
	bobs := serialOf(t, s, bob)

	_, reverse := put(t, s, alice, msnp.Allow, bob, "Bob")
	wantEqual(t, "reverse of AL", reverse, uint32(0))
	serial, reverse := put(t, s, alice, msnp.Forward, "Bob@Example.org", "Bob")
	wantEqual(t, "reverse", reverse, bobs+1)
	wantEqual(t, "Alice's serial", serialOf(t, s, alice), serial)
	wantEqual(t, "Bob's serial", serialOf(t, s, bob), reverse)
	wantEqual(t, "Bob's lists", get(s.Lists(ctx, bob))(t), [4][]msnp.Member{msnp.Reverse: {{Handle: alice, Name: "Alice in Wonderland"}}})

	_, _, err := s.AddEntry(ctx, alice, msnp.Forward, msnp.Member{Handle: bob}, 0)
	wantErr(t, err, bridge.ErrAlreadyListed)
	_, _, err = s.AddEntry(ctx, bob, msnp.Forward, msnp.Member{Handle: alice}, 0)
	must(t, err)
	wantEqual(t, "Bob's serial after his own", serialOf(t, s, bob), bobs+2)

	_, reverse, err = s.RemoveEntry(ctx, alice, msnp.Allow, bob)
	must(t, err)
	wantEqual(t, "reverse of taking off AL", reverse, uint32(0))
	_, reverse, err = s.RemoveEntry(ctx, alice, msnp.Forward, bob)
	must(t, err)
	wantEqual(t, "reverse of taking off FL", reverse, bobs+3)
	wantEqual(t, "Bob's lists", get(s.Lists(ctx, bob))(t), [4][]msnp.Member{msnp.Forward: {{Handle: alice}}})
}

// An entry on RL that is there already, or gone already, raises nothing.
func TestReverseListOutOfStep(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	put(t, s, bob, msnp.Reverse, alice, "Alice")
	bobs := serialOf(t, s, bob)
	_, reverse := put(t, s, alice, msnp.Forward, bob, "Bob")
	wantEqual(t, "reverse", reverse, uint32(0))
	wantEqual(t, "Bob's serial", serialOf(t, s, bob), bobs)

	_, _, err := s.RemoveEntry(t.Context(), bob, msnp.Reverse, alice)
	must(t, err)
	_, reverse, err = s.RemoveEntry(t.Context(), alice, msnp.Forward, bob)
	must(t, err)
	wantEqual(t, "reverse", reverse, uint32(0))
	wantEqual(t, "Bob's serial", serialOf(t, s, bob), bobs+1)
}

func TestOwnHandleOnForwardList(t *testing.T) {
	s := newStoreWith(t, alice)
	serial, reverse := put(t, s, alice, msnp.Forward, alice, "me")
	wantEqual(t, "serials", []uint32{serial, reverse, serialOf(t, s, alice)}, []uint32{2, 3, 3})
	serial, reverse, err := s.RemoveEntry(t.Context(), alice, msnp.Forward, alice)
	must(t, err)
	wantEqual(t, "serials", []uint32{serial, reverse, serialOf(t, s, alice)}, []uint32{4, 5, 5})
	wantEqual(t, "lists", get(s.Lists(t.Context(), alice))(t), [4][]msnp.Member{})
}

func TestRenameEntry(t *testing.T) {
	s := newStoreWith(t, alice, bob)
	ctx := t.Context()
	put(t, s, alice, msnp.Forward, dave, "Dave")
	put(t, s, alice, msnp.Allow, dave, "Dave")
	put(t, s, alice, msnp.Forward, bob, "Bob")
	put(t, s, bob, msnp.Forward, dave, "Dave")
	before := serialOf(t, s, alice)
	serial, err := s.RenameEntry(ctx, "ALICE@example.org", msnp.Member{Handle: "DAVE@remote.test", Name: "David"})
	must(t, err)
	wantEqual(t, "serial", serial, before+1)
	wantEqual(t, "Alice's lists", get(s.Lists(ctx, alice))(t), [4][]msnp.Member{
		msnp.Forward: {{Handle: dave, Name: "David"}, {Handle: bob, Name: "Bob"}},
		msnp.Allow:   {{Handle: dave, Name: "David"}},
	})
	wantEqual(t, "Bob's FL", get(s.Lists(ctx, bob))(t)[msnp.Forward], []msnp.Member{{Handle: dave, Name: "Dave"}})
	_, err = s.RenameEntry(ctx, alice, msnp.Member{Handle: carol, Name: "Carol"})
	wantErr(t, err, bridge.ErrNotListed)
	wantEqual(t, "serial after the error", serialOf(t, s, alice), before+1)
}

func TestListedBy(t *testing.T) {
	s := newStoreWith(t, alice, bob, carol)
	put(t, s, bob, msnp.Forward, dave, "")
	put(t, s, alice, msnp.Forward, dave, "")
	put(t, s, carol, msnp.Allow, dave, "")
	wantEqual(t, "those who have Dave", get(s.ListedBy(t.Context(), "DAVE@remote.test"))(t), []bridge.Handle{alice, bob})
	wantEqual(t, "those who have Carol", len(get(s.ListedBy(t.Context(), carol))(t)), 0)
}

// model is what the lists of all accounts should be.
type model map[bridge.Handle]*modelAccount

type modelAccount struct {
	serial uint32
	lists  [4][]msnp.Member
}

func (a *modelAccount) find(list msnp.List, h bridge.Handle) int {
	return slices.IndexFunc(a.lists[list], func(m msnp.Member) bool { return m.Handle == h })
}

func (a *modelAccount) put(list msnp.List, m msnp.Member) bool {
	if a.find(list, m.Handle) >= 0 {
		return false
	}
	a.lists[list] = append(a.lists[list], m)
	a.serial++
	return true
}

func (a *modelAccount) drop(list msnp.List, h bridge.Handle) bool {
	i := a.find(list, h)
	if i < 0 {
		return false
	}
	a.lists[list] = slices.Delete(a.lists[list], i, i+1)
	a.serial++
	return true
}

// TestListsAgainstModel does random things to the lists of a few accounts and
// compares all of them with plain slices after each.
func TestListsAgainstModel(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	s := f.open(t)
	ctx := t.Context()
	everybody := []bridge.Handle{alice, bob, carol, dave}
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		m := model{}
		for _, h := range everybody {
			if err := s.RemoveAccount(ctx, h); err != nil && !errors.Is(err, bridge.ErrNoAccount) {
				r.Fatal(err)
			}
		}
		pick := rapid.SampledFrom(everybody)
		r.Repeat(map[string]func(*rapid.T){
			"account": func(r *rapid.T) { modelAccountStep(r, ctx, s, m, pick.Draw(r, "handle")) },
			"add": func(r *rapid.T) {
				entry := msnp.Member{Handle: pick.Draw(r, "entry"), Name: fmt.Sprint("n", rapid.IntRange(0, 9).Draw(r, "name"))}
				modelAdd(r, ctx, s, m, pick.Draw(r, "account"), msnp.List(rapid.IntRange(0, 3).Draw(r, "list")), entry, rapid.IntRange(0, 3).Draw(r, "limit"))
			},
			"remove": func(r *rapid.T) {
				modelRemove(r, ctx, s, m, pick.Draw(r, "account"), msnp.List(rapid.IntRange(0, 3).Draw(r, "list")), pick.Draw(r, "entry"))
			},
			"": func(r *rapid.T) { compareModel(r, ctx, s, m) },
		})
	})
	if round == 0 {
		t.Error("nothing was tried")
	}
}

func compareModel(r *rapid.T, ctx context.Context, s *store.Store, m model) {
	for h, want := range m {
		a, err := s.Account(ctx, h)
		if err != nil || a.Serial != want.serial {
			r.Fatalf("%s: serial is %d (%v), want %d", h, a.Serial, err, want.serial)
		}
		lists, err := s.Lists(ctx, h)
		if err != nil {
			r.Fatal(err)
		}
		for l := range lists {
			if !slices.Equal(lists[l], want.lists[l]) {
				r.Fatalf("%s: %s is %v, want %v", h, msnp.List(l), lists[l], want.lists[l])
			}
		}
	}
}

func modelAccountStep(r *rapid.T, ctx context.Context, s *store.Store, m model, h bridge.Handle) {
	if m[h] != nil {
		if err := s.RemoveAccount(ctx, h); err != nil {
			r.Fatal(err)
		}
		delete(m, h)
		for _, other := range m {
			other.drop(msnp.Reverse, h)
		}
		return
	}
	if err := s.AddAccount(ctx, h, ""); err != nil {
		r.Fatal(err)
	}
	a, err := s.Account(ctx, h)
	if err != nil {
		r.Fatal(err)
	}
	m[h] = &modelAccount{}
	for _, other := range slices.SortedFunc(keys(m), func(a, b bridge.Handle) int { return cmp.Compare(a, b) }) {
		if m[other].find(msnp.Forward, h) >= 0 {
			m[h].put(msnp.Reverse, msnp.Member{Handle: other, Name: string(other)})
		}
	}
	m[h].serial = a.Serial // where it starts is for another test
}

func keys(m model) func(func(bridge.Handle) bool) {
	return func(yield func(bridge.Handle) bool) {
		for h := range m {
			if !yield(h) {
				return
			}
		}
	}
}

func modelAdd(r *rapid.T, ctx context.Context, s *store.Store, m model, account bridge.Handle, list msnp.List, entry msnp.Member, limit int) {
	serial, reverse, err := s.AddEntry(ctx, account, list, entry, limit)
	a := m[account]
	var want error
	switch {
	case a == nil:
		want = bridge.ErrNoAccount
	case a.find(list, entry.Handle) >= 0:
		want = bridge.ErrAlreadyListed
	case limit > 0 && len(a.lists[list]) >= limit:
		want = bridge.ErrListFull
	}
	if !errors.Is(err, want) {
		r.Fatalf("error is %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	a.put(list, entry)
	checkSerials(r, serial, reverse, a.serial, func() uint32 {
		other := m[entry.Handle]
		if list != msnp.Forward || other == nil || !other.put(msnp.Reverse, msnp.Member{Handle: account, Name: string(account)}) {
			return 0
		}
		return other.serial
	})
}

func modelRemove(r *rapid.T, ctx context.Context, s *store.Store, m model, account bridge.Handle, list msnp.List, handle bridge.Handle) {
	serial, reverse, err := s.RemoveEntry(ctx, account, list, handle)
	a := m[account]
	var want error
	switch {
	case a == nil:
		want = bridge.ErrNoAccount
	case a.find(list, handle) < 0:
		want = bridge.ErrNotListed
	}
	if !errors.Is(err, want) {
		r.Fatalf("error is %v, want %v", err, want)
	}
	if want != nil {
		return
	}
	a.drop(list, handle)
	checkSerials(r, serial, reverse, a.serial, func() uint32 {
		other := m[handle]
		if list != msnp.Forward || other == nil || !other.drop(msnp.Reverse, account) {
			return 0
		}
		return other.serial
	})
}

func checkSerials(r *rapid.T, serial, reverse, wantSerial uint32, wantReverse func() uint32) {
	if want := wantReverse(); serial != wantSerial || reverse != want {
		r.Fatalf("serials are %d and %d, want %d and %d", serial, reverse, wantSerial, want)
	}
}
