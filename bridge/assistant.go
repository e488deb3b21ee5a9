package bridge

import (
	"context"
	"fmt"
	"strings"
	"time"

	"papillon/bridge/text"
	"papillon/msnp"
	"papillon/msnp/body"
)

const (
	// storeTimeout bounds a write to the store that no connection waits for.
	storeTimeout = 30 * time.Second
	// typingTimeout bounds passing on that somebody types.
	typingTimeout = 10 * time.Second
	// assistantNetwork is what the inbox has as the network of the helper
	// contact's own messages.
	assistantNetwork = "papillon"
)

// assistant returns the helper contact: on every FL, always online. It takes
// commands as chat, for which old clients have no window, and tells the user
// what the gateway has to say.
func (g *Gateway) assistant() msnp.Member {
	return msnp.Member{Handle: Handle("papillon@" + strings.ToLower(g.Domain)), Name: "Papillon"}
}

// tell has the helper contact say something to a user, at once or at the next
// sign-in. It does not block.
func (g *Gateway) tell(account Handle, words string) {
	me := g.assistant()
	g.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		entry := InboxEntry{Account: account, Network: assistantNetwork, Handle: me.Handle, Message: MessageReceived{
			From: Contact{ID: RemoteID(me.Handle), Name: me.Name}, Kind: Notice, Text: words, Sent: time.Now(),
		}}
		id, _, err := g.Storage.InboxAdd(ctx, entry)
		if err != nil {
			g.Log.Error().Err(err).Str("handle", string(account)).Msg("Cannot store what the helper contact has to say")
			return
		}
		entry.ID = id
		if u := g.user(account); u != nil {
			u.owner.post(func() { u.arrivals.add(u, arrival{entry: entry, contact: me, from: me}) })
		}
	})
}

// connectionGrace is how long a network may be unreachable before its users are
// told: most interruptions are shorter.
const connectionGrace = 10 * time.Second

// noticeConnection has the helper contact tell that a network cannot be reached,
// or can again. Owned.
func (u *user) noticeConnection(l *link) {
	up, reason := l.state()
	switch {
	case !u.announced || u.closed:
	case up && u.toldDown[l]:
		delete(u.toldDown, l)
		u.gateway.tell(u.handle, fmt.Sprintf("The network %s can be reached again. What waited is being sent.", l.network.Name()))
	case !up && !u.toldDown[l]:
		since := time.AfterFunc(connectionGrace, func() { u.owner.post(func() { u.tellDown(l) }) })
		context.AfterFunc(u.life(), func() { since.Stop() })
		u.log().Debug().Str("network", l.network.Name()).Str("reason", reason).Msg("Network unreachable; the user is told if it stays so")
	}
}

// tellDown has the helper contact tell that a network is still unreachable.
// Owned.
func (u *user) tellDown(l *link) {
	up, reason := l.state()
	if up || u.closed || u.toldDown[l] {
		return
	}
	if u.toldDown == nil {
		u.toldDown = make(map[*link]bool)
	}
	u.toldDown[l] = true
	u.gateway.tell(u.handle, fmt.Sprintf("The network %s cannot be reached at the moment: %s. What you write to your contacts there waits and is sent later.",
		l.network.Name(), reason))
}

// assistantParticipant is the helper contact in a conversation.
type assistantParticipant struct{ gateway *Gateway }

func newAssistantParticipant(s *seat) *assistantParticipant {
	return &assistantParticipant{gateway: s.user.gateway}
}

// member implements [participant].
func (p *assistantParticipant) member() msnp.Member { return p.gateway.assistant() }

// joined implements [participant].
func (p *assistantParticipant) joined(msnp.Member) {}

// left implements [participant].
func (p *assistantParticipant) left(Handle) {}

// hear implements [participant]: a text is a command. The helper contact takes no files.
func (p *assistantParticipant) hear(ctx context.Context, said utterance, done func(error)) {
	speaker, ok := said.from.(*seat)
	message, err := body.Parse(said.body)
	finish(done, err)
	if err == nil {
		decline(p, said, message)
	}
	if !ok || err != nil || message.MediaType() != "text/plain" {
		return
	}
	answer := p.gateway.command(ctx, speaker.user, message.Text())
	for i, piece := range text.Split(text.FromNetwork(answer, speaker.user.era), body.MaxText) {
		if i > 0 {
			speaker.switchboard.Pause()
		}
		speaker.switchboard.Message(p.member(), body.NewText(piece, body.DefaultFormat()).Append(nil), nil)
	}
}
