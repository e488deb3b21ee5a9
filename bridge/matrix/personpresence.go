package matrix

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// A person's presence is not the gateway's alone: other clients of his say theirs,
// and what he shows there must not change because MSN Messenger ends or hides.
//
// The specification has set_presence=offline in a poll mean "do not count this
// poll", and a homeserver combine what several clients say. Synapse does. Dendrite
// v0.15.2 takes the last word it hears, except that a poll with "online" keeps the
// others off for ten seconds:
//
//   - A poll with "offline" makes the person offline although another client holds
//     a poll, until that client polls again. One with "unavailable" likewise.
//   - PUT offline does so for longer: the other client's polls say nothing new in
//     Dendrite's eyes and change nothing.
//   - A word it does not know leaves the presence as it is.
//   - Nobody goes offline by ceasing to poll; after five to ten minutes he is
//     unavailable.
//
// So polls say "online" for who is online, and else the word that changes nothing;
// a status is said by PUT, once. Offline is said by PUT and only if no other client
// has been seen lately; where there is one the presence is left to it.

// presenceNone is a word that Dendrite does not know.
const presenceNone event.Presence = "unchanged"

// otherSeen is how long ago another client may have been seen to count as being
// there. Homeservers note it every minute or two.
const otherSeen = 3 * time.Minute

// show implements [nature].
func (p *person) show(ctx context.Context, presence bridge.Presence) error {
	if !visible(presence.Show) {
		elsewhere, err := p.elsewhere(ctx)
		if err != nil {
			return err
		}
		if elsewhere {
			return p.leavePresence(ctx)
		}
	}
	return p.say(ctx, presence)
}

// say puts a presence and remembers it as what others see.
func (p *person) say(ctx context.Context, presence bridge.Presence) error {
	if err := p.putPresence(ctx, presence); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said, p.again = presence.Show, time.Time{}
	return nil
}

// leavePresence leaves the presence to the person's other client. Where a word lasts,
// one of MSN Messenger's that the other client does not say is taken back; and when it
// turns out that nobody was there any more, offline is said after all.
func (p *person) leavePresence(ctx context.Context) error {
	p.condition.Lock()
	lasting := p.lasting
	p.condition.Unlock()
	if !lasting {
		return nil
	}
	p.mu.Lock()
	said, again := p.said, p.again
	p.mu.Unlock()
	if visible(said) && said != bridge.Available {
		if err := p.say(ctx, bridge.Presence{Show: bridge.Available}); err != nil {
			return err
		}
	}
	switch {
	case again.IsZero():
		again = time.Now().Add(otherSeen)
	case !time.Now().Before(again):
		again = time.Time{} // it was seen since
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = again
	return nil
}

// elsewhere says whether another client of the person's has been seen lately.
func (p *person) elsewhere(ctx context.Context) (bool, error) {
	var resp *mautrix.RespDevicesInfo
	err := p.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = p.client.GetDevicesInfo(ctx)
		return err
	})
	switch {
	case err != nil && final(err):
		return true, nil // who cannot be seen may be there
	case err != nil:
		return false, fmt.Errorf("list the clients of %s: %w", p.user, err)
	}
	p.sealing.mu.Lock()
	own := p.client.DeviceID
	if p.sealing.client != nil {
		own = p.sealing.client.DeviceID
	}
	p.sealing.mu.Unlock()
	since := time.Now().Add(-otherSeen).UnixMilli()
	for _, device := range resp.Devices {
		if device.DeviceID != own && device.LastSeenTS > since {
			return true, nil
		}
	}
	return false, nil
}

// learn finds out what the homeserver makes of presence. One that does not tell is
// taken to follow the specification.
func (p *person) learn(ctx context.Context) error {
	p.condition.Lock()
	learned := p.learned
	p.condition.Unlock()
	if learned {
		return nil
	}
	var versions *mautrix.RespVersions
	err := p.network.call(ctx, func(ctx context.Context) (err error) {
		versions, err = p.client.Versions(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask what the homeserver can do: %w", err)
	}
	dendrite, err := p.onDendrite(ctx)
	if err != nil {
		return fmt.Errorf("ask what the homeserver is: %w", err)
	}
	p.busy.Store(versions.UnstableFeatures[unstableBusy])
	p.condition.Lock()
	defer p.condition.Unlock()
	p.learned, p.lasting = true, dendrite
	return nil
}

// onDendrite says whether the homeserver is Dendrite: as it tells other homeservers, or,
// where it speaks with none, by what only Dendrite has.
func (p *person) onDendrite(ctx context.Context) (bool, error) {
	var software struct {
		Server struct {
			Name string `json:"name"`
		} `json:"server"`
	}
	err := p.asked(ctx, &software, "_matrix", "federation", "v1", "version")
	if err == nil {
		return software.Server.Name == "Dendrite", nil
	}
	if status, _ := response(err); status != http.StatusNotFound {
		return false, unlessSaid(err)
	}
	err = p.asked(ctx, nil, "_dendrite", "monitor", "up")
	return err == nil, unlessSaid(err)
}

// asked reads what the homeserver has under a path.
func (p *person) asked(ctx context.Context, answer any, path ...any) error {
	return p.network.call(ctx, func(ctx context.Context) error {
		_, err := p.client.MakeRequest(ctx, http.MethodGet, p.client.BuildURL(mautrix.BaseURLPath(path)), nil, answer)
		return err
	})
}

// unlessSaid returns the error of a homeserver that did not answer; nil if it said no.
func unlessSaid(err error) error {
	if status, _ := response(err); status != 0 && status < http.StatusInternalServerError {
		return nil
	}
	return err
}

// follows makes the account follow exactly these people's presence.
func (p *person) follows(users map[id.UserID]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for user := range users {
		if p.watched[user] == nil {
			p.watched[user] = &watch{}
		}
	}
	for user := range p.watched {
		if !users[user] {
			delete(p.watched, user)
		}
	}
	if p.session != nil {
		poke(p.session.ask)
	}
}
