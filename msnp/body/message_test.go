package body_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"papillon/msnp/body"
)

// What the clients send, by name.
var bodies = map[string]string{
	"official":         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nX-MMS-IM-Format: FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=22\r\n\r\nHello\r\nthere",
	"draft":            "MIME-Version: 1.0\r\nContent-Type: text/plain;charset=UTF-8\r\n\r\nHello",
	"aMSN":             "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nZo\xeb",
	"Miranda 0.1":      "Content-Type: text/plain; charset=UTF-8\r\n\r\nZoë",
	"gaim 2000":        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nX-MMS-IM-Format: FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=0\r\n\r\nZo\xeb",
	"LF":               "MIME-Version: 1.0\nContent-Type: text/plain\n\nHello\nthere",
	"no blank line":    "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nHello all: hi",
	"header only":      "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n",
	"cut header":       "MIME-Version: 1.0\r\nContent-Type: text/plain",
	"typing":           "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: alice@example.org\r\n\r\n\r\n",
	"typing, Kopete":   "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: alice@example.org\r\n\r\n",
	"extra CRLF":       "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHello\r\n",
	"odd case, spaces": "mime-version:1.0\r\nCONTENT-TYPE:  Text/Plain ; CharSet=utf-8 \r\n\r\nHello",
	"folded":           "MIME-Version: 1.0\r\nContent-Type: text/plain;\r\n\tcharset=UTF-8\r\n\r\nHello",
	"blank of spaces":  "Content-Type: text/plain\r\n \t\r\nHello",
	"invitation":       "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\nApplication-Name: File Transfer\r\nApplication-GUID: {5D3E02AB-6190-11d3-BBBB-00C04F795683}\r\nInvitation-Command: INVITE\r\nInvitation-Cookie: 33267\r\nApplication-File: a b.txt\r\nApplication-FileSize: 36\r\n\r\n",
	"odd value":        "Content-Type: text/plain\r\nX: a\rb\x00c\r\n\r\nHello",
}

func TestParse(t *testing.T) {
	mime, plain := body.Field{Name: "MIME-Version", Value: "1.0"}, body.Field{Name: "Content-Type", Value: "text/plain"}
	tests := map[string]struct {
		header  []body.Field
		content string
	}{
		"official": {[]body.Field{mime, {Name: "Content-Type", Value: "text/plain; charset=UTF-8"},
			{Name: "X-MMS-IM-Format", Value: "FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=22"}}, "Hello\r\nthere"},
		"aMSN":             {[]body.Field{mime, plain}, "Zo\xeb"},
		"Miranda 0.1":      {[]body.Field{{Name: "Content-Type", Value: "text/plain; charset=UTF-8"}}, "Zoë"},
		"LF":               {[]body.Field{mime, plain}, "Hello\nthere"},
		"no blank line":    {[]body.Field{mime, plain}, "Hello all: hi"},
		"header only":      {[]body.Field{mime, plain}, ""},
		"cut header":       {[]body.Field{mime, plain}, ""},
		"extra CRLF":       {[]body.Field{mime, plain}, "Hello\r\n"},
		"odd case, spaces": {[]body.Field{{Name: "mime-version", Value: "1.0"}, {Name: "CONTENT-TYPE", Value: "Text/Plain ; CharSet=utf-8"}}, "Hello"},
		"folded":           {[]body.Field{mime, {Name: "Content-Type", Value: "text/plain; charset=UTF-8"}}, "Hello"},
		"blank of spaces":  {[]body.Field{plain}, "Hello"},
		"odd value":        {[]body.Field{plain, {Name: "X", Value: "a b c"}}, "Hello"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, err := body.Parse([]byte(bodies[name]))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.header, m.Header); diff != "" {
				t.Error(diff)
			}
			if string(m.Content) != test.content {
				t.Errorf("Content = %q; want %q", m.Content, test.content)
			}
		})
	}
}

func TestParseWithoutHeader(t *testing.T) {
	if m, err := body.Parse(nil); !errors.Is(err, body.ErrEmpty) {
		t.Errorf("Parse(nil) = %v, %v; want ErrEmpty", m, err)
	}
	for raw, text := range map[string]string{
		"\r\n": "", "Hello": "Hello", "Hello all: hi": "Hello all: hi", "Bob: hello": "Bob: hello", "\r\nHello": "Hello",
		": x\r\n": ": x", " a: b\r\n": " a: b", "a b: c": "a b: c", "Zo\xeb: hi\r\nfoo: bar": "Zoë: hi\nfoo: bar",
	} {
		m, err := body.Parse([]byte(raw))
		if err != nil || m.Header != nil || m.MediaType() != body.TypeText || m.Text() != text {
			t.Errorf("Parse(%q) = %v, %v with text %q; want %q", raw, m, err, m.Text(), text)
		}
	}
}

func TestParseAliasesContent(t *testing.T) {
	raw := []byte(bodies["draft"])
	m, err := body.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if &m.Content[0] != &raw[len(raw)-len("Hello")] {
		t.Error("the content is a copy")
	}
	if cap(m.Content) != len(m.Content) {
		t.Error("appending to the content would write beyond the message")
	}
}

func TestMediaTypeAndText(t *testing.T) {
	tests := map[string]struct{ media, text string }{
		"official":         {"text/plain", "Hello\nthere"},
		"draft":            {"text/plain", "Hello"},
		"aMSN":             {"text/plain", "Zoë"},
		"Miranda 0.1":      {"text/plain", "Zoë"},
		"gaim 2000":        {"text/plain", "Zoë"},
		"LF":               {"text/plain", "Hello\nthere"},
		"header only":      {"text/plain", ""},
		"extra CRLF":       {"text/plain", "Hello"},
		"odd case, spaces": {"text/plain", "Hello"},
		"folded":           {"text/plain", "Hello"},
		"typing":           {"text/x-msmsgscontrol", ""},
		"invitation":       {"text/x-msmsgsinvite", ""},
	}
	for name, test := range tests {
		m, err := body.Parse([]byte(bodies[name]))
		if err != nil {
			t.Fatal(err)
		}
		if media, text := m.MediaType(), m.Text(); media != test.media || text != test.text {
			t.Errorf("%s: %q, %q; want %q, %q", name, media, text, test.media, test.text)
		}
	}
	untyped, err := body.Parse([]byte("MIME-Version: 1.0\r\n\r\na\rb\r\n\r\n"))
	if err != nil || untyped.MediaType() != body.TypeText || untyped.Text() != "a\nb\n" {
		t.Errorf("without a type: %q, %q, %v", untyped.MediaType(), untyped.Text(), err)
	}
}

func TestGet(t *testing.T) {
	m := body.Message{Header: []body.Field{{Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}}}
	if got := m.Get("X-a"); got != "1" {
		t.Errorf("Get = %q; want the first", got)
	}
	if got := m.Get("X-B"); got != "" {
		t.Errorf("Get of a missing field = %q", got)
	}
}

func TestWire(t *testing.T) {
	tests := map[string]struct {
		m    body.Message
		want string
	}{
		"text": {body.NewText("Hello\nthere", body.DefaultFormat()), bodies["official"]},
		"typing": {body.NewTyping("alice@example.org"),
			"MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: alice@example.org\r\n\r\n\r\n"},
		"profile": {body.NewProfile([]body.Field{{Name: "LoginTime", Value: "1016941010"}, {Name: "EmailEnabled", Value: "0"}}),
			"MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsprofile; charset=UTF-8\r\nLoginTime: 1016941010\r\nEmailEnabled: 0\r\n\r\n\r\n"},
		"cancel": {body.NewCancel("33267", body.CancelReject),
			"MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\nInvitation-Command: CANCEL\r\nInvitation-Cookie: 33267\r\nCancel-Code: REJECT\r\n\r\n"},
		"smuggling": {body.Message{Header: []body.Field{{Name: "X\r\nY: ", Value: "a\r\nZ: b\x00"}, {Name: " \r\n", Value: "gone"}}, Content: []byte("c")},
			"XY: a  Z: b\r\n\r\nc"},
		"smuggling by a handle": {body.NewTyping("a\r\nContent-Type: text/plain"),
			"MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: a  Content-Type: text/plain\r\n\r\n\r\n"},
	}
	for name, test := range tests {
		if got := string(test.m.Append([]byte("before "))); got != "before "+test.want {
			t.Errorf("%s: %q; want %q", name, got, test.want)
		}
	}
}

func TestTyping(t *testing.T) {
	for name, raw := range bodies {
		m, err := body.Parse([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		user, ok := m.Typing()
		if want := strings.HasPrefix(name, "typing"); ok != want || ok && user != "alice@example.org" {
			t.Errorf("%s: Typing() = %q, %v", name, user, ok)
		}
	}
	if _, ok := body.NewTyping("").Typing(); ok {
		t.Error("nobody is typing")
	}
}

func TestNewTextLineEnds(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb": "a\r\nb", "a\r\nb": "a\r\nb", "a\rb": "a\r\nb", "a\xffb": "a?b", "": "",
		strings.Repeat("\n", body.MaxText): strings.Repeat("\n", body.MaxText),
	} {
		if got := string(body.NewText(in, body.DefaultFormat()).Content); got != want {
			t.Errorf("NewText(%.20q) has %.20q; want %.20q", in, got, want)
		}
	}
}

func TestTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ReplaceAll(rapid.String().Draw(t, "text"), "\r", "\n")
		text = strings.TrimSuffix(text, "\n")
		m, err := body.Parse(body.NewText(text, drawFormat(t)).Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(text, "\n") // Text drops one line end
		if got := m.Text(); got != want {
			t.Fatalf("%q comes back as %q", text, got)
		}
	})
}

// TestMaxText checks the promise of MaxText with the longest formats and texts
// of any number of newlines.
func TestMaxText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		newlines := rapid.IntRange(0, body.MaxText).Draw(t, "newlines")
		text := strings.Repeat("\n", newlines) + strings.Repeat("x", body.MaxText-newlines)
		if rapid.Bool().Draw(t, "invalid") {
			text = strings.ReplaceAll(text, "x", "\xff")
		}
		raw := body.NewText(text, drawFormat(t)).Append(nil)
		if len(raw) > body.MaxPayload {
			t.Fatalf("a body of %d bytes", len(raw))
		}
	})
	worst := body.Format{Font: strings.Repeat("é ", 100), Bold: true, Italic: true, Strike: true, Underline: true,
		Color: 0xffffffff, Charset: 255, Pitch: 255, RightToLeft: true}
	for newlines := range body.MaxText + 1 {
		text := strings.Repeat("\n", newlines) + strings.Repeat("x", body.MaxText-newlines)
		if raw := body.NewText(text, worst).Append(nil); len(raw) > body.MaxPayload {
			t.Fatalf("a body of %d bytes with %d newlines", len(raw), newlines)
		}
	}
}

// FuzzParse checks that parsing never panics, changes no content, and is stable
// over Append.
func FuzzParse(f *testing.F) {
	for _, raw := range bodies {
		f.Add([]byte(raw))
	}
	f.Add([]byte("a: b\r\n\r"))
	f.Add([]byte("Bob: hello\nall"))
	f.Add([]byte("\r\n\r\nHello"))
	f.Add([]byte("a: b\r\n c\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		m, err := body.Parse(raw)
		if !bytes.Equal(raw, before) {
			t.Fatal("Parse changed its input")
		}
		if err != nil {
			return
		}
		if !bytes.HasSuffix(raw, m.Content) {
			t.Fatalf("Content %q is not the end of %q", m.Content, raw)
		}
		again, err := body.Parse(m.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m.Header, again.Header); diff != "" || !bytes.Equal(m.Content, again.Content) {
			t.Fatalf("not stable: %s %q, %q", diff, m.Content, again.Content)
		}
		if text := m.Text(); !utf8.ValidString(text) || strings.ContainsRune(text, '\r') {
			t.Fatalf("Text() = %q", text)
		}
		m.Typing()
		if inv, ok := body.ParseInvitation(m); ok {
			same, ok := body.ParseInvitation(inv.Message())
			if !ok || !cmp.Equal(inv, same) {
				t.Fatalf("invitation not stable: %s", cmp.Diff(inv, same))
			}
		}
	})
}

// FuzzAppend builds a message from arbitrary fields: it never reads back with
// more fields, and its content is untouched.
func FuzzAppend(f *testing.F) {
	f.Add("TypingUser", "a\r\nContent-Type: text/plain", []byte("\r\n"))
	f.Add("X\n\nY", "", []byte("A: b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, name, value string, content []byte) {
		m := body.Message{Header: []body.Field{{Name: "MIME-Version", Value: "1.0"}, {Name: name, Value: value}}, Content: content}
		back, err := body.Parse(m.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if len(back.Header) > 2 || !bytes.Equal(back.Content, content) {
			t.Fatalf("%q reads back as %q", m, back)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	raw := []byte(bodies["official"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := body.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewText(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		body.NewText("Hello\nthere", body.DefaultFormat()).Append(nil)
	}
}
