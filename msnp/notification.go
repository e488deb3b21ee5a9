package msnp

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"papillon/msnp/wire"
)

// notification is a connection that has signed in to the notification server.
// It is the [Notifier] of its session.
type notification struct {
	*conn
	session Session
	status  Status // as last set; belongs to the reader
	typed   string // the handle as the client sent it to sign in
	synced  bool   // has sent SYN; belongs to the reader
	groups  ownGroups
	phones  Phones // set by a client whose session keeps none; belongs to the reader
	// asked says that CHL was sent; challenge is what QRY has to answer.
	asked     bool
	challenge string
	// serial is the newest one that the client was told.
	serial atomic.Uint32
	// mute is set by IMS OFF: no calls either way.
	mute    atomic.Bool
	tickets ownTickets

	mu   sync.Mutex
	user Member // the name changes with REA
	// firstCHG and added are the transaction ids of CHG and ADD to which the
	// first statuses of contacts belong.
	firstCHG string
	added    map[Handle]string
	over     bool // the session has ended: no cookies any more
}

// member returns the user with the present name. Safe from any goroutine.
func (n *notification) member() Member {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.user
}

// noteSerial remembers a serial that the client is told. Safe from any goroutine.
func (n *notification) noteSerial(serial uint32) {
	for {
		last := n.serial.Load()
		if serial <= last || n.serial.CompareAndSwap(last, serial) {
			return
		}
	}
}

// lastSerial returns the newest one.
func (n *notification) lastSerial() uint32 { return n.serial.Load() }

// ended says whether the session has ended. Safe from any goroutine.
func (n *notification) ended() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.over
}

// end gives the session up; called once, by the reader.
func (n *notification) end() {
	n.mu.Lock()
	n.over = true
	n.mu.Unlock()
	n.server.tickets.revoke(n)
	n.session.Close()
	n.server.stats.signedIn.Add(-1)
	n.log(zerolog.InfoLevel).Msg("Signed out")
}

// handleOUT signs out. Real servers differed in whether they echoed OUT; echo
// and close suits all clients.
func (n *notification) handleOUT(*request) error {
	n.sendLine("OUT")
	return errEnd
}

// handleSYN sends the user's properties; draft-movva-00 §7.5. When the client
// has the present version nothing follows. A client that has set its status before its
// first SYN is MSN.pm, which reads by the line; for it the last list comes apart.
func (n *notification) handleSYN(req *request) error {
	have, err := strconv.ParseUint(req.args[0], 10, 32)
	if err != nil {
		return Errorf(CodeInvalidParameter, "SYN serial %q", req.args[0])
	}
	if !n.synced && n.status != Offline {
		n.out.readBy(readsByLine)
	}
	n.synced = true
	return n.session.Properties(n.context(), func(p Properties) {
		p = n.withOwn(p)
		syn := func(b []byte) []byte { return appendReply(b, "SYN", req.trID, number(p.Serial)) }
		if uint32(have) == p.Serial {
			n.out.send(syn, nil)
			return
		}
		parts := append([]func([]byte) []byte{syn}, n.dialect.properties(req.trID, p)...)
		if n.out.reading() == readsByLine {
			last := len(parts) - 1
			n.out.sendParts(parts[:last]...)
			n.out.pause()
			parts = parts[last:]
		}
		n.out.sendParts(parts...)
	})
}

// handleLST sends one list; draft-movva-00 §7.6.
func (n *notification) handleLST(req *request) error {
	list, ok := ParseList(req.args[0])
	if !ok {
		return Errorf(CodeInvalidParameter, "LST of %q", req.args[0])
	}
	return n.session.Properties(n.context(), func(p Properties) {
		p = n.withOwn(p)
		n.out.send(func(b []byte) []byte { return n.dialect.appendList(b, req.trID, list, p, false) }, nil)
	})
}

// handleGTC and handleBLP change a setting; draft-movva-00 §7.6. The present
// value gives 218, as the draft asks.
func (n *notification) handleGTC(req *request) error {
	mode := Prompt(req.args[0])
	if mode != PromptAsk && mode != PromptAllow {
		return Errorf(CodeInvalidParameter, "GTC %q", req.args[0])
	}
	return n.session.SetPrompt(n.context(), mode, func(serial uint32) {
		n.noteSerial(serial)
		n.sendLine("GTC", req.trID, number(serial), string(mode))
	})
}

func (n *notification) handleBLP(req *request) error {
	mode := Privacy(req.args[0])
	if mode != AllowOthers && mode != BlockOthers {
		return Errorf(CodeInvalidParameter, "BLP %q", req.args[0])
	}
	return n.session.SetPrivacy(n.context(), mode, func(serial uint32) {
		n.noteSerial(serial)
		n.sendLine("BLP", req.trID, number(serial), string(mode))
	})
}

// SignOut implements [Notifier].
func (n *notification) SignOut(reason Reason) { n.endSession(reason) }

// Ring implements [Notifier]; draft-movva-00 §8.4.
func (n *notification) Ring(r Ring) {
	tk := &ticket{user: n.member().Handle, session: n, ring: &r}
	if n.ended() || n.mute.Load() {
		tk.expire()
		return
	}
	cookie := n.server.tickets.issue(tk)
	if n.ended() { // meanwhile: end may have revoked before the ticket was there
		if n.server.tickets.take(cookie) != nil {
			tk.expire()
		}
		return
	}
	if r.Apart {
		n.out.pause()
	}
	n.sendLine("RNG", number(r.ID), n.address(), cookiePackage, cookie,
		string(r.Caller.Handle), n.dialect.encode(r.Caller.Name))
}

// cookiePackage is the security package of switchboards; draft-movva-00 §8.1.
const cookiePackage = "CKI"

// handleXFR refers the client to a switchboard; draft-movva-00 §8.1.
func (n *notification) handleXFR(req *request) error {
	if req.args[0] != "SB" {
		return Errorf(CodeInvalidParameter, "XFR to %q", req.args[0])
	}
	if !n.status.Visible() || n.mute.Load() {
		return Errorf(CodeNotAllowedWhenOffline, "XFR SB while not online")
	}
	cookie := n.server.tickets.issue(&ticket{user: n.member().Handle, session: n})
	if cookie == "" {
		return Errorf(CodeTooActive, "%d switchboards were asked for and not used", maxUnused)
	}
	n.sendLine("XFR", req.trID, "SB", n.address(), cookiePackage, cookie)
	return nil
}

// nameFrom joins words from index i on into a friendly name: gaim sends names
// with raw blanks. It is "" when there are none.
func nameFrom(args []string, i int) string {
	if len(args) <= i {
		return ""
	}
	return strings.TrimSpace(wire.DecodeName(strings.Join(args[i:], " ")))
}
