package bridge

import (
	"context"
	"fmt"

	"papillon/bridge/text"
)

// speakerLeft takes somebody out of an open window who left the room.
func (l *link) speakerLeft(ctx context.Context, e SpeakerLeft) error {
	u := l.gateway.user(l.owner)
	if u == nil {
		return nil
	}
	room, ok, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), e.Chat.Contact)
	if err != nil || !ok {
		return err
	}
	who, ok, err := l.gateway.Storage.ContactByID(ctx, l.network.Name(), e.Who.ID)
	if err != nil || !ok {
		return err
	}
	u.owner.post(func() {
		if s := u.windows.find(room.Handle); s != nil {
			s.conversation.unseatSpeaker(who.Handle)
		}
	})
	return nil
}

// messageReturned tells the user that a message came back after all. Anybody can send
// back what he never got: what the user has not written to him is no news.
func (l *link) messageReturned(ctx context.Context, e MessageReturned) error {
	quote, known, err := l.gateway.Storage.Quote(ctx, l.owner, l.network.Name(), e.Chat, e.ID)
	if err != nil {
		return err
	}
	if !e.Chat.isRoom() && (!known || quote.Author != "") {
		l.log.Debug().Str("contact", string(e.Chat.Contact)).Msg("Something came back that was not sent")
		return nil
	}
	what := ""
	if quote.Text != "" {
		what = fmt.Sprintf(" (%q)", text.Preview(quote.Text, noticePreview))
	}
	l.gateway.tell(l.owner, fmt.Sprintf("Your message to %s%s did not arrive: %s.", l.whereTo(ctx, e.Chat), what, e.Reason))
	return nil
}
