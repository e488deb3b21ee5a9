package msnp

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync"
	"time"
)

const (
	// ticketLife is how long a switchboard cookie is good for.
	ticketLife = 2 * time.Minute
	// maxUnused is how many cookies of XFR a session may have that were not used.
	maxUnused = 50
)

// ticket is what a CKI cookie stands for: one way into one switchboard session,
// for one user of one notification session, once.
type ticket struct {
	user    Handle
	session *notification // whose XFR or RNG the cookie was in
	ring    *Ring         // nil for a cookie of XFR
	timer   *time.Timer
}

// tickets are the cookies handed out and not yet used.
type tickets struct {
	mu   sync.Mutex
	open map[string]*ticket
}

// ownTickets are those of one session; the lock of [tickets] guards them.
type ownTickets struct {
	cookies map[string]struct{} // nil for none
	unused  int                 // how many of them are of XFR
}

// issue makes a cookie of 128 random bits; it has neither blanks nor any other
// sign that old clients could stumble over. It returns "" when the session has asked
// for too many and used none.
func (t *tickets) issue(tk *ticket) (cookie string) {
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	cookie = hex.EncodeToString(random[:])
	t.mu.Lock()
	defer t.mu.Unlock()
	own := &tk.session.tickets
	if tk.ring == nil {
		if own.unused >= maxUnused {
			return ""
		}
		own.unused++
	}
	if own.cookies == nil {
		own.cookies = make(map[string]struct{})
	}
	own.cookies[cookie] = struct{}{}
	t.open[cookie] = tk
	tk.timer = time.AfterFunc(ticketLife, func() {
		if t.take(cookie) != nil {
			tk.expire()
		}
	})
	return cookie
}

// take removes and returns the ticket of a cookie; nil if there is none.
func (t *tickets) take(cookie string) *ticket {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remove(cookie)
}

// remove is take for who holds the lock.
func (t *tickets) remove(cookie string) *ticket {
	tk := t.open[cookie]
	if tk == nil {
		return nil
	}
	tk.timer.Stop()
	delete(t.open, cookie)
	own := &tk.session.tickets
	if tk.ring == nil {
		own.unused--
	}
	if delete(own.cookies, cookie); len(own.cookies) == 0 {
		own.cookies = nil // thousands of sessions are idle
	}
	return tk
}

// redeem returns the ticket of a cookie if it is good for this user and of the
// right kind. A cookie that is shown by somebody else, or for something else, is
// used up as well: it has been seen by others. Nil if it is not good.
func (t *tickets) redeem(cookie, user string, ring bool) *ticket {
	tk := t.take(cookie)
	if tk == nil {
		return nil
	}
	if !tk.isFor(user) || (tk.ring != nil) != ring || tk.session.ended() {
		tk.expire()
		return nil
	}
	return tk
}

// isFor says whether a handle that a client shows is the ticket's user's: the
// canonical one, or the one it signed in with. Most clients go on with what
// their own window has, whatever handle USR OK names.
func (tk *ticket) isFor(handle string) bool {
	return strings.EqualFold(handle, string(tk.user)) || strings.EqualFold(handle, tk.session.typed)
}

// revoke takes back all tickets of a session that ends.
func (t *tickets) revoke(n *notification) {
	t.mu.Lock()
	var gone []*ticket
	for cookie := range n.tickets.cookies {
		gone = append(gone, t.remove(cookie))
	}
	t.mu.Unlock()
	for _, tk := range gone {
		tk.expire()
	}
}

// expire tells the caller of a ring that nobody will answer it.
func (tk *ticket) expire() {
	if tk.ring != nil && tk.ring.Expired != nil {
		tk.ring.Expired()
	}
}
