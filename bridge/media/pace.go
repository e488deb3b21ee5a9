package media

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxCallers bounds the table of callers; those beyond it share one allowance.
const maxCallers = 10_000

// pacer bounds the requests of each client address, a whole /64 being one in
// IPv6, where everybody has that many.
type pacer struct {
	perMinute int

	mu      sync.Mutex
	callers map[netip.Prefix]*rate.Limiter
	others  *rate.Limiter
	swept   time.Time
}

// newPacer makes a pacer; 0 requests per minute is no limit.
func newPacer(perMinute int) *pacer {
	p := &pacer{perMinute: perMinute, callers: make(map[netip.Prefix]*rate.Limiter)}
	p.others = p.limiter()
	return p
}

func (p *pacer) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(p.perMinute)/60), p.perMinute)
}

// allow says whether the caller, as net/http names it, may have one more answer
// at the time now.
func (p *pacer) allow(remote string, now time.Time) bool {
	if p.perMinute <= 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep(now)
	caller := callerOf(remote)
	l := p.callers[caller]
	switch {
	case l == nil && len(p.callers) >= maxCallers:
		l = p.others
	case l == nil:
		l = p.limiter()
		p.callers[caller] = l
	}
	return l.AllowN(now, 1)
}

// callerOf is who is counted; the zero prefix for an address that is none, as
// on a Unix socket.
func callerOf(remote string) netip.Prefix {
	target, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	a := target.Addr().Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(a, bits).Masked()
}

// sweep forgets, once a minute, the callers whose allowance is full again.
func (p *pacer) sweep(now time.Time) {
	if now.Sub(p.swept) < time.Minute {
		return
	}
	p.swept = now
	for caller, l := range p.callers {
		if l.TokensAt(now) >= float64(p.perMinute) {
			delete(p.callers, caller)
		}
	}
}
