package xmpptest

import (
	"context"
	"testing"
	"time"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func eachKind(t *testing.T, test func(*testing.T, Kind)) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) { test(t, kind) })
	}
}

// start starts a server that ends with the test.
func start(t *testing.T, options Options) *Server {
	t.Helper()
	s, err := Start(testContext(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestX(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		b := time.Now()
		s := start(t, Options{Kind: kind, Log: t.Output()})
		t.Log("start", time.Since(b))
		b = time.Now()
		for _, n := range []string{"alice", "bob", "carol.x"} {
			_, _, err := s.CreateUser(t.Context(), n)
			t.Log(n, time.Since(b), err)
		}
		_, _, err := s.CreateUser(t.Context(), "bob")
		t.Log("again: ", err)
		b = time.Now()
		t.Log(s.RemoveUser(t.Context(), "bob"), time.Since(b))
		t.Log(s.RemoveUser(t.Context(), "nobody"))
		t.Log(s.SetPassword(t.Context(), "alice", "new"))
		t.Log(s.SetPassword(t.Context(), "aliceq", "new"))
		b = time.Now()
		t.Log(s.Kill())
		t.Log(time.Since(b))
		t.Log(s.Resume(t.Context()))
		t.Log(time.Since(b))
		t.Log(s.Restart(t.Context()))
		t.Log(time.Since(b))
	})
}
