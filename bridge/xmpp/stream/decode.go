package stream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// The bounds of one stanza. The largest that an honest server sends is a roster:
// ten thousand contacts with groups are about two megabytes in 20,000 elements.
const (
	// maxStanza is in bytes.
	maxStanza = 8 << 20
	// maxElements and maxDepth are bounds of a stanza's tree; so is maxElements
	// for the attributes of all elements together.
	maxElements = 100_000
	maxDepth    = 64
)

var errTooLarge = errors.New("too large")

// decodeFrame makes a tree of a frame.
func decodeFrame(f frame) (*Element, error) {
	if !f.whole {
		return nil, fmt.Errorf("%d bytes: %w", f.size, errTooLarge)
	}
	d := treeDecoder{d: newDecoder(f.data)}
	token, err := d.d.Token()
	if err != nil {
		return nil, err
	}
	start, ok := token.(xml.StartElement)
	if !ok {
		return nil, fmt.Errorf("it begins with %T", token)
	}
	return d.element(start, false, 1)
}

// decodeStart reads only the opening tag of a frame: for those whose inside is
// too large or malformed.
func decodeStart(f frame) (*Element, error) {
	token, err := newDecoder(f.data).Token()
	if err != nil {
		return nil, err
	}
	start, ok := token.(xml.StartElement)
	if !ok {
		return nil, fmt.Errorf("it begins with %T", token)
	}
	return newDecoded(start), nil
}

// newDecoder makes a decoder for a piece of the stream's inside. The prefix
// "stream" of the stream's own opening tag is unknown to it and stands for
// itself.
func newDecoder(data []byte) *xml.Decoder {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.DefaultSpace = nsClient
	return d
}

// treeDecoder counts what a tree holds while it is built.
type treeDecoder struct {
	d     *xml.Decoder
	count int
}

// element reads the inside of an element. Mixed is true inside XHTML.
func (d *treeDecoder) element(start xml.StartElement, mixed bool, depth int) (*Element, error) {
	d.count += 1 + len(start.Attr)
	if depth > maxDepth || d.count > maxElements {
		return nil, fmt.Errorf("%d elements and attributes, %d deep: %w", d.count, depth, errTooLarge)
	}
	e := newDecoded(start)
	mixed = mixed || e.Name.Space == nsXHTML
	var text []byte
	for {
		token, err := d.d.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			child, err := d.element(t, mixed, depth+1)
			if err != nil {
				return nil, err
			}
			e.Children = append(e.Children, child)
			if mixed {
				e.Mixed = append(e.Mixed, child)
			}
		case xml.CharData:
			if mixed {
				if d.count++; d.count > maxElements {
					return nil, fmt.Errorf("%d elements and texts: %w", d.count, errTooLarge)
				}
				e.Mixed = append(e.Mixed, &Element{Text: string(t)})
			}
			text = append(text, t...)
		case xml.EndElement:
			e.Text = string(text)
			return e, nil
		}
	}
}

// newDecoded makes an element of an opening tag.
func newDecoded(start xml.StartElement) *Element {
	e := &Element{Name: start.Name}
	if e.Name.Space == nsClient || e.Name.Space == nsComponent {
		e.Name.Space = ""
	}
	for _, a := range start.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		e.Attr = append(e.Attr, a)
	}
	return e
}

// stanza makes a stanza of an element; nil if it is none.
func (e *Element) stanza() *Stanza {
	kind := Kind(e.Name.Local)
	if e.Name.Space != "" || kind != Message && kind != Presence && kind != IQ {
		return nil
	}
	return &Stanza{
		Kind: kind, From: e.Attribute("from"), To: e.Attribute("to"), ID: e.Attribute("id"), Type: e.Attribute("type"),
		Children: e.Children,
	}
}

// isStream tells whether an element is one of the stream itself, like its error.
func (e *Element) isStream(local string) bool {
	return (e.Name.Space == nsStreams || e.Name.Space == "stream") && e.Name.Local == local
}

// nsStanzas and nsStreamErrors are the namespaces of the conditions of errors;
// RFC 6120 §8.3 and §4.9.
const (
	nsStanzas      = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsStreamErrors = "urn:ietf:params:xml:ns:xmpp-streams"
)

// Err returns the error inside a stanza of type error, nil for any other. One
// that does not say what it is counts as undefined-condition.
func (s *Stanza) Err() *StanzaError {
	if s.Type != "error" {
		return nil
	}
	child := s.Child("", "error")
	e := &StanzaError{Type: child.Attribute("type"), Condition: "undefined-condition"}
	if child == nil {
		return e
	}
	for _, c := range child.Children {
		switch {
		case c.Name.Space == nsStanzas && c.Name.Local == "text":
			e.Text = c.Text
		case c.Name.Space == nsStanzas:
			e.Condition = c.Name.Local
		}
	}
	return e
}
