package xmpp

import (
	"net/url"
	"strings"
	"unicode"

	"mellium.im/xmpp/jid"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// Two kinds of ids name somebody on this network: a bare JID, "bob@jabber.org",
// and for somebody in a room whose own address is not known the occupant JID,
// "room@conference.jabber.org/Bob" (XEP-0045 §4.1). In an MSN handle the latter
// is written like an address at the room, "Bob@room@conference.jabber.org": no
// bare JID has two @.

// parseContact reads "bob@jabber.org" or "xmpp:bob@jabber.org" into a bare JID, and
// the halves of an occupant as [splitID] made them into the occupant JID.
func parseContact(address string) (bridge.RemoteID, bool) {
	address = strings.TrimRightFunc(address, unicode.IsSpace)
	if rest, ok := cutScheme(strings.TrimSpace(address)); ok {
		address, ok = uriPath(rest)
		if !ok {
			return "", false
		}
	}
	if id, ok := parseOccupant(address); ok {
		return id, true
	}
	j, err := jid.Parse(strings.TrimSpace(address))
	if err != nil || j.Localpart() == "" {
		return "", false
	}
	return bridge.RemoteID(j.Bare().String()), true
}

// cutScheme takes "xmpp:" off; schemes are compared without case (RFC 5122
// §2.2).
func cutScheme(address string) (rest string, ok bool) {
	const scheme = "xmpp:"
	if len(address) < len(scheme) || !strings.EqualFold(address[:len(scheme)], scheme) {
		return address, false
	}
	return address[len(scheme):], true
}

// uriPath returns the address in a URI behind its scheme: without the account to
// use ("//me@x/"), the query ("?join") and the fragment, and unescaped.
func uriPath(rest string) (string, bool) {
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		_, rest, ok = strings.Cut(authority, "/")
		if !ok {
			return "", false
		}
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	path, err := url.PathUnescape(rest)
	return path, err == nil
}

// parseOccupant reads "nick@room@service". A nick may hold any @ of its own; the
// last two are the handle's and the room's.
func parseOccupant(address string) (bridge.RemoteID, bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "", false
	}
	second := strings.LastIndexByte(address[:at], '@')
	if second < 1 {
		return "", false
	}
	room, err := jid.Parse(address[second+1:])
	if err != nil || room.Localpart() == "" || room.Resourcepart() != "" {
		return "", false
	}
	return occupantID(room.String(), address[:second])
}

// occupantID is the id of somebody who is known by a nick in a room only. Ok is
// false for what cannot be a nick (RFC 7622 §3.4).
func occupantID(room, nick string) (bridge.RemoteID, bool) {
	j, err := jid.Parse(room)
	if err != nil {
		return "", false
	}
	if j, err = j.WithResource(nick); err != nil || j.Resourcepart() == "" {
		return "", false
	}
	return bridge.RemoteID(j.String()), true
}

// splitID is [Network.Address]: for somebody in a room whose own address is not
// known, "room@conference.x/nick", it is nick and the rest. The address of a
// server has no local half.
func splitID(id bridge.RemoteID) (local, domain string) {
	bare, nick, occupant := strings.Cut(string(id), "/")
	if occupant {
		return nick, bare
	}
	local, domain, ok := strings.Cut(bare, "@")
	if !ok {
		return "", bare
	}
	return local, domain
}

// bareID makes the id of whoever has an address: bare, checked and in canonical
// form. Ok is false where it is none.
func bareID(address string) (bridge.RemoteID, bool) {
	// A resource that is not as it should be does not count.
	bare := stream.Bare(address)
	if isPlain(bare) {
		return bridge.RemoteID(bare), true
	}
	j, err := jid.Parse(bare)
	if err != nil {
		return "", false
	}
	return bridge.RemoteID(j.String()), true
}

// isPlain recognises most bare addresses as canonical at a glance: every stanza has
// some, and checking them by the book takes longer than all else that is done with
// one.
func isPlain(bare string) bool {
	local, domain, ok := strings.Cut(bare, "@")
	if !ok {
		local, domain = "a", bare
	}
	if local == "" || domain == "" || len(bare) > 255 {
		return false
	}
	for _, c := range []byte(local) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	edge := true // at the border of a label, where it has a letter
	for _, c := range []byte(domain) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (edge || (c < '0' || c > '9') && c != '.') {
			return false
		}
		edge = c == '.'
	}
	return !edge
}

// isOccupant says whether an id names somebody in a room.
func isOccupant(id bridge.RemoteID) bool { return strings.Contains(string(id), "/") }

// isServer says whether an address is that of a server or a service.
func isServer(address string) bool { return !strings.Contains(stream.Bare(address), "@") }

// sameBare compares two addresses without their resources.
func sameBare(a, b string) bool {
	if stream.Bare(a) == stream.Bare(b) {
		return true
	}
	x, ok := bareID(a)
	if !ok {
		return false
	}
	y, ok := bareID(b)
	return ok && x == y
}
