package bridge

import (
	"context"
	"errors"
	"fmt"

	"papillon/bridge/text"
	"papillon/msnp"
	"papillon/msnp/body"
)

// remote is a person on a network in a conversation, or a room, reached through
// the identity of the user who called it.
type remote struct {
	gateway *Gateway
	owner   Handle // whose identity it is
	contact ContactRecord
}

// chat is the remote's on its network.
func (r *remote) chat() Chat {
	if r.contact.Room {
		return RoomChat(r.contact.ID)
	}
	return Chat{Contact: r.contact.ID}
}

// link is the identity that reaches the remote; nil while it is not open.
func (r *remote) link() *link { return r.gateway.linkOf(r.owner, r.contact.Network) }

// errNotOnNetwork is why a message cannot go to a network.
var errNotOnNetwork = errors.New("the user has no identity on the contact's network any more")

// member implements [participant].
func (r *remote) member() msnp.Member { return memberOf(r.contact) }

// joined implements [participant]: a direct chat has no word for it, and what a
// third person says names him.
func (r *remote) joined(msnp.Member) {}

// left implements [participant].
func (r *remote) left(Handle) {}

// hear implements [participant].
func (r *remote) hear(ctx context.Context, said utterance, done func(error)) {
	hearOnNetwork(ctx, r, said, done)
}

// audience is who on a network hears what is said in a conversation: a [remote]
// or a [party].
type audience interface {
	participant
	link() *link
	chat() Chat
	// ready sees to it that the chat is there, or will be when the network is
	// asked to carry out what is stored next.
	ready(ctx context.Context, l *link) error
}

// ready implements [audience].
func (r *remote) ready(context.Context, *link) error { return nil }

// hearOnNetwork passes a message on. Each kind of MSN message means something
// else to a network.
func hearOnNetwork(ctx context.Context, a audience, said utterance, done func(error)) {
	message, err := body.Parse(said.body)
	if err != nil {
		finish(done, fmt.Errorf("read message: %w", err))
		return
	}
	l := a.link()
	switch kind := message.MediaType(); {
	case l == nil:
		finish(done, errNotOnNetwork)
	case kind == "text/plain":
		hearText(ctx, a, l, said, message, done)
	case kind == "text/x-msmsgscontrol":
		hearTyping(a, l, said)
		finish(done, nil)
	case kind == "text/x-msmsgsinvite":
		decline(a, said, message)
		finish(done, nil)
	default:
		finish(done, fmt.Errorf("%s means nothing to %s", kind, l.network.Name()))
	}
}

// finish reports an outcome where somebody wants to know it.
func finish(done func(error), err error) {
	if done != nil {
		done(err)
	}
}

// hearText puts a text into the outbox. What another than the identity's own
// user said is told as the user's words about it.
func hearText(ctx context.Context, a audience, l *link, said utterance, message body.Message, done func(error)) {
	ctx = context.WithoutCancel(ctx) // also from a client that says it and is gone
	words := text.ToNetwork(message.Text())
	if words == "" {
		finish(done, nil)
		return
	}
	if speaker := said.from.member(); speaker.Handle != l.owner {
		words = speaker.Name + ": " + words
	}
	err := a.ready(ctx, l)
	if err == nil {
		order := Order{Kind: OrderSend, Chat: a.chat(), Text: words, Style: styleOf(message)}
		err = l.outbox.add(ctx, order, done)
	}
	if err != nil {
		l.log.Error().Err(err).Msg("Cannot store a message; its writer gets NAK")
		finish(done, err)
	}
}

// hearTyping passes on that the identity's own user types. It is worth nothing
// later, so it is neither stored nor tried again.
func hearTyping(a audience, l *link, said utterance) {
	typist, ok := l.account.(Typist)
	if !ok || said.from.member().Handle != l.owner {
		return
	}
	chat := a.chat()
	l.gateway.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, typingTimeout)
		defer cancel()
		if err := typist.Typing(ctx, chat, true); err != nil {
			l.log.Debug().Err(err).Msg("Cannot pass on typing")
		}
	})
}

// decline answers an invitation (a file, a voice call) that nobody but an MSN client
// can follow, so that the sender's window does not wait for ever.
func decline(p participant, said utterance, message body.Message) {
	invitation, ok := body.ParseInvitation(message)
	sender, local := said.from.(*seat)
	if !ok || !local || invitation.Command() != "INVITE" {
		return
	}
	refusal := body.NewCancel(invitation.Cookie(), "REJECT").Append(nil)
	sender.switchboard.Message(p.member(), refusal, nil)
}
