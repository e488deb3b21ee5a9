package stream

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// The namespaces that the encoding knows by name.
const (
	nsClient    = "jabber:client"
	nsComponent = "jabber:component:accept"
	nsXHTML     = "http://www.w3.org/1999/xhtml"
	nsXML       = "http://www.w3.org/XML/1998/namespace"
	nsStreams   = "http://etherx.jabber.org/streams"
)

var errName = errors.New("not a name that XML allows")

// appendStanza appends a stanza as it goes onto the wire. The default namespace
// is the one of the stream, so that the stanza itself names none. On an error
// what was appended is of no use.
func appendStanza(dst []byte, s *Stanza) ([]byte, error) {
	if s.Kind != Message && s.Kind != Presence && s.Kind != IQ {
		return dst, fmt.Errorf("encode stanza: there is no kind %q", s.Kind)
	}
	dst = append(append(dst, '<'), s.Kind...)
	for _, a := range [...]struct{ name, value string }{{"from", s.From}, {"to", s.To}, {"id", s.ID}, {"type", s.Type}} {
		if a.value != "" {
			dst = appendAttribute(dst, a.name, a.value)
		}
	}
	if len(s.Children) == 0 {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	var err error
	for _, c := range s.Children {
		if dst, err = appendElement(dst, c, "", 1); err != nil {
			return dst, fmt.Errorf("encode %s: %w", s.Kind, err)
		}
	}
	dst = append(append(dst, "</"...), s.Kind...)
	return append(dst, '>'), nil
}

// appendElement appends an element inside one of the namespace outer. What has
// no namespace lies in the stream's own; inside a foreign element, as in a
// forwarded message (XEP-0297), it is written as jabber:client on every kind of
// stream.
func appendElement(dst []byte, e *Element, outer string, depth int) ([]byte, error) {
	if depth > maxDepth {
		return dst, fmt.Errorf("more than %d elements deep", maxDepth)
	}
	if !isName(e.Name.Local) {
		return dst, fmt.Errorf("element %q: %w", e.Name.Local, errName)
	}
	dst = append(append(dst, '<'), e.Name.Local...)
	if e.Name.Space != outer {
		space := e.Name.Space
		if space == "" {
			space = nsClient
		}
		dst = appendAttribute(dst, "xmlns", space)
	}
	dst, err := appendAttributes(dst, e.Attr)
	if err != nil {
		return dst, fmt.Errorf("element %q: %w", e.Name.Local, err)
	}
	if e.Text == "" && len(e.Children) == 0 && len(e.Mixed) == 0 {
		return append(dst, "/>"...), nil
	}
	dst = append(dst, '>')
	inside := e.Mixed
	if inside == nil {
		dst = appendText(dst, e.Text, false)
		inside = e.Children
	}
	for _, c := range inside {
		if c.Name.Local == "" && e.Mixed != nil {
			dst = appendText(dst, c.Text, false)
			continue
		}
		if dst, err = appendElement(dst, c, e.Name.Space, depth+1); err != nil {
			return dst, err
		}
	}
	dst = append(append(dst, "</"...), e.Name.Local...)
	return append(dst, '>'), nil
}

// appendAttributes appends attributes; those of a namespace get a prefix made up
// for them, as an attribute without one has no namespace.
func appendAttributes(dst []byte, attributes []xml.Attr) ([]byte, error) {
	for i, a := range attributes {
		name := a.Name.Local
		if !isName(name) || a.Name.Space == "" && name == "xmlns" {
			return dst, fmt.Errorf("attribute %q: %w", name, errName)
		}
		switch a.Name.Space {
		case "":
		case nsXML:
			name = "xml:" + name
		default:
			prefix := "n" + strconv.Itoa(i)
			dst = appendAttribute(dst, "xmlns:"+prefix, a.Name.Space)
			name = prefix + ":" + name
		}
		dst = appendAttribute(dst, name, a.Value)
	}
	return dst, nil
}

func appendAttribute(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, ' '), name...), `="`...)
	return append(appendText(dst, value, true), '"')
}

// appendText appends character data. What XML 1.0 §2.2 cannot carry at all, even
// as a reference, is left out: one such character would end the stream. Broken
// UTF-8 becomes U+FFFD. Line ends in attributes are written as references,
// because a parser would make them spaces.
func appendText(dst []byte, text string, attribute bool) []byte {
	start := 0
	for i := 0; i < len(text); {
		var instead string
		width := 1
		switch c := text[i]; {
		case c == '&':
			instead = "&amp;"
		case c == '<':
			instead = "&lt;"
		case c == '>':
			instead = "&gt;"
		case c == '"' && attribute:
			instead = "&quot;"
		case c == '\r':
			instead = "&#xD;"
		case c == '\n' && attribute:
			instead = "&#xA;"
		case c == '\t' && attribute:
			instead = "&#x9;"
		case c >= 0x20 && c < utf8.RuneSelf, c == '\n', c == '\t':
			i++
			continue
		default:
			var r rune
			if r, width = utf8.DecodeRuneInString(text[i:]); r == utf8.RuneError && width == 1 {
				instead = "\uFFFD"
			} else if allowed(r) {
				i += width
				continue
			}
		}
		dst = append(append(dst, text[start:i]...), instead...)
		i += width
		start = i
	}
	return append(dst, text[start:]...)
}

// allowed tells whether XML 1.0 can carry a character; §2.2.
func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// isName tells whether text can be the local part of a name: letters of any
// script, digits and marks of joining; Namespaces in XML §3, somewhat narrower
// in the signs that nobody uses.
func isName(text string) bool {
	for i, r := range text {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0xC0 && r != 0xD7 && r != 0xF7 && r < 0x2000
		if !letter && (i == 0 || r != '-' && r != '.' && (r < '0' || r > '9')) {
			return false
		}
	}
	return text != ""
}
