package xmpp

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// The archive (XEP-0313) has what came while there was no session. How far it has
// been read is remembered, always after what was read stands in the inbox: a crash
// may have something read twice, which its id shows, but nothing is passed over.

const (
	// memoryArchive is where the position stands.
	memoryArchive = "archive"
	// pageSize is how many messages are asked for at a time.
	pageSize = 100
	// flushAfter is how long a position may be known and not stored.
	flushAfter = 5 * time.Second
)

// position is a place in the archive: the last message that was read, and when it
// was written there. The zero value is before the first message.
type position struct {
	id string
	at time.Time
}

// String is the form in which a position is remembered.
func (p position) String() string { return strconv.FormatInt(p.at.Unix(), 10) + " " + p.id }

// parsePosition reads what String made; known is false for nothing.
func parsePosition(text string) (p position, known bool) {
	seconds, id, ok := strings.Cut(text, " ")
	at, err := strconv.ParseInt(seconds, 10, 64)
	if !ok || err != nil {
		return p, false
	}
	return position{id, time.Unix(at, 0)}, true
}

// openArchive finds out, the first time, where the archive ends: the account's past
// is not for a window that has just been opened. It comes before everything else, so
// that nothing that comes from then on counts as past.
func (s *session) openArchive(ctx context.Context) error {
	_, known, err := s.lastRead(ctx)
	if err == nil && !known {
		err = s.beginArchive(ctx)
	}
	if err == nil {
		s.account.archives.Store(true)
	}
	return err
}

// catchUp reads what was missed.
func (s *session) catchUp(ctx context.Context) error {
	at, known, err := s.lastRead(ctx)
	if err != nil || !known {
		return err
	}
	s.account.feed.put(bridge.CatchingUp{}, nil)
	defer s.account.feed.put(bridge.CatchingUp{Done: true}, nil)
	return s.readFrom(ctx, at)
}

// lastRead is how far the archive has been read; known is false before the first
// time.
func (s *session) lastRead(ctx context.Context) (at position, known bool, err error) {
	a := s.account
	stored, err := a.network.options.Memory.Recall(ctx, a.owner, Name, memoryArchive)
	if err != nil {
		return position{}, false, err
	}
	at, known = parsePosition(stored)
	s.mu.Lock()
	defer s.mu.Unlock()
	if known && s.archive.at.After(at.at) { // not stored yet
		at = s.archive
	}
	return at, known, nil
}

// closeGap reads what came while other clients of the account were there and this
// session was not seen: ejabberd sends it neither the messages nor copies of them,
// and what comes afterwards moves the position past them. The server answers after
// it has taken in the presence, so that whatever is not in the answer comes live.
func (s *session) closeGap(ctx context.Context, from position) {
	var refusal *stream.StanzaError
	if err := s.readFrom(ctx, from); err != nil && ctx.Err() == nil && !errors.As(err, &refusal) {
		s.account.log.Info().Err(err).Msg("Cannot read what came just before the presence was shown")
	}
}

// readFrom hands over what stands behind a place in the archive.
func (s *session) readFrom(ctx context.Context, at position) error {
	q := archiveQuery{after: at.id, max: pageSize}
	for {
		results, complete, err := s.account.readPage(ctx, q)
		var refusal *stream.StanzaError
		if errors.As(err, &refusal) && refusal.Condition == "item-not-found" && q.after != "" {
			// The archive has forgotten where we were: go by the time.
			q = archiveQuery{start: at.at, max: pageSize}
			continue
		}
		if err != nil {
			return err
		}
		if err := s.takePage(ctx, results); err != nil {
			return err
		}
		if complete || len(results) == 0 {
			return nil
		}
		last := results[len(results)-1].id
		if last == "" || last == q.after {
			return errors.New("read the archive: the server gives the same page again and again")
		}
		q.after = last
	}
}

// beginArchive remembers where the archive ends now.
func (s *session) beginArchive(ctx context.Context) error {
	results, _, err := s.account.readPage(ctx, archiveQuery{before: true, max: 1})
	if err != nil {
		return err
	}
	p := position{at: time.Now()}
	if len(results) > 0 {
		p.id = results[len(results)-1].id
	}
	return s.rememberPosition(ctx, p)
}

// takePage hands a page to the gateway, and returns when it is received and its
// end remembered.
func (s *session) takePage(ctx context.Context, results []archived) error {
	if len(results) == 0 {
		return nil
	}
	a := s.account
	for _, r := range results {
		if r.message.Type == "groupchat" || r.message.Type == "error" {
			continue
		}
		own := sameBare(r.message.From, a.bare)
		if m, ok := a.readMessage(r.message, own, r.id, r.at); ok {
			a.feed.put(m, nil)
		}
	}
	last := results[len(results)-1]
	stored := make(chan error, 1)
	a.feed.call(func(ctx context.Context) { stored <- s.rememberPosition(ctx, position{last.id, last.at}) })
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rememberPosition stores how far the archive has been read.
func (s *session) rememberPosition(ctx context.Context, p position) error {
	a := s.account
	if p.at.IsZero() {
		p.at = time.Now()
	}
	s.mu.Lock()
	s.archive = position{}
	s.mu.Unlock()
	return a.network.options.Memory.Remember(ctx, a.owner, Name, memoryArchive, p.String())
}

// positioned notes where in the archive a live message stands, once it is
// received. It is stored some time later: the archive tells the rest again.
func (s *session) positioned(stanza *stream.Stanza, done func()) func() {
	id := stanzaID(stanza, s.account.bare)
	if id == "" {
		return done
	}
	return func() {
		s.mu.Lock()
		s.archive = position{id, time.Now()}
		if s.flush == nil {
			s.flush = time.AfterFunc(flushAfter, func() { s.account.feed.call(s.storePosition) })
		}
		s.mu.Unlock()
		finish(done)
	}
}

// storePosition stores what positioned has noted.
func (s *session) storePosition(ctx context.Context) {
	s.mu.Lock()
	p := s.archive
	s.flush = nil
	s.mu.Unlock()
	if p.id == "" {
		return
	}
	if err := s.rememberPosition(ctx, p); err != nil && ctx.Err() == nil {
		s.account.log.Warn().Err(err).Msg("Cannot store how far the archive was read; some of it is read again")
	}
}
