package matrixtest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Encrypted is somebody's client that takes part in encrypted rooms: a log-in of its
// own, with keys and a sync of its own, until Close. The embedded client makes any
// further request; what it sends to encrypted rooms is encrypted.
type Encrypted struct {
	*mautrix.Client

	stop context.CancelFunc
	done chan struct{}
	mu   sync.Mutex
	seen []*event.Event // messages in the clear, oldest first
	news chan struct{}
	// joined has who has come into which room, as far as this client has synced:
	// from then on it knows of the keys that are to be had.
	joined map[id.RoomID]map[id.UserID]bool
	came   chan struct{}
}

// LoginEncrypted signs a person of [Server.CreateUser] in once more. DB holds the keys.
func (s *Server) LoginEncrypted(ctx context.Context, name string, db *dbutil.Database) (*Encrypted, error) {
	client, err := mautrix.NewClient(s.URL, "", "")
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", name, err)
	}
	_, err = client.Login(ctx, &mautrix.ReqLogin{
		Type: mautrix.AuthTypePassword, Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: name},
		Password: Password(name), StoreCredentials: true,
	})
	if err != nil {
		return nil, fmt.Errorf("log %s in: %w", name, err)
	}
	helper, err := cryptohelper.NewCryptoHelper(client, []byte("pickle"), db)
	if err != nil {
		return nil, fmt.Errorf("make the keys of %s: %w", name, err)
	}
	p := &Encrypted{Client: client, done: make(chan struct{}), news: make(chan struct{}, 1),
		joined: make(map[id.RoomID]map[id.UserID]bool), came: make(chan struct{}, 1)}
	client.Syncer.(*mautrix.DefaultSyncer).OnEventType(event.EventMessage, func(_ context.Context, evt *event.Event) {
		p.mu.Lock()
		p.seen = append(p.seen, evt)
		p.mu.Unlock()
		select {
		case p.news <- struct{}{}:
		default:
		}
	})
	client.Syncer.(*mautrix.DefaultSyncer).OnEventType(event.StateMember, func(_ context.Context, evt *event.Event) { p.member(evt) })
	if err := helper.Init(ctx); err != nil {
		return nil, fmt.Errorf("publish the keys of %s: %w", name, err)
	}
	client.Crypto = helper
	life, stop := context.WithCancel(context.Background())
	p.stop = stop
	go func() {
		defer close(p.done)
		for life.Err() == nil {
			if err := client.SyncWithContext(life); errors.Is(err, mautrix.MUnknownToken) {
				return
			}
		}
	}()
	return p, nil
}

// member notes who is in a room.
func (p *Encrypted) member(evt *event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.joined[evt.RoomID] == nil {
		p.joined[evt.RoomID] = make(map[id.UserID]bool)
	}
	p.joined[evt.RoomID][id.UserID(evt.GetStateKey())] = evt.Content.AsMember().Membership == event.MembershipJoin
	select {
	case p.came <- struct{}{}:
	default:
	}
}

// WaitJoin waits until this client has seen somebody come into a room, so that it can
// give him the key of what it says.
func (p *Encrypted) WaitJoin(ctx context.Context, room id.RoomID, user id.UserID) error {
	for {
		p.mu.Lock()
		there := p.joined[room][user]
		p.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-p.came:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s in the room: %w", user, ctx.Err())
		}
	}
}

// Close ends the sync.
func (p *Encrypted) Close() {
	p.stop()
	<-p.done
}

// Encrypt makes a room with somebody in which everything is encrypted from the start.
func (p *Encrypted) Encrypt(ctx context.Context, with ...id.UserID) (id.RoomID, error) {
	resp, err := p.CreateRoom(ctx, &mautrix.ReqCreateRoom{
		Preset: "trusted_private_chat", IsDirect: len(with) == 1, Invite: with,
		InitialState: []*event.Event{{Type: event.StateEncryption, Content: event.Content{
			Parsed: &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1},
		}}},
	})
	if err != nil {
		return "", fmt.Errorf("make an encrypted room: %w", err)
	}
	return resp.RoomID, nil
}

// Next takes the oldest message that has come from somebody else, and waits for one.
func (p *Encrypted) Next(ctx context.Context) (*event.Event, error) {
	for {
		p.mu.Lock()
		for len(p.seen) > 0 {
			evt := p.seen[0]
			p.seen = p.seen[1:]
			if evt.Sender != p.UserID {
				p.mu.Unlock()
				return evt, nil
			}
		}
		p.mu.Unlock()
		select {
		case <-p.news:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a message: %w", ctx.Err())
		}
	}
}
