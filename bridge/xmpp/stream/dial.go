package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Dial opens a TCP connection; [net.Dialer.DialContext] is one.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// errNoService: the domain's records say that there is no such service (RFC 2782).
var errNoService = errors.New("the domain offers no XMPP")

// target is a place where a client may find its server.
type target struct {
	address  string
	direct   bool // TLS at once
	priority uint16
}

// targets looks up where a domain is served: the records of both kinds, merged
// by priority as XEP-0368 §3 says, direct TLS first where they are equal; the
// resolver has mixed those of the same priority by weight. A domain without
// records is its own server (RFC 6120 §3.2.2).
func targets(ctx context.Context, resolver *net.Resolver, domain string) ([]target, error) {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", domain, err)
	}
	if net.ParseIP(strings.Trim(domain, "[]")) != nil {
		return []target{{address: net.JoinHostPort(strings.Trim(domain, "[]"), "5222")}}, nil
	}
	var all []target
	refused := false
	for _, kind := range []struct {
		service string
		direct  bool
	}{{"xmpps-client", true}, {"xmpp-client", false}} {
		_, records, err := resolver.LookupSRV(ctx, kind.service, "tcp", ascii)
		if err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("look up %s: %w", domain, ctx.Err())
		}
		// Any other failure is one of the records, not of the host: what
		// hinders both will say so when the host is looked up.
		for _, r := range records {
			if r.Target == "." {
				refused = refused || !kind.direct
				continue
			}
			address := net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
			all = append(all, target{address: address, direct: kind.direct, priority: r.Priority})
		}
	}
	slices.SortStableFunc(all, func(a, b target) int { return int(a.priority) - int(b.priority) })
	switch {
	case len(all) > 0:
		return all, nil
	case refused:
		return nil, fmt.Errorf("look up %s: %w", domain, errNoService)
	}
	return []target{{address: net.JoinHostPort(ascii, "5222")}}, nil
}
