package xmpp

import (
	"context"
	"strings"
	"sync"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// front is the component's own address: a gateway in the sense of XEP-0100, at
// which people sign up by chat, by a form (XEP-0077, register.go) or by commands
// (XEP-0050, commands.go). All three come down to [bridge.Desk].
type front struct {
	gateway *gateway

	mu      sync.Mutex
	serving map[string]int // requests under way, by bare JID
}

const (
	// maxServing is how many requests of one person are under way at a time,
	// maxServingAll of all together: the address is open to the world.
	maxServing    = 4
	maxServingAll = 64
	// servingTimeout bounds one request.
	servingTimeout = 30 * time.Second
)

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
		f.presence(s)
	case s.Kind == stream.Message && s.Type != "error" && s.Type != "groupchat" && strings.TrimSpace(s.Text("body")) != "":
		f.serve(s, f.chat)
	}
}

// serve has a request served on a goroutine of its own, unless there are too
// many.
func (f *front) serve(s *stream.Stanza, do func(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza)) {
	person, ok := bareID(s.From)
	f.gateway.network.mu.Lock()
	desk := f.gateway.network.desk
	f.gateway.network.mu.Unlock()
	switch {
	case !ok || isServer(string(person)) || desk == nil:
		f.gateway.refuse(s, "cancel", "service-unavailable")
		return
	case !f.begin(string(person)):
		f.gateway.refuse(s, "wait", "resource-constraint")
		return
	}
	go func() {
		defer f.end(string(person))
		ctx, cancel := context.WithTimeout(f.gateway.network.life, servingTimeout)
		defer cancel()
		do(ctx, desk, person, s)
	}()
}

// begin counts a request; false means that there are too many.
func (f *front) begin(person string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := 0
	for _, n := range f.serving {
		all += n
	}
	if f.serving[person] >= maxServing || all >= maxServingAll {
		return false
	}
	if f.serving == nil {
		f.serving = make(map[string]int)
	}
	f.serving[person]++
	return true
}

// end counts it off.
func (f *front) end(person string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.serving[person]--; f.serving[person] == 0 {
		delete(f.serving, person)
	}
}

// troubleWords are what people are told of trouble that is the gateway's own.
const troubleWords = "That did not work. The administrator of this server finds the reason in the log."

// ask asks the desk; trouble goes to the log.
func (f *front) ask(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, command, argument string) (answer string, ok bool) {
	answer, err := desk.Ask(ctx, person, command, argument)
	if err != nil {
		f.gateway.log.Error().Err(err).Str("command", command).Msg("Cannot serve somebody at the desk")
		return troubleWords, false
	}
	return answer, true
}

// chat takes a command that somebody wrote.
func (f *front) chat(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza) {
	command, argument, _ := strings.Cut(strings.TrimSpace(s.Text("body")), " ")
	_, signed, err := desk.Account(ctx, person)
	answer, _ := f.ask(ctx, desk, person, command, argument)
	f.say(s.From, s.Type, answer)
	if err == nil && !signed {
		f.welcome(ctx, desk, person)
	}
}

// say writes to somebody in the component's own name.
func (f *front) say(to, kind, words string) {
	f.gateway.reply(&stream.Stanza{
		Kind: stream.Message, Type: kind, From: f.gateway.domain, To: to, ID: asideMark + digest(to, time.Now().String()),
		Children: []*stream.Element{stream.NewText("", "body", xmlText(words))},
	})
}

// welcome asks to see the presence of somebody who has just signed up, as XEP-0100
// §4.1 has it.
func (f *front) welcome(ctx context.Context, desk bridge.Desk, person bridge.RemoteID) (signed bool) {
	_, signed, err := desk.Account(ctx, person)
	if err != nil || !signed {
		return false
	}
	f.gateway.reply(&stream.Stanza{Kind: stream.Presence, Type: "subscribe", From: f.gateway.domain, To: string(person)})
	return true
}

// presence answers presences: the component itself is always there, for everybody
// who wants to know.
func (f *front) presence(s *stream.Stanza) {
	answer := func(kind string) {
		to := s.From
		if kind != "" && kind != "unavailable" {
			to = stream.Bare(s.From)
		}
		f.gateway.reply(&stream.Stanza{Kind: stream.Presence, Type: kind, From: f.gateway.domain, To: to})
	}
	switch s.Type {
	case "subscribe":
		answer("subscribed")
		answer("")
	case "unsubscribe":
		answer("unsubscribed")
		answer("unavailable")
	case "probe", "":
		answer("")
	case "unavailable":
		answer("unavailable")
	}
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
		f.info(s, q.Attribute("node"))
	case nsDiscoItems:
		f.items(s, q.Attribute("node"))
	case nsRegister:
		f.serve(s, f.register)
	case nsCommands:
		f.serve(s, f.command)
	case nsGateway:
		f.prompt(s, q)
	default:
		f.gateway.reply(answerQuery(s, f.card))
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
			f.gateway.refuse(s, "cancel", "item-not-found")
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
		f.gateway.refuse(s, "cancel", "item-not-found")
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
	address, err := f.gateway.addressOf(bridge.Handle(strings.ToLower(typed)))
	if err != nil || typed == "" {
		f.refuse(s, "modify", "item-not-found", "That is no MSN sign-in name.")
		return
	}
	f.result(s, stream.NewElement(nsGateway, "query").With(stream.NewText(nsGateway, "jid", address)))
}
