package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// freeAddr returns a free address on loopback.
func freeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// install runs init in a fresh folder and makes an account; it returns the
// configuration, ready to serve on free ports, and alice's password.
func install(t testing.TB, adjust func(*Config)) (c *Config, password string) {
	t.Helper()
	dir := t.TempDir()
	var out, errOut strings.Builder
	if code := run([]string{"init", "--dir", dir, "--domain", "example.org"}, nil, &out, &errOut); code != exitOK {
		t.Fatalf("init: exit %d: %s", code, errOut.String())
	}
	config := filepath.Join(dir, configName)
	out.Reset()
	if code := run([]string{"account", "add", "alice", "--name", "Alice", "-c", config}, nil, &out, &errOut); code != exitOK {
		t.Fatalf("account add: exit %d: %s", code, errOut.String())
	}
	c, err := loadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	c.MSN.Listen, c.Matrix.Listen = freeAddr(t), freeAddr(t)
	if adjust != nil {
		adjust(c)
	}
	return c, strings.TrimSpace(out.String())
}

// startServe serves until the returned function is called, which reports how it
// ended.
func startServe(t testing.TB, c *Config) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.ErrorLevel)
	go func() { ended <- serve(ctx, c, log) }()
	for {
		nc, err := net.Dial("tcp", c.MSN.Listen)
		if err == nil {
			nc.Close()
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("serve ended: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return func() error { cancel(); return <-ended }
}

// signIn signs alice in.
func signIn(t testing.TB, c *Config, password string) *msnptest.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	alice, err := msnptest.Dial(ctx, c.MSN.Listen, msnptest.Options{
		Handle: "alice@example.org", Password: password, Status: msnp.Online, AutoAnswer: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(alice.Close)
	return alice
}

// TestStartAndStop starts and stops the whole program 50 times, with a client
// signed in and a homeserver that does not answer.
func TestStartAndStop(t *testing.T) {
	c, password := install(t, func(c *Config) {
		c.Matrix.HomeserverURL, c.Matrix.HomeserverDomain = "http://"+freeAddr(t), "example.org"
		c.HTTP.Listen = freeAddr(t)
	})
	for range 50 {
		stop := startServe(t, c)
		alice := signIn(t, c, password)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		out, err := msnptest.WaitFor[msnptest.SignedOut](t.Context(), alice, nil)
		if err != nil || out.Reason != msnp.ShuttingDown {
			t.Fatalf("alice got %v (%v), want SSD", out.Reason, err)
		}
		alice.Close()
	}
}

// TestCommandsWhileServing: what the command line does takes effect at once.
func TestCommandsWhileServing(t *testing.T) {
	c, password := install(t, nil)
	stop := startServe(t, c)
	config := filepath.Join(filepath.Dir(c.Store.Path), configName)
	command := func(args ...string) string {
		t.Helper()
		var out, errOut strings.Builder
		if code := run(append(args, "-c", config), nil, &out, &errOut); code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, errOut.String())
		}
		return strings.TrimSpace(out.String())
	}
	bobs := command("account", "add", "bob@example.net")
	bob, err := msnptest.Dial(t.Context(), c.MSN.Listen, msnptest.Options{Handle: "bob@example.net", Password: bobs, Status: msnp.Online})
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()

	// A further password works beside the first; a revoked one no more, and its
	// client is signed out.
	further := command("account", "passwd", "alice")
	signIn(t, c, further).Close()
	alice := signIn(t, c, password)
	command("account", "passwd", "alice", "--revoke", "1")
	if _, err := msnptest.WaitFor[msnptest.SignedOut](t.Context(), alice, nil); err != nil {
		t.Fatal(err)
	}
	_, err = msnptest.Dial(t.Context(), c.MSN.Listen, msnptest.Options{Handle: "alice@example.org", Password: password})
	var refused *msnptest.ServerError
	if !errors.As(err, &refused) || refused.Code != int(msnp.CodeAuthenticationFailed) {
		t.Fatalf("sign-in with a revoked password: %v, want 911", err)
	}
	signIn(t, c, further).Close()

	command("account", "remove", "bob@example.net")
	if _, err := msnptest.WaitFor[msnptest.SignedOut](t.Context(), bob, nil); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestHealth: the listener for operators.
func TestHealth(t *testing.T) {
	c, password := install(t, func(c *Config) { c.HTTP.Listen = freeAddr(t) })
	stop := startServe(t, c)
	signIn(t, c, password)
	for path, want := range map[string]string{
		"/healthz": "ok\n", "/readyz": "ready\n", "/metrics": "papillon_signed_in 1\n",
	} {
		resp, err := http.Get("http://" + c.HTTP.Listen + path)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(content), want) {
			t.Errorf("%s: %d %q (%v), want %q", path, resp.StatusCode, content, err, want)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// TestSecondInstallIsRefused: init writes over nothing.
func TestSecondInstallIsRefused(t *testing.T) {
	c, _ := install(t, nil)
	dir := filepath.Dir(c.Store.Path)
	before, err := os.ReadFile(filepath.Join(dir, configName))
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut strings.Builder
	if code := run([]string{"init", "--dir", dir}, nil, &out, &errOut); code != exitFailed || !strings.Contains(errOut.String(), "exists already") {
		t.Errorf("exit %d: %s", code, errOut.String())
	}
	after, err := os.ReadFile(filepath.Join(dir, configName))
	if err != nil || string(after) != string(before) {
		t.Errorf("the configuration was changed (%v)", err)
	}
}

// TestReferral: a server with msn.refer_to sends who begins to sign in there.
func TestReferral(t *testing.T) {
	c, _ := install(t, func(c *Config) { c.MSN.ReferTo = "msn.example.org:1863" })
	stop := startServe(t, c)
	nc, err := net.Dial("tcp", c.MSN.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(nc)
	for _, step := range [][2]string{
		{"VER 0 MSNP2", "VER 0 MSNP2"},
		{"INF 1", "INF 1 MD5"},
		{"USR 2 MD5 I alice@example.org", "XFR 2 NS msn.example.org:1863"},
	} {
		if _, err := nc.Write([]byte(step[0] + "\r\n")); err != nil {
			t.Fatal(err)
		}
		answer, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(answer, step[1]) {
			t.Fatalf("%s: got %q (%v), want %s", step[0], answer, err, step[1])
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
