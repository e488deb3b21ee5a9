package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge/matrix/matrixtest"
	"papillon/msnp"
	"papillon/msnp/msnptest"
)

const (
	bobHandle   = "bob@" + matrixtest.Domain
	carolHandle = "carol@" + matrixtest.Domain
	// ghost is alice as Matrix sees her.
	ghost = id.UserID("@msn_alice:" + matrixtest.Domain)
)

// typingTime is how long bob seems to type.
const typingTime = 10 * time.Second

// conversation is the state that the scenes share.
type conversation struct {
	*stage
	out   *printer
	alice *msnptest.Client
	chat  *msnptest.Switchboard // alice's window with bob
	room  id.RoomID             // the same on Matrix
}

// play plays all scenes; each fails unless its outcome is seen on the other
// side.
func play(ctx context.Context, s *stage, out *printer) error {
	c := &conversation{stage: s, out: out}
	defer func() {
		if c.alice != nil {
			c.alice.Close()
		}
	}()
	for _, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Alice signs in with an MSN client of 1999", c.signIn},
		{"She adds bob@hs.test, who is on Matrix", c.addBob},
		{"She writes to him", c.write},
		{"He answers", c.answer},
		{"His presence changes", c.presence},
		{"Carol, whom Alice does not know, writes to her", c.stranger},
		{"Bob goes away, and Alice writes all the same", c.writeToAbsent},
		{"Alice signs out, and Bob writes all the same", c.whileSignedOut},
	} {
		out.scene("%s", scene.title)
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(scene.title), err)
		}
	}
	out.scene("All of it was seen on the other side.")
	return nil
}

// signIn signs alice in and looks at her contact list.
func (c *conversation) signIn(ctx context.Context) (err error) {
	c.alice, err = msnptest.Dial(ctx, c.msn, msnptest.Options{
		Handle: handle, Password: c.password, Status: msnp.Online, Trace: c.out.msn,
	})
	if err != nil {
		return err
	}
	list := c.alice.Properties().Lists[msnp.Forward]
	if len(list) == 0 || !strings.HasPrefix(string(list[0].Handle), "papillon@") {
		return fmt.Errorf("the helper contact is not on the list: %v", list)
	}
	if err := c.status(ctx, string(list[0].Handle), msnp.Online, true); err != nil {
		return err
	}
	c.out.seen("her list holds the helper contact %s, online", list[0].Handle)
	return nil
}

// status waits until alice sees a contact's status.
func (c *conversation) status(ctx context.Context, who string, status msnp.Status, initial bool) error {
	_, err := msnptest.WaitFor(ctx, c.alice, func(s msnptest.StatusChanged) bool {
		return string(s.Contact.Handle) == who && s.Status == status && s.Initial == initial
	})
	if err != nil {
		return fmt.Errorf("wait for %s to be %s: %w", who, status, err)
	}
	return nil
}

func (c *conversation) addBob(ctx context.Context) error {
	change, err := c.alice.Add(ctx, msnp.Forward, bobHandle, bobHandle)
	if err != nil {
		return err
	}
	if change.Contact.Name != "Bob" {
		return fmt.Errorf("bob is called %q on the list, not by his display name", change.Contact.Name)
	}
	if _, err := c.alice.Add(ctx, msnp.Allow, bobHandle, "Bob"); err != nil {
		return err
	}
	if err := c.status(ctx, bobHandle, msnp.Online, true); err != nil {
		return err
	}
	c.out.seen("he is on her list under his display name, online (ILN)")
	return nil
}

func (c *conversation) write(ctx context.Context) (err error) {
	if c.chat, err = c.alice.Chat(ctx, bobHandle); err != nil {
		return err
	}
	const words = "Hello Bob! This is Messenger 1.0 :)"
	if _, err := c.chat.SendText(ctx, words, msnptest.Acknowledged); err != nil {
		return err
	}
	invite, err := c.bob.WaitInvite(ctx, ghost)
	if err != nil {
		return err
	}
	c.room = invite.RoomID
	c.out.matrix("bob is invited by %s and joins", ghost)
	if err := c.bob.Join(ctx, c.room); err != nil {
		return err
	}
	if err := c.bobReads(ctx, "Hello Bob! This is Messenger 1.0 🙂"); err != nil {
		return err
	}
	if err := c.chat.SendTyping(ctx); err != nil {
		return err
	}
	_, err = c.bob.Wait(ctx, "alice to type", func(evt *event.Event) bool {
		typing, ok := evt.Content.Parsed.(*event.TypingEventContent)
		return ok && evt.RoomID == c.room && slices.Contains(typing.UserIDs, ghost)
	})
	if err != nil {
		return err
	}
	c.out.seen("bob sees her type more")
	return nil
}

// bobReads waits until bob sees a message.
func (c *conversation) bobReads(ctx context.Context, words string) error {
	if _, err := c.bob.WaitText(ctx, ghost, words); err != nil {
		return err
	}
	c.out.matrix("%s: %s", ghost, words)
	c.out.seen("bob reads it")
	return nil
}

// says has somebody on Matrix write.
func (c *conversation) says(ctx context.Context, who *matrixtest.Person, room id.RoomID, words string) error {
	c.out.matrix("%s: %s", who.UserID, words)
	_, err := who.Say(ctx, room, words)
	return err
}

// reads waits until alice sees a message in a window.
func (c *conversation) reads(ctx context.Context, window *msnptest.Switchboard, from, words string) error {
	_, err := msnptest.WaitFor(ctx, window, func(m msnptest.MessageArrived) bool {
		return string(m.From.Handle) == from && m.Message.Text() == words
	})
	if err != nil {
		return fmt.Errorf("wait for %q from %s: %w", words, from, err)
	}
	c.out.seen("alice reads it")
	return nil
}

func (c *conversation) answer(ctx context.Context) error {
	if _, err := c.bob.UserTyping(ctx, c.room, true, typingTime); err != nil {
		return fmt.Errorf("type as bob: %w", err)
	}
	_, err := msnptest.WaitFor(ctx, c.chat, func(m msnptest.MessageArrived) bool {
		user, typing := m.Message.Typing()
		return typing && user == bobHandle
	})
	if err != nil {
		return fmt.Errorf("wait for bob's typing: %w", err)
	}
	c.out.seen("alice sees him type")
	if err := c.says(ctx, c.bob, c.room, "Hi Alice, it is 2026 here"); err != nil {
		return err
	}
	return c.reads(ctx, c.chat, bobHandle, "Hi Alice, it is 2026 here")
}

func (c *conversation) presence(ctx context.Context) error {
	for _, step := range []struct {
		presence event.Presence
		status   msnp.Status
	}{
		{event.PresenceUnavailable, msnp.Away},
		{event.PresenceOffline, msnp.Offline},
		{event.PresenceOnline, msnp.Online},
	} {
		c.out.matrix("%s is %s", c.bob.UserID, step.presence)
		if err := c.bob.SetPresence(ctx, step.presence, ""); err != nil {
			return err
		}
		if err := c.status(ctx, bobHandle, step.status, false); err != nil {
			return err
		}
	}
	c.out.seen("alice sees him away (NLN AWY), offline (FLN) and back (NLN NLN)")
	c.out.note("Alice is busy")
	if err := c.alice.SetStatus(ctx, msnp.Busy); err != nil {
		return err
	}
	_, err := c.bob.Wait(ctx, "alice to be busy", func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.PresenceEventContent)
		return ok && evt.Sender == ghost && content.StatusMessage == "Busy"
	})
	if err != nil {
		return err
	}
	c.out.seen("bob sees her busy")
	return c.alice.SetStatus(ctx, msnp.Online)
}

func (c *conversation) stranger(ctx context.Context) error {
	room, err := c.carol.CreateDM(ctx, ghost)
	if err != nil {
		return err
	}
	if _, err := c.carol.WaitMember(ctx, room, ghost, event.MembershipJoin); err != nil {
		return err
	}
	if err := c.says(ctx, c.carol, room, "Hello, may I?"); err != nil {
		return err
	}
	_, err = msnptest.WaitFor(ctx, c.alice, func(l msnptest.ListChanged) bool {
		return l.Added && l.Change.List == msnp.Reverse && l.Change.Contact.Handle == carolHandle
	})
	if err != nil {
		return fmt.Errorf("wait for carol on the reverse list: %w", err)
	}
	c.out.seen("alice is asked about carol (ADD 0 RL)")
	window, err := c.answerRing(ctx, carolHandle)
	if err != nil {
		return err
	}
	if err := c.reads(ctx, window, carolHandle, "Hello, may I?"); err != nil {
		return err
	}
	if _, err := c.alice.Add(ctx, msnp.Allow, carolHandle, "Carol"); err != nil {
		return err
	}
	if _, err := window.SendText(ctx, "Of course!", msnptest.Acknowledged); err != nil {
		return err
	}
	if _, err := c.carol.WaitText(ctx, ghost, "Of course!"); err != nil {
		return err
	}
	c.out.seen("carol reads alice's answer")
	return window.Leave(ctx)
}

// answerRing answers the call of a contact.
func (c *conversation) answerRing(ctx context.Context, from string) (*msnptest.Switchboard, error) {
	ring, err := msnptest.WaitFor(ctx, c.alice, func(r msnptest.Ring) bool { return string(r.Caller.Handle) == from })
	if err != nil {
		return nil, fmt.Errorf("wait for the call of %s: %w", from, err)
	}
	return c.alice.Answer(ctx, ring)
}

func (c *conversation) writeToAbsent(ctx context.Context) error {
	c.out.matrix("%s is offline", c.bob.UserID)
	if err := c.bob.SetPresence(ctx, event.PresenceOffline, ""); err != nil {
		return err
	}
	if err := c.status(ctx, bobHandle, msnp.Offline, false); err != nil {
		return err
	}
	const words = "Read this when you are back"
	if _, err := c.chat.SendText(ctx, words, msnptest.Acknowledged); err != nil {
		return err
	}
	c.out.matrix("%s is back", c.bob.UserID)
	if err := c.bob.SetPresence(ctx, event.PresenceOnline, ""); err != nil {
		return err
	}
	if err := c.bobReads(ctx, words); err != nil {
		return err
	}
	return c.status(ctx, bobHandle, msnp.Online, false)
}

func (c *conversation) whileSignedOut(ctx context.Context) error {
	if err := c.alice.SignOut(ctx); err != nil {
		return err
	}
	c.alice.Close()
	_, err := c.bob.Wait(ctx, "alice to be offline", func(evt *event.Event) bool {
		content, ok := evt.Content.Parsed.(*event.PresenceEventContent)
		return ok && evt.Sender == ghost && content.Presence == event.PresenceOffline
	})
	if err != nil {
		return err
	}
	c.out.seen("bob sees her offline")
	const words = "Something for when you come back"
	if err := c.says(ctx, c.bob, c.room, words); err != nil {
		return err
	}
	c.out.note("Alice signs in again")
	if err := c.signIn(ctx); err != nil {
		return err
	}
	if err := c.status(ctx, bobHandle, msnp.Online, true); err != nil {
		return err
	}
	window, err := c.answerRing(ctx, bobHandle)
	if err != nil {
		return err
	}
	if err := c.reads(ctx, window, bobHandle, words); err != nil {
		return err
	}
	return c.alice.SignOut(ctx)
}
