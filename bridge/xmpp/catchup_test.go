package xmpp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// A room's archive is read page by page as soon as the room is entered, and only from
// the room and when it was asked for; what is said meanwhile comes behind it.
func TestCatchUp(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		archived := func(from, query string, n int, inside string) string {
			return fmt.Sprintf(`<message from='%s'><result xmlns='urn:xmpp:mam:2' queryid='%s' id='a%d'><forwarded xmlns='urn:xmpp:forward:0'>`+
				`<delay xmlns='urn:xmpp:delay' stamp='1999-12-31T23:59:%02dZ'/>%s</forwarded></result></message>`, from, query, n, n, strings.Replace(inside, "<message", "<message xmlns=''", 1))
		}
		said := func(nick, words string) string { return says(nick, "0123456789", "<body>"+words+"</body>") }
		a.rooms.leaveAll(t.Context())
		a.rooms.mu.Lock()
		a.rooms.all[tea].mark.Archive = true
		a.rooms.mu.Unlock()
		if err := a.rooms.remember(t.Context(), a.rooms.all[tea].mark); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		pages := 0
		set(port, &port.onQuery, func(s *stream.Stanza) (*stream.Stanza, error) {
			q := s.Child(nsArchive, "query")
			if q == nil {
				return refuses("cancel", "service-unavailable")
			}
			id := q.Attribute("queryid")
			after := q.Child(nsPaging, "set").Child(nsPaging, "after").Chars()
			pages++
			if s.To != string(tea) || value(q, "start") == "" || after != map[int]string{1: "", 2: "a2"}[pages] {
				t.Errorf("%+v", q)
			}
			if pages == 1 {
				a.rooms.take(read(t, said("Bob", "four")), nil)
				a.rooms.take(read(t, said("Bob", "five")), nil)
				a.rooms.take(read(t, archived("tea@conf.test", id, 1, said("Bob", "one"))), nil)
				a.rooms.take(read(t, archived("tea@conf.test", id, 2, said("Alice", "two"))), nil)
				for _, forged := range []string{
					archived("tea@conf.test/Eve", id, 3, said("Bob", "forged")), archived("tea@conf.test", "other", 3, said("Bob", "forged")),
					archived("cake@conf.test", id, 3, said("Bob", "forged")),
				} {
					if s := read(t, forged); !a.rooms.take(s, nil) {
						a.message(s, nil)
					}
				}
				a.rooms.take(read(t, archived("tea@conf.test", id, 3, strings.Replace(said("Bob", "forged"), "tea@", "cake@", 1))), nil)
				a.rooms.take(read(t, archived("tea@conf.test", id, 3, says("Bob", "0123456789", "<subject>forged</subject>"))), nil)
				return readStanza(`<iq><fin xmlns='urn:xmpp:mam:2'><set xmlns='http://jabber.org/protocol/rsm'><last>a2</last></set></fin></iq>`)
			}
			a.rooms.take(read(t, archived("tea@conf.test", id, 4, said("Bob", "three"))), nil)
			return readStanza(`<iq><fin xmlns='urn:xmpp:mam:2' complete='true'><set xmlns='http://jabber.org/protocol/rsm'><last>a4</last></set></fin></iq>`)
		})
		a.rooms.enter(t.Context())
		synctest.Wait()
		if h := port.last(t).Child(nsMUC, "x").Child(nsMUC, "history"); h.Attribute("maxstanzas") != "0" {
			t.Errorf("%+v", h)
		}
		take(t, a, self(""))
		next[bridge.PresenceChanged](t, in)
		for i, words := range []string{"one", "two", "three", "four", "five"} {
			m := next[bridge.MessageReceived](t, in)
			if m.Text != words || m.Own != (words == "two") || (m.Sent.Year() == 1999) != (i < 3) {
				t.Errorf("%d: %+v", i, m)
			}
		}
		in.none(t)
		room := a.rooms.all[tea]
		if pages != 2 || stateOf(a) != inside || len(room.speakers.order) != 1 || room.holding || len(room.held) != 0 {
			t.Errorf("%d pages", pages)
		}
	})
}

// An archive that is refused is done without; one that does not answer is asked
// again. What was held is let go: it comes again.
func TestCatchUpFails(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		archive bool
	}{
		"refused":   {&stream.StanzaError{Type: "cancel", Condition: "service-unavailable"}, false},
		"no answer": {stream.ErrNotConnected, true},
	} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
				a.rooms.mu.Lock()
				a.rooms.all[tea].mark.Archive = true
				a.rooms.mu.Unlock()
				done := 0
				set(port, &port.onQuery, func(s *stream.Stanza) (*stream.Stanza, error) {
					if s.Child(nsArchive, "query") == nil {
						return nil, stream.ErrNotConnected
					}
					a.rooms.take(read(t, says("Bob", "0123456789", "<body>held</body>")), func() { done++ })
					return nil, c.err
				})
				take(t, a, out("", "332"))
				time.Sleep(2 * rejoinFirst)
				synctest.Wait()
				before := len(port.all())
				take(t, a, self(""))
				if s := port.last(t); s.Type != "unavailable" || stateOf(a) != outside || done != 1 {
					t.Errorf("%+v, done %d", s, done)
				}
				time.Sleep(2 * rejoinFirst)
				synctest.Wait()
				h := port.last(t).Child(nsMUC, "x").Child(nsMUC, "history")
				if len(port.all()) != before+2 || (h.Attribute("since") == "") != c.archive {
					t.Errorf("%+v", h)
				}
				for len(in.events) > 0 {
					if m, ok := (<-in.events).(bridge.MessageReceived); ok {
						t.Errorf("%+v", m)
					}
				}
			})
		})
	}
}

// Too much is not held.
func TestHeldTooMuch(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		a.rooms.mu.Lock()
		a.rooms.all[tea].mark.Archive = true
		a.rooms.mu.Unlock()
		done := 0
		set(port, &port.onQuery, func(s *stream.Stanza) (*stream.Stanza, error) {
			if s.Child(nsArchive, "query") == nil {
				return nil, stream.ErrNotConnected
			}
			for range maxHeld + 1 {
				a.rooms.take(read(t, says("Bob", "0123456789", "<body>held</body>")), func() { done++ })
			}
			return readStanza(`<iq><fin xmlns='urn:xmpp:mam:2' complete='true'/></iq>`)
		})
		take(t, a, out("", "332"))
		time.Sleep(2 * rejoinFirst)
		take(t, a, self(""))
		if stateOf(a) != outside || done != maxHeld+1 {
			t.Errorf("done %d", done)
		}
		time.Sleep(2 * rejoinFirst)
		synctest.Wait()
		if stateOf(a) != entering {
			t.Error("not entered again")
		}
	})
}

// What a room says of itself is learned once it is entered.
func TestLearn(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		set(port, &port.onQuery, func(*stream.Stanza) (*stream.Stanza, error) {
			return readStanza(`<iq><query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='text' name='Tea'/><feature var='urn:xmpp:mam:2'/></query></iq>`)
		})
		a.rooms.mu.Lock()
		a.rooms.all[tea].learned = false
		a.rooms.mu.Unlock()
		take(t, a, out("", "332"))
		time.Sleep(2 * rejoinFirst)
		take(t, a, self(""))
		next[bridge.PresenceChanged](t, in)
		next[bridge.PresenceChanged](t, in)
		if e := next[bridge.ContactRenamed](t, in); e.Contact.Name != "Tea" {
			t.Errorf("%+v", e)
		}
		if m, ok, err := a.rooms.recall(t.Context(), tea); err != nil || !ok || !m.Archive || m.Name != "Tea" {
			t.Errorf("%+v, %v", m, err)
		}
	})
}
