package stream

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/rs/zerolog"
)

// TestServerDownAllNight: the log says it once, and once again when it is down for
// another reason.
func TestServerDownAllNight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tries = 20
		p := &played{t: t, downs: make(chan error, tries+1)}
		var said bytes.Buffer
		l := newLink(p, zerolog.New(&said).Level(zerolog.InfoLevel), Timing{}, Backoff{})
		tried := 0
		l.connect = func(context.Context) (negotiated, error) {
			if tried++; tried > tries {
				return negotiated{}, syscall.EHOSTUNREACH
			}
			return negotiated{}, syscall.ECONNREFUSED
		}
		l.Start()
		for range tries + 1 {
			<-p.downs
		}
		synctest.Wait()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(said.String(), "No connection to the XMPP server"); n != 2 {
			t.Errorf("it says so %d times: %s", n, &said)
		}
	})
}
