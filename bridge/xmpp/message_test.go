package xmpp

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"papillon/bridge"
	"papillon/bridge/text"
)

var (
	withBob = bridge.Chat{Contact: "bob@x.org"}
	bob     = bridge.Contact{ID: "bob@x.org"}
)

// said is a message of Bob's with only the given parts.
func said(m bridge.MessageReceived) bridge.MessageReceived {
	if m.Kind == "" {
		m.Kind = bridge.Said
	}
	if m.Chat == (bridge.Chat{}) {
		m.Chat, m.From = withBob, bob
	}
	return m
}

// bobWrites begins a message of Bob's.
const bobWrites = `<message from='bob@x.org/phone' to='alice@msn.test' id='0123456789' type='chat'>`

// readings are messages and what they are read as.
type readings map[string]struct {
	xml  string
	want bridge.MessageReceived
}

func TestReadWords(t *testing.T) {
	const head = bobWrites
	readings{
		"plain":                  {head + `<body>hello</body></message>`, said(bridge.MessageReceived{Text: "hello"})},
		"controls and line ends": {head + "<body>\n a\r\nb\t \n</body></message>", said(bridge.MessageReceived{Text: " a\nb"})},
		"action":                 {head + `<body>/me waves</body></message>`, said(bridge.MessageReceived{Kind: bridge.Emoted, Text: "waves"})},
		"no action":              {head + `<body>/method</body></message>`, said(bridge.MessageReceived{Text: "/method"})},
		"letter":                 {head + `<subject>  Party </subject><body>Come!</body></message>`, said(bridge.MessageReceived{Text: "Subject: Party\nCome!"})},
		"languages":              {head + `<body xml:lang='de'>hallo</body><body>hello</body></message>`, said(bridge.MessageReceived{Text: "hello"})},
		"XHTML-IM": {head + `<body>red &amp; bold</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p style='font-weight: bold; color: #ff0000'>red &amp; <em>bold</em><br/>too</p></body></html></message>`,
			said(bridge.MessageReceived{Text: "red & _bold_\ntoo", Style: text.Style{Bold: true, Color: 0xff0000, Colored: true}})},
		"empty XHTML-IM": {head + `<body>x</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'> </body></html></message>`,
			said(bridge.MessageReceived{Text: "x"})},
		"styling":    {head + `<body>*loud*</body></message>`, said(bridge.MessageReceived{Text: "loud", Style: text.Style{Bold: true}})},
		"no styling": {head + `<body>*loud*</body><unstyled xmlns='urn:xmpp:styling:0'/></message>`, said(bridge.MessageReceived{Text: "*loud*"})},
		"correction": {head + `<body>hello</body><replace xmlns='urn:xmpp:message-correct:0' id='old'/></message>`,
			said(bridge.MessageReceived{Text: "hello", Act: text.Edited, Target: bridge.Target{Ref: "old"}})},
		"retraction": {head + `<body>fallback</body><retract xmlns='urn:xmpp:message-retract:1' id='old'/></message>`,
			said(bridge.MessageReceived{Act: text.Deleted, Target: bridge.Target{Ref: "old"}})},
		"retraction, earlier": {head + `<apply-to xmlns='urn:xmpp:fasten:0' id='old'><retract xmlns='urn:xmpp:message-retract:0'/></apply-to><body>x</body></message>`,
			said(bridge.MessageReceived{Act: text.Deleted, Target: bridge.Target{Ref: "old"}})},
		"reaction": {head + `<reactions xmlns='urn:xmpp:reactions:0' id='old'><reaction>👍</reaction><reaction>🎉</reaction></reactions></message>`,
			said(bridge.MessageReceived{Text: "👍 🎉", Act: text.Reacted, Target: bridge.Target{Ref: "old"}})},
		"reaction withdrawn, unknown before": {head + `<reactions xmlns='urn:xmpp:reactions:0' id='old'/></message>`,
			said(bridge.MessageReceived{Act: text.Unreacted, Target: bridge.Target{Ref: "old"}})},
		"reply": {head + "<body>&gt; Alice wrote:\n&gt; Straße\nyes</body><reply xmlns='urn:xmpp:reply:0' to='alice@msn.test' id='old'/>" +
			`<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='24'/></fallback></message>`,
			said(bridge.MessageReceived{Text: "yes", Act: text.Replied, Target: bridge.Target{Ref: "old", Text: "Straße"}})},
		"reply without quotation": {head + `<body>yes</body><reply xmlns='urn:xmpp:reply:0' id='old'/></message>`,
			said(bridge.MessageReceived{Text: "yes", Act: text.Replied, Target: bridge.Target{Ref: "old"}})},
		"fallback out of range": {head + `<body>yes</body><reply xmlns='urn:xmpp:reply:0' id='old'/>` +
			`<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='9' end='-3'/><body start='2' end='99999999999999999999'/></fallback></message>`,
			said(bridge.MessageReceived{Text: "yes", Act: text.Replied, Target: bridge.Target{Ref: "old"}})},
		"fallback for something unknown": {head + `<body>vote</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:x:poll'/></message>`,
			said(bridge.MessageReceived{Text: "vote"})},
	}.check(t)
}

func TestReadFilesAndTheRest(t *testing.T) {
	const head = bobWrites
	media := func(source, name, kind string, size int64, voice bool) []bridge.Media {
		return []bridge.Media{{Source: source, Name: name, Type: kind, Size: size, Voice: voice}}
	}
	readings{
		"picture": {head + `<body>https://up.x.org/1/cat%20pic.JPG</body><x xmlns='jabber:x:oob'><url>https://up.x.org/1/cat%20pic.JPG</url></x></message>`,
			said(bridge.MessageReceived{Media: media("https://up.x.org/1/cat%20pic.JPG", "cat pic.JPG", "image/jpeg", 0, false)})},
		"picture with words": {head + `<body>look</body><x xmlns='jabber:x:oob'><url>https://up.x.org/cat.png</url></x></message>`,
			said(bridge.MessageReceived{Text: "look", Media: media("https://up.x.org/cat.png", "cat.png", "image/png", 0, false)})},
		"voice": {head + `<body>https://up.x.org/a.m4a</body><x xmlns='jabber:x:oob'><url>https://up.x.org/a.m4a</url></x></message>`,
			said(bridge.MessageReceived{Media: media("https://up.x.org/a.m4a", "a.m4a", "audio/mp4", 0, true)})},
		"file out of reach": {head + `<body>file:///etc/passwd</body><x xmlns='jabber:x:oob'><url>file:///etc/passwd</url></x></message>`,
			said(bridge.MessageReceived{Text: "file:///etc/passwd"})},
		"address beside the words": {head + `<body>come here</body><x xmlns='jabber:x:oob'><url> xmpp:tea@conf.x?join </url></x></message>`,
			said(bridge.MessageReceived{Text: "come here\nxmpp:tea@conf.x?join"})},
		"address alone": {head + "<x xmlns='jabber:x:oob'><url>ftp://x.org/a\nb</url></x><x xmlns='jabber:x:oob'><url>ftp://x.org/a b</url></x><x xmlns='jabber:x:oob'/></message>",
			said(bridge.MessageReceived{Text: "ftp://x.org/a b"})},
		"file sharing, said three times": {head + `<body>https://up.x.org/f</body><x xmlns='jabber:x:oob'><url>https://up.x.org/f</url></x>` +
			`<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'><file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><name>other</name></file>` +
			`<sources><reference xmlns='urn:xmpp:reference:0' uri='https://up.x.org/f'/></sources></media-sharing></reference>` +
			`<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><media-type>application/pdf</media-type><name>plan.pdf</name><size>3032449</size></file>` +
			`<sources><url-data xmlns='http://jabber.org/protocol/url-data' target='https://up.x.org/f'/></sources></file-sharing></message>`,
			said(bridge.MessageReceived{Media: media("https://up.x.org/f", "plan.pdf", "application/pdf", 3032449, false)})},
		"inline sharing": {head + `<body>see</body><reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'>` +
			`<file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><media-type>image/gif</media-type><name>a.gif</name><size>-4</size></file>` +
			`<sources><reference xmlns='urn:xmpp:reference:0' type='data' uri='cid:x'/><reference xmlns='urn:xmpp:reference:0' type='data' uri='https://up.x.org/g'/></sources></media-sharing></reference></message>`,
			said(bridge.MessageReceived{Text: "see", Media: media("https://up.x.org/g", "a.gif", "image/gif", 0, false)})},
		"OMEMO": {head + `<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>AAAA</payload></encrypted><encryption xmlns='urn:xmpp:eme:0' name='OMEMO' namespace='eu.siacs.conversations.axolotl'/><body>I sent you an OMEMO encrypted message</body></message>`,
			said(bridge.MessageReceived{Kind: bridge.Notice, Text: lineOMEMO})},
		"OMEMO 2": {head + `<encrypted xmlns='urn:xmpp:omemo:2'><header/><payload>AAAA</payload></encrypted></message>`,
			said(bridge.MessageReceived{Kind: bridge.Notice, Text: lineOMEMO})},
		"OpenPGP": {head + `<body>see XEP-0027</body><x xmlns='jabber:x:encrypted'>AAAA</x></message>`,
			said(bridge.MessageReceived{Kind: bridge.Notice, Text: lineEncrypted})},
		"call":      {head + `<propose xmlns='urn:xmpp:jingle-message:0' id='a'/></message>`, said(bridge.MessageReceived{Kind: bridge.Notice, Text: lineCall})},
		"attention": {head + `<attention xmlns='urn:xmpp:attention:0'/></message>`, said(bridge.MessageReceived{Kind: bridge.Notice, Text: lineAttention})},
		"passing for somebody in a room": {`<message from='bob@x.org/phone' to='alice@msn.test/a' id='0123456789' type='chat'><body>psst</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>`,
			said(bridge.MessageReceived{Text: "psst"})},
		"private in a room": {`<message from='room@c.x/Bob' to='alice@msn.test/a' id='0123456789' type='chat'><body>psst</body><x xmlns='http://jabber.org/protocol/muc#user'/></message>`,
			said(bridge.MessageReceived{Chat: bridge.Chat{Contact: "room@c.x/Bob"}, From: bridge.Contact{ID: "room@c.x/Bob", Name: "Bob"}, Text: "psst"})},
	}.check(t)
}

func (r readings) check(t *testing.T) {
	for name, c := range r {
		t.Run(name, func(t *testing.T) {
			a, _, _ := newTestAccount(t)
			a.rooms.get("room@c.x")
			got, ok := a.readMessage(read(t, c.xml), false, "", time.Time{})
			if !ok {
				t.Fatal("nothing to show")
			}
			ref := "0123456789"
			if got.Act == text.Edited {
				ref = got.Target.Ref
			}
			if got.ID == "" || got.Ref != ref {
				t.Errorf("ID %q, Ref %q", got.ID, got.Ref)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(bridge.MessageReceived{}, "ID", "Ref", "Sent")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNothingToShow(t *testing.T) {
	a, _, _ := newTestAccount(t)
	for _, inside := range []string{
		``, `<body/>`, `<composing xmlns='http://jabber.org/protocol/chatstates'/>`,
		`<received xmlns='urn:xmpp:receipts' id='x'/>`, `<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>`,
		`<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>`,
		`<retracted xmlns='urn:xmpp:message-retract:1' stamp='x'/><body>gone</body>`,
		`<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='x'/></event>`,
		`<replace xmlns='urn:xmpp:message-correct:0' id='x'/>`,
	} {
		if m, ok := a.readMessage(read(t, `<message from='bob@x.org/a' id='0123456789'>`+inside+`</message>`), false, "", time.Time{}); ok {
			t.Errorf("%s shows %+v", inside, m)
		}
	}
}

func TestReactionsReplaceEachOther(t *testing.T) {
	a, _, _ := newTestAccount(t)
	for i, step := range []struct {
		emoji string
		act   text.Act
		want  string
	}{
		{`<reaction>👍</reaction>`, text.Reacted, "👍"},
		{`<reaction>👍</reaction>`, "", ""},
		{`<reaction>👍</reaction><reaction>🎉</reaction>`, text.Reacted, "🎉"},
		{`<reaction>🎉</reaction>`, text.Unreacted, "👍"},
		{`<reaction>❤</reaction>`, text.Reacted, "❤"},
		{``, text.Unreacted, "❤"},
		{``, "", ""},
	} {
		m, ok := a.readMessage(read(t, `<message from='bob@x.org/a' id='0123456789'><reactions xmlns='urn:xmpp:reactions:0' id='m'>`+step.emoji+`</reactions></message>`), false, "", time.Time{})
		if m.Act != step.act || m.Text != step.want || ok != (step.act != "") {
			t.Errorf("%d: %q %q %v, want %+v", i, m.Act, m.Text, ok, step)
		}
	}
}

// Later messages find the earlier one by whichever id they call it.
func TestReferences(t *testing.T) {
	a, _, _ := newTestAccount(t)
	m, _ := a.readMessage(read(t, `<message from='bob@x.org/a' id='wire-id-1'><body>x</body><origin-id xmlns='urn:xmpp:sid:0' id='origin-1'/></message>`), false, "archive-1", time.Time{})
	if m.ID != "archive-1" || m.Ref != "origin-1" {
		t.Fatalf("%+v", m)
	}
	for _, inside := range []string{
		`<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='wire-id-1'/>`,
		`<body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='origin-1'/>`,
		`<retract xmlns='urn:xmpp:message-retract:1' id='wire-id-1'/>`,
		`<body>y</body><reply xmlns='urn:xmpp:reply:0' id='wire-id-1'/>`,
	} {
		m, _ := a.readMessage(read(t, `<message from='bob@x.org/b' id='0123456789'>`+inside+`</message>`), false, "", time.Time{})
		if m.Target.Ref != "origin-1" {
			t.Errorf("%s refers to %q", inside, m.Target.Ref)
		}
		if edited := m.Act == text.Edited; edited != (m.Ref == "origin-1") {
			t.Errorf("%s is called %q", inside, m.Ref)
		}
	}
	m, _ = a.readMessage(read(t, `<message from='carol@x.org/b' id='0123456789'><body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='wire-id-1'/></message>`), false, "", time.Time{})
	if m.Target.Ref != "wire-id-1" {
		t.Error("somebody else's message has the same id")
	}
	a.memory.sent.put(maxSent, "alice-1", struct{}{})
	m, _ = a.readMessage(read(t, `<message from='bob@x.org/b' id='0123456789'><body>y</body><replace xmlns='urn:xmpp:message-correct:0' id='alice-1'/></message>`), false, "", time.Time{})
	if m.Ref == "alice-1" {
		t.Error("bob has taken the place of what alice said")
	}
	if m.Act != "" || m.Target.Ref != "" || m.Text != "y" {
		t.Errorf("bob corrects what alice said: %+v", m)
	}
}

// More files than count as such are shown by their addresses.
func TestManyFiles(t *testing.T) {
	a, _, _ := newTestAccount(t)
	files := strings.Builder{}
	for i := range maxMedia + 2 {
		fmt.Fprintf(&files, `<x xmlns='jabber:x:oob'><url>https://up.x.org/%d.jpg</url></x>`, i)
	}
	m, _ := a.readMessage(read(t, bobWrites+`<body>all</body>`+files.String()+`</message>`), false, "", time.Time{})
	if len(m.Media) != maxMedia || m.Text != "all\nhttps://up.x.org/16.jpg\nhttps://up.x.org/17.jpg" {
		t.Errorf("%d files, %q", len(m.Media), m.Text)
	}
}

func TestMessageIDs(t *testing.T) {
	a, _, _ := newTestAccount(t)
	id := func(own bool, archived, xml string) string {
		m, ok := a.readMessage(read(t, xml), own, archived, time.Time{})
		if !ok {
			t.Fatalf("%s shows nothing", xml)
		}
		return m.ID
	}
	const body = `<body>x</body>`
	if got := id(false, "arch", `<message from='b@x/a' id='1'>`+body+`</message>`); got != "arch" {
		t.Error(got)
	}
	if got := id(false, "", `<message from='b@x/a' id='1'>`+body+`<stanza-id xmlns='urn:xmpp:sid:0' by='alice@msn.test' id='mine'/></message>`); got != "mine" {
		t.Error(got)
	}
	forged := id(false, "", `<message from='b@x/a' id='0123456789'>`+body+`<stanza-id xmlns='urn:xmpp:sid:0' by='b@x' id='forged'/><stanza-id xmlns='urn:xmpp:sid:0' by='' id='forged'/></message>`)
	if forged == "forged" || forged != id(false, "", `<message from='b@x/a' id='0123456789'>`+body+`<delay xmlns='urn:xmpp:delay' stamp='2001-01-01T00:00:00Z'/></message>`) {
		t.Error("a repetition by the server has another id")
	}
	if got := id(false, forged, `<message from='b@x/a' id='2'>`+body+`</message>`); got == forged {
		t.Error("an archive can choose an id that is made here")
	}
	for _, other := range []string{
		`<message from='c@x/a' id='0123456789'>` + body + `</message>`,
		`<message from='b@x/a' id='0123456780'>` + body + `</message>`,
		`<message from='b@x/a' id='0123456789'><body>y</body></message>`,
	} {
		if id(false, "", other) == forged {
			t.Errorf("%s has the same id", other)
		}
	}
	if again := `<message from='b@x/other' id='0123456789'>` + body + `</message>`; id(false, "", again) != forged {
		t.Error("a repetition from a new session has another id")
	}
	counting := `<message from='b@x/a' id='1'>` + body + `</message>`
	if first, second := id(false, "", counting), id(false, "", counting); first == second {
		t.Error("a client that counts from 1 loses its second session's words")
	}
	const ours = `<message from='alice@msn.test/other' to='b@x' id='out-1'>` + body + `<origin-id xmlns='urn:xmpp:sid:0' id='out-1'/></message>`
	if got := id(true, "arch", ours); got != "out-1" {
		t.Error(got)
	}
}

func TestOwnMessage(t *testing.T) {
	a, _, _ := newTestAccount(t)
	m, ok := a.readMessage(read(t, `<message from='alice@msn.test/other' to='bob@x.org/home' id='0123456789'><body>x</body></message>`), true, "", time.Time{})
	if !ok || !m.Own || m.Chat != withBob || m.From.ID != me {
		t.Errorf("%+v", m)
	}
}

func TestSentIsNeverInTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		for inside, want := range map[string]time.Time{
			``: now,
			`<delay xmlns='urn:xmpp:delay' stamp='1999-12-31T23:59:59Z'/>`:        time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC),
			`<delay xmlns='urn:xmpp:delay' stamp='1999-12-31T23:59:59.5+01:00'/>`: time.Date(1999, 12, 31, 22, 59, 59, 5e8, time.UTC),
			`<x xmlns='jabber:x:delay' stamp='19991231T23:59:59'/>`:               time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC),
			`<delay xmlns='urn:xmpp:delay' stamp='2999-12-31T23:59:59Z'/>`:        now,
			`<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>`:                   now,
			`<delay xmlns='urn:xmpp:delay' stamp='0001-01-01T00:00:00Z'/>`:        now,
		} {
			if got := sentAt(read(t, `<message>`+inside+`</message>`), time.Time{}); !got.Equal(want) {
				t.Errorf("%s: %v, want %v", inside, got, want)
			}
		}
	})
}

func TestMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, port, in := newTestAccount(t)
		port.onSend = nil
		received := false
		a.message(read(t, `<message from='bob@x.org/phone' id='m1' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`), nil)
		a.message(read(t, `<message from='bob@x.org/phone' id='m1' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>`), nil)
		a.message(read(t, `<message from='bob@x.org/phone' id='m2' type='chat'><body>hi</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/></message>`), func() { received = true })
		synctest.Wait()
		if e := next[bridge.TypingSeen](t, in); !e.Typing || e.From != bob || e.Chat != withBob {
			t.Errorf("%+v", e)
		}
		if e := next[bridge.TypingSeen](t, in); !e.Typing {
			t.Errorf("%+v", e)
		}
		if e := next[bridge.TypingSeen](t, in); e.Typing {
			t.Errorf("%+v", e)
		}
		if e := next[bridge.MessageReceived](t, in); e.Text != "hi" || !received {
			t.Errorf("%+v", e)
		}
		in.none(t)
		if s := port.last(t); len(port.all()) != 1 || s.To != "bob@x.org/phone" || s.Child(nsReceipts, "received").Attribute("id") != "m2" {
			t.Errorf("%+v", s)
		}
		for xml, want := range map[string]string{
			`<message from='msn.test' type='headline'><subject>Care</subject><body>Down at 8</body></message>`: "Subject: Care\nDown at 8",
			`<message to='alice@msn.test'><body>Welcome</body></message>`:                                      "Welcome",
			`<message from='other.org'><body>Buy!</body></message>`:                                            "other.org: Buy!",
		} {
			a.message(read(t, xml), nil)
			synctest.Wait()
			if e := next[bridge.NetworkSays](t, in); e.Text != want {
				t.Errorf("%q", e.Text)
			}
		}
		a.message(read(t, `<message from='alice@msn.test/other' to='alice@msn.test' id='0123456789'><body>note</body></message>`), nil)
		synctest.Wait()
		if e := next[bridge.MessageReceived](t, in); !e.Own || e.Chat.Contact != me {
			t.Errorf("%+v", e)
		}
	})
}

// Nicknames are news where no server keeps a roster with other names.
func TestNickChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, in := newTestAccount(t)
		news := `<message from='bob@x.org'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='http://jabber.org/protocol/nick'><item><nick xmlns='http://jabber.org/protocol/nick'>Bobby</nick></item></items></event></message>`
		a.message(read(t, news), nil)
		synctest.Wait()
		in.none(t)
		a.network.options.Component.Domain = "msn.test"
		a.message(read(t, news), nil)
		synctest.Wait()
		if e := next[bridge.ContactRenamed](t, in); e.Contact != (bridge.Contact{ID: bob.ID, Name: "Bobby"}) {
			t.Errorf("%+v", e)
		}
	})
}

func TestReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, in := newTestAccount(t)
		a.returned(read(t, `<message from='bob@x.org' id='out-1' type='error'><body>hi</body><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>Go
away</text></error></message>`))
		a.returned(read(t, `<message from='bob@x.org' id='`+asideMark+`1' type='error'/>`))
		a.returned(read(t, `<message from='bob@x.org' type='error'/>`))
		a.returned(read(t, `<message from='bob@x.org' id='out-2' type='error'/>`))
		a.memory.sent.put(maxSent, inviteMark+"1", struct{}{})
		a.returned(read(t, `<message from='bob@x.org' id='`+inviteMark+`2' type='error'><error type='cancel'/></message>`))
		a.returned(read(t, `<message from='bob@x.org' id='`+inviteMark+`1' type='error'><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`))
		synctest.Wait()
		if e := next[bridge.MessageReturned](t, in); e.ID != "out-1" || e.Chat != withBob || e.Reason != reasons["service-unavailable"]+` ("Go away")` {
			t.Errorf("%+v", e)
		}
		if e := next[bridge.MessageReturned](t, in); e.ID != "out-2" || e.Reason != "the other server refused it (undefined-condition)" {
			t.Errorf("%+v", e)
		}
		if e := next[bridge.NetworkSays](t, in); e.Text != "The invitation to bob@x.org did not arrive: the server of that address does not exist" {
			t.Errorf("%q", e.Text)
		}
		in.none(t)
	})
}

func FuzzReadMessage(f *testing.F) {
	for _, seed := range []string{
		`<message from='bob@x.org/a' id='1'><body>hi</body></message>`,
		`<message from='r@c/Bob' type='groupchat'><body>hi</body><reply xmlns='urn:xmpp:reply:0' id='a' to='r@c/C'/><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='1'/></fallback></message>`,
		`<message from='bob@x.org/a'><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p style='color:red'>a<br/>b</p></body></html><body>a</body></message>`,
		`<message><reactions xmlns='urn:xmpp:reactions:0' id='m'><reaction>x</reaction></reactions></message>`,
		`<message from='b@x'><x xmlns='jabber:x:oob'><url>https://x/y</url></x><body>https://x/y</body></message>`,
		`<message from='b@x'><delay xmlns='urn:xmpp:delay' stamp='1999-12-31T23:59:59Z'/><replace xmlns='urn:xmpp:message-correct:0' id='x'/><body>*b*</body></message>`,
	} {
		f.Add(seed)
	}
	a, _, _ := newTestAccount(f)
	f.Fuzz(func(t *testing.T, source string) {
		s, err := readStanza(source)
		if err != nil {
			return
		}
		for _, own := range []bool{false, true} {
			m, ok := a.readMessage(s, own, "", time.Time{})
			if !ok {
				continue
			}
			if m.ID == "" || m.Chat.Contact == "" || m.From.ID == "" || m.Sent.IsZero() || m.Sent.After(time.Now()) {
				t.Fatalf("%q became %+v", source, m)
			}
			if m.Text == "" && len(m.Media) == 0 && m.Act != text.Deleted && m.Act != text.Unreacted {
				t.Fatalf("%q shows nothing: %+v", source, m)
			}
			if m.Text != xmlText(m.Text) {
				t.Fatalf("%q has text that is none: %q", source, m.Text)
			}
		}
	})
}

// Nothing that a server may send harms, whatever state the account is in.
func FuzzTake(f *testing.F) {
	for _, seed := range []string{mediated, direct, self(""), out("", "307"), says("Bob", "1", "<body>x</body>"),
		says("Bob", "1", "<subject>x</subject>"), `<presence type='error' from='tea@conf.test/x'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>`,
		`<message from='tea@conf.test'><x xmlns='http://jabber.org/protocol/muc#user'><decline from='bob@x.org'/></x></message>`,
		`<message type='error' from='tea@conf.test' id='x'/>`,
		`<message from='alice@msn.test'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:bookmarks:1'><item id='r@c'><conference xmlns='urn:xmpp:bookmarks:1' autojoin='1'/></item></items></event></message>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		s, err := readStanza(source)
		if err != nil {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			a, _, in := newTestAccount(t)
			a.network.options.Component.Domain = "msn.test"
			a.rooms.mu.Lock()
			room := a.rooms.get(tea)
			room.kept = true
			a.rooms.begin(room)
			a.rooms.mu.Unlock()
			for range 2 {
				done := 0
				if a.rooms.take(s, func() { done++ }) {
					synctest.Wait()
					if done != 1 {
						t.Errorf("done %d times with %q", done, source)
					}
				} else if s.Type == "error" {
					a.returned(s)
				} else {
					a.message(s, func() { done++ })
					synctest.Wait()
					if done != 1 {
						t.Errorf("done %d times with %q", done, source)
					}
				}
				a.rooms.take(read(t, self("")), nil)
			}
			synctest.Wait()
			in.drain()
		})
	})
}
