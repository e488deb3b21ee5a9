package matrix

import (
	"context"
	"math/rand/v2"
	"time"
)

// Waits between tries begin with minBackoff and double up to maxBackoff.
const (
	minBackoff = time.Second
	maxBackoff = time.Minute
)

// backoff counts tries that failed.
type backoff struct{ next time.Duration }

// fail returns how long to wait after one more failure: between half and the
// whole of the present step, so that many accounts do not come at once.
func (b *backoff) fail() time.Duration {
	if b.next == 0 {
		b.next = minBackoff
	}
	step := b.next
	b.next = min(2*b.next, maxBackoff)
	return step/2 + rand.N(step/2)
}

// reset begins anew after a success.
func (b *backoff) reset() { b.next = 0 }

// wait waits for the time to pass, for wake, or for the end of the context,
// which it reports as false.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// poke wakes whoever waits on a channel of one slot, now or at its next wait.
func poke(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}
