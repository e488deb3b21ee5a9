package stream

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func decodeText(t *testing.T, text string) *Stanza {
	t.Helper()
	e, err := decodeFrame(frame{data: []byte(text), size: len(text), whole: true})
	if err != nil {
		t.Fatal(err)
	}
	return e.stanza()
}

func TestEncode(t *testing.T) {
	for _, test := range []struct {
		in   *Stanza
		want string
	}{
		{&Stanza{Kind: Presence}, `<presence/>`},
		{
			&Stanza{Kind: Message, To: `a"<&>'b`, ID: "\r\n\t\x00", Type: "chat", Children: []*Element{NewText("", "body", "a\r\n\tb ]]> \uFFFE\x02\xed\xa0\x80")}},
			`<message to="a&quot;&lt;&amp;&gt;'b" id="&#xD;&#xA;&#x9;" type="chat"><body>a&#xD;` + "\n\t" + `b ]]&gt; ` + "\uFFFD\uFFFD\uFFFD" + `</body></message>`,
		},
		{
			&Stanza{Kind: IQ, Children: []*Element{NewElement("a", "b").With(NewElement("a", "c"), NewElement("", "message").With(NewElement("", "body")))}},
			`<iq><b xmlns="a"><c/><message xmlns="jabber:client"><body/></message></b></iq>`,
		},
		{
			decodeText(t, `<message><body xml:lang='de' p:x='1' xmlns:p='u:p'>x</body></message>`),
			`<message><body xml:lang="de" xmlns:n1="u:p" n1:x="1">x</body></message>`,
		},
	} {
		got, err := appendStanza(nil, test.in)
		if err != nil || string(got) != test.want {
			t.Errorf("%s, %v\ninstead of %s", got, err, test.want)
		}
	}
	for _, bad := range []*Stanza{
		{Kind: "stream"}, {},
		{Kind: IQ, Children: []*Element{{}}},
		{Kind: IQ, Children: []*Element{NewElement("", "a b")}},
		{Kind: IQ, Children: []*Element{NewElement("", "a:b")}},
		{Kind: IQ, Children: []*Element{NewElement("", "1a")}},
		{Kind: IQ, Children: []*Element{NewElement("", "a", "x='' y", "1")}},
		{Kind: IQ, Children: []*Element{NewElement("", "a", "xmlns", "x")}},
		{Kind: IQ, Children: []*Element{nest(maxDepth + 1)}},
	} {
		if got, err := appendStanza(nil, bad); err == nil {
			t.Errorf("%s was written", got)
		}
	}
}

// nest makes elements inside each other.
func nest(depth int) *Element {
	e := NewElement("", "a")
	for range depth - 1 {
		e = NewElement("", "a").With(e)
	}
	return e
}

func TestDecode(t *testing.T) {
	s := decodeText(t, `<iq xmlns='jabber:component:accept' from='a' type='get'><query xmlns='q' a='1'>x<i xmlns='jabber:component:accept'/>y</query></iq>`)
	want := &Stanza{Kind: IQ, From: "a", Type: "get", Children: []*Element{
		NewText("q", "query", "xy", "a", "1").With(NewElement("", "i")),
	}}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Error(diff)
	}
	s = decodeText(t, `<message><body xmlns='http://www.w3.org/1999/xhtml'><p>a<b>b</b>c</p></body></message>`)
	p := s.Children[0].Children[0]
	if p.Text != "ac" || len(p.Mixed) != 3 || p.Mixed[0].Text != "a" || p.Mixed[1] != p.Children[0] || p.Mixed[2].Text != "c" {
		t.Errorf("%+v", p)
	}
	for name, bad := range map[string]string{
		"deep":     strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1),
		"wide":     "<a>" + strings.Repeat("<b/>", maxElements) + "</a>",
		"entity":   "<a>&x;</a>",
		"control":  "<a>&#1;</a>",
		"mismatch": "<a><b></a></b>",
		"half":     "<a><b>",
		"UTF-8":    "<a>\xff</a>",
		"nothing":  "",
	} {
		if _, err := decodeFrame(frame{data: []byte(bad), size: len(bad), whole: true}); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

func TestErr(t *testing.T) {
	s := decodeText(t, `<message type='error'><body/><error type='cancel'><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><x xmlns='y'/></error></message>`)
	if diff := cmp.Diff(&StanzaError{Type: "cancel", Condition: "gone", Text: "no"}, s.Err()); diff != "" {
		t.Error(diff)
	}
	if e := decodeText(t, `<iq type='error'/>`).Err(); e == nil || e.Error() != "undefined-condition" {
		t.Error(e)
	}
	if e := decodeText(t, `<iq type='result'/>`).Err(); e != nil {
		t.Error(e)
	}
}

func TestAddresses(t *testing.T) {
	for _, good := range []string{"a", "a@b", "a@b.c/d", "a.b-c@d.e", "A@B", "a@b/c d", "über@ö.de", "bob%hotmail.com@x"} {
		if err := checkAddress(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "@", "@a", "a@", "a b@c", "a@b c", "a@b/", "a\"@b", strings.Repeat("a", 1024) + "@b", "a@" + strings.Repeat("b", 1024)} {
		if err := checkAddress(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, same := range [][2]string{{"a@b", "A@B"}, {"a@b/C", "a@b/C"}, {"x y", "x y"}} {
		if !sameAddress(same[0], same[1]) {
			t.Errorf("%q is not %q", same[0], same[1])
		}
	}
	for _, other := range [][2]string{{"a@b/c", "a@b/C"}, {"a@b", "a@b/c"}, {"x y", "x  y"}, {"", "a"}} {
		if sameAddress(other[0], other[1]) {
			t.Errorf("%q is %q", other[0], other[1])
		}
	}
}

// message is a typical one.
func typical() *Stanza {
	return &Stanza{Kind: Message, From: "alice@msn.example.org", To: "bob@example.org/phone", ID: "abcdefghijklmnop", Type: "chat", Children: []*Element{
		NewText("", "body", "Hello Bob, how are you? I have not heard of you for a while."),
		NewElement("http://jabber.org/protocol/chatstates", "active"),
		NewElement("urn:xmpp:receipts", "request"),
		NewElement("urn:xmpp:sid:0", "origin-id", "id", "abcdefghijklmnop"),
	}}
}

func BenchmarkEncode(b *testing.B) {
	s := typical()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = appendStanza(dst[:0], s); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkDecode(b *testing.B) {
	data, err := appendStanza(nil, typical())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeFrame(frame{data: data, size: len(data), whole: true}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckAddress(b *testing.B) {
	for _, address := range []string{"alice@msn.example.org", "über@msn.example.org"} {
		b.Run(fmt.Sprint(len(address)), func(b *testing.B) {
			for b.Loop() {
				if err := checkAddress(address); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
