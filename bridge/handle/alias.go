package handle

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"papillon/msnp"
)

// The parts of an alias before the @, in bytes: at most 40 in all.
const (
	maxPiece = 18 // of the name, to recognise the person by
	// 20 digits of base32 are 100 bits: enough that nobody's alias meets
	// another's by chance, nor with a great deal of effort.
	hashDigits = 20
	// roomDigits only keeps apart the rooms of one domain whose names cannot
	// be shown.
	roomDigits = 8
	// aliasMark stands before the hash. No escape looks like it, so that an
	// alias is never the direct handle of somebody else.
	aliasMark = "=="

	maxLocal = maxPiece + len(aliasMark) + hashDigits
)

// shortDigits are the digits of the hash in short aliases. Two of the same length may
// meet: the next one is longer.
var shortDigits = [...]int{4, 8}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Aliases makes handles for somebody whose direct handle is too long or taken, the
// first of which that nobody has is to be used: up to 18 letters of the local half to
// recognise the person by, "==", and the beginning of a SHA-256 of network, local half
// and domain, as in bob==k5xq@matrix.example.org, and then longer ones. The last has
// 100 bits, and is nobody else's. The same arguments give the same aliases at all times;
// domains are compared without case.
//
// Network is the name of the network, aliasDomain the domain of this server's
// own users; together they should be at most 87 bytes, longer ones are cut at
// the front so that the handles are legal. An alias does not lead back to the
// person: it has to be stored. [Decode] refuses it.
func Aliases(local, domain, network, aliasDomain string) []msnp.Handle {
	piece := readable(local, maxPiece)
	if piece == "" {
		piece = "contact"
	}
	hash, tail := digest(hashDigits, network, local, lowerASCII(domain)), tail(network+"."+aliasDomain)
	var all []msnp.Handle
	for _, digits := range append(shortDigits[:], hashDigits) {
		all = append(all, msnp.Handle(piece+aliasMark+hash[:digits]+tail))
	}
	return all
}

// RoomAliases makes handles for a room whose proposal by [Room] is taken, as [Aliases]
// does for people: lunch-k5xq@rooms.example.org for another room called Lunch. The
// address of the room is given by its halves, domain is this server's.
func RoomAliases(name, localHalf, domainHalf, network, domain string) []msnp.Handle {
	hash := digest(hashDigits, network, localHalf, lowerASCII(domainHalf))
	var all []msnp.Handle
	for _, digits := range shortDigits {
		piece := readable(name, maxLocal-1-digits)
		if piece == "" {
			piece = "room"
		}
		all = append(all, msnp.Handle(piece+"-"+hash[:digits]+tail("rooms."+domain)))
	}
	long := Aliases(localHalf, domainHalf, network, domain)
	return append(all, long[len(long)-1])
}

// Room proposes the handle of a room: its name as far as it can be written with
// the characters of a handle, at most 40 bytes, before @rooms. and the domain.
// Accents are taken off, blanks become "-". Where letters or digits of the name
// had to be left out, "==" and 40 bits of a SHA-256 of the name follow, so that
// rooms named in another script are told apart.
//
// The proposal is not unique: "Go" and "go" get the same. What to do then is up
// to the caller, who stores the handle; [RoomAliases] are a way out.
func Room(name, domain string) msnp.Handle {
	piece := readable(name, maxLocal)
	if piece == "" || lossy(name) {
		if max := maxLocal - len(aliasMark) - roomDigits; len(piece) > max {
			piece = strings.TrimRight(piece[:max], separators)
		}
		if piece == "" {
			piece = "room"
		}
		piece += aliasMark + digest(roomDigits, name)
	}
	return msnp.Handle(piece + tail("rooms."+domain))
}

// tail is the @ and the domain of a handle whose local half has at most
// maxLocal bytes, short enough to be legal.
func tail(domain string) string {
	escaped := string(appendEscaped(nil, lowerASCII(domain)))
	if max := msnp.MaxHandle - maxLocal - 1; len(escaped) > max {
		escaped = escaped[len(escaped)-max:]
	}
	return "@" + escaped
}

// digest is the beginning of a SHA-256 of the parts in base32. Each part is
// preceded by its length, so that no two lists of parts are hashed alike.
func digest(digits int, parts ...string) string {
	var data []byte
	for _, part := range parts {
		data = binary.BigEndian.AppendUint64(data, uint64(len(part)))
		data = append(data, part...)
	}
	sum := sha256.Sum256(data)
	return base32Lower.EncodeToString(sum[:])[:digits]
}

// separators are the plain characters that are no letter or digit.
const separators = ".-_+"

// readable writes s with plain characters: letters in lower case and without
// accents, each run of anything else as one "-", none at either end. The
// result has at most max bytes, and none when there is nothing to write.
func readable(s string, max int) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		if unicode.Is(unicode.Mn, r) {
			continue
		}
		if r >= 0x80 || !plain(byte(r)) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteByte(byte(r))
		if b.Len() >= max {
			break
		}
	}
	return strings.Trim(b.String()[:min(max, b.Len())], separators)
}

// lossy says whether readable leaves out letters or digits of s for want of a
// plain character, rather than for want of room.
func lossy(s string) bool {
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		if r >= 0x80 && (unicode.IsLetter(r) || unicode.IsNumber(r)) {
			return true
		}
	}
	return false
}
