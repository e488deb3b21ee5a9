// Package matrix is a [bridge.Network] over Matrix. It is an application
// service of one homeserver: each MSN user is there as a ghost, an account in
// a namespace that belongs to the gateway, and writes to anybody on any
// homeserver.
//
// What people do reaches the gateway in two ways. The homeserver pushes room
// events in transactions, which are acknowledged only when every event in them
// is durably taken care of (transactions.go). Presence and typing are not
// pushed by every homeserver, so that each ghost syncs for itself while its MSN
// user is signed in (sync.go), and asks for the presence of those it shares no
// room with (watch.go). Both ways meet in receive.go and presence.go; what an
// event looks like in MSN is decided by package content.
//
// The package knows nothing of MSN beyond handles, and keeps nothing but the
// homeserver's room state: which room belongs to which contact is stored by the
// gateway ([bridge.Chats]).
package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/id"
	"maunium.net/go/mautrix/sqlstatestore"

	"papillon/bridge"
)

// Name is what the network is called in the store and on the command line.
const Name = "matrix"

// Options says how the network is reached and what it works with.
type Options struct {
	// HomeserverURL is the base URL of the gateway's own homeserver's client
	// API, Domain its server name. Empty means that there is none: then people
	// are on Matrix by [KindLogin] alone.
	HomeserverURL, Domain string
	// Registration is the one that the gateway's homeserver has loaded; see
	// [NewRegistration]. It must be set if there is one.
	Registration *appservice.Registration
	// GhostPrefix is the one the registration was made with; empty means
	// [DefaultGhostPrefix].
	GhostPrefix string
	// AccountDomain is the MSN domain of the gateway. The ghost of a handle in
	// it is named by the local part alone. Empty means that there is none.
	AccountDomain string
	// StateDB holds the room state, in tables of its own. It must be set; the
	// caller closes it.
	StateDB *dbutil.Database
	// Puppets is the second registration, which the homeserver has loaded as
	// well; see [NewPuppetRegistration]. Without it there is no [KindOwn].
	Puppets *appservice.Registration
	// PickleKey seals the keys of encrypted rooms in StateDB; it must be the same
	// for ever. Without it there is no encryption.
	PickleKey []byte
	// Chats stores which room belongs to which contact. It must be set.
	Chats bridge.Chats
	// Memory stores how far a person's own account has been read. Without it
	// there is no [KindOwn] and no [KindLogin].
	Memory bridge.Memory
	// Renew stores new credentials of an account that it is open with already:
	// those of a log-in by browser change every few minutes.
	Renew func(ctx context.Context, account bridge.Handle, credentials []byte) error
	// Log gets what an operator wants to know. Texts of messages never do.
	Log zerolog.Logger
	// HTTPClient makes the requests; nil means one of the network's own. It
	// must have no timeout: every request has one, by its kind.
	HTTPClient *http.Client
	// PollPresence is how often the presence of contacts is asked for that
	// do not come by sync; zero means 30 s.
	PollPresence time.Duration
	// RefreshPresence is how often a user's presence is said again while no
	// sync does it; zero means 20 s, because Synapse forgets it after 30.
	RefreshPresence time.Duration
	// ProbeInterval is how often a homeserver that answers is asked whether
	// it still does; zero means 30 s.
	ProbeInterval time.Duration
	// CallTimeout bounds one request; zero means 15 s.
	CallTimeout time.Duration
	// SyncTimeout is how long a homeserver holds a poll that has nothing to
	// tell; zero means 30 s.
	SyncTimeout time.Duration
	// MaxTransaction bounds the body of a transaction in bytes; zero means
	// 32 MiB, several times what the specification lets a homeserver send.
	MaxTransaction int64
}

// The defaults of [Options].
const (
	defaultPollPresence    = 30 * time.Second
	defaultRefreshPresence = 20 * time.Second
	defaultProbeInterval   = 30 * time.Second
	defaultCallTimeout     = 15 * time.Second
	defaultSyncTimeout     = 30 * time.Second
	defaultMaxTransaction  = 32 << 20
)

// Network is Matrix as the gateway sees it. Make one with [New]. All methods
// are safe from any goroutine.
type Network struct {
	options  Options
	log      zerolog.Logger
	ghosts   ghosts
	base     *url.URL
	http     *http.Client
	state    *sqlstatestore.SQLStateStore
	reach    *reach
	bot      *bot
	rooms    keyed[id.RoomID] // one event of a room at a time
	seen     *seenRing
	origins  origins       // of all ghosts
	intake   chan struct{} // held by the one transaction that is handled
	joins    joins
	closings atomic.Int64  // how often an account was closed
	behind   atomic.Bool   // the last transaction will be offered again
	asking   chan struct{} // bounds what all accounts ask by themselves
	busy     atomic.Bool   // the homeserver knows the presence "busy"

	// life ends all background work, of accounts too.
	life context.Context
	end  context.CancelFunc

	strict    atomic.Bool // the homeserver refuses presence that it does not know
	upgrading sync.Mutex
	upgraded  bool // the tables of keys are there

	mu       sync.RWMutex
	accounts map[id.UserID]*account
}

var _ bridge.Network = (*Network)(nil)

// maxAsking is how many presence questions and preparations of accounts run at
// once.
const maxAsking = 8

// New makes the network. It prepares its tables in the database but does not
// speak to the homeserver, which may be down. Errors are one line that says
// what to change.
func New(ctx context.Context, options Options) (*Network, error) {
	base, err := options.check()
	if err != nil {
		return nil, fmt.Errorf("set up Matrix: %w", err)
	}
	options.fill()
	log := options.Log.With().Str("network", Name).Logger()
	state := sqlstatestore.NewSQLStateStore(options.StateDB, dbutil.ZeroLogger(log.Level(zerolog.WarnLevel)), false)
	if err := state.Upgrade(ctx); err != nil {
		return nil, fmt.Errorf("prepare the tables of Matrix: %w", err)
	}
	n := &Network{
		options: options, log: log, base: base, http: soundClient(options.HTTPClient), state: state,
		ghosts:   ghosts{prefix: options.GhostPrefix, domain: options.Domain, home: options.AccountDomain},
		seen:     newSeenRing(seenEvents),
		origins:  newOrigins(ghostOrigins),
		intake:   make(chan struct{}, 1),
		asking:   make(chan struct{}, maxAsking),
		accounts: make(map[id.UserID]*account),
	}
	if base != nil {
		n.ghosts.bot = id.NewUserID(options.Registration.SenderLocalpart, options.Domain)
	}
	n.life, n.end = context.WithCancel(context.Background())
	n.reach = newReach(n)
	n.bot = newBot(n)
	return n, nil
}

// check finds what is missing or wrong. The URL is nil for a gateway without a
// homeserver of its own.
func (o Options) check() (*url.URL, error) {
	if o.StateDB == nil || o.Chats == nil {
		return nil, errors.New("there is no storage")
	}
	if o.HomeserverURL == "" && o.Registration == nil {
		return nil, nil
	}
	base, err := mautrix.ParseAndNormalizeBaseURL(o.HomeserverURL)
	switch {
	case o.HomeserverURL == "" || err != nil || base.Host == "":
		return nil, fmt.Errorf("the homeserver's URL %q is not one: it must be like http://127.0.0.1:8008", o.HomeserverURL)
	case !id.ValidateServerName(o.Domain):
		return nil, fmt.Errorf("the homeserver's domain %q is not a server name: it must be like example.org", o.Domain)
	case o.Registration == nil:
		return nil, errors.New("there is no registration")
	}
	if err := checkRegistration(o.Registration); err != nil {
		return nil, fmt.Errorf("the registration: %w", err)
	}
	if o.Puppets != nil {
		if err := checkRegistration(o.Puppets); err != nil {
			return nil, fmt.Errorf("the second registration: %w", err)
		}
	}
	probe := "@" + or(o.GhostPrefix, DefaultGhostPrefix) + "x:" + o.Domain
	for _, ns := range o.Registration.Namespaces.UserIDs {
		if ok, _ := regexp.MatchString(ns.Regex, probe); ok {
			return base, nil
		}
	}
	return nil, fmt.Errorf("the registration does not cover ghosts such as %s: it was made for another domain or prefix", probe)
}

// fill puts the defaults in.
func (o *Options) fill() {
	o.GhostPrefix = or(o.GhostPrefix, DefaultGhostPrefix)
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.PollPresence, defaultPollPresence},
		{&o.RefreshPresence, defaultRefreshPresence},
		{&o.ProbeInterval, defaultProbeInterval},
		{&o.CallTimeout, defaultCallTimeout},
		{&o.SyncTimeout, defaultSyncTimeout},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if o.MaxTransaction == 0 {
		o.MaxTransaction = defaultMaxTransaction
	}
	if o.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		// Every signed-in ghost keeps a poll open at the same host.
		transport.MaxIdleConnsPerHost = 64
		o.HTTPClient = &http.Client{Transport: transport}
	}
}

// Title implements [bridge.Titled].
func (n *Network) Title() string { return "Matrix" }

// Name implements [bridge.Network].
func (n *Network) Name() string { return Name }

// ParseContact implements [bridge.Network]. It also reads the addresses and ids of
// rooms, and links to either.
func (n *Network) ParseContact(address string) (bridge.RemoteID, bool) {
	address = strings.TrimSpace(address)
	if room, ok := parseAddress(address); ok {
		return room, true
	}
	if uri, err := id.ParseMatrixURIOrMatrixToURL(address); err == nil {
		address = string(uri.UserID())
	}
	user, ok := n.ghosts.parseContact(address)
	return bridge.RemoteID(user), ok
}

// Address implements [bridge.Network].
func (n *Network) Address(id bridge.RemoteID) (local, domain string) { return address(id) }

// Run does the work that belongs to no account: it watches whether the
// gateway's homeserver answers. It returns nil when the context ends, and with it ends
// the background work of all accounts.
func (n *Network) Run(ctx context.Context) error {
	defer n.end()
	if n.base == nil {
		<-ctx.Done()
		return nil
	}
	n.reach.run(ctx)
	return nil
}

// account returns the open account that the homeserver pushes events for, nil if
// there is none of that id.
func (n *Network) account(user id.UserID) *account {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if a := n.accounts[user]; a != nil && a.pushed {
		return a
	}
	return nil
}

// open returns all open accounts that the homeserver pushes events for.
func (n *Network) open() []*account {
	n.mu.RLock()
	defer n.mu.RUnlock()
	all := make([]*account, 0, len(n.accounts))
	for _, a := range n.accounts {
		if a.pushed {
			all = append(all, a)
		}
	}
	return all
}
