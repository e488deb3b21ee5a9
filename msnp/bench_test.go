package msnp_test

import (
	"strings"
	"testing"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// benchClient signs somebody in for a benchmark.
func benchClient(b *testing.B, s *service, name string, ignore func(msnptest.Event) bool) *msnptest.Client {
	b.Helper()
	c, err := msnptest.Dial(b.Context(), s.addr, msnptest.Options{
		Handle: name + "@example.org", Password: password, Status: msnp.Online, AutoAnswer: true, Ignore: ignore,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

// BenchmarkSignIn measures VER to CHG, with the sign-out, client and server in
// one process.
func BenchmarkSignIn(b *testing.B) {
	s := startService(b, msnp.Limits{})
	for b.Loop() {
		c, err := msnptest.Dial(b.Context(), s.addr, msnptest.Options{
			Handle: "alice@example.org", Password: password, Status: msnp.Online,
		})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

// BenchmarkChat measures one message between two local users, written when the
// one before has been acknowledged.
func BenchmarkChat(b *testing.B) {
	s := startService(b, msnp.Limits{})
	alice := benchClient(b, s, "alice", nil)
	benchClient(b, s, "bob", func(e msnptest.Event) bool {
		_, arrived := e.(msnptest.MessageArrived)
		return arrived
	})
	chat, err := alice.Chat(b.Context(), "bob@example.org")
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("x", 200)
	for b.Loop() {
		if _, err := chat.SendText(b.Context(), text, msnptest.Acknowledged); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPresence measures one change of state until a watcher has it.
func BenchmarkPresence(b *testing.B) {
	s := startService(b, msnp.Limits{})
	alice, bob := benchClient(b, s, "alice", nil), benchClient(b, s, "bob", nil)
	if _, err := alice.Add(b.Context(), msnp.Forward, "bob@example.org", "Bob"); err != nil {
		b.Fatal(err)
	}
	states := [2]msnp.Status{msnp.Busy, msnp.Away}
	for i := 0; b.Loop(); i++ {
		want := states[i%2]
		if err := bob.SetStatus(b.Context(), want); err != nil {
			b.Fatal(err)
		}
		_, err := msnptest.WaitFor(b.Context(), alice, func(c msnptest.StatusChanged) bool { return c.Status == want })
		if err != nil {
			b.Fatal(err)
		}
	}
}
