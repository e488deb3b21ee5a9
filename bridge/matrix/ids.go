package matrix

import (
	"encoding/hex"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
	"papillon/bridge/handle"
	"papillon/msnp"
)

// ghosts maps MSN handles to the ids of ghosts and back.
type ghosts struct {
	prefix string // of the local part
	domain string // the homeserver's server name
	home   string // the gateway's MSN domain, whose handles drop it; may be empty
	bot    id.UserID
}

// idOf returns the ghost of a handle. A handle in the gateway's own MSN domain
// gives its local part, any other the whole handle. What a local part may not
// contain is escaped as in the Matrix specification's appendix "Mapping from
// other character sets"; handles are in lower case, so nothing is lost.
func (g ghosts) idOf(handle bridge.Handle) (id.UserID, error) {
	name := string(handle)
	// A local part with an @ of its own would read like a whole handle.
	if g.home != "" && handle.Domain() == g.home && !strings.Contains(handle.Local(), "@") {
		name = handle.Local()
	}
	user := id.NewUserID(g.prefix+escape(name), g.domain)
	if len(user) > id.UserIDMaxLength {
		return "", fmt.Errorf("the Matrix id of %s would be longer than %d bytes: choose one that begins with @%s and link it", handle, id.UserIDMaxLength, g.prefix)
	}
	return user, nil
}

// handleOf is the way back; ok is false for an id that idOf does not make.
func (g ghosts) handleOf(user id.UserID) (handle bridge.Handle, ok bool) {
	local, domain, err := user.Parse()
	if err != nil || domain != g.domain || !strings.HasPrefix(local, g.prefix) {
		return "", false
	}
	name, ok := unescape(strings.TrimPrefix(local, g.prefix))
	if !ok {
		return "", false
	}
	if !strings.Contains(name, "@") {
		if g.home == "" {
			return "", false
		}
		name += "@" + g.home
	}
	handle, err = msnp.ParseHandle(name)
	if err != nil {
		return "", false
	}
	made, err := g.idOf(handle)
	return handle, err == nil && made == user
}

// owns says whether an id is in the gateway's own namespace.
func (g ghosts) owns(user id.UserID) bool {
	if user == g.bot {
		return true
	}
	local, domain, err := user.Parse()
	return err == nil && domain == g.domain && strings.HasPrefix(local, g.prefix)
}

// check says what keeps an id from being a ghost's.
func (g ghosts) check(user id.UserID) error {
	if !g.owns(user) || user == g.bot || len(user) > id.UserIDMaxLength {
		return fmt.Errorf("%s cannot be a ghost: its id must be like @%sname:%s", user, g.prefix, g.domain)
	}
	return nil
}

// plain says whether a byte stands for itself in the local part of an id. The
// set is the one that every homeserver of today accepts.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// escape writes every other byte as = and two hexadecimal digits.
func escape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if plain(s[i]) {
			out.WriteByte(s[i])
		} else {
			fmt.Fprintf(&out, "=%02x", s[i])
		}
	}
	return out.String()
}

// unescape reads =XX; ok is false when an = is not followed by two hexadecimal
// digits.
func unescape(s string) (text string, ok bool) {
	if !strings.Contains(s, "=") {
		return s, true
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '=' {
			out.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", false
		}
		b, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", false
		}
		out.Write(b)
		i += 2
	}
	return out.String(), true
}

// parseContact reads "@bob:hs" or "bob@hs". The ids of ghosts and of the bot are
// refused: behind them is an MSN user, who is reached without Matrix.
func (g ghosts) parseContact(address string) (user id.UserID, ok bool) {
	if strings.HasPrefix(address, "@") {
		user = id.UserID(address)
	} else if local, domain, made := handle.Decode(msnp.Handle(strings.ToLower(address))); made {
		user = id.NewUserID(local, domain)
	} else {
		at := strings.LastIndexByte(address, '@')
		if at <= 0 {
			return "", false
		}
		// Typed by somebody who knows the id but not how handles escape it.
		local, ok := unescape(strings.ToLower(address[:at]))
		if !ok {
			return "", false
		}
		user = id.NewUserID(local, strings.ToLower(address[at+1:]))
	}
	local, _, err := user.ParseAndValidateRelaxed()
	if err != nil || !validLocal(local) || g.owns(user) {
		return "", false
	}
	return user, true
}

// validLocal accepts also the local parts of before the present rules:
// anything printable of ASCII but the colon (appendix "Historical user IDs").
func validLocal(local string) bool {
	for i := 0; i < len(local); i++ {
		if c := local[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return local != ""
}

// address splits an id into what stands before and behind the @ of a handle.
func address(remote bridge.RemoteID) (local, domain string) {
	_, local, domain = id.ParseCommonIdentifier(remote)
	return local, domain
}
