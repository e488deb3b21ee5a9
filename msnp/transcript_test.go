package msnp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/msnp/msnptest"
	"papillon/store"
)

// password is everybody's in these tests.
const password = "sesame"

// people are the accounts of every test.
var people = map[string]string{
	"alice": "Alice", "bob": "Bob", "carol": "Carol",
}

// service is a whole server with accounts on a fresh database.
type service struct {
	server  *msnp.Server
	gateway *bridge.Gateway
	db      *store.Store
	log     logWatch
	addr    string
	ended   chan error
}

// addAccount makes an account with everybody's password.
func (s *service) addAccount(t testing.TB, name, friendly string) {
	t.Helper()
	h := bridge.Handle(name + "@example.org")
	if err := s.db.AddAccount(t.Context(), h, friendly); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.AddPassword(t.Context(), h, "test", password); err != nil {
		t.Fatal(err)
	}
}

// logWatch is where the service logs to. It looks for what must never happen,
// whatever a client sends: a handler that panics, a command that fails for the
// server's own reasons. What was cut short because the client had gone is neither.
type logWatch struct {
	mu  sync.Mutex
	bad []string
}

// Write implements [io.Writer].
func (w *logWatch) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if bytes.Contains(line, []byte("context canceled")) {
		return len(line), nil
	}
	for _, sign := range []string{`"level":"error"`, "panic"} {
		if bytes.Contains(line, []byte(sign)) && len(w.bad) < 10 {
			w.bad = append(w.bad, string(line))
			break
		}
	}
	return len(line), nil
}

// check fails the test if something was found.
func (w *logWatch) check(t testing.TB) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.bad) > 0 {
		t.Errorf("the service logs:\n%s", strings.Join(w.bad, ""))
	}
	w.bad = nil
}

// testLimits are tight where tests go over them and off elsewhere.
var testLimits = msnp.Limits{
	Line: 1024, Payload: 8192, Unauthenticated: time.Minute, SendQueue: 1 << 20, ConnectionsPerAddress: 200,
}

// startService starts a server for local users, and for those of the networks.
func startService(t testing.TB, limits msnp.Limits, networks ...bridge.Network) *service {
	t.Helper()
	return newService(t, limits, bridge.Limits{}, nil, networks...).listen(t)
}

// newService makes one that does not listen yet, with limits for the gateway and
// other options.
func newService(t testing.TB, limits msnp.Limits, more bridge.Limits, adjust []func(*msnp.Options), networks ...bridge.Network) *service {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := store.NewKey(key); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(ctx, store.Options{Path: filepath.Join(dir, "papillon.db"), KeyPath: key, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	s := &service{db: db}
	for name, friendly := range people {
		s.addAccount(t, name, friendly)
	}
	log := zerolog.New(&s.log).Level(zerolog.WarnLevel)
	s.gateway = bridge.New(bridge.Options{
		Domain: "example.org", LoginDomains: []string{"hotmail.com"}, Storage: db, Networks: networks,
		Presence: bridge.PresenceRules{Unknown: msnp.Idle, Offline: msnp.Offline}, Limits: more, Log: log,
	})
	if err := s.gateway.Start(ctx); err != nil {
		t.Fatal(err)
	}
	options := msnp.Options{Backend: s.gateway, Limits: limits, Log: log}
	for _, f := range adjust {
		f(&options)
	}
	s.server = msnp.New(options)
	t.Cleanup(func() {
		s.stop(t)
		s.log.check(t)
		if err := db.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// listen lets clients connect over TCP.
func (s *service) listen(t testing.TB) *service {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr, s.ended = ln.Addr().String(), make(chan error, 1)
	go func() { s.ended <- s.server.Serve(ln) }()
	return s
}

// dial connects: by TCP, or by a pipe where nobody listens.
func (s *service) dial() (net.Conn, error) {
	if s.addr != "" {
		return net.Dial("tcp", s.addr)
	}
	here, there := net.Pipe()
	s.server.ServeConn(there)
	return here, nil
}

// stop shuts everything down in order.
func (s *service) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Errorf("shut down: %v", err)
	}
	if s.ended != nil {
		if err := <-s.ended; !errors.Is(err, msnp.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
		s.ended <- msnp.ErrServerClosed // a second stop finds the same
	}
	if err := s.gateway.Stop(ctx); err != nil {
		t.Errorf("stop gateway: %v", err)
	}
}

// signIns are the lines that sign people in, for a transcript whose first line
// names them: "#: alice bob/7" signs alice in on connection 1, with MSNP2, and bob
// on 2 with MSNP7.
func signIns(script []byte) (preamble string) {
	first, _, _ := bytes.Cut(script, []byte("\n"))
	names, ok := strings.CutPrefix(string(first), "#: ")
	if !ok {
		return ""
	}
	var b strings.Builder
	for i, word := range strings.Fields(names) {
		name, dialect, with := strings.Cut(word, "/")
		if !with {
			dialect = "2"
		}
		verified := ""
		if dialect >= "6" {
			verified = " 1"
		}
		fmt.Fprintf(&b, "C%[1]d: VER 1 MSNP%[4]s\nS%[1]d: VER 1 MSNP%[4]s\n"+
			"C%[1]d: USR 2 MD5 I %[2]s@example.org\nS%[1]d: USR 2 MD5 S {challenge=*}\n"+
			"C%[1]d: USR 3 MD5 S {md5:challenge}\nS%[1]d: USR 3 OK %[2]s@example.org %[3]s%[5]s\n"+
			"S%[1]d: MSG Hotmail Hotmail {len}\n    <any>\n", i+1, name, people[name], dialect, verified)
	}
	return b.String()
}

// switches are what a transcript may ask of its server by a line of the form
// "#+ challenge".
var switches = map[string]func(*msnp.Options){
	"challenge": func(o *msnp.Options) { o.Challenge = true },
	"refer":     func(o *msnp.Options) { o.ReferTo = "ns.example.org:1863" },
	"web":       func(o *msnp.Options) { o.WebPage = "http://messenger.example.org/" },
}

// serviceFor makes the service that a transcript asks for.
func serviceFor(t *testing.T, script []byte) *service {
	var wanted []func(*msnp.Options)
	for line := range strings.Lines(string(script)) {
		if word, ok := strings.CutPrefix(strings.TrimSpace(line), "#+ "); ok {
			if switches[word] == nil {
				t.Fatalf("there is no switch %q", word)
			}
			wanted = append(wanted, switches[word])
		}
	}
	return newService(t, testLimits, bridge.Limits{}, wanted)
}

// TestTranscripts plays every scene in testdata/transcripts against a whole
// server: over real sockets, or where time has to pass over pipes and with a fake
// clock.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(script, []byte("\nT: ")) {
				synctest.Test(t, func(t *testing.T) { playTranscript(t, script, serviceFor(t, script)) })
				return
			}
			t.Parallel()
			playTranscript(t, script, serviceFor(t, script).listen(t))
		})
	}
}

// playTranscript plays one against a service.
func playTranscript(t *testing.T, script []byte, s *service) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Hour) // of the fake clock
	if s.addr != "" {
		ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	}
	defer cancel()
	vars := map[string]string{"password": password, "key": "Q1P7W2E4J9R8U3S5"}
	if before := signIns(script); before != "" {
		script = append([]byte(before), script...)
	}
	if err := msnptest.Run(ctx, s.dial, bufio.NewReader(bytes.NewReader(script)), vars); err != nil {
		t.Fatal(err)
	}
}
