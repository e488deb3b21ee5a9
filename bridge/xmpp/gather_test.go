package xmpp

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// roomServer is a server with a service of rooms.
type roomServer struct {
	mu       sync.Mutex
	refuse   map[string]bool // fields of configuration that it does not take
	configs  []*stream.Element
	members  []string
	services int
	fails    int // member grants that fail, for now
}

func (s *roomServer) answer(q *stream.Stanza) (*stream.Stanza, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := q.Children[0]
	switch {
	case e.Name.Space == nsDiscoItems:
		s.services++
		if q.To != "test" {
			return refuses("cancel", "service-unavailable")
		}
		return readStanza(`<iq><query xmlns='http://jabber.org/protocol/disco#items'><item jid='down.test'/><item jid='up.test'/><item jid='x@test'/><item jid='conf.test'/></query></iq>`)
	case e.Name.Space == nsDiscoInfo && q.To == "conf.test":
		return readStanza(`<iq><query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='text'/><feature var='http://jabber.org/protocol/muc'/></query></iq>`)
	case e.Name.Space == nsDiscoInfo && q.To == "up.test":
		return readStanza(`<iq><query xmlns='http://jabber.org/protocol/disco#info'><identity category='store' type='file'/></query></iq>`)
	case e.Name.Space == nsMUCOwner:
		for _, f := range e.Child("jabber:x:data", "x").All("jabber:x:data", "field") {
			if s.refuse[f.Attribute("var")] {
				return refuses("modify", "not-acceptable")
			}
		}
		s.configs = append(s.configs, e)
		return &stream.Stanza{Kind: stream.IQ}, nil
	case e.Name.Space == nsMUCAdmin:
		if s.fails > 0 {
			s.fails--
			return refuses("wait", "resource-constraint")
		}
		s.members = append(s.members, e.Child(nsMUCAdmin, "item").Attribute("jid"))
		return &stream.Stanza{Kind: stream.IQ}, nil
	}
	return refuses("cancel", "service-unavailable")
}

// gathering makes an account that is let into every room as its owner.
func gathering(t *testing.T, affiliation string) (*account, *scriptedPort, *roomServer) {
	a, port, _ := newTestAccount(t)
	a.network.options.Component.Domain = "msn.test"
	server := &roomServer{refuse: make(map[string]bool)}
	port.onQuery = server.answer
	port.onSend = func(s *stream.Stanza) error {
		if s.Kind == stream.Presence && s.Type == "" {
			a.rooms.take(read(t, `<presence from='`+s.To+`'><x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='`+affiliation+`'/><status code='110'/></x></presence>`), nil)
		}
		return nil
	}
	return a, port, server
}

var guests = []bridge.RemoteID{"bob@x.org", "carol@x.org"}

func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, server := gathering(t, "owner")
		server.refuse["muc#roomconfig_publicroom"] = true
		server.fails = 1
		if _, err := a.Gather(t.Context(), "key", guests); err == nil || errors.Is(err, bridge.ErrRefused) {
			t.Errorf("trouble that passes: %v", err)
		}
		c, err := a.Gather(t.Context(), "key", guests)
		if err != nil || !c.Room || c.Name != "Alice, bob, carol" || !strings.HasSuffix(string(c.ID), "@conf.test") {
			t.Fatalf("%+v, %v", c, err)
		}
		config := server.configs[len(server.configs)-1]
		for field, want := range map[string]string{
			"FORM_TYPE": nsMUCConfig, "muc#roomconfig_membersonly": "1", "muc#roomconfig_whois": "anyone",
			"muc#roomconfig_persistentroom": "1", "muc#roomconfig_roomname": "Alice, bob, carol",
		} {
			if got := value(config, field); got != want {
				t.Errorf("%s is %q", field, got)
			}
		}
		if got := strings.Join(server.members, " "); got != "bob@x.org carol@x.org" {
			t.Errorf("members are %q", got)
		}
		invited := make(map[string]int)
		for _, s := range port.all() {
			if e := s.Child(nsMUCUser, "x").Child(nsMUCUser, "invite"); e != nil && s.To == string(c.ID) {
				invited["mediated "+e.Attribute("to")]++
			}
			if e := s.Child(nsConference, "x"); e.Attribute("jid") == string(c.ID) {
				invited["direct "+s.To]++
			}
		}
		if len(invited) != 4 {
			t.Errorf("%v", invited)
		}
		before := len(port.all())
		again, err := a.Gather(t.Context(), "key", guests)
		if err != nil || again != c || len(port.all()) != before {
			t.Errorf("%+v, %v", again, err)
		}
		if other, err := a.Gather(t.Context(), "other key", guests); err != nil || other.ID == c.ID || server.services != 1 {
			t.Errorf("%+v, %v; services were looked for %d times", other, err, server.services)
		}
		// The key means the room in another process, too.
		a.rooms.mu.Lock()
		a.rooms.all = nil
		a.rooms.mu.Unlock()
		if err := a.Send(t.Context(), bridge.Outgoing{ID: "out-1", Chat: bridge.Chat{Group: "key"}, Text: "x"}); err != nil {
			t.Error(err)
		}
		if s := port.last(t); s.To != string(c.ID) || s.Type != "groupchat" {
			t.Errorf("%+v", s)
		}
		if err := a.Invite(t.Context(), "key", "dave@x.org"); err != nil || server.members[len(server.members)-1] != "dave@x.org" {
			t.Errorf("%v", err)
		}
		if err := a.Invite(t.Context(), "key", "tea@conf.test/Dave"); !errors.Is(err, bridge.ErrRefused) {
			t.Errorf("somebody without an address: %v", err)
		}
	})
}

func TestGatherInASquattedRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := gathering(t, "none")
		if _, err := a.Gather(t.Context(), "key", guests); !errors.Is(err, bridge.ErrRefused) {
			t.Errorf("%v", err)
		}
	})
}

// A room that cannot be made private is none to talk in.
func TestGatherWithoutPrivacy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, server := gathering(t, "owner")
		server.refuse["muc#roomconfig_membersonly"] = true
		if _, err := a.Gather(t.Context(), "key", guests); !errors.Is(err, bridge.ErrRefused) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if s := port.last(t); s.Kind != stream.Presence || s.Type != "unavailable" || len(a.rooms.all) > 0 {
			t.Errorf("the room is not left: %+v", s)
		}
		for _, s := range port.all() {
			if s.Kind == stream.Message {
				t.Errorf("somebody was invited: %+v", s)
			}
		}
	})
}
