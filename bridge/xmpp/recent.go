package xmpp

import (
	"slices"
	"sync"
)

// recent remembers the newest entries of a map and forgets the oldest ones
// beyond a limit. It takes no memory while it is empty. All methods are safe
// from any goroutine.
type recent[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]V
	order  []K // oldest first; a key stands there once
}

// put remembers a value, in place of an earlier one of the key.
func (r *recent[K, V]) put(limit int, key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil {
		r.values = make(map[K]V)
	}
	if _, known := r.values[key]; !known {
		if len(r.order) >= limit {
			delete(r.values, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, key)
	}
	r.values[key] = value
}

// get returns what is remembered of a key.
func (r *recent[K, V]) get(key K) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok = r.values[key]
	return value, ok
}

// remove forgets a key and returns what was remembered of it.
func (r *recent[K, V]) remove(key K) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok = r.values[key]
	if !ok {
		return value, false
	}
	delete(r.values, key)
	if i := slices.Index(r.order, key); i >= 0 {
		r.order = slices.Delete(r.order, i, i+1)
	}
	if len(r.order) == 0 {
		r.values, r.order = nil, nil
	}
	return value, true
}
