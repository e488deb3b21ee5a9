package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"

	"papillon/msnp"
)

// conversation is a switchboard session. Its lock is held for memory operations
// only: no storage, no network, no other lock but those of sending queues.
type conversation struct {
	gateway *Gateway
	id      uint32

	mu      sync.Mutex
	members []participant
	called  map[Handle]bool // rung, and not yet here
	// backlog is what was said while nobody else was here but somebody was
	// rung, or while a backlog is being said.
	backlog []utterance
	waiting int  // bytes in the backlog
	saying  bool // somebody says the backlog
	parties []*party
	crowded bool // there is a party

	// errands runs, in order, what must not hold up whoever gives it.
	errands owner
}

// participant is whoever sits in a conversation. Handle and Name may be called
// by anybody; joined and left are called under the conversation's lock and must
// not block; hear is called outside of it, on the goroutine of whoever speaks,
// and may.
type participant interface {
	member() msnp.Member
	joined(msnp.Member)
	left(Handle)
	// hear takes a message. Done, if not nil, is called exactly once.
	hear(ctx context.Context, said utterance, done func(error))
}

// utterance is a message in a conversation.
type utterance struct {
	from participant
	body []byte
	done func(error) // may be nil
}

// maxBacklog is how many bytes may be said to somebody who is still being rung.
const maxBacklog = 256 << 10

// errNobodyThere is why a message reaches nobody.
var errNobodyThere = errors.New("nobody else is in the conversation")

// errBacklogFull is why a message to somebody who has not come yet is refused.
var errBacklogFull = errors.New("too much was said already to somebody who has not come yet")

// newConversation makes a conversation with its first participants.
func (g *Gateway) newConversation(members ...participant) *conversation {
	return &conversation{gateway: g, id: g.newConversationID(), members: members}
}

// find returns the participant of a handle; nil if there is none. The caller
// holds the lock.
func (c *conversation) find(h Handle) participant {
	for _, p := range c.members {
		if p.member().Handle == h {
			return p
		}
	}
	return nil
}

// call notes that somebody is rung. It refuses who is there or rung already
// (215), and when the conversation is full.
func (c *conversation) call(h Handle) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.find(h) != nil || c.called[h] {
		return msnp.Errorf(msnp.CodeAlreadyThere, "%s is in the conversation already", h)
	}
	if limit := c.gateway.Limits.Participants; limit > 0 && len(c.members)+len(c.called) >= limit {
		return msnp.Errorf(msnp.CodeTooManySessions, "limits.participants: the conversation is full")
	}
	if c.called == nil {
		c.called = make(map[Handle]bool)
	}
	c.called[h] = true
	return nil
}

// uncall gives somebody up who was rung and did not come. What was said to him
// alone will not reach anybody.
func (c *conversation) uncall(h Handle) {
	c.mu.Lock()
	delete(c.called, h)
	var lost []utterance
	if len(c.called) == 0 && !c.saying {
		lost = c.takeBacklog()
	}
	c.mu.Unlock()
	for _, u := range lost {
		u.finish(errNobodyThere)
	}
}

// join brings a participant in. Welcome, called first and under the lock, tells
// the joiner who is there; then the others learn of him, and what was said
// before anybody was there is said to him.
func (c *conversation) join(p participant, welcome func(others []msnp.Member)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.called, p.member().Handle)
	others := make([]msnp.Member, len(c.members))
	for i, other := range c.members {
		others[i] = other.member()
		other.joined(p.member())
	}
	welcome(others)
	if r, ok := p.(*remote); ok {
		c.enroll(r)
	}
	c.members = append(c.members[:len(c.members):len(c.members)], p)
	c.sayBacklog()
}

// sayBacklog says what has gathered, and what is said meanwhile after it. The
// caller holds the lock, which is let go while something is said: from the
// joining on nothing may be said past the backlog.
func (c *conversation) sayBacklog() {
	if c.saying {
		return
	}
	c.saying = true
	for len(c.backlog) > 0 {
		backlog := c.takeBacklog()
		c.mu.Unlock()
		for _, said := range backlog {
			c.tell(c.gateway.ctx, said, c.hearers(said))
		}
		c.mu.Lock()
	}
	c.saying = false
}

// takeBacklog empties the backlog; the caller holds the lock.
func (c *conversation) takeBacklog() []utterance {
	backlog := c.backlog
	c.backlog, c.waiting = nil, 0
	return backlog
}

// leave takes a participant out, and with a user those who are reached through his
// identities. When no MSN user is left the others go as well.
func (c *conversation) leave(p participant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeOut(p)
	if s, ok := p.(*seat); ok {
		c.dismiss(s.user.handle)
	}
	if !slices.ContainsFunc(c.members, func(other participant) bool { _, ok := other.(*seat); return ok }) {
		c.members = nil
	}
}

// dismiss takes out who is reached through the identities of a user who is gone: the
// others would speak in his name without him, and the answers are shown to him alone. The
// caller holds the lock.
func (c *conversation) dismiss(owner Handle) {
	if c.find(owner) != nil {
		return // called again meanwhile
	}
	rooms := false
	for _, p := range c.members {
		switch r, ok := p.(*remote); {
		case ok && r.owner == owner:
			c.takeOut(p)
		case ok && r.contact.Room:
			rooms = true
		}
	}
	c.parties = slices.DeleteFunc(c.parties, func(p *party) bool { return p.owner == owner })
	for _, p := range c.members {
		if _, ok := p.(*speaker); ok && !rooms {
			c.takeOut(p)
		}
	}
}

// depart takes a participant out who may have said something that is not read yet:
// all others stay to hear it until he leaves.
func (c *conversation) depart(p participant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeOut(p)
}

// takeOut takes a participant out, and tells the others if he was there. The caller
// holds the lock.
func (c *conversation) takeOut(p participant) {
	rest := c.others(p)
	if len(rest) == len(c.members) {
		return
	}
	c.members = rest
	for _, other := range rest {
		other.left(p.member().Handle)
	}
}

// say hands a message to all but its speaker.
func (c *conversation) say(ctx context.Context, said utterance) {
	c.mu.Lock()
	hearers := c.others(said.from)
	if c.saying || len(hearers) == 0 && len(c.called) > 0 {
		fits := c.waiting+len(said.body) <= maxBacklog
		if fits {
			c.backlog = append(c.backlog, said)
			c.waiting += len(said.body)
		}
		c.mu.Unlock()
		if !fits {
			said.finish(errBacklogFull)
		}
		return
	}
	hearers = c.audiences(hearers)
	c.mu.Unlock()
	c.tell(ctx, said, hearers)
}

// hearers returns all but the speaker of a message.
func (c *conversation) hearers(said utterance) []participant {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.audiences(c.others(said.from))
}

// others returns all but one; the caller holds the lock.
func (c *conversation) others(from participant) []participant {
	others := make([]participant, 0, len(c.members))
	for _, p := range c.members {
		if p != from {
			others = append(others, p)
		}
	}
	return others
}

// tell has a message heard.
func (c *conversation) tell(ctx context.Context, said utterance, hearers []participant) {
	switch len(hearers) {
	case 0:
		said.finish(errNobodyThere)
	case 1:
		hearers[0].hear(ctx, said, said.done)
	default:
		done := said.gather(len(hearers))
		for _, p := range hearers {
			p.hear(ctx, said, done)
		}
	}
}

// overhear lets the others hear what a person on a network said to one user: the
// message came by that user's identity, and a window is one conversation. Who has heard
// it on the network is left out: with room, all on the user's side of it. It does not
// block.
func (c *conversation) overhear(speaker Handle, told *seat, network string, room bool, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	said := utterance{from: c.find(speaker), body: body}
	if said.from == nil {
		return
	}
	others := slices.DeleteFunc(c.others(said.from), func(p participant) bool {
		r, ok := p.(*remote)
		return p == told || room && ok && r.owner == told.user.handle && r.contact.Network == network
	})
	for _, p := range c.audiences(others) {
		c.errands.post(func() { p.hear(c.gateway.ctx, said, nil) })
	}
}

// finish reports the outcome if anybody asked for it.
func (u utterance) finish(err error) {
	if u.done != nil {
		u.done(err)
	}
}

// gather makes of one done function one that n hearers may call: it reports
// once, when all have called, with the first error.
func (u utterance) gather(n int) func(error) {
	if u.done == nil {
		return nil
	}
	var (
		mu    sync.Mutex
		first error
	)
	return func(err error) {
		mu.Lock()
		n--
		if first == nil {
			first = err
		}
		last, outcome := n == 0, first
		mu.Unlock()
		if last {
			u.done(outcome)
		}
	}
}
