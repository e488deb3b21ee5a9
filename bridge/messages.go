package bridge

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"papillon/bridge/text"
	"papillon/msnp"
)

// This file brings a network's message as far as the inbox.

// MediaLinks makes links that an old browser opens. Package media has one.
type MediaLinks interface {
	// Line returns what the user is shown of something that came with a
	// message: what it is, its name and size, and the link. Key is the message
	// and a count; the same key gives the same link again.
	Line(ctx context.Context, account Handle, network, key string, m Media) (string, error)
}

// messageReceived takes a message into the inbox and has it delivered.
func (l *link) messageReceived(ctx context.Context, e MessageReceived) error {
	m, err := l.arrivalOf(ctx, e)
	if err != nil {
		return err
	}
	if from := &m.entry.Message.From; from.Name == "" && !e.Own {
		from.Name = m.from.Name // a quote without an author counts as the user's own words
	}
	shown := false
	if !e.Own || l.isOpen(m.contact.Handle) {
		if shown, err = l.word(ctx, &m); err != nil {
			return err
		}
	}
	id, fresh, err := l.gateway.Storage.InboxAdd(ctx, m.entry)
	if err != nil {
		return fmt.Errorf("store message: %w", err)
	}
	if !fresh {
		return nil
	}
	if !shown { // stored for its id, and for who refers to it later; nothing of it is to be seen
		l.gateway.reaper.done(id)
		return nil
	}
	m.entry.ID = id
	if u := l.gateway.user(l.owner); u != nil {
		u.owner.post(func() {
			if !e.Own {
				u.contactActive(m.from.Handle, e.Sent)
			}
			u.arrivals.add(u, m)
		})
	}
	return nil
}

// arrivalOf finds out who speaks and in whose window. [ErrUnwelcome] means that
// the user does not let that through.
func (l *link) arrivalOf(ctx context.Context, e MessageReceived) (arrival, error) {
	entry := InboxEntry{Account: l.owner, Network: l.network.Name(), Message: e}
	if !e.Chat.isRoom() {
		var (
			contact ContactRecord
			err     error
		)
		if e.Own {
			contact, err = l.gateway.contactOf(ctx, l.network, Contact{ID: e.Chat.Contact})
		} else {
			contact, err = l.welcome(ctx, e.From)
		}
		entry.Handle = contact.Handle
		return arrival{entry: entry, contact: memberOf(contact), from: memberOf(contact)}, err
	}
	room, err := l.gateway.contactOf(ctx, l.network, Contact{ID: e.Chat.Contact, Room: true})
	if err != nil {
		return arrival{}, err
	}
	entry.Handle = room.Handle
	m := arrival{entry: entry, contact: memberOf(room), from: memberOf(room)}
	if e.Own || e.From.ID == "" || e.From.ID == e.Chat.Contact {
		return m, nil
	}
	speaker, err := l.gateway.contactOf(ctx, l.network, e.From)
	if err != nil {
		return m, err
	}
	blocked, err := l.listed(ctx, speaker.Handle, msnp.Block)
	if err == nil && blocked {
		err = ErrUnwelcome
	}
	m.from, m.entry.Speaker = memberOf(speaker), speaker.Handle
	return m, err
}

// isOpen says whether the user has a window open with a contact.
func (l *link) isOpen(contact Handle) (open bool) {
	u := l.gateway.user(l.owner)
	if u == nil {
		return false
	}
	u.owner.do(func() { open = !u.closed && u.windows.find(contact) != nil })
	return open
}

// word puts a message into the words that the user is shown: what it does to an
// earlier one, and the links to what came with it. Shown is false when the user
// does not want to see it.
func (l *link) word(ctx context.Context, m *arrival) (shown bool, err error) {
	message := &m.entry.Message
	m.entry.Quote = message.Text
	shown = true
	if message.Act != "" {
		if shown, err = l.wordAct(ctx, m); err != nil {
			return false, err
		}
	}
	for i, media := range message.Media {
		if m.entry.Quote == "" {
			m.entry.Quote = media.Name
		}
		line := l.mediaLine(ctx, message.ID+" "+strconv.Itoa(i), media)
		message.Text = strings.TrimPrefix(message.Text+"\n"+line, "\n")
	}
	message.Media = nil
	return shown, nil
}

// mediaLine words one picture or file. Where no link can be made the line says
// so: the message must not wait for it.
func (l *link) mediaLine(ctx context.Context, key string, m Media) string {
	if l.gateway.Media != nil {
		line, err := l.gateway.Media.Line(ctx, l.owner, l.network.Name(), key, m)
		if err == nil {
			return line
		}
		l.log.Error().Err(err).Msg("Cannot make a link to something that was sent")
		return fmt.Sprintf("[file: %s; no link could be made, the administrator finds the reason in the log]", text.Preview(m.Name, maxFileName))
	}
	return fmt.Sprintf("[file: %s; no link, because this server has no http.listen]", text.Preview(m.Name, maxFileName))
}

// maxFileName is how much of a file's name is shown, in bytes.
const maxFileName = 100

// quoteOf finds the earlier message that one does something to; self says that it is
// the user's. Whose it is the gateway knows, where a quotation came that names nobody. The
// user's own words nobody else quotes better.
func (l *link) quoteOf(ctx context.Context, message *MessageReceived) (quote Quote, self bool, err error) {
	target := message.Target
	quote, self = Quote{Text: target.Text, Author: target.Author}, target.Own
	named := self || quote.Author != "" || message.Act != text.Replied
	if target.Ref == "" || quote.Text != "" && named {
		return quote, self, nil
	}
	stored, ok, err := l.gateway.Storage.Quote(ctx, l.owner, l.network.Name(), message.Chat, target.Ref)
	if err != nil || !ok {
		return quote, self, err
	}
	if self = stored.Author == ""; quote.Text == "" || self {
		quote.Text = stored.Text
	}
	quote.Author = stored.Author
	return quote, self, nil
}

// wordAct puts into a line what a message does to an earlier one.
func (l *link) wordAct(ctx context.Context, m *arrival) (shown bool, err error) {
	message := &m.entry.Message
	quote, self, err := l.quoteOf(ctx, message)
	if err != nil {
		return false, err
	}
	settings, err := l.gateway.Storage.Settings(ctx, l.owner)
	if err != nil {
		return false, err
	}
	h := text.Happening{
		Act: message.Act, Who: m.from.Name, Whose: quote.Author, WhoseSelf: self,
		Target: quote.Text, New: message.Text,
	}
	if message.Own {
		h.Who = ""
	}
	line, shown := text.Line(h, policyFor(settings, message.Act))
	if message.Act != text.Replied {
		message.Style = text.Style{}
	}
	message.Text, message.Act, message.Target = line, "", Target{}
	return shown, nil
}
