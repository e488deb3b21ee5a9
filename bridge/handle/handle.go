// Package handle translates between MSN handles and the addresses of people on
// other networks. Everything here is a pure function: the same address gives
// the same handle for ever, and the way back is exact. Which handle belongs to
// whom is stored elsewhere.
//
// An address has a local part and a domain: "bob" and "matrix.org" for
// @bob:matrix.org as for the JID bob@matrix.org, both of which are the handle
// bob@matrix.org. Handles are compared without case and old clients know few
// characters, so every byte of a local part that is not a small letter, a digit
// or one of . _ - + is written as =xx, the way Matrix escapes ids.
package handle

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"strings"

	"papillon/msnp"
)

// escape begins an escaped byte; two hexadecimal digits follow.
const escape = '='

// plain says whether a byte stands for itself.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-' || c == '+'
}

// Encode makes the handle of an address. Domains are compared without case on
// all networks, so the domain goes in small letters; the local part keeps its
// case by way of escapes. Ok is false when a half is empty or the handle would
// be longer than [msnp.MaxHandle]; such an address takes an [Alias].
func Encode(local, domain string) (h msnp.Handle, ok bool) {
	if local == "" || domain == "" {
		return "", false
	}
	var b strings.Builder
	encode(&b, local)
	b.WriteByte('@')
	encode(&b, strings.ToLower(domain))
	if b.Len() > msnp.MaxHandle {
		return "", false
	}
	return msnp.Handle(b.String()), true
}

// encode writes one half with its escapes.
func encode(b *strings.Builder, half string) {
	const digits = "0123456789abcdef"
	for i := range len(half) {
		if c := half[i]; plain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{escape, digits[c>>4], digits[c&15]})
		}
	}
}

// Decode is the inverse of [Encode]. Ok is false for what Encode cannot have
// made: a broken escape, or one of a byte that stands for itself.
func Decode(h msnp.Handle) (local, domain string, ok bool) {
	l, d, found := strings.Cut(string(h), "@")
	if !found || len(h) > msnp.MaxHandle {
		return "", "", false
	}
	local, ok1 := decode(l)
	domain, ok2 := decode(d)
	if !ok1 || !ok2 || domain != strings.ToLower(domain) {
		return "", "", false
	}
	return local, domain, true
}

// decode reads one half.
func decode(half string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(half); i++ {
		c := half[i]
		switch {
		case plain(c):
			b.WriteByte(c)
		case c == escape && i+2 < len(half):
			raw, err := hex.DecodeString(half[i+1 : i+3])
			if err != nil || plain(raw[0]) || half[i+1:i+3] != strings.ToLower(half[i+1:i+3]) {
				return "", false
			}
			b.WriteByte(raw[0])
			i += 2
		default:
			return "", false
		}
	}
	return b.String(), b.Len() > 0
}

const (
	// aliasName is how much of a name an alias keeps for people to read.
	aliasName = 20
	// aliasDigest is how many base32 digits make it unique: 60 bits, so that
	// nobody meets another alias by chance and few could on purpose.
	aliasDigest = 12
)

// Alias makes a short handle for an address whose own is too long or taken. The
// network is part of what it stands for; aliasDomain is the gateway's.
func Alias(local, domain, network, aliasDomain string) msnp.Handle {
	sum := sha256.Sum256([]byte(network + "\x00" + local + "\x00" + strings.ToLower(domain)))
	digest := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:aliasDigest]
	return msnp.Handle(readable(local, aliasName) + "-" + digest + "@" + network + "." + strings.ToLower(aliasDomain))
}

// Room makes the handle of a room contact: its name, made legal and readable, in
// the domain "rooms.<domain>". Unlike the others it cannot be turned back.
func Room(name, domain string) msnp.Handle {
	return msnp.Handle(readable(name, 2*aliasName) + "@rooms." + strings.ToLower(domain))
}

// readable keeps the plain characters of a name, at most max of them, and puts
// one hyphen in place of any run of others. It is never empty.
func readable(name string, max int) string {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case b.Len() >= max:
		case c < 0x80 && plain(byte(c)):
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if s := strings.Trim(b.String(), "-."); s != "" {
		return s
	}
	return "someone"
}

// Unwrap reads a handle from a client whose windows insist on a domain of their
// own: "bob%matrix.org@hotmail.com" means bob@matrix.org when hotmail.com is
// among the login domains. Clients may send the percent sign as %25. Anything
// else is returned as it is.
func Unwrap(typed string, loginDomains []string) string {
	at := strings.LastIndexByte(typed, '@')
	if at < 0 {
		return typed
	}
	for _, d := range loginDomains {
		if !strings.EqualFold(typed[at+1:], d) {
			continue
		}
		inner := strings.ReplaceAll(typed[:at], "%25", "%")
		if cut := strings.LastIndexByte(inner, '%'); cut > 0 && cut < len(inner)-1 {
			return inner[:cut] + "@" + inner[cut+1:]
		}
	}
	return typed
}
