package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/time/rate"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/cipher"
	"papillon/bridge/matrix/content"
)

const (
	// timelineLimit is how many events of a room come with a poll; what lies
	// before is asked for.
	timelineLimit = 30
	// firstSync bounds the first poll of an account: a homeserver may have to
	// look through hundreds of rooms.
	firstSync = 5 * time.Minute
	// flushAfter is how long a position may be known and not stored. What is read
	// twice after a crash is known by its id.
	flushAfter = 5 * time.Second
	// keysTime bounds the work on the keys of one poll.
	keysTime = 3 * time.Minute
	// farewellTime bounds what is done at the end of a session.
	farewellTime = 5 * time.Second
	// settleTime is how long a room that is being made may take to get its name,
	// by which it is called for ever.
	settleTime = time.Second
	// secondLook is how long after a token was refused it is tried again: the
	// account may have been unlinked, and be closed by then.
	secondLook = 3 * time.Second
	// downAfter is how many polls must fail before the homeserver counts as
	// being away: a restart should not frighten anybody.
	downAfter = 2
)

// personFilter asks for what a chat client of this kind needs: of the state of
// rooms what says whose and which they are, of members those who speak, and of
// timelines all but what no person would miss.
func personFilter() (string, error) {
	types := func(all ...event.Type) *mautrix.FilterPart { return &mautrix.FilterPart{Types: all} }
	state := types(event.StateMember, event.StateRoomName, event.StateCanonicalAlias, event.StateCreate, event.StateTombstone, event.StateEncryption)
	state.LazyLoadMembers = true
	timeline := &mautrix.FilterPart{Limit: timelineLimit, LazyLoadMembers: true}
	for _, silent := range content.Silent() {
		timeline.NotTypes = append(timeline.NotTypes, event.Type{Type: silent})
	}
	filter, err := json.Marshal(&mautrix.Filter{
		AccountData: types(event.AccountDataDirectChats, event.AccountDataIgnoredUserList),
		Room: &mautrix.RoomFilter{
			AccountData: &mautrix.FilterPart{NotTypes: []event.Type{{Type: "*"}}},
			Ephemeral:   types(event.EphemeralEventTyping),
			State:       state,
			Timeline:    timeline,
		},
	})
	return string(filter), err
}

// position is how far an account has been read. It is stored only when all before
// it stands in the inbox.
type position struct {
	// Since is the homeserver's word for it, At when it was reached: should the
	// homeserver forget its word, the time has to do.
	Since string    `json:"since"`
	At    time.Time `json:"at"`

	stored string    // Since, as it is in storage
	flush  time.Time // when it was stored
}

// sync implements [nature]. One loop for every way in: it ends with the session, or
// when the homeserver refuses the account.
func (p *person) sync(ctx context.Context, s *session) {
	defer s.syncing.Store(false)
	p.condition.Lock()
	arrival := p.arrival
	p.condition.Unlock()
	filter, err := personFilter()
	if err != nil {
		p.log.Error().Err(err).Msg("Sync filter cannot be made")
		return
	}
	turn := &turn{person: p, session: s, arrival: arrival, filter: filter}
	defer turn.finish(ctx)
	var failures backoff
	failed := 0
	limit := rate.NewLimiter(pollsPerSecond, pollBurst)
	for limit.Wait(ctx) == nil {
		err := turn.once(ctx)
		switch {
		case err == nil:
			failures.reset()
			failed = 0
			p.connected()
			s.syncing.Store(true)
			continue
		case errors.Is(err, errPollAgain):
			continue
		case ctx.Err() != nil:
			return
		}
		s.syncing.Store(false)
		if tokenRefused(err) && !turn.doubted {
			if turn.doubted = true; !wait(ctx, secondLook, nil) {
				return
			}
			continue
		}
		if tokenRefused(err) && !turn.relogged && p.dropDevice() {
			turn.relogged = true
			continue
		}
		if reason := p.refusal(err); reason != "" {
			p.outOfUse(reason)
			arrival.fail(err)
			return
		}
		p.log.Debug().Err(err).Msg("Sync failed")
		if failed++; failed >= downAfter {
			p.disconnected(err)
			arrival.fail(err)
		}
		if !wait(ctx, retryAfter(err, failures.fail()), nil) {
			return
		}
	}
}

// turn is the sync of one session.
type turn struct {
	*person
	session  *session
	arrival  *arrival
	filter   string
	at       position
	began    bool     // at is read from storage
	greeted  bool     // a poll has been answered in this session
	lost     bool     // the homeserver does not know the position: at.At counts
	doubted  bool     // its token was refused once
	relogged bool     // its device was ended from elsewhere, and made anew
	bares    int      // how often a new room has come without its state
	unnamed  bool     // a new room is not told yet, because its name may follow
	changed  *changes // by the poll in hand
	unsaved  *changes // and before, not stored yet
	// roster and blocked are what was reported last; nil before.
	roster  map[bridge.RemoteID]bridge.RosterEntry
	blocked map[bridge.RemoteID]bool
}

// once makes one poll and deals with all it brings.
func (t *turn) once(ctx context.Context) error {
	if !t.began {
		if err := t.start(ctx); err != nil {
			return err
		}
	}
	if err := t.learn(ctx); err != nil {
		return err
	}
	if err := t.beginSync(ctx); err != nil {
		return err
	}
	request, limit := t.request()
	resp, err := t.poll(ctx, t.session, request, limit)
	if status, _ := response(err); status == http.StatusBadRequest && t.at.Since != "" && !errors.Is(err, mautrix.ErrFailedToRefreshToken) {
		t.log.Warn().Msg("The homeserver no longer knows how far the account was read; going by the time")
		t.at.Since, t.lost = "", true
		return err
	}
	if err != nil {
		return err
	}
	if t.bare(resp) && t.bares < bareTries {
		t.bares++
		wait(ctx, barePause, nil)
		return errPollAgain
	}
	t.bares = 0
	t.session.reading.Store(true)
	defer t.session.reading.Store(false)
	if device := t.sealing.current(); device != nil {
		if err := t.withKeys(ctx, device, resp); err != nil {
			return err
		}
	}
	if err := t.take(ctx, resp); err != nil {
		return err
	}
	t.greeted, t.lost = true, false
	t.at.Since, t.at.At = resp.NextBatch, time.Now()
	if time.Since(t.at.flush) > flushAfter {
		return t.store(ctx)
	}
	return nil
}

// request returns the next poll and how long it may take.
func (t *turn) request() (mautrix.ReqSync, time.Duration) {
	request, limit := mautrix.ReqSync{Since: t.at.Since, FilterID: t.filter}, t.network.options.SyncTimeout+syncGrace
	switch {
	case t.at.Since == "":
		limit = firstSync
	case t.unnamed:
		request.Timeout = int(settleTime.Milliseconds())
	case t.greeted:
		request.Timeout = int(t.network.options.SyncTimeout.Milliseconds())
	}
	return request, limit
}

// withKeys takes in the keys that a poll brought. For that others' keys are asked for,
// which must not take for ever.
func (t *turn) withKeys(ctx context.Context, device *cipher.Device, resp *mautrix.RespSync) error {
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	return device.Synced(ctx, resp, t.at.Since)
}

// start reads what was remembered when the last session ended.
func (t *turn) start(ctx context.Context) (err error) {
	t.loading.Lock()
	defer t.loading.Unlock()
	if t.at, err = t.load(ctx); err != nil {
		return err
	}
	t.began = true
	return nil
}

// store remembers what changed and then the position, if that is not done.
func (t *turn) store(ctx context.Context) error {
	if err := t.saveBook(ctx); err != nil {
		return err
	}
	if t.at.Since == t.at.stored || t.at.Since == "" {
		return nil
	}
	raw, err := json.Marshal(t.at)
	if err != nil {
		return fmt.Errorf("write the position: %w", err)
	}
	if err := t.remember(ctx, memoryPosition, string(raw)); err != nil {
		return err
	}
	t.at.stored, t.at.flush = t.at.Since, time.Now()
	return nil
}

// finish stores the position at the end of a session.
func (t *turn) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewellTime)
	defer cancel()
	if err := t.store(ctx); err != nil {
		t.log.Warn().Err(err).Msg("Cannot store how far the account was read; some of it is read again")
	}
	t.arrival.fail(errors.New("the session has ended"))
}

// The keys of what is remembered for a person.
const (
	memorySelf     = "self"
	memoryPosition = "position"
	memoryDirect   = "direct"
	memoryIgnored  = "ignored"
	memoryRoom     = "room/"
	memoryFollow   = "follow/"
	memoryUnlisted = "unlisted/"
	memoryInvite   = "invite/"
)

func (p *person) remember(ctx context.Context, key, value string) error {
	if err := p.network.options.Memory.Remember(ctx, p.owner, Name, key, value); err != nil {
		return fmt.Errorf("remember %s: %w", key, err)
	}
	return nil
}

// nameEnd ends a name that is remembered: an empty value would be forgotten.
const nameEnd = "."

// disown forgets what was remembered for somebody else: an account that is linked
// anew while its user is signed in may store its position after all was forgotten.
func (p *person) disown(ctx context.Context, all map[string]string) (left map[string]string, err error) {
	left = make(map[string]string)
	for key, text := range all {
		kind, _, _ := strings.Cut(key, "/")
		switch kind {
		case memoryPosition, memoryDirect, memoryIgnored, "room", "follow", "unlisted", "invite":
			if err := p.remember(ctx, key, ""); err != nil {
				return nil, err
			}
		default:
			left[key] = text
		}
	}
	return left, p.remember(ctx, memorySelf, string(p.user))
}

// load reads what is remembered. Something unreadable counts as nothing. The caller
// holds loading.
func (p *person) load(ctx context.Context) (at position, err error) {
	all, err := p.network.options.Memory.RecallAll(ctx, p.owner, Name, "")
	if err != nil {
		return at, fmt.Errorf("recall what is known of %s: %w", p.user, err)
	}
	if all[memorySelf] != string(p.user) {
		if all, err = p.disown(ctx, all); err != nil {
			return at, err
		}
	}
	read := func(text string, into any) {
		if err := json.Unmarshal([]byte(text), into); text != "" && err != nil {
			p.log.Warn().Err(err).Msg("Something that was remembered cannot be read")
		}
	}
	read(all[memoryPosition], &at)
	at.stored = at.Since
	b := &p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	b.init()
	read(all[memoryDirect], &b.direct)
	var ignored []id.UserID
	read(all[memoryIgnored], &ignored)
	for _, user := range ignored {
		b.ignored[user] = true
	}
	for key, text := range all {
		if name, ok := strings.CutPrefix(key, memoryRoom); ok {
			f := &facts{}
			read(text, f)
			b.rooms[id.RoomID(name)] = f
		} else if name, ok := strings.CutPrefix(key, memoryFollow); ok {
			b.follows[id.UserID(name)] = strings.TrimSuffix(text, nameEnd)
		} else if name, ok := strings.CutPrefix(key, memoryUnlisted); ok {
			b.unlisted[id.UserID(name)] = true
		} else if name, ok := strings.CutPrefix(key, memoryInvite); ok {
			var kept keptInvite
			read(text, &kept)
			p.keep(id.RoomID(name), kept)
		}
	}
	p.loaded = true
	return at, nil
}

// connected reports that the homeserver answers.
func (p *person) connected() { p.report(bridge.ConnectionChanged{Up: true}) }

// disconnected reports that it does not.
func (p *person) disconnected(err error) {
	reason := fmt.Sprintf("the Matrix server of %s does not answer: messages wait until it does", p.user)
	if unreachable(err) {
		reason = fmt.Sprintf("the Matrix server of %s cannot be reached: messages wait until it is back", p.user)
	}
	p.report(bridge.ConnectionChanged{Reason: reason})
}

// report tells the receiver of a change in the connection.
func (p *person) report(state bridge.ConnectionChanged) {
	p.condition.Lock()
	same := p.lastly != nil && *p.lastly == state
	p.lastly = &state
	p.condition.Unlock()
	if same {
		return
	}
	p.feed.put(feedKey{kind: "connection"}, state)
	if state.Up {
		p.mu.Lock()
		if visible(p.presence.Show) {
			p.written = false
		}
		p.mu.Unlock()
		poke(p.wake)
	}
}

// refusal words an error that trying again does not mend; empty for any other.
func (p *person) refusal(err error) string {
	status, code := response(err)
	switch {
	case errors.Is(err, mautrix.ErrFailedToRefreshToken) && status >= 400 && status < 500 && status != http.StatusTooManyRequests:
		return p.way.refusal(mautrix.MUnknownToken.ErrCode)
	case status != http.StatusUnauthorized && status != http.StatusForbidden:
		return ""
	case code == "M_USER_DEACTIVATED":
		return "the account was deactivated"
	case code == "M_USER_LOCKED":
		return "the account was locked by its server"
	}
	return p.way.refusal(code)
}

// outOfUse gives the account up until the next sign-in, and tells the user once
// what to do.
func (p *person) outOfUse(reason string) {
	p.condition.Lock()
	p.trouble = fmt.Errorf("%s: %s", p.user, reason)
	again := p.accused == reason
	p.accused = reason
	p.condition.Unlock()
	p.mu.Lock()
	p.ready = false
	p.mu.Unlock()
	p.log.Error().Str("user", string(p.user)).Str("reason", reason).Msg("A Matrix account cannot be used; link it again, or unlink it")
	p.report(bridge.ConnectionChanged{Reason: reason})
	if !again {
		p.feed.put(feedKey{kind: "trouble"}, bridge.NetworkSays{Text: fmt.Sprintf(
			"Papillon cannot use %s: %s. It tries again at your next sign-in.", p.user, reason)})
	}
}
