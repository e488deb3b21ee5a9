package matrixtest

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/event"
)

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute) // a first build takes minutes
	t.Cleanup(cancel)
	return ctx
}

func TestBuildNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(BinEnv, dir)
	if err := os.WriteFile(filepath.Join(dir, "dendrite"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Build(testContext(t), &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "lacks generate-keys") {
		t.Errorf("%v", err)
	}
}

func TestStartSaysWhyItFailed(t *testing.T) {
	_, err := Start(testContext(t), Options{Registrations: []string{filepath.Join(t.TempDir(), "none.yaml")}, Log: os.Stderr})
	if err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("%v", err)
	}
}

func TestServerLivesDiesAndLeavesNothing(t *testing.T) {
	ctx := testContext(t)
	s, err := Start(ctx, Options{Presence: true, Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	bob, err := s.CreateUser(ctx, "bob")
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	carol, err := s.CreateUser(ctx, "carol")
	if err != nil {
		t.Fatal(err)
	}
	defer carol.Close()
	room, err := bob.CreateDM(ctx, carol.UserID)
	if err != nil {
		t.Fatal(err)
	}
	if invite, err := carol.WaitInvite(ctx, bob.UserID); err != nil || invite.RoomID != room {
		t.Fatalf("%+v, %v", invite, err)
	}
	if err := carol.Join(ctx, room); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Person{bob, carol} {
		if _, err := p.WaitMember(ctx, room, carol.UserID, event.MembershipJoin); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		end  func() error
	}{{"halting", s.Halt}, {"kill", s.Kill}} {
		if err := c.end(); err != nil {
			t.Fatal(err)
		}
		if err := s.Resume(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Say(ctx, room, "after "+c.name); err != nil {
			t.Fatal(err)
		}
		if _, err := carol.WaitText(ctx, bob.UserID, "after "+c.name); err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range []event.Presence{event.PresenceUnavailable, event.PresenceOffline, event.PresenceOnline} {
		if err := bob.SetPresence(ctx, word, string(word)); err != nil {
			t.Fatal(err)
		}
		if _, err := carol.WaitPresence(ctx, bob.UserID, word, string(word)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Errorf("the data is still there: %v", err)
	}
	if resp, err := http.Get(s.URL); err == nil {
		_ = resp.Body.Close()
		t.Error("the homeserver still answers")
	}
}
