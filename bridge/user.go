package bridge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge/text"
	"papillon/msnp"
)

// user is a signed-in MSN user and implements [msnp.Session]. Its owner is the
// only one who touches it, but for what mu guards: that the owner alone writes,
// and anybody reads.
type user struct {
	gateway  *Gateway
	handle   Handle
	era      text.Era
	notifier msnp.Notifier
	owner    owner
	naming   naming

	// changing is held while something is stored that a later session of the account
	// reads; retired says that there is one. See change.
	changing sync.Mutex
	retired  bool

	mu      sync.RWMutex
	name    string
	status  msnp.Status // Offline until the first CHG, and again at the end
	prompt  msnp.Prompt
	privacy msnp.Privacy
	lists   [4]roll
	dialect int
	// calls are the rings that are not answered yet, by who calls; nil for none. Whoever
	// holds mu may write it.
	calls map[Handle]int
	// networkGroups are the groups that the networks' contacts are in; see keptGroups.
	networkGroups map[string]uint32

	// The rest belongs to the owner.
	ctx       context.Context // see life
	cancel    context.CancelFunc
	serial    uint32
	synced    bool // has asked for the lists: changes are pushed
	announced bool // has set a status: contacts' statuses are pushed
	closed    bool
	windows   windows
	arrivals  arrivals
	links     []*link
	toldDown  map[*link]bool          // networks of which the user knows that they are down
	toldFull  bool                    // knows that a network's contact list is too long
	removed   map[Handle]*remoteState // contacts taken off FL a moment ago, who may come back under another name
	leaving   map[Handle]leaving      // local users taken off FL a moment ago, who are not told yet
	left      map[Handle]bool         // who took this one off FL a moment ago; the client is not told yet
	catching  map[string]bool         // networks of which much is still to come; see [CatchingUp]
	lastTalk  Handle                  // with whom the user talked last
}

// errSignedOut answers what comes after a session has ended.
var errSignedOut = msnp.Errorf(msnp.CodeNotLoggedIn, "the session has ended")

// log returns a logger that names the user. It is made when there is something to say:
// thousands of idle users need none. Safe from any goroutine.
func (u *user) log() *zerolog.Logger {
	log := u.gateway.Log.With().Str("handle", string(u.handle)).Logger()
	return &log
}

// life returns the context that ends with the session, which is made for those
// who have something to wait for. Owned.
func (u *user) life() context.Context {
	if u.ctx == nil {
		u.ctx, u.cancel = context.WithCancel(u.gateway.ctx)
		if u.closed {
			u.cancel()
		}
	}
	return u.ctx
}

// Open implements [msnp.Backend].
func (g *Gateway) Open(ctx context.Context, h msnp.Handle, client msnp.Client, notifier msnp.Notifier) (msnp.Session, error) {
	u := &user{
		gateway: g, handle: h, notifier: notifier, dialect: client.Dialect,
		era: text.EraOf(client.Dialect),
	}
	var (
		earlier *user
		entered bool
		err     error
	)
	for !entered && err == nil {
		if earlier = g.user(h); earlier != nil {
			earlier.retire()
		}
		// The one function that blocks while it owns the user: from the moment the
		// user can be found nothing about him may be missed, and nobody may see
		// him before his lists are there.
		u.owner.do(func() {
			u.mu.Lock()
			defer u.mu.Unlock()
			if entered, err = g.enter(u, earlier); entered {
				err = u.load(ctx)
			}
		})
	}
	if entered && earlier != nil {
		earlier.notifier.SignOut(msnp.SignedInElsewhere)
		earlier.end()
	}
	if err == nil {
		err = u.distrust(ctx)
	}
	if err != nil {
		u.Close()
		return nil, err
	}
	u.owner.do(u.wakeRosters) // after the earlier session's farewell
	return u, nil
}

// change makes a change that is stored, unless a later session may have read by now what
// was stored before it.
func (u *user) change(f func() error) error {
	u.changing.Lock()
	defer u.changing.Unlock()
	if u.retired {
		return errSignedOut
	}
	return f()
}

// retire waits for the change that is being made and lets no other follow.
func (u *user) retire() {
	u.changing.Lock()
	defer u.changing.Unlock()
	u.retired = true
}

// enter makes a user the one who is signed in under his handle, unless that is not
// the one any more whom he is to follow.
func (g *Gateway) enter(u, earlier *user) (entered bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false, msnp.Errorf(msnp.CodeServerGoingDown, "the gateway is stopping")
	}
	if g.users[u.handle] != earlier {
		return false, nil
	}
	g.users[u.handle] = u
	u.links = g.links[u.handle]
	return true, nil
}

// load reads what is stored for the user. Owned, and with the lock held.
func (u *user) load(ctx context.Context) error {
	b, err := u.gateway.Storage.Belongings(ctx, u.handle)
	if err != nil {
		return fmt.Errorf("read account and lists: %w", err)
	}
	u.name, u.prompt, u.privacy, u.serial = b.Name, b.Prompt, b.Privacy, b.Serial
	for list, members := range b.Lists {
		u.lists[list] = newRoll(members)
	}
	if len(b.Contacts) > 0 {
		for i := range u.lists[msnp.Forward].entries {
			e := &u.lists[msnp.Forward].entries[i]
			if c, ok := b.Contacts[e.handle()]; ok {
				e.remote = u.remoteOf(c)
			}
		}
	}
	for _, l := range u.links {
		u.followAll(l)
	}
	if !b.Waiting {
		return nil
	}
	return u.loadArrivals(ctx)
}

// Close implements [msnp.Session].
func (u *user) Close() {
	g := u.gateway
	g.mu.Lock()
	if g.users[u.handle] == u {
		delete(g.users, u.handle)
	}
	g.mu.Unlock()
	u.end()
}

// end stops the session: the contacts see it go, and its windows close. It may
// be called twice: by a sign-in elsewhere, and by the connection.
func (u *user) end() {
	u.owner.do(func() {
		if u.closed {
			return
		}
		u.closed = true
		for h := range u.leaving { // the next session must not have to know
			u.leaveNow(h)
		}
		if len(u.left) > 0 || u.lacksGroup() {
			u.gateway.setStale(u.handle)
		}
		if u.cancel != nil {
			u.cancel()
		}
		u.changeStatus(msnp.Offline)
		for _, l := range u.links { // also without a status, a roster may have been asked for
			l.presence.want(presenceOf(msnp.Offline))
		}
		u.windows.closeAll()
		u.arrivals.stop()
	})
}

// statusFor returns what another user may see of this one. Safe from any
// goroutine.
func (u *user) statusFor(h Handle) msnp.ContactStatus {
	u.mu.RLock()
	defer u.mu.RUnlock()
	cs := msnp.ContactStatus{Contact: msnp.Member{Handle: u.handle, Name: u.name}}
	if u.status.Visible() && u.letsThrough(h) {
		cs.Status = u.status
	}
	return cs
}

// letsThrough applies BL, AL and BLP to somebody; draft-movva-00 §7.6. The
// caller owns the user or holds its lock.
func (u *user) letsThrough(h Handle) bool {
	switch {
	case u.lists[msnp.Block].has(h):
		return false
	case u.privacy == msnp.BlockOthers:
		return u.lists[msnp.Allow].has(h)
	default:
		return true
	}
}

// admits says whether an account lets somebody through, whether it is signed in
// or not.
func (g *Gateway) admits(ctx context.Context, account, who Handle) (bool, error) {
	if u := g.user(account); u != nil {
		u.mu.RLock()
		defer u.mu.RUnlock()
		return u.letsThrough(who), nil
	}
	a, err := g.Storage.Account(ctx, account)
	if err != nil {
		return false, err
	}
	lists, err := g.Storage.Lists(ctx, account)
	if err != nil {
		return false, err
	}
	absent := &user{privacy: a.Privacy}
	absent.lists[msnp.Allow], absent.lists[msnp.Block] = newRoll(lists[msnp.Allow]), newRoll(lists[msnp.Block])
	return absent.letsThrough(who), nil
}

// changeStatus sets the status and tells everybody whom it concerns. Owned.
func (u *user) changeStatus(status msnp.Status) {
	if status == u.status {
		return
	}
	u.mu.Lock()
	was := u.status
	u.status = status
	u.mu.Unlock()
	if was.Visible() || status.Visible() {
		u.tellWatchers()
	}
	for _, l := range u.links {
		l.presence.want(presenceOf(status))
	}
	if status.Visible() && !was.Visible() {
		u.arrivals.resume(u)
	}
}

// tellWatchers lets every signed-in user who has this one on FL know the present
// status and name. Owned.
func (u *user) tellWatchers() {
	for i := range u.lists[msnp.Reverse].entries {
		e := &u.lists[msnp.Reverse].entries[i]
		u.tellWatcher(e.handle())
	}
}

// tellWatcher does so for one of them. Owned.
func (u *user) tellWatcher(h Handle) {
	if w := u.gateway.user(h); w != nil {
		cs := u.statusFor(h)
		w.owner.post(func() { w.contactSeen(cs) })
	}
}

// contactSeen takes in the status and name of a local contact. Owned.
func (u *user) contactSeen(cs msnp.ContactStatus) {
	e := u.lists[msnp.Forward].find(cs.Contact.Handle)
	if e == nil || u.closed {
		return
	}
	renamed := cs.Status.Visible() && u.rename(e, cs.Contact.Name)
	if renamed || cs.Status != e.shown {
		u.show(e, cs.Status)
	}
}

// show pushes a contact's status if the client does not know it yet. Owned.
func (u *user) show(e *entry, status msnp.Status) {
	u.push(e, msnp.ContactStatus{Contact: e.member(), Status: status})
}

// push is show for a status that may be the first one of a contact. Owned.
func (u *user) push(e *entry, cs msnp.ContactStatus) {
	if !u.announced || !cs.Status.Visible() && !e.shown.Visible() {
		return
	}
	e.shown = cs.Status
	u.notifier.ContactStatus(cs)
}

// firstTold shows the first status that is known of a contact on a network.
// Owned.
func (u *user) firstTold(e *entry) {
	e.remote.told = true
	u.push(e, msnp.ContactStatus{Contact: e.member(), Status: u.statusOf(e.remote), Initial: true})
}

// rename gives a contact on FL another name, here and in the store, so that the
// list and the status lines agree: aMSN removes and adds every contact whose
// names differ. Owned.
func (u *user) rename(e *entry, name string) (changed bool) {
	if name == "" || e.name() == name {
		return false
	}
	u.mu.Lock()
	e.setName(name)
	u.mu.Unlock()
	u.storeEntryName(e.member())
	return true
}

// remoteState is what is known of a contact on a network.
type remoteState struct {
	link     *link // the user's identity there; nil while it is not open
	network  string
	id       RemoteID
	room     bool
	presence Presence
	told     bool      // the network has said something about the presence
	active   time.Time // the last sign of life
}

// remoteOf makes the state of a contact of this user. Owned.
func (u *user) remoteOf(c ContactRecord) *remoteState {
	r := &remoteState{network: c.Network, id: c.ID, room: c.Room}
	for _, l := range u.links {
		if l.network.Name() == c.Network {
			r.link, r.network = l, l.network.Name() // the same piece of memory for all contacts
		}
	}
	return r
}

// statusOf returns the status to show for a contact on a network. One of whom
// the network has said nothing yet is not shown: it will shortly.
func (u *user) statusOf(r *remoteState) msnp.Status {
	switch {
	case r.room && r.link != nil && r.presence.Show == Unknown:
		return msnp.Online // a room is there as long as its network is
	case !r.told:
		return msnp.Offline
	}
	return u.gateway.Presence.show(r.presence, r.active, time.Now())
}
