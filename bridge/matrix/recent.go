package matrix

import "sync"

// recent remembers the newest entries of a map and forgets the oldest ones beyond
// its size. All methods are safe from any goroutine.
type recent[K comparable, V any] struct {
	mu     sync.Mutex
	keys   []K // a ring, in the order in which they came
	next   int
	values map[K]V
}

func newRecent[K comparable, V any](size int) *recent[K, V] {
	return &recent[K, V]{keys: make([]K, size), values: make(map[K]V)}
}

// get returns what is remembered of a key.
func (r *recent[K, V]) get(key K) (value V, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value, ok = r.values[key]
	return value, ok
}

// put remembers a value, in place of an earlier one of the key.
func (r *recent[K, V]) put(key K, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.values[key]; !known {
		delete(r.values, r.keys[r.next])
		r.keys[r.next] = key
		r.next = (r.next + 1) % len(r.keys)
	}
	r.values[key] = value
}
