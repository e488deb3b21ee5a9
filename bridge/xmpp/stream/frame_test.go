package stream

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// cut cuts a text into frames, with the error at its end.
func cut(r io.Reader, limit int) (frames []frame, err error) {
	f := &framer{r: bufio.NewReaderSize(r, 16), limit: limit}
	for {
		got, err := f.next()
		if err != nil {
			return frames, err
		}
		got.data = bytes.Clone(got.data)
		frames = append(frames, got)
	}
}

func TestFrames(t *testing.T) {
	for _, test := range []struct {
		in   string
		want []string
		err  error
	}{
		{"", nil, io.EOF},
		{" \r\n<a/>\t<b c='>'/>", []string{"<a/>", "<b c='>'/>"}, io.EOF},
		{`<a b="/>"><c/><d><e></e></d>text</a></stream:stream>`, []string{`<a b="/>"><c/><d><e></e></d>text</a>`}, errEnd},
		{`<a><![CDATA[</a>]]]]></a><b/>`, []string{`<a><![CDATA[</a>]]]]></a>`, "<b/>"}, io.EOF},
		{`<a><!-- </a> - -> --></a><!-- x --><?x </a>?><b/>`, []string{`<a><!-- </a> - -> --></a>`, "<b/>"}, io.EOF},
		{`<a b = '"' c="'" ><d/></a ><e/>`, []string{`<a b = '"' c="'" ><d/></a >`, "<e/>"}, io.EOF},
		{"<a/>text", []string{"<a/>"}, errNotXML},
		{"<!DOCTYPE x><a/>", nil, errNotXML},
		{"<><a/>", nil, errNotXML},
		{"<<a/>", nil, errNotXML},
		{"<a <b/>", nil, errNotXML},
		{"<a></a <b/>", nil, errNotXML},
		{"HTTP/1.1 400 Bad Request", nil, errNotXML},
		{"<a><b></a", nil, io.EOF},
		{"<a>" + strings.Repeat("x", 70) + "</a><b>" + strings.Repeat("<c/>", 13) + "</b><d/>", []string{
			"<a>" + strings.Repeat("x", 70) + "</a>", "<b>" + strings.Repeat("<c/>", 13) + "</b>", "<d/>"}, io.EOF},
	} {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(test.in), "by the byte": iotest.OneByteReader(strings.NewReader(test.in)),
		} {
			frames, err := cut(r, 1000)
			var got []string
			for _, f := range frames {
				if !f.whole || f.size != len(f.data) {
					t.Errorf("%q %s: %q is not whole", test.in, name, f.data)
				}
				got = append(got, string(f.data))
			}
			if !errors.Is(err, test.err) || !cmp.Equal(got, test.want) {
				t.Errorf("%q %s: %q, %v", test.in, name, got, err)
			}
		}
	}
}

func TestFrameTooLarge(t *testing.T) {
	long := "<message from='a@b' id='1'>" + strings.Repeat("papillon ", 5000) + "</message>"
	frames, err := cut(strings.NewReader(long+"<b/>"), 20_000)
	if !errors.Is(err, io.EOF) || len(frames) != 2 {
		t.Fatalf("%d frames, %v", len(frames), err)
	}
	if f := frames[0]; f.whole || f.size != len(long) || len(f.data) > maxHead {
		t.Errorf("whole %v, %d bytes, %d kept", f.whole, f.size, len(f.data))
	}
	start, err := decodeStart(frames[0])
	if err != nil || start.stanza().ID != "1" {
		t.Errorf("%+v, %v", start, err)
	}
	if string(frames[1].data) != "<b/>" {
		t.Errorf("then %q", frames[1].data)
	}
}

// FuzzFrames holds the scanner against the standard decoder: what is well-formed
// is cut where the decoder cuts it, and nothing whatever harms.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		"<a/><b>c</b>", "<a b='>'><![CDATA[<]]></a>", "<a><!-- --></a>", "<a>&lt;</a></x>", "<a b=\"'\"/>", "<a", "<!-", "<![CDATA[", "<?x?><a/>",
	} {
		f.Add([]byte(seed), 50)
	}
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		limit = 1 + (limit&0xFFFF)%200
		frames, err := cut(bytes.NewReader(data), limit)
		if err == nil {
			t.Fatal("no end")
		}
		again, errAgain := cut(iotest.OneByteReader(bytes.NewReader(data)), limit)
		if len(frames) != len(again) || (errAgain.Error() != err.Error()) {
			t.Fatalf("%d frames and %v, by the byte %d and %v", len(frames), err, len(again), errAgain)
		}
		for i := range frames {
			if !cmp.Equal(frames[i], again[i], cmp.AllowUnexported(frame{})) {
				t.Fatalf("%q, by the byte %q", frames[i].data, again[i].data)
			}
			if f := frames[i]; len(f.data) > max(limit, maxHead) || f.whole && f.size > limit {
				t.Fatalf("%d bytes kept of %d", len(f.data), f.size)
			}
		}
		whole, ok := elements(data)
		if !ok {
			return
		}
		if !errors.Is(err, io.EOF) || len(frames) != len(whole) {
			t.Fatalf("%d frames and %v, but %d elements", len(frames), err, len(whole))
		}
		for i, f := range frames {
			if f.whole && string(f.data) != whole[i] {
				t.Fatalf("%q instead of %q", f.data, whole[i])
			}
		}
	})
}

// elements cuts a well-formed piece of a stream with the standard decoder.
func elements(data []byte) (all []string, ok bool) {
	d := xml.NewDecoder(bytes.NewReader(data))
	depth, start := 0, int64(0)
	for {
		before := d.InputOffset()
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all, depth == 0
		}
		if err != nil {
			return nil, false
		}
		switch token.(type) {
		case xml.StartElement:
			if depth == 0 {
				start = before
			}
			depth++
		case xml.EndElement:
			if depth--; depth == 0 {
				all = append(all, string(data[start:d.InputOffset()]))
			}
		case xml.CharData:
			// A reference, or another kind of space, is no space between stanzas.
			if depth == 0 && len(bytes.Trim(data[before:d.InputOffset()], " \t\r\n")) > 0 {
				return nil, false
			}
		case xml.Directive:
			return nil, false
		}
	}
}

func FuzzStanza(f *testing.F) {
	for _, seed := range []string{
		`<message from='a@b/c' to='d' id='1' type='chat' xml:lang='en'><body>x &amp; y</body><x xmlns='jabber:x:oob'><url>z</url></x></message>`,
		`<message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p style='color:red'>a<b>b</b>c<br/>d</p></body></html></message>`,
		`<iq type='result'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body>x</body></message></forwarded></iq>`,
		`<presence><a xmlns:b='c' b:d='e'/></presence>`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeFrame(frame{data: data, size: len(data), whole: true})
		if err != nil {
			return
		}
		s := e.stanza()
		if s == nil {
			return
		}
		written, err := appendStanza(nil, s)
		if err != nil {
			return // a name that nobody uses
		}
		frames, err := cut(bytes.NewReader(written), 1<<30)
		if len(frames) != 1 || !errors.Is(err, io.EOF) {
			t.Fatalf("%q is %d frames, %v", written, len(frames), err)
		}
		e, err = decodeFrame(frames[0])
		if err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if diff := cmp.Diff(s, e.stanza()); diff != "" {
			t.Fatalf("%q became %q: %s", data, written, diff)
		}
	})
}
