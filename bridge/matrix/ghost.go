package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/cipher"
)

// nature is what depends on how an account exists on Matrix.
type nature interface {
	// opened begins what runs as long as the account is open.
	opened()
	// prepare makes the account ready for requests; see [account.ensureReady].
	prepare(ctx context.Context) error
	// down says whether requests are in vain for now.
	down() bool
	// sync polls until the session ends.
	sync(ctx context.Context, s *session)
	// told says whether events tell at once of what happens in the account's rooms.
	told() bool
	// word is the presence that a poll says.
	word() event.Presence
	// show tells the homeserver the user's presence.
	show(ctx context.Context, presence bridge.Presence) error
	// self says whether somebody is on our side of the bridge, so that what he
	// does concerns nobody here.
	self(user id.UserID) bool
	// reaches says whether somebody is to be reached over Matrix.
	reaches(user id.UserID) bool
	// chatOf returns the chat that a room is, for what somebody does there.
	chatOf(ctx context.Context, room id.RoomID, sender id.UserID) (bridge.Chat, error)
	// device logs the account in as a device of its own, whose keys open what is
	// encrypted. The error is [errBarred] where that cannot be.
	device(ctx context.Context) (*mautrix.Client, error)
	// admit sees to it that others trust the device that the account has now.
	admit(ctx context.Context, device *cipher.Device)
	// fetchKeys takes in what the device was sent, where the sync does not.
	fetchKeys(ctx context.Context) error
	// heard takes care of a message-like event. The caller holds the room's lock.
	heard(ctx context.Context, evt *event.Event) error
	// sendDirect sends to the room of the chat with a contact, and makes one
	// if need be.
	sendDirect(ctx context.Context, contact id.UserID, message bridge.Outgoing) error
	// entered takes note of a room that the account has come into by itself.
	entered(ctx context.Context, room id.RoomID) error
	// movedOn tells of the room by which one of the account's was replaced.
	movedOn(ctx context.Context, room bridge.Contact) error
	// groups lists the rooms that are no direct chats.
	groups(ctx context.Context) ([]bridge.Contact, error)
}

// ghost is the nature of an account in the gateway's own namespace: it exists for
// the gateway alone, who makes it, names it and says its presence.
type ghost struct{ *account }

// openGhost checks the id of a ghost, or makes it from the handle.
func openGhost(n *Network, login bridge.Login, events bridge.Receiver) (member, error) {
	switch {
	case n.base == nil && login.Kind == "":
		return nil, bridge.ErrNotLinked
	case n.base == nil:
		return nil, errors.New("there is no homeserver for ghosts: set one up, or link the account with the kind login")
	}
	user := id.UserID(login.ID)
	if user == "" {
		var err error
		if user, err = n.ghosts.idOf(login.Account); err != nil {
			return nil, err
		}
	}
	if err := n.ghosts.check(user); err != nil {
		return nil, err
	}
	a := n.newAccount(login, user, n.client(user), events)
	a.pushed, a.busy = true, &n.busy
	a.nature = ghost{a}
	return a, nil
}

// opened implements [nature]: whether the homeserver is there is known already,
// or will be told shortly.
func (g ghost) opened() {
	if state, known := g.network.reach.now(); known {
		g.connectionChanged(state)
	}
}

// prepare registers the ghost and gives it its name. The homeserver may have come
// back with another database.
func (g ghost) prepare(ctx context.Context) error {
	if err := g.register(ctx); err != nil {
		return fmt.Errorf("register %s: %w", g.user, err)
	}
	g.mu.Lock()
	name := g.name
	g.mu.Unlock()
	if name == "" {
		return nil
	}
	var profile *mautrix.RespUserProfile
	err := g.network.call(ctx, func(ctx context.Context) (err error) {
		profile, err = g.client.GetProfile(ctx, g.user)
		return err
	})
	if err == nil && profile.DisplayName == name {
		return nil
	}
	if err := g.setName(ctx, name); err != nil {
		return fmt.Errorf("name %s: %w", g.user, err)
	}
	return nil
}

// register makes the ghost; one that is there already is as good.
func (g ghost) register(ctx context.Context) error {
	err := g.network.call(ctx, func(ctx context.Context) error {
		_, err := g.client.MakeRequest(ctx, http.MethodPost, g.client.BuildClientURL("v3", "register"),
			&mautrix.ReqRegister[any]{Username: g.user.Localpart(), Type: mautrix.AuthTypeAppservice, InhibitLogin: true}, nil)
		return err
	})
	if err != nil && !errors.Is(err, mautrix.MUserInUse) {
		return err
	}
	return g.network.state.MarkRegistered(ctx, g.user)
}

// down implements [nature].
func (g ghost) down() bool { return g.network.reach.down() }

// told implements [nature]: transactions come at all times, but while one is being
// handled, and after one that will be offered again, there may be news behind it.
func (g ghost) told() bool { return len(g.network.intake) == 0 && !g.network.behind.Load() }

// self implements [nature]: what one ghost does to another was done over MSN.
func (g ghost) self(user id.UserID) bool { return g.network.ghosts.owns(user) }

// reaches implements [nature]: behind the other ghosts are MSN users.
func (g ghost) reaches(user id.UserID) bool {
	checked, ok := g.network.ghosts.parseContact(string(user))
	return ok && checked == user
}

// word implements [nature]. It never says offline: no poll runs then, because on
// Dendrite it would make the user offline, and on others online again.
func (g ghost) word() event.Presence {
	g.mu.Lock()
	defer g.mu.Unlock()
	word := toMatrix(g.presence.Show, g.busy.Load())
	if word == event.PresenceOffline {
		return event.PresenceUnavailable
	}
	return word
}

// show implements [nature].
func (g ghost) show(ctx context.Context, presence bridge.Presence) error {
	return g.putPresence(ctx, presence)
}
