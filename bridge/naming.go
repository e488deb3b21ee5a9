package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"papillon/msnp"
)

// nameGrain is how often a user's lists are written for the sake of names. Somebody
// who changes his name all the time would keep the store busy for all who have him.
const nameGrain = time.Second

// naming stores names that are known to a user's session already: those of contacts on
// the user's own lists, and the user's own on the lists of others. One goroutine does,
// and of several names of one person the last one is stored, so that an earlier one
// cannot come after it.
type naming struct {
	mu      sync.Mutex
	entries map[Handle]string // of contacts
	own     string            // "" for none
	working bool
}

// storeEntryName has the name of a contact stored soon. Safe from any goroutine; never
// blocks.
func (u *user) storeEntryName(m msnp.Member) {
	u.noteName(func(n *naming) {
		if n.entries == nil {
			n.entries = make(map[Handle]string)
		}
		n.entries[m.Handle] = m.Name
	})
}

// storeOwnName has the user's name stored soon on the lists of those who are not signed
// in; the others learn it by the status that is pushed to them.
func (u *user) storeOwnName(name string) {
	u.noteName(func(n *naming) { n.own = name })
}

// noteName notes names and sees to it that they are stored.
func (u *user) noteName(note func(*naming)) {
	n := &u.naming
	n.mu.Lock()
	defer n.mu.Unlock()
	note(n)
	if !n.working {
		n.working = u.gateway.spawn(u.storeNames)
	}
}

// take takes what is to be stored; ok is false when there is nothing, and the work is
// over.
func (n *naming) take() (entries map[Handle]string, own string, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	entries, own = n.entries, n.own
	n.entries, n.own = nil, ""
	n.working = len(entries) > 0 || own != ""
	return entries, own, n.working
}

// storeNames stores until nothing is left. It finishes what was noted when the gateway
// stops.
func (u *user) storeNames(ctx context.Context) {
	for {
		entries, own, ok := u.naming.take()
		if !ok {
			return
		}
		write, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		for h, name := range entries {
			u.renameEntry(write, msnp.Member{Handle: h, Name: name})
		}
		if own != "" {
			u.gateway.renameForAbsent(write, msnp.Member{Handle: u.handle, Name: own})
		}
		cancel()
		select {
		case <-time.After(nameGrain):
		case <-ctx.Done():
		}
	}
}

// renameEntry stores the name of a contact on the user's lists.
func (u *user) renameEntry(ctx context.Context, m msnp.Member) {
	serial, err := u.gateway.Storage.RenameEntry(ctx, u.handle, m)
	switch {
	case err == nil:
		u.owner.post(func() { u.raised(serial) })
	case !errors.Is(err, ErrNotListed):
		u.log().Warn().Err(err).Msg("Cannot store a contact's new name")
	}
}

// renameForAbsent stores a user's new name on the lists of those who are not signed in.
func (g *Gateway) renameForAbsent(ctx context.Context, m msnp.Member) {
	owners, err := g.Storage.ListedBy(ctx, m.Handle)
	for _, owner := range owners {
		if g.user(owner) != nil {
			continue
		}
		if _, renameErr := g.Storage.RenameEntry(ctx, owner, m); !errors.Is(renameErr, ErrNotListed) {
			err = errors.Join(err, renameErr)
		}
	}
	if err != nil {
		g.Log.Warn().Err(err).Str("handle", string(m.Handle)).Msg("Cannot store a new name on others' lists; they see it with the next status")
	}
}
