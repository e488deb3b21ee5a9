package matrix

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// session is what runs while the account's user is signed in: a sync, unless
// he is invisible, and the questions for presence that no sync answers.
type session struct {
	end     context.CancelFunc
	work    sync.WaitGroup
	ask     chan struct{} // pokes the watch: somebody new is followed
	again   chan struct{} // pokes the sync: the presence it says has changed
	syncing atomic.Bool   // the last poll went well
	reading atomic.Bool   // what a poll brought is being dealt with
}

// startSession starts a session, or tells the running one that the presence has
// changed. The caller has acquired the right to.
func (a *account) startSession() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session != nil {
		poke(a.session.again)
		return
	}
	if a.life.Err() != nil {
		return
	}
	ctx, end := context.WithCancel(a.life)
	s := &session{end: end, ask: make(chan struct{}, 1), again: make(chan struct{}, 1)}
	a.session = s
	s.work.Go(func() { a.watchLoop(ctx, s) })
	s.work.Go(func() { a.nature.sync(ctx, s) })
	a.work.Go(s.work.Wait)
}

// stopSession ends the session and waits for it. What was known of others'
// presence is forgotten, so that the next session reports it anew. The caller
// has acquired the right to.
func (a *account) stopSession() {
	a.mu.Lock()
	s := a.session
	a.session = nil
	for _, w := range a.watched {
		*w = watch{}
	}
	clear(a.typing)
	a.mu.Unlock()
	if s == nil {
		return
	}
	s.end()
	s.work.Wait()
}

// watchLoop asks for the presence of everybody followed who has not been heard
// of in this session, and at intervals for those who do not come by sync.
func (a *account) watchLoop(ctx context.Context, s *session) {
	ticker := time.NewTicker(a.network.options.PollPresence)
	defer ticker.Stop()
	for {
		a.askAll(ctx, a.unheard())
		select {
		case <-ctx.Done():
			return
		case <-s.ask:
		case <-ticker.C:
			if !a.nature.down() {
				a.askAll(ctx, a.unsynced(ctx, s))
			}
		}
	}
}

// unheard returns whom nothing was heard of in this session.
func (a *account) unheard() []id.UserID {
	a.mu.Lock()
	defer a.mu.Unlock()
	var users []id.UserID
	for user, w := range a.watched {
		if !w.reported {
			users = append(users, user)
		}
	}
	return users
}

// unsynced returns whose presence does not come by sync: everybody's while
// there is none, else that of those who share no room with the account. Who
// shares a group only is asked for too, which does no harm.
func (a *account) unsynced(ctx context.Context, s *session) []id.UserID {
	a.mu.Lock()
	users := make([]id.UserID, 0, len(a.watched))
	for user := range a.watched {
		users = append(users, user)
	}
	a.mu.Unlock()
	if !s.syncing.Load() {
		return users
	}
	alone := users[:0]
	for _, user := range users {
		room, ok, err := a.network.options.Chats.DirectChat(ctx, a.owner, Name, bridge.RemoteID(user))
		if err != nil || !ok || !a.state.IsMembership(ctx, id.RoomID(room), user, event.MembershipJoin) {
			alone = append(alone, user)
		}
	}
	return alone
}

// askAll asks for several people's presence, a few at a time over all accounts.
func (a *account) askAll(ctx context.Context, users []id.UserID) {
	var asked sync.WaitGroup
	defer asked.Wait()
	for _, user := range users {
		select {
		case a.network.asking <- struct{}{}:
		case <-ctx.Done():
			return
		}
		asked.Go(func() {
			defer func() { <-a.network.asking }()
			a.askPresence(ctx, user)
		})
	}
}
