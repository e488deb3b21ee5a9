package media

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// errPrivate says that a source is at an address that nothing is fetched from.
var errPrivate = errors.New("address is not public; media.allow_private would allow it")

// notPublic are the ranges that are not part of the public Internet although
// they look so to net/netip (IANA special-purpose registries, RFC 6890), ranges
// that lead to an IPv4 address inside them, and one well-known metadata service.
var notPublic = prefixes(
	"0.0.0.0/8",          // this network
	"100.64.0.0/10",      // carrier-grade NAT, and a cloud's metadata service
	"168.63.129.16/32",   // a cloud's metadata service on a public address
	"192.0.0.0/24",       // protocol assignments
	"192.0.2.0/24",       // documentation
	"192.88.99.0/24",     // 6to4 relays
	"198.18.0.0/15",      // benchmarks
	"198.51.100.0/24",    // documentation
	"203.0.113.0/24",     // documentation
	"240.0.0.0/4",        // reserved, and broadcast
	"2001::/23",          // protocol assignments, Teredo among them
	"2001:db8::/32",      // documentation
	"2002::/16",          // 6to4
	"3fff::/20",          // documentation
	"::ffff:0:0:0/96",    // IPv4-translated
	"64:ff9b:1::/48",     // local NAT64
	"fec0::/10",          // site-local
	"100::/64",           // discard
	"5f00::/16",          // segment routing
	"2620:4f:8000::/48",  // AS112
	"192.31.196.0/24",    // AS112
	"192.175.48.0/24",    // AS112
	"192.52.193.0/24",    // AMT
	"255.255.255.255/32", // broadcast
)

// globalUnicast is where all public IPv6 addresses are; nat64 is how IPv4 ones
// look from an IPv6-only network (RFC 6052 §2.1).
var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// public says whether an address is one of the public Internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// addressRule says which addresses may be dialled: the public ones and those
// that are allowed by name.
type addressRule struct{ allowed []netip.Prefix }

// control is a [net.Dialer]'s Control: it sees every address at the moment it
// is dialled, so that no name, redirect or second answer of a DNS server gets
// around it.
func (r addressRule) control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %q: %w", address, errPrivate)
	}
	a := target.Addr().Unmap()
	for _, p := range r.allowed {
		if p.Contains(a.WithZone("")) {
			return nil
		}
	}
	if !public(a) {
		return errPrivate
	}
	return nil
}
