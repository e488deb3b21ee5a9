package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// archivePage is what one query brings.
type archivePage struct {
	from    string // whose archive it is; the account's own if empty
	results []archived
}

// archived is a message out of an archive.
type archived struct {
	id      string
	message *stream.Stanza
	at      time.Time
}

// takeArchived takes a message that answers one of the account's queries.
func (a *account) takeArchived(stanza *stream.Stanza) bool {
	result := stanza.Child(nsArchive, "result")
	if stanza.Kind != stream.Message || result == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	page := a.pages[result.Attribute("queryid")]
	if page == nil {
		return a.fromMe(stanza) // too late; a room's archive is read for the rooms, too
	}
	if page.from == "" && !a.fromMe(stanza) || page.from != "" && !sameBare(page.from, stanza.From) {
		return true // a pretence
	}
	if inner, at := forwarded(result); inner != nil && len(page.results) < 4*pageSize {
		page.results = append(page.results, archived{result.Attribute("id"), inner, at})
	}
	return true
}

// archiveQuery says what to read.
type archiveQuery struct {
	archive string          // a room's; the account's own if empty
	with    bridge.RemoteID // only the chat with somebody
	after   string          // behind this message
	start   time.Time       // from then on
	before  bool            // the last ones
	first   string          // of those, only what stands before this one
	max     int
}

// element is the query as it is sent.
func (q archiveQuery) element(id string) *stream.Element {
	e := stream.NewElement(nsArchive, "query", "queryid", id)
	var fields [][2]string
	if q.with != "" {
		fields = append(fields, [2]string{"with", string(q.with)})
	}
	if !q.start.IsZero() {
		fields = append(fields, [2]string{"start", q.start.UTC().Format(time.RFC3339)})
	}
	if len(fields) > 0 {
		e.With(form(nsArchive, fields...))
	}
	set := stream.NewElement(nsPaging, "set").With(stream.NewText(nsPaging, "max", strconv.Itoa(q.max)))
	if q.before {
		set.With(stream.NewText(nsPaging, "before", q.first))
	} else if q.after != "" {
		set.With(stream.NewText(nsPaging, "after", q.after))
	}
	return e.With(set)
}

// readPage carries a query out. Complete says that there is nothing behind.
func (a *account) readPage(ctx context.Context, q archiveQuery) (results []archived, complete bool, err error) {
	id := digest(a.bare, q.after, time.Now().String())
	page := &archivePage{from: q.archive}
	a.mu.Lock()
	a.pages[id] = page
	a.mu.Unlock()
	fin, err := a.ask(ctx, "set", q.archive, q.element(id))
	a.mu.Lock()
	delete(a.pages, id)
	a.mu.Unlock()
	if err != nil {
		return nil, false, fmt.Errorf("read the archive: %w", err)
	}
	return page.results, fin.Attribute("complete") == "true", nil
}

// historyPages is how many pages are read for a history: archives have receipts and
// the like, too, which nobody wants to read.
const historyPages = 10

// History implements [bridge.Backlog].
func (a *loginAccount) History(ctx context.Context, chat bridge.Chat, n int) ([]bridge.MessageReceived, error) {
	if _, err := a.prepared(ctx); err != nil {
		return nil, err
	}
	return a.history(ctx, chat, n)
}

// Keeps implements [bridge.Backlog].
func (a *loginAccount) Keeps(chat bridge.Chat) bool {
	if chat.Group != "" {
		return a.rooms.keeps(chat)
	}
	return a.archives.Load()
}

// History implements [bridge.Backlog]. What people write to an address of the
// component's stands in no archive of the component's server.
func (a *componentAccount) History(ctx context.Context, chat bridge.Chat, n int) ([]bridge.MessageReceived, error) {
	if chat.Group == "" {
		return nil, bridge.ErrNoHistory
	}
	return a.history(ctx, chat, n)
}

// Keeps implements [bridge.Backlog].
func (a *componentAccount) Keeps(chat bridge.Chat) bool {
	return chat.Group != "" && a.rooms.keeps(chat)
}

// keeps says whether a room is known to have an archive.
func (r *rooms) keeps(chat bridge.Chat) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := r.all[chat.Contact]; room != nil {
		return room.mark.Archive
	}
	return false
}

// history reads the last messages of a chat out of its archive.
func (a *account) history(ctx context.Context, chat bridge.Chat, n int) ([]bridge.MessageReceived, error) {
	q := archiveQuery{with: chat.Contact, before: true, max: pageSize}
	if chat.Group != "" {
		q.archive, q.with = string(chat.Contact), ""
	}
	var messages []bridge.MessageReceived
	for range historyPages {
		results, complete, err := a.readPage(ctx, q)
		var refusal *stream.StanzaError
		if errors.As(err, &refusal) && unarchived[refusal.Condition] {
			return nil, fmt.Errorf("%w: %w", bridge.ErrNoHistory, err)
		}
		if err != nil {
			return nil, err
		}
		messages = append(a.readable(chat, results), messages...)
		if complete || len(results) == 0 || len(messages) >= n {
			break
		}
		q.first = results[0].id
	}
	return messages[max(0, len(messages)-n):], nil
}

// unarchived are the conditions with which what has no archive refuses a query.
var unarchived = map[string]bool{"service-unavailable": true, "feature-not-implemented": true}

// readable are those messages out of an archive that have something to show.
func (a *account) readable(chat bridge.Chat, results []archived) (messages []bridge.MessageReceived) {
	for _, r := range results {
		var m bridge.MessageReceived
		ok := false
		switch {
		case chat.Group != "":
			if sameBare(r.message.From, string(chat.Contact)) {
				m, ok = a.rooms.read(r.message, r.id, r.at)
			}
		case r.message.Type != "error" && r.message.Type != "groupchat":
			m, ok = a.readMessage(r.message, sameBare(r.message.From, a.bare), r.id, r.at)
		}
		if ok {
			messages = append(messages, m)
		}
	}
	return messages
}
