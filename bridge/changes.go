package bridge

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"papillon/msnp"
)

// accountPoll is how often a running gateway looks for what was done to accounts.
const accountPoll = 500 * time.Millisecond

// settleTime bounds the wait for what was done to one account to take effect.
const settleTime = 3 * accountPoll

// accountWatch is how far the changes of accounts have taken effect.
type accountWatch struct {
	began int64         // the newest change when the accounts were opened
	seen  atomic.Int64  // the newest that has taken effect; below 0 while nobody watches
	look  chan struct{} // asks for a look at once
}

func newAccountWatch() *accountWatch {
	w := &accountWatch{began: -1, look: make(chan struct{}, 1)}
	w.seen.Store(-1)
	return w
}

// Run makes take effect what is done to accounts, by the command line and by those who
// sign up. It returns when the context ends.
func (g *Gateway) Run(ctx context.Context) error {
	seen := g.watch.began
	if seen < 0 {
		var err error
		if _, seen, err = g.Storage.AccountChanges(ctx, -1); ctx.Err() != nil {
			return nil
		} else if err != nil {
			return fmt.Errorf("watch accounts: %w", err)
		}
	}
	defer g.watch.seen.Store(-1)
	ticker := time.NewTicker(accountPoll)
	defer ticker.Stop()
	for {
		g.watch.seen.Store(seen)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-g.watch.look:
		}
		changes, newest, err := g.Storage.AccountChanges(ctx, seen)
		if err != nil {
			if ctx.Err() == nil {
				g.Log.Error().Err(err).Msg("Cannot see changes to accounts; trying again")
			}
			continue
		}
		for _, c := range changes {
			g.accountChanged(ctx, c)
		}
		seen = newest
	}
}

// settle waits until what was done to an account a moment ago has taken effect: an
// earlier password that ended must not end the session that begins with the new one, and
// who was linked is to find his network there.
func (g *Gateway) settle(ctx context.Context, h Handle) error {
	seen := g.watch.seen.Load()
	if seen < 0 {
		return nil
	}
	changes, newest, err := g.Storage.AccountChanges(ctx, seen)
	if err != nil || !slices.ContainsFunc(changes, func(c AccountChange) bool { return strings.EqualFold(string(c.Handle), string(h)) }) {
		return err
	}
	select {
	case g.watch.look <- struct{}{}:
	default: // it will look anyway
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	ticker := time.NewTicker(accountPoll / 50)
	defer ticker.Stop()
	for {
		if seen := g.watch.seen.Load(); seen < 0 || seen >= newest {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil // what is not done yet comes while the session runs
		}
	}
}

// accountChanged makes a change take effect.
func (g *Gateway) accountChanged(ctx context.Context, c AccountChange) {
	log := g.Log.With().Str("handle", string(c.Handle)).Logger()
	if c.Kind == AccountRemoved || c.Kind == PasswordRevoked {
		if u := g.user(c.Handle); u != nil {
			log.Info().Str("change", string(c.Kind)).Msg("Account changed; its client is signed out")
			u.notifier.SignOut(msnp.Ended)
			u.Close() // now, and not when the client has hung up
		}
	}
	if c.Kind == PasswordRevoked {
		return
	}
	if c.Kind == AccountRemoved {
		g.adopt(c.Handle, g.closeLinks(c.Handle, func(*link) bool { return false }))
		g.forgetAccount(ctx, c.Handle)
		return
	}
	if err := g.reopenLinks(ctx, c.Handle); err != nil {
		log.Error().Err(err).Msg("Cannot open the account's networks; they are tried again at the next start")
	}
}
