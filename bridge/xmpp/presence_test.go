package xmpp

import (
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
)

func TestPresenceOfSeveralSessions(t *testing.T) {
	var p presences
	for i, step := range []struct {
		xml     string
		show    bridge.Show
		text    string
		changed bool
	}{
		{`<presence from='bob@x/home'><show>away</show><status>out</status></presence>`, bridge.Away, "out", true},
		{`<presence from='bob@x/home'><show>away</show><status>out</status></presence>`, bridge.Away, "out", false},
		{`<presence from='bob@x/phone'><show>dnd</show><priority>-1</priority></presence>`, bridge.Away, "out", false},
		{`<presence from='bob@x/work'><show>chat</show></presence>`, bridge.Available, "", true},
		{`<presence from='bob@x/bed'><priority>5</priority><show>xa</show></presence>`, bridge.ExtendedAway, "", true},
		{`<presence from='carol@x/a'><show>what</show><priority>999</priority></presence>`, bridge.Available, "", true},
		{`<presence from='bob@x/bed' type='unavailable'/>`, bridge.Available, "", true},
		{`<presence from='bob@x/work' type='unavailable'/>`, bridge.Away, "out", true},
		{`<presence from='bob@x' type='unavailable'/>`, bridge.Offline, "", true},
		{`<presence from='bob@x' type='subscribe'/>`, bridge.Unknown, "", false},
		{`<presence from='' type='unavailable'/>`, bridge.Unknown, "", false},
	} {
		best, changed := p.take(read(t, step.xml))
		if best.Show != step.show || best.Text != step.text || changed != step.changed {
			t.Errorf("%d: %+v, %v; want %+v", i, best, changed, step)
		}
	}
	p.reset()
	if _, changed := p.take(read(t, `<presence from='carol@x/a'/>`)); !changed {
		t.Error("after a reset the same presence is no news")
	}
}

func TestPresenceForgetsSessions(t *testing.T) {
	var p presences
	for _, r := range "abcdefghijklmnopqrstuvwxyz" {
		p.take(read(t, `<presence from='bob@x/`+string(r)+`'/>`))
	}
	if n := len(p.all["bob@x"]); n != maxResources {
		t.Errorf("%d sessions are kept", n)
	}
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for xml, want := range map[string]time.Time{
			`<presence from='b@x/a'><idle xmlns='urn:xmpp:idle:1' since='1999-11-01T10:00:00Z'/></presence>`:                    time.Date(1999, 11, 1, 10, 0, 0, 0, time.UTC),
			`<presence from='b@x/a'><idle xmlns='urn:xmpp:idle:1' since='2999-11-01T10:00:00Z'/></presence>`:                    now,
			`<presence from='b@x/a'><query xmlns='jabber:iq:last' seconds='90'/></presence>`:                                    now.Add(-90 * time.Second),
			`<presence from='b@x/a'><query xmlns='jabber:iq:last' seconds='-1'/></presence>`:                                    {},
			`<presence from='b@x/a'><query xmlns='jabber:iq:last' seconds='99999999999999'/></presence>`:                        {},
			`<presence from='b@x/a' type='unavailable'><delay xmlns='urn:xmpp:delay' stamp='1999-11-01T10:00:00Z'/></presence>`: time.Date(1999, 11, 1, 10, 0, 0, 0, time.UTC),
			`<presence from='b@x/a'/>`: {},
		} {
			if got := readPresence(read(t, xml)).Since; !got.Equal(want) {
				t.Errorf("%s: %v, want %v", xml, got, want)
			}
		}
	})
}

func TestPresenceStanza(t *testing.T) {
	since := time.Date(1999, 11, 1, 10, 0, 0, 0, time.UTC)
	s := presenceStanza(bridge.Presence{Show: bridge.ExtendedAway, Text: "Out to\x00 lunch", Since: since}, "Ali")
	back := readPresence(s)
	if s.Type != "" || back.Show != bridge.ExtendedAway || back.Text != "Out to lunch" || !back.Since.Equal(since) ||
		s.Child(nsNick, "nick").Chars() != "Ali" {
		t.Errorf("%+v", s)
	}
	node := s.Child(nsCaps, "c")
	if !knownNode(node.Attribute("node")+"#"+node.Attribute("ver")) || knownNode(capsNode+"#x") || !knownNode("") {
		t.Error("the node that presence names is not known")
	}
	for _, show := range []bridge.Show{bridge.Offline, bridge.Hidden} {
		if s := presenceStanza(bridge.Presence{Show: show, Text: "x"}, "Ali"); s.Type != "unavailable" || len(s.Children) != 0 {
			t.Errorf("%v: %+v", show, s)
		}
	}
	if s := presenceStanza(bridge.Presence{Show: bridge.Available}, ""); s.Text("show") != "" || s.Child(nsNick, "nick") != nil {
		t.Errorf("%+v", s)
	}
}

// The example of XEP-0115 §5.2 is made of another list; what counts is that the
// list of features is the one that is hashed.
func TestDiscoInfoIsWhatTheHashSays(t *testing.T) {
	info := discoInfo()
	seen := make(map[string]bool)
	for i, f := range info.All(nsDiscoInfo, "feature") {
		v := f.Attribute("var")
		if seen[v] || v != sortedFeatures()[i] {
			t.Errorf("feature %d is %q", i, v)
		}
		seen[v] = true
	}
	if id := info.Child(nsDiscoInfo, "identity"); id.Attribute("category")+"/"+id.Attribute("type") != "client/pc" || len(seen) != len(features) {
		t.Errorf("%+v", info)
	}
}
