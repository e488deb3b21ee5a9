package matrix

import (
	"sync"

	"maunium.net/go/mautrix/id"
)

// keyed is a lock per key. The zero value is ready.
type keyed[K comparable] struct {
	mu    sync.Mutex
	locks map[K]*keyedLock
}

type keyedLock struct {
	sync.Mutex
	users int
}

// lock waits for the key and returns the function that gives it back.
func (k *keyed[K]) lock(key K) (unlock func()) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = make(map[K]*keyedLock)
	}
	l := k.locks[key]
	if l == nil {
		l = &keyedLock{}
		k.locks[key] = l
	}
	l.users++
	k.mu.Unlock()
	l.Lock()
	return func() {
		l.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.locks, key)
		}
	}
}

// seenEvents is how many event ids are remembered: a few of the largest
// transactions.
const seenEvents = 4096

// seenRing remembers the newest events that were taken care of, so that a
// transaction that is offered again does nothing twice: an old membership must
// not undo a newer one. What it has forgotten, or never knew after a restart,
// is told apart by the gateway, by its id.
type seenRing struct {
	mu   sync.Mutex
	ids  []id.EventID
	next int
	set  map[id.EventID]struct{}
}

func newSeenRing(size int) *seenRing {
	return &seenRing{ids: make([]id.EventID, size), set: make(map[id.EventID]struct{}, size)}
}

func (s *seenRing) has(event id.EventID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set[event]
	return ok
}

func (s *seenRing) add(event id.EventID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.set[event]; ok || event == "" {
		return
	}
	delete(s.set, s.ids[s.next])
	s.ids[s.next] = event
	s.set[event] = struct{}{}
	s.next = (s.next + 1) % len(s.ids)
}
