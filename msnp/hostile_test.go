package msnp_test

import (
	"bufio"
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

// attacker is a connection in some state, and those that brought it there.
type attacker struct {
	service *service
	name    string // the account's
	conns   []net.Conn
	lines   *bufio.Reader // of the last connection
}

// errEnded says that the server closed a connection while it was being prepared:
// another attacker has signed in to the same account.
var errEnded = errors.New("the connection ended")

// dial opens a further connection.
func (a *attacker) dial() error {
	nc, err := net.Dial("unix", a.service.addr)
	if err != nil {
		return err
	}
	a.conns, a.lines = append(a.conns, nc), bufio.NewReader(nc)
	return nc.SetDeadline(time.Now().Add(30 * time.Second))
}

// say sends a line and returns the words of the first answer that has as many of
// these words.
func (a *attacker) say(line string, want ...string) ([]string, error) {
	if _, err := fmt.Fprintf(a.conns[len(a.conns)-1], "%s\r\n", line); err != nil {
		return nil, errors.Join(errEnded, err)
	}
	for {
		answer, err := a.lines.ReadString('\n')
		if err != nil {
			return nil, errors.Join(errEnded, err)
		}
		words := strings.Fields(answer)
		if n, ok := payloadOf(words); ok {
			if _, err := a.lines.Discard(n); err != nil {
				return nil, errors.Join(errEnded, err)
			}
		}
		if len(words) >= len(want) && slices.Equal(words[:len(want)], want) {
			return words, nil
		}
		if errorLine.MatchString(words[0]) || words[0] == "OUT" {
			return nil, fmt.Errorf("%w: %s answers %q", errEnded, answer, line)
		}
	}
}

// close ends all connections.
func (a *attacker) close() {
	for _, nc := range a.conns {
		nc.Close() // it may be closed already
	}
}

// version and signIn are steps on the way.
func (a *attacker) version(dialect string) error {
	if err := a.dial(); err != nil {
		return err
	}
	_, err := a.say("VER 1 "+dialect+" CVR0", "VER", "1")
	return err
}

func (a *attacker) challenge(dialect string) ([]string, error) {
	if err := a.version(dialect); err != nil {
		return nil, err
	}
	return a.say("USR 2 MD5 I "+a.name+"@example.org", "USR", "2", "MD5", "S")
}

func (a *attacker) signIn(dialect string) error {
	words, err := a.challenge(dialect)
	if err != nil {
		return err
	}
	_, err = a.say("USR 3 MD5 S "+msnptest.Digest(words[4], password), "MSG", "Hotmail")
	return err
}

func (a *attacker) online(dialect string) error {
	if err := a.signIn(dialect); err != nil {
		return err
	}
	if _, err := a.say("SYN 4 4294967295", "LST", "4", "RL"); err != nil {
		return err
	}
	_, err := a.say("CHG 5 NLN", "CHG", "5")
	return err
}

// onSwitchboard opens a conversation and calls somebody who answers, or nobody.
func (a *attacker) onSwitchboard(dialect, callee string) error {
	if err := a.online(dialect); err != nil {
		return err
	}
	words, err := a.say("XFR 6 SB", "XFR", "6", "SB")
	if err != nil {
		return err
	}
	if err := a.dial(); err != nil {
		return err
	}
	if _, err := a.say("USR 1 "+a.name+"@example.org "+words[5], "USR", "1", "OK"); err != nil || callee == "" {
		return err
	}
	_, err = a.say("CAL 2 "+callee, "JOI", callee)
	return err
}

// states are the states that a connection can be in.
var states = []struct {
	name    string
	prepare func(*attacker, string) error
}{
	{"fresh", func(a *attacker, _ string) error { return a.dial() }},
	{"dialect chosen", (*attacker).version},
	{"no dialect in common", func(a *attacker, _ string) error { return a.version("MSNP98") }},
	{"challenged", func(a *attacker, dialect string) error { _, err := a.challenge(dialect); return err }},
	{"before SYN", (*attacker).signIn},
	{"online", (*attacker).online},
	{"alone on a switchboard", func(a *attacker, dialect string) error { return a.onSwitchboard(dialect, "") }},
	{"with the helper contact", func(a *attacker, dialect string) error { return a.onSwitchboard(dialect, "papillon@example.org") }},
	{"in a conversation", func(a *attacker, dialect string) error { return a.onSwitchboard(dialect, "carol@example.org") }},
}

// attack brings a connection into a state and sends data, then ends its sending
// half. What the server says meanwhile must be well formed, and it must close the
// connection in the end.
func attack(s *service, name string, state, dialect int, data []byte) error {
	a := &attacker{service: s, name: name}
	defer a.close()
	how := states[state%len(states)]
	if err := how.prepare(a, fmt.Sprintf("MSNP%d", 2+dialect%6)); err != nil {
		return fmt.Errorf("state %q: %w", how.name, err)
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

// unescape reads what transcripts write with a backslash, as far as it matters.
var unescape = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\x20`, " ", `{len}`, "40", `{serial}`, "1", `\\`, `\`)

// FuzzServer says anything to a whole server, in each state that a connection can
// be in and with each dialect. The server must go on, say nothing malformed, and
// leave the others alone.
func FuzzServer(f *testing.F) {
	s := newService(f, msnp.Limits{
		Line: 1024, Payload: 8192, Unauthenticated: time.Minute, SendQueue: 1 << 20,
	}, fuzzLimits, nil).listenUnix(f)
	bob := s.witness(f, "bob", nil)
	s.host(f, "carol")
	for i, data := range seeds(f) {
		for state := range states {
			if i%len(states) == state {
				f.Add(uint8(state), uint8(i), data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, state, dialect uint8, data []byte) {
		if err := attack(s, "alice", int(state), int(dialect), data); err != nil {
			t.Error(err)
		}
		s.log.check(t)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if _, err := bob.List(ctx, msnp.Block); err != nil {
			t.Errorf("a bystander: %v", err)
		}
	})
}
