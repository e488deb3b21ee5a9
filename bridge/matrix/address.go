package matrix

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// newRoomID is a room id of version 12 and later: it has no server name.
var newRoomID = regexp.MustCompile(`^![A-Za-z0-9_-]{43}$`)

// parseAddress reads what people copy from their clients: a link to somebody or to a
// room, "#room:hs", "!id:hs". Servers by which a room is reached stay with it, as in
// "!id:hs?via=a&via=b".
func parseAddress(address string) (remote bridge.RemoteID, ok bool) {
	if uri, err := id.ParseMatrixURIOrMatrixToURL(address); err == nil {
		address = uri.PrimaryIdentifier()
		if via := slices.DeleteFunc(slices.Clone(uri.Via), func(s string) bool { return !id.ValidateServerName(s) }); len(via) > 0 && uri.Sigil1 != '@' {
			address += "?" + url.Values{"via": via}.Encode()
		}
	}
	room, _ := splitVia(bridge.RemoteID(address))
	if len(room) == 0 || len(room) > id.UserIDMaxLength || room[0] != '#' && room[0] != '!' {
		return "", false
	}
	local, server, ok := strings.Cut(room[1:], ":")
	if !ok && newRoomID.MatchString(room) {
		return bridge.RemoteID(address), true
	}
	// No blanks: what people type goes on a line of other texts.
	if !ok || local == "" || strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' }) || !id.ValidateServerName(server) {
		return "", false
	}
	return bridge.RemoteID(address), true
}

// splitVia takes the servers off a room by which it is reached.
func splitVia(remote bridge.RemoteID) (room string, via []string) {
	room, query, ok := strings.Cut(string(remote), "?")
	if !ok {
		return room, nil
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return room, nil
	}
	return room, slices.DeleteFunc(values["via"], func(s string) bool { return !id.ValidateServerName(s) })
}

// viaOf returns the servers by which a room is to be entered: the ones given, and the
// one in its id, which made it.
func viaOf(room string, given []string) []string {
	_, server, ok := strings.Cut(room, ":")
	if room[0] == '!' && ok && !slices.Contains(given, server) {
		given = append(slices.Clip(given), server)
	}
	return given
}

// isRoom says whether an id is a room's.
func isRoom(remote bridge.RemoteID) bool { return len(remote) > 0 && remote[0] == '!' }

// isAlias says whether an id is the address of a room.
func isAlias(remote bridge.RemoteID) bool { return len(remote) > 0 && remote[0] == '#' }
