package xmpp

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
)

// TestForeignServers: a server of anybody's has the helper contact say a few lines an
// hour, the account's own as many as it likes.
func TestForeignServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, in := newTestAccount(t)
		writes := func(from, body string, want ...string) {
			t.Helper()
			finished := false
			a.message(read(t, fmt.Sprintf("<message from='%s'><body>%s</body></message>", from, body)), func() { finished = true })
			synctest.Wait()
			for _, w := range want {
				if e := next[bridge.NetworkSays](t, in); e.Text != w {
					t.Errorf("told %q, want %q", e.Text, w)
				}
			}
			in.none(t)
			if !finished {
				t.Errorf("%q of %s is offered again", body, from)
			}
		}
		for range 2 {
			for range foreignWords {
				writes("evil.org", "Buy!", "evil.org: Buy!")
			}
			writes("evil.org/x", "Buy!", "evil.org writes too much. What else it says within the hour is dropped.")
			writes("evil.org", "Buy!")
			for i := range foreignServers - 1 {
				writes(fmt.Sprintf("s%d.evil.org", i), "Buy!", fmt.Sprintf("s%d.evil.org: Buy!", i))
			}
			writes("more.evil.org", "Buy!", "Many servers are writing to you. What more of them say within the hour is dropped.")
			writes("more.evil.org", "Buy!")
			writes("most.evil.org", "Buy!")
			writes("msn.test", "down at 8", "down at 8")
			<-time.After(foreignSpan)
		}
	})
}
