package main

import (
	"context"
	"fmt"
	"strings"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// conversation is the state that the scenes share.
type conversation struct {
	*stage
	out        *printer
	alice      *msnptest.Client
	chat       *msnptest.Switchboard // alice's window with bob
	bob, carol person
}

// scene is a part of the conversation.
type scene struct {
	title string
	play  func(context.Context) error
}

// play plays all scenes; each fails unless its outcome is seen on the other
// side.
func play(ctx context.Context, s *stage, out *printer) error {
	c := &conversation{stage: s, out: out, bob: s.world.bob(), carol: s.world.carol()}
	defer func() {
		if c.alice != nil {
			c.alice.Close()
		}
	}()
	scenes := []scene{
		{"Alice signs in with an MSN client of 1999", c.signIn},
		{fmt.Sprintf("She adds %s, who is on %s", c.bob.handle(), s.world.title()), c.addBob},
		{"She writes to him", c.write},
		{"He answers", c.answer},
		{"His presence changes", c.presence},
		{"Carol, whom Alice does not know, writes to her", c.stranger},
	}
	scenes = append(scenes, s.world.scenes(c)...)
	scenes = append(scenes, []scene{
		{"Bob goes away, and Alice writes all the same", c.writeToAbsent},
		{"Alice signs out, and Bob writes all the same", c.whileSignedOut},
	}...)
	for _, scene := range scenes {
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
	if err := c.status(ctx, string(list[0].Handle), msnp.Online); err != nil {
		return err
	}
	c.out.seen("her list holds the helper contact %s, online", list[0].Handle)
	return nil
}

// status waits until alice sees a contact's status, by ILN or NLN.
func (c *conversation) status(ctx context.Context, who string, status msnp.Status) error {
	_, err := msnptest.WaitFor(ctx, c.alice, func(s msnptest.StatusChanged) bool {
		return string(s.Contact.Handle) == who && s.Status == status
	})
	if err != nil {
		return fmt.Errorf("wait for %s to be %s: %w", who, status, err)
	}
	return nil
}

func (c *conversation) addBob(ctx context.Context) error {
	change, err := c.alice.Add(ctx, msnp.Forward, c.bob.handle(), c.bob.handle())
	if err != nil {
		return err
	}
	if change.Contact.Name != "Bob" {
		return fmt.Errorf("bob is called %q on the list, not by his display name", change.Contact.Name)
	}
	if _, err := c.alice.Add(ctx, msnp.Allow, c.bob.handle(), "Bob"); err != nil {
		return err
	}
	if err := c.bob.meet(ctx); err != nil {
		return err
	}
	if err := c.status(ctx, c.bob.handle(), msnp.Online); err != nil {
		return err
	}
	c.out.seen("he is on her list under his display name, online")
	return nil
}

func (c *conversation) write(ctx context.Context) (err error) {
	if c.chat, err = c.alice.Chat(ctx, c.bob.handle()); err != nil {
		return err
	}
	const words = "Hello Bob! This is Messenger 1.0 :)"
	if _, err := c.chat.SendText(ctx, words, msnptest.Acknowledged); err != nil {
		return err
	}
	if err := c.bob.join(ctx); err != nil {
		return err
	}
	if err := c.bobReads(ctx, "Hello Bob! This is Messenger 1.0 🙂"); err != nil {
		return err
	}
	if err := c.chat.SendTyping(ctx); err != nil {
		return err
	}
	if err := c.bob.seeTyping(ctx); err != nil {
		return err
	}
	c.out.seen("bob sees her type more")
	return nil
}

// bobReads waits until bob sees a message.
func (c *conversation) bobReads(ctx context.Context, words string) error {
	if err := c.bob.read(ctx, words); err != nil {
		return err
	}
	c.out.far("%s: %s", c.world.self(), words)
	c.out.seen("bob reads it")
	return nil
}

// says has somebody on the network write.
func (c *conversation) says(ctx context.Context, who person, words string) error {
	c.out.far("%s: %s", who.address(), words)
	return who.say(ctx, words)
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
	if err := c.bob.typeOn(ctx); err != nil {
		return err
	}
	_, err := msnptest.WaitFor(ctx, c.chat, func(m msnptest.MessageArrived) bool {
		user, typing := m.Message.Typing()
		return typing && user == c.bob.handle()
	})
	if err != nil {
		return fmt.Errorf("wait for bob's typing: %w", err)
	}
	c.out.seen("alice sees him type")
	const words = "Hi Alice, it is 2026 here"
	if err := c.says(ctx, c.bob, words); err != nil {
		return err
	}
	return c.reads(ctx, c.chat, c.bob.handle(), words)
}

// bobIs gives bob another presence and waits until alice sees it.
func (c *conversation) bobIs(ctx context.Context, status msnp.Status, word string) error {
	c.out.far("%s is %s", c.bob.address(), word)
	if err := c.bob.show(ctx, status); err != nil {
		return err
	}
	return c.status(ctx, c.bob.handle(), status)
}

func (c *conversation) presence(ctx context.Context) error {
	for _, step := range []struct {
		status msnp.Status
		word   string
	}{{msnp.Away, "away"}, {msnp.Offline, "offline"}, {msnp.Online, "online"}} {
		if err := c.bobIs(ctx, step.status, step.word); err != nil {
			return err
		}
	}
	c.out.seen("alice sees him away (NLN AWY), offline (FLN) and back (NLN NLN)")
	c.out.note("Alice is busy")
	if err := c.alice.SetStatus(ctx, msnp.Busy); err != nil {
		return err
	}
	if err := c.bob.see(ctx, msnp.Busy); err != nil {
		return err
	}
	c.out.seen("bob sees her busy")
	return c.alice.SetStatus(ctx, msnp.Online)
}

func (c *conversation) stranger(ctx context.Context) error {
	if err := c.carol.approach(ctx); err != nil {
		return err
	}
	if err := c.says(ctx, c.carol, "Hello, may I?"); err != nil {
		return err
	}
	_, err := msnptest.WaitFor(ctx, c.alice, func(l msnptest.ListChanged) bool {
		return l.Added && l.Change.List == msnp.Reverse && string(l.Change.Contact.Handle) == c.carol.handle()
	})
	if err != nil {
		return fmt.Errorf("wait for carol on the reverse list: %w", err)
	}
	c.out.seen("alice is asked about carol (ADD 0 RL)")
	window, err := c.answerRing(ctx, c.carol.handle())
	if err != nil {
		return err
	}
	if err := c.reads(ctx, window, c.carol.handle(), "Hello, may I?"); err != nil {
		return err
	}
	if _, err := c.alice.Add(ctx, msnp.Allow, c.carol.handle(), "Carol"); err != nil {
		return err
	}
	if _, err := window.SendText(ctx, "Of course!", msnptest.Acknowledged); err != nil {
		return err
	}
	if err := c.carol.read(ctx, "Of course!"); err != nil {
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
	if err := c.bobIs(ctx, msnp.Offline, "offline"); err != nil {
		return err
	}
	const words = "Read this when you are back"
	if _, err := c.chat.SendText(ctx, words, msnptest.Acknowledged); err != nil {
		return err
	}
	if err := c.bobIs(ctx, msnp.Online, "back"); err != nil {
		return err
	}
	return c.bobReads(ctx, words)
}

func (c *conversation) whileSignedOut(ctx context.Context) error {
	if err := c.alice.SignOut(ctx); err != nil {
		return err
	}
	c.alice.Close()
	if err := c.bob.see(ctx, msnp.Offline); err != nil {
		return err
	}
	c.out.seen("bob sees her offline")
	const words = "Something for when you come back"
	if err := c.says(ctx, c.bob, words); err != nil {
		return err
	}
	c.out.note("Alice signs in again")
	if err := c.signIn(ctx); err != nil {
		return err
	}
	if err := c.status(ctx, c.bob.handle(), msnp.Online); err != nil {
		return err
	}
	window, err := c.answerRing(ctx, c.bob.handle())
	if err != nil {
		return err
	}
	if err := c.reads(ctx, window, c.bob.handle(), words); err != nil {
		return err
	}
	return c.alice.SignOut(ctx)
}
