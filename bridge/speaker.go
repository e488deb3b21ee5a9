package bridge

import (
	"context"

	"papillon/msnp"
)

// speaker is somebody who speaks in a room, in a conversation with that room. It
// hears what is said there by way of the room.
type speaker struct{ who msnp.Member }

// member implements [participant].
func (s *speaker) member() msnp.Member { return s.who }

// joined implements [participant].
func (s *speaker) joined(msnp.Member) {}

// left implements [participant].
func (s *speaker) left(Handle) {}

// hear implements [participant].
func (s *speaker) hear(_ context.Context, _ utterance, done func(error)) { finish(done, nil) }

// seatSpeaker brings somebody into a conversation who speaks in its room, unless
// he sits there, and says whether it did. It does not block: the room has heard what was
// said before.
func (c *conversation) seatSpeaker(who msnp.Member) (seated bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.find(who.Handle) != nil || len(c.members) == 0 {
		return false
	}
	for _, other := range c.members {
		other.joined(who)
	}
	c.members = append(c.members[:len(c.members):len(c.members)], &speaker{who: who})
	return true
}

// room returns the room in the conversation that a user's identity on a network
// is in; nil for none.
func (c *conversation) room(owner Handle, network string) *remote {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.members {
		if r, ok := p.(*remote); ok && r.contact.Room && r.owner == owner && r.contact.Network == network {
			return r
		}
	}
	return nil
}

// unseatSpeaker takes somebody out who has left the room: one who came by speaking, or
// one of the people for whom the room was made.
func (c *conversation) unseatSpeaker(h Handle) {
	c.mu.Lock()
	p := c.find(h)
	gone := false
	switch who := p.(type) {
	case *speaker:
		gone = true
	case *remote:
		gone = c.partyOf(who) != nil
	}
	c.mu.Unlock()
	if gone {
		c.leave(p)
	}
}
