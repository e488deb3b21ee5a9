package matrix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/rs/zerolog"
	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// patience bounds every wait of a test: it is reached only when something is
// wrong, or when the machine is very busy.
const patience = 90 * time.Second

// shared is the homeserver of the tests that leave it as it is.
var shared *world

func TestMain(m *testing.M) {
	os.Exit(func() int {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
		defer cancel()
		var err error
		if shared, err = newWorld(ctx, matrixtest.Options{Presence: true, PresenceTimeout: 10 * time.Second}); err != nil {
			fmt.Fprintln(os.Stderr, "start the homeserver of the tests:", err)
			return 1
		}
		defer shared.close()
		return m.Run()
	}())
}

// world is a homeserver with the appservice's listener.
type world struct {
	*matrixtest.Server
	registration *appservice.Registration
	puppets      *appservice.Registration
	dir          string
	listener     *http.Server
	address      string
	handler      atomic.Pointer[http.Handler]
	handling     sync.RWMutex // held for reading while a transaction is handled

	mu           sync.Mutex
	transactions []recorded
	more         chan struct{} // closed and replaced when there is one more
	people       int
}

// recorded is a transaction as the homeserver sent it.
type recorded struct {
	path string
	body []byte
}

// newWorld makes a registration, listens for the homeserver and starts it.
func newWorld(ctx context.Context, options matrixtest.Options) (*world, error) {
	w, err := newListener()
	if err != nil {
		return nil, err
	}
	options.Registrations = []string{filepath.Join(w.dir, "registration.yaml"), filepath.Join(w.dir, "puppet.yaml")}
	options.Log = os.Stderr
	if w.Server, err = matrixtest.Start(ctx, options); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// newListener is a world whose homeserver is not started yet.
func newListener() (*world, error) {
	dir, err := os.MkdirTemp("", "papillon-matrix-")
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, more: make(chan struct{}), address: "http://" + listener.Addr().String()}
	w.listener = &http.Server{Handler: http.HandlerFunc(w.serve)}
	go func() { _ = w.listener.Serve(listener) }()
	options := RegistrationOptions{Domain: matrixtest.Domain, URL: w.address}
	reg, err := NewRegistration(options)
	if err != nil {
		return nil, err
	}
	puppet, err := NewPuppetRegistration(options)
	if err != nil {
		return nil, err
	}
	for name, r := range map[string]*appservice.Registration{"registration.yaml": reg, "puppet.yaml": puppet} {
		text, err := RegistrationYAML(r)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	w.registration, w.puppets = reg, puppet
	return w, nil
}

func (w *world) close() {
	if w.Server != nil {
		_ = w.Stop()
	}
	_ = w.listener.Close()
	_ = os.RemoveAll(w.dir)
}

// serve records transactions and passes everything on to the network of the
// running test; between tests it drains the homeserver's queue.
func (w *world) serve(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.Method == http.MethodPut {
		w.mu.Lock()
		w.transactions = append(w.transactions, recorded{r.URL.Path, body})
		close(w.more)
		w.more = make(chan struct{})
		w.mu.Unlock()
		w.handling.RLock()
		defer w.handling.RUnlock()
	}
	if handler := w.handler.Load(); handler != nil {
		(*handler).ServeHTTP(rw, r)
		return
	}
	_, _ = io.WriteString(rw, "{}")
}

// private starts a homeserver for one test.
func private(t *testing.T, options matrixtest.Options) *world {
	t.Helper()
	w, err := newWorld(t.Context(), options)
	if err != nil {
		t.Fatal("start a homeserver:", err)
	}
	t.Cleanup(func() {
		w.close()
		if t.Failed() {
			t.Log("the homeserver's last words:", w.Log())
		}
	})
	return w
}

// person makes somebody new whose name begins with name.
func (w *world) person(t *testing.T, name string) *matrixtest.Person {
	t.Helper()
	w.mu.Lock()
	w.people++
	name = fmt.Sprintf("%s%d", name, w.people)
	w.mu.Unlock()
	p, err := w.CreateUser(patient(t), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// patient returns a context that ends a wait that would last for ever.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// gateway is a network with what the gateway would give it.
type gateway struct {
	*Network
	t     *testing.T
	world *world
	chats *memoryChats
}

// gateway makes a network, serves its handler and runs it until the test ends.
func (w *world) gateway(t *testing.T, change ...func(*Options)) *gateway {
	t.Helper()
	options := Options{
		HomeserverURL: w.url(), Domain: matrixtest.Domain, Registration: w.registration, Puppets: w.puppets,
		AccountDomain: "msn.test", StateDB: newDB(t), Chats: newMemoryChats(), Memory: newMemory(), PickleKey: []byte("for tests"),
		Log: testLog(t), PollPresence: 200 * time.Millisecond, ProbeInterval: 200 * time.Millisecond,
	}
	for _, f := range change {
		f(&options)
	}
	n, err := New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		w.handler.Store(nil)
		n.mu.RLock()
		accounts := maps.Clone(n.accounts)
		n.mu.RUnlock()
		for _, a := range accounts {
			_ = a.Close()
		}
		cancel()
		if err := <-done; err != nil {
			t.Error("Run:", err)
		}
		w.drain(t)
	})
	g := &gateway{Network: n, t: t, world: w, chats: options.Chats.(*memoryChats)}
	g.serve()
	return g
}

// drain waits for the transactions that are still handled: their database goes next, and
// they must not write to the log of a test that is over.
func (w *world) drain(t *testing.T) {
	drained := make(chan struct{})
	go func() {
		w.handling.Lock()
		close(drained)
		w.handling.Unlock()
	}()
	select {
	case <-drained:
	case <-time.After(time.Minute):
		t.Error("a transaction is still handled")
	}
}

// serve lets the homeserver's calls through.
func (g *gateway) serve() {
	handler := g.Handler()
	g.world.handler.Store(&handler)
}

func (w *world) url() string {
	if w.Server == nil {
		return "http://127.0.0.1:1"
	}
	return w.URL
}

// user is an MSN user of a test with the account under test.
type user struct {
	*account
	*recorder
	t *testing.T
}

// user opens the account of a new MSN user, whose handle begins with name.
func (g *gateway) user(name string) *user {
	g.t.Helper()
	g.world.mu.Lock()
	g.world.people++
	handle := bridge.Handle(fmt.Sprintf("%s%d@msn.test", name, g.world.people))
	g.world.mu.Unlock()
	return g.openUser(handle, "The "+name)
}

// openUser opens the account of a given MSN user.
func (g *gateway) openUser(handle bridge.Handle, name string) *user {
	g.t.Helper()
	r := newRecorder()
	opened, err := g.Open(g.t.Context(), bridge.Login{Account: handle, Name: name, Kind: "ghost"}, r)
	if err != nil {
		g.t.Fatal(err)
	}
	return &user{account: opened.(*account), recorder: r, t: g.t}
}

// say sends a message to a contact.
func (u *user) say(id, text string, contact id.UserID) {
	u.t.Helper()
	u.sayTo(id, text, bridge.Chat{Contact: bridge.RemoteID(contact)})
}

func (u *user) sayTo(id, text string, chat bridge.Chat) {
	u.t.Helper()
	if err := u.Send(patient(u.t), bridge.Outgoing{ID: id, Chat: chat, Text: text, Sent: time.Now()}); err != nil {
		u.t.Fatal(err)
	}
}

func (u *user) show(p bridge.Presence) {
	u.t.Helper()
	if err := u.SetPresence(patient(u.t), p); err != nil {
		u.t.Fatal(err)
	}
}

// recorder is a receiver that keeps what it got.
type recorder struct {
	mu     sync.Mutex
	events []bridge.Event // not yet taken by wait
	all    []bridge.Event
	news   chan struct{}
	answer func(bridge.Event) error // nil means that all is well
}

func newRecorder() *recorder { return &recorder{news: make(chan struct{})} }

func (r *recorder) Receive(_ context.Context, event bridge.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answer != nil {
		if err := r.answer(event); err != nil {
			return err
		}
	}
	r.events = append(r.events, event)
	r.all = append(r.all, event)
	close(r.news)
	r.news = make(chan struct{})
	return nil
}

func (r *recorder) answering(f func(bridge.Event) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// messages returns the ids of all messages so far, in order.
func (r *recorder) messages() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, event := range r.all {
		if m, ok := event.(bridge.MessageReceived); ok {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// await waits for the first event of a kind that matches, and takes it.
func await[E bridge.Event](u *user, what string, match func(E) bool) E {
	u.t.Helper()
	ctx := patient(u.t)
	for {
		u.recorder.mu.Lock()
		for i, event := range u.recorder.events {
			if e, ok := event.(E); ok && match(e) {
				u.recorder.events = append(u.recorder.events[:i:i], u.recorder.events[i+1:]...)
				u.recorder.mu.Unlock()
				return e
			}
		}
		news := u.recorder.news
		u.recorder.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			u.recorder.mu.Lock()
			defer u.recorder.mu.Unlock()
			u.t.Fatalf("%s never got %s; it got %+v", u.owner, what, u.recorder.all)
		}
	}
}

func (u *user) awaitText(text string) bridge.MessageReceived {
	u.t.Helper()
	return await(u, fmt.Sprintf("the message %q", text), func(m bridge.MessageReceived) bool { return m.Text == text })
}

func (u *user) awaitPresence(contact id.UserID, show bridge.Show) bridge.Presence {
	u.t.Helper()
	return await(u, fmt.Sprintf("presence %d of %s", show, contact), func(p bridge.PresenceChanged) bool {
		return p.Contact == bridge.RemoteID(contact) && p.Presence.Show == show
	}).Presence
}

func (u *user) awaitUp(up bool) bridge.ConnectionChanged {
	u.t.Helper()
	return await(u, fmt.Sprintf("connection %v", up), func(c bridge.ConnectionChanged) bool { return c.Up == up })
}

// memoryChats is a bridge.Chats in memory.
type memoryChats struct {
	mu    sync.Mutex
	rooms map[[2]string]string // account and contact
}

func newMemoryChats() *memoryChats { return &memoryChats{rooms: make(map[[2]string]string)} }

var errWrongNetwork = errors.New("not the network Matrix")

func (c *memoryChats) DirectChat(_ context.Context, account bridge.Handle, network string, contact bridge.RemoteID) (string, bool, error) {
	if network != Name {
		return "", false, errWrongNetwork
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	room, ok := c.rooms[[2]string{string(account), string(contact)}]
	return room, ok, nil
}

func (c *memoryChats) ChatContact(_ context.Context, account bridge.Handle, network, chat string) (bridge.RemoteID, bool, error) {
	if network != Name {
		return "", false, errWrongNetwork
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, room := range c.rooms {
		if key[0] == string(account) && room == chat {
			return bridge.RemoteID(key[1]), true, nil
		}
	}
	return "", false, nil
}

func (c *memoryChats) SetDirectChat(_ context.Context, account bridge.Handle, _ string, contact bridge.RemoteID, chat string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms[[2]string{string(account), string(contact)}] = chat
	return nil
}

func (c *memoryChats) ForgetDirectChat(_ context.Context, account bridge.Handle, _, chat string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, room := range c.rooms {
		if key[0] == string(account) && room == chat {
			delete(c.rooms, key)
		}
	}
	return nil
}

// room returns the stored room of a contact, empty if there is none.
func (u *user) room(g *gateway, contact id.UserID) id.RoomID {
	u.t.Helper()
	room, _, err := g.chats.DirectChat(u.t.Context(), u.owner, Name, bridge.RemoteID(contact))
	if err != nil {
		u.t.Fatal(err)
	}
	return id.RoomID(room)
}

func newDB(t *testing.T) *dbutil.Database {
	t.Helper()
	db, err := dbutil.NewWithDialect("file:"+filepath.Join(t.TempDir(), "state.db")+
		"?_txlock=immediate&_foreign_keys=1&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=5000", "sqlite3")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// testLog writes to the log of the test while it runs.
func testLog(t *testing.T) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.DebugLevel)
}

func isRefused(err error) bool { return errors.Is(err, bridge.ErrRefused) }
