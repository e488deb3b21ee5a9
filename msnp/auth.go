package msnp

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"papillon/msnp/wire"
)

// securityPackage is the only one for notification connections (draft-movva-00
// §7.3). CTP, the plain password of client 1.0's first builds, is not offered.
const securityPackage = "MD5"

// login is how far a client has come with signing in.
type login struct {
	handle    string // as typed
	challenge string // "" before USR I
}

// handleVER chooses the dialect; draft-movva-00 §7.1.
func (c *conn) handleVER(req *request) error {
	if c.dialect != nil || c.versionOnly {
		return Errorf(CodeNotExpected, "second VER")
	}
	if len(req.args) == 0 {
		return Errorf(CodeFieldsMissing, "VER without a dialect")
	}
	chosen, answer := negotiate(req.args)
	c.sendLine(append([]string{"VER", req.trID}, answer...)...)
	if chosen == nil {
		c.log(zerolog.InfoLevel).Strs("offered", req.args).Msg("No dialect in common")
		if answer[0] == clientVersioning {
			c.versionOnly = true
			return nil
		}
		return errEnd
	}
	c.dialect = chosen
	if slices.Equal(req.args, offerOfXMSNC) {
		c.out.readBy(readsOne)
	}
	return nil
}

// offerOfXMSNC is what XMSNC says in VER. No other client begins with the worst.
var offerOfXMSNC = []string{"MSNP4", "MSNP5", "MSNP6", "MSNP7"}

// secondVER refuses VER on a connection that has signed in.
func secondVER(*notification, *request) error {
	return Errorf(CodeNotExpected, "VER after sign-in")
}

// secondUSR refuses USR on a connection that has signed in.
func secondUSR(*notification, *request) error {
	return Errorf(CodeAlreadyLoggedIn, "USR after sign-in")
}

// handleINF names the security package; draft-movva-00 §7.2.
func (c *conn) handleINF(req *request) error {
	c.sendLine("INF", req.trID, securityPackage)
	return nil
}

// laterINF answers INF all the same on a connection that has signed in.
func laterINF(n *notification, req *request) error { return n.handleINF(req) }

// handleUSR signs in to the notification server (draft-movva-00 §7.3) or, when
// it comes with a cookie, to a switchboard (§8.2). Clients may skip VER and INF
// (gaim after a referral, libmsn always INF), so the words themselves tell.
func (c *conn) handleUSR(req *request) error {
	switch {
	case c.versionOnly:
		return Errorf(CodeNotExpected, "USR without a dialect in common")
	case !strings.EqualFold(req.args[0], securityPackage):
		return c.enterSwitchboard(req)
	}
	if len(req.args) < 3 {
		return Errorf(CodeFieldsMissing, "USR MD5 lacks words")
	}
	switch req.args[1] {
	case "I":
		return c.challenge(req)
	case "S":
		return c.authenticate(req)
	default:
		return Errorf(CodeInvalidParameter, "USR sequence %q", req.args[1])
	}
}

// challenge answers USR I. An unknown handle gets a challenge like any other:
// who is registered here is nobody's business.
func (c *conn) challenge(req *request) error {
	if !c.server.signIns.allow(c.addr) {
		c.log(zerolog.WarnLevel).Msg("limits.sign_ins_per_minute: sign-in refused")
		c.server.stats.refused.Add(1)
		c.sendError(CodeServerBusy, req.trID)
		return errEnd
	}
	if c.dialect == nil {
		c.dialect = draftDialect
	}
	typed := wire.DecodeName(req.args[2])
	if there := c.server.referral(c.addr, typed); there != "" {
		return c.refer(req, there)
	}
	c.login = login{handle: typed, challenge: newChallenge()}
	c.sendLine("USR", req.trID, securityPackage, "S", c.login.challenge)
	return nil
}

// newChallenge makes a challenge of digits and a dot, as the old servers did.
func newChallenge() string {
	var random [8]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	n := binary.BigEndian.Uint64(random[:])
	return fmt.Sprintf("%d.%020d", time.Now().Unix(), n)
}

// authenticate checks USR S. Whatever is wrong, the answer is 911 and the end
// of the connection: official clients show their message box only then.
func (c *conn) authenticate(req *request) error {
	if c.login.challenge == "" {
		return Errorf(CodeNotExpected, "USR S without USR I")
	}
	proof := Proof{Handle: c.login.handle, Challenge: c.login.challenge, Response: req.args[2], Addr: c.addr}
	c.login = login{}
	growStack(0)
	who, err := c.server.options.Backend.Authenticate(c.context(), proof)
	if errors.Is(err, ErrAuthenticationFailed) {
		c.server.stats.refused.Add(1)
		c.log(zerolog.InfoLevel).Str("handle", proof.Handle).Msg("Sign-in refused: wrong handle or password")
		return Errorf(CodeAuthenticationFailed, "wrong handle or password")
	}
	if err != nil {
		return fmt.Errorf("check sign-in: %w", err)
	}
	return c.openSession(req, who, proof.Handle)
}

// growStack makes the goroutine's stack as large as a sign-in needs at once. It
// would grow in three steps, each of which copies all that is on it, and that was a
// tenth of the processor time of a sign-in.
//
//go:noinline
func growStack(at int) byte {
	var room [10 << 10]byte
	room[at]++ // or the compiler makes nothing of it
	return room[len(room)-1-at]
}

// openSession makes this a notification connection. Typed is the handle as it
// came, which may be another form of the user's.
func (c *conn) openSession(req *request, who Member, typed string) error {
	n := &notification{conn: c, user: who, typed: typed}
	n.groups.serial = n.lastSerial
	client := Client{Dialect: c.dialect.number, Addr: c.addr}
	session, err := c.server.options.Backend.Open(c.context(), who.Handle, client, n)
	if err != nil {
		return fmt.Errorf("open session of %s: %w", who.Handle, err)
	}
	n.session, n.groups.session = session, session
	c.ns = n
	n.welcome(req.trID)
	c.name.Store(&clientName{handle: who.Handle})
	c.log(zerolog.InfoLevel).Str("dialect", c.dialect.name).Msg("Signed in")
	c.server.stats.signIns.Add(1)
	c.server.stats.signedIn.Add(1)
	c.signedIn()
	return nil
}

// welcome sends USR OK and the profile message behind it. Some clients read a
// line and throw away what came with it (Kopete's first), so USR OK goes in a
// write of its own.
func (n *notification) welcome(trID string) {
	n.out.send(func(b []byte) []byte { return n.dialect.appendSignedIn(b, trID, n.user) }, nil)
	n.out.flush()
	profile := n.dialect.profileMessage(n.user, time.Now())
	n.out.send(func(b []byte) []byte {
		return wire.AppendPayload(b, profile, "MSG", "Hotmail", "Hotmail")
	}, nil)
}

// enterSwitchboard answers USR with a cookie from XFR; draft-movva-00 §8.2.
func (c *conn) enterSwitchboard(req *request) error {
	tk := c.redeem(req.args[0], req.args[1], false)
	if tk == nil {
		return Errorf(CodeAuthenticationFailed, "bad switchboard cookie")
	}
	who := tk.session.member()
	sb := &switchboard{conn: c, dialect: tk.session.dialect}
	conversation, err := tk.session.session.Converse(c.context(), sb)
	if err != nil {
		return fmt.Errorf("open conversation: %w", err)
	}
	c.becomeSwitchboard(sb, conversation, who.Handle)
	c.sendLine("USR", req.trID, "OK", string(who.Handle), sb.dialect.encodeQuoted(who.Name))
	return nil
}

// handleANS answers a ring; draft-movva-00 §8.4.
func (c *conn) handleANS(req *request) error {
	tk := c.redeem(req.args[0], req.args[1], true)
	if tk == nil {
		return Errorf(CodeAuthenticationFailed, "bad switchboard cookie")
	}
	if id, err := strconv.ParseUint(req.args[2], 10, 32); err != nil || uint32(id) != tk.ring.ID {
		tk.expire()
		return Errorf(CodeAuthenticationFailed, "ANS for another switchboard session")
	}
	sb := &switchboard{conn: c, dialect: tk.session.dialect, answering: req.trID}
	conversation, err := tk.ring.Answer(c.context(), sb)
	if err != nil {
		return fmt.Errorf("join conversation: %w", err)
	}
	c.becomeSwitchboard(sb, conversation, tk.user)
	return nil
}

// redeem finds the ticket for a handle and cookie as typed; nil for a bad one. The client
// is then known for what it is.
func (c *conn) redeem(handle, cookie string, ring bool) *ticket {
	tk := c.server.tickets.redeem(cookie, wire.DecodeName(handle), ring)
	if tk != nil {
		c.out.readBy(tk.session.out.reading())
	}
	return tk
}

// becomeSwitchboard makes this a switchboard connection.
func (c *conn) becomeSwitchboard(sb *switchboard, conversation Conversation, user Handle) {
	sb.conversation = conversation
	c.dialect = sb.dialect
	c.sb = sb
	c.name.Store(&clientName{handle: user, switchboard: conversation.ID()})
	c.server.stats.switchboards.Add(1)
	c.signedIn()
}

// handleOUT ends a connection that has not signed in.
func (c *conn) handleOUT(*request) error {
	c.sendLine("OUT")
	return errEnd
}
