package matrix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"maunium.net/go/mautrix"

	"papillon/bridge"
	"papillon/bridge/matrix/cipher"
)

const (
	// memoryVerified has the device, and a digest of the recovery key, for which
	// all was done that the key is for.
	memoryVerified = "verified"
	// verifyTime bounds that: the backup may hold the keys of years.
	verifyTime = 10 * time.Minute
)

// admit implements [nature]: a ghost signs its device itself. A homeserver that wants a
// password for that refuses, and others' clients warn of the device.
func (g ghost) admit(ctx context.Context, device *cipher.Device) {
	if err := g.network.call(ctx, device.Bootstrap); err != nil {
		g.log.Debug().Err(err).Msg("The ghost's device is not signed")
	}
}

// admit implements [nature]: the recovery key that the person gave when the account was
// linked signs the device and opens the backup of keys. The sync does not wait for it.
func (p *person) admit(context.Context, *cipher.Device) {
	if p.recovery == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() == nil {
		p.work.Go(func() { p.verify(p.life) })
	}
}

// verify uses the recovery key, once for each device. A key that is wrong is told to
// the user; what fails for another reason is tried again with the next start.
func (p *person) verify(ctx context.Context) {
	p.verifying.Lock()
	defer p.verifying.Unlock()
	ctx, cancel := context.WithTimeout(mautrix.WithMaxRetries(ctx, 0), verifyTime)
	defer cancel()
	p.sealing.mu.Lock()
	device, client := p.sealing.device, p.sealing.client
	p.sealing.mu.Unlock()
	if device == nil {
		return
	}
	digest := sha256.Sum256([]byte(p.recovery))
	mark := string(client.DeviceID) + " " + hex.EncodeToString(digest[:8])
	done, err := p.network.options.Memory.Recall(ctx, p.owner, Name, memoryVerified)
	if err != nil || done == mark {
		return // without memory it is done at the next start
	}
	err = device.Verify(ctx, p.recovery)
	var refusal mautrix.HTTPError
	switch {
	case ctx.Err() != nil, errors.As(err, &refusal) && !final(err):
		p.log.Info().Err(err).Msg("The recovery key could not be used yet")
		return
	case err != nil:
		p.log.Warn().Err(err).Msg("The recovery key cannot be used")
		p.feed.put(feedKey{kind: "recovery"}, bridge.NetworkSays{Text: fmt.Sprintf(
			"The recovery key of %s cannot be used: %s. Have the account linked again with the right one.", p.user, oneLine(err.Error()))})
	}
	if err := p.remember(ctx, memoryVerified, mark); err != nil {
		p.log.Warn().Err(err).Msg("Cannot remember that the recovery key was used")
	}
}

// Recovery makes credentials of [KindOwn] of the recovery key (or passphrase) of the
// person's encrypted messages. An empty key makes none.
func Recovery(key string) ([]byte, error) {
	if key == "" {
		return nil, nil
	}
	return json.Marshal(Credentials{RecoveryKey: key})
}

// recoveryOf is the way back.
func recoveryOf(raw []byte) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var c Credentials
	if err := json.Unmarshal(raw, &c); err != nil {
		// The cause could quote a part of the key.
		return "", errors.New("the stored recovery key cannot be read: link the account again with \"papillon link\"")
	}
	return c.RecoveryKey, nil
}
