package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

const tea = bridge.RemoteID("tea@conf.test")

// inRoom runs a test with an account that is in a room and keeps it.
func inRoom(t *testing.T, test func(t *testing.T, a *account, port *scriptedPort, in *inbox)) {
	synctest.Test(t, func(t *testing.T) {
		a, port, in := newTestAccount(t)
		a.network.options.Component.Domain = "msn.test" // its bookmarks are in the store
		a.rooms.mu.Lock()
		room := a.rooms.get(tea)
		room.kept = true
		a.rooms.begin(room)
		a.rooms.mu.Unlock()
		synctest.Wait()
		if s := port.last(t); s.To != "tea@conf.test/Alice" || s.Child(nsMUC, "x") == nil {
			t.Fatalf("asked to enter by %+v", s)
		}
		take(t, a, self(""))
		synctest.Wait()
		in.drain()
		test(t, a, port, in)
	})
}

// self is our own presence in the room, with something inside.
func self(inside string) string {
	return `<presence from='tea@conf.test/Alice'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='member'/><status code='110'/>` + inside + `</x></presence>`
}

// out is our being out of the room, with codes.
func out(inside string, codes ...string) string {
	for _, c := range codes {
		inside += `<status code='` + c + `'/>`
	}
	return `<presence from='tea@conf.test/Alice' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'>` + inside + `<status code='110'/></x></presence>`
}

// take hands stanzas to the rooms, which are to be theirs.
func take(t *testing.T, a *account, sources ...string) {
	t.Helper()
	for _, source := range sources {
		if !a.rooms.take(read(t, source), nil) {
			t.Errorf("not taken for a room's: %s", source)
		}
	}
	synctest.Wait()
}

// says is a message of somebody in the room.
func says(nick, id, inside string) string {
	return `<message type='groupchat' from='tea@conf.test/` + nick + `' to='alice@msn.test/papillon' id='` + id + `'>` + inside + `</message>`
}

func stateOf(a *account) roomState {
	a.rooms.mu.Lock()
	defer a.rooms.mu.Unlock()
	if r := a.rooms.all[tea]; r != nil {
		return r.state
	}
	return -1
}

func TestNicksThatAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, _ := newTestAccount(t)
		a.network.options.Component.Domain = "msn.test"
		joined := make(chan error)
		go func() {
			_, err := a.Join(t.Context(), tea)
			joined <- err
		}()
		synctest.Wait()
		for _, want := range []string{"Alice", "Alice_", "Alice2", "Alice3"} {
			if s := port.last(t); s.To != "tea@conf.test/"+want {
				t.Errorf("asked to enter as %q, want %q", s.To, want)
			}
			take(t, a, `<presence type='error' from='tea@conf.test/`+want+`'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`)
		}
		// The service chooses (status 210).
		take(t, a, `<presence from='tea@conf.test/Alice~4'><x xmlns='http://jabber.org/protocol/muc#user'><status code='110'/><status code='210'/></x></presence>`)
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		if nick := a.rooms.all[tea].nick; nick != "Alice~4" {
			t.Error(nick)
		}
	})
}

func TestRegisteredNick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, _ := newTestAccount(t)
		a.network.options.Component.Domain = "msn.test"
		port.onQuery = func(s *stream.Stanza) (*stream.Stanza, error) {
			return readStanza(`<iq><query xmlns='http://jabber.org/protocol/disco#info' node='x-roomuser_item'><identity category='conference' type='text' name='Wonder'/></query></iq>`)
		}
		joined := make(chan error)
		go func() { joined <- a.rooms.join(t.Context(), tea) }()
		synctest.Wait()
		refusal := `<presence type='error' from='tea@conf.test/Alice'><error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`
		take(t, a, refusal)
		if s := port.last(t); s.To != "tea@conf.test/Wonder" {
			t.Errorf("asked to enter as %q", s.To)
		}
		take(t, a, refusal)
		if err := <-joined; !errors.Is(err, bridge.ErrRefused) {
			t.Error(err)
		}
		if len(a.rooms.all) != 0 {
			t.Error("a room that was never entered is kept")
		}
	})
}

func TestRefusals(t *testing.T) {
	for condition, want := range map[string]error{
		"auth not-authorized": bridge.ErrRefused, "auth forbidden": bridge.ErrRefused, "auth registration-required": bridge.ErrRefused,
		"cancel not-allowed": bridge.ErrRefused, "cancel item-not-found": bridge.ErrNoSuchContact, "cancel gone": bridge.ErrNoSuchContact,
		"cancel remote-server-not-found": bridge.ErrNoSuchContact, "wait service-unavailable": nil, "wait resource-constraint": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			a, _, _ := newTestAccount(t)
			joined := make(chan error)
			go func() { joined <- a.rooms.join(t.Context(), tea) }()
			synctest.Wait()
			kind, name, _ := strings.Cut(condition, " ")
			take(t, a, `<presence type='error' from='tea@conf.test/Alice'><error type='`+kind+`'><`+name+` xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`)
			err := <-joined
			final := errors.Is(err, bridge.ErrRefused) || errors.Is(err, bridge.ErrNoSuchContact)
			if err == nil || want != nil && !errors.Is(err, want) || want == nil && final {
				t.Errorf("%s: %v", condition, err)
			}
		})
	}
}

// Who is out of a room comes back where that is of use, and is told otherwise.
func TestExpelled(t *testing.T) {
	for name, c := range map[string]struct {
		presence string
		says     string // to the user
	}{
		"kicked":         {out(`<item role='none'><reason>spam</reason></item>`, "307"), "thrown you out: spam"},
		"banned":         {out("", "301", "307"), "banned you"},
		"members only":   {out("", "322"), "members only"},
		"not a member":   {out("", "321"), "members only"},
		"destroyed":      {out(`<destroy jid='cake@conf.test'><reason>stale</reason></destroy>`), "was closed: stale. It goes on at cake@conf.test"},
		"shutdown":       {out("", "332"), ""},
		"technical":      {out("", "307", "333"), ""},
		"without a word": {out(""), ""},
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
				before := len(port.all())
				take(t, a, c.presence)
				if e := next[bridge.PresenceChanged](t, in); e.Contact != tea || e.Presence.Show != bridge.Offline {
					t.Errorf("%+v", e)
				}
				if c.says != "" {
					if e := next[bridge.NetworkSays](t, in); !strings.Contains(e.Text, c.says) || !strings.Contains(e.Text, string(tea)) {
						t.Errorf("%q", e.Text)
					}
				}
				in.none(t)
				time.Sleep(rejoinMost)
				synctest.Wait()
				if again := len(port.all()) > before; again != (c.says == "") {
					t.Errorf("tried to enter again: %v", again)
				}
			})
		})
	}
}

// A room that does not answer is tried again and again, with longer pauses.
func TestRoomThatDoesNotAnswer(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		take(t, a, out("", "332"))
		begin, count := time.Now(), len(port.all())
		for time.Since(begin) < time.Hour {
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if tries := len(port.all()) - count; tries < 6 || tries > 15 {
			t.Errorf("%d tries in an hour", tries)
		}
		for stateOf(a) != entering {
			time.Sleep(time.Second)
		}
		take(t, a, self(""))
		if stateOf(a) != inside {
			t.Error("not in")
		}
	})
}

// A room that does not want the account is asked a few times more, and the user
// told once.
func TestRoomThatRefuses(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		a.rooms.leaveAll(t.Context())
		before := len(port.all())
		a.rooms.enter(t.Context())
		for range 4 * 360 {
			synctest.Wait()
			if stateOf(a) == entering {
				take(t, a, `<presence type='error' from='tea@conf.test/Alice'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`)
			}
			time.Sleep(10 * time.Second)
		}
		if e := next[bridge.NetworkSays](t, in); e.Text != "The room tea@conf.test cannot be entered: it does not let you in" {
			t.Errorf("%q", e.Text)
		}
		next[bridge.PresenceChanged](t, in)
		in.none(t)
		if tries := len(port.all()) - before; tries != 1+len(refusedPauses) {
			t.Errorf("%d tries", tries)
		}
	})
}

// XEP-0410: who fell out of a silent room enters it again.
func TestSelfPing(t *testing.T) {
	for condition, again := range map[string]bool{
		"": false, "not-acceptable": true, "service-unavailable": false, "feature-not-implemented": false,
		"item-not-found": false, "remote-server-timeout": false, "not-allowed": true,
	} {
		inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
			asked := 0
			set(port, &port.onQuery, func(s *stream.Stanza) (*stream.Stanza, error) {
				if asked++; s.To != "tea@conf.test/Alice" || s.Child(nsPing, "ping") == nil {
					t.Errorf("%+v", s)
				}
				if condition == "" {
					return readStanza(`<iq/>`)
				}
				return nil, fmt.Errorf("x: %w", &stream.StanzaError{Type: "cancel", Condition: condition})
			})
			before := len(port.all())
			time.Sleep(2*checkEvery + time.Second)
			synctest.Wait()
			if asked == 0 || len(port.all()) > before != again {
				t.Errorf("%q: asked %d times, entered again: %v", condition, asked, len(port.all()) > before)
			}
		})
	}
}

func TestTalk(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		take(t, a,
			`<presence from='tea@conf.test/Bob'><x xmlns='http://jabber.org/protocol/muc#user'><item jid='bob@x.org/phone'/></x></presence>`,
			`<presence from='tea@conf.test/Eve'><x xmlns='http://jabber.org/protocol/muc#user'><item/></x></presence>`,
			says("Bob", "m1", `<body>hi</body><stanza-id xmlns='urn:xmpp:sid:0' by='tea@conf.test' id='s1'/><stanza-id xmlns='urn:xmpp:sid:0' by='alice@msn.test' id='forged'/>`),
			says("Eve", "m1", `<body>ho</body>`))
		m := next[bridge.MessageReceived](t, in)
		if m.From != bob || m.Chat != bridge.RoomChat(tea) || m.ID != "tea@conf.test s1" || m.Ref != "s1" {
			t.Errorf("%+v", m)
		}
		if m := next[bridge.MessageReceived](t, in); m.From != (bridge.Contact{ID: "tea@conf.test/Eve", Name: "Eve"}) || m.Own {
			t.Errorf("%+v", m)
		}
		// Both called their message m1; a correction is of one's own.
		take(t, a, says("Bob", "m2", `<body>hello</body><replace xmlns='urn:xmpp:message-correct:0' id='m1'/>`))
		if m := next[bridge.MessageReceived](t, in); m.Target.Ref != "s1" {
			t.Errorf("%+v", m)
		}
		take(t, a, says("Eve", "m3", `<body>yes</body><reply xmlns='urn:xmpp:reply:0' id='s1' to='tea@conf.test/Bob'/>`))
		if m := next[bridge.MessageReceived](t, in); m.Target != (bridge.Target{Ref: "s1", Author: "Bob"}) {
			t.Errorf("%+v", m)
		}
		take(t, a, says("Eve", "m4", `<composing xmlns='http://jabber.org/protocol/chatstates'/>`))
		if e := next[bridge.TypingSeen](t, in); !e.Typing || e.Chat != bridge.RoomChat(tea) {
			t.Errorf("%+v", e)
		}
		// The room itself, and what a moderator takes away.
		take(t, a, `<message type='groupchat' from='tea@conf.test'><body>This room is logged</body></message>`,
			`<message type='groupchat' from='tea@conf.test'><x xmlns='http://jabber.org/protocol/muc#user'><status code='104'/></x></message>`,
			`<message type='groupchat' from='tea@conf.test'><apply-to xmlns='urn:xmpp:fasten:0' id='s1'><moderated xmlns='urn:xmpp:message-moderate:0' by='tea@conf.test/Eve'><retract xmlns='urn:xmpp:message-retract:0'/><reason>rude</reason></moderated></apply-to></message>`)
		if m := next[bridge.MessageReceived](t, in); m.From.ID != tea || m.Kind != bridge.Notice {
			t.Errorf("%+v", m)
		}
		if m := next[bridge.MessageReceived](t, in); m.From.ID != "tea@conf.test/Eve" || m.Text != "rude" || m.Target.Ref != "s1" {
			t.Errorf("%+v", m)
		}
		in.none(t)
		if a.rooms.take(read(t, `<message type='groupchat' from='gone@conf.test/Bob'><body>x</body></message>`), nil); len(in.events) != 0 {
			t.Error("a room that was left is heard")
		}
	})
}

func TestTopic(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		take(t, a, says("Bob", "t1", `<subject>Tea</subject>`))
		in.none(t)
		take(t, a, says("Bob", "t2", `<subject>Cake</subject>`), says("Bob", "t3", `<subject/>`))
		if m := next[bridge.MessageReceived](t, in); m.Text != "[topic: Cake]" || m.Kind != bridge.Notice {
			t.Errorf("%+v", m)
		}
		if m := next[bridge.MessageReceived](t, in); m.Text != "[the topic was removed]" {
			t.Errorf("%+v", m)
		}
	})
}

func TestSpeakersLeave(t *testing.T) {
	gone := func(nick, inside string) string {
		return `<presence type='unavailable' from='tea@conf.test/` + nick + `'><x xmlns='http://jabber.org/protocol/muc#user'>` + inside + `</x></presence>`
	}
	here := func(nick, address string) string {
		return `<presence from='tea@conf.test/` + nick + `'><x xmlns='http://jabber.org/protocol/muc#user'><item jid='` + address + `'/></x></presence>`
	}
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		take(t, a, here("Bob", "bob@x.org/a"), here("Mute", "mute@x.org/a"),
			says("Bob", "m1", `<body>hi</body>`), says("Eve", "m2", `<body>ho</body>`))
		next[bridge.MessageReceived](t, in)
		next[bridge.MessageReceived](t, in)
		// Bob's address is known: under another nick he is the same. Eve's is not.
		take(t, a, gone("Bob", `<item nick='Bobby'/><status code='303'/>`), here("Bobby", "bob@x.org/a"), gone("Mute", ""))
		in.none(t)
		take(t, a, gone("Eve", `<item nick='Evelyn'/><status code='303'/>`))
		if e := next[bridge.SpeakerLeft](t, in); e.Who.ID != "tea@conf.test/Eve" || e.Chat != bridge.RoomChat(tea) {
			t.Errorf("%+v", e)
		}
		take(t, a, gone("Bobby", ""), gone("Bobby", ""))
		if e := next[bridge.SpeakerLeft](t, in); e.Who != bob {
			t.Errorf("%+v", e)
		}
		in.none(t)
	})
}

// Of a crowd nothing is kept but who speaks.
func TestCrowd(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		for i := range 5000 {
			take(t, a, fmt.Sprintf(`<presence from='tea@conf.test/n%d'><x xmlns='http://jabber.org/protocol/muc#user'><item jid='p%d@x.org/a'/></x></presence>`, i, i))
		}
		take(t, a, says("n7", "m1", `<body>hi</body>`))
		if m := next[bridge.MessageReceived](t, in); m.From.ID != "tea@conf.test/n7" {
			t.Errorf("%+v", m)
		}
		room := a.rooms.all[tea]
		if len(room.addresses) != 0 || len(room.speakers.order) != 1 {
			t.Errorf("%d addresses and %d speakers are kept", len(room.addresses), len(room.speakers.order))
		}
		for i := range 1000 {
			take(t, a, says(fmt.Sprintf("n%d", i), "m1", `<body>hi</body>`))
		}
		if n := len(room.speakers.order); n != maxSpeakers {
			t.Errorf("%d speakers are kept", n)
		}
	})
}

func TestOwnWordsInARoom(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		m := bridge.Outgoing{ID: "out-1", Chat: bridge.RoomChat(tea), Text: "hi"}
		port.onDeliver = func(s *stream.Stanza) error {
			if s.Type != "groupchat" || s.To != string(tea) || s.Child(nsReceipts, "request") != nil {
				t.Errorf("%+v", s)
			}
			a.rooms.take(read(t, says("Alice", "out-1", `<body>hi</body><origin-id xmlns='urn:xmpp:sid:0' id='out-1'/><stanza-id xmlns='urn:xmpp:sid:0' by='tea@conf.test' id='s9'/>`)), nil)
			return stream.ErrNotConnected
		}
		for range 2 {
			if err := a.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		if n := len(port.all()); n != 2 { // with the presence
			t.Errorf("%d stanzas were sent", n)
		}
		synctest.Wait()
		if e := next[bridge.MessageReceived](t, in); !e.Own || e.ID != "out-1" {
			t.Errorf("%+v", e)
		}
		take(t, a, says("Bob", "m7", `<reactions xmlns='urn:xmpp:reactions:0' id='s9'><reaction>👍</reaction></reactions>`))
		if e := next[bridge.MessageReceived](t, in); e.Target.Ref != "out-1" {
			t.Errorf("a reaction refers to %+v", e.Target)
		}
		take(t, a, says("Bob", "m8", `<body>&gt; hi`+"\n"+`yes</body><reply xmlns='urn:xmpp:reply:0' id='s9' to='tea@conf.test/Alice'/><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='5'/></fallback>`))
		if e := next[bridge.MessageReceived](t, in); e.Target != (bridge.Target{Ref: "out-1"}) || e.Text != "yes" {
			t.Errorf("%+v", e)
		}
	})
}

// A room that says that we are not in it is entered again, and the message sent
// again by the gateway.
func TestSendAfterFallingOut(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		port.onDeliver = func(*stream.Stanza) error { return bounce("modify", "not-acceptable") }
		err := a.Send(t.Context(), bridge.Outgoing{ID: "out-1", Chat: bridge.RoomChat(tea), Text: "hi"})
		if err == nil || errors.Is(err, bridge.ErrRefused) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if s := port.last(t); s.Kind != stream.Presence || s.To != "tea@conf.test/Alice" {
			t.Errorf("%+v", s)
		}
		port.onDeliver = func(*stream.Stanza) error { return bounce("auth", "forbidden") }
		take(t, a, self(""))
		if err := a.Send(t.Context(), bridge.Outgoing{ID: "out-2", Chat: bridge.RoomChat(tea), Text: "hi"}); !errors.Is(err, bridge.ErrRefused) {
			t.Errorf("without voice: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := a.Send(ctx, bridge.Outgoing{ID: "out-3", Chat: bridge.Chat{Group: "no such key"}, Text: "hi"}); !errors.Is(err, bridge.ErrRefused) {
			t.Errorf("to a group that is not there: %v", err)
		}
	})
}

// The history that comes with entering again does not repeat what was seen, even in
// rooms that give no ids.
func TestHistoryIsNotRepeated(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		ids := make(map[string]bool)
		talk := []string{
			says("Bob", "1", `<body>hi</body>`), says("Bob", "2", `<body>hi</body>`), says("Eve", "0123456789", `<body>hi</body>`),
		}
		take(t, a, talk...)
		for range talk {
			ids[next[bridge.MessageReceived](t, in).ID] = true
		}
		if len(ids) != len(talk) {
			t.Fatalf("%v", ids)
		}
		a.rooms.leaveAll(t.Context())
		time.Sleep(time.Hour)
		seen := a.rooms.all[tea].mark.Seen
		a.rooms.enter(t.Context())
		synctest.Wait()
		h := port.last(t).Child(nsMUC, "x").Child(nsMUC, "history")
		if since, err := time.Parse(time.RFC3339, h.Attribute("since")); err != nil || since.After(seen) || h.Attribute("maxstanzas") != "100" {
			t.Errorf("%+v", h)
		}
		for _, s := range talk {
			s = strings.Replace(s, "</message>", `<delay xmlns='urn:xmpp:delay' from='tea@conf.test' stamp='`+seen.UTC().Format(time.RFC3339)+`'/></message>`, 1)
			take(t, a, strings.Replace(s, "/papillon", "/papillon2", 1))
		}
		take(t, a, self(""))
		for range talk {
			m := next[bridge.MessageReceived](t, in)
			if !ids[m.ID] {
				t.Errorf("%+v has another id", m)
			}
			if !m.Sent.Before(time.Now().Add(-30 * time.Minute)) {
				t.Errorf("%+v is of now", m)
			}
		}
	})
}

// A message is the same when a room adds, in its history alone, whose it is.
func TestHistoryThatShowsAddresses(t *testing.T) {
	for server, shows := range map[string]string{
		"Prosody":  `<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='owner' role='moderator' jid='bob@x.org'/></x>`,
		"ejabberd": `<addresses xmlns='http://jabber.org/protocol/address'><address type='ofrom' jid='bob@x.org/phone'/></addresses>`,
	} {
		t.Run(server, func(t *testing.T) {
			inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
				take(t, a, says("Bob", "0123456789", `<body>hi</body>`))
				first := next[bridge.MessageReceived](t, in)
				a.memory = memory{} // another process, or the user has signed out and in
				take(t, a, says("Bob", "0123456789", `<body>hi</body>`+shows+`<delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05Z'/>`))
				if again := next[bridge.MessageReceived](t, in); again.ID != first.ID {
					t.Errorf("%q, and in the history %q", first.ID, again.ID)
				}
			})
		})
	}
}

func TestLateAnswer(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		a.rooms.leaveAll(t.Context())
		take(t, a, self(""))
		if s := port.last(t); s.Type != "unavailable" || s.To != "tea@conf.test/Alice" || stateOf(a) != outside {
			t.Errorf("%+v", s)
		}
		if err := a.Leave(t.Context(), tea); err != nil {
			t.Error(err)
		}
		if stateOf(a) != -1 {
			t.Error("a room that was left is kept")
		}
		if !a.rooms.take(read(t, out("")), nil) {
			t.Error("the farewell of a room that was left goes elsewhere")
		}
	})
}

// A friendly name that is no nick, and one that changes.
func TestNickOfTheUser(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		a.mu.Lock()
		a.name = "Ali\nce \x01 in Wonderland"
		a.mu.Unlock()
		a.rooms.rename()
		synctest.Wait()
		if s := port.last(t); s.To != "tea@conf.test/Ali ce in Wonderland" {
			t.Errorf("%q", s.To)
		}
		take(t, a, `<presence from='tea@conf.test/Alice' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'><item nick='Ali ce in Wonderland'/><status code='303'/><status code='110'/></x></presence>`)
		if stateOf(a) != inside || a.rooms.all[tea].nick != "Ali ce in Wonderland" {
			t.Error("lost the room by a change of nick")
		}
		a.mu.Lock()
		a.name = "   "
		a.mu.Unlock()
		if nick := a.rooms.firstNick(a.rooms.all[tea]); nick != "alice" {
			t.Errorf("%q", nick)
		}
	})
}

// A room that the store knows, and the account not yet, keeps what is stored of it.
func TestFollowBeforeLoading(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		stored := bookmark{Room: tea, Name: "Tea", Key: "key", Seen: time.Now().Add(-time.Hour)}
		if err := a.rooms.remember(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		a.rooms.mu.Lock()
		a.rooms.all = nil
		a.rooms.mu.Unlock()
		before := len(port.all())
		if err := a.rooms.follow(t.Context(), tea); err != nil || len(port.all()) != before {
			t.Errorf("%v", err)
		}
		joined := make(chan error)
		go func() {
			_, err := a.Join(t.Context(), tea)
			joined <- err
		}()
		synctest.Wait()
		if h := port.last(t).Child(nsMUC, "x").Child(nsMUC, "history"); h.Attribute("since") == "" {
			t.Errorf("%+v", h)
		}
		take(t, a, self(""))
		if err := <-joined; err != nil {
			t.Fatal(err)
		}
		if all, err := a.rooms.recallAll(t.Context()); err != nil || all[tea].Key != "key" || all[tea].Seen.Before(stored.Seen) {
			t.Errorf("%+v, %v", all, err)
		}
	})
}
