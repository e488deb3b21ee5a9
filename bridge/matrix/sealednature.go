package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// device implements [nature].
func (g ghost) device(ctx context.Context) (*mautrix.Client, error) {
	if err := g.ensureReady(ctx); err != nil {
		return nil, err
	}
	return g.serviceLogin(ctx, g.network.options.Registration.AppToken)
}

// keysFilter leaves nothing in a sync but what is sent to a device, and whose devices
// have changed.
const keysFilter = `{"room":{"rooms":[]},"presence":{"not_types":["*"]},"account_data":{"not_types":["*"]}}`

// fetchKeys implements [nature]. The events of a ghost come in transactions and the
// homeserver does not put keys there, so the ghost's device asks when one is missing
// or about to be sent.
func (g ghost) fetchKeys(ctx context.Context) error {
	s := g.sealing
	s.fetching.Lock()
	defer s.fetching.Unlock()
	s.mu.Lock()
	device, client := s.device, s.client
	s.mu.Unlock()
	if device == nil {
		return nil
	}
	since, err := device.Position(ctx)
	if err != nil {
		return err
	}
	request := mautrix.ReqSync{Since: since, FilterID: keysFilter, SetPresence: g.silentWord()}
	var resp *mautrix.RespSync
	err = g.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = askSync(ctx, client, request)
		return err
	})
	if status, _ := response(err); status == http.StatusBadRequest && request.SetPresence == presenceNone {
		g.network.strict.Store(true)
		request.SetPresence = g.silentWord()
		err = g.network.call(ctx, func(ctx context.Context) (err error) {
			resp, err = askSync(ctx, client, request)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("fetch the keys of %s: %w", g.user, err)
	}
	if err := device.Synced(ctx, resp, since); err != nil {
		return err
	}
	return device.SetPosition(ctx, resp.NextBatch)
}

// silentWord is the presence in a sync that is not to change it: what it is, or a word
// that says nothing. On Dendrite "offline" would; a homeserver that goes by the
// specification refuses what Dendrite does not know.
func (g ghost) silentWord() event.Presence {
	g.mu.Lock()
	show := g.presence.Show
	g.mu.Unlock()
	switch {
	case visible(show):
		return toMatrix(show, g.busy.Load())
	case g.network.strict.Load():
		return event.PresenceOffline
	}
	return presenceNone
}

// heard implements [nature].
func (g ghost) heard(ctx context.Context, evt *event.Event) error {
	if err := g.message(ctx, evt); err != nil {
		return err
	}
	g.origins.note(evt)
	return nil
}

// encryptedEvent opens an encrypted event for every ghost that is in the room.
func (n *Network) encryptedEvent(ctx context.Context, evt *event.Event) error {
	accounts, err := n.accountsIn(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		plain, err := a.unseal(ctx, evt)
		if err == nil && plain != nil {
			err = a.nature.heard(ctx, plain)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// encryptionBegins takes in that a room is encrypted from now on. The ghosts in it get
// their devices at once, so that the others have somebody to send keys to.
func (n *Network) encryptionBegins(ctx context.Context, evt *event.Event) error {
	content, ok := evt.Content.Parsed.(*event.EncryptionEventContent)
	if !ok {
		content = &event.EncryptionEventContent{} // whatever it says, it is not plain
	}
	if err := n.own().keepEncryption(ctx, evt.RoomID, content); err != nil {
		return err
	}
	accounts, err := n.accountsIn(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if err := a.readyForKeys(ctx); err != nil {
			return err
		}
	}
	return nil
}

// readyForKeys makes the account's device, if it can have one.
func (a *account) readyForKeys(ctx context.Context) error {
	if _, err := a.ensureDevice(ctx); err != nil && !errors.Is(err, errBarred) {
		return err
	}
	return nil
}

// device implements [nature].
func (p *person) device(ctx context.Context) (*mautrix.Client, error) {
	return p.way.device(ctx, p.account)
}

// fetchKeys implements [nature]: keys come with the sync.
func (p *person) fetchKeys(context.Context) error { return nil }

// heard implements [nature].
func (p *person) heard(ctx context.Context, evt *event.Event) error { return p.heardEvent(ctx, evt) }

// device implements [wayIn].
func (asService) device(ctx context.Context, a *account) (*mautrix.Client, error) {
	return a.serviceLogin(ctx, a.network.options.Puppets.AppToken)
}

// device implements [wayIn]: the log-in is one.
func (w asDevice) device(_ context.Context, a *account) (*mautrix.Client, error) {
	if a.client.DeviceID == "" {
		return nil, fmt.Errorf("%w: the access token belongs to no device", errBarred)
	}
	return a.client, nil
}

// beginSync sees to it that keys come with the polls: those of a person with a device
// are the device's.
func (p *person) beginSync(ctx context.Context) error {
	_, err := p.ensureDevice(ctx)
	if errors.Is(err, errBarred) {
		return nil
	}
	if err != nil {
		return err
	}
	p.sealing.mu.Lock()
	defer p.sealing.mu.Unlock()
	p.poller.Store(p.sealing.client)
	return nil
}

// dropDevice forgets the device that the gateway has made for the account: the person
// has ended its session with another client. The next one is made when it is needed.
// It returns false if the device is the log-in itself, or there is none.
func (p *person) dropDevice() bool {
	p.sealing.opening.Lock()
	defer p.sealing.opening.Unlock()
	p.sealing.mu.Lock()
	device, client := p.sealing.device, p.sealing.client
	if device == nil || client == p.client {
		p.sealing.mu.Unlock()
		return false
	}
	p.sealing.device, p.sealing.client = nil, nil
	p.sealing.mu.Unlock()
	p.poller.Store(nil)
	device.Close()
	p.log.Info().Msg("Papillon's session was ended from elsewhere; it logs in again")
	return true
}

// missedMembers has an encrypted room's members be asked for again, and its next
// message use a new key: somebody may have come or gone unseen.
func (p *person) missedMembers(ctx context.Context, room id.RoomID) error {
	device := p.sealing.current()
	encrypted, err := p.state.IsEncrypted(ctx, room)
	if err != nil || !encrypted || device == nil {
		return err
	}
	if err := p.state.ClearCachedMembers(ctx, room, event.MembershipKnock); err != nil {
		return fmt.Errorf("forget the members of %s: %w", room, err)
	}
	return device.Renew(ctx, room)
}
