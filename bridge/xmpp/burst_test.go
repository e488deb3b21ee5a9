package xmpp

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/xmpptest"
)

// burst is how many messages go each way while a server is killed.
const burst = 1000

// A burstOut is a burst of messages out of the gateway, and what is known of it.
type burstOut struct {
	third chan struct{} // closed when a third is sent

	mu       sync.Mutex
	accepted map[string]time.Time // when the server took a text
	killed   time.Time
}

func newBurstOut() *burstOut {
	return &burstOut{third: make(chan struct{}), accepted: make(map[string]time.Time)}
}

// send sends as the outbox does: one after the other, each until it is accepted.
func (b *burstOut) send(ctx context.Context, send func(context.Context, bridge.Outgoing) error, to string) error {
	for i := range burst {
		if i == burst/3 {
			close(b.third)
		}
		m := bridge.Outgoing{ID: fmt.Sprintf("out-%08d", i), Chat: bridge.Chat{Contact: bridge.RemoteID(to)}, Text: fmt.Sprintf("out %d", i)}
		for err := send(ctx, m); err != nil; err = send(ctx, m) {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("%w: %w", ctx.Err(), err)
			}
		}
		b.mu.Lock()
		b.accepted[m.Text] = time.Now()
		b.mu.Unlock()
	}
	return nil
}

// kill kills the server and starts it again.
func (b *burstOut) kill(ctx context.Context, t *testing.T, s *xmpptest.Server) {
	t.Helper()
	must(t, s.Kill())
	b.mu.Lock()
	b.killed = time.Now()
	b.mu.Unlock()
	must(t, s.Resume(ctx))
}

// What a server may lose when it is killed: what it has accepted and has not yet
// written to the receiver's connection. Its acceptance (XEP-0198, or the answer to a query
// that followed) says that it took a message over, not that the receiver has it. With one
// message under way at a time that is what was accepted right before.
const (
	lostInside  = 3
	underWayFor = time.Second
)

// check checks that bob has every message, each under one id, but for what the
// server took with it.
func (b *burstOut) check(ctx context.Context, t *testing.T, bob *xmpptest.Peer, from string) {
	t.Helper()
	var lost []string
	for range 5 { // what was kept for bob may come behind the answer
		must(t, bob.Sync(ctx))
		arrived := arrivedOut(t, bob, from)
		b.mu.Lock()
		lost = lost[:0]
		for text := range b.accepted {
			if arrived[text] == "" {
				lost = append(lost, text)
			}
		}
		b.mu.Unlock()
		if len(lost) == 0 {
			return
		}
		<-time.After(time.Second)
	}
	if len(lost) > lostInside {
		t.Errorf("%d of %d messages were lost", len(lost), burst)
	}
	for _, text := range lost {
		before := b.killed.Sub(b.accepted[text])
		t.Logf("%q, accepted %s before the kill, is lost", text, before)
		if before < 0 || before > underWayFor {
			t.Errorf("%q was lost, and was not under way when the server was killed", text)
		}
	}
}

// arrivedOut returns the ids under which bob has the texts of a burst.
func arrivedOut(t *testing.T, bob *xmpptest.Peer, from string) map[string]string {
	t.Helper()
	arrived := make(map[string]string)
	for _, e := range bob.Seen(func(e *xmpptest.Event) bool {
		return e.Kind == "message" && e.IsFrom(from) && strings.HasPrefix(e.Body(), "out ")
	}) {
		if before, twice := arrived[e.Body()]; twice && before != e.ID() {
			t.Errorf("%q came as %s and as %s", e.Body(), before, e.ID())
		}
		arrived[e.Body()] = e.ID()
	}
	return arrived
}
