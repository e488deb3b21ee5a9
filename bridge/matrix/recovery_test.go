package matrix

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/backup"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// pollPause is between two looks at what no event tells.
const pollPause = 50 * time.Millisecond

// recoverable gives a person's account keys of its own, from another client, and
// returns the recovery key and that client.
func (w *world) recoverable(t *testing.T, p *matrixtest.Person) (string, *matrixtest.Encrypted) {
	t.Helper()
	client := w.encrypted(t, p)
	key, cache, err := machineOf(client).GenerateAndUploadCrossSigningKeysWithPassword(patient(t), matrixtest.Password(p.UserID.Localpart()), "")
	if err != nil {
		t.Fatal(err)
	}
	if cache == nil || key == "" {
		t.Fatal("there is no recovery key")
	}
	return key, client
}

func machineOf(client *matrixtest.Encrypted) *crypto.OlmMachine {
	return client.Crypto.(*cryptohelper.CryptoHelper).Machine()
}

// must ends a test that cannot go on.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// backUp puts all keys of messages that a client has into the homeserver's backup, and
// the key of that into the account's secret storage.
func backUp(t *testing.T, client *matrixtest.Encrypted, recovery string) {
	t.Helper()
	ctx, machine := patient(t), machineOf(client)
	secret, err := backup.NewMegolmBackupKey()
	must(t, err)
	keyID, meta, err := machine.SSSS.GetDefaultKeyData(ctx)
	must(t, err)
	storage, err := meta.VerifyRecoveryKey(keyID, recovery)
	must(t, err)
	must(t, machine.SSSS.SetEncryptedAccountData(ctx, event.AccountDataMegolmBackupKey, secret.Bytes(), storage))
	version, err := client.CreateKeyBackupVersion(ctx, &mautrix.ReqRoomKeysVersionCreate[backup.MegolmAuthData]{
		Algorithm: id.KeyBackupAlgorithmMegolmBackupV1,
		AuthData:  backup.MegolmAuthData{PublicKey: id.Ed25519(base64.RawStdEncoding.EncodeToString(secret.PublicKey().Bytes()))},
	})
	must(t, err)
	sessions, err := machine.CryptoStore.GetAllGroupSessions(ctx).AsList()
	must(t, err)
	for _, session := range sessions {
		first := session.Internal.FirstKnownIndex()
		exported, err := session.Internal.Export(first)
		must(t, err)
		sealed, err := backup.EncryptSessionData(secret, backup.MegolmSessionData{
			Algorithm: id.AlgorithmMegolmV1, ForwardingKeyChain: []string{}, SenderKey: session.SenderKey,
			SenderClaimedKeys: backup.SenderClaimedKeys{Ed25519: session.SigningKey}, SessionKey: string(exported),
		})
		must(t, err)
		raw, err := json.Marshal(sealed)
		must(t, err)
		_, err = client.PutKeysInBackupForRoomAndSession(ctx, version.Version, session.RoomID, session.ID(),
			&mautrix.ReqKeyBackupData{FirstMessageIndex: int(first), SessionData: raw})
		must(t, err)
	}
}

// TestHistoryOutOfTheBackup: what was said before the gateway had any keys is read with
// those that another client has left with the homeserver.
func TestHistoryOutOfTheBackup(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		other, bob := shared.person(t, "alice"), shared.encrypted(t, shared.person(t, "bob"))
		key, client := shared.recoverable(t, other)
		room, err := bob.Encrypt(patient(t), other.UserID)
		must(t, err)
		_, err = other.WaitInvite(patient(t), bob.UserID)
		must(t, err)
		must(t, other.Join(patient(t), room))
		must(t, bob.WaitJoin(patient(t), room, other.UserID))
		sayEncrypted(t, bob, room, "long ago")
		reads(t, client, "long ago")
		backUp(t, client, key)
		client.Close() // nobody is left who could be asked for the key
		bob.Close()
		alice := g.linkWithKey(kind, other, key)
		alice.signIn(bridge.Available)
		ctx := patient(t)
		for ctx.Err() == nil { // nothing tells when the backup is read
			got, err := alice.History(ctx, bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}, 10)
			must(t, err)
			if len(got) == 1 && got[0].Text == "long ago" && got[0].From.ID == bridge.RemoteID(bob.UserID) {
				return
			}
			wait(ctx, pollPause, nil)
		}
		t.Error("the message was never read")
	})
}

// linkWithKey opens an account with a recovery key, and signs in.
func (g *gateway) linkWithKey(kind string, other *matrixtest.Person, key string) *own {
	g.t.Helper()
	local := other.UserID.Localpart()
	login := bridge.Login{Account: bridge.Handle(local + "@msn.test"), Kind: kind, ID: bridge.RemoteID(other.UserID)}
	var err error
	if kind == KindOwn {
		login.Credentials, err = Recovery(key)
	} else {
		var credentials Credentials
		if credentials, err = LoginByPassword(patient(g.t), g.world.URL, login.ID, matrixtest.Password(local)); err == nil {
			credentials.RecoveryKey = key
			login.Credentials, err = credentials.Marshal()
		}
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return g.openOwn(login, other)
}

// TestRecoveryKey: the key that the person gave signs the gateway's device, once.
func TestRecoveryKey(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		other := shared.person(t, "alice")
		key, _ := shared.recoverable(t, other)
		alice := g.linkWithKey(kind, other, key)
		alice.signIn(bridge.Available)
		ctx := patient(t)
		for ctx.Err() == nil { // nothing but the homeserver shows when it is done
			device := alice.person.poller.Load().DeviceID
			keys, err := other.QueryKeys(ctx, &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{other.UserID: mautrix.DeviceIDList{}}})
			if err != nil {
				t.Fatal(err)
			}
			if signed(keys, other.UserID, device) {
				return
			}
			wait(ctx, pollPause, nil)
		}
		t.Error("the device was never signed by the account")
	})
}

// signed says whether a device is signed by more than itself.
func signed(keys *mautrix.RespQueryKeys, user id.UserID, device id.DeviceID) bool {
	return len(keys.DeviceKeys[user][device].Signatures[user]) > 1
}

// TestWrongRecoveryKey is told to the user.
func TestWrongRecoveryKey(t *testing.T) {
	g := shared.gateway(t)
	other := shared.person(t, "alice")
	shared.recoverable(t, other)
	alice := g.linkWithKey(KindOwn, other, "EsTc LW2K PGiF wKEA 3As5 g5c4 BXwk qeeJ ZJV8 Q9fu gUMN UE4d")
	alice.signIn(bridge.Available)
	says := await(alice.user, "what is wrong", func(bridge.NetworkSays) bool { return true })
	if !strings.Contains(says.Text, "recovery key") || !strings.Contains(says.Text, "is not the account's") {
		t.Errorf("said: %q", says.Text)
	}
}

// TestGhostSignsItsDevice: friends' clients need not warn of it.
func TestGhostSignsItsDevice(t *testing.T) {
	g := shared.gateway(t)
	alice, bob := g.user("alice"), shared.encrypted(t, shared.person(t, "bob"))
	room := secretRoom(t, bob, alice.user)
	sayEncrypted(t, bob, room, "between us")
	alice.awaitText("between us")
	keys, err := bob.QueryKeys(patient(t), &mautrix.ReqQueryKeys{DeviceKeys: mautrix.DeviceKeysRequest{alice.user: mautrix.DeviceIDList{}}})
	must(t, err)
	devices := keys.DeviceKeys[alice.user]
	if len(devices) != 1 {
		t.Fatalf("it has %d devices", len(devices))
	}
	for device := range devices {
		if !signed(keys, alice.user, device) {
			t.Errorf("%s is not signed", device)
		}
	}
}
