// Package cipher is the end-to-end encryption of Matrix accounts (Client-Server
// API, "End-to-End Encryption"): one [Device] for each account that the gateway is
// logged in as. The work is done by mautrix's Olm machine with goolm; this package
// decides when keys are shared, asked for and believed to be stored.
//
// It belongs to bridge/matrix and is used by nothing else.
package cipher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Options is what a device works with. All fields but Log must be set.
type Options struct {
	// Client is logged in: it has a user id, a device id and an access token of
	// that device.
	Client *mautrix.Client
	// DB holds the keys, in tables that [Upgrade] has made. PickleKey seals
	// them there; it must be the same for ever.
	DB        *dbutil.Database
	PickleKey []byte
	// State knows the rooms that are encrypted.
	State crypto.StateStore
	// Arrived is told of each session whose key has come. It must not block.
	Arrived func(session id.SessionID)
	// Log gets what goes wrong with keys. No text of a message is logged.
	Log zerolog.Logger
}

// Device is one log-in that takes part in encrypted conversations. Make it with
// [Open]. All methods are safe from any goroutine.
type Device struct {
	machine *crypto.OlmMachine
	store   *watchedStore
	sharing sync.Mutex // held while a key is made and sent to everybody
	syncing sync.Mutex // held while what a sync brought is worked off
}

// ErrForeign says that the homeserver has other keys for the device than the database:
// the keys were lost, and only a new log-in mends it.
var ErrForeign = errors.New("the homeserver knows other keys of this log-in")

// ErrNoKey says that a message cannot be read before its key has come.
var ErrNoKey = errors.New("the key of the message is not there")

// Upgrade makes the tables of the keys, or brings them up to date. Call it once
// before the first [Open].
func Upgrade(ctx context.Context, db *dbutil.Database) error {
	if err := newStore(db, "", "", nil).DB.Upgrade(ctx); err != nil {
		return fmt.Errorf("upgrade the tables of Matrix keys: %w", err)
	}
	return nil
}

// newStore returns the keys of one device. Its device is a part of the name: a
// person who is logged in anew begins with new keys.
func newStore(db *dbutil.Database, user id.UserID, device id.DeviceID, pickleKey []byte) *crypto.SQLCryptoStore {
	return crypto.NewSQLCryptoStore(db, dbutil.NoopLogger, string(user)+" "+string(device), device, pickleKey)
}

// Open reads the device's keys, makes them if there are none, and sees to it that
// the homeserver has them. Everything that homeserver says of the device must be
// given to [Device.Synced] from then on.
func Open(ctx context.Context, o Options) (*Device, error) {
	if o.Client.UserID == "" || o.Client.DeviceID == "" {
		return nil, errors.New("open the keys: the client is not logged in as a device")
	}
	store := &watchedStore{SQLCryptoStore: newStore(o.DB, o.Client.UserID, o.Client.DeviceID, o.PickleKey), own: o.Client.UserID}
	log := o.Log.Level(max(o.Log.GetLevel(), zerolog.WarnLevel))
	d := &Device{machine: crypto.NewOlmMachine(o.Client, &log, store, o.State), store: store}
	d.machine.SessionReceived = func(_ context.Context, _ id.RoomID, session id.SessionID, _ uint32) { o.Arrived(session) }
	d.machine.IgnorePostDecryptionParseErrors = true // what is in it is for others to judge
	ctx = log.WithContext(ctx)
	if err := d.machine.Load(ctx); err != nil {
		return nil, fmt.Errorf("read the keys of %s: %w", o.Client.UserID, err)
	}
	if err := d.publish(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// publish makes sure that the homeserver has the device's own keys. It may have come
// back with another database, or an older one.
func (d *Device) publish(ctx context.Context) error {
	client := d.machine.Client
	resp, err := client.QueryKeys(ctx, &mautrix.ReqQueryKeys{
		DeviceKeys: map[id.UserID]mautrix.DeviceIDList{client.UserID: {client.DeviceID}},
	})
	if err != nil {
		return fmt.Errorf("ask for the keys of %s: %w", client.UserID, err)
	}
	account := d.machine.GetAccount()
	there := resp.DeviceKeys[client.UserID][client.DeviceID]
	known := there.Keys.GetEd25519(client.DeviceID)
	switch {
	case len(there.Keys) == 0:
		account.Shared = false
	case known != d.machine.OwnIdentity().SigningKey:
		return fmt.Errorf("open the keys of %s: %w", client.UserID, ErrForeign)
	case account.Shared:
		return nil
	}
	if err := d.machine.ShareKeys(ctx, -1); err != nil {
		return fmt.Errorf("publish the keys of %s: %w", client.UserID, err)
	}
	return nil
}

// Synced takes the keys out of what a sync of the device brought. Since is where
// that sync began. After an error the position must not be stored: a key is not.
func (d *Device) Synced(ctx context.Context, resp *mautrix.RespSync, since string) error {
	d.syncing.Lock()
	defer d.syncing.Unlock()
	d.store.reset()
	d.machine.ProcessSyncResponse(d.machine.Log.WithContext(ctx), resp, since)
	if err := d.store.failure(); err != nil {
		return fmt.Errorf("store keys: %w", err)
	}
	return nil
}

// Member takes in a change of somebody's membership: who comes later must not read
// what was said before, and who left not what is said from now on.
func (d *Device) Member(ctx context.Context, evt *event.Event) {
	d.machine.HandleMemberEvent(d.machine.Log.WithContext(ctx), evt)
}

// decryptTime bounds the opening of a message.
const decryptTime = 30 * time.Second

// Decrypt opens an event of the type m.room.encrypted. The error is [ErrNoKey] if it
// may be opened later; any other will not go away.
func (d *Device) Decrypt(ctx context.Context, evt *event.Event) (*event.Event, error) {
	// The sender's device may be asked for.
	ctx, cancel := context.WithTimeout(ctx, decryptTime)
	defer cancel()
	plain, err := d.machine.DecryptMegolmEvent(d.machine.Log.WithContext(ctx), evt)
	switch {
	case errors.Is(err, crypto.ErrNoSessionFound), errors.Is(err, crypto.ErrGroupSessionWithheld), errors.Is(err, crypto.ErrRatchetError),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
	case err != nil:
		return nil, fmt.Errorf("decrypt a message: %w", err)
	}
	return plain, nil
}

// Encrypt seals a message for a room. Members returns who is in it; it is asked
// when the room's key has to be sent to them.
func (d *Device) Encrypt(ctx context.Context, room id.RoomID, kind event.Type, content *event.Content,
	members func(context.Context) ([]id.UserID, error),
) (*event.EncryptedEventContent, error) {
	d.sharing.Lock()
	defer d.sharing.Unlock()
	ctx = d.machine.Log.WithContext(ctx)
	sealed, err := d.machine.EncryptMegolmEvent(ctx, room, kind, content)
	if err == nil || !crypto.IsShareError(err) {
		return sealed, wrap("encrypt a message", err)
	}
	users, err := members(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.machine.ShareGroupSession(ctx, room, users); err != nil {
		return nil, wrap("send the key of a room", err)
	}
	sealed, err = d.machine.EncryptMegolmEvent(ctx, room, kind, content)
	return sealed, wrap("encrypt a message", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Ask looks for the key of a message that cannot be read in the user's backup, and else
// asks the user's other devices, and the sender's. They answer when they like, or not at
// all.
func (d *Device) Ask(ctx context.Context, evt *event.Event) error {
	content, ok := evt.Content.Parsed.(*event.EncryptedEventContent)
	if !ok {
		return nil
	}
	ctx = d.machine.Log.WithContext(ctx)
	if found, err := d.askBackup(ctx, evt.RoomID, content.SessionID); found {
		return nil
	} else if err != nil {
		d.machine.Log.Warn().Err(err).Msg("The backup of keys cannot be read")
	}
	d.Expect(evt)
	return wrap("ask for a key", d.machine.SendRoomKeyRequest(ctx, evt.RoomID, content.SenderKey, content.SessionID, "",
		map[id.UserID][]id.DeviceID{evt.Sender: {"*"}, d.machine.Client.UserID: {"*"}}))
}

// Expect has the answer be taken when the sender of a message gives its key: [Device.Ask]
// was called for it before, perhaps before a restart.
func (d *Device) Expect(evt *event.Event) {
	if content, ok := evt.Content.Parsed.(*event.EncryptedEventContent); ok {
		d.store.expect(content.SessionID, evt.Sender)
	}
}

// Renew has the next message to a room use a new key, sent to whoever is there then.
func (d *Device) Renew(ctx context.Context, room id.RoomID) error {
	return wrap("drop the key of a room", d.store.RemoveOutboundGroupSession(ctx, room))
}

// Position is how far the device's own sync has been read, for accounts whose
// events come in another way.
func (d *Device) Position(ctx context.Context) (string, error) {
	since, err := d.store.GetNextBatch(ctx)
	return since, wrap("read how far the keys were read", err)
}

// SetPosition stores it.
func (d *Device) SetPosition(ctx context.Context, since string) error {
	return wrap("store how far the keys were read", d.store.PutNextBatch(ctx, since))
}

// Close ends what the machine does in the background.
func (d *Device) Close() { d.machine.Destroy() }
