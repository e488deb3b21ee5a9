package store_test

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/store"
)

// measure runs f b.N times and also reports the processor time of the process,
// which the disk does not blur.
func measure(b *testing.B, f func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	before := cpuTime(b)
	i := 0
	for b.Loop() {
		if err := f(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func storeWithContacts(b *testing.B, n int) *store.Store {
	b.Helper()
	s := newStoreWith(b, alice)
	get(s.AddPassword(b.Context(), alice, "desk", "correct horse"))(b)
	for i := range n {
		put(b, s, alice, msnp.Forward, bridge.Handle(fmt.Sprintf("contact%d@remote.test", i)), "A friendly name")
	}
	return s
}

// What a sign-in reads.
func BenchmarkSignIn(b *testing.B) {
	s := storeWithContacts(b, 10)
	measure(b, func(int) error {
		if _, _, err := s.Credentials(b.Context(), alice); err != nil {
			return err
		}
		_, err := s.Belongings(b.Context(), alice)
		return err
	})
}

// The same for somebody with many contacts, each on three lists.
func BenchmarkBelongingsOf1000(b *testing.B) {
	s := newStoreWith(b, alice)
	must(b, s.Atomically(b.Context(), func(ctx context.Context) error {
		for i := range 1000 {
			who := msnp.Member{Handle: bridge.Handle(fmt.Sprintf("contact%d@remote.test", i)), Name: "A friendly name"}
			for _, list := range [...]msnp.List{msnp.Forward, msnp.Allow, msnp.Reverse} {
				if _, _, err := s.AddEntry(ctx, alice, list, who, 0); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	measure(b, func(int) error { _, err := s.Belongings(b.Context(), alice); return err })
}

func BenchmarkListsOf1000(b *testing.B) {
	s := storeWithContacts(b, 1000)
	measure(b, func(int) error { _, err := s.Lists(b.Context(), alice); return err })
}

func BenchmarkAddEntryTo1000(b *testing.B) {
	s := storeWithContacts(b, 1000)
	measure(b, func(i int) error {
		h := bridge.Handle("new@remote.test")
		if i%2 == 1 {
			_, _, err := s.RemoveEntry(b.Context(), alice, msnp.Forward, h)
			return err
		}
		_, _, err := s.AddEntry(b.Context(), alice, msnp.Forward, msnp.Member{Handle: h}, 2000)
		return err
	})
}

func BenchmarkInboxAdd(b *testing.B) {
	s := newStoreWith(b, alice)
	measure(b, func(i int) error {
		_, _, err := s.InboxAdd(b.Context(), message(alice, "$"+strconv.Itoa(i)+":a.remote.test"))
		return err
	})
}

func BenchmarkInboxAddAndDone(b *testing.B) {
	s := newStoreWith(b, alice)
	measure(b, func(i int) error {
		id, _, err := s.InboxAdd(b.Context(), message(alice, "$"+strconv.Itoa(i)+":a.remote.test"))
		if err != nil {
			return err
		}
		return s.InboxDone(b.Context(), id)
	})
}

func BenchmarkInboxRedelivery(b *testing.B) {
	s := newStoreWith(b, alice)
	measure(b, func(int) error { _, _, err := s.InboxAdd(b.Context(), message(alice, "$same")); return err })
}

func BenchmarkOutboxAdd(b *testing.B) {
	s := newStoreWith(b, alice)
	measure(b, func(int) error { _, err := s.OutboxAdd(b.Context(), order); return err })
}

func BenchmarkOutboxAddAndDone(b *testing.B) {
	s := newStoreWith(b, alice)
	measure(b, func(int) error {
		id, err := s.OutboxAdd(b.Context(), order)
		if err != nil {
			return err
		}
		return s.OutboxDone(b.Context(), id)
	})
}

// Eight at once, as when many people write.
func BenchmarkOutboxParallel(b *testing.B) {
	s := newStoreWith(b, alice)
	b.SetParallelism(4)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			id, err := s.OutboxAdd(b.Context(), order)
			if err == nil {
				err = s.OutboxDone(b.Context(), id)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

var order = bridge.OutboxEntry{Account: alice, Network: "matrix", Order: bridge.Order{
	Kind: bridge.OrderSend, Chat: bridge.Chat{Contact: "@dave:remote.test"}, Text: "a line as people write it",
}}

func BenchmarkPollChanges(b *testing.B) {
	s := newStoreWith(b, alice)
	_, newest, err := s.AccountChanges(b.Context(), -1)
	must(b, err)
	measure(b, func(int) error { _, _, err := s.AccountChanges(b.Context(), newest); return err })
}
