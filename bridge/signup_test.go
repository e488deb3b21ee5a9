package bridge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/fake"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// Somebody of a network makes an MSN account, signs in with it, and removes it.
func TestSignUpAtTheDesk(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stopGateway(t, w.g)
		made := 0
		w.g = startGateway(t, w.db, func(o *bridge.Options) {
			o.SignUp = func(network string, person bridge.RemoteID) bool {
				return network == "fakenet" && strings.HasSuffix(string(person), "@fake.test")
			}
			o.NewPassword = func() (string, error) {
				made++
				return fmt.Sprintf("password-%d", made), nil
			}
			o.ServerAddress = "msn.example.org"
		}, w.net)
		desk := w.net.Desk()
		for _, step := range []struct {
			person            bridge.RemoteID
			command, argument string
			answer            string
		}{
			{"dave@fake.test", "status", "", "You have no MSN account here."},
			{"dave@fake.test", "frobnicate", "", `I do not know "frobnicate".`},
			{"dave@fake.test", "help", "", "register NAME - makes an MSN account for you"},
			{"eve@elsewhere.test", "register", "eve", "Nobody can sign up from your address"},
			{"dave@fake.test", "register", "alice", "alice@example.org is taken."},
			{"dave@fake.test", "register", "papillon", "can only be a free name"},
			{"dave@fake.test", "register", "dave@elsewhere.test", "can only be a free name"},
			{"dave@fake.test", "register", "a b", "cannot be the name"},
			{"dave@fake.test", "Register", "", "Sign-in name: dave@example.org\nPassword: password-2"},
			{"dave@fake.test", "register", "another", "You have an MSN account already: dave@example.org."},
			{"dave@fake.test", "status", "", "dave@example.org, not signed in."},
			{"dave@fake.test", "password", "", "Password: password-3"},
		} {
			answer, err := desk.Ask(t.Context(), step.person, step.command, step.argument)
			if err != nil || !strings.Contains(answer, step.answer) {
				t.Errorf("%s says %s %s: %q, %v; want %q", step.person, step.command, step.argument, answer, err, step.answer)
			}
		}
		passwordsNow, err := w.db.Passwords(t.Context(), "dave@example.org")
		must(t, err)
		if len(passwordsNow) != 1 || passwordsNow[0].Password != "password-3" {
			t.Errorf("passwords: %+v", passwordsNow)
		}
		d := open(t, w.g, "dave@example.org", msnp.Online)
		answer, err := desk.Ask(t.Context(), "dave@fake.test", "status", "")
		if err != nil || !strings.Contains(answer, "dave@example.org, signed in.") {
			t.Errorf("status: %q, %v", answer, err)
		}
		d.session.Close()
		answer, err = desk.Ask(t.Context(), "dave@fake.test", "unlink", "")
		if err != nil || !strings.Contains(answer, "is removed") {
			t.Errorf("unlink: %q, %v", answer, err)
		}
		if _, known, err := desk.Account(t.Context(), "dave@fake.test"); known || err != nil {
			t.Errorf("the account is still known: %v, %v", known, err)
		}
	}, fake.Social())
}

// linking is a network that ties who signs up to the account that he has there.
type linking struct{ *fake.Network }

func (linking) LinkAs(bridge.RemoteID) (kind, refusal string) { return "own", "" }

// Whose account the administrator has linked to an MSN account is not sent to a status
// that knows nothing of it.
func TestSignUpOfTheLinked(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stopGateway(t, w.g)
		w.g = startGateway(t, w.db, func(o *bridge.Options) {
			o.SignUp = func(string, bridge.RemoteID) bool { return true }
			o.NewPassword = func() (string, error) { return "password", nil }
		}, linking{w.net})
		must(t, w.db.SetIdentity(t.Context(), bridge.IdentityRecord{Account: alice, Network: "fakenet", Kind: "own", ID: "dave@fake.test"}))
		answer, err := w.net.Desk().Ask(t.Context(), "dave@fake.test", "register", "dave")
		if err != nil || !strings.Contains(answer, "which the administrator of this server has linked") {
			t.Errorf("register: %q, %v", answer, err)
		}
	}, fake.Social())
}

// Who signs in as soon as he has signed up can write to people at once, and the session
// that begins with a password made a moment ago does not end with the earlier ones.
func TestSignInRightAfterSignUp(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		stopGateway(t, w.g)
		made := 0
		w.g = startGateway(t, w.db, func(o *bridge.Options) {
			o.SignUp = func(string, bridge.RemoteID) bool { return true }
			o.NewPassword = func() (string, error) {
				made++
				return fmt.Sprintf("password-%d", made), nil
			}
		}, w.net)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.g.Run(ctx) }()
		synctest.Wait()
		signIn := func(password string) *client {
			t.Helper()
			proof := msnp.Proof{Handle: "Dave@example.org", Challenge: "c", Response: msnptest.Digest("c", password)}
			who, err := w.g.Authenticate(t.Context(), proof)
			must(t, err)
			return open(t, w.g, who.Handle, msnp.Online)
		}
		ask := func(command string) {
			t.Helper()
			_, err := w.net.Desk().Ask(t.Context(), "dave@fake.test", command, "")
			must(t, err)
		}
		ask("register")
		d := signIn("password-1")
		must(t, d.add(msnp.Forward, "bob@fake.test"))
		_, err := d.chat("bob@fake.test")
		must(t, err)
		ask("password")
		again := signIn("password-2")
		d.sees("OUT ")
		w.pass(time.Minute)
		again.mu.Lock()
		if slices.Contains(again.log, "OUT ") {
			t.Errorf("the new session has ended: %q", again.log)
		}
		again.mu.Unlock()
		cancel()
		must(t, <-ended)
	})
}
