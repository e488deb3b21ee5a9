package cipher

import (
	"context"
	"errors"
	"sync"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/id"
)

// watchedStore notes whether a key could not be stored. The machine only logs it,
// and a position that is stored after that would lose the key for good.
type watchedStore struct {
	*crypto.SQLCryptoStore

	mu  sync.Mutex
	err error
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
	return s.note(s.SQLCryptoStore.PutGroupSession(ctx, session))
}

// AddSession implements [crypto.Store].
func (s *watchedStore) AddSession(ctx context.Context, key id.SenderKey, session *crypto.OlmSession) error {
	return s.note(s.SQLCryptoStore.AddSession(ctx, key, session))
}
