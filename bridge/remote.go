package bridge

import (
	"context"
	"fmt"

	"papillon/bridge/text"
	"papillon/msnp"
	"papillon/msnp/body"
)

// remote is a person on a network in a conversation, reached through the
// identity of the user who called him.
type remote struct {
	link         *link
	contact      ContactRecord
	conversation *conversation
}

// member implements [participant].
func (r *remote) member() msnp.Member { return memberOf(r.contact) }

// joined implements [participant]: a direct chat has no word for it, and what a
// third person says names him.
func (r *remote) joined(msnp.Member) {}

// left implements [participant].
func (r *remote) left(Handle) {}

// hear implements [participant]. Each kind of MSN message means something else
// to a network.
func (r *remote) hear(ctx context.Context, said utterance, done func(error)) {
	message, err := body.Parse(said.body)
	if err != nil {
		finish(done, fmt.Errorf("read message: %w", err))
		return
	}
	switch message.MediaType() {
	case "text/plain":
		r.hearText(ctx, said, message, done)
	case "text/x-msmsgscontrol":
		r.hearTyping(said)
		finish(done, nil)
	case "text/x-msmsgsinvite":
		r.decline(said, message)
		finish(done, nil)
	default:
		finish(done, fmt.Errorf("%s means nothing to %s", message.MediaType(), r.link.network.Name()))
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
func (r *remote) hearText(ctx context.Context, said utterance, message body.Message, done func(error)) {
	words := text.ToNetwork(message.Text())
	if words == "" {
		finish(done, nil)
		return
	}
	if speaker := said.from.member(); speaker.Handle != r.link.owner {
		words = speaker.Name + ": " + words
	}
	order := Order{Kind: OrderSend, Chat: Chat{Contact: r.contact.ID}, Text: words}
	if err := r.link.outbox.add(ctx, order, done); err != nil {
		r.link.log.Error().Err(err).Msg("Cannot store a message; its writer gets NAK")
		finish(done, err)
	}
}

// hearTyping passes on that the identity's own user types. It is worth nothing
// later, so it is neither stored nor tried again.
func (r *remote) hearTyping(said utterance) {
	typist, ok := r.link.account.(Typist)
	if !ok || said.from.member().Handle != r.link.owner {
		return
	}
	r.link.gateway.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, typingTimeout)
		defer cancel()
		if err := typist.Typing(ctx, Chat{Contact: r.contact.ID}, true); err != nil {
			r.link.log.Debug().Err(err).Msg("Cannot pass on typing")
		}
	})
}

// decline answers an invitation (a file, a voice call) that no network can
// follow, so that the sender's window does not wait for ever.
func (r *remote) decline(said utterance, message body.Message) {
	invitation, ok := body.ParseInvitation(message)
	sender, local := said.from.(*seat)
	if !ok || !local || invitation.Command() != "INVITE" {
		return
	}
	refusal := body.NewCancel(invitation.Cookie(), "REJECT").Append(nil)
	sender.switchboard.Message(r.member(), refusal, nil)
}
