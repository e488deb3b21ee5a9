package bridge

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// inboxReaper removes from the inbox what clients have taken, many at a time:
// each removal costs a write to the disk.
type inboxReaper struct {
	gateway *Gateway

	mu      sync.Mutex
	pending map[int64]struct{} // taken by a client, not yet removed
	working bool
}

// done has an entry removed soon. Safe from any goroutine.
func (r *inboxReaper) done(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending[id] = struct{}{}
	if !r.working {
		r.working = true
		r.gateway.spawn(r.work)
	}
}

// has says whether an entry is about to be removed: it must not be handed over
// again.
func (r *inboxReaper) has(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.pending[id]
	return ok
}

// work removes until nothing is left. It finishes its removals when the gateway
// stops: what is left would be handed over twice.
func (r *inboxReaper) work(ctx context.Context) {
	for {
		r.mu.Lock()
		ids := slices.Collect(maps.Keys(r.pending))
		if len(ids) == 0 {
			r.working = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()

		write, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		err := r.gateway.Storage.InboxDone(write, ids...)
		cancel()
		if err != nil {
			r.gateway.Log.Error().Err(err).Int("messages", len(ids)).Msg("Cannot remove delivered messages from the inbox; trying again")
			select {
			case <-time.After(retryFirst):
				continue
			case <-ctx.Done():
				return
			}
		}
		r.mu.Lock()
		for _, id := range ids {
			delete(r.pending, id)
		}
		r.mu.Unlock()
	}
}
