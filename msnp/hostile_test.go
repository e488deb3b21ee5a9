package msnp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"papillon/msnp"
	"papillon/msnp/msnptest"
	"papillon/msnp/wire"
)

// This file brings a connection into each of the states that it can be in and lets
// it say anything. The fuzz target and the soak test stand on it.

// listenUnix lets clients connect over a socket in the file system, where closed
// connections do not use up ports.
func (s *service) listenUnix(t testing.TB) *service {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s.addr, s.ended = path, make(chan error, 1)
	go func() { s.ended <- s.server.Serve(ln) }()
	return s
}

// dialUnix connects to it, as the client of msnptest does whatever it is told.
func (s *service) dialUnix(context.Context, string) (net.Conn, error) {
	return net.Dial("unix", s.addr)
}

// witness signs in somebody whom nothing may disturb. Only the events wanted are
// kept.
func (s *service) witness(t testing.TB, name string, wanted func(msnptest.Event) bool) *msnptest.Client {
	t.Helper()
	return s.dialWitness(t, name, false, wanted)
}

func (s *service) dialWitness(t testing.TB, name string, answers bool, wanted func(msnptest.Event) bool) *msnptest.Client {
	t.Helper()
	c, err := msnptest.Dial(t.Context(), s.addr, msnptest.Options{
		Handle: name + "@example.org", Password: password, Status: msnp.Online, AutoAnswer: answers, Dial: s.dialUnix,
		Ignore: func(e msnptest.Event) bool { return wanted == nil || !wanted(e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// host signs in somebody who answers whoever calls, and leaves when they do.
func (s *service) host(t testing.TB, name string) {
	t.Helper()
	c := s.dialWitness(t, name, true, func(e msnptest.Event) bool {
		switch e.(type) {
		case msnptest.Answered, msnptest.Left, msnptest.Closed:
			return true
		}
		return false
	})
	ctx := t.Context()
	go func() {
		for {
			answered, err := msnptest.WaitFor[msnptest.Answered](ctx, c, nil)
			if err != nil {
				return
			}
			if answered.Err == nil {
				go leaveWith(ctx, answered.Switchboard)
			}
		}
	}()
}

// leaveWith closes a switchboard when somebody has left it.
func leaveWith(ctx context.Context, sb *msnptest.Switchboard) {
	defer sb.Close()
	if len(sb.Members()) == 0 { // who called has gone before the answer
		return
	}
	// However it ends: that is the end of it.
	_, _ = sb.Wait(ctx, func(msnptest.Event) bool { return true })
}

// attack brings a connection into a state and sends data, then ends its sending
// half. What the server says meanwhile must be well formed, and it must close the
// connection in the end.
func attack(s *target, name string, state, dialect int, data []byte) error {
	a := &attacker{target: s, name: name, known: make(map[string]string)}
	defer a.close()
	how := states[state%len(states)]
	if err := how.prepare(a, fmt.Sprintf("MSNP%d", 2+dialect%6)); err != nil {
		return fmt.Errorf("state %q: %w", how.name, err)
	}
	for variable, value := range a.known {
		data = bytes.ReplaceAll(data, []byte(variable), []byte(value))
	}
	nc := a.conns[len(a.conns)-1].(*net.UnixConn)
	sent := make(chan error, 1)
	go func() {
		_, err := nc.Write(data)
		sent <- errors.Join(err, nc.CloseWrite())
	}()
	heard, err := io.ReadAll(a.lines)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("state %q: read: %w", how.name, err)
	}
	if err := <-sent; errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("state %q: write: %w", how.name, err)
	}
	if err := wellFormed(heard); err != nil {
		return fmt.Errorf("state %q: %w", how.name, err)
	}
	return nil
}

var (
	errorLine   = regexp.MustCompile(`^[0-9]{3}$`)
	commandName = regexp.MustCompile(`^([A-Z]{3}|[0-9]{3})$`)
)

// payloadOf returns the length of what follows a line of the server.
func payloadOf(words []string) (int, bool) {
	if len(words) < 2 || words[0] != "MSG" {
		return 0, false
	}
	return wire.ParseLength(words[len(words)-1])
}

// wellFormed checks a stream from the server: every line is a command or an error,
// ends in CRLF, and has words with one blank between them and no control byte. The
// connection may end in the middle of the last one.
func wellFormed(stream []byte) error {
	for len(stream) > 0 {
		end := bytes.IndexByte(stream, '\n')
		if end < 0 {
			return nil
		}
		line, rest := stream[:end], stream[end+1:]
		line, crlf := bytes.CutSuffix(line, []byte("\r"))
		words := strings.Split(string(line), " ")
		switch {
		case !crlf, slices.Contains(words, ""), !commandName.MatchString(words[0]),
			bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return fmt.Errorf("the server says %q", line)
		}
		if n, ok := payloadOf(words); ok {
			rest = rest[min(n, len(rest)):]
		}
		stream = rest
	}
	return nil
}

// seeds are what the clients of the transcripts send, each connection's by itself.
func seeds(t testing.TB) (all [][]byte) {
	t.Helper()
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts (%v)", err)
	}
	sends := regexp.MustCompile(`^C([0-9]*)(/lf|/raw)?:(?: (.*))?$`)
	for _, file := range files {
		script, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		byConn := make(map[string][]byte)
		last := ""
		for line := range strings.Lines(string(script)) {
			line = strings.TrimRight(line, "\n")
			m := sends.FindStringSubmatch(line)
			switch {
			case m != nil && m[3] != "<close>":
				last = m[1]
				byConn[last] = append(byConn[last], unescape.Replace(m[3])...)
				if m[2] != "/raw" {
					byConn[last] = append(byConn[last], "\r\n"...)
				}
			case strings.HasPrefix(line, "    ") && last != "":
				byConn[last] = append(byConn[last], unescape.Replace(strings.TrimSpace(line))+"\r\n"...)
			default:
				last = ""
			}
		}
		for _, data := range byConn {
			all = append(all, data)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return slices.CompactFunc(all, bytes.Equal)
}

// unescape reads what transcripts write with a backslash, as far as it matters, and
// gives their variables the names that attackers know them by.
var unescape = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\x20`, " ", `{len}`, "40", `{serial}`, "1", `\\`, `\`,
	"{called}", "{cookie}", "{own}", "{cookie}", "{first}", "{cookie}", "{second}", "{cookie}",
	"{ring2}", "{ring}", "{session2}", "{session}")

// FuzzServer says anything to a whole server, in each state that a connection can
// be in and with each dialect. The server must go on, say nothing malformed, and
// leave the others alone.
func FuzzServer(f *testing.F) {
	s := newTarget(f, msnp.Limits{
		Line: 1024, Payload: 8192, Unauthenticated: time.Minute, SendQueue: 1 << 20,
	}, "alice")
	bob := s.witness(f, "bob", nil)
	s.hosts(f)
	for i, data := range seeds(f) {
		for state, how := range states {
			if i%len(states) == state || how.variable != "" && bytes.Contains(data, []byte(how.variable)) {
				f.Add(uint8(state), uint8(i), data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, state, dialect uint8, data []byte) {
		if err := attack(s, "alice", int(state), int(dialect), data); err != nil {
			t.Error(err)
		}
		s.log.check(t)
		s.dispatch.log.check(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := bob.List(ctx, msnp.Block); err != nil {
			t.Errorf("a bystander: %v", err)
		}
	})
}

// TestStates: each state can be reached in each dialect, and is the one that its name
// says: the server answers this command in this way.
func TestStates(t *testing.T) {
	s := newTarget(t, msnp.Limits{Line: 1024, Payload: 8192, Unauthenticated: time.Minute}, "alice")
	s.hosts(t)
	for state, how := range states {
		for dialect := 2; dialect <= 7; dialect++ {
			a := &attacker{target: s, name: "alice", known: map[string]string{"{unique}": fmt.Sprintf("nobody-%d-%d", state, dialect)}}
			err := how.prepare(a, fmt.Sprintf("MSNP%d", dialect))
			if err == nil {
				_, err = a.say(os.Expand(how.says, func(name string) string { return a.known["{"+name+"}"] }), strings.Fields(how.hears)...)
			}
			if err != nil {
				t.Errorf("%s, MSNP%d: %v", how.name, dialect, err)
			}
			a.close()
		}
	}
}
