package xmpp

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"github.com/rs/zerolog"
)

// TestComponentDownAllNight: the log warns once, and again when it is down for another
// reason.
func TestComponentDownAllNight(t *testing.T) {
	var said bytes.Buffer
	g, err := newGateway(&Network{
		options: Options{Component: ComponentOptions{Domain: "msn.test"}}, log: zerolog.New(&said),
	})
	must(t, err)
	for range 20 {
		g.Disconnected(syscall.ECONNREFUSED)
	}
	g.Disconnected(syscall.EHOSTUNREACH)
	if n := strings.Count(said.String(), "XMPP component is not connected"); n != 2 {
		t.Errorf("it warns %d times: %s", n, &said)
	}
}
