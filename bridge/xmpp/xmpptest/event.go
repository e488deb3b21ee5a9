package xmpptest

import (
	"slices"
	"strings"
)

// Namespaces that the waits look for.
const (
	nsStates   = "http://jabber.org/protocol/chatstates"
	nsReceipts = "urn:xmpp:receipts"
	nsCarbons  = "urn:xmpp:carbons:2"
	nsForward  = "urn:xmpp:forward:0"
)

// Event is something that arrived at a [Peer]: a stanza, or news of its
// connection, whose Kind is "connected" or "disconnected".
type Event struct {
	Element        // the stanza
	Kind    string // message, presence, iq, connected, disconnected
	XML     string // the stanza as slixmpp writes it; for disconnected the cause
}

// From returns who sent the stanza, with the resource if there was one.
func (e *Event) From() string { return e.Attr("from") }

// Type returns the stanza's type, "" if it had none.
func (e *Event) Type() string { return e.Attr("type") }

// ID returns the stanza's id.
func (e *Event) ID() string { return e.Attr("id") }

// Body returns the text of a message.
func (e *Event) Body() string { return e.Child("", "body").Content() }

// Show returns the show of a presence: "" for an available one that has none.
func (e *Event) Show() string { return e.Child("", "show").Content() }

// Status returns the status text of a presence.
func (e *Event) Status() string { return e.Child("", "status").Content() }

// ChatState returns the chat state in a message (XEP-0085), or "".
func (e *Event) ChatState() string {
	for _, c := range e.Children {
		if c.XMLName.Space == nsStates {
			return c.XMLName.Local
		}
	}
	return ""
}

// Receipt returns the id of the message that this one says was received
// (XEP-0184), or "".
func (e *Event) Receipt() string { return e.Child(nsReceipts, "received").Attr("id") }

// Carbon returns the message inside a carbon copy (XEP-0280) and whether the
// person sent it with another client; nil if it is no carbon copy.
func (e *Event) Carbon() (inner *Event, sent bool) {
	for _, direction := range []string{"sent", "received"} {
		message := e.Child(nsCarbons, direction).Child(nsForward, "forwarded").Child("", "message")
		if message != nil {
			return &Event{Element: *message, Kind: "message"}, direction == "sent"
		}
	}
	return nil, false
}

// StatusCodes returns the status codes of a room's presence or message
// (XEP-0045 §15.6).
func (e *Event) StatusCodes() (codes []string) {
	x := e.Child("http://jabber.org/protocol/muc#user", "x")
	if x == nil {
		return nil
	}
	for i := range x.Children {
		if x.Children[i].XMLName.Local == "status" {
			codes = append(codes, x.Children[i].Attr("code"))
		}
	}
	slices.Sort(codes)
	return codes
}

// IsFrom tells whether the stanza is from that JID; a bare one stands for all
// its resources, and for the occupants of a room.
func (e *Event) IsFrom(jid string) bool {
	from := e.From()
	if !strings.Contains(jid, "/") {
		from, _, _ = strings.Cut(from, "/")
	}
	return strings.EqualFold(from, jid)
}
