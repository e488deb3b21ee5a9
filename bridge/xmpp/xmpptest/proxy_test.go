package xmpptest

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// echoServer answers with what it is sent.
func echoServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return ln.Addr().String()
}

func TestProxyCutsAndMends(t *testing.T) {
	p, err := NewProxy(echoServer(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", p.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	echoed := func(conn net.Conn, text string) {
		t.Helper()
		buffer := make([]byte, len(text))
		if _, err := io.ReadFull(conn, buffer); err != nil || string(buffer) != text {
			t.Fatalf("read %q, %v; want %q", buffer, err, text)
		}
	}
	send := func(conn net.Conn, text string) {
		t.Helper()
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	old := dial()
	send(old, "before")
	echoed(old, "before")

	p.Cut()
	p.Cut()
	send(old, "meanwhile")
	young := dial()
	send(young, "hello?")
	for _, conn := range []net.Conn{old, young} {
		if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read %d, %v through a cut", n, err)
		}
		if err := conn.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}

	p.Mend()
	p.Mend()
	echoed(old, "meanwhile")
	echoed(young, "hello?")

	p.Cut()
	if n := p.Reset(); n != 2 {
		t.Errorf("%d connections were reset, want 2", n)
	}
	if _, err := old.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after a reset: %v", err)
	}
	p.Mend()
	fresh := dial()
	send(fresh, "after")
	echoed(fresh, "after")
	if err := fresh.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("read after the end: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", p.Address); err == nil {
		_ = conn.Close()
		t.Error("a closed proxy takes connections")
	}
}

func TestProxyWithoutServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := NewProxy(target)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		return // refused as quickly as by the server itself
	}
	defer conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a proxy without a server answered")
	}
}
