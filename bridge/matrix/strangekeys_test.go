package matrix

import (
	"encoding/json"
	"net/http"
	"testing"

	"maunium.net/go/mautrix"
)

// Somebody whose device has keys that are none does not keep the others in a room from
// being written to.
func TestMemberWithStrangeKeys(t *testing.T) {
	g := shared.gateway(t)
	alice, person, eve := g.user("alice"), shared.person(t, "bob"), shared.person(t, "eve")
	bob := shared.encrypted(t, person)
	keys := map[string]any{
		"user_id": eve.UserID, "device_id": eve.DeviceID, "algorithms": 5, "keys": map[string]string{}, "signatures": map[string]any{},
		"unsigned": map[string]any{"x": json.RawMessage(`1e400`)},
	}
	_, err := eve.MakeRequest(patient(t), http.MethodPost, eve.BuildClientURL("v3", "keys", "upload"), map[string]any{"device_keys": keys}, nil)
	shared.takesStrange(t, err)
	room := secretRoom(t, bob, alice.user)
	sayEncrypted(t, bob, room, "hello")
	chat := alice.awaitText("hello").Chat
	alice.sayTo("1", "between us", chat)
	reads(t, bob, "between us")
	if _, err := bob.InviteUser(patient(t), room, &mautrix.ReqInviteUser{UserID: eve.UserID}); err != nil {
		t.Fatal(err)
	}
	if err := eve.Join(patient(t), room); err != nil {
		t.Fatal(err)
	}
	if err := bob.WaitJoin(patient(t), room, eve.UserID); err != nil {
		t.Fatal(err)
	}
	if _, err := eve.Say(patient(t), room, "I am here"); err != nil { // in the clear: she has no keys
		t.Fatal(err)
	}
	chat = alice.awaitText("I am here").Chat
	alice.sayTo("2", "and now", chat)
	if _, err := bob.Next(patient(t)); err != nil { // what eve said
		t.Fatal(err)
	}
	reads(t, bob, "and now")
}

func TestStrangeKeysAreLeftOut(t *testing.T) {
	good := `{"user_id":"@bob:hs.test","device_id":"B","algorithms":["a"],"keys":{"ed25519:B":"k"},"signatures":{}}`
	query := `{"device_keys":{"@bob:hs.test":{"B":` + good + `,"X":5},"@eve:hs.test":{"E":{"algorithms":5}},"@zoe:hs.test":7},
		"master_keys":{"@bob:hs.test":{"user_id":"@bob:hs.test","usage":["master"],"keys":{}},"@eve:hs.test":{"keys":5}},"failures":5}`
	var keys mautrix.RespQueryKeys
	if err := json.Unmarshal(soundQuery([]byte(query)), &keys); err != nil {
		t.Fatal(err)
	}
	if len(keys.DeviceKeys["@bob:hs.test"]) != 1 || keys.DeviceKeys["@bob:hs.test"]["B"].Keys["ed25519:B"] != "k" || len(keys.MasterKeys) != 1 {
		t.Errorf("got %+v", keys)
	}
	claim := `{"one_time_keys":{"@bob:hs.test":{"B":{"signed_curve25519:AA":{"key":"k","signatures":{}}}},
		"@eve:hs.test":{"E":{"signed_curve25519:BB":{"key":5}}}}}`
	var claimed mautrix.RespClaimKeys
	if err := json.Unmarshal(soundClaim([]byte(claim)), &claimed); err != nil {
		t.Fatal(err)
	}
	if claimed.OneTimeKeys["@bob:hs.test"]["B"]["signed_curve25519:AA"].Key != "k" {
		t.Errorf("got %+v", claimed)
	}
	for _, whole := range []string{query[:0], `<html>`, `{"device_keys":{}}`} {
		if got := string(soundQuery([]byte(whole))); got != whole {
			t.Errorf("%q became %q", whole, got)
		}
	}
}
