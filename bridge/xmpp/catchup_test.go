package xmpp

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// A room's archive is read page by page before the room is entered, and only from
// the room and when it was asked for.
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
		before, pages := len(port.all()), 0
		set(port, &port.onQuery, func(s *stream.Stanza) (*stream.Stanza, error) {
			q := s.Child(nsArchive, "query")
			if q == nil {
				return refuses("cancel", "service-unavailable")
			}
			if len(port.all()) != before {
				t.Error("the room was entered first")
			}
			id := q.Attribute("queryid")
			after := q.Child(nsPaging, "set").Child(nsPaging, "after").Chars()
			pages++
			if s.To != string(tea) || value(q, "start") == "" || after != map[int]string{1: "", 2: "a2"}[pages] {
				t.Errorf("%+v", q)
			}
			if pages == 1 {
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
		for stateOf(a) != entering || len(port.all()) == before {
			time.Sleep(time.Second)
		}
		take(t, a, self(""))
		for i, words := range []string{"one", "two", "three"} {
			m := next[bridge.MessageReceived](t, in)
			if m.Text != words || m.Own != (words == "two") || m.Sent.Year() != 1999 {
				t.Errorf("%d: %+v", i, m)
			}
		}
		if pages != 2 || stateOf(a) != inside || len(a.rooms.all[tea].speakers.order) != 0 {
			t.Errorf("%d pages", pages)
		}
	})
}

// An archive that cannot be read keeps nobody out.
func TestCatchUpFails(t *testing.T) {
	inRoom(t, func(t *testing.T, a *account, port *scriptedPort, in *inbox) {
		a.rooms.mu.Lock()
		a.rooms.all[tea].mark.Archive = true
		a.rooms.mu.Unlock()
		before := len(port.all())
		take(t, a, out("", "332"))
		time.Sleep(2 * rejoinFirst)
		if s := port.last(t); len(port.all()) == before || s.To != "tea@conf.test/Alice" {
			t.Errorf("%+v", s)
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
