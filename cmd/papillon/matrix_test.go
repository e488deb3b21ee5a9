package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// asProgram is the variable that makes the test binary be papillon.
const asProgram = "PAPILLON_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

const (
	ghost     = id.UserID("@msn_alice:" + matrixtest.Domain)
	bobHandle = "bob@" + matrixtest.Domain
)

// town is a homeserver with bob on it, and a Papillon with alice.
type town struct {
	config     *Config
	password   string
	homeserver *matrixtest.Server
	bob        *matrixtest.Person
}

// newTown starts the homeserver. The queue to the appservice survives its
// restarts.
func newTown(t *testing.T) *town {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // it may have to be built
	defer cancel()
	tw := &town{}
	hs := freeAddr(t)
	appservice := freeAddr(t)
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_URL", "http://"+hs)
	t.Setenv("PAPILLON_MATRIX_HOMESERVER_DOMAIN", matrixtest.Domain)
	t.Setenv("PAPILLON_MATRIX_LISTEN", appservice)
	t.Setenv("PAPILLON_PRESENCE_POLL", "1s")
	t.Setenv("PAPILLON_MSN_LISTEN", freeAddr(t))
	tw.config, tw.password = install(t, func(c *Config) { c.Matrix.Listen, c.MSN.Listen = appservice, os.Getenv("PAPILLON_MSN_LISTEN") })
	var err error
	tw.homeserver, err = matrixtest.Start(ctx, matrixtest.Options{
		Registrations: []string{tw.config.Matrix.Registration, tw.config.Matrix.OwnRegistration}, Presence: true, Persistent: true, Addr: hs, Log: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tw.homeserver.Stop(); err != nil {
			t.Errorf("stop homeserver: %v", err)
		}
	})
	if tw.bob, err = tw.homeserver.CreateUser(ctx, "bob"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tw.bob.Close)
	return tw
}

// acquaint adds bob to alice's list and has both write once.
func (tw *town) acquaint(t *testing.T, ctx context.Context, alice *msnptest.Client) (*msnptest.Switchboard, id.RoomID) {
	t.Helper()
	if _, err := alice.Add(ctx, msnp.Forward, bobHandle, bobHandle); err != nil {
		t.Fatal(err)
	}
	chat, err := alice.Chat(ctx, bobHandle)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chat.SendText(ctx, "hello", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	invite, err := tw.bob.WaitInvite(ctx, ghost)
	if err != nil {
		t.Fatal(err)
	}
	if err := tw.bob.Join(ctx, invite.RoomID); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.bob.WaitText(ctx, ghost, "hello"); err != nil {
		t.Fatal(err)
	}
	return chat, invite.RoomID
}

// reads waits for a text in a window.
func reads(t *testing.T, ctx context.Context, window *msnptest.Switchboard, words string) {
	t.Helper()
	m, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, window, nil)
	if err != nil || m.Message.Text() != words {
		t.Fatalf("got %q (%v), want %q", m.Message.Text(), err, words)
	}
}

// TestHomeserverDown: MSN goes on without the homeserver, and what was written
// meanwhile arrives, in order, once.
func TestHomeserverDown(t *testing.T) {
	tw := newTown(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	stop := startServe(t, tw.config)
	alice := signIn(t, tw.config, tw.password)
	chat, _ := tw.acquaint(t, ctx, alice)

	if err := tw.homeserver.Halt(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := chat.SendText(ctx, fmt.Sprintf("waiting %d", i), msnptest.NakOnly); err != nil {
			t.Fatal(err)
		}
	}
	// The helper contact says what is going on, and everything else works.
	answered, err := msnptest.WaitFor[msnptest.Answered](ctx, alice, nil)
	if err != nil || answered.Err != nil {
		t.Fatalf("%v, %v", answered.Err, err)
	}
	told, err := msnptest.WaitFor[msnptest.MessageArrived](ctx, answered.Switchboard, nil)
	if err != nil || told.From.Handle != "papillon@example.org" || !strings.Contains(told.Message.Text(), "matrix") {
		t.Fatalf("%s says %q (%v)", told.From.Handle, told.Message.Text(), err)
	}
	// A restart of Papillon loses nothing of it either.
	alice.Close()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	stop = startServe(t, tw.config)
	alice = signIn(t, tw.config, tw.password)
	if _, err := alice.List(ctx, msnp.Forward); err != nil {
		t.Fatal(err)
	}
	var refused *msnptest.ServerError
	_, err = alice.Add(ctx, msnp.Forward, "carol@"+matrixtest.Domain, "carol")
	if !errors.As(err, &refused) || refused.Code != int(msnp.CodeServerUnavailable) {
		t.Fatalf("ADD of somebody unknown while the homeserver is down: %v, want 601", err)
	}

	if err := tw.homeserver.Resume(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		tw.bobReadsNext(t, ctx, fmt.Sprintf("waiting %d", i))
	}
	// Nothing came twice: what is written now is the next thing bob reads.
	if chat, err = alice.Chat(ctx, bobHandle); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.SendText(ctx, "the last", msnptest.Acknowledged); err != nil {
		t.Fatal(err)
	}
	tw.bobReadsNext(t, ctx, "the last")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// bobReadsNext expects the next message that bob gets from alice.
func (tw *town) bobReadsNext(t *testing.T, ctx context.Context, want string) {
	t.Helper()
	evt, err := tw.bob.Wait(ctx, fmt.Sprintf("%q", want), func(evt *event.Event) bool {
		return evt.Type == event.EventMessage && evt.Sender == ghost
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := evt.Content.AsMessage().Body; got != want {
		t.Fatalf("bob reads %q, want %q", got, want)
	}
}

// startProgram runs serve as a process that may be killed.
func (tw *town) startProgram(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "serve", "-c", filepath.Join(filepath.Dir(tw.config.Store.Path), configName))
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// TestKilledInTheMiddle: a Papillon that is killed while messages come in shows
// all of them after its restart, in order.
func TestKilledInTheMiddle(t *testing.T) {
	tw := newTown(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	t.Setenv("PAPILLON_LOG_LEVEL", "error")
	program := tw.startProgram(t)
	t.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() })
	tw.awaitMSN(t, ctx)
	alice := signIn(t, tw.config, tw.password)
	_, room := tw.acquaint(t, ctx, alice)
	alice.Close()

	const n = 40
	said := make(chan error, 1)
	go func() {
		for i := range n {
			if _, err := tw.bob.Say(ctx, room, fmt.Sprintf("message %d", i)); err != nil {
				said <- err
				return
			}
		}
		said <- nil
	}()
	if err := program.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = program.Wait() // killed
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	program = tw.startProgram(t)
	tw.awaitMSN(t, ctx)
	alice = signIn(t, tw.config, tw.password)
	answered, err := msnptest.WaitFor[msnptest.Answered](ctx, alice, nil)
	if err != nil || answered.Err != nil {
		t.Fatalf("%v, %v", answered.Err, err)
	}
	for i := range n {
		reads(t, ctx, answered.Switchboard, fmt.Sprintf("message %d", i))
	}
	// Nothing came twice.
	if _, err := tw.bob.Say(ctx, room, "the last"); err != nil {
		t.Fatal(err)
	}
	reads(t, ctx, answered.Switchboard, "the last")
}

// awaitMSN waits until the program takes connections.
func (tw *town) awaitMSN(t *testing.T, ctx context.Context) {
	t.Helper()
	for {
		nc, err := msnptest.Dial(ctx, tw.config.MSN.Listen, msnptest.Options{Handle: "alice@example.org", Password: tw.password})
		if err == nil {
			nc.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
