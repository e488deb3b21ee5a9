package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge/matrix/cipher"
)

// sealing is an account's part in encrypted rooms. It is idle until the account is in
// one: few ghosts ever are.
type sealing struct {
	opening  sync.Mutex // held while the account logs in as a device
	fetching sync.Mutex // held while keys are fetched

	mu      sync.Mutex
	device  *cipher.Device
	client  *mautrix.Client             // logged in as the device
	barred  error                       // why there will be no device before the next start
	plain   map[id.RoomID]time.Time     // when a room was said not to be encrypted
	waiting map[id.EventID]*sealedEvent // whose key has not come
	read    bool                        // waiting is out of storage
	tended  bool                        // somebody looks after them
	wake    chan struct{}
}

func newSealing() *sealing {
	return &sealing{plain: make(map[id.RoomID]time.Time), waiting: make(map[id.EventID]*sealedEvent), wake: make(chan struct{}, 1)}
}

// errBarred says that an account cannot take part in encrypted rooms.
var errBarred = errors.New("the Matrix server gives Papillon no keys of its own for this account")

// current returns the device if there is one already.
func (s *sealing) current() *cipher.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.device
}

// ensureDevice returns the account's device, which logs in at the first call. The error
// is [errBarred] if there will be none.
func (a *account) ensureDevice(ctx context.Context) (*cipher.Device, error) {
	s := a.sealing
	s.opening.Lock()
	defer s.opening.Unlock()
	s.mu.Lock()
	device, barred := s.device, s.barred
	s.mu.Unlock()
	if device != nil || barred != nil {
		return device, barred
	}
	device, err := a.openDevice(ctx)
	if err != nil && (final(err) || errors.Is(err, errBarred)) {
		err = fmt.Errorf("%w: %w", errBarred, err)
		a.log.Warn().Err(err).Msg("Encrypted rooms cannot be read")
		s.mu.Lock()
		s.barred = err
		s.mu.Unlock()
	}
	return device, err
}

// openDevice logs in and opens the keys.
func (a *account) openDevice(ctx context.Context) (*cipher.Device, error) {
	n := a.network
	if len(n.options.PickleKey) == 0 || n.options.Memory == nil {
		return nil, fmt.Errorf("%w: there is no place for keys", errBarred)
	}
	if err := n.upgradeKeys(ctx); err != nil {
		return nil, err
	}
	client, device, err := a.logDeviceIn(ctx)
	if errors.Is(err, cipher.ErrForeign) {
		// The device cannot be saved. Another one can take its place, where it is
		// for the gateway to make them.
		if err := n.options.Memory.Remember(ctx, a.owner, Name, memoryDevice, ""); err != nil {
			return nil, fmt.Errorf("forget the device of %s: %w", a.user, err)
		}
		if client, device, err = a.logDeviceIn(ctx); errors.Is(err, cipher.ErrForeign) {
			return nil, fmt.Errorf("%w: %w: link the account again", errBarred, err)
		}
	}
	if err != nil {
		return nil, err
	}
	s := a.sealing
	s.mu.Lock()
	s.device, s.client = device, client
	s.mu.Unlock()
	a.nature.admit(ctx, device)
	return device, a.recallSealed(ctx)
}

// logDeviceIn logs in, and opens the keys of the device.
func (a *account) logDeviceIn(ctx context.Context) (*mautrix.Client, *cipher.Device, error) {
	client, err := a.nature.device(ctx)
	if err != nil {
		return nil, nil, err
	}
	n := a.network
	var device *cipher.Device
	err = n.call(ctx, func(ctx context.Context) (err error) {
		device, err = cipher.Open(ctx, cipher.Options{
			Client: client, DB: n.options.StateDB, PickleKey: n.options.PickleKey, State: a.state,
			Arrived: func(id.SessionID) { poke(a.sealing.wake) }, Log: a.log,
		})
		return err
	})
	return client, device, err
}

// upgradeKeys makes the tables of keys, once in the life of the network.
func (n *Network) upgradeKeys(ctx context.Context) error {
	n.upgrading.Lock()
	defer n.upgrading.Unlock()
	if n.upgraded {
		return nil
	}
	if err := cipher.Upgrade(ctx, n.options.StateDB); err != nil {
		return err
	}
	n.upgraded = true
	return nil
}

// memoryDevice is where the id of the device is remembered that a service logs an
// account in as.
const memoryDevice = "device"

// serviceLogin logs a user in by a token of an application service, always as the same
// device: the access token is not stored anywhere, the last one ends with it.
func (a *account) serviceLogin(ctx context.Context, token string) (*mautrix.Client, error) {
	n := a.network
	stored, err := n.options.Memory.Recall(ctx, a.owner, Name, memoryDevice)
	if err != nil {
		return nil, fmt.Errorf("recall the device of %s: %w", a.user, err)
	}
	client := newClient(n.base, n.http)
	client.UserID, client.AccessToken, client.StateStore = a.user, token, n.state
	var resp *mautrix.RespLogin
	err = n.call(ctx, func(ctx context.Context) (err error) {
		resp, err = client.Login(ctx, &mautrix.ReqLogin{
			Type: mautrix.AuthTypeAppservice, Identifier: mautrix.UserIdentifier{Type: mautrix.IdentifierTypeUser, User: string(a.user)},
			DeviceID: id.DeviceID(stored), InitialDeviceDisplayName: deviceName,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("log %s in: %w", a.user, err)
	}
	if resp.DeviceID == "" {
		return nil, fmt.Errorf("log %s in: %w: it is given no device", a.user, errBarred)
	}
	client.AccessToken, client.DeviceID = resp.AccessToken, resp.DeviceID
	if string(resp.DeviceID) != stored {
		if err := n.options.Memory.Remember(ctx, a.owner, Name, memoryDevice, string(resp.DeviceID)); err != nil {
			return nil, fmt.Errorf("remember the device of %s: %w", a.user, err)
		}
	}
	return client, nil
}

// plainFor is how long the homeserver is believed that a room is not encrypted. Events
// tell of a change at once, but for those that wait while the homeserver backs off.
const plainFor = time.Minute

// encrypts says whether a room is encrypted. What is not known is asked for: a room
// whose state was lost must not be taken for one where everybody may read along. Who is
// not told of changes, a person without a session, asks every time.
func (a *account) encrypts(ctx context.Context, room id.RoomID) (bool, error) {
	known, err := a.state.IsEncrypted(ctx, room)
	if err != nil {
		return false, fmt.Errorf("read whether %s is encrypted: %w", room, err)
	}
	s := a.sealing
	s.mu.Lock()
	plain := time.Since(s.plain[room]) < plainFor
	s.mu.Unlock()
	if known || plain && a.nature.told() {
		return known, nil
	}
	content, err := a.network.askEncryption(ctx, a.client, room)
	switch {
	case err != nil:
		return false, err
	case content == nil:
		s.mu.Lock()
		s.plain[room] = time.Now()
		s.mu.Unlock()
		return false, nil
	}
	return true, a.state.keepEncryption(ctx, room, content)
}

// askEncryption asks how a room is encrypted; nil for one that is not. What the room
// says of it may be anything; that it says something counts.
func (n *Network) askEncryption(ctx context.Context, client *mautrix.Client, room id.RoomID) (*event.EncryptionEventContent, error) {
	var raw []byte
	err := n.call(ctx, func(ctx context.Context) (err error) {
		raw, err = client.MakeRequest(ctx, http.MethodGet, client.BuildClientURL("v3", "rooms", room, "state", event.StateEncryption.Type, ""), nil, nil)
		return err
	})
	switch {
	case notThere(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("ask whether %s is encrypted: %w", room, err)
	}
	content := &event.EncryptionEventContent{}
	if json.Unmarshal(raw, content) != nil {
		content = &event.EncryptionEventContent{}
	}
	return content, nil
}

// seal makes of a message's content what is sent to a room: itself, or what only its
// members can read.
func (a *account) seal(ctx context.Context, room id.RoomID, content *event.Content) (event.Type, any, error) {
	encrypted, err := a.encrypts(ctx, room)
	if err != nil || !encrypted {
		return event.EventMessage, content, err
	}
	device, err := a.ensureDevice(ctx)
	if errors.Is(err, errBarred) {
		return event.EventEncrypted, nil, refused(fmt.Errorf("the room is encrypted: %w", err))
	}
	if err != nil {
		return event.EventEncrypted, nil, err
	}
	if err := a.nature.fetchKeys(ctx); err != nil {
		return event.EventEncrypted, nil, err
	}
	sealed, err := device.Encrypt(ctx, room, event.EventMessage, content, func(ctx context.Context) ([]id.UserID, error) {
		others, err := a.others(ctx, room)
		return append(others, a.user), err
	})
	return event.EventEncrypted, sealed, err
}
