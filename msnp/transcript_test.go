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
	"testing"
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
	addr    string
	ended   chan error
}

// testLimits are tight where tests go over them and off elsewhere.
var testLimits = msnp.Limits{
	Line: 1024, Payload: 8192, Unauthenticated: time.Minute, SendQueue: 1 << 20, ConnectionsPerAddress: 200,
}

// startService starts a server for local users, and for those of the networks.
func startService(t testing.TB, limits msnp.Limits, networks ...bridge.Network) *service {
	t.Helper()
	return startServer(t, limits, bridge.Limits{}, nil, networks...)
}

// startServer is startService with limits for the gateway and other options.
func startServer(t testing.TB, limits msnp.Limits, more bridge.Limits, adjust []func(*msnp.Options), networks ...bridge.Network) *service {
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
	for name, friendly := range people {
		h := bridge.Handle(name + "@example.org")
		if err := db.AddAccount(ctx, h, friendly); err != nil {
			t.Fatal(err)
		}
		if _, err := db.AddPassword(ctx, h, "test", password); err != nil {
			t.Fatal(err)
		}
	}
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	s := &service{ended: make(chan error, 1)}
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
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	go func() { s.ended <- s.server.Serve(ln) }()
	t.Cleanup(func() {
		s.stop(t)
		if err := db.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// stop shuts everything down in order.
func (s *service) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.server.Shutdown(ctx); err != nil {
		t.Errorf("shut down: %v", err)
	}
	if err := <-s.ended; !errors.Is(err, msnp.ErrServerClosed) {
		t.Errorf("serve: %v", err)
	}
	s.ended <- msnp.ErrServerClosed // a second stop finds the same
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

// serverFor starts the server that a transcript asks for.
func serverFor(t *testing.T, script []byte) *service {
	var wanted []func(*msnp.Options)
	for line := range strings.Lines(string(script)) {
		if word, ok := strings.CutPrefix(strings.TrimSpace(line), "#+ "); ok {
			if switches[word] == nil {
				t.Fatalf("there is no switch %q", word)
			}
			wanted = append(wanted, switches[word])
		}
	}
	return startServer(t, testLimits, bridge.Limits{}, wanted)
}

// TestTranscripts plays every scene in testdata/transcripts against a whole
// server over real sockets.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := serverFor(t, script)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			dial := func() (net.Conn, error) { return net.Dial("tcp", s.addr) }
			vars := map[string]string{"password": password, "key": "Q1P7W2E4J9R8U3S5"}
			if before := signIns(script); before != "" {
				script = append([]byte(before), script...)
			}
			if err := msnptest.Run(ctx, dial, bufio.NewReader(bytes.NewReader(script)), vars); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		})
	}
}
