package matrix

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"
)

// This file is about invites to rooms of other homeservers. One that does not let itself
// be joined, because it is down or because it wants to, must not hold up the transaction
// that the invite came in, and with it everything that is said to everybody else.

const (
	// joinAtOnce is how long a join may take before the next event is dealt with.
	joinAtOnce = 10 * time.Second
	// joinTries is how often a join is tried after that; an invite is then left as it
	// is. The last tries are a minute apart.
	joinTries = 10
	// joinsAtOnce is how many such joins run at once, maxJoins how many may wait.
	joinsAtOnce, maxJoins = 4, 256
)

// joins are those that are tried in the background. The zero value is ready.
type joins struct {
	mu      sync.Mutex
	waiting map[joinKey]bool
	slots   chan struct{}
}

type joinKey struct {
	user id.UserID
	room id.RoomID
}

// begin takes note of a join; false means that it is tried already, or that there are
// too many.
func (j *joins) begin(key joinKey) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waiting == nil {
		j.waiting, j.slots = make(map[joinKey]bool), make(chan struct{}, joinsAtOnce)
	}
	if j.waiting[key] || len(j.waiting) >= maxJoins {
		return false
	}
	j.waiting[key] = true
	return true
}

func (j *joins) end(key joinKey) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.waiting, key)
}

// elsewhere says whether a join failed for a reason that is not our homeserver's: it
// answered, with an error of its own, or was still waiting for another one.
func elsewhere(err error) bool {
	status, code := response(err)
	return status >= http.StatusInternalServerError && code != "" || status == 0 && errors.Is(err, context.DeadlineExceeded)
}

// joinSoon makes a join for a moment. Where another homeserver keeps it from being
// done it is left to the background, which spawn starts, and counts as done.
func (n *Network) joinSoon(ctx context.Context, key joinKey, join func(context.Context) error, spawn func(func(context.Context)) bool) error {
	bounded, cancel := context.WithTimeout(ctx, joinAtOnce)
	defer cancel()
	err := join(bounded)
	if err == nil || ctx.Err() != nil || n.reach.down() || !elsewhere(err) {
		return err
	}
	if n.joins.begin(key) {
		n.log.Info().Err(err).Str("room", string(key.room)).Msg("A room of another homeserver cannot be joined yet")
		begun := spawn(func(ctx context.Context) {
			defer n.joins.end(key)
			n.joinLater(ctx, key, join)
		})
		if !begun {
			n.joins.end(key)
		}
	}
	return nil
}

// joinLater tries a join until it is done, or has failed too often.
func (n *Network) joinLater(ctx context.Context, key joinKey, join func(context.Context) error) {
	var failures backoff
	for range joinTries {
		if !wait(ctx, failures.fail(), nil) {
			return
		}
		select {
		case n.joins.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		err := join(ctx)
		<-n.joins.slots
		if err == nil {
			return
		}
		n.log.Debug().Err(err).Str("room", string(key.room)).Msg("A room cannot be joined yet")
	}
	n.log.Warn().Str("room", string(key.room)).Str("user", string(key.user)).Msg("An invite is left as it is: the room cannot be joined")
}

// spawn runs something as long as the account is open; false means that it is not.
func (a *account) spawn(f func(context.Context)) bool {
	a.mu.Lock() // so that nothing begins once the account is halted
	defer a.mu.Unlock()
	if a.life.Err() != nil {
		return false
	}
	a.work.Go(func() { f(a.life) })
	return true
}
