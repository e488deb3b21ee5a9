package bridge

import (
	"fmt"
	"time"
)

// catchUp holds back what a network brings until all of it is there. Owned.
func (u *user) catchUp(network string, done bool) {
	if done {
		delete(u.catching, network)
		u.arrivals.resume(u)
		return
	}
	if u.catching == nil {
		u.catching = make(map[string]bool)
	}
	u.catching[network] = true
}

// abridge puts one line in the place of the oldest messages of a lane, where more wait
// than the user wants to read: the network's archive has them. It names the conversation:
// when it is read, others may have been talked in since. What was just said is
// always handed over, and so is everything of chats of which no history is kept. The
// messages stay in the inbox until the line has been handed over. Owned.
func (u *user) abridge(l *lane) {
	limit := u.gateway.Missed
	if limit <= 0 || len(l.queue) <= limit+1 {
		return
	}
	drop := l.queue[:len(l.queue)-limit]
	last := drop[len(drop)-1]
	if time.Since(last.entry.Message.Sent) <= lateAfter || !u.keepsHistory(last.entry) {
		return
	}
	var skipped []int64
	for _, m := range drop {
		if m.skipped == nil {
			m.skipped = []int64{m.entry.ID}
		}
		skipped = append(skipped, m.skipped...)
	}
	message := last.entry.Message
	last.entry.Message = MessageReceived{
		ID: message.ID, Chat: message.Chat, From: message.From, Kind: Notice, Sent: message.Sent,
		Text: fmt.Sprintf("… %d earlier messages: say \"history %s %d\" to %s",
			len(skipped), last.contact.Handle, min(len(skipped)+limit, historyMost), u.gateway.assistant().Name),
	}
	last.from, last.skipped = last.contact, skipped
	l.queue = append([]arrival{last}, l.queue[len(drop):]...)
}

// keepsHistory says whether what was said in the chat of a message can be read again.
func (u *user) keepsHistory(entry InboxEntry) bool {
	l := u.gateway.linkOf(u.handle, entry.Network)
	if l == nil {
		return false
	}
	backlog, ok := l.account.(Backlog)
	return ok && backlog.Keeps(entry.Message.Chat)
}
