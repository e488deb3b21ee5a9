package matrix

import (
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto/cryptohelper"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// pollPause is between two looks at what no event tells.
const pollPause = 50 * time.Millisecond

// recoverable gives a person's account keys of its own, from another client, and
// returns the recovery key.
func (w *world) recoverable(t *testing.T, p *matrixtest.Person) string {
	t.Helper()
	name := p.UserID.Localpart()
	client, err := w.LoginEncrypted(patient(t), name, newDB(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	machine := client.Crypto.(*cryptohelper.CryptoHelper).Machine()
	key, cache, err := machine.GenerateAndUploadCrossSigningKeysWithPassword(patient(t), matrixtest.Password(name), "")
	if err != nil {
		t.Fatal(err)
	}
	if cache == nil || key == "" {
		t.Fatal("there is no recovery key")
	}
	return key
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
		alice := g.linkWithKey(kind, other, shared.recoverable(t, other))
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
