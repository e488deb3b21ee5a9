package matrix

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/cipher"
	"papillon/bridge/matrix/content"
)

const (
	// keyPatience is how long a message waits for its key before a line says that
	// there is one; keys often come a moment later.
	keyPatience = 5 * time.Second
	// keyEager is how long keys are looked for every second, keyLazy how often
	// after that, keyLimit how long at all.
	keyEager = 30 * time.Second
	keyLazy  = time.Minute
	keyLimit = 14 * 24 * time.Hour
	// maxSealed is how many messages of an account may wait for their keys,
	// maxSealedOf how many of one sender, and maxSealedBytes what all of them may
	// take. More are told of and not kept: nobody shall fill the place of the others.
	maxSealed, maxSealedOf = 1000, 300
	maxSealedBytes         = 16 << 20
)

// sealedEvent is a message whose key has not come.
type sealedEvent struct {
	Event *event.Event `json:"event"`
	Came  time.Time    `json:"came"`
	Told  bool         `json:"told,omitempty"`
}

// memorySealed is where they are remembered.
const memorySealed = "sealed/"

// unseal opens an encrypted event. It returns nil for one that cannot be read now: that
// one is kept until its key comes, or a line says that it came. The caller holds the
// room's lock, and one that was deleted meanwhile.
func (a *account) unseal(ctx context.Context, evt *event.Event) (*event.Event, error) {
	if content.Gone(evt) {
		return nil, nil // there is nothing to open
	}
	device, err := a.ensureDevice(ctx)
	if errors.Is(err, errBarred) {
		return nil, a.tellSealed(ctx, evt, "[encrypted message: this room is encrypted, and the Matrix server gives Papillon no keys]")
	}
	if err != nil {
		return nil, err
	}
	plain, err := device.Decrypt(ctx, evt)
	switch {
	case err == nil:
		return plain, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, cipher.ErrNoKey):
		return nil, a.keepSealed(ctx, &sealedEvent{Event: evt, Came: time.Now()})
	}
	a.log.Warn().Err(err).Str("event", string(evt.ID)).Msg("A message cannot be decrypted")
	return nil, a.tellSealed(ctx, evt, unreadable)
}

// unsealOrigin opens an encrypted event that another one refers to; nil if it cannot.
func (a *account) unsealOrigin(ctx context.Context, evt *event.Event) *event.Event {
	device := a.sealing.current()
	if _, parsed := evt.Content.Parsed.(*event.EncryptedEventContent); device == nil || !parsed && !a.parse(evt, event.MessageEventType) {
		return nil
	}
	plain, err := device.Decrypt(ctx, evt)
	if err != nil {
		a.log.Debug().Err(err).Str("event", string(evt.ID)).Msg("What a message refers to cannot be decrypted")
		return nil
	}
	return plain
}

const (
	unreadable = "[encrypted message that cannot be read]"
	awaitsKey  = "[encrypted message that cannot be read yet: it follows if its key comes]"
)

// tellSealed hands over a line in place of a message that cannot be read. It has an id
// of its own: the message may come after all.
func (a *account) tellSealed(ctx context.Context, evt *event.Event, line string) error {
	if evt.Sender == a.user {
		return nil // what was written elsewhere is known to who wrote it
	}
	chat, err := a.nature.chatOf(ctx, evt.RoomID, evt.Sender)
	if err != nil {
		return err
	}
	return a.receive(ctx, bridge.MessageReceived{
		ID: string(evt.ID) + " sealed", Chat: chat, From: a.contactIn(ctx, evt.RoomID, evt.Sender),
		Kind: bridge.Notice, Text: line, Sent: content.SentAt(evt, time.Now()),
	})
}

// keepSealed stores a message until its key comes.
func (a *account) keepSealed(ctx context.Context, sealed *sealedEvent) error {
	s := a.sealing
	if s.full(sealed.Event) {
		return a.tellSealed(ctx, sealed.Event, unreadable)
	}
	if err := a.rememberSealed(ctx, sealed); err != nil {
		return err
	}
	s.mu.Lock()
	s.waiting[sealed.Event.ID] = sealed
	s.mu.Unlock()
	a.watchSealed()
	return nil
}

// full says whether there is no place for one more message.
func (s *sealing) full(evt *event.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes, same := len(evt.Content.VeryRaw), 0
	for _, waits := range s.waiting {
		bytes += len(waits.Event.Content.VeryRaw)
		if waits.Event.Sender == evt.Sender {
			same++
		}
	}
	return len(s.waiting) >= maxSealed || same >= maxSealedOf || bytes > maxSealedBytes
}

func (a *account) rememberSealed(ctx context.Context, sealed *sealedEvent) error {
	raw, err := json.Marshal(sealed)
	if err == nil {
		err = a.network.options.Memory.Remember(ctx, a.owner, Name, memorySealed+string(sealed.Event.ID), string(raw))
	}
	if err != nil {
		return fmt.Errorf("keep an encrypted message: %w", err)
	}
	return nil
}

// dropSealed forgets a message that was shown, or will not be.
func (a *account) dropSealed(ctx context.Context, evt id.EventID) error {
	if err := a.network.options.Memory.Remember(ctx, a.owner, Name, memorySealed+string(evt), ""); err != nil {
		return fmt.Errorf("forget an encrypted message: %w", err)
	}
	a.sealing.mu.Lock()
	delete(a.sealing.waiting, evt)
	a.sealing.mu.Unlock()
	return nil
}

// recallSealed takes up what waited when the gateway was ended.
func (a *account) recallSealed(ctx context.Context) error {
	all, err := a.network.options.Memory.RecallAll(ctx, a.owner, Name, memorySealed)
	if err != nil {
		return fmt.Errorf("recall encrypted messages: %w", err)
	}
	s := a.sealing
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read {
		return nil
	}
	s.read = true
	for key, text := range all {
		sealed := &sealedEvent{}
		if err := json.Unmarshal([]byte(text), sealed); err != nil || sealed.Event == nil || !a.parse(sealed.Event, event.MessageEventType) {
			a.log.Warn().Str("key", key).Msg("An encrypted message that was kept cannot be read")
			continue
		}
		s.waiting[sealed.Event.ID] = sealed
		if sealed.Told && s.device != nil {
			s.device.Expect(sealed.Event)
		}
	}
	if len(s.waiting) > 0 {
		a.watchLocked()
	}
	return nil
}

// watchSealed sees to it that somebody looks after the messages that wait.
func (a *account) watchSealed() {
	a.sealing.mu.Lock()
	defer a.sealing.mu.Unlock()
	a.watchLocked()
}

// watchLocked is watchSealed with the mutex held.
func (a *account) watchLocked() {
	if !a.sealing.tended {
		a.mu.Lock() // so that nothing begins once the account is halted
		if a.life.Err() == nil {
			a.sealing.tended = true
			a.work.Go(func() { a.tendSealed(a.life) })
		}
		a.mu.Unlock()
	}
	poke(a.sealing.wake)
}

// tendSealed tries the messages that wait again when a key has come, until none is
// left.
func (a *account) tendSealed(ctx context.Context) {
	for {
		pause, err := a.trySealed(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.Debug().Err(err).Msg("Encrypted messages are tried again later")
			pause = time.Second
		}
		a.sealing.mu.Lock()
		if len(a.sealing.waiting) == 0 {
			a.sealing.tended = false
			a.sealing.mu.Unlock()
			return
		}
		a.sealing.mu.Unlock()
		if !wait(ctx, pause, a.sealing.wake) {
			return
		}
	}
}

// trySealed tries all messages that wait, oldest first, and says when to do so again
// if no key comes.
func (a *account) trySealed(ctx context.Context) (pause time.Duration, err error) {
	if err := a.nature.fetchKeys(ctx); err != nil {
		return 0, err
	}
	s := a.sealing
	s.mu.Lock()
	device := s.device
	waiting := make([]*sealedEvent, 0, len(s.waiting))
	for _, sealed := range s.waiting {
		waiting = append(waiting, sealed)
	}
	s.mu.Unlock()
	if device == nil {
		return keyLazy, nil
	}
	slices.SortFunc(waiting, func(x, y *sealedEvent) int { return cmp.Compare(x.Event.Timestamp, y.Event.Timestamp) })
	pause = keyLazy
	for _, sealed := range waiting {
		if err := a.trySealedEvent(ctx, device, sealed); err != nil {
			return 0, err
		}
		if time.Since(sealed.Came) < keyEager {
			pause = time.Second
		}
	}
	return pause, nil
}

func (a *account) trySealedEvent(ctx context.Context, device *cipher.Device, sealed *sealedEvent) error {
	evt := sealed.Event
	unlock := a.network.rooms.lock(a.state.key(evt.RoomID))
	defer unlock()
	plain, err := device.Decrypt(ctx, evt)
	age := time.Since(sealed.Came)
	switch {
	case err == nil:
		if err := a.nature.heard(ctx, plain); err != nil {
			return err
		}
		return a.dropSealed(ctx, evt.ID)
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, cipher.ErrNoKey):
		a.log.Warn().Err(err).Str("event", string(evt.ID)).Msg("A message cannot be decrypted")
		if err := a.tellSealed(ctx, evt, unreadable); err != nil {
			return err
		}
		return a.dropSealed(ctx, evt.ID)
	case age > keyLimit:
		return a.dropSealed(ctx, evt.ID)
	case age < keyPatience || sealed.Told:
		return nil
	}
	if err := a.tellSealed(ctx, evt, awaitsKey); err != nil {
		return err
	}
	sealed.Told = true
	if err := a.rememberSealed(ctx, sealed); err != nil {
		return err
	}
	err = a.network.call(ctx, func(ctx context.Context) error { return device.Ask(ctx, evt) })
	if err != nil {
		a.log.Debug().Err(err).Msg("The key of a message cannot be asked for")
	}
	return nil
}
