package xmpptest

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Element is a piece of XML as it came: a stanza or a part of one.
type Element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []Element  `xml:",any"`
}

// parseElement reads one element.
func parseElement(text string) (Element, error) {
	var e Element
	if err := xml.Unmarshal([]byte(text), &e); err != nil {
		return Element{}, fmt.Errorf("read XML: %w", err)
	}
	return e, nil
}

// Attr returns the value of an attribute without a namespace, or "".
func (e *Element) Attr(name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// Child returns the first child of that name, or nil. An empty namespace
// stands for any.
func (e *Element) Child(space, local string) *Element {
	if e == nil {
		return nil
	}
	for i, c := range e.Children {
		if c.XMLName.Local == local && (space == "" || c.XMLName.Space == space) {
			return &e.Children[i]
		}
	}
	return nil
}

// Find returns the first element of that name at any depth below, or nil. An
// empty namespace stands for any.
func (e *Element) Find(space, local string) *Element {
	if found := e.Child(space, local); found != nil || e == nil {
		return found
	}
	for i := range e.Children {
		if found := e.Children[i].Find(space, local); found != nil {
			return found
		}
	}
	return nil
}

// Content returns the text of the element without that of its children, or ""
// of a nil one.
func (e *Element) Content() string {
	if e == nil {
		return ""
	}
	return e.Text
}

// escape writes text so that it can stand in XML.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
