package bridge

import (
	"slices"

	"papillon/msnp"
)

// smallRoll is how many entries are found faster by looking than by hashing.
const smallRoll = 16

// roll is one list of a user in memory: entries in the order in which they were
// added, found by handle.
type roll struct {
	entries []*entry
	byName  map[Handle]*entry // only above smallRoll entries
}

// entry is one entry of a list. On FL it also holds what is known of the
// contact.
type entry struct {
	msnp.Member
	// shown is the status that the client was last told; Offline for none.
	shown msnp.Status
	// remote is what is known of a contact on a network; nil for a local one.
	remote *remoteState
}

// newRoll makes a list of stored entries.
func newRoll(members []msnp.Member) roll {
	r := roll{entries: make([]*entry, 0, len(members))}
	for _, m := range members {
		r.add(&entry{Member: m})
	}
	return r
}

// find returns the entry of a handle; nil if there is none.
func (r *roll) find(h Handle) *entry {
	if r.byName != nil {
		return r.byName[h]
	}
	for _, e := range r.entries {
		if e.Handle == h {
			return e
		}
	}
	return nil
}

// has says whether a handle is on the list.
func (r *roll) has(h Handle) bool { return r.find(h) != nil }

// add puts an entry at the end.
func (r *roll) add(e *entry) {
	r.entries = append(r.entries, e)
	switch {
	case r.byName != nil:
		r.byName[e.Handle] = e
	case len(r.entries) > smallRoll:
		r.byName = make(map[Handle]*entry, len(r.entries))
		for _, e := range r.entries {
			r.byName[e.Handle] = e
		}
	}
}

// remove takes a handle off the list and returns its entry; nil if there is
// none.
func (r *roll) remove(h Handle) *entry {
	for i, e := range r.entries {
		if e.Handle == h {
			r.entries = slices.Delete(r.entries, i, i+1)
			delete(r.byName, h)
			return e
		}
	}
	return nil
}

// members copies the entries.
func (r *roll) members() []msnp.Member {
	all := make([]msnp.Member, len(r.entries))
	for i, e := range r.entries {
		all[i] = e.Member
	}
	return all
}
