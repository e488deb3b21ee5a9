package stream

import (
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"
)

// sameAddress compares two addresses, as written or else in normal form.
func sameAddress(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := jid.Parse(a)
	y, errY := jid.Parse(b)
	return errX == nil && errY == nil && x.Equal(y)
}

// comesFrom tells whether an error may come from whom something was sent to: the
// address itself, or its bare form, as servers answer for their people.
func comesFrom(from, to string) bool {
	return from == "" || sameAddress(from, to) || sameAddress(Bare(from), Bare(to))
}

// checkAddress refuses what no address is. ejabberd ends a component's stream,
// and so cuts everybody, at the first one.
func checkAddress(address string) error {
	if plain(address) {
		return nil
	}
	if _, err := jid.Parse(address); err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	return nil
}

// plain tells of the common addresses that they need no parsing: letters and
// digits, with single dots and dashes inside.
func plain(address string) bool {
	local, domain, found := strings.Cut(address, "@")
	if !found {
		local, domain = "x", address
	}
	domain, resource, found := strings.Cut(domain, "/")
	if !found {
		resource = "x"
	}
	return plainPart(local) && plainPart(domain) && plainPart(resource)
}

func plainPart(part string) bool {
	before := byte('.')
	for i := range len(part) {
		c := part[i]
		letter := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !letter && (c != '.' && c != '-' || before == '.' || before == '-') {
			return false
		}
		before = c
	}
	return before != '.' && before != '-' && len(part) < 64
}

// domainOf returns the domain of an address, as it is written.
func domainOf(address string) string {
	bare := Bare(address)
	if _, domain, found := strings.Cut(bare, "@"); found {
		return domain
	}
	return bare
}
