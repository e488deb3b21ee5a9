package msnp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// TestPayloadLimit: what is as long as the limit passes, and one byte more ends the
// connection, without a byte of it having been kept.
func TestPayloadLimit(t *testing.T) {
	s := startService(t, testLimits)
	alice := signIn(t, s, "alice", msnp.Online)
	bob := signIn(t, s, "bob", msnp.Online)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	chat, err := alice.Chat(ctx, "bob@example.org")
	if err != nil {
		t.Fatal(err)
	}
	answered, err := msnptest.WaitFor[msnptest.Answered](ctx, bob, nil)
	if err != nil || answered.Err != nil {
		t.Fatal(err, answered.Err)
	}
	full := []byte(strings.Repeat("x", testLimits.Payload))
	if _, err := chat.SendRaw(ctx, full, msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	got, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, answered.Switchboard, nil)
	if err != nil || len(got.Raw) != len(full) {
		t.Fatalf("%d bytes arrive (%v), want %d", len(got.Raw), err, len(full))
	}
	if _, err := chat.SendRaw(ctx, append(full, 'x'), msnptest.Acknowledged); err == nil {
		t.Error("a payload over the limit is taken")
	}
	<-chat.Done()
}

// TestTricklingConnectionEnds: a connection that has not signed in ends in time
// however busily it sends, and a client that has may take as long as it likes.
func TestTricklingConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, testLimits, bridge.Limits{}, nil)
		nc, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		start := time.Now()
		for err == nil {
			time.Sleep(time.Second)
			_, err = nc.Write([]byte("x"))
		}
		if took := time.Since(start); took > testLimits.Unauthenticated+2*time.Second || took < testLimits.Unauthenticated {
			t.Errorf("the connection ends after %v, want %v", took, testLimits.Unauthenticated)
		}
		alice, err := msnptest.Dial(t.Context(), "", msnptest.Options{
			Handle: "alice@example.org", Password: password, Status: msnp.Online,
			Dial: func(context.Context, string) (net.Conn, error) {
				nc, err := s.dial()
				return slowConn{nc}, err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer alice.Close()
		time.Sleep(7 * 24 * time.Hour)
		if _, err := alice.List(t.Context(), msnp.Forward); err != nil {
			t.Errorf("after a week: %v", err)
		}
	})
}

// slowConn takes half a second for each byte that it sends.
type slowConn struct{ net.Conn }

// Write implements [net.Conn].
func (c slowConn) Write(p []byte) (n int, err error) {
	for n = range p {
		time.Sleep(500 * time.Millisecond)
		if _, err := c.Conn.Write(p[n : n+1]); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// TestHalfOpenConnections: thousands of connections that begin to say something and
// go no further cost their own place only, and are gone in time.
func TestHalfOpenConnections(t *testing.T) {
	t.Parallel()
	limits := testLimits
	limits.ConnectionsPerAddress, limits.Unauthenticated = 0, 5*time.Second
	s := startService(t, limits)
	const many = 2000
	for i := range many {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer nc.Close()
		if _, err := io.WriteString(nc, "VER 1 MS"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice := signIn(t, s, "alice", msnp.Online)
	signIn(t, s, "bob", msnp.Online)
	chat, err := alice.Chat(ctx, "bob@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chat.SendText(ctx, "What a crowd!", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.server.Stats().Connections > 4 { // two clients, each on a switchboard
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d connections are left", s.server.Stats().Connections)
		}
	}
}

// TestNothingButMistakes: a connection that sends nothing that can be understood is
// closed after a while, and one that does so now and then is not.
func TestNothingButMistakes(t *testing.T) {
	s := startService(t, testLimits)
	nc, r := rawConn(t, s)
	fmt.Fprint(nc, strings.Repeat("ZZZ 1\r\n", 1000))
	answers := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		if answers++; line != "200 1\r\n" {
			t.Fatalf("got %q", line)
		}
	}
	if answers == 0 || answers > 100 {
		t.Errorf("%d answers before the end", answers)
	}
	nc, r = rawConn(t, s)
	for range 10 {
		fmt.Fprint(nc, strings.Repeat("ZZZ 1\r\n", 20)+"INF 2\r\n")
		for i := range 21 {
			want := "200 1\r\n"
			if i == 20 {
				want = "INF 2 MD5\r\n"
			}
			if line, err := r.ReadString('\n'); err != nil || line != want {
				t.Fatalf("got %q (%v), want %q", line, err, want)
			}
		}
	}
}

// wantCode expects a request to be refused.
func wantCode(t *testing.T, err error, code msnp.Code) {
	t.Helper()
	var refusal *msnptest.ServerError
	if !errors.As(err, &refusal) || msnp.Code(refusal.Code) != code {
		t.Errorf("got %v, want %d", err, code)
	}
}

// TestListLengthAndParticipants: 210 for a list that is full, 714 for a conversation.
func TestListLengthAndParticipants(t *testing.T) {
	s := newService(t, testLimits, bridge.Limits{ListLength: 1, Participants: 2}, nil).listen(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice := signIn(t, s, "alice", msnp.Online)
	signIn(t, s, "bob", msnp.Online)
	signIn(t, s, "carol", msnp.Online)
	if _, err := alice.Add(ctx, msnp.Forward, "bob@example.org", ""); err != nil {
		t.Fatal(err)
	}
	_, err := alice.Add(ctx, msnp.Forward, "carol@example.org", "")
	wantCode(t, err, msnp.CodeListFull)
	chat, err := alice.Chat(ctx, "bob@example.org")
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, chat.Call(ctx, "carol@example.org"), msnp.CodeTooManySessions)
}

// TestNoLimits: a limit of 0 is switched off.
func TestNoLimits(t *testing.T) {
	s := startService(t, msnp.Limits{})
	nc, r := rawConn(t, s)
	long := strings.Repeat("x", 200<<10)
	fmt.Fprintf(nc, "VER 1 MSNP2 %s\r\n", long)
	if line, err := r.ReadString('\n'); err != nil || line != "VER 1 MSNP2\r\n" {
		t.Fatalf("got %.40q (%v)", line, err)
	}
	fmt.Fprintf(nc, "MSG 2 N %d\r\n%sINF 3\r\n", len(long), long)
	for _, want := range []string{"302 2\r\n", "INF 3 MD5\r\n"} {
		if line, err := r.ReadString('\n'); err != nil || line != want {
			t.Fatalf("got %.40q (%v), want %q", line, err, want)
		}
	}
	var open []*bufio.Reader
	for i := range 600 {
		nc, r := rawConn(t, s)
		open = append(open, r)
		fmt.Fprintf(nc, "USR %d MD5 I alice@example.org\r\n", i)
	}
	for i, r := range open {
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, fmt.Sprintf("USR %d MD5 S ", i)) {
			t.Fatalf("got %q (%v)", line, err)
		}
	}
}

// TestUnusedCookies: who asks for switchboards and does not go there is refused after a
// while, and holds nothing of the server's when he has gone.
func TestUnusedCookies(t *testing.T) {
	s := startService(t, testLimits)
	alice := signIn(t, s, "alice", msnp.Online)
	for range 50 {
		if _, err := alice.Request(t.Context(), "XFR", "SB"); err != nil {
			t.Fatal(err)
		}
	}
	_, err := alice.Request(t.Context(), "XFR", "SB")
	wantCode(t, err, msnp.CodeTooActive)
	if err := alice.SignOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	alice = signIn(t, s, "alice", msnp.Online)
	for range 60 { // those that are used do not count
		sb, err := alice.OpenSwitchboard(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sb.Close()
	}
}
