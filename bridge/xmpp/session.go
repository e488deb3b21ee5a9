package xmpp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// session is one stay of an account at its server, over interruptions. It
// implements [stream.Handler].
type session struct {
	account *loginAccount
	client  *stream.Client

	settled    chan struct{} // closed when connected, or when that will never be
	rosterTold chan struct{} // closed when the gateway has the roster
	failed     chan struct{} // closed when connecting is given up

	mu      sync.Mutex
	once    struct{ settled, rosterTold, failed bool }
	reason  error
	begun   bool // presence may be said
	shown   bool // others see the account
	stop    context.CancelFunc
	roster  map[bridge.RemoteID]rosterItem
	blocked map[bridge.RemoteID]bool
	archive position
	flush   *time.Timer // stores archive

	asked recent[bridge.RemoteID, struct{}] // who wishes to see the account
}

// maxAsked is how many wishes are known at a time. A server says those that were not
// answered again.
const maxAsked = 10000

// newSession makes a session that does not connect yet.
func newSession(a *loginAccount) *session {
	s := &session{
		account: a, settled: make(chan struct{}), rosterTold: make(chan struct{}), failed: make(chan struct{}),
		roster: make(map[bridge.RemoteID]rosterItem), blocked: make(map[bridge.RemoteID]bool),
		stop: func() {},
	}
	s.client = stream.NewClient(a.options, s)
	return s
}

// mark closes one of the channels, once. The mutex is held.
func mark(done *bool, c chan struct{}) {
	if !*done {
		*done = true
		close(c)
	}
}

// failure is why connecting was given up.
func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason
}

// Connected implements [stream.Handler].
func (s *session) Connected(resumed bool) {
	a := s.account
	s.mu.Lock()
	mark(&s.once.settled, s.settled)
	ctx, stop := context.WithCancel(a.life)
	s.stop()
	s.stop = stop
	if !resumed {
		s.begun, s.shown = false, false
	}
	begun := s.begun
	s.mu.Unlock()
	a.state.Lock()
	a.told = ""
	a.state.Unlock()
	a.feed.put(bridge.ConnectionChanged{Up: true}, nil)
	if resumed && begun {
		go func() {
			if err := s.showPresence(ctx); err != nil {
				a.log.Debug().Err(err).Msg("Cannot say the presence again")
			}
		}()
		return
	}
	go s.begin(ctx)
}

// Disconnected implements [stream.Handler].
func (s *session) Disconnected(err error) {
	a := s.account
	reason := stream.Describe(err)
	s.mu.Lock()
	s.stop()
	if errors.Is(err, stream.ErrFatal) {
		s.reason = err
		mark(&s.once.settled, s.settled)
		mark(&s.once.failed, s.failed)
	}
	s.mu.Unlock()
	a.feed.put(bridge.ConnectionChanged{Up: false, Reason: reason}, nil)
	if errors.Is(err, stream.ErrFatal) {
		a.trouble(reason)
	}
}

// begin does what a new session needs, in the order that loses nothing: the
// roster, so that its changes come; copies of what other clients say; who is
// blocked; what was missed; and only then the presence, with which messages come
// here.
func (s *session) begin(ctx context.Context) {
	a := s.account
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"open the archive", s.openArchive},
		{"read the roster", s.readRoster},
		{"ask for copies of messages", s.enableCarbons},
		{"read the block list", s.readBlockList},
		{"catch up with the archive", s.catchUp},
	} {
		err := step.do(ctx)
		var refusal *stream.StanzaError
		switch {
		case ctx.Err() != nil:
			return // the next connection begins anew
		case errors.As(err, &refusal):
			a.log.Debug().Err(err).Msg("The server cannot " + step.what)
		case err != nil:
			a.log.Info().Err(err).Msg("Cannot " + step.what)
		}
	}
	s.mu.Lock()
	s.begun = true
	s.mu.Unlock()
	if err := s.showPresence(ctx); err != nil {
		a.log.Debug().Err(err).Msg("Cannot say the presence")
		return
	}
	if err := s.publishNick(ctx); err != nil {
		a.log.Debug().Err(err).Msg("Cannot publish the nickname")
	}
}

// floodTime is how long after the first presence those of the contacts arrive; who
// has said nothing by then is offline.
const floodTime = 4 * time.Second

// showPresence says the account's presence, if the session is far enough.
func (s *session) showPresence(ctx context.Context) error {
	a := s.account
	a.state.Lock()
	p := a.presence
	a.state.Unlock()
	s.mu.Lock()
	begun, shown := s.begun, s.shown
	seen := isSeen(p)
	if begun {
		s.shown = seen
	}
	s.mu.Unlock()
	if !begun || !seen && !shown {
		return nil
	}
	if !seen {
		a.rooms.leaveAll(ctx)
	}
	stanza := presenceStanza(p, "")
	if seen && a.network.options.Priority != 0 {
		stanza.Children = append(stanza.Children, stream.NewText("", "priority", fmt.Sprint(a.network.options.Priority)))
	}
	var gap position
	known := false
	if seen && !shown {
		var err error
		if gap, known, err = s.lastRead(ctx); err != nil {
			a.log.Warn().Err(err).Msg("Cannot find out how far the archive was read")
		}
	}
	if err := s.client.Send(ctx, stanza); err != nil {
		return fmt.Errorf("say the presence: %w", err)
	}
	if seen && !shown {
		a.rooms.enter(a.life)
		if known {
			go s.closeGap(a.life, gap)
			// Once more: ejabberd may write a message to the archive after it has
			// decided that this session is not to have it.
			time.AfterFunc(floodTime, func() { s.closeGap(a.life, gap) })
		}
		time.AfterFunc(floodTime, s.tellAbsent)
	}
	return nil
}

// tellAbsent tells that the contacts are offline of whom no presence came.
func (s *session) tellAbsent() {
	a := s.account
	if a.current() != s {
		return
	}
	s.mu.Lock()
	var silent []bridge.RemoteID
	for id, item := range s.roster {
		if item.sees() && !a.contacts.knows(id) {
			silent = append(silent, id)
		}
	}
	s.mu.Unlock()
	for _, id := range silent {
		a.feed.put(bridge.PresenceChanged{Contact: id, Presence: bridge.Presence{Show: bridge.Offline}}, nil)
	}
}

// close says farewell and ends the session.
func (s *session) close(ctx context.Context) error {
	a := s.account
	s.mu.Lock()
	shown := s.shown
	s.begun, s.shown = false, false
	if s.flush != nil {
		s.flush.Stop()
	}
	s.mu.Unlock()
	if shown && s.client.Up() {
		a.rooms.leaveAll(ctx)
		if err := s.client.Send(ctx, &stream.Stanza{Kind: stream.Presence, Type: "unavailable"}); err != nil {
			a.log.Debug().Err(err).Msg("Cannot say farewell")
		}
	}
	s.storePosition(ctx)
	s.mu.Lock()
	s.stop()
	mark(&s.once.settled, s.settled)
	s.mu.Unlock()
	return s.client.Close(ctx)
}

// Stanza implements [stream.Handler].
func (s *session) Stanza(stanza *stream.Stanza, done func()) {
	a := s.account
	switch {
	case stanza.Kind == stream.IQ:
		if isQuery(stanza) {
			s.query(stanza)
		}
		finish(done)
	case a.takeArchived(stanza):
		finish(done)
	case a.rooms.take(stanza, done):
	case stanza.Kind == stream.Presence:
		if handle := loginPresenceTypes[stanza.Type]; handle != nil {
			handle(s, stanza)
		}
		finish(done)
	case stanza.Type == "error":
		a.returned(stanza)
		finish(done)
	default:
		s.message(stanza, done)
	}
}

const (
	nsCarbons = "urn:xmpp:carbons:2" // XEP-0280
	nsRoster  = "jabber:iq:roster"   // RFC 6121 §2
	nsBlock   = "urn:xmpp:blocking"  // XEP-0191
)

// enableCarbons asks for copies of what other clients of the account send and
// get.
func (s *session) enableCarbons(ctx context.Context) error {
	_, err := s.account.ask(ctx, "set", "", stream.NewElement(nsCarbons, "enable"))
	return err
}

// message takes a message: one to this session, or a copy of one.
func (s *session) message(stanza *stream.Stanza, done func()) {
	a := s.account
	copied, own := stanza.Child(nsCarbons, "received"), false
	if copied == nil {
		copied = stanza.Child(nsCarbons, "sent")
		own = copied != nil
	}
	if who, ok := nickEvent(stanza); ok {
		// A name on the roster is the user's own choice.
		if item, _ := s.item(who.ID); item.name == "" && !s.account.fromMe(stanza) {
			a.feed.put(bridge.ContactRenamed{Contact: who}, nil)
		}
		finish(done)
		return
	}
	if copied == nil {
		a.message(stanza, s.positioned(stanza, done))
		return
	}
	inner, delayed := forwarded(copied)
	if !s.account.fromMe(stanza) || inner == nil || inner.Type == "groupchat" {
		finish(done) // somebody pretends, or there is nothing in it
		return
	}
	m, ok := a.readMessage(inner, own, "", delayed)
	if !ok {
		finish(done)
		return
	}
	a.feed.put(m, s.positioned(inner, done))
}

// forwarded takes a message out of its wrapping (XEP-0297); nil for none.
func forwarded(wrapping *stream.Element) (inner *stream.Stanza, delayed time.Time) {
	f := wrapping.Child(nsForward, "forwarded")
	if f == nil {
		return nil, delayed
	}
	for _, c := range f.Children {
		if c.Name.Local == "message" && (c.Name.Space == "" || c.Name.Space == "jabber:client") {
			inner = &stream.Stanza{
				Kind: stream.Message, From: c.Attribute("from"), To: c.Attribute("to"), ID: c.Attribute("id"),
				Type: c.Attribute("type"), Children: c.Children,
			}
		}
	}
	return inner, readDelay(f.Children)
}

// query answers a question or takes a change that the server tells.
func (s *session) query(stanza *stream.Stanza) {
	var answer *stream.Stanza
	switch roster, block, unblock := stanza.Child(nsRoster, "query"), stanza.Child(nsBlock, "block"), stanza.Child(nsBlock, "unblock"); {
	case stanza.Type == "set" && roster != nil && s.account.fromMe(stanza):
		s.rosterPushed(roster)
	case stanza.Type == "set" && block != nil && s.account.fromMe(stanza):
		s.blockPushed(block, true)
	case stanza.Type == "set" && unblock != nil && s.account.fromMe(stanza):
		s.blockPushed(unblock, false)
	default:
		answer = answerQuery(stanza, nil)
	}
	if answer == nil {
		answer = &stream.Stanza{Kind: stream.IQ, Type: "result", ID: stanza.ID, To: stanza.From}
	}
	if err := s.client.Send(s.account.life, answer); err != nil {
		s.account.log.Debug().Err(err).Msg("Cannot send an answer")
	}
}

// loginPresenceTypes deal with presences, by type.
var loginPresenceTypes = map[string]func(s *session, p *stream.Stanza){
	"":             (*session).seen,
	"unavailable":  (*session).seen,
	"subscribe":    (*session).wished,
	"unsubscribe":  (*session).abandoned,
	"unsubscribed": (*session).rejected,
}

// seen takes in somebody's presence. That of the account's other sessions is
// nobody's.
func (s *session) seen(p *stream.Stanza) {
	a := s.account
	id, ok := bareID(p.From)
	if !ok || s.account.fromMe(p) {
		return
	}
	if best, changed := a.contacts.take(p); changed {
		a.feed.put(bridge.PresenceChanged{Contact: id, Presence: best}, nil)
	}
}

// wished takes in that somebody wishes to see the account. Servers say it again at
// each sign-in, until it is answered.
func (s *session) wished(p *stream.Stanza) {
	a := s.account
	id, ok := bareID(p.From)
	if !ok {
		return
	}
	s.asked.put(maxAsked, id, struct{}{})
	from := bridge.Contact{ID: id, Name: trimName(p.Child(nsNick, "nick").Chars())}
	a.feed.put(bridge.ContactRequested{From: from, Note: lines(p.Text("status"))}, nil)
}

// abandoned takes in that somebody does not want to see the account any more.
func (s *session) abandoned(p *stream.Stanza) {
	if id, ok := bareID(p.From); ok {
		s.asked.remove(id)
		s.account.feed.put(bridge.ContactWithdrew{Contact: id}, nil)
	}
}

// rejected takes in that the account may not see somebody.
func (s *session) rejected(p *stream.Stanza) {
	if id, ok := bareID(p.From); ok {
		s.account.feed.put(bridge.PresenceChanged{Contact: id, Presence: bridge.Presence{Show: bridge.Unknown}}, nil)
	}
}

// memoryNick is where the nickname stands that was published last.
const memoryNick = "nick"

// publishNick publishes the friendly name as nickname (XEP-0172), when it is
// another than the last time.
func (s *session) publishNick(ctx context.Context) error {
	a := s.account
	memory := a.network.options.Memory
	name := xmlText(a.friendlyName())
	last, err := memory.Recall(ctx, a.owner, Name, memoryNick)
	if err != nil || name == "" || last == name {
		return err
	}
	if last == "" { // the account has a name of its own, which nobody has asked to change
		return memory.Remember(ctx, a.owner, Name, memoryNick, name)
	}
	publish := stream.NewElement(nsPubSub, "publish", "node", nsNick).
		With(stream.NewElement(nsPubSub, "item", "id", "current").With(stream.NewText(nsNick, "nick", name)))
	if _, err := a.ask(ctx, "set", "", stream.NewElement(nsPubSub, "pubsub").With(publish)); err != nil {
		return err
	}
	return memory.Remember(ctx, a.owner, Name, memoryNick, name)
}

// Rename implements [bridge.Renamer].
func (a *loginAccount) Rename(ctx context.Context, name string) error {
	a.mu.Lock()
	before := a.name
	a.name = name
	a.mu.Unlock()
	memory := a.network.options.Memory
	if last, err := memory.Recall(ctx, a.owner, Name, memoryNick); err != nil {
		return fmt.Errorf("rename %s: %w", a.bare, err)
	} else if last == "" {
		if err := memory.Remember(ctx, a.owner, Name, memoryNick, orDash(xmlText(before))); err != nil {
			return fmt.Errorf("rename %s: %w", a.bare, err)
		}
	}
	s, err := a.awake(ctx)
	if err != nil {
		return fmt.Errorf("rename %s: %w", a.bare, err)
	}
	a.rooms.rename()
	err = s.publishNick(ctx)
	var refusal *stream.StanzaError
	if errors.As(err, &refusal) {
		return fmt.Errorf("%w: the server takes no nickname: %s", bridge.ErrRefused, refusal)
	}
	return err
}
