package matrixtest

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Person is somebody with an ordinary Matrix client: signed in, and syncing
// until Close. The embedded client makes any further request.
type Person struct {
	*mautrix.Client

	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex
	presence event.Presence      // what the polls say
	poll     context.CancelFunc  // ends the running poll
	resume   chan struct{}       // closed when a halted sync shall go on
	events   []*event.Event      // seen and not yet taken by Wait
	news     chan struct{}       // closed and replaced when events grows
	filed    map[id.EventID]bool // of the poll alone: what has come
}

// pollTimeout is how long one poll of a person waits for something to happen.
const pollTimeout = 20 * time.Second

// wideFilter asks for more events of a room than homeservers send by themselves: on a
// slow machine a poll would leave a gap.
const wideFilter = `{"room":{"timeline":{"limit":500}}}`

// Password returns the password of a person that this package made, for signing
// in with a client of one's own.
func Password(name string) string { return name + "-password" }

// CreateUser makes an account with the [Password] of its name, signs in and
// starts to sync; it returns after the first sync.
func (s *Server) CreateUser(ctx context.Context, name string) (*Person, error) {
	client, err := s.CreateAccount(ctx, name)
	if err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(context.Background())
	p := &Person{
		Client: client, stop: stop, done: make(chan struct{}),
		presence: event.PresenceOnline, news: make(chan struct{}), filed: make(map[id.EventID]bool),
	}
	since, err := p.syncOnce(ctx, "")
	if err != nil {
		stop()
		return nil, fmt.Errorf("sync as %s: %w", name, err)
	}
	go p.run(life, since)
	return p, nil
}

// CreateAccount makes an account with the [Password] of its name and returns a client
// that is signed in and does not sync.
func (s *Server) CreateAccount(ctx context.Context, name string) (*mautrix.Client, error) {
	client, err := mautrix.NewClient(s.URL, "", "")
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", name, err)
	}
	if err := register(ctx, client, name); err != nil {
		return nil, fmt.Errorf("register %s: %w", name, err)
	}
	return client, nil
}

// register makes an account through the admin API, which needs no interactive
// authentication, and puts the credentials into the client.
func register(ctx context.Context, client *mautrix.Client, name string) error {
	url := client.BuildURL(mautrix.BaseURLPath{"_synapse", "admin", "v1", "register"})
	var challenge struct {
		Nonce string `json:"nonce"`
	}
	if _, err := client.MakeRequest(ctx, http.MethodGet, url, nil, &challenge); err != nil {
		return err
	}
	mac := hmac.New(sha1.New, []byte(sharedSecret))
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00notadmin", challenge.Nonce, name, Password(name))
	request := map[string]any{
		"nonce": challenge.Nonce, "username": name, "password": Password(name), "admin": false,
		"mac": hex.EncodeToString(mac.Sum(nil)),
	}
	var account struct {
		AccessToken string      `json:"access_token"`
		UserID      id.UserID   `json:"user_id"`
		DeviceID    id.DeviceID `json:"device_id"`
	}
	if _, err := client.MakeRequest(ctx, http.MethodPost, url, request, &account); err != nil {
		return err
	}
	client.UserID, client.AccessToken, client.DeviceID = account.UserID, account.AccessToken, account.DeviceID
	return nil
}

// Close ends the sync.
func (p *Person) Close() {
	p.stop()
	<-p.done
}

// run syncs until Close. A homeserver that is away is tried again.
func (p *Person) run(ctx context.Context, since string) {
	defer close(p.done)
	for ctx.Err() == nil {
		p.mu.Lock()
		resume := p.resume
		p.mu.Unlock()
		if resume != nil {
			select {
			case <-resume:
			case <-ctx.Done():
				return
			}
		}
		next, err := p.syncOnce(ctx, since)
		if err == nil {
			since = next
			continue
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// syncOnce makes one poll and files what it brought.
func (p *Person) syncOnce(ctx context.Context, since string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*pollTimeout)
	defer cancel()
	p.mu.Lock()
	p.poll = cancel
	request := mautrix.ReqSync{Since: since, FilterID: wideFilter, SetPresence: p.presence}
	p.mu.Unlock()
	if since != "" {
		request.Timeout = int(pollTimeout.Milliseconds())
	}
	resp, err := p.FullSyncRequest(ctx, request)
	if err != nil {
		return "", err
	}
	p.file(resp)
	return resp.NextBatch, nil
}

// file puts everything of a sync response where Wait finds it.
func (p *Person) file(resp *mautrix.RespSync) {
	var all []*event.Event
	add := func(room id.RoomID, class event.TypeClass, events []*event.Event) {
		for _, evt := range events {
			evt.RoomID = room
			evt.Type.Class = class
			if evt.StateKey != nil {
				evt.Type.Class = event.StateEventType
			}
			if evt.StateKey == nil && evt.ID != "" && p.filed[evt.ID] {
				continue // Dendrite v0.15.2 may bring what is said in the moment of a join twice
			}
			p.filed[evt.ID] = true
			// Content of an unknown type stays in Raw.
			_ = evt.Content.ParseRaw(evt.Type)
			all = append(all, evt)
		}
	}
	add("", event.EphemeralEventType, resp.Presence.Events)
	add("", event.AccountDataEventType, resp.AccountData.Events)
	for room, invite := range resp.Rooms.Invite {
		add(room, event.StateEventType, invite.State.Events)
	}
	for room, joined := range resp.Rooms.Join {
		add(room, event.StateEventType, joined.State.Events)
		add(room, event.MessageEventType, joined.Timeline.Events)
		add(room, event.EphemeralEventType, joined.Ephemeral.Events)
	}
	for room, left := range resp.Rooms.Leave {
		add(room, event.MessageEventType, left.Timeline.Events)
	}
	if len(all) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, all...)
	close(p.news)
	p.news = make(chan struct{})
}

// Wait returns the first event that matches, among those that have come and
// those to come: messages, state, invites (as the person's own stripped
// membership), typing and presence. An event is returned once only. What names
// the thing waited for in the error when the context ends first.
func (p *Person) Wait(ctx context.Context, what string, match func(*event.Event) bool) (*event.Event, error) {
	for {
		p.mu.Lock()
		for i, evt := range p.events {
			if match(evt) {
				p.events = append(p.events[:i:i], p.events[i+1:]...)
				p.mu.Unlock()
				return evt, nil
			}
		}
		news := p.news
		p.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s waits for %s: %w", p.UserID, what, ctx.Err())
		}
	}
}

// Forget drops the events that have come and that no Wait has taken.
func (p *Person) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = nil
}

// WaitText waits for a message with that text.
func (p *Person) WaitText(ctx context.Context, sender id.UserID, text string) (*event.Event, error) {
	return p.Wait(ctx, fmt.Sprintf("%q from %s", text, sender), func(evt *event.Event) bool {
		return evt.Type == event.EventMessage && evt.Sender == sender && evt.Content.AsMessage().Body == text
	})
}

// WaitInvite waits for an invite from somebody.
func (p *Person) WaitInvite(ctx context.Context, sender id.UserID) (*event.Event, error) {
	return p.Wait(ctx, "an invite from "+string(sender), func(evt *event.Event) bool {
		return p.membership(evt, p.UserID, event.MembershipInvite) && evt.Sender == sender
	})
}

// WaitMember waits for somebody's membership to become what is asked for.
func (p *Person) WaitMember(ctx context.Context, room id.RoomID, who id.UserID, membership event.Membership) (*event.Event, error) {
	return p.Wait(ctx, fmt.Sprintf("%s to be %q in %s", who, membership, room), func(evt *event.Event) bool {
		return evt.RoomID == room && p.membership(evt, who, membership)
	})
}

func (p *Person) membership(evt *event.Event, who id.UserID, membership event.Membership) bool {
	return evt.Type == event.StateMember && evt.GetStateKey() == string(who) &&
		evt.Content.AsMember().Membership == membership
}

// WaitPresence waits for somebody's presence to become what is asked for.
func (p *Person) WaitPresence(ctx context.Context, who id.UserID, presence event.Presence, status string) (*event.Event, error) {
	return p.Wait(ctx, fmt.Sprintf("%s to be %s (%q)", who, presence, status), func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.PresenceEventContent)
		return ok && evt.Sender == who && content.Presence == presence && content.StatusMessage == status
	})
}

// SetPresence shows the person as online, unavailable or offline. Offline
// stops the sync until another presence is set: on Dendrite a sync makes
// somebody online again.
func (p *Person) SetPresence(ctx context.Context, presence event.Presence, status string) error {
	p.mu.Lock()
	p.presence = presence
	if presence == event.PresenceOffline && p.resume == nil {
		p.resume = make(chan struct{})
	}
	poll := p.poll
	p.mu.Unlock()
	poll()
	// The library leaves an empty status out, and the old one stays.
	_, err := p.MakeRequest(ctx, http.MethodPut, p.BuildClientURL("v3", "presence", p.UserID, "status"),
		map[string]any{"presence": presence, "status_msg": status}, nil)
	if err != nil {
		return fmt.Errorf("set presence of %s: %w", p.UserID, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if presence != event.PresenceOffline && p.resume != nil {
		close(p.resume)
		p.resume = nil
	}
	return nil
}

// Say sends a text message and returns its event id.
func (p *Person) Say(ctx context.Context, room id.RoomID, text string) (id.EventID, error) {
	resp, err := p.SendText(ctx, room, text)
	if err != nil {
		return "", fmt.Errorf("send as %s: %w", p.UserID, err)
	}
	return resp.EventID, nil
}

// CreateDM makes a direct room and invites somebody to it.
func (p *Person) CreateDM(ctx context.Context, with id.UserID) (id.RoomID, error) {
	return p.CreateRoomWith(ctx, true, with)
}

// CreateRoomWith makes a private room, direct or not, and invites people to it.
func (p *Person) CreateRoomWith(ctx context.Context, direct bool, with ...id.UserID) (id.RoomID, error) {
	resp, err := p.CreateRoom(ctx, &mautrix.ReqCreateRoom{
		Preset: "trusted_private_chat", IsDirect: direct, Invite: with,
	})
	if err != nil {
		return "", fmt.Errorf("create a room as %s: %w", p.UserID, err)
	}
	return resp.RoomID, nil
}

// Join accepts an invite.
func (p *Person) Join(ctx context.Context, room id.RoomID) error {
	if _, err := p.JoinRoomByID(ctx, room); err != nil {
		return fmt.Errorf("join as %s: %w", p.UserID, err)
	}
	return nil
}

// Fill makes n people and has them come into a room that is open to everybody. They
// do not sync: they are there to be many. Name begins their names.
func (s *Server) Fill(ctx context.Context, room id.RoomID, name string, n int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range n {
		group.Go(func() error {
			client, err := s.CreateAccount(ctx, fmt.Sprintf("%s%d", name, i))
			if err != nil {
				return err
			}
			if _, err := client.JoinRoomByID(ctx, room); err != nil {
				return fmt.Errorf("join as %s: %w", client.UserID, err)
			}
			return nil
		})
	}
	return group.Wait()
}
