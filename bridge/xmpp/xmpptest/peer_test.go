package xmpptest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// signIn signs in with a new account and a client that ends with the test; with
// another peer it shares that one's process.
func signIn(t *testing.T, s *Server, name string, with *Peer) *Peer {
	t.Helper()
	ctx := testContext(t)
	jid, password, err := s.CreateUser(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	var p *Peer
	if with == nil {
		p, err = Login(ctx, s, jid, password)
	} else {
		p, err = with.Also(ctx, s, jid, password)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// must ends the test on the first error.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func converse(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.1", nil)
	carol := signIn(t, s, "carol.1", bob)
	must(t, bob.Befriend(ctx, carol))
	for _, pair := range [][2]*Peer{{bob, carol}, {carol, bob}} {
		from, to := pair[0], pair[1]
		must(t, from.SetChatState(ctx, to.Bare(), "composing"))
		if _, err := to.WaitChatState(ctx, from.Bare(), "composing"); err != nil {
			t.Error(err)
		}
		const words = "Hällo & <good> day 🙂"
		id, err := from.Say(ctx, to.Bare(), words)
		must(t, err)
		message, err := to.WaitMessage(ctx, from.Bare(), words)
		must(t, err)
		if message.ID() != id || message.ChatState() != "active" || message.From() != from.JID {
			t.Errorf("%s", message.XML)
		}
		if _, err := from.WaitReceipt(ctx, to.Bare(), id); err != nil {
			t.Error(err)
		}
	}
	id, err := bob.Say(ctx, "nobody@"+s.Domain, "Anybody there?")
	must(t, err)
	if _, err := bob.WaitError(ctx, "nobody@"+s.Domain, id); err != nil {
		t.Error(err)
	}
	archived, err := bob.Archive(ctx, carol.Bare())
	must(t, err)
	texts := 0
	for _, message := range archived {
		if message.Body() != "" {
			texts++
		}
	}
	if texts != 2 {
		t.Errorf("the archive has %d texts, want 2", texts)
	}
	must(t, carol.Sync(ctx))
	if left := carol.Seen(func(e *Event) bool { return e.Body() != "" }); len(left) > 0 {
		t.Errorf("carol got a message twice: %s", left[0].XML)
	}
}

func modernMessages(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.2", nil)
	carol := signIn(t, s, "carol.2", bob)
	id, err := bob.Send(ctx, Message{
		To: carol.Bare(), Body: "plain", XHTML: `<p>p<strong>lai</strong>n</p>`, OOB: "http://x.test/f.png", Nick: "Bobby",
		ReplyTo: carol.Bare(), ReplyID: "earlier", Extra: `<no-copy xmlns="urn:xmpp:hints"/>`,
	})
	must(t, err)
	rich, err := carol.WaitMessage(ctx, bob.Bare(), "plain")
	must(t, err)
	if rich.Find("http://www.w3.org/1999/xhtml", "strong").Content() != "lai" ||
		rich.Child("jabber:x:oob", "x").Child("", "url").Content() != "http://x.test/f.png" ||
		rich.Child("http://jabber.org/protocol/nick", "nick").Content() != "Bobby" ||
		rich.Child("urn:xmpp:reply:0", "reply").Attr("id") != "earlier" ||
		rich.Child("urn:xmpp:sid:0", "origin-id").Attr("id") != id || rich.Child("urn:xmpp:hints", "no-copy") == nil {
		t.Errorf("%s", rich.XML)
	}
	must(t, bob.Correct(ctx, carol.Bare(), id, "better"), bob.React(ctx, carol.Bare(), id, "👍", "🎉"), bob.React(ctx, carol.Bare(), id),
		bob.Retract(ctx, carol.Bare(), id), bob.RetractAsBefore(ctx, carol.Bare(), id))
	correction, err := carol.WaitMessage(ctx, bob.Bare(), "better")
	must(t, err)
	if correction.Child("urn:xmpp:message-correct:0", "replace").Attr("id") != id {
		t.Errorf("%s", correction.XML)
	}
	for _, want := range []int{2, 0} {
		reaction, err := carol.WaitChild(ctx, bob.Bare(), "urn:xmpp:reactions:0", "reactions")
		must(t, err)
		reactions := reaction.Child("urn:xmpp:reactions:0", "reactions")
		if reactions.Attr("id") != id || len(reactions.all("reaction")) != want {
			t.Errorf("%s", reaction.XML)
		}
	}
	retraction, err := carol.WaitChild(ctx, bob.Bare(), "urn:xmpp:message-retract:1", "retract")
	must(t, err)
	if retraction.Child("urn:xmpp:message-retract:1", "retract").Attr("id") != id {
		t.Errorf("%s", retraction.XML)
	}
	fastened, err := carol.WaitChild(ctx, bob.Bare(), "urn:xmpp:fasten:0", "apply-to")
	must(t, err)
	if fastened.Child("urn:xmpp:fasten:0", "apply-to").Attr("id") != id || fastened.Find("urn:xmpp:message-retract:0", "retract") == nil {
		t.Errorf("%s", fastened.XML)
	}
	must(t, bob.SendRaw(ctx, `<message to="`+carol.Bare()+`" type="headline"><body>raw</body></message>`))
	if raw, err := carol.WaitMessage(ctx, bob.Bare(), "raw"); err != nil || raw.Type() != "headline" {
		t.Error(raw, err)
	}
}

func presence(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.3", nil)
	carol := signIn(t, s, "carol.3", bob)
	must(t, bob.AddContact(ctx, carol.Bare(), "Carol", "Friends", "Work"))
	if _, err := bob.WaitIQ(ctx, "", "set", "jabber:iq:roster"); err != nil {
		t.Error(err)
	}
	must(t, bob.Befriend(ctx, carol))
	roster, err := bob.Roster(ctx)
	must(t, err)
	if len(roster) != 1 || roster[0].Name != "Carol" || roster[0].Subscription != "both" || len(roster[0].Groups) != 2 {
		t.Errorf("%+v", roster)
	}
	for _, want := range [][2]string{{"dnd", "Busy & so"}, {"xa", ""}, {"", "here"}} {
		must(t, bob.SetPresence(ctx, want[0], want[1], 5))
		evt, err := carol.WaitPresence(ctx, bob.Bare(), want[0], want[1])
		must(t, err)
		if evt.Child("", "priority").Content() != "5" {
			t.Errorf("%s", evt.XML)
		}
	}
	must(t, bob.Block(ctx, carol.Bare()))
	// Prosody tells carol that he is gone, ejabberd 23.01 does not.
	id, err := carol.Say(ctx, bob.Bare(), "Why?")
	must(t, err)
	if _, err := carol.WaitError(ctx, bob.Bare(), id); err != nil {
		t.Error("after a block", err)
	}
	must(t, bob.Unblock(ctx, carol.Bare()))
	if _, err := carol.Say(ctx, bob.Bare(), "Thanks"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMessage(ctx, carol.Bare(), "Thanks"); err != nil {
		t.Error("after the end of a block", err)
	}
	must(t, carol.Sync(ctx))
	carol.Forget()
	must(t, bob.GoOffline(ctx))
	if _, err := carol.WaitUnavailable(ctx, bob.Bare()); err != nil {
		t.Error(err)
	}
	must(t, bob.SetPresence(ctx, "", "", 0), bob.SetNick(ctx, "Bobby"))
	nick, err := carol.WaitChild(ctx, bob.Bare(), "http://jabber.org/protocol/pubsub#event", "event")
	must(t, err)
	if nick.Find("http://jabber.org/protocol/nick", "nick").Content() != "Bobby" {
		t.Errorf("%s", nick.XML)
	}
	must(t, carol.Unsubscribed(ctx, bob.Bare()))
	if _, err := bob.WaitSubscription(ctx, carol.Bare(), "unsubscribed"); err != nil {
		t.Error(err)
	}
	must(t, carol.Unsubscribe(ctx, bob.Bare()))
	if _, err := bob.WaitSubscription(ctx, carol.Bare(), "unsubscribe"); err != nil {
		t.Error(err)
	}
	must(t, bob.RemoveContact(ctx, carol.Bare()))
	if roster, err := bob.Roster(ctx); err != nil || len(roster) != 0 {
		t.Errorf("%+v, %v", roster, err)
	}
}

func twoResources(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.4", nil)
	carol := signIn(t, s, "carol.4", bob)
	phone, err := bob.Also(ctx, s, bob.Bare()+"/phone", Password("bob.4"))
	must(t, err)
	defer func() { must(t, phone.Close()) }()
	if phone.JID != bob.Bare()+"/phone" {
		t.Errorf("the resource is %s", phone.JID)
	}
	if _, err := phone.Say(ctx, carol.Bare(), "from my phone"); err != nil {
		t.Fatal(err)
	}
	carbon, err := bob.WaitCarbon(ctx, phone.JID, "from my phone")
	must(t, err)
	if _, sent := carbon.Carbon(); !sent {
		t.Errorf("%s", carbon.XML)
	}
	if _, err := carol.Say(ctx, phone.JID, "to your phone"); err != nil {
		t.Fatal(err)
	}
	if _, err := phone.WaitMessage(ctx, carol.JID, "to your phone"); err != nil {
		t.Error(err)
	}
	if _, err := bob.WaitCarbon(ctx, carol.JID, "to your phone"); err != nil {
		t.Error(err)
	}
}

func rooms(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.5", nil)
	carol := signIn(t, s, "carol.5", bob)
	room := "tea@" + s.MUCDomain
	must(t, bob.CreateRoom(ctx, room, "bob", map[string]string{"muc#roomconfig_membersonly": "1"}))
	var refused *StanzaError
	if err := carol.Join(ctx, room, "carol"); !errors.As(err, &refused) || refused.Condition != "registration-required" {
		t.Errorf("join without being a member: %v", err)
	}
	must(t, bob.SetAffiliation(ctx, room, carol.Bare(), "member"), bob.Invite(ctx, room, carol.Bare(), "Tea?"))
	invite, err := carol.WaitInvite(ctx, room)
	must(t, err)
	if invite.Find("", "reason").Content() != "Tea?" {
		t.Errorf("%s", invite.XML)
	}
	must(t, bob.InviteDirectly(ctx, room, carol.Bare(), "Really"))
	if _, err := carol.WaitInvite(ctx, room); err != nil {
		t.Error(err)
	}
	if err := carol.Join(ctx, room, "bob"); !errors.As(err, &refused) || refused.Condition != "conflict" {
		t.Errorf("join with a name that is taken: %v", err)
	}
	must(t, carol.Join(ctx, room, "carol"))
	if _, err := bob.WaitPresence(ctx, room+"/carol", "", ""); err != nil {
		t.Error(err)
	}
	if _, err := carol.SayInRoom(ctx, room, "Hello all"); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.WaitMessage(ctx, room+"/carol", "Hello all"); err != nil {
		t.Error(err)
	}
	must(t, bob.Kick(ctx, room, "carol"))
	kicked, err := carol.WaitUnavailable(ctx, room+"/carol")
	must(t, err)
	if !slices.Contains(kicked.StatusCodes(), "307") {
		t.Errorf("%s", kicked.XML)
	}
	must(t, carol.Join(ctx, room, "carol"), carol.Leave(ctx, room))
	if _, err := bob.Wait(ctx, "carol to leave", func(e *Event) bool {
		return e.Type() == "unavailable" && e.IsFrom(room+"/carol") && len(e.StatusCodes()) == 0
	}); err != nil {
		t.Error(err)
	}
}

func queries(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.6", nil)
	carol := signIn(t, s, "carol.6", bob)
	identities, features, err := bob.DiscoInfo(ctx, s.Domain, "")
	must(t, err)
	if !slices.Contains(identities, "server/im") || !slices.Contains(features, "urn:xmpp:carbons:2") {
		t.Errorf("%q %q", identities, features)
	}
	items, err := bob.DiscoItems(ctx, s.Domain, "")
	must(t, err)
	if !slices.ContainsFunc(items, func(e *Element) bool { return e.Attr("jid") == s.MUCDomain }) {
		t.Errorf("%d items without %s", len(items), s.MUCDomain)
	}
	must(t, carol.SetVCard(ctx, "<FN>Carol</FN><NICKNAME>Caz</NICKNAME>"))
	card, err := bob.VCard(ctx, carol.Bare())
	must(t, err)
	if card.Child("", "FN").Content() != "Carol" {
		t.Errorf("%+v", card)
	}
	form, err := bob.RegistrationForm(ctx, s.Domain)
	must(t, err)
	if form.Child("", "registered") == nil {
		t.Errorf("%+v", form)
	}
	must(t, bob.Register(ctx, s.Domain, map[string]string{"username": "bob.6", "password": "changed"}))
	commands, err := bob.DiscoItems(ctx, s.Domain, "http://jabber.org/protocol/commands")
	must(t, err)
	for _, command := range commands {
		if node := command.Attr("node"); node == "ping" || node == "uptime" {
			step, err := bob.Command(ctx, CommandStep{To: s.Domain, Node: node})
			must(t, err)
			if step.Attr("status") != "completed" || step.Child("", "note").Content()+step.Find("", "value").Content() == "" {
				t.Errorf("%+v", step)
			}
			return
		}
	}
	t.Errorf("none of the server's %d commands is one that anybody may use", len(commands))
}

func uploads(t *testing.T, s *Server) {
	ctx := testContext(t)
	bob := signIn(t, s, "bob.7", nil)
	const text = "a small file"
	url, err := bob.Upload(ctx, s, "file & more.txt", "text/plain", []byte(text))
	must(t, err)
	body, err := get(ctx, url)
	if err != nil || body != text {
		t.Errorf("%q, %v", body, err)
	}
}

// get fetches a page.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	return strings.TrimSpace(string(body)), errors.Join(err, resp.Body.Close())
}
