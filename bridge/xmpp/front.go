package xmpp

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
	"papillon/msnp"
)

// front is the component's own address: a gateway in the sense of XEP-0100, at
// which people sign up by chat, by a form (XEP-0077, register.go) or by commands
// (XEP-0050, commands.go). All three come down to [bridge.Desk].
type front struct {
	gateway *gateway

	mu sync.Mutex
	// guests are the people who have signed up and see the component's presence,
	// with their accounts; guestPrefix.
	guests map[bridge.RemoteID]bridge.Handle
}

// servingTimeout bounds one request.
const servingTimeout = 30 * time.Second

// The namespaces of the front.
const (
	nsRegister = "jabber:iq:register"                  // XEP-0077
	nsGateway  = "jabber:iq:gateway"                   // XEP-0100
	nsCommands = "http://jabber.org/protocol/commands" // XEP-0050
	nsData     = "jabber:x:data"                       // XEP-0004
)

// frontFeatures are what the component's own address understands.
var frontFeatures = []string{nsDiscoInfo, nsDiscoItems, nsRegister, nsGateway, nsCommands, nsPing, nsVCard, nsVersion, nsTime, nsData}

// take takes a stanza for the component's own address, on the goroutine that
// reads the stream.
func (f *front) take(s *stream.Stanza) {
	switch {
	case isQuery(s):
		f.query(s)
	case s.Kind == stream.Presence:
		f.takePresence(s)
	case s.Kind == stream.Message && s.Type != "error" && s.Type != "groupchat" && strings.TrimSpace(s.Text("body")) != "":
		f.serve(s, f.chat)
	}
}

// serve has a request served in its sender's turn. People of the component itself
// are no people of XMPP: they have their accounts.
func (f *front) serve(s *stream.Stanza, do func(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza)) {
	person, ok := f.person(s)
	desk := f.desk()
	if !ok || desk == nil {
		f.gateway.refuse(s, "cancel", "service-unavailable")
		return
	}
	f.gateway.later(s, func() {
		ctx, cancel := context.WithTimeout(f.gateway.network.life, servingTimeout)
		defer cancel()
		do(ctx, desk, person, s)
	})
}

// person returns who a stanza is from; ok is false for servers, and for the
// component's own people.
func (f *front) person(s *stream.Stanza) (id bridge.RemoteID, ok bool) {
	id, ok = bareID(s.From)
	_, domain := splitID(id)
	return id, ok && !isServer(string(id)) && domain != f.gateway.domain
}

// desk returns where people sign up; nil where they cannot.
func (f *front) desk() bridge.Desk {
	f.gateway.network.mu.Lock()
	defer f.gateway.network.mu.Unlock()
	return f.gateway.network.desk
}

// troubleWords are what people are told of trouble that is the gateway's own.
const troubleWords = "That did not work. The administrator of this server finds the reason in the log."

// outcome is what came of asking the desk.
type outcome struct {
	answer        string
	ok            bool // else it was trouble of our own
	before, after bool // whether the person had an account, and has one now
}

// ask asks the desk; trouble goes to the log.
func (f *front) ask(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, command, argument string) (o outcome) {
	var errs [3]error
	_, o.before, errs[0] = desk.Account(ctx, person)
	o.answer, errs[1] = desk.Ask(ctx, person, command, argument)
	_, o.after, errs[2] = desk.Account(ctx, person)
	if err := errors.Join(errs[:]...); err != nil {
		// What was said may hold a password: it is not for the log, but if the
		// desk has answered it is for the person.
		f.gateway.log.Error().Err(err).Msg("Cannot serve somebody at the desk")
	}
	if o.ok = errs[1] == nil; !o.ok {
		o.answer = troubleWords
	}
	return o
}

// chat takes a command that somebody wrote.
func (f *front) chat(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza) {
	command, argument, _ := strings.Cut(strings.TrimSpace(s.Text("body")), " ")
	o := f.ask(ctx, desk, person, command, argument)
	f.say(s.From, s.Type, o.answer)
	f.settle(person, o)
}

// say writes to somebody in the component's own name. What it says may be a
// password: archives are asked not to keep it (XEP-0334).
func (f *front) say(to, kind, words string) {
	f.gateway.reply(&stream.Stanza{
		Kind: stream.Message, Type: kind, From: f.gateway.domain, To: to, ID: asideMark + digest(to, time.Now().String()),
		Children: []*stream.Element{stream.NewText("", "body", xmlText(words)), stream.NewElement(nsHints, "no-permanent-store")},
	})
}

// query answers a query. Nothing is left without an answer.
func (f *front) query(s *stream.Stanza) {
	if len(s.Children) == 0 {
		f.gateway.refuse(s, "modify", "bad-request")
		return
	}
	q := s.Children[0]
	switch q.Name.Space {
	case nsDiscoInfo:
		f.gateway.later(s, func() { f.info(s, q.Attribute("node")) })
	case nsDiscoItems:
		f.gateway.later(s, func() { f.items(s, q.Attribute("node")) })
	case nsRegister:
		f.serve(s, f.register)
	case nsCommands:
		f.serve(s, f.command)
	case nsGateway:
		f.gateway.later(s, func() { f.prompt(s, q) })
	default:
		f.gateway.later(s, func() { f.gateway.reply(answerQuery(s, f.card)) })
	}
}

// result answers a query with a payload.
func (f *front) result(s *stream.Stanza, payload ...*stream.Element) {
	f.gateway.reply(&stream.Stanza{Kind: stream.IQ, Type: "result", ID: s.ID, From: s.To, To: s.From, Children: payload})
}

// refuse answers a query with an error and its reason.
func (f *front) refuse(s *stream.Stanza, kind, condition, words string) {
	f.gateway.reply(errorStanza(s, kind, condition, words))
}

// card is the component's visiting card.
func (f *front) card() *stream.Element {
	return stream.NewElement(nsVCard, "vCard").With(
		stream.NewText(nsVCard, "FN", softwareName),
		stream.NewText(nsVCard, "DESC", "A gateway to MSN Messenger. Write help to it."),
		stream.NewText(nsVCard, "JABBERID", f.gateway.domain),
	)
}

// info is disco#info about the component, or one of its commands.
func (f *front) info(s *stream.Stanza, node string) {
	q := withNode(stream.NewElement(nsDiscoInfo, "query"), node)
	switch {
	case node == "":
		q.With(stream.NewElement(nsDiscoInfo, "identity", "category", "gateway", "type", "msn", "name", softwareName))
		for _, feature := range frontFeatures {
			q.With(stream.NewElement(nsDiscoInfo, "feature", "var", feature))
		}
	case node == nsCommands:
		q.With(stream.NewElement(nsDiscoInfo, "identity", "category", "automation", "type", "command-list", "name", "Commands"))
	default:
		command, ok := f.findCommand(node)
		if !ok {
			f.refuse(s, "cancel", "item-not-found", "")
			return
		}
		q.With(
			stream.NewElement(nsDiscoInfo, "identity", "category", "automation", "type", "command-node", "name", command.Help),
			stream.NewElement(nsDiscoInfo, "feature", "var", nsCommands), stream.NewElement(nsDiscoInfo, "feature", "var", nsData))
	}
	f.result(s, q)
}

// items is disco#items: the commands. Who has an MSN account is nobody's business.
func (f *front) items(s *stream.Stanza, node string) {
	q := withNode(stream.NewElement(nsDiscoItems, "query"), node)
	switch node {
	case "":
	case nsCommands:
		for _, c := range f.commands() {
			q.With(stream.NewElement(nsDiscoItems, "item", "jid", f.gateway.domain, "node", c.Name, "name", c.Help))
		}
	default:
		f.refuse(s, "cancel", "item-not-found", "")
		return
	}
	f.result(s, q)
}

// prompt is the gateway prompt of XEP-0100 §6.3.1: it makes an address of an MSN
// handle.
func (f *front) prompt(s *stream.Stanza, q *stream.Element) {
	if s.Type == "get" {
		f.result(s, stream.NewElement(nsGateway, "query").With(
			stream.NewText(nsGateway, "desc", "Enter the sign-in name of an MSN user, like alice or alice@"+f.gateway.network.options.AccountDomain+"."),
			stream.NewElement(nsGateway, "prompt")))
		return
	}
	typed := strings.TrimSpace(q.Child(nsGateway, "prompt").Chars())
	if typed != "" && !strings.Contains(typed, "@") {
		typed += "@" + f.gateway.network.options.AccountDomain
	}
	handle, err := msnp.ParseHandle(typed)
	var address string
	if err == nil {
		address, err = f.gateway.addressOf(handle)
	}
	if err != nil {
		f.refuse(s, "modify", "item-not-found", "That is no MSN sign-in name.")
		return
	}
	f.result(s, stream.NewElement(nsGateway, "query").With(stream.NewText(nsGateway, "jid", address)))
}
