package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// TestOwnAccountOnMatrix: alice lives in Messenger with the Matrix account that she
// has, linked by the gateway's second registration or by log-in.
func TestOwnAccountOnMatrix(t *testing.T) {
	for _, kind := range []string{"own", "login"} {
		t.Run(kind, func(t *testing.T) {
			tw := newTown(t)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			phone, err := tw.homeserver.CreateUser(ctx, "alice")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(phone.Close)
			room, err := phone.CreateDM(ctx, tw.bob.UserID)
			if err != nil {
				t.Fatal(err)
			}
			if err := tw.bob.Join(ctx, room); err != nil {
				t.Fatal(err)
			}
			stop := startServe(t, tw.config)
			t.Cleanup(func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
			tw.linkAlice(t, kind)
			alice := signIn(t, tw.config, tw.password)
			if !slices.ContainsFunc(alice.Properties().Lists[msnp.Forward], func(m msnp.Member) bool { return string(m.Handle) == bobHandle }) {
				listed(t, ctx, alice, msnp.Forward, bobHandle) // the network was slow
			}
			if _, err := tw.bob.Say(ctx, room, "hello, messenger"); err != nil {
				t.Fatal(err)
			}
			window := opened(t, ctx, alice)
			reads(t, ctx, window, "hello, messenger")
			if _, err := window.SendText(ctx, "hello from 1999", msnptest.Acknowledged); err != nil {
				t.Fatal(err)
			}
			if _, err := tw.bob.WaitText(ctx, phone.UserID, "hello from 1999"); err != nil {
				t.Fatal(err)
			}
			if _, err := phone.Say(ctx, room, "from my phone"); err != nil {
				t.Fatal(err)
			}
			reads(t, ctx, window, "[you, elsewhere] from my phone")
			tw.unlinkAlice(t, phone)
		})
	}
}

// linkAlice links alice while Papillon serves, as an administrator does.
func (tw *town) linkAlice(t *testing.T, kind string) {
	t.Helper()
	config := filepath.Join(filepath.Dir(tw.config.Store.Path), configName)
	id := "@alice:" + matrixtest.Domain
	link := []string{"link", "alice", "matrix", id, "--kind", kind, "-c", config}
	secret := ""
	if kind == "login" {
		link = append(link, "--password-stdin", "--server", tw.homeserver.URL)
		secret = matrixtest.Password("alice") + "\n"
		if r := command(t, secret, append(link, "--recovery-key-stdin")...); r.code != exitFailed || !strings.Contains(r.err, "the recovery key: ") {
			t.Fatalf("link without the recovery key that is promised: %+v", r)
		}
		if r := command(t, "wrong\n", link...); r.code != exitFailed || !strings.Contains(r.err, "does not accept the password; nothing was changed") {
			t.Fatalf("link with a wrong password: %+v", r)
		}
	} else if r := command(t, "", "link", "alice", "matrix", "@nobody:"+matrixtest.Domain, "--kind", kind, "-c", config); r.code != exitFailed || !strings.Contains(r.err, "no such account") {
		t.Fatalf("link with somebody who is not there: %+v", r)
	}
	if r := command(t, secret, link...); r.code != exitOK {
		t.Fatalf("link: %+v", r)
	}
}

// unlinkAlice unlinks alice, which ends the session that Papillon has there.
func (tw *town) unlinkAlice(t *testing.T, phone *matrixtest.Person) {
	t.Helper()
	config := filepath.Join(filepath.Dir(tw.config.Store.Path), configName)
	devices := func() int {
		t.Helper()
		resp, err := phone.GetDevicesInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(resp.Devices)
	}
	before := devices()
	if r := command(t, "", "unlink", "alice", "matrix", "-c", config); r.code != exitOK || r.err != "" {
		t.Fatalf("unlink: %+v", r)
	}
	if got := devices(); got != before-1 {
		t.Errorf("%d sessions after unlinking, want %d", got, before-1)
	}
}
