package stream

import (
	"context"
	"crypto/rand"
	"fmt"
)

// query is a question to which the answer is awaited.
type query struct {
	from, to string
	answer   chan answer // of one slot
}

type answer struct {
	stanza *Stanza
	err    error
}

// newID makes an id that nobody can guess, so that nobody can answer in the
// place of whom was asked.
func newID() string { return rand.Text() }

// Query implements [Conn].
func (l *link) Query(ctx context.Context, s *Stanza) (*Stanza, error) {
	if s.Kind != IQ || s.Type != "get" && s.Type != "set" {
		return nil, fmt.Errorf("send query: it is %s of type %q", s.Kind, s.Type)
	}
	asked := *s
	asked.ID = newID()
	q := &query{from: s.From, to: s.To, answer: make(chan answer, 1)}
	l.mu.Lock()
	l.queries[asked.ID] = q
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.queries, asked.ID)
		l.mu.Unlock()
	}()
	if err := l.Send(ctx, &asked); err != nil {
		return nil, err
	}
	select {
	case a := <-q.answer:
		return a.stanza, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the answer of %s: %w", orServer(s.To), ctx.Err())
	}
}

func orServer(address string) string {
	if address == "" {
		return "the server"
	}
	return address
}

// answered takes an iq of type result or error. An answer that comes late, or
// from somebody who was not asked, is dropped.
func (l *link) answered(s *Stanza, broken error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.ID == l.barrier && l.barrier != "" && l.own(s.From) {
		l.passed()
		return
	}
	q := l.queries[s.ID]
	if q == nil || !l.mayAnswer(q, s) {
		l.log.Debug().Str("from", s.From).Msg("An answer to nothing that was asked was dropped")
		return
	}
	delete(l.queries, s.ID)
	a := answer{stanza: s, err: broken}
	if refused := s.Err(); refused != nil {
		a = answer{err: fmt.Errorf("%s answers: %w", orServer(s.From), refused)}
	} else if broken != nil {
		a = answer{err: fmt.Errorf("read the answer of %s: %w", orServer(s.From), broken)}
	}
	q.answer <- a
}

// mayAnswer tells whether an answer comes from whom was asked: RFC 6120 §8.1.2.1
// has the account's own server leave its address out, or write the account's.
func (l *link) mayAnswer(q *query, s *Stanza) bool {
	if q.from != "" && s.To != "" && !sameAddress(q.from, s.To) {
		return false
	}
	if q.to == "" || l.own(q.to) {
		return l.own(s.From)
	}
	return sameAddress(s.From, q.to)
}

// dropQueries ends all queries. The lock is held.
func (l *link) dropQueries(err error) {
	for id, q := range l.queries {
		delete(l.queries, id)
		q.answer <- answer{err: err}
	}
}
