package bridge

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"

	"papillon/msnp"
)

// party is several people of one network in a conversation, called there by the
// same user: on the network, a private room made with the first message. To the
// conversation they stay participants of their own; what is said is said to the
// party once.
type party struct {
	gateway *Gateway
	owner   Handle // whose identity it is
	network string
	key     string // [Rooms.Gather]

	mu      sync.Mutex
	members []*remote

	asking sync.Mutex
	asked  map[RemoteID]bool // has been or will be asked into the room; nil before it is made
}

// people returns the members' ids.
func (p *party) people() []RemoteID {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := make([]RemoteID, len(p.members))
	for i, r := range p.members {
		ids[i] = r.contact.ID
	}
	return ids
}

var (
	_ audience = (*party)(nil)
	_ audience = (*remote)(nil)
)

// member implements [participant]; a party has no handle of its own and answers for its
// first member.
func (p *party) member() msnp.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members[0].member()
}

// joined implements [participant].
func (p *party) joined(msnp.Member) {}

// left implements [participant].
func (p *party) left(Handle) {}

// link implements [audience].
func (p *party) link() *link { return p.gateway.linkOf(p.owner, p.network) }

// chat implements [audience].
func (p *party) chat() Chat { return Chat{Group: p.key} }

// hear implements [participant].
func (p *party) hear(ctx context.Context, said utterance, done func(error)) {
	hearOnNetwork(ctx, p, said, done)
}

// ready implements [audience]: the order to make the room, and to ask in who came
// later, goes before the message.
func (p *party) ready(ctx context.Context, l *link) error {
	people := p.people()
	p.asking.Lock()
	defer p.asking.Unlock()
	chat := p.chat()
	if p.asked == nil {
		ids := make([]string, len(people))
		asked := make(map[RemoteID]bool, len(people))
		for i, id := range people {
			ids[i], asked[id] = string(id), true
		}
		if err := l.outbox.add(ctx, Order{Kind: OrderGather, Chat: chat, Text: strings.Join(ids, "\n")}, nil); err != nil {
			return err
		}
		p.asked = asked
		return nil
	}
	for _, id := range people {
		if p.asked[id] {
			continue
		}
		if err := l.outbox.add(ctx, Order{Kind: OrderInvite, Chat: chat, Text: string(id)}, nil); err != nil {
			return err
		}
		p.asked[id] = true
	}
	return nil
}

// gather carries out [OrderGather] and binds the room to the window that it was
// made for.
func (l *link) gather(ctx context.Context, rooms Rooms, order Order) error {
	var people []RemoteID
	for id := range strings.SplitSeq(order.Text, "\n") {
		people = append(people, RemoteID(id))
	}
	room, err := rooms.Gather(ctx, order.Chat.Group, people)
	if err != nil {
		return err
	}
	room.Room = true
	contact, err := l.gateway.contactOf(ctx, l.network, room)
	if err != nil {
		return err
	}
	if u := l.gateway.user(l.owner); u != nil {
		u.owner.post(func() { u.gathered(order.Chat.Group, contact.Handle) })
	}
	return nil
}

// gathered notes which room a window's party has become. Owned.
func (u *user) gathered(key string, room Handle) {
	for _, s := range u.windows.seats {
		if s.conversation.hasParty(key) {
			u.opened(room, s)
		}
	}
}

// hasParty says whether a party is in the conversation.
func (c *conversation) hasParty(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.parties, func(p *party) bool { return p.key == key })
}

// audiences puts together those hearers who are a party, so that what is said
// is said to them once. The caller holds the lock.
func (c *conversation) audiences(hearers []participant) []participant {
	if !c.crowded {
		return hearers
	}
	var result []participant
	for _, h := range hearers {
		r, ok := h.(*remote)
		if !ok || r.contact.Room {
			result = append(result, h)
			continue
		}
		if p := c.partyOf(r); p == nil {
			result = append(result, h)
		} else if !slices.Contains(result, participant(p)) {
			result = append(result, p)
		}
	}
	return result
}

// partyOf returns the party that somebody belongs to; nil for none.
func (c *conversation) partyOf(r *remote) *party {
	for _, p := range c.parties {
		if p.owner == r.owner && p.network == r.contact.Network && slices.Contains(p.people(), r.contact.ID) {
			return p
		}
	}
	return nil
}

// inParty returns the handles of the party that a contact belongs to; none where he
// is alone.
func (c *conversation) inParty(h Handle) (all []Handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.find(h).(*remote)
	if !ok {
		return nil
	}
	p := c.partyOf(r)
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.members {
		all = append(all, r.contact.Handle)
	}
	return all
}

// enroll makes a party of somebody who joins and another of the same user's
// network, if that network has rooms. The caller holds the lock.
func (c *conversation) enroll(r *remote) {
	if r.contact.Room {
		return
	}
	for _, p := range c.parties {
		if p.owner == r.owner && p.network == r.contact.Network {
			p.mu.Lock()
			p.members = append(p.members, r)
			p.mu.Unlock()
			return
		}
	}
	l := r.link()
	if l == nil {
		return
	}
	if _, ok := l.account.(Rooms); !ok {
		return
	}
	for _, other := range c.members {
		if o, ok := other.(*remote); ok && o != r && !o.contact.Room && o.owner == r.owner && o.contact.Network == r.contact.Network {
			c.parties = append(c.parties, &party{
				gateway: c.gateway, owner: r.owner, network: r.contact.Network, key: newGroupKey(), members: []*remote{o, r},
			})
			c.crowded = true
			return
		}
	}
}

// newGroupKey makes a key for [Rooms.Gather]: unique, and fit to be a part of a
// room's address on any network.
func newGroupKey() string { return fmt.Sprintf("papillon-%s", strings.ToLower(rand.Text()[:16])) }
