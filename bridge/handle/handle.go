// Package handle turns the addresses of people on the networks into MSN user
// handles and back.
//
// An MSN client knows its contacts by their handles and stores them, so a
// handle has to stay the same for ever and must lead back to the one person it
// was made for. Most people get the direct form of [Encode]: bob@matrix.org
// for @bob:matrix.org and for the JID bob@matrix.org alike. It can be inverted
// by [Decode] without any stored state, which is how somebody whom nobody has
// met yet is found when a user types a handle. Whose direct form is too long,
// or belongs to somebody on another network already, gets a one-way form of
// [Aliases], which has to be stored with the person.
//
// Everything here is a pure function and safe from any goroutine. Every handle
// that is returned is one that [msnp.ParseHandle] accepts and leaves as it is.
package handle

import (
	"strings"

	"papillon/msnp"
)

// hexDigits are the digits of an escape. Lower case, because handles are
// compared without case and are in lower case when canonical.
const hexDigits = "0123456789abcdef"

// Encode makes the direct handle of the person whose address has the given
// halves, as they stand before and behind the @: "bob", "matrix.org" becomes
// bob@matrix.org.
//
// The letters a to z, the digits and ". _ - +" stay. Every other byte becomes
// "=" and two hexadecimal digits in lower case, as in Matrix user ids
// (Matrix specification, appendix 4.2.1.2): upper-case letters, "=" itself,
// "%", "/", "@", the ":" of a port, each byte of a character in UTF-8. The
// escape of upper case keeps "Bob" and "bob" apart, which the networks may
// tell from each other in the local half, while MSN compares without case. A
// domain is compared without case everywhere, so its ASCII letters are put into
// lower case first.
//
// Ok is false, and the handle empty, when a half is empty or the handle would
// be longer than [msnp.MaxHandle] bytes; use [Aliases] for the latter. Different
// addresses never get the same handle.
func Encode(local, domain string) (h msnp.Handle, ok bool) {
	if local == "" || domain == "" {
		return "", false
	}
	domain = lowerASCII(domain)
	size := escapedLen(local) + 1 + escapedLen(domain)
	if size > msnp.MaxHandle {
		return "", false
	}
	b := make([]byte, 0, size)
	b = appendEscaped(b, local)
	b = append(b, '@')
	b = appendEscaped(b, domain)
	return msnp.Handle(b), true
}

// Decode returns the halves of the address that [Encode] made a handle of, the
// domain in lower case. Ok is false for every handle that Encode cannot have
// made: one with a broken escape, with an escape where none is needed ("=61"
// for "a"), with other characters, too long, or without exactly one @ between
// two halves. The handles of [Aliases] are among those.
func Decode(h msnp.Handle) (local, domain string, ok bool) {
	if len(h) > msnp.MaxHandle {
		return "", "", false
	}
	local, domain, ok = strings.Cut(string(h), "@")
	if !ok {
		return "", "", false
	}
	if local, ok = unescape(local); !ok {
		return "", "", false
	}
	if domain, ok = unescape(domain); !ok || domain != lowerASCII(domain) {
		return "", "", false
	}
	return local, domain, true
}

// plain says whether a byte stands for itself in a handle.
func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return true
	}
	return c == '.' || c == '_' || c == '-' || c == '+'
}

// escapedLen is the length of what appendEscaped appends.
func escapedLen(s string) int {
	n := len(s)
	for i := 0; i < len(s); i++ {
		if !plain(s[i]) {
			n += 2
		}
	}
	return n
}

func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; plain(c) {
			b = append(b, c)
		} else {
			b = append(b, '=', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return b
}

// unescape inverts appendEscaped; ok is false for what it cannot have
// appended, and for nothing at all.
func unescape(s string) (_ string, ok bool) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '=' {
			if i+2 >= len(s) {
				return "", false
			}
			high, low := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			if c = byte(high<<4 | low); plain(c) {
				return "", false
			}
			i += 2
		} else if !plain(c) {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), len(b) > 0
}

// lowerASCII puts the letters A to Z into lower case and leaves every other
// byte alone, also where the text is not valid UTF-8: host names are compared
// so (RFC 4343), and letters beyond ASCII come normalised from the networks.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i]-'A' < 26 {
			return string(lowerBytes([]byte(s)))
		}
	}
	return s
}

func lowerBytes(b []byte) []byte {
	for i, c := range b {
		if c-'A' < 26 {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}
