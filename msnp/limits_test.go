package msnp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// rawConn is a bare connection with a deadline.
func rawConn(t *testing.T, s *service) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return nc, bufio.NewReader(nc)
}

// signIn signs somebody in with the test client.
func signIn(t *testing.T, s *service, name string, status msnp.Status) *msnptest.Client {
	t.Helper()
	c, err := msnptest.Dial(t.Context(), s.addr, msnptest.Options{
		Handle: name + "@example.org", Password: password, Status: status, AutoAnswer: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// wantEnd expects the other side to close without another word.
func wantEnd(t *testing.T, r io.Reader) {
	t.Helper()
	rest, err := io.ReadAll(r)
	if len(rest) > 0 {
		t.Fatalf("got %q (%v), want the end", rest, err)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal("the connection stays open")
	}
}

func TestLineOverLimit(t *testing.T) {
	s := startService(t, testLimits)
	nc, r := rawConn(t, s)
	fmt.Fprintf(nc, "VER 1 %s\r\n", strings.Repeat("x", testLimits.Line))
	wantEnd(t, r)
}

func TestConnectionsPerAddress(t *testing.T) {
	limits := testLimits
	limits.ConnectionsPerAddress = 2
	s := startService(t, limits)
	var held []net.Conn
	for range 2 {
		nc, r := rawConn(t, s)
		fmt.Fprint(nc, "VER 1 MSNP2\r\n")
		if line, err := r.ReadString('\n'); err != nil || line != "VER 1 MSNP2\r\n" {
			t.Fatalf("got %q (%v)", line, err)
		}
		held = append(held, nc)
	}
	_, r := rawConn(t, s)
	wantEnd(t, r)
	// A place is free again when one has gone.
	held[0].Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		nc, r := rawConn(t, s)
		fmt.Fprint(nc, "VER 1 MSNP2\r\n")
		if _, err := r.ReadString('\n'); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no place became free")
		}
	}
}

func TestSignInsPerMinute(t *testing.T) {
	limits := testLimits
	limits.SignInsPerMinute = 3
	s := startService(t, limits)
	for range 3 {
		nc, r := rawConn(t, s)
		fmt.Fprint(nc, "USR 1 MD5 I alice@example.org\r\n")
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "USR 1 MD5 S ") {
			t.Fatalf("got %q (%v)", line, err)
		}
	}
	nc, r := rawConn(t, s)
	fmt.Fprint(nc, "USR 1 MD5 I alice@example.org\r\n")
	if line, err := r.ReadString('\n'); err != nil || line != "600 1\r\n" {
		t.Fatalf("got %q (%v), want 600", line, err)
	}
	wantEnd(t, r)
}

func TestUnauthenticatedConnectionEnds(t *testing.T) {
	limits := testLimits
	limits.Unauthenticated = time.Second // a sign-in on a busy machine takes less
	s := startService(t, limits)
	nc, r := rawConn(t, s)
	fmt.Fprint(nc, "VER 1 MSNP2\r\n")
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, r)
	// A client that has signed in is never timed out.
	alice := signIn(t, s, "alice", msnp.Online)
	select {
	case <-alice.Done():
		t.Fatal("a signed-in client was cut")
	case <-time.After(2 * limits.Unauthenticated):
	}
	if _, err := alice.List(t.Context(), msnp.Block); err != nil {
		t.Fatal(err)
	}
}

func TestIdleSwitchboardCloses(t *testing.T) {
	limits := testLimits
	limits.SwitchboardIdle = time.Second
	s := startService(t, limits)
	alice, bob := signIn(t, s, "alice", msnp.Online), signIn(t, s, "bob", msnp.Online)
	chat, err := alice.Chat(t.Context(), "bob@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := msnptest.WaitFor[msnptest.Answered](t.Context(), bob, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case <-chat.Done():
	case <-ctx.Done():
		t.Fatal("an idle switchboard stays open")
	}
	if _, err := alice.List(t.Context(), msnp.Block); err != nil {
		t.Fatalf("the notification connection went with it: %v", err)
	}
}

// TestSlowClientIsDropped: a client that reads nothing fills its queue and is
// dropped; the one who writes to it, and everybody else, go on.
func TestSlowClientIsDropped(t *testing.T) {
	limits := testLimits
	limits.SendQueue = 256 << 10
	s := startService(t, limits)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice, carol := signIn(t, s, "alice", msnp.Online), signIn(t, s, "carol", msnp.Online)
	bob, err := msnptest.Dial(ctx, s.addr, msnptest.Options{Handle: "bob@example.org", Password: password, Status: msnp.Online})
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	chat, err := alice.OpenSwitchboard(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := chat.Call(ctx, "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	ring, err := msnptest.WaitFor[msnptest.Ring](ctx, bob, nil)
	if err != nil {
		t.Fatal(err)
	}
	stuck, r := rawConn(t, s)
	fmt.Fprintf(stuck, "ANS 1 bob@example.org %s %s\r\n", ring.Cookie, ring.Session)
	for line := ""; line != "ANS 1 OK\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Repeat("x", 1200)
	left := make(chan error, 1)
	go func() {
		_, err := msnptest.WaitFor[msnptest.Left](ctx, chat, nil)
		left <- err
	}()
	for sent := 0; ; sent++ {
		select {
		case err := <-left:
			if err != nil {
				t.Fatal(err)
			}
			if s.server.Stats().Dropped != 1 {
				t.Errorf("dropped %d clients, want 1", s.server.Stats().Dropped)
			}
			if _, err := carol.List(ctx, msnp.Block); err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
		if _, err := chat.SendText(ctx, text, msnptest.Unacknowledged); err != nil {
			t.Fatalf("after %d messages: %v", sent, err)
		}
	}
}

func TestShutdownSaysSSD(t *testing.T) {
	s := startService(t, testLimits)
	alice := signIn(t, s, "alice", msnp.Online)
	s.stop(t)
	out, err := msnptest.WaitFor[msnptest.SignedOut](t.Context(), alice, nil)
	if err != nil || out.Reason != msnp.ShuttingDown {
		t.Fatalf("got %v (%v), want SSD", out.Reason, err)
	}
	<-alice.Done()
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Fatal("the listener is still open")
	}
}

// TestPacedClientIsOnlySlowed: the rate of commands is a brake, not a wall.
func TestPacedClientIsOnlySlowed(t *testing.T) {
	limits := testLimits
	limits.CommandsPerSecond, limits.CommandBurst = 200, 10
	s := startService(t, limits)
	nc, r := rawConn(t, s)
	const n = 60
	start := time.Now()
	for i := range n {
		fmt.Fprintf(nc, "INF %d\r\n", i)
	}
	for i := range n {
		if line, err := r.ReadString('\n'); err != nil || line != fmt.Sprintf("INF %d MD5\r\n", i) {
			t.Fatalf("got %q (%v)", line, err)
		}
	}
	if took, least := time.Since(start), time.Duration(n-10-1)*time.Second/200; took < least {
		t.Errorf("took %v, want at least %v", took, least)
	}
}

// TestLastLineReachesHalfClosed: a client that has ended its own half still
// gets its answer.
func TestLastLineReachesHalfClosed(t *testing.T) {
	s := startService(t, testLimits)
	for range 50 {
		nc, r := rawConn(t, s)
		if _, err := io.WriteString(nc, "ANS 1 bob@example.org x 1\r\n"); err != nil {
			t.Fatal(err)
		}
		if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if line, err := r.ReadString('\n'); line != "911 1\r\n" {
			t.Fatalf("got %q (%v), want 911", line, err)
		}
		wantEnd(t, r)
	}
}

// TestSignInsOverEachOther: a session may be told to end while it begins and its
// client is gone already. The race detector judges.
func TestSignInsOverEachOther(t *testing.T) {
	s := startService(t, testLimits)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 40 {
				signInAndGo(t, s)
			}
		})
	}
	all.Wait()
	// Whoever proved to be alice last may still be about to sign in, and would end
	// her session.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); s.server.Stats().Connections > 0; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", s.server.Stats().Connections)
		}
	}
	signIn(t, s, "alice", msnp.Online)
}

// signInAndGo proves to be alice and resets the connection without waiting.
func signInAndGo(t *testing.T, s *service) {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	if err := nc.(*net.TCPConn).SetLinger(0); err != nil {
		t.Error(err)
	}
	fmt.Fprint(nc, "USR 1 MD5 I alice@example.org\r\n")
	line, err := bufio.NewReader(nc).ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 5 {
		t.Errorf("got %q (%v), want a challenge", line, err)
		return
	}
	fmt.Fprintf(nc, "USR 2 MD5 S %s\r\n", msnptest.Digest(words[4], password))
}
