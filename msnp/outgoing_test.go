package msnp

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// tcpPair returns the two ends of a connection over loopback.
func tcpPair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled := make(chan net.Conn, 1)
	go func() {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Error(err)
		}
		dialled <- nc
	}()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server, client = nc.(*net.TCPConn), (<-dialled).(*net.TCPConn)
	t.Cleanup(func() { server.Close(); client.Close() })
	return server, client
}

// lines appends whole lines.
func lines(s string) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, s...) }
}

func TestOutgoingKeepsOrder(t *testing.T) {
	server, client := tcpPair(t)
	o := outgoing{nc: server, failed: func(err error) { t.Errorf("failed: %v", err) }}
	var want strings.Builder
	for i := range 1000 {
		line := strings.Repeat("x", i%50) + "\r\n"
		want.WriteString(line)
		o.send(lines(line), nil)
	}
	o.finish()
	got, err := io.ReadAll(client)
	if err != nil || string(got) != want.String() {
		t.Fatalf("read %d bytes (%v), want %d", len(got), err, want.Len())
	}
}

// TestOutgoingReceipts: a receipt comes only when the client's TCP has the
// bytes, which is not the case while its window is closed.
func TestOutgoingReceipts(t *testing.T) {
	server, client := tcpPair(t)
	if err := client.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if err := server.SetWriteBuffer(1 << 20); err != nil {
		t.Fatal(err)
	}
	o := outgoing{nc: server, failed: func(error) {}}
	small, big := make(chan bool, 1), make(chan bool, 1)
	o.send(lines("small\r\n"), func(ok bool) { small <- ok })
	if !<-small {
		t.Fatal("a small message was not acknowledged")
	}
	const size = 40_000
	o.send(lines(strings.Repeat("x", size)), func(ok bool) { big <- ok })
	buf := make([]byte, 7)
	if _, err := io.ReadFull(client, buf); err != nil {
		t.Fatal(err)
	}
	select {
	case <-big:
		t.Fatal("acknowledged although the client has not read it")
	case <-time.After(100 * time.Millisecond):
	}
	if n, err := io.CopyN(io.Discard, client, size); err != nil {
		t.Fatalf("read %d: %v", n, err)
	}
	if !<-big {
		t.Fatal("not acknowledged although the client has read it")
	}
}

func TestOutgoingTellsOfLoss(t *testing.T) {
	server, client := tcpPair(t)
	failed := make(chan error, 1)
	o := outgoing{nc: server, failed: func(err error) { failed <- err; server.Close() }}
	if err := client.SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan bool, 2)
	o.send(lines(strings.Repeat("x", 8<<20)), func(ok bool) { outcome <- ok })
	client.SetLinger(0)
	client.Close() // a reset, with bytes under way
	if <-outcome {
		t.Error("a lost message counted as delivered")
	}
	if err := <-failed; err == nil {
		t.Error("no reason for the failure")
	}
	o.send(lines("more\r\n"), func(ok bool) { outcome <- ok })
	if <-outcome {
		t.Error("a message sent after the failure counted as delivered")
	}
}

// TestOutgoingDropsWhoDoesNotRead: the queue is bounded in bytes.
func TestOutgoingDropsWhoDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		var reason error
		o := outgoing{nc: server, limit: 1000}
		o.failed = func(err error) { reason = err; server.Close() }
		o.send(lines(strings.Repeat("x", 5000)), nil) // one answer may be larger
		synctest.Wait()
		if reason != nil {
			t.Fatalf("dropped for one large answer: %v", reason)
		}
		o.send(lines("y"), nil)
		if !errors.Is(reason, errQueueFull) {
			t.Fatalf("reason %v, want %v", reason, errQueueFull)
		}
	})
}

// TestOutgoingGivesUpOnStuckWrite: a client that reads nothing does not hold a
// writer for ever, even with little to send.
func TestOutgoingGivesUpOnStuckWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		start := time.Now()
		failed := make(chan error, 1)
		o := outgoing{nc: server, failed: func(err error) { failed <- err; server.Close() }}
		o.send(lines("never read\r\n"), nil)
		if err := <-failed; err == nil {
			t.Fatal("no error")
		}
		if waited := time.Since(start); waited != writeTimeout {
			t.Fatalf("gave up after %v, want %v", waited, writeTimeout)
		}
	})
}

// countingConn counts writes.
type countingConn struct {
	net.Conn
	writes [][]byte
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(b))
	return len(b), nil
}

func (c *countingConn) SetWriteDeadline(time.Time) error { return nil }

// TestOutgoingHold: what is sent under a hold goes out in one write, and flush
// divides it.
func TestOutgoingHold(t *testing.T) {
	nc := &countingConn{}
	o := outgoing{nc: nc, failed: func(err error) { t.Errorf("failed: %v", err) }}
	o.hold()
	o.send(lines("a"), nil)
	o.send(lines("b"), nil)
	o.flush()
	o.send(lines("c"), nil)
	o.send(lines("d"), nil)
	o.release()
	if got := bytes.Join(nc.writes, []byte("|")); string(got) != "ab|cd" {
		t.Fatalf("writes %q, want ab|cd", got)
	}
}

// BenchmarkOutgoing measures one line through an idle connection.
func BenchmarkOutgoing(b *testing.B) {
	nc := &countingConn{}
	o := outgoing{nc: nc, failed: func(error) {}}
	b.ReportAllocs()
	for b.Loop() {
		nc.writes = nc.writes[:0]
		o.hold()
		o.send(lines("NLN NLN alice@example.org Alice\r\n"), nil)
		o.release()
	}
}

// TestOutgoingPause: of a burst only the end waits, and what is sent after it with it;
// after a while without writes nothing does, and for most clients nothing ever.
func TestOutgoingPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer client.Close()
		o := outgoing{nc: server, failed: func(error) {}}
		start := time.Now()
		expect := func(want string, after time.Duration) {
			t.Helper()
			got := make([]byte, 100)
			n, err := client.Read(got)
			if took := time.Since(start); err != nil || string(got[:n]) != want || took != after {
				t.Fatalf("read %q (%v) after %v, want %q after %v", got[:n], err, took, want, after)
			}
		}
		o.send(lines("a"), nil)
		expect("a", 0)
		o.pause() // for a client that reads all there is
		o.send(lines("b"), nil)
		expect("b", 0)
		time.Sleep(pauseTimes[readsByLine])
		start = time.Now()
		o.readBy(readsByLine)
		o.pause()
		o.send(lines("b"), nil)
		synctest.Wait()
		o.pause()
		o.send(lines("c"), nil)
		expect("b", 0)
		o.send(lines("d"), nil)
		expect("cd", pauseTimes[readsByLine])
		time.Sleep(pauseTimes[readsByLine])
		o.pause()
		o.send(lines("e"), nil)
		expect("e", 2*pauseTimes[readsByLine])
		o.pause()
		o.send(lines("f"), nil)
		synctest.Wait()
		o.finish()
		expect("f", 3*pauseTimes[readsByLine])
	})
}
