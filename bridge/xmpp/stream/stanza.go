package stream

import (
	"encoding/xml"
	"strings"
)

// Kind is the kind of a [Stanza]: the name of its XML element.
type Kind string

// The three kinds; RFC 6120 §8.
const (
	Message  Kind = "message"
	Presence Kind = "presence"
	IQ       Kind = "iq"
)

// Stanza is one message, presence or query. Addresses are kept as they were
// written: one that cannot be parsed must cost nobody the stream.
type Stanza struct {
	Kind     Kind
	From, To string
	ID       string
	Type     string
	// Children are the payloads, in order.
	Children []*Element
}

// Child returns the first payload of a name; nil if there is none.
func (s *Stanza) Child(space, local string) *Element {
	return find(s.Children, space, local)
}

// Text returns the character data of a payload that lies in the stanza's own
// namespace ("body", "subject", "show"), "" if there is none.
func (s *Stanza) Text(local string) string { return s.Child("", local).Chars() }

// Element is an XML element without the parts that XMPP does not use: comments,
// instructions, and the place of text among children. In mixed content (XHTML)
// text has an element of its own, see [Element.Mixed].
type Element struct {
	// Name has no namespace when it is that of the stanza around it
	// (jabber:client, jabber:component:accept): the kinds of stream differ in it.
	Name xml.Name
	// Attr are the attributes but for namespace declarations.
	Attr []xml.Attr
	// Text is the character data directly inside, all pieces joined.
	Text string
	// Children are the elements inside, in order.
	Children []*Element
	// Mixed holds, only for elements in the namespace of XHTML and those inside
	// them, what is inside in order: pieces of text as elements with an empty name, and the
	// Children. Otherwise it is nil.
	Mixed []*Element
}

// NewElement makes an element with attributes given as name, value, name, value.
// Attributes with an empty value are left out.
func NewElement(space, local string, attributes ...string) *Element {
	e := &Element{Name: xml.Name{Space: space, Local: local}}
	for i := 0; i+1 < len(attributes); i += 2 {
		if attributes[i+1] != "" {
			e.Attr = append(e.Attr, xml.Attr{Name: xml.Name{Local: attributes[i]}, Value: attributes[i+1]})
		}
	}
	return e
}

// NewText makes an element with character data; see [NewElement].
func NewText(space, local, text string, attributes ...string) *Element {
	e := NewElement(space, local, attributes...)
	e.Text = text
	return e
}

// With adds elements inside and returns the element; nil ones are left out.
func (e *Element) With(children ...*Element) *Element {
	for _, c := range children {
		if c != nil {
			e.Children = append(e.Children, c)
		}
	}
	return e
}

// Child returns the first element inside of a name; nil if there is none, or no
// e. An empty space stands for the stanza's own namespace.
func (e *Element) Child(space, local string) *Element {
	if e == nil {
		return nil
	}
	return find(e.Children, space, local)
}

// All returns the elements inside of a name, in order.
func (e *Element) All(space, local string) (all []*Element) {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name.Space == space && c.Name.Local == local {
			all = append(all, c)
		}
	}
	return all
}

// Chars returns the character data, "" for no element.
func (e *Element) Chars() string {
	if e == nil {
		return ""
	}
	return e.Text
}

// Attribute returns the value of an attribute, "" if there is none or no e. An
// attribute of another namespace is not found.
func (e *Element) Attribute(local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attr {
		if a.Name.Local == local && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

func find(elements []*Element, space, local string) *Element {
	for _, c := range elements {
		if c.Name.Space == space && c.Name.Local == local {
			return c
		}
	}
	return nil
}

// Bare cuts the resource off an address; it does not check the rest.
func Bare(address string) string {
	bare, _, _ := strings.Cut(address, "/")
	return bare
}

// Resource returns the resource of an address, "" if it has none.
func Resource(address string) string {
	_, resource, _ := strings.Cut(address, "/")
	return resource
}
