package msnp

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// keepAliveIdle and its companions find a dead client within five minutes.
// Nothing else may: clients of the MSNP2 kind send no PNG, so a signed-in one is
// never timed out for its silence.
var keepAliveConfig = net.KeepAliveConfig{
	Enable:   true,
	Idle:     2 * time.Minute,
	Interval: 30 * time.Second,
	Count:    6,
}

// unacknowledgedTime is how long a client's TCP may leave something
// unacknowledged. Keepalive does not run meanwhile, and TCP alone would try for a
// quarter of an hour.
const unacknowledgedTime = 5 * time.Minute

// tcpConn is what the server needs of a *net.TCPConn, also when TLS lies above.
func tcpConn(nc net.Conn) (*net.TCPConn, bool) {
	if over, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = over.NetConn()
	}
	tcp, ok := nc.(*net.TCPConn)
	return tcp, ok
}

// keepAlive switches TCP keepalive on where there is TCP.
func keepAlive(nc net.Conn) error {
	tcp, ok := tcpConn(nc)
	if !ok {
		return nil
	}
	if err := tcp.SetKeepAliveConfig(keepAliveConfig); err != nil {
		return fmt.Errorf("set TCP keepalive: %w", err)
	}
	if err := setUserTimeout(tcp, unacknowledgedTime); err != nil {
		return fmt.Errorf("set TCP user timeout: %w", err)
	}
	return nil
}

// addrOf returns the host part of a connection's remote address; the zero
// address where it has none, as with a pipe.
func addrOf(nc net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// whose returns what limits per address count by: an IPv4 address, or the /64 of an
// IPv6 one, since that is what one subscriber has.
func whose(addr netip.Addr) netip.Addr {
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.Addr()
}

// signInLimiter bounds the sign-in attempts of each address.
type signInLimiter struct {
	perMinute int
	mu        *sync.Mutex
	byAddr    map[netip.Addr]*rate.Limiter
	swept     time.Time
}

func newSignInLimiter(perMinute int) signInLimiter {
	return signInLimiter{perMinute: perMinute, mu: new(sync.Mutex), byAddr: make(map[netip.Addr]*rate.Limiter)}
}

// allow says whether an address may make one more attempt now.
func (l *signInLimiter) allow(addr netip.Addr) bool {
	if l.perMinute <= 0 {
		return true
	}
	addr = whose(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep(time.Now())
	lim := l.byAddr[addr]
	if lim == nil {
		lim = rate.NewLimiter(rate.Every(time.Minute/time.Duration(l.perMinute)), l.perMinute)
		l.byAddr[addr] = lim
	}
	return lim.Allow()
}

// sweep forgets, once a minute, the addresses whose allowance is full again, so
// that the table grows no longer than the last minute's list of callers.
func (l *signInLimiter) sweep(now time.Time) {
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for addr, lim := range l.byAddr {
		if lim.TokensAt(now) >= float64(l.perMinute) {
			delete(l.byAddr, addr)
		}
	}
}
