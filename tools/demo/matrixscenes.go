package main

import (
	"context"
	"fmt"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// matrixScenes plays what the demo shows on Matrix only.
type matrixScenes struct {
	*conversation
	server     *matrixtest.Server
	bob, carol *matrixPerson
}

func (n *matrixNetwork) scenes(c *conversation) []scene {
	s := &matrixScenes{conversation: c, server: n.server, bob: n.people["bob"], carol: n.people["carol"]}
	return []scene{
		{"She calls Bob and Carol into one window, which is a private room to them", s.group},
		{"Bob sends a picture, which she opens with a browser of 1998", s.picture},
		{"Carol writes to her in an encrypted room", s.encrypted},
	}
}

// group has alice make a group chat, in which everybody says something and
// everybody else sees it.
func (s *matrixScenes) group(ctx context.Context) error {
	if _, err := s.alice.Add(ctx, msnp.Forward, s.carol.handle(), "Carol"); err != nil {
		return err
	}
	window, err := s.alice.Chat(ctx, s.bob.handle())
	if err != nil {
		return err
	}
	if err := window.Call(ctx, s.carol.handle()); err != nil {
		return fmt.Errorf("call carol: %w", err)
	}
	_, err = msnptest.WaitFor(ctx, window, func(j msnptest.Joined) bool { return string(j.Who.Handle) == s.carol.handle() })
	if err != nil {
		return fmt.Errorf("wait for carol in the window: %w", err)
	}
	const words = "Now we are three"
	if _, err := window.SendText(ctx, words, msnptest.Acknowledged); err != nil {
		return err
	}
	room, err := s.enter(ctx, words)
	if err != nil {
		return err
	}
	for _, turn := range []struct {
		from, other *matrixPerson
		words       string
	}{{s.carol, s.bob, "Hello Bob, hello Alice"}, {s.bob, s.carol, "Hello everybody"}} {
		if err := s.speak(ctx, window, room, turn.from, turn.other, turn.words); err != nil {
			return err
		}
	}
	return window.Leave(ctx)
}

// enter has bob and carol follow alice's invites into one room and read what she
// says there.
func (s *matrixScenes) enter(ctx context.Context, words string) (room id.RoomID, err error) {
	for _, p := range []*matrixPerson{s.bob, s.carol} {
		invite, err := p.waitGroupInvite(ctx)
		if err != nil {
			return "", err
		}
		if room != "" && invite.RoomID != room {
			return "", fmt.Errorf("bob is invited to %s and carol to %s", room, invite.RoomID)
		}
		room = invite.RoomID
		if err := p.Join(ctx, room); err != nil {
			return "", err
		}
		s.out.far("%s joins %s", p.address(), room)
		if err := p.readIn(ctx, room, ghost, words); err != nil {
			return "", err
		}
	}
	s.out.far("%s: %s", ghost, words)
	s.out.seen("bob and carol read it, in one room")
	return room, nil
}

// waitGroupInvite waits for alice's invite into another room than that of their
// direct chat, whose invite comes once more with its timeline.
func (p *matrixPerson) waitGroupInvite(ctx context.Context) (*event.Event, error) {
	return p.Wait(ctx, "an invite to the group", func(evt *event.Event) bool {
		return evt.RoomID != p.room && evt.Type == event.StateMember && evt.Sender == ghost &&
			evt.GetStateKey() == string(p.UserID) && evt.Content.AsMember().Membership == event.MembershipInvite
	})
}

// speak has one of the group say something that the two others read.
func (s *matrixScenes) speak(ctx context.Context, window *msnptest.Switchboard, room id.RoomID, from, other *matrixPerson, words string) error {
	s.out.far("%s: %s", from.address(), words)
	if _, err := from.Say(ctx, room, words); err != nil {
		return err
	}
	if err := s.reads(ctx, window, from.handle(), words); err != nil {
		return err
	}
	if err := other.readIn(ctx, room, from.UserID, words); err != nil {
		return err
	}
	s.out.seen("%s reads it too", other.UserID.Localpart())
	return nil
}

// readIn waits until the person sees a message in a certain room.
func (p *matrixPerson) readIn(ctx context.Context, room id.RoomID, from id.UserID, words string) error {
	_, err := p.Wait(ctx, fmt.Sprintf("%q from %s in %s", words, from, room), func(evt *event.Event) bool {
		return evt.RoomID == room && evt.Type == event.EventMessage && evt.Sender == from && evt.Content.AsMessage().Body == words
	})
	return err
}
