package matrix

import (
	"context"
	"testing"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/matrix/matrixtest"
)

// encrypted signs somebody in with a client that encrypts.
func (w *world) encrypted(t *testing.T, p *matrixtest.Person) *matrixtest.Encrypted {
	t.Helper()
	e, err := w.LoginEncrypted(patient(t), p.UserID.Localpart(), newDB(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// secretRoom makes an encrypted room and waits until the other is in it.
func secretRoom(t *testing.T, from *matrixtest.Encrypted, with id.UserID) id.RoomID {
	t.Helper()
	room, err := from.Encrypt(patient(t), with)
	if err != nil {
		t.Fatal(err)
	}
	if err := from.WaitJoin(patient(t), room, with); err != nil {
		t.Fatal(err)
	}
	return room
}

func sayEncrypted(t *testing.T, p *matrixtest.Encrypted, room id.RoomID, text string) {
	t.Helper()
	if _, err := p.SendText(patient(t), room, text); err != nil {
		t.Fatal(err)
	}
}

func reads(t *testing.T, p *matrixtest.Encrypted, want string) {
	t.Helper()
	evt, err := p.Next(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := evt.Content.AsMessage().Body; got != want || !evt.Mautrix.WasEncrypted {
		t.Fatalf("reads %q, encrypted %v, want %q encrypted", got, evt.Mautrix.WasEncrypted, want)
	}
}

func TestGhostInAnEncryptedRoom(t *testing.T) {
	g := shared.gateway(t)
	alice, person := g.user("alice"), shared.person(t, "bob")
	bob := shared.encrypted(t, person)
	room := secretRoom(t, bob, alice.user)
	sayEncrypted(t, bob, room, "between us")
	got := alice.awaitText("between us")
	if want := (bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}); got.Chat != want || got.Kind != bridge.Said {
		t.Errorf("got %+v", got)
	}
	alice.say("1", "not a word", bob.UserID)
	reads(t, bob, "not a word")
	// Another process, with the same storage: the same device, the same keys.
	if err := alice.Close(); err != nil {
		t.Fatal(err)
	}
	alice = g.openUser(alice.owner, "The alice")
	alice.say("2", "still me", bob.UserID)
	reads(t, bob, "still me")
	sayEncrypted(t, bob, room, "I know")
	alice.awaitText("I know")
}

func TestPersonInAnEncryptedRoom(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		g := shared.gateway(t)
		person := shared.person(t, "bob")
		bob, alice := shared.encrypted(t, person), g.link(kind, "alice")
		alice.signIn(bridge.Available)
		room, err := bob.Encrypt(patient(t), alice.other.UserID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := alice.other.WaitInvite(patient(t), bob.UserID); err != nil {
			t.Fatal(err)
		}
		if err := alice.other.Join(patient(t), room); err != nil {
			t.Fatal(err)
		}
		if err := bob.WaitJoin(patient(t), room, alice.other.UserID); err != nil {
			t.Fatal(err)
		}
		sayEncrypted(t, bob, room, "between us")
		alice.awaitText("between us")
		chat := bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}
		alice.says("1", "not a word", chat)
		reads(t, bob, "not a word")
		echo := alice.awaitText("not a word")
		if !echo.Own || echo.ID != "1" {
			t.Errorf("echo %+v", echo)
		}
		// What comes while she is signed out is read at the next sign-in.
		alice.shows(bridge.Offline)
		sayEncrypted(t, bob, room, "while you were out")
		alice.signIn(bridge.Available)
		alice.awaitText("while you were out")
	})
}

// TestNothingPlainInAnEncryptedRoom: a gateway that knows nothing of a room any more
// does not take it for one where everybody may read along.
func TestNothingPlainInAnEncryptedRoom(t *testing.T) {
	g := shared.gateway(t)
	alice, person := g.user("alice"), shared.person(t, "bob")
	bob := shared.encrypted(t, person)
	room := secretRoom(t, bob, alice.user)
	sayEncrypted(t, bob, room, "hello") // and the room is stored as his
	alice.awaitText("hello")
	if err := alice.Close(); err != nil {
		t.Fatal(err)
	}
	empty := newDB(t)
	fresh := shared.gateway(t, func(o *Options) { o.StateDB, o.Chats = empty, g.chats })
	alice = fresh.openUser(alice.owner, "The alice")
	alice.say("1", "in confidence", bob.UserID)
	reads(t, bob, "in confidence")
	evt, err := person.Wait(patient(t), "the sealed event", func(evt *event.Event) bool {
		return evt.RoomID == room && evt.Type.Type == event.EventEncrypted.Type && evt.Sender == alice.user
	})
	if err != nil {
		t.Fatal(err)
	}
	if body, ok := evt.Content.Raw["body"]; ok {
		t.Errorf("the event shows %v", body)
	}
	// Without any place for keys it is refused, and not sent in the clear.
	if err := alice.Close(); err != nil {
		t.Fatal(err)
	}
	bare := shared.gateway(t, func(o *Options) { o.StateDB, o.Chats, o.PickleKey = newDB(t), g.chats, nil })
	alice = bare.openUser(alice.owner, "The alice")
	err = alice.Send(patient(t), bridge.Outgoing{ID: "2", Chat: bridge.Chat{Contact: bridge.RemoteID(bob.UserID)}, Text: "in the clear"})
	if !isRefused(err) {
		t.Errorf("sending without keys: %v", err)
	}
}

// TestMessageWithoutItsKey: a line says that something came, and the message follows
// when its key does.
func TestMessageWithoutItsKey(t *testing.T) {
	for _, kind := range []string{KindGhost, KindLogin} {
		t.Run(kind, func(t *testing.T) {
			g := shared.gateway(t)
			person := shared.person(t, "bob")
			bob := shared.encrypted(t, person)
			alice := g.user("alice")
			if kind == KindLogin {
				own := g.link(kind, "alice")
				own.signIn(bridge.Available)
				alice = own.user
			}
			room, err := bob.Encrypt(patient(t), alice.user)
			if err != nil {
				t.Fatal(err)
			}
			await(alice, "the invite", func(bridge.ContactRequested) bool { return true })
			if err := alice.nature.(interface {
				Allow(context.Context, bridge.RemoteID) error
			}).Allow(patient(t), bridge.RemoteID(bob.UserID)); err != nil {
				t.Fatal(err)
			}
			if err := bob.WaitJoin(patient(t), room, alice.user); err != nil {
				t.Fatal(err)
			}
			sayEncrypted(t, bob, room, "first")
			alice.awaitText("first")
			if _, err := g.options.StateDB.Exec(patient(t), "DELETE FROM crypto_megolm_inbound_session"); err != nil {
				t.Fatal(err)
			}
			sayEncrypted(t, bob, room, "second")
			alice.awaitText(awaitsKey)
			got := alice.awaitText("second") // bob's client gives the key again when it is asked
			if got.From.ID != bridge.RemoteID(bob.UserID) || got.Chat.Contact != got.From.ID {
				t.Errorf("got %+v", got)
			}
		})
	}
}
