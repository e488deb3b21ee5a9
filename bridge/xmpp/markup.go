package xmpp

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"papillon/bridge/xmpp/stream"
)

// maxDepth is how deep elements may be inside each other.
const maxDepth = 64

// parseMarkup reads one XML element. Elements in the namespace own get none, as in
// a stanza.
func parseMarkup(s, own string) (*stream.Element, error) {
	d := xml.NewDecoder(strings.NewReader(s))
	for {
		token, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("read markup: %w", err)
		}
		if start, ok := token.(xml.StartElement); ok {
			return parseElement(d, start, own, 0)
		}
	}
}

func parseElement(d *xml.Decoder, start xml.StartElement, own string, depth int) (*stream.Element, error) {
	if depth > maxDepth {
		return nil, errors.New("read markup: too deep")
	}
	e := &stream.Element{Name: start.Name}
	if e.Name.Space == own {
		e.Name.Space = ""
	}
	for _, a := range start.Attr {
		if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
			e.Attr = append(e.Attr, a)
		}
	}
	mixed := e.Name.Space == nsXHTMLBody
	for {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("read markup: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return nil, fmt.Errorf("read markup: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			child, err := parseElement(d, t, own, depth+1)
			if err != nil {
				return nil, err
			}
			e.Children = append(e.Children, child)
			if mixed {
				e.Mixed = append(e.Mixed, child)
			}
		case xml.CharData:
			e.Text += string(t)
			if mixed {
				e.Mixed = append(e.Mixed, &stream.Element{Text: string(t)})
			}
		case xml.EndElement:
			return e, nil
		}
	}
}

// writeMarkup writes an XHTML element without namespaces, as the text of a
// document.
func writeMarkup(b *strings.Builder, e *stream.Element, depth int) {
	if e.Name.Local == "" {
		escape(b, e.Text)
		return
	}
	if depth > maxDepth {
		return
	}
	b.WriteByte('<')
	b.WriteString(e.Name.Local)
	for _, a := range e.Attr {
		if a.Name.Space == "" {
			b.WriteByte(' ')
			b.WriteString(a.Name.Local)
			b.WriteString(`="`)
			escape(b, a.Value)
			b.WriteByte('"')
		}
	}
	if len(e.Mixed) == 0 && voidElements[e.Name.Local] {
		b.WriteString("/>")
		return
	}
	b.WriteByte('>')
	for _, c := range e.Mixed {
		writeMarkup(b, c, depth+1)
	}
	b.WriteString("</")
	b.WriteString(e.Name.Local)
	b.WriteByte('>')
}

// voidElements have nothing inside.
var voidElements = map[string]bool{"br": true, "img": true, "hr": true}

func escape(b *strings.Builder, s string) {
	// A Builder takes everything.
	_ = xml.EscapeText(b, []byte(xmlText(s)))
}
