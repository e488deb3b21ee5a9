package msnp

import (
	"net/netip"
	"strings"
	"sync"
	"time"
)

// referralLife is how long a client that was referred elsewhere is signed in where
// it comes back to.
const referralLife = time.Minute

// referral is a user at an address.
type referral struct {
	addr   netip.Addr
	handle string // as typed, in lower case
}

// referrals are those who were referred of late.
type referrals struct {
	mu    sync.Mutex
	until map[referral]time.Time
	swept time.Time
}

// referral returns where a client is to go to sign in; "" for nowhere else.
func (s *Server) referral(addr netip.Addr, typed string) string {
	if s.options.ReferTo == "" || !s.referred.note(referral{addr, strings.ToLower(typed)}, time.Now()) {
		return ""
	}
	return s.options.ReferTo
}

// note says whether somebody has to be referred, which is then remembered.
func (r *referrals) note(who referral, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) > referralLife {
		r.swept = now
		for who, until := range r.until {
			if now.After(until) {
				delete(r.until, who)
			}
		}
	}
	if until, ok := r.until[who]; ok && now.Before(until) {
		delete(r.until, who)
		return false
	}
	r.until[who] = now.Add(referralLife)
	return true
}

// refer sends a client to the notification server and closes the connection;
// draft-movva-00 §7.4.
func (c *conn) refer(req *request, there string) error {
	c.out.send(func(b []byte) []byte {
		return c.dialect.appendReferral(b, req.trID, there, c.nc.LocalAddr().String())
	}, nil)
	return errEnd
}
