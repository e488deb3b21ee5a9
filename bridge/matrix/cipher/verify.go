package cipher

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/backup"
	"maunium.net/go/mautrix/crypto/ssss"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Verify shows the user's other devices and friends that the device is his own, by the
// recovery key (or passphrase) of his account, and fetches the keys of his past from the
// homeserver's backup, where there is one. Cross-signing and key backup are parts of the
// Client-Server API's "End-to-End Encryption".
func (d *Device) Verify(ctx context.Context, recovery string) error {
	ctx = d.machine.Log.WithContext(ctx)
	keyID, meta, err := d.machine.SSSS.GetDefaultKeyData(ctx)
	if errors.Is(err, mautrix.MNotFound) || errors.Is(err, ssss.ErrNoDefaultKeyAccountDataEvent) {
		return errors.New("the account has no secret storage: set up its recovery in another client first")
	}
	if err != nil {
		return fmt.Errorf("read the account's secret storage: %w", err)
	}
	key, err := meta.VerifyRecoveryKey(keyID, recovery)
	if err != nil {
		if key, err = meta.VerifyPassphrase(keyID, recovery); err != nil {
			return errors.New("the recovery key is not the account's")
		}
	}
	if err := d.machine.FetchCrossSigningKeysFromSSSS(ctx, key); err != nil {
		return fmt.Errorf("read the keys of the account: %w", err)
	}
	if err := d.sign(ctx); err != nil {
		return err
	}
	return d.restore(ctx, key)
}

// sign signs the device, and the account's key with the device's.
func (d *Device) sign(ctx context.Context) error {
	if err := d.machine.SignOwnDevice(ctx, d.machine.OwnIdentity()); err != nil {
		return fmt.Errorf("sign the device: %w", err)
	}
	return wrap("sign the account's key", d.machine.SignOwnMasterKey(ctx))
}

// restore takes the keys of the past out of the backup. An account without one is as
// well.
func (d *Device) restore(ctx context.Context, key *ssss.Key) error {
	raw, err := d.machine.SSSS.GetDecryptedAccountData(ctx, event.AccountDataMegolmBackupKey, key)
	if errors.Is(err, mautrix.MNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the key of the backup: %w", err)
	}
	if err := d.store.PutSecret(ctx, id.SecretMegolmBackupV1, base64.StdEncoding.EncodeToString(raw)); err != nil {
		return fmt.Errorf("store the key of the backup: %w", err)
	}
	backupKey, err := backup.MegolmBackupKeyFromBytes(raw)
	if err != nil {
		return fmt.Errorf("read the key of the backup: %w", err)
	}
	if _, err := d.machine.DownloadAndStoreLatestKeyBackup(ctx, backupKey); err != nil && !errors.Is(err, mautrix.MNotFound) {
		return fmt.Errorf("fetch the backup of keys: %w", err)
	}
	return nil
}

// askBackup looks for the key of one message in the backup, and says whether it was
// there. Without the backup's key it was not.
func (d *Device) askBackup(ctx context.Context, room id.RoomID, session id.SessionID) (bool, error) {
	stored, err := d.store.GetSecret(ctx, id.SecretMegolmBackupV1)
	if err != nil || stored == "" {
		return false, wrap("read the key of the backup", err)
	}
	raw, err := base64.StdEncoding.DecodeString(stored)
	if err != nil {
		return false, fmt.Errorf("read the key of the backup: %w", err)
	}
	key, err := backup.MegolmBackupKeyFromBytes(raw)
	if err != nil {
		return false, fmt.Errorf("read the key of the backup: %w", err)
	}
	version, err := d.machine.GetAndVerifyLatestKeyBackupVersion(ctx, key)
	if err != nil || version == nil {
		return false, wrap("ask for the backup of keys", err)
	}
	kept, err := d.machine.Client.GetKeyBackupForRoomAndSession(ctx, version.Version, room, session)
	if errors.Is(err, mautrix.MNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask the backup for a key: %w", err)
	}
	data, err := kept.SessionData.Decrypt(key)
	if err != nil {
		return false, fmt.Errorf("open a key of the backup: %w", err)
	}
	if _, err := d.machine.ImportRoomKeyFromBackup(ctx, version.Version, room, session, data); err != nil {
		return false, fmt.Errorf("take a key out of the backup: %w", err)
	}
	return true, nil
}

// Bootstrap gives an account that exists for the gateway alone keys of its own to sign
// its device with, so that others' clients need not warn of it. A homeserver that wants a
// password for that refuses.
func (d *Device) Bootstrap(ctx context.Context) error {
	ctx = d.machine.Log.WithContext(ctx)
	has, _, err := d.machine.GetOwnVerificationStatus(ctx)
	if err != nil || has {
		return wrap("ask for the account's keys", err)
	}
	keys, err := d.machine.GenerateCrossSigningKeys()
	if err != nil {
		return fmt.Errorf("make the account's keys: %w", err)
	}
	if err := d.machine.PublishCrossSigningKeys(ctx, keys, nil); err != nil {
		return fmt.Errorf("publish the account's keys: %w", err)
	}
	return d.sign(ctx)
}
