package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"golang.org/x/time/rate"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// A poll that comes back at once is normal after a change. Many in a row are a
// broken proxy.
const (
	pollsPerSecond = 5
	pollBurst      = 20
)

// redactionsAtOnce is how many redactions of one room a poll may bring.
const redactionsAtOnce = 30

// syncGrace is how much longer than it should a poll may take.
const syncGrace = 15 * time.Second

// ghostFilter asks for what transactions do not bring on every homeserver, and
// for nothing else: presence, typing, redactions and invites.
func ghostFilter() (string, error) {
	none := &mautrix.FilterPart{NotTypes: []event.Type{{Type: "*"}}}
	filter, err := json.Marshal(&mautrix.Filter{
		AccountData: none,
		Room: &mautrix.RoomFilter{
			AccountData: none,
			State:       none,
			Timeline:    &mautrix.FilterPart{Types: []event.Type{event.EventRedaction}, Limit: redactionsAtOnce},
			Ephemeral:   &mautrix.FilterPart{Types: []event.Type{event.EphemeralEventTyping}},
		},
	})
	return string(filter), err
}

// sync implements [nature]. The position moves on only when everything that came
// is taken care of. Who is not to be seen does not sync.
func (g ghost) sync(ctx context.Context, s *session) {
	a := g.account
	a.mu.Lock()
	seen := visible(a.presence.Show)
	a.mu.Unlock()
	if !seen {
		return
	}
	filter, err := ghostFilter()
	if err != nil {
		a.log.Error().Err(err).Msg("Sync filter cannot be made")
		return
	}
	var failures backoff
	limit := rate.NewLimiter(pollsPerSecond, pollBurst)
	since := ""
	defer s.syncing.Store(false)
	for limit.Wait(ctx) == nil {
		request := mautrix.ReqSync{Since: since, FilterID: filter}
		if since != "" {
			request.Timeout = int(a.network.options.SyncTimeout.Milliseconds())
		}
		resp, err := a.poll(ctx, s, request, a.network.options.SyncTimeout+syncGrace)
		if errors.Is(err, errPollAgain) {
			continue
		}
		if err == nil {
			err = a.synced(ctx, resp)
		}
		if err == nil {
			since = resp.NextBatch
			s.syncing.Store(true)
			failures.reset()
			continue
		}
		if ctx.Err() != nil {
			return
		}
		s.syncing.Store(false)
		if status, _ := response(err); status == http.StatusBadRequest {
			since = "" // the homeserver no longer knows the position
		}
		a.log.Debug().Err(err).Msg("Sync failed")
		if !wait(ctx, retryAfter(err, failures.fail()), nil) {
			return
		}
	}
}

// errPollAgain says that a poll is to be made again at once, because the presence it
// says is out of date, or the answer is not whole.
var errPollAgain = errors.New("the poll is to be made again")

// poll makes one request, which says the user's presence.
func (a *account) poll(ctx context.Context, s *session, request mautrix.ReqSync, limit time.Duration) (*mautrix.RespSync, error) {
	select {
	case <-s.again: // the presence is read below
	default:
	}
	request.SetPresence = a.nature.word()
	client := a.voice()
	pollCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	watcher := make(chan struct{})
	go func() {
		defer close(watcher)
		select {
		case <-s.again:
			cancel(errPollAgain)
		case <-stop:
		}
	}()
	defer func() { close(stop); <-watcher }()
	var resp *mautrix.RespSync
	err := a.network.callFor(pollCtx, limit, func(ctx context.Context) (err error) {
		resp, err = askSync(ctx, client, request)
		return err
	})
	if err != nil && errors.Is(context.Cause(pollCtx), errPollAgain) {
		return nil, errPollAgain
	}
	return resp, err
}

// synced takes care of what a poll brought. Invites come this way too, because
// Dendrite does not push those from other homeservers.
func (a *account) synced(ctx context.Context, resp *mautrix.RespSync) error {
	now := time.Now()
	for _, evt := range resp.Presence.Events {
		if a.parse(evt, event.EphemeralEventType) {
			a.presenceEvent(evt, now)
		}
	}
	for room, joined := range resp.Rooms.Join {
		for _, evt := range joined.Ephemeral.Events {
			evt.RoomID = room
			if evt.Type.Type == event.EphemeralEventTyping.Type && a.parse(evt, event.EphemeralEventType) {
				a.typingEvent(ctx, evt)
			}
		}
		if err := a.syncedRedactions(ctx, room, joined.Timeline.Events, now); err != nil {
			return err
		}
	}
	for room, invite := range resp.Rooms.Invite {
		if err := a.syncedInvite(ctx, room, invite.State.Events); err != nil {
			return err
		}
	}
	return nil
}

// oldRedaction is how old a redaction may be that a sync brings: the first one of a
// session brings the last few of every room, which the gateway knows by their ids
// for longer than this.
const oldRedaction = 7 * 24 * time.Hour

// syncedRedactions handles the redactions of a room. A homeserver that pushes them
// as well has them known by their ids, and so have the other ghosts in the room.
func (a *account) syncedRedactions(ctx context.Context, room id.RoomID, events []*event.Event, now time.Time) error {
	unlock := a.network.rooms.lock(room)
	defer unlock()
	for _, evt := range events {
		if evt.Type.Type != event.EventRedaction.Type || now.Sub(time.UnixMilli(evt.Timestamp)) > oldRedaction {
			continue
		}
		evt.RoomID = room
		if !a.parse(evt, event.MessageEventType) {
			continue
		}
		if err := a.network.handle(ctx, evt); err != nil {
			return err
		}
	}
	return nil
}

// syncedInvite handles an invite as a sync shows it: as stripped state.
func (a *account) syncedInvite(ctx context.Context, room id.RoomID, state []*event.Event) error {
	for _, evt := range state {
		evt.RoomID = room
		if evt.Type.Type != event.StateMember.Type || evt.GetStateKey() != string(a.user) || !a.parse(evt, event.StateEventType) {
			continue
		}
		if evt.Content.AsMember().Membership != event.MembershipInvite {
			continue
		}
		evt.Unsigned.InviteRoomState = state
		unlock := a.network.rooms.lock(room)
		defer unlock()
		return a.invited(ctx, evt)
	}
	return nil
}

// parse reads an event's content; one that cannot be read is skipped.
func (a *account) parse(evt *event.Event, class event.TypeClass) bool {
	evt.Type.Class = class
	if err := readContent(evt); err != nil {
		a.log.Debug().Err(err).Str("type", evt.Type.Type).Msg("Event cannot be read")
		return false
	}
	return true
}
