package xmpptest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// eachKind runs a test against every kind of server, side by side: ejabberd
// takes its time.
func eachKind(t *testing.T, test func(*testing.T, Kind)) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// start starts a server that ends with the test.
func start(t *testing.T, options Options) *Server {
	t.Helper()
	s, err := Start(testContext(t), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStartNamesWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, kind := range Kinds() {
		_, err := Start(testContext(t), Options{Kind: kind})
		if err == nil || !strings.Contains(err.Error(), "apt-get install prosody prosody-modules ejabberd") {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := Start(testContext(t), Options{Kind: "icq"}); err == nil || !strings.Contains(err.Error(), "icq") {
		t.Errorf("%v", err)
	}
}

func TestStartSaysWhyItFailed(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		// Neither takes this for a domain.
		_, err := Start(testContext(t), Options{Kind: kind, Domain: `no" domain`})
		if err == nil || !strings.Contains(err.Error(), "its log ends with: ") || strings.HasSuffix(err.Error(), ": ") {
			t.Errorf("%v", err)
		}
	})
}

// starterEnv makes this test program one that starts a server and waits for its
// own end.
const starterEnv = "XMPPTEST_STARTS"

func TestMain(m *testing.M) {
	if kind := os.Getenv(starterEnv); kind != "" {
		s, err := Start(context.Background(), Options{Kind: Kind(kind), Dir: os.Getenv("XMPPTEST_DIR")})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.PID())
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

func TestServersDieWithTheirStarter(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		program, err := os.Executable()
		must(t, err)
		dir, err := os.MkdirTemp("", "xmpptest-") // t.TempDir is root's alone
		must(t, err)
		defer func() { must(t, os.RemoveAll(dir)) }()
		cmd := exec.CommandContext(testContext(t), program)
		cmd.Env = append(os.Environ(), starterEnv+"="+string(kind), "XMPPTEST_DIR="+dir)
		stdin, err := cmd.StdinPipe()
		must(t, err)
		defer stdin.Close()
		stdout, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		line, err := bufio.NewReader(stdout).ReadString('\n')
		must(t, err, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		must(t, err)
		ended := func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
		for deadline := time.After(10 * time.Second); !ended(); {
			select {
			case <-time.After(pollInterval):
			case <-deadline:
				t.Fatalf("process %d has outlived its starter", pid)
			}
		}
	})
}

func TestFederation(t *testing.T) {
	ctx := testContext(t)
	servers, err := StartFederated(ctx, Options{}, Options{Domain: "far.test"})
	must(t, err)
	for _, s := range servers {
		t.Cleanup(func() { must(t, s.Stop()) })
	}
	bob := signIn(t, servers[0], "bob", nil)
	fay := signIn(t, servers[1], "fay", bob)
	must(t, bob.Befriend(ctx, fay))
	if _, err := fay.Say(ctx, bob.Bare(), "from afar"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMessage(ctx, fay.JID, "from afar"); err != nil {
		t.Error(err)
	}
	if _, err := StartFederated(ctx, Options{Kind: Ejabberd}); err == nil {
		t.Error("ejabberd was federated")
	}
}

// TestServer tries what can be done on one server that runs on.
func TestServer(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		s := start(t, Options{Kind: kind})
		for _, c := range []struct {
			name string
			test func(*testing.T, *Server)
		}{
			{"runs without root", runsWithoutRoot},
			{"accounts", accounts},
			{"many accounts", manyAccounts},
			{"large roster", largeRoster},
			{"direct TLS", directTLS},
			{"conversation", converse},
			{"modern messages", modernMessages},
			{"presence", presence},
			{"two resources", twoResources},
			{"rooms", rooms},
			{"queries", queries},
			{"uploads", uploads},
			{"freeze and thaw", freezeAndThaw},
			{"cut and mend", cutAndMend},
		} {
			t.Run(c.name, func(t *testing.T) { c.test(t, s) })
		}
	})
}

func runsWithoutRoot(t *testing.T, s *Server) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID()) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "Uid:") && strings.Contains(line, "\t0\t") {
			t.Errorf("it runs as root: %s", line)
		}
	}
}

func TestServerLivesDiesAndLeavesNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		ctx := testContext(t)
		s := start(t, Options{Kind: kind})
		bob := signIn(t, s, "bob", nil)
		carol := signIn(t, s, "carol", bob)
		if err := bob.AddContact(ctx, "dave@elsewhere.test", "Dave", "Friends"); err != nil {
			t.Fatal(err)
		}
		for _, end := range []struct {
			name string
			how  func() error
		}{
			{"restart", func() error { return s.Restart(ctx) }},
			{"halt", s.Halt},
			{"kill", func() error { return errors.Join(s.Settle(ctx), s.Kill()) }},
			{"kill while frozen", func() error { return errors.Join(s.Freeze(), s.Kill()) }},
		} {
			for _, p := range []*Peer{bob, carol} {
				p.Forget()
			}
			if err := errors.Join(end.how(), s.Resume(ctx)); err != nil {
				t.Fatal(end.name, err)
			}
			for _, p := range []*Peer{bob, carol} {
				if err := errors.Join(p.WaitDisconnected(ctx), p.WaitConnected(ctx)); err != nil {
					t.Fatal(end.name, err)
				}
			}
			if _, err := bob.Say(ctx, carol.Bare(), "after "+end.name); err != nil {
				t.Fatal(err)
			}
			if _, err := carol.WaitMessage(ctx, bob.Bare(), "after "+end.name); err != nil {
				t.Fatal(err)
			}
		}
		roster, err := bob.Roster(ctx)
		if err != nil || len(roster) != 1 || roster[0].Name != "Dave" || len(roster[0].Groups) != 1 {
			t.Errorf("roster %+v, %v", roster, err)
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
			t.Errorf("the data is still there: %v", err)
		}
		for _, address := range []string{s.ClientAddress, s.DirectTLSAddress, s.ComponentAddress, s.HTTPAddress} {
			if conn, err := net.Dial("tcp", address); err == nil {
				_ = conn.Close()
				t.Errorf("%s still answers", address)
			}
		}
	})
}

func freezeAndThaw(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob", nil)
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	frozen, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if err := bob.Sync(frozen); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen server answered: %v", err)
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := bob.Sync(ctx); err != nil {
		t.Error(err)
	}
	if seen := bob.Seen(func(e *Event) bool { return e.Kind == "disconnected" }); len(seen) > 0 {
		t.Error("the connection did not outlive the frost")
	}
}

func accounts(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob", nil)
	if _, _, err := s.CreateUser(ctx, "bob"); err == nil {
		t.Error("bob was made twice")
	}
	if err := s.SetPassword(ctx, "nobody", "x"); err == nil {
		t.Error("the password of nobody was changed")
	}
	if _, err := bob.Also(ctx, s, bob.Bare(), "wrong"); err == nil || !strings.Contains(err.Error(), "not-authorized") {
		t.Errorf("sign in with a wrong password: %v", err)
	}
	if err := s.SetPassword(ctx, "bob", "new"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Also(ctx, s, bob.Bare(), Password("bob")); err == nil || !strings.Contains(err.Error(), "not-authorized") {
		t.Errorf("sign in with the old password: %v", err)
	}
	second, err := bob.Also(ctx, s, bob.Bare()+"/second", "new")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := second.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := s.RemoveUser(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	if err := second.WaitDisconnected(ctx); err != nil {
		t.Error(err)
	}
	if _, err := bob.Also(ctx, s, bob.Bare(), "new"); err == nil || !strings.Contains(err.Error(), "not-authorized") {
		t.Errorf("sign in without an account: %v", err)
	}
}

func cutAndMend(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.cut", nil)
	proxy, err := NewProxy(s.ClientAddress)
	must(t, err)
	defer func() { must(t, proxy.Close()) }()
	jid, password, err := s.CreateUser(ctx, "carol.cut")
	must(t, err)
	carol, err := LoginThrough(ctx, proxy, s, jid, password)
	must(t, err)
	defer func() { must(t, carol.Close()) }()
	carol.Forget()
	proxy.Cut()
	if _, err := bob.Say(ctx, carol.JID, "Still there?"); err != nil {
		t.Fatal(err)
	}
	must(t, bob.Sync(ctx))
	away, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := carol.WaitMessage(away, bob.JID, "Still there?"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("through a cut: %v", err)
	}
	proxy.Mend()
	if _, err := carol.WaitMessage(ctx, bob.JID, "Still there?"); err != nil {
		t.Error(err)
	}
	if n := proxy.Reset(); n != 1 {
		t.Errorf("%d connections were reset", n)
	}
	must(t, carol.WaitDisconnected(ctx), carol.WaitConnected(ctx))
}

func largeRoster(t *testing.T, s *Server) {
	ctx := testContext(t)
	const many = 2000 // more cost slixmpp a minute
	contacts := make([]Contact, many)
	for i := range contacts {
		contacts[i] = Contact{JID: "contact" + strconv.Itoa(i) + "@unknown.test", Name: "Nº \"" + strconv.Itoa(i) + "\" \\", Groups: []string{"Füll"}}
	}
	jid, password, err := s.CreateUser(ctx, "popular")
	must(t, err, s.SeedRoster(ctx, "popular", contacts))
	popular, err := Login(ctx, s, jid, password)
	must(t, err)
	defer func() { must(t, popular.Close()) }()
	roster, err := popular.Roster(ctx)
	must(t, err)
	if len(roster) != many {
		t.Fatalf("the roster has %d contacts, want %d", len(roster), many)
	}
	for _, c := range roster {
		if number := strings.TrimPrefix(strings.TrimSuffix(c.JID, "@unknown.test"), "contact"); c.Subscription != "both" ||
			c.Name != "Nº \""+number+"\" \\" || len(c.Groups) != 1 || c.Groups[0] != "Füll" {
			t.Fatalf("%+v", c)
		}
	}
}

func directTLS(t *testing.T, s *Server) {
	conn, err := tls.Dial("tcp", s.DirectTLSAddress, &tls.Config{ServerName: s.Domain, RootCAs: s.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if _, err := tls.Dial("tcp", s.DirectTLSAddress, &tls.Config{ServerName: s.Domain}); err == nil {
		t.Error("it is trusted without its authority")
	}
}

func TestCertificates(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		for _, c := range []struct {
			options Options
			want    string
		}{
			{Options{CertificateDomain: "other.test"}, "is valid for other.test"},
			{Options{CertificateExpired: true}, "has expired"},
		} {
			c.options.Kind = kind
			s := start(t, c.options)
			conn, err := tls.Dial("tcp", s.DirectTLSAddress, &tls.Config{ServerName: s.Domain, RootCAs: s.RootCAs})
			if err == nil {
				_ = conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: %v", c.options, err)
			}
		}
	})
}

// manyAccounts makes as many accounts as a load test needs.
func manyAccounts(t *testing.T, s *Server) {
	ctx := testContext(t)
	begin := time.Now()
	const many = 500
	for i := range many {
		if _, _, err := s.CreateUser(ctx, "user"+strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d accounts in %s", many, time.Since(begin).Round(time.Millisecond))
	last, err := Login(ctx, s, s.JID("user499"), Password("user499"))
	if err != nil {
		t.Fatal(err)
	}
	if err := last.Close(); err != nil {
		t.Error(err)
	}
}
