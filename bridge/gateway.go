package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"papillon/msnp"
)

// Options is what a [Gateway] is made of. Storage, Domain and Log are required.
type Options struct {
	// Domain is the gateway's own: that of handles typed without one, and of
	// the helper contact.
	Domain string
	// LoginDomains are further domains under which accounts of Domain may
	// sign in, for clients whose windows insist on them: with "hotmail.com",
	// alice@hotmail.com is alice@Domain.
	LoginDomains []string
	Storage      Storage
	// Networks, in the order in which an unknown handle is looked up.
	Networks []Network
	Presence PresenceRules
	Limits   Limits
	// GiveUpAfter is how long an outgoing message is tried; 0 for ever.
	GiveUpAfter time.Duration
	// Missed is how many messages of one conversation that wait for a user are handed
	// over, the newest of them, where the network keeps the others: one line says how
	// many they are. 0 for all.
	Missed int
	// Media makes links to what comes with messages; nil for none.
	Media MediaLinks
	// SignUp decides who may make an account from a network; nil for nobody.
	SignUp func(network string, person RemoteID) bool
	// NewPassword makes an app password; needed for SignUp.
	NewPassword func() (string, error)
	// ServerAddress is what people are told to set in their client, "msn.example.org"
	// or "msn.example.org:1863"; empty where the gateway does not know it.
	ServerAddress string
	Log           zerolog.Logger
}

// Limits bounds what one user may have. 0 switches a limit off.
type Limits struct {
	ListLength   int // entries on a list
	Participants int // people in a conversation
	// SignInAttempts is how many sign-ins of one address, or of the /64 that an
	// IPv6 address is in, may fail at one account within SignInWindow before
	// further ones are refused unseen. Without either nothing is counted.
	SignInAttempts int
	SignInWindow   time.Duration
	// SignInDelay is how long the first refused sign-in takes, whatever the reason:
	// it should be longer than any of the checks, so that the time tells nobody
	// which handles exist. Each further one of the same guesser takes twice as long
	// as the one before, up to SignInDelayMax.
	SignInDelay    time.Duration
	SignInDelayMax time.Duration
}

// Gateway connects MSN users with each other and with the people on networks.
// It implements [msnp.Backend]. All methods are safe from any goroutine.
type Gateway struct {
	Options
	ctx        context.Context // ends when background work is to stop
	cancel     context.CancelFunc
	background sync.WaitGroup
	guesses    guessLimiter
	reaper     inboxReaper
	watch      *accountWatch
	lastID     atomic.Uint32 // of conversations

	mu     sync.Mutex
	users  map[Handle]*user   // signed in
	stale  map[Handle]bool    // whose clients may have kept an RL that is not the present one
	links  map[Handle][]*link // by account, in the order of Networks
	closed bool
}

// New makes a gateway. Call [Gateway.Start] before clients may sign in.
func New(options Options) *Gateway {
	ctx, cancel := context.WithCancel(context.Background())
	g := &Gateway{
		Options: options,
		ctx:     ctx,
		cancel:  cancel,
		stale:   make(map[Handle]bool),
		guesses: guessLimiter{limit: options.Limits.SignInAttempts, window: options.Limits.SignInWindow, byGuesser: make(map[guesser]*guesses)},
		users:   make(map[Handle]*user),
		links:   make(map[Handle][]*link),
		watch:   newAccountWatch(),
	}
	g.reaper = inboxReaper{gateway: g, pending: make(map[int64]struct{})}
	g.lastID.Store(firstConversation + rand.Uint32N(1<<20))
	return g
}

// Start opens every account's identities and begins to carry out what waits in
// the outboxes.
func (g *Gateway) Start(ctx context.Context) error {
	if len(g.Networks) == 0 {
		return nil
	}
	for _, n := range g.Networks {
		if reception, ok := n.(Reception); ok {
			reception.Attend(&desk{gateway: g, network: n})
		}
	}
	var err error
	if _, g.watch.began, err = g.Storage.AccountChanges(ctx, -1); err != nil {
		return fmt.Errorf("watch accounts: %w", err)
	}
	err = g.Storage.EachAccount(ctx, func(a AccountRecord) error {
		return g.openLinks(ctx, a)
	})
	if err != nil {
		return fmt.Errorf("open accounts: %w", err)
	}
	return nil
}

// awaitLink is linkOf for what would be refused without an identity: one that was
// stored a moment ago is waited for, until [Gateway.Run] has opened it.
func (g *Gateway) awaitLink(ctx context.Context, h Handle, network string) *link {
	ticker := time.NewTicker(accountPoll / 10)
	defer ticker.Stop()
	for deadline := time.Now().Add(3 * accountPoll); ; {
		l := g.linkOf(h, network)
		if l != nil || time.Now().After(deadline) {
			return l
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// reopenLinks closes those of an account's identities that are not as they are
// stored, and opens what is then missing. The others go on: while one is closed
// its network may have nobody to give a message to.
func (g *Gateway) reopenLinks(ctx context.Context, h Handle) error {
	account, err := g.Storage.Account(ctx, h)
	if errors.Is(err, ErrNoAccount) {
		g.adopt(h, g.closeLinks(h, func(*link) bool { return false }))
		return nil // removed since; that change comes next
	}
	if err != nil {
		return err
	}
	identities, err := g.Storage.Identities(ctx, h)
	if err != nil {
		return err
	}
	orphans := g.closeLinks(h, func(l *link) bool { return l.login.same(loginOf(account, l.network.Name(), identities)) })
	err = g.openLinks(ctx, account)
	g.adopt(h, orphans)
	return err
}

// adopt sees to it that whoever waits for an order of an identity that was closed is
// told what becomes of it: by the next identity, if the order is still stored; else it
// will not be carried out.
func (g *Gateway) adopt(h Handle, orphans []*pendingOrder) {
	for _, p := range orphans {
		if l := g.linkOf(h, p.Network); l == nil || !l.outbox.adopt(p) {
			p.done(errIdentityClosed)
		}
	}
}

// forgetAccount takes a removed account off the RL of those who are signed in;
// the store has done so already.
func (g *Gateway) forgetAccount(ctx context.Context, h Handle) {
	g.mu.Lock()
	users := slices.Collect(maps.Values(g.users))
	g.mu.Unlock()
	for _, u := range users {
		u.mu.RLock()
		listed := u.lists[msnp.Reverse].has(h)
		u.mu.RUnlock()
		if !listed {
			continue
		}
		account, err := g.Storage.Account(ctx, u.handle)
		if err != nil {
			u.log().Warn().Err(err).Msg("Cannot tell that a contact's account was removed")
			continue
		}
		u.owner.post(func() { u.reverseChanged(false, msnp.Member{Handle: h}, account.Serial) })
	}
}

// Stop ends all background work: nothing new is begun, and what runs is given
// until the context ends. What waits stays stored. Clients should have been
// signed out before.
func (g *Gateway) Stop(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	var links []*link
	for _, ls := range g.links {
		links = append(links, ls...)
	}
	g.mu.Unlock()
	var quitting errgroup.Group
	quitting.SetLimit(16)
	for _, l := range links {
		quitting.Go(func() error { l.goOffline(ctx); return nil })
	}
	err := quitting.Wait()
	g.cancel()
	done := make(chan struct{})
	go func() { g.background.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("stop gateway: %w", ctx.Err())
	}
	for _, l := range links {
		err = errors.Join(err, l.account.Close())
	}
	return err
}

// spawn runs background work that Stop waits for. The context ends with the
// gateway. It is not run, and false returned, when the gateway has stopped.
func (g *Gateway) spawn(f func(context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.background.Add(1)
	go func() {
		defer g.background.Done()
		f(g.ctx)
	}()
	return true
}

// user returns the signed-in user of a handle; nil if there is none.
func (g *Gateway) user(h Handle) *user {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.users[h]
}

// firstConversation is the lowest id of a conversation after a start. The original
// service's had eight digits. aMSN takes a ring for the answer to a request of its own
// when the id is that of the request, which it counts from 1.
const firstConversation = 1 << 20

// newConversationID counts conversations, below 2^31 and never 0.
func (g *Gateway) newConversationID() uint32 {
	for {
		if id := g.lastID.Add(1) & (1<<31 - 1); id != 0 {
			return id
		}
	}
}

// openLinks opens an account's identity on each network.
func (g *Gateway) openLinks(ctx context.Context, a AccountRecord) error {
	identities, err := g.Storage.Identities(ctx, a.Handle)
	if err != nil {
		return err
	}
	for _, n := range g.Networks {
		if g.linkOf(a.Handle, n.Name()) != nil {
			continue
		}
		login := loginOf(a, n.Name(), identities)
		if err := g.openLink(ctx, n, login); err != nil {
			// One account that cannot be opened must not keep the others away.
			g.Log.Error().Err(err).Str("handle", string(a.Handle)).Str("network", n.Name()).Msg("Cannot open an identity")
		}
	}
	return nil
}

// loginOf is the identity of an account on a network.
func loginOf(a AccountRecord, network string, identities []IdentityRecord) Login {
	login := Login{Account: a.Handle, Name: a.Name}
	for _, id := range identities {
		if id.Network == network {
			login.Kind, login.ID, login.Credentials = id.Kind, id.ID, id.Credentials
		}
	}
	return login
}

// same says whether two logins are one identity; the name does not matter, of
// which an open account is told.
func (a Login) same(b Login) bool {
	return a.Account == b.Account && a.Kind == b.Kind && a.ID == b.ID && bytes.Equal(a.Credentials, b.Credentials)
}

// openLink opens one identity.
func (g *Gateway) openLink(ctx context.Context, n Network, login Login) error {
	l := newLink(g, n, login.Account)
	l.login = login
	account, err := n.Open(ctx, login, l)
	if errors.Is(err, ErrNotLinked) {
		return nil
	}
	if err != nil {
		return err
	}
	l.account = account
	close(l.ready)
	if err := l.outbox.load(ctx); err != nil {
		return errors.Join(err, account.Close())
	}
	g.mu.Lock()
	all := append(slices.Clip(g.links[login.Account]), l) // others hold the old slice
	slices.SortFunc(all, func(x, y *link) int { return slices.Index(g.Networks, x.network) - slices.Index(g.Networks, y.network) })
	g.links[login.Account] = all
	u := g.users[login.Account]
	g.mu.Unlock()
	if u != nil {
		u.owner.post(func() { u.linkOpened(l) })
	}
	return nil
}

// closeLinks closes an account's identities, but for those to keep, and returns the
// orders whose outcome somebody waits for.
func (g *Gateway) closeLinks(h Handle, keep func(*link) bool) (orphans []*pendingOrder) {
	g.mu.Lock()
	var links, kept []*link
	for _, l := range g.links[h] {
		if keep(l) {
			kept = append(kept, l)
		} else {
			links = append(links, l)
		}
	}
	g.links[h] = kept
	if len(kept) == 0 {
		delete(g.links, h)
	}
	u := g.users[h]
	g.mu.Unlock()
	for _, l := range links {
		if u != nil {
			u.owner.post(func() { u.linkClosed(l) })
		}
		l.outbox.close()
		l.presence.finish()
		if err := l.account.Close(); err != nil {
			l.log.Warn().Err(err).Msg("Cannot close an identity")
		}
		// What the next identity finds in the store must not be under way here.
		l.outbox.running.Wait()
		orphans = append(orphans, l.outbox.orphans()...)
	}
	return orphans
}

// linksOf returns an account's open identities.
func (g *Gateway) linksOf(h Handle) []*link {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.links[h]
}

// linkOf returns an account's identity on a network; nil if there is none.
func (g *Gateway) linkOf(h Handle, network string) *link {
	for _, l := range g.linksOf(h) {
		if l.network.Name() == network {
			return l
		}
	}
	return nil
}
