package xmpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/xmpp/xmpptest"
)

// house is a network whose component is connected to a real server.
type house struct {
	t      *testing.T
	s      *xmpptest.Server
	n      *Network
	memory bridge.Memory
	desk   *scriptedDesk
	leave  context.CancelFunc
	left   chan error
}

func newHouse(t *testing.T, s *xmpptest.Server, memory bridge.Memory, address string) *house {
	t.Helper()
	h := &house{t: t, s: s, memory: memory, desk: &scriptedDesk{}, left: make(chan error, 1)}
	n, err := New(Options{
		Component:     ComponentOptions{Address: address, Domain: s.ComponentDomain, Secret: s.Secret},
		AccountDomain: "msn.localhost", Memory: memory, Log: zerolog.Nop(),
	})
	must(t, err)
	n.Attend(h.desk)
	h.n = n
	ctx, cancel := context.WithCancel(context.Background())
	h.leave = cancel
	go func() { h.left <- n.Run(ctx) }()
	t.Cleanup(h.close)
	return h
}

// close ends the network, as the end of the process does.
func (h *house) close() {
	h.leave()
	select {
	case err := <-h.left:
		h.left <- err
		if err != nil {
			h.t.Error(err)
		}
	case <-time.After(10 * time.Second):
		h.t.Error("the component does not end")
	}
}

// open opens an account and waits until it is connected.
func (h *house) open(name string) (*componentAccount, *inbox) {
	h.t.Helper()
	in := &inbox{events: make(chan bridge.Event, 10000)}
	a, err := h.n.Open(testContext(h.t), bridge.Login{Account: bridge.Handle(name + "@msn.localhost"), Name: strings.ToUpper(name[:1]) + name[1:]}, in)
	must(h.t, err)
	await(h.t, in, "connection", func(e bridge.ConnectionChanged) bool { return e.Up })
	return a.(*componentAccount), in
}

func (h *house) jid(name string) string { return name + "@" + h.s.ComponentDomain }

func showing(t *testing.T, in *inbox, who string, show bridge.Show, words string) {
	t.Helper()
	await(t, in, fmt.Sprintf("%s to be %v %q", who, show, words), func(e bridge.PresenceChanged) bool {
		return e.Contact == bridge.RemoteID(who) && e.Presence.Show == show && e.Presence.Text == words
	})
}

func contact(p *xmpptest.Peer) bridge.Contact {
	return bridge.Contact{ID: bridge.RemoteID(p.Bare())}
}

func startServer(t *testing.T, program xmpptest.Kind, more ...func(*xmpptest.Options)) *xmpptest.Server {
	t.Helper()
	o := xmpptest.Options{Kind: program}
	for _, set := range more {
		set(&o)
	}
	s, err := xmpptest.Start(testContext(t), o)
	must(t, err)
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestComponentLive runs everything that a component is asked for, with both kinds
// of server.
func TestComponentLive(t *testing.T) {
	for _, program := range xmpptest.Kinds() {
		t.Run(string(program), func(t *testing.T) {
			s := startServer(t, program)
			bob := peer(t, s, "bob", nil)
			h := newHouse(t, s, &notes{}, s.ComponentAddress)
			first, _ := h.open("first") // which waits for the connection
			must(t, first.Close())
			t.Run("subscriptions", func(t *testing.T) { componentSubscriptions(t, h.at(t), bob) })
			t.Run("refusals", func(t *testing.T) { componentRefusals(t, h.at(t), bob) })
			t.Run("offline contact", func(t *testing.T) { componentOfflineContact(t, h.at(t), bob) })
			t.Run("messages", func(t *testing.T) { componentMessages(t, h.at(t), bob) })
			t.Run("information", func(t *testing.T) { componentInformation(t, h.at(t), bob) })
			t.Run("registration", func(t *testing.T) { componentRegistration(t, h.at(t), bob) })
			t.Run("commands", func(t *testing.T) { componentCommands(t, h.at(t), bob) })
			t.Run("strangers", func(t *testing.T) { componentStrangers(t, h.at(t), bob) })
			t.Run("malformed", func(t *testing.T) { componentMalformed(t, h.at(t), bob) })
			t.Run("flood", func(t *testing.T) { componentFlood(t, h.at(t), bob) })
		})
	}
}

// at is the house in another test.
func (h *house) at(t *testing.T) *house {
	other := *h
	other.t = t
	return &other
}

// befriend lets an account and a person see each other.
func befriend(t *testing.T, a *componentAccount, in *inbox, p *xmpptest.Peer) {
	t.Helper()
	ctx := testContext(t)
	must(t, a.Follow(ctx, contact(p)))
	_, err := p.WaitSubscription(ctx, a.bare, "subscribe")
	must(t, err, p.Subscribed(ctx, a.bare))
	await(t, in, "presence", func(e bridge.PresenceChanged) bool { return e.Contact == bridge.RemoteID(p.Bare()) })
	must(t, p.Subscribe(ctx, a.bare))
	await(t, in, "request", func(e bridge.ContactRequested) bool { return e.From.ID == bridge.RemoteID(p.Bare()) })
	must(t, a.Allow(ctx, bridge.RemoteID(p.Bare())))
	_, err = p.WaitSubscription(ctx, a.bare, "subscribed")
	must(t, err)
}

func componentSubscriptions(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	a, in := h.open("alice")
	must(t, bob.SetPresence(ctx, "dnd", "busy", 0), a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}))
	must(t, a.Follow(ctx, contact(bob)))
	asked, err := bob.WaitSubscription(ctx, a.bare, "subscribe")
	must(t, err)
	if asked.Child(nsNick, "nick").Content() != "Alice" {
		t.Error(asked.XML)
	}
	must(t, a.Follow(ctx, contact(bob)), bob.Sync(ctx)) // the next sign-in
	if again := bob.Seen(func(e *xmpptest.Event) bool { return e.Type() == "subscribe" }); len(again) > 0 {
		t.Error("asked again at once")
	}
	must(t, bob.Subscribed(ctx, a.bare))
	showing(t, in, bob.Bare(), bridge.Busy, "busy")
	must(t, bob.SetPresence(ctx, "away", "tea", 0))
	showing(t, in, bob.Bare(), bridge.Away, "tea")

	must(t, bob.Subscribe(ctx, a.bare))
	await(t, in, "request", func(e bridge.ContactRequested) bool { return e.From.ID == bridge.RemoteID(bob.Bare()) })
	must(t, a.Allow(ctx, bridge.RemoteID(bob.Bare())))
	_, err = bob.WaitSubscription(ctx, a.bare, "subscribed")
	must(t, err)
	_, err = bob.WaitPresence(ctx, a.bare, "", "")
	must(t, err, a.SetPresence(ctx, bridge.Presence{Show: bridge.Busy, Text: "On the phone"}))
	_, err = bob.WaitPresence(ctx, a.bare, "dnd", "On the phone")
	must(t, err, a.Rename(ctx, "Alice in W."))
	renamed, err := bob.WaitPresence(ctx, a.bare, "dnd", "On the phone")
	must(t, err)
	if renamed.Child(nsNick, "nick").Content() != "Alice in W." {
		t.Error(renamed.XML)
	}
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Hidden}))
	_, err = bob.WaitUnavailable(ctx, a.bare)
	must(t, err, bob.SetPresence(ctx, "", "back", 0))
	showing(t, in, bob.Bare(), bridge.Available, "back") // hidden, and yet seeing
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}))
	_, err = bob.WaitPresence(ctx, a.bare, "", "")
	must(t, err, a.SetPresence(ctx, bridge.Presence{Show: bridge.Offline}))
	_, err = bob.WaitUnavailable(ctx, a.bare)
	must(t, err)

	in.drain() // the next sign-in: presences come by probes
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Hidden}), a.Follow(ctx, contact(bob)))
	showing(t, in, bob.Bare(), bridge.Available, "back")

	must(t, bob.Unsubscribe(ctx, a.bare))
	await(t, in, "withdrawal", func(e bridge.ContactWithdrew) bool { return e.Contact == bridge.RemoteID(bob.Bare()) })
	must(t, a.Unfollow(ctx, bridge.RemoteID(bob.Bare())))
	_, err = bob.WaitSubscription(ctx, a.bare, "unsubscribe")
	must(t, err, bob.RemoveContact(ctx, a.bare))
	must(t, a.Close())
}

func componentRefusals(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	a, in := h.open("rita")
	id := bridge.RemoteID(bob.Bare())
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}), a.Follow(ctx, contact(bob)))
	_, err := bob.WaitSubscription(ctx, a.bare, "subscribe")
	must(t, err, bob.Unsubscribed(ctx, a.bare))
	await(t, in, "refusal", func(e bridge.PresenceChanged) bool { return e.Contact == id && e.Presence.Show == bridge.Unknown })
	must(t, a.Follow(ctx, contact(bob)), bob.Sync(ctx))
	if again := bob.Seen(func(e *xmpptest.Event) bool { return e.Type() == "subscribe" && e.IsFrom(a.bare) }); len(again) > 0 {
		t.Error("asked again after a refusal")
	}
	must(t, a.Unfollow(ctx, id), a.Follow(ctx, contact(bob)))
	_, err = bob.WaitSubscription(ctx, a.bare, "subscribe")
	must(t, err)

	in.answers(bridge.ErrUnwelcome)
	must(t, bob.Subscribe(ctx, a.bare))
	_, err = bob.WaitSubscription(ctx, a.bare, "unsubscribed")
	must(t, err)
	in.answers(nil)
	in.drain()
	must(t, bob.Subscribe(ctx, a.bare))
	await(t, in, "request", func(e bridge.ContactRequested) bool { return e.From.ID == id })
	must(t, a.Allow(ctx, id))
	_, err = bob.WaitPresence(ctx, a.bare, "", "")
	must(t, err, a.Block(ctx, id))
	_, err = bob.WaitSubscription(ctx, a.bare, "unsubscribed")
	must(t, err)
	_, err = bob.WaitUnavailable(ctx, a.bare)
	must(t, err, a.Allow(ctx, id), bob.Sync(ctx)) // which grants nothing that was not asked for
	if s := a.grantedWith(id); s.from {
		t.Errorf("%+v", s)
	}
	must(t, a.Unfollow(ctx, id), bob.RemoveContact(ctx, a.bare), a.Close())
}

func componentOfflineContact(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	a, in := h.open("olga")
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}))
	befriend(t, a, in, bob)
	must(t, bob.GoOffline(ctx))
	showing(t, in, bob.Bare(), bridge.Offline, "")
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Offline}))
	in.drain()
	must(t, a.SetPresence(ctx, bridge.Presence{Show: bridge.Available}), a.Follow(ctx, contact(bob)))
	timeout := time.After(silence + 5*time.Second)
	for found := false; !found; {
		select {
		case e := <-in.events:
			p, ok := e.(bridge.PresenceChanged)
			found = ok && p.Contact == bridge.RemoteID(bob.Bare()) && p.Presence.Show == bridge.Offline
		case <-timeout:
			t.Fatal("nothing says that the contact is offline")
		}
	}
	// Only when the server has taken it is bob there: ejabberd would keep what comes before
	// for his next presence, even if this one overtakes it.
	must(t, bob.SetPresence(ctx, "", "", 0), bob.Sync(ctx), a.Close())
}

func componentMessages(t *testing.T, h *house, bob *xmpptest.Peer) {
	a, in := h.open("mary")
	liveChat(t, h.s, a.account, in, bob)
	componentLookup(t, h, a)
	must(t, a.Close())
	ctx := testContext(t)
	id, err := bob.Say(ctx, a.bare, "are you there?")
	must(t, err)
	e, err := bob.WaitError(ctx, a.bare, id)
	must(t, err)
	if e.Child("", "error").Attr("type") != "wait" {
		t.Error(e.XML)
	}
}

// componentLookup is a look-up of the component's own people, by one of them.
func componentLookup(t *testing.T, h *house, a *componentAccount) {
	other, _ := h.open("nina")
	c, err := a.Lookup(testContext(t), other.ID())
	if err != nil || c.Name != "Nina" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := a.Lookup(testContext(t), bridge.RemoteID(h.jid("nobody"))); !errors.Is(err, bridge.ErrNoSuchContact) {
		t.Error(err)
	}
	must(t, other.Close())
}

func componentInformation(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	a, _ := h.open("ivy")
	identities, features, err := bob.DiscoInfo(ctx, h.s.ComponentDomain, "")
	must(t, err)
	if !slices.Contains(identities, "gateway/msn") || !slices.Contains(features, nsRegister) || !slices.Contains(features, nsGateway) {
		t.Errorf("%q %q", identities, features)
	}
	identities, features, err = bob.DiscoInfo(ctx, a.bare, "")
	must(t, err)
	if !slices.Contains(identities, "client/pc") || !slices.Contains(features, nsReceipts) {
		t.Errorf("%q %q", identities, features)
	}
	if _, _, err := bob.DiscoInfo(ctx, h.jid("nobody"), ""); !isCondition(err, "item-not-found") {
		t.Error(err)
	}
	items, err := bob.DiscoItems(ctx, h.s.ComponentDomain, "")
	if err != nil || len(items) > 0 {
		t.Errorf("%v, %v", items, err)
	}
	for _, address := range []string{a.bare, a.bare + "/papillon"} {
		card, err := bob.VCard(ctx, address)
		must(t, err)
		if card.Child(nsVCard, "FN").Content() != "Ivy" {
			t.Errorf("%+v", card)
		}
	}
	must(t, a.Rename(ctx, "Ivy & Co."))
	card, err := bob.VCard(ctx, a.bare)
	must(t, err)
	if card.Child(nsVCard, "NICKNAME").Content() != "Ivy & Co." {
		t.Errorf("%+v", card)
	}
	for _, payload := range []string{`<ping xmlns="urn:xmpp:ping"/>`, `<query xmlns="jabber:iq:version"/>`, `<time xmlns="urn:xmpp:time"/>`} {
		for _, to := range []string{a.bare, h.s.ComponentDomain} {
			if _, err := bob.IQ(ctx, "get", to, payload); err != nil {
				t.Errorf("%s to %s: %v", payload, to, err)
			}
		}
	}
	for _, to := range []string{a.bare, h.s.ComponentDomain} {
		if _, err := bob.IQ(ctx, "get", to, `<what xmlns="x:y"/>`); !isCondition(err, "service-unavailable") {
			t.Error(err)
		}
	}
	componentPrompt(t, h, bob)
	must(t, a.Close())
}

func componentPrompt(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	answer, err := bob.IQ(ctx, "get", h.s.ComponentDomain, `<query xmlns="jabber:iq:gateway"/>`)
	must(t, err)
	if q := answer.Child(nsGateway, "query"); q.Child(nsGateway, "prompt") == nil || q.Child(nsGateway, "desc").Content() == "" {
		t.Errorf("%+v", answer)
	}
	for typed, want := range map[string]string{
		"Alice": h.jid("alice"), "alice@msn.localhost": h.jid("alice"), "bob@hotmail.com": h.jid(`bob\40hotmail.com`), "@": "", "": "", "a b": "",
	} {
		answer, err := bob.IQ(ctx, "set", h.s.ComponentDomain, `<query xmlns="jabber:iq:gateway"><prompt>`+typed+`</prompt></query>`)
		if want == "" {
			if !isCondition(err, "item-not-found") {
				t.Errorf("%q: %v", typed, err)
			}
			continue
		}
		must(t, err)
		if got := answer.Child(nsGateway, "query").Child(nsGateway, "jid").Content(); got != want {
			t.Errorf("%q is %q", typed, got)
		}
	}
}

// isCondition says whether an error is that of a stanza, with a condition.
func isCondition(err error, condition string) bool {
	return err != nil && strings.Contains(err.Error(), condition)
}

func componentRegistration(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx, gate := testContext(t), h.s.ComponentDomain
	form, err := bob.RegistrationForm(ctx, gate)
	must(t, err)
	if form.Child(nsRegister, "registered") != nil || form.Child(nsRegister, "username") == nil || !strings.Contains(form.Child(nsRegister, "instructions").Content(), "message") {
		t.Errorf("%+v", form)
	}
	if err := bob.Register(ctx, gate, map[string]string{"username": "taken"}); !isCondition(err, "not-acceptable") {
		t.Error(err)
	}
	must(t, bob.Register(ctx, gate, map[string]string{"username": "robert"}))
	_, err = bob.WaitMessage(ctx, gate, "Your password: secret of robert")
	must(t, err)
	_, err = bob.WaitSubscription(ctx, gate, "subscribe")
	must(t, err, bob.Subscribed(ctx, gate), bob.Subscribe(ctx, gate))
	_, err = bob.WaitSubscription(ctx, gate, "subscribed")
	must(t, err)
	_, err = bob.WaitPresence(ctx, gate, "", "")
	must(t, err)
	form, err = bob.RegistrationForm(ctx, gate)
	must(t, err)
	if form.Child(nsRegister, "registered") == nil || form.Child(nsRegister, "username").Content() != "robert" {
		t.Errorf("%+v", form)
	}
	must(t, bob.Unregister(ctx, gate))
	_, err = bob.WaitSubscription(ctx, gate, "unsubscribed")
	must(t, err)
	if err := bob.Unregister(ctx, gate); !isCondition(err, "registration-required") {
		t.Error(err)
	}
	must(t, bob.RemoveContact(ctx, gate))
}

func componentCommands(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx, gate := testContext(t), h.s.ComponentDomain
	items, err := bob.DiscoItems(ctx, gate, nsCommands)
	must(t, err)
	if len(items) != 5 || items[0].Attr("node") != "register" {
		t.Errorf("%+v", items)
	}
	identities, _, err := bob.DiscoInfo(ctx, gate, "register")
	if err != nil || !slices.Contains(identities, "automation/command-node") {
		t.Errorf("%q, %v", identities, err)
	}
	first, err := bob.Command(ctx, xmpptest.CommandStep{To: gate, Node: "register"})
	must(t, err)
	if first.Attr("status") != "executing" || first.Child(nsData, "x") == nil {
		t.Errorf("%+v", first)
	}
	second, err := bob.Command(ctx, xmpptest.CommandStep{
		To: gate, Node: "register", Session: first.Attr("sessionid"), Action: "complete", Fields: map[string]string{argumentField: "bobby"},
	})
	must(t, err)
	if second.Attr("status") != "completed" || second.Child(nsCommands, "note").Content() != "Your password: secret of bobby" {
		t.Errorf("%+v", second)
	}
	_, err = bob.WaitSubscription(ctx, gate, "subscribe")
	must(t, err)
	status, err := bob.Command(ctx, xmpptest.CommandStep{To: gate, Node: "status"})
	must(t, err)
	if note := status.Child(nsCommands, "note").Content(); !strings.HasPrefix(note, "STATUS of bobby@msn.localhost") {
		t.Error(note)
	}
	sure, err := bob.Command(ctx, xmpptest.CommandStep{To: gate, Node: "unlink"})
	must(t, err)
	if sure.Attr("status") != "executing" || len(h.desk.people) != 1 {
		t.Errorf("removed without a question: %+v", sure)
	}
	_, err = bob.Command(ctx, xmpptest.CommandStep{
		To: gate, Node: "unlink", Session: sure.Attr("sessionid"), Action: "complete", Fields: map[string]string{confirmField: "1"},
	})
	must(t, err)
	if status, err = bob.Command(ctx, xmpptest.CommandStep{To: gate, Node: "status"}); err != nil || status.Child(nsCommands, "note").Content() != "You have no account." {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := bob.Command(ctx, xmpptest.CommandStep{To: gate, Node: "nothing"}); !isCondition(err, "item-not-found") {
		t.Error(err)
	}
	_, err = bob.Send(ctx, xmpptest.Message{To: gate, Body: " register bo "})
	must(t, err)
	_, err = bob.WaitMessage(ctx, gate, "Your password: secret of bo")
	must(t, err)
	_, err = bob.Send(ctx, xmpptest.Message{To: gate, Body: "unlink"})
	must(t, err)
	_, err = bob.WaitMessage(ctx, gate, "Removed.")
	must(t, err)
}

func componentStrangers(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	id, err := bob.Say(ctx, h.jid("nobody"), "hello?")
	must(t, err)
	e, err := bob.WaitError(ctx, h.jid("nobody"), id)
	must(t, err)
	if e.Child("", "error").Child(nsStanzas, "item-not-found") == nil {
		t.Error(e.XML)
	}
	must(t, bob.Subscribe(ctx, h.jid("nobody")))
	_, err = bob.WaitSubscription(ctx, h.jid("nobody"), "unsubscribed")
	must(t, err, bob.RemoveContact(ctx, h.jid("nobody")))
}

// componentMalformed sends what a server lets pass and a component may stumble over.
func componentMalformed(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	a, in := h.open("mal")
	for _, to := range []string{a.bare, h.s.ComponentDomain, h.jid("nobody"), a.bare + "/x", h.s.ComponentDomain + "/y"} {
		for _, format := range []string{
			`<message to='%s'/>`, `<message to='%s' type='what'><body/></message>`, `<message to='%s' type='error'/>`,
			`<message to='%s' type='error' id='1'><error/></message>`, `<message to='%s' type='groupchat'><body>x</body></message>`,
			`<message to='%s'><x xmlns='http://jabber.org/protocol/muc#user'><invite/></x></message>`,
			`<message to='%s'><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>`,
			`<message to='%s'><replace xmlns='urn:xmpp:message-correct:0'/><body>y</body></message>`,
			`<presence to='%s' type='error'/>`, `<presence to='%s'><priority>many</priority><show>up</show></presence>`,
			`<presence to='%s' type='unavailable'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>`,
			`<iq to='%s' type='result' id='x'/>`, `<iq to='%s' type='error' id='y'/>`,
			`<iq to='%s' type='set' id='z'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data'/></query></iq>`,
			`<iq to='%s' type='set' id='q'><command xmlns='http://jabber.org/protocol/commands'/></iq>`,
		} {
			must(t, bob.SendRaw(ctx, fmt.Sprintf(format, to)))
		}
	}
	must(t, bob.Sync(ctx))
	_, err := bob.Say(ctx, a.bare, "still there?")
	must(t, err)
	saying(t, in, "still there?")
	must(t, a.Close())
	h.desk.mu.Lock()
	h.desk.people = nil
	h.desk.mu.Unlock()
}

// stuckInbox takes nothing before it is told to.
type stuckInbox struct {
	inbox
	open chan struct{}
}

func (i *stuckInbox) Receive(ctx context.Context, e bridge.Event) error {
	if _, ok := e.(bridge.MessageReceived); ok {
		select {
		case <-i.open:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return i.inbox.Receive(ctx, e)
}

// componentFlood has somebody write to an account that is slow, and the others not
// notice.
func componentFlood(t *testing.T, h *house, bob *xmpptest.Peer) {
	ctx := testContext(t)
	bob.Forget()
	a, in := h.open("quick")
	slow := &stuckInbox{inbox: inbox{events: make(chan bridge.Event, 10000)}, open: make(chan struct{})}
	flooded, err := h.n.Open(ctx, bridge.Login{Account: "slow@msn.localhost", Name: "Slow"}, slow)
	must(t, err)
	const flood = maxWaitingFrom + 300
	for i := range flood {
		must(t, bob.SendRaw(ctx, fmt.Sprintf(`<message to='%s' type='chat' id='flood%06d'><body>%d</body><no-store xmlns='urn:xmpp:hints'/></message>`, h.jid("slow"), i, i)))
	}
	_, err = bob.Say(ctx, a.bare, "and you?")
	must(t, err)
	saying(t, in, "and you?")
	must(t, bob.Sync(ctx))
	for i := maxWaitingFrom; i < flood; i++ { // none of them vanishes
		_, err := bob.Wait(ctx, "a refusal", func(e *xmpptest.Event) bool {
			return e.Kind == "message" && e.Type() == "error" && e.ID() == fmt.Sprintf("flood%06d", i) &&
				e.Child("", "error").Child(nsStanzas, "resource-constraint") != nil
		})
		must(t, err)
	}
	close(slow.open)
	for i := range maxWaitingFrom {
		if m := saying(t, &slow.inbox, fmt.Sprint(i)); m.From.ID != bridge.RemoteID(bob.Bare()) {
			t.Fatalf("%+v", m)
		}
	}
	must(t, a.Close(), flooded.Close())
	bob.Forget()
}
