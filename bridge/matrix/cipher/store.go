package cipher

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/rs/zerolog"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/id"
)

// watchedStore notes whether a key could not be stored. The machine only logs it,
// and a position that is stored after that would lose the key for good. It also takes
// no key that comes out of the blue: the machine takes any that somebody passes on.
type watchedStore struct {
	*crypto.SQLCryptoStore
	own id.UserID

	mu    sync.Mutex
	err   error
	asked map[request]bool
}

// request is a key that somebody was asked for.
type request struct {
	session id.SessionID
	from    id.UserID
}

// maxAsked is how many requests are remembered; with more, the answers to some are not
// taken.
const maxAsked = 4096

// expect has a key be taken that somebody passes on.
func (s *watchedStore) expect(session id.SessionID, from id.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = make(map[request]bool)
	}
	if len(s.asked) < maxAsked {
		s.asked[request{session, from}] = true
	}
}

// believes says whether a key is to be stored. One that is passed on must have been
// asked for, or come from the user's own other devices; and none may take the place of
// another that opens other messages: anybody who has seen a message knows the name of
// its key, and could have it replaced.
func (s *watchedStore) believes(ctx context.Context, session *crypto.InboundGroupSession) (bool, error) {
	known, err := s.GetGroupSession(ctx, session.RoomID, session.ID())
	if err != nil && !errors.Is(err, crypto.ErrGroupSessionWithheld) {
		return false, err
	}
	if err == nil && known != nil {
		at := max(known.Internal.FirstKnownIndex(), session.Internal.FirstKnownIndex())
		old, err := known.Internal.Export(at)
		if err != nil {
			return false, fmt.Errorf("compare keys: %w", err)
		}
		given, err := session.Internal.Export(at)
		return err == nil && bytes.Equal(old, given), nil
	}
	if session.KeySource != id.KeySourceForward || session.SourceUser == s.own {
		return true, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := request{session.ID(), session.SourceUser}
	asked := s.asked[answer]
	delete(s.asked, answer)
	return asked, nil
}

func (s *watchedStore) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = nil
}

func (s *watchedStore) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *watchedStore) note(err error) error {
	if err != nil {
		s.mu.Lock()
		s.err = errors.Join(s.err, err)
		s.mu.Unlock()
	}
	return err
}

// PutAccount implements [crypto.Store].
func (s *watchedStore) PutAccount(ctx context.Context, account *crypto.OlmAccount) error {
	return s.note(s.SQLCryptoStore.PutAccount(ctx, account))
}

// PutGroupSession implements [crypto.Store].
func (s *watchedStore) PutGroupSession(ctx context.Context, session *crypto.InboundGroupSession) error {
	believed, err := s.believes(ctx, session)
	if err != nil {
		return s.note(err)
	}
	if !believed {
		zerolog.Ctx(ctx).Warn().Str("from", string(session.SourceUser)).Msg("A key that somebody passes on is not taken")
		return nil
	}
	return s.note(s.SQLCryptoStore.PutGroupSession(ctx, session))
}

// AddSession implements [crypto.Store].
func (s *watchedStore) AddSession(ctx context.Context, key id.SenderKey, session *crypto.OlmSession) error {
	return s.note(s.SQLCryptoStore.AddSession(ctx, key, session))
}
