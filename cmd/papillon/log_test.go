package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// scarce is a listener that finds no file for its first connection, and then is closed.
type scarce struct {
	net.Listener
	asked bool
}

// Accept implements [net.Listener].
func (s *scarce) Accept() (net.Conn, error) {
	if s.asked {
		return nil, net.ErrClosed
	}
	s.asked = true
	return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
}

// TestHTTPServersUseTheLog: what they have to say has the form of all other lines.
func TestHTTPServersUseTheLog(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var said bytes.Buffer
	d := &daemon{log: zerolog.New(&said), listeners: &listeners{appservice: ln}}
	web := d.webServers()
	if len(web) != 1 {
		t.Fatalf("%d servers", len(web))
	}
	said.Reset()
	if err := web[0].server.Serve(&scarce{Listener: ln}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
	var line struct{ Level, Message string }
	if err := json.Unmarshal(said.Bytes(), &line); err != nil || line.Level != "warn" || !strings.Contains(line.Message, "too many open files") {
		t.Errorf("it said %q (%v)", &said, err)
	}
}
