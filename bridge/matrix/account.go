package matrix

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// account is an MSN user on Matrix, as a ghost or as a [person]. What depends on
// how the account exists there is the client it acts through and its nature;
// everything else is the same for every kind.
type account struct {
	network *Network
	nature  nature
	pushed  bool         // the homeserver pushes the events of its rooms
	busy    *atomic.Bool // the homeserver knows the presence "busy"
	owner   bridge.Handle
	user    id.UserID
	client  *mautrix.Client
	state   roomState
	events  bridge.Receiver
	origins origins
	feed    *feed
	sealing *sealing
	poller  atomic.Pointer[mautrix.Client] // makes the polls
	log     zerolog.Logger

	life context.Context // ends with Close, or with the network
	end  context.CancelFunc
	work sync.WaitGroup // background work of the account
	wake chan struct{}  // pokes tend

	preparing sync.Mutex    // held while the account is made ready
	writing   chan struct{} // held while presence is written and sessions change
	making    sync.Mutex    // held while a direct room is looked for or made
	ignoring  sync.Mutex    // held while the list of ignored people is changed

	mu       sync.Mutex
	ready    bool // registered and named, since the homeserver last came up
	name     string
	presence bridge.Presence
	written  bool      // the homeserver has the presence
	again    time.Time // when the presence is to be looked after once more; zero for never
	session  *session
	watched  map[id.UserID]*watch
	names    map[id.UserID]string // last reported
	typing   map[id.RoomID]map[id.UserID]bool
	invites  map[id.RoomID]invite          // seen and neither joined nor left yet
	prompts  map[id.RoomID]invite          // to rooms that a ghost is in, and its user has not said a word about
	early    *recent[id.EventID, struct{}] // messages heard when an invite was accepted; nil for none
	caughtUp map[id.RoomID]bool            // accepted invites, of which what was said since has been heard
	overrun  map[id.UserID]bool            // who has sent too many invites, as the user was told
	listed   bool                          // joined rooms were read into the room state
	titles   map[id.RoomID]titled          // of groups
}

var (
	_ bridge.Account    = (*account)(nil)
	_ bridge.Typist     = (*account)(nil)
	_ bridge.Gatekeeper = (*account)(nil)
	_ bridge.Renamer    = (*account)(nil)
)

// The kinds of identities, as the store and the command line call them.
const (
	// KindGhost is an account in the gateway's own namespace.
	KindGhost = "ghost"
	// KindOwn is a person's own account on the gateway's homeserver, for which
	// the gateway acts by its second registration.
	KindOwn = "own"
	// KindLogin is a person's own account anywhere, on which the gateway is
	// logged in.
	KindLogin = "login"
)

// openers makes accounts by the kind of their login.
var openers = map[string]func(*Network, bridge.Login, bridge.Receiver) (member, error){
	"":        openGhost,
	KindGhost: openGhost,
	KindOwn:   openOwn,
	KindLogin: openLogin,
}

// member is what an opener makes: an account with what its kind adds to it.
type member interface {
	bridge.Account
	base() *account
}

func (a *account) base() *account { return a }

// Open implements [bridge.Network]. From then on the events of the account's
// rooms reach the receiver; all accounts are to be open before the homeserver
// can reach [Network.Handler], because what comes for an account that is not
// open is refused. Opening an account again takes the place of the one that is
// open. The context bounds the call only.
func (n *Network) Open(_ context.Context, login bridge.Login, events bridge.Receiver) (bridge.Account, error) {
	opener, ok := openers[login.Kind]
	if !ok {
		return nil, fmt.Errorf("open %s on Matrix: the kind %q is not known: use ghost, own or login", login.Account, login.Kind)
	}
	opened, err := opener(n, login, events)
	if err != nil {
		return nil, fmt.Errorf("open %s on Matrix: %w", login.Account, err)
	}
	a := opened.base()
	before, err := n.enter(a)
	if err != nil {
		a.end()
		return nil, fmt.Errorf("open %s on Matrix: %w", login.Account, err)
	}
	if before != nil {
		before.halt()
	}
	a.work.Go(func() { a.feed.run(a.life, a.events) })
	a.work.Go(func() { a.tend(a.life) })
	a.nature.opened()
	return opened, nil
}

// newAccount makes an account that does nothing yet, and has no nature.
func (n *Network) newAccount(login bridge.Login, user id.UserID, client *mautrix.Client, events bridge.Receiver) *account {
	a := &account{
		network: n, owner: login.Account, user: user, client: client, state: n.stateOf(client),
		events: events, feed: newFeed(), sealing: newSealing(),
		origins:  n.origins,
		log:      n.log.With().Str("account", string(login.Account)).Logger(),
		wake:     make(chan struct{}, 1),
		writing:  make(chan struct{}, 1),
		name:     login.Name,
		presence: bridge.Presence{Show: bridge.Offline},
		watched:  make(map[id.UserID]*watch),
		names:    make(map[id.UserID]string),
		typing:   make(map[id.RoomID]map[id.UserID]bool),
		invites:  make(map[id.RoomID]invite),
		prompts:  make(map[id.RoomID]invite),
		caughtUp: make(map[id.RoomID]bool),
		overrun:  make(map[id.UserID]bool),
		titles:   make(map[id.RoomID]titled),
	}
	a.life, a.end = context.WithCancel(n.life)
	return a
}

// enter puts an account into the table and returns the one in whose place it is.
func (n *Network) enter(a *account) (before *account, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before = n.accounts[a.user]
	if before != nil && before.owner != a.owner {
		return nil, fmt.Errorf("%s belongs to %s already: link it with another id", a.user, before.owner)
	}
	n.accounts[a.user] = a
	return before, nil
}

// Close implements [bridge.Account]. It says nothing to the homeserver: a
// gateway that ends its users' presence sets it offline first.
func (a *account) Close() error {
	n := a.network
	n.closings.Add(1) // before its events find nobody
	n.mu.Lock()
	if n.accounts[a.user] == a {
		delete(n.accounts, a.user)
	}
	n.mu.Unlock()
	a.halt()
	return nil
}

// halt ends the background work and waits for it.
func (a *account) halt() {
	a.mu.Lock() // so that no session starts from here on
	a.end()
	a.mu.Unlock()
	a.work.Wait()
	if device := a.sealing.current(); device != nil {
		device.Close()
	}
}

// ID implements [bridge.Account].
func (a *account) ID() bridge.RemoteID { return bridge.RemoteID(a.user) }

// Lookup implements [bridge.Account]. A profile that is not shown to us, which
// is the choice of some homeservers, still belongs to somebody.
func (a *account) Lookup(ctx context.Context, contact bridge.RemoteID) (bridge.Contact, error) {
	user := id.UserID(contact)
	if isRoom(contact) || isAlias(contact) {
		return a.lookUpRoom(ctx, contact)
	}
	if !a.nature.reaches(user) {
		return bridge.Contact{}, fmt.Errorf("look up %q: %w", contact, bridge.ErrNoSuchContact)
	}
	if err := a.ensureReady(ctx); err != nil {
		return bridge.Contact{}, fmt.Errorf("look up %s: %w", contact, err)
	}
	var profile *mautrix.RespUserProfile
	err := a.network.call(ctx, func(ctx context.Context) (err error) {
		profile, err = a.client.GetProfile(ctx, user)
		return err
	})
	switch {
	case err == nil:
		return bridge.Contact{ID: contact, Name: oneLine(profile.DisplayName)}, nil
	case notThere(err):
		return bridge.Contact{}, fmt.Errorf("look up %s: %w", contact, bridge.ErrNoSuchContact)
	case forbidden(err):
		return bridge.Contact{ID: contact}, nil
	}
	return bridge.Contact{}, fmt.Errorf("look up %s: %w", contact, err)
}

// Rename implements [bridge.Renamer].
func (a *account) Rename(ctx context.Context, name string) error {
	a.mu.Lock()
	a.name = name
	a.mu.Unlock()
	if err := a.ensureReady(ctx); err != nil {
		return fmt.Errorf("rename %s: %w", a.user, err)
	}
	if err := a.setName(ctx, name); err != nil {
		return fmt.Errorf("rename %s: %w", a.user, err)
	}
	return nil
}

func (a *account) setName(ctx context.Context, name string) error {
	err := a.network.call(ctx, func(ctx context.Context) error { return a.client.SetDisplayName(ctx, name) })
	if err != nil && final(err) {
		return refused(err)
	}
	return err
}

// ensureReady prepares the account, once in its life and again after the
// homeserver was away.
func (a *account) ensureReady(ctx context.Context) error {
	a.preparing.Lock()
	defer a.preparing.Unlock()
	a.mu.Lock()
	ready := a.ready
	a.mu.Unlock()
	if ready {
		return nil
	}
	if err := a.nature.prepare(ctx); err != nil {
		return err
	}
	a.mu.Lock()
	a.ready = true
	a.mu.Unlock()
	return nil
}

// connectionChanged tells the receiver, and takes up the account's own work
// again when the homeserver is back.
func (a *account) connectionChanged(state bridge.ConnectionChanged) {
	a.feed.put(feedKey{kind: "connection"}, state)
	if !state.Up {
		return
	}
	a.mu.Lock()
	a.ready, a.written = false, false
	session := a.session
	a.mu.Unlock()
	poke(a.wake)
	if session != nil {
		poke(session.ask)
	}
}

// tend keeps the homeserver's idea of the account as it should be: registered,
// named, and with the presence that was set last. It tries again what failed,
// and says the presence again where no sync does.
func (a *account) tend(ctx context.Context) {
	var failures backoff
	for {
		pause := a.network.options.RefreshPresence
		if !a.nature.down() {
			if err := a.settle(ctx); err != nil && ctx.Err() == nil {
				a.log.Debug().Err(err).Msg("Account is not ready yet")
				pause = failures.fail()
			} else {
				failures.reset()
			}
		}
		if !wait(ctx, pause, a.wake) {
			return
		}
	}
}

// settle does what tend finds undone. Only a few accounts do at once, because
// all of them have to when the homeserver comes back.
func (a *account) settle(ctx context.Context) error {
	select {
	case a.network.asking <- struct{}{}:
		defer func() { <-a.network.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := a.ensureReady(ctx); err != nil {
		return err
	}
	if !a.acquire(ctx) {
		return ctx.Err()
	}
	defer a.release()
	if !a.presenceDue() {
		return nil
	}
	return a.writePresence(ctx)
}

// acquire takes the right to write presence; false means that the context
// ended before.
func (a *account) acquire(ctx context.Context) bool {
	select {
	case a.writing <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *account) release() { <-a.writing }
