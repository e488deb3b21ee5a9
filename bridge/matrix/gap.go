package matrix

import (
	"context"
	"fmt"
	"slices"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// gapPage is how many events of a gap are asked for at once, maxGap how many at most:
// more than a thousand nobody reads afterwards, and the room's own history has them.
const gapPage, maxGap = 100, 1000

// gap is a piece of a timeline that is being put together, from its end.
type gap struct {
	events  []*event.Event // oldest first
	members []*event.Event // what came beside of those who wrote
	before  string         // where the events before these are; empty for the room's end
	whole   bool           // there is nothing before
	// begin returns where the piece begins, as far as these events tell, and
	// whether that is certain. The homeserver is not asked to stop there: Dendrite
	// v0.15.2 goes on behind the place where it is told to end, an event a page.
	begin func(events []*event.Event) (int, bool)
}

// begun says whether the gap has its beginning.
func (g *gap) begun() bool {
	_, certain := g.begin(g.events)
	return certain
}

// news returns the events from the beginning on.
func (g *gap) news() []*event.Event {
	at, _ := g.begin(g.events)
	return g.events[at:]
}

// byEntry finds the event with which somebody came into a room: the invite, because
// what was said since was said to him, or the join where nobody invited him.
func byEntry(user id.UserID) func(events []*event.Event) (int, bool) {
	return func(events []*event.Event) (begin int, certain bool) {
		for i, evt := range slices.Backward(events) {
			content, ok := evt.Content.Parsed.(*event.MemberEventContent)
			if !ok || evt.GetStateKey() != string(user) {
				continue
			}
			switch content.Membership {
			case event.MembershipInvite:
				return saidSince(events, i)
			case event.MembershipJoin:
				was, told := before(evt)
				begin, certain = i+1, told && was != event.MembershipInvite && was != event.MembershipJoin
			default: // an earlier stay
				return max(begin, i+1), true
			}
		}
		return begin, certain
	}
}

// saidSince returns where what was said since an invite begins, as far as is certain: right
// behind it as a rule. Dendrite v0.15.2 may put what was written in the next moment before it.
func saidSince(events []*event.Event, invite int) (begin int, certain bool) {
	sent, at := events[invite].Timestamp, invite
	for sent > 0 && at > 0 && events[at-1].Timestamp >= sent {
		at--
	}
	if at == invite {
		return invite + 1, true
	}
	return at, at > 0
}

// before is what somebody's membership was before the event that changed it, empty if
// there was none; told is false where the homeserver only says that there was one. So does
// Synapse with what it offers again after the application service was away.
func before(evt *event.Event) (was event.Membership, told bool) {
	if evt.Unsigned.PrevContent == nil {
		return "", evt.Unsigned.ReplacesState == ""
	}
	membership, _ := evt.Unsigned.PrevContent.Raw["membership"].(string)
	return event.Membership(membership), true
}

// fill asks for the events before those that came, page by page, until the piece is
// whole. What the homeserver does not let the client see is not there.
func (n *Network) fill(ctx context.Context, client *mautrix.Client, room id.RoomID, g *gap) error {
	for !g.whole && len(g.events) < maxGap && !g.begun() {
		var resp *mautrix.RespMessages
		err := n.call(ctx, func(ctx context.Context) (err error) {
			resp, err = askMessages(ctx, client, room, g.before, gapPage)
			return err
		})
		if err != nil && final(err) {
			n.log.Warn().Err(err).Str("room", string(room)).Msg("What was missed in a room cannot be read")
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what was missed in %s: %w", room, err)
		}
		g.prepend(room, resp)
		g.whole = len(resp.Chunk) == 0 || resp.End == "" || resp.End == g.before
		g.before = resp.End
	}
	if !g.whole && !g.begun() {
		n.log.Warn().Str("room", string(room)).Int("read", len(g.events)).Msg("More was missed in a room than is read; the rest stays in its history")
	}
	return nil
}

// prepend puts a page, which is newest first, before the others. What cannot be read
// has no content.
func (g *gap) prepend(room id.RoomID, page *mautrix.RespMessages) {
	g.members = append(g.members, page.State...)
	events := make([]*event.Event, 0, len(page.Chunk)+len(g.events))
	for _, evt := range slices.Backward(page.Chunk) {
		evt.RoomID = room
		evt.Type.Class = event.MessageEventType
		if evt.StateKey != nil {
			evt.Type.Class = event.StateEventType
		}
		if err := readContent(evt); err != nil {
			evt.Content.Parsed = nil
		}
		events = append(events, evt)
	}
	g.events = append(events, g.events...)
}

// byInvite finds the invite with that id.
func byInvite(invite id.EventID) func(events []*event.Event) (int, bool) {
	return func(events []*event.Event) (begin int, certain bool) {
		if i := slices.IndexFunc(events, func(evt *event.Event) bool { return evt.ID == invite }); i >= 0 {
			return saidSince(events, i)
		}
		return len(events), false
	}
}

// sinceInvite returns what was said in a room between somebody's invite and his join,
// which is given. A homeserver tells an application service only of rooms that one of
// its own is in, so that this has to be asked for.
func (n *Network) sinceInvite(ctx context.Context, client *mautrix.Client, join *event.Event) (*gap, error) {
	g := &gap{begin: byEntry(id.UserID(join.GetStateKey()))}
	if was, told := before(join); told && was != event.MembershipInvite {
		return g, nil
	}
	return g, n.said(ctx, client, join.RoomID, join.ID, g)
}

// afterInvite returns what was said in a room since an invite of somebody who has just
// come in. Dendrite v0.15.2 tells of a room some moments after the invite, and does not
// say of a join that it follows one.
func (n *Network) afterInvite(ctx context.Context, client *mautrix.Client, invite *event.Event) (*gap, error) {
	g := &gap{begin: byInvite(invite.ID)}
	return g, n.said(ctx, client, invite.RoomID, "", g)
}

// said fills a gap with what others said in it; what follows the event that ends it, if
// one does, comes by itself.
func (n *Network) said(ctx context.Context, client *mautrix.Client, room id.RoomID, end id.EventID, g *gap) error {
	if err := n.fill(ctx, client, room, g); err != nil {
		return err
	}
	if i := slices.IndexFunc(g.events, func(evt *event.Event) bool { return evt.ID == end }); i >= 0 {
		g.events = g.events[:i+1]
	}
	g.events = slices.DeleteFunc(g.news(), func(evt *event.Event) bool { return evt.StateKey != nil || n.ghosts.owns(evt.Sender) })
	return nil
}

// cameIn takes in what was said to the account in a room before it was there, unless it
// was when the invite was accepted.
func (a *account) cameIn(ctx context.Context, join *event.Event) error {
	a.mu.Lock()
	heard := a.caughtUp[join.RoomID]
	delete(a.caughtUp, join.RoomID)
	a.mu.Unlock()
	if heard {
		return nil
	}
	g, err := a.network.sinceInvite(ctx, a.client, join)
	if err != nil {
		return err
	}
	return a.hearGap(ctx, join.RoomID, g)
}

// catchUp takes in what was said to the account in a room since the invite that it has
// just accepted.
func (a *account) catchUp(ctx context.Context, invite *event.Event) error {
	g, err := a.network.afterInvite(ctx, a.client, invite)
	if err != nil {
		return err
	}
	a.mu.Lock()
	if a.early == nil && len(g.events) > 0 {
		a.early = newRecent[id.EventID, struct{}](earlyKept)
	}
	a.mu.Unlock()
	if err := a.hearGap(ctx, invite.RoomID, g); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.caughtUp[invite.RoomID] = true
	return nil
}

// earlyKept is how many of the messages that were heard so, or since, are known again:
// homeservers may tell of them as well, right afterwards.
const earlyKept = 128

// heardEarly returns them; nil if nothing was heard so.
func (a *account) heardEarly() *recent[id.EventID, struct{}] {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.early
}

func (a *account) hearGap(ctx context.Context, room id.RoomID, g *gap) (err error) {
	a.meet(ctx, room, g.members, speakers(g.events))
	for _, evt := range g.events {
		plain := evt
		if evt.Type == event.EventEncrypted {
			plain, err = a.unseal(ctx, evt)
		}
		if err == nil && plain != nil {
			err = a.nature.heard(ctx, plain)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
