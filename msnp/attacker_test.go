package msnp_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// target is a server under attack, and another that refers clients to it.
type target struct {
	*service
	dispatch *service
}

// newTarget starts both, with accounts for attackers and for those who call them.
func newTarget(t testing.TB, limits msnp.Limits, attackers ...string) *target {
	t.Helper()
	s := &target{service: newService(t, limits, fuzzLimits, nil).listenUnix(t)}
	s.dispatch = newService(t, limits, fuzzLimits, []func(*msnp.Options){switches["refer"]}).listenUnix(t)
	s.addAccount(t, "dave", "Dave")
	for _, name := range attackers {
		if people[name] == "" {
			s.addAccount(t, name, "Hostile")
			s.dispatch.addAccount(t, name, "Hostile")
		}
		s.addAccount(t, name+"-caller", "Caller")
	}
	return s
}

// hosts signs in carol and dave, whom the attackers call.
func (s *target) hosts(t testing.TB) {
	t.Helper()
	s.host(t, "carol")
	s.host(t, "dave")
}

// attacker is a connection in some state, and those that brought it there.
type attacker struct {
	*target
	name   string // the account's
	conns  []net.Conn
	lines  *bufio.Reader // of the last connection
	caller *attacker     // who has called this one
	// known is what the server has told, by the names of transcripts.
	known map[string]string
}

// errEnded says that the server closed a connection while it was being prepared:
// another attacker has signed in to the same account.
var errEnded = errors.New("the connection ended")

// dial opens a further connection.
func (a *attacker) dial() error { return a.dialAt(a.service) }

func (a *attacker) dialAt(s *service) error {
	nc, err := net.Dial("unix", s.addr)
	if err != nil {
		return err
	}
	a.conns, a.lines = append(a.conns, nc), bufio.NewReader(nc)
	return nc.SetDeadline(time.Now().Add(30 * time.Second))
}

// send sends a line on the last connection.
func (a *attacker) send(line string) error {
	if _, err := fmt.Fprintf(a.conns[len(a.conns)-1], "%s\r\n", line); err != nil {
		return errors.Join(errEnded, err)
	}
	return nil
}

// hear returns the words of the next line; a payload is passed over.
func (a *attacker) hear() ([]string, error) {
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
	return words, nil
}

// say sends a line and returns the words of the first answer that begins with these
// words.
func (a *attacker) say(line string, want ...string) ([]string, error) {
	if err := a.send(line); err != nil {
		return nil, err
	}
	for {
		words, err := a.hear()
		if err != nil {
			return nil, err
		}
		if len(words) >= len(want) && slices.Equal(words[:len(want)], want) {
			return words, nil
		}
		if errorLine.MatchString(words[0]) || words[0] == "OUT" {
			return nil, fmt.Errorf("%w: %s answers %q", errEnded, words, line)
		}
	}
}

// try sends a line and waits for its answer, whatever it is.
func (a *attacker) try(command, trID, args string) error {
	if err := a.send(command + " " + trID + " " + args); err != nil {
		return err
	}
	for {
		if words, err := a.hear(); err != nil || len(words) > 1 && words[1] == trID {
			return err
		}
	}
}

// close ends all connections.
func (a *attacker) close() {
	for _, nc := range a.conns {
		nc.Close() // it may be closed already
	}
	if a.caller != nil {
		a.caller.close()
	}
}

// version and what follows are steps on the way.
func (a *attacker) version(dialect string) error {
	if err := a.dial(); err != nil {
		return err
	}
	return a.choose(dialect)
}

func (a *attacker) choose(dialect string) error {
	_, err := a.say("VER 1 "+dialect+" CVR0", "VER", "1")
	return err
}

func (a *attacker) challenge(dialect string) error {
	if err := a.version(dialect); err != nil {
		return err
	}
	words, err := a.say("USR 2 MD5 I "+a.name+"@example.org", "USR", "2", "MD5", "S")
	if err == nil {
		a.known["{md5:challenge}"] = msnptest.Digest(words[4], password)
	}
	return err
}

func (a *attacker) signIn(dialect string) error {
	if err := a.challenge(dialect); err != nil {
		return err
	}
	_, err := a.say("USR 3 MD5 S "+a.known["{md5:challenge}"], "MSG", "Hotmail")
	return err
}

func (a *attacker) synchronize(dialect string) error {
	if err := a.signIn(dialect); err != nil {
		return err
	}
	_, err := a.say("SYN 4 4294967295", "LST", "4", "RL")
	return err
}

func (a *attacker) online(dialect string) error {
	if err := a.synchronize(dialect); err != nil {
		return err
	}
	_, err := a.say("CHG 5 NLN", "CHG", "5")
	return err
}

// withCookie has a cookie and a connection that is not a switchboard's yet.
func (a *attacker) withCookie(dialect string) error {
	if err := a.online(dialect); err != nil {
		return err
	}
	words, err := a.say("XFR 6 SB", "XFR", "6", "SB")
	if err != nil {
		return err
	}
	a.known["{cookie}"] = words[5]
	return a.dial()
}

// onSwitchboard opens a conversation and calls people who answer.
func (a *attacker) onSwitchboard(dialect string, callees ...string) error {
	if err := a.withCookie(dialect); err != nil {
		return err
	}
	_, err := a.say("USR 1 "+a.name+"@example.org "+a.known["{cookie}"], "USR", "1", "OK")
	for _, callee := range callees {
		if err == nil {
			_, err = a.say("CAL 2 "+callee+"@example.org", "JOI", callee+"@example.org")
		}
	}
	return err
}

// called is called by somebody and has not answered yet. What it has done to its
// lists in earlier sessions must not keep the caller away.
func (a *attacker) called(dialect string) error {
	a.caller = &attacker{target: a.target, name: a.name + "-caller", known: make(map[string]string)}
	if err := a.online(dialect); err != nil {
		return err
	}
	for trID, request := range map[string][2]string{
		"6": {"BLP", "AL"}, "7": {"REM", "BL " + a.caller.name + "@example.org"},
	} {
		if err := a.try(request[0], trID, request[1]); err != nil {
			return err
		}
	}
	if err := a.caller.onSwitchboard(dialect); err != nil {
		return fmt.Errorf("caller: %w", err)
	}
	if _, err := a.caller.say("CAL 2 "+a.name+"@example.org", "CAL", "2", "RINGING"); err != nil {
		return fmt.Errorf("caller: %w", err)
	}
	for {
		words, err := a.hear()
		if err != nil {
			return err
		}
		if words[0] == "RNG" {
			a.known["{session}"], a.known["{ring}"] = words[1], words[4]
			return a.dial()
		}
	}
}

// states are the states that a connection can be in.
var states = []struct {
	name    string
	prepare func(*attacker, string) error
	// variable is a name that what is said here may have in it.
	variable string
	// says is answered with hears in this state; both may be the beginning.
	says, hears string
}{
	{"fresh", func(a *attacker, _ string) error { return a.dial() }, "",
		"VER 9 MSNP2", "VER 9 MSNP2"},
	{"dialect chosen", (*attacker).version, "",
		"VER 9 MSNP2", "715 9"},
	{"no dialect in common", func(a *attacker, _ string) error { return a.version("MSNP98") }, "",
		"USR 9 MD5 I alice@example.org", "715 9"},
	{"challenged", (*attacker).challenge, "{md5:challenge}",
		"USR 9 MD5 S ${md5:challenge}", "USR 9 OK alice@example.org"},
	{"before SYN", (*attacker).signIn, "",
		"XFR 9 SB", "913 9"},
	{"before CHG", (*attacker).synchronize, "",
		"XFR 9 SB", "913 9"},
	{"online", (*attacker).online, "",
		"XFR 9 SB", "XFR 9 SB"},
	{"switchboard before USR", (*attacker).withCookie, "{cookie}",
		"USR 9 alice@example.org ${cookie}", "USR 9 OK alice@example.org"},
	{"switchboard before ANS", (*attacker).called, "{ring}",
		"ANS 9 alice@example.org ${ring} ${session}", "IRO 9 1 1 alice-caller@example.org"},
	{"alone on a switchboard", func(a *attacker, dialect string) error { return a.onSwitchboard(dialect) }, "",
		"CAL 9 alice@example.org", "215 9"},
	{"with the helper contact", func(a *attacker, dialect string) error { return a.onSwitchboard(dialect, "papillon") }, "",
		"CAL 9 papillon@example.org", "215 9"},
	{"in a conversation", func(a *attacker, dialect string) error { return a.onSwitchboard(dialect, "carol") }, "",
		"CAL 9 carol@example.org", "215 9"},
	{"in a conversation of three", func(a *attacker, dialect string) error { return a.onSwitchboard(dialect, "carol", "dave") }, "",
		"CAL 9 dave@example.org", "215 9"},
	{"at a dispatch server", func(a *attacker, _ string) error { return a.dialAt(a.dispatch) }, "",
		"USR 9 MD5 I ${unique}@example.org", "XFR 9 NS"},
	{"dialect chosen at a dispatch server", func(a *attacker, dialect string) error {
		if err := a.dialAt(a.dispatch); err != nil {
			return err
		}
		return a.choose(dialect)
	}, "", "USR 9 MD5 I ${unique}@example.org", "XFR 9 NS"},
}
