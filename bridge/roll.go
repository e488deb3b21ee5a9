package bridge

import (
	"slices"
	"unique"

	"papillon/msnp"
)

// smallRoll is how many entries are found faster by looking than by hashing.
const smallRoll = 16

// roll is one list of a user in memory: entries in the order in which they were
// added, found by handle. There are thousands of idle users: an entry takes few
// bytes, and no allocation of its own.
type roll struct {
	entries []entry
	byName  map[Handle]int // the places, only above smallRoll entries
}

// entry is one entry of a list. On FL it also holds what is known of the
// contact. A pointer to one is good until an entry is added to the roll or removed.
type entry struct {
	// who is the same piece of memory on all lists of all users.
	who unique.Handle[msnp.Member]
	// shown is the status that the client was last told; Offline for none.
	shown msnp.Status
	// remote is what is known of a contact on a network; nil for a local one.
	remote *remoteState
}

// newEntry makes an entry of somebody.
func newEntry(m msnp.Member) entry { return entry{who: unique.Make(m)} }

// member returns who it is.
func (e *entry) member() msnp.Member { return e.who.Value() }

// handle returns the handle, name the name under which the user sees him.
func (e *entry) handle() Handle { return e.who.Value().Handle }
func (e *entry) name() string   { return e.who.Value().Name }

// setName changes that name.
func (e *entry) setName(name string) {
	e.who = unique.Make(msnp.Member{Handle: e.handle(), Name: name})
}

// newRoll makes a list of stored entries.
func newRoll(members []msnp.Member) roll {
	r := roll{entries: make([]entry, 0, len(members))}
	for _, m := range members {
		r.add(newEntry(m))
	}
	return r
}

// find returns the entry of a handle; nil if there is none.
func (r *roll) find(h Handle) *entry {
	if i := r.place(h); i >= 0 {
		return &r.entries[i]
	}
	return nil
}

// place returns where the entry of a handle is; -1 if there is none.
func (r *roll) place(h Handle) int {
	if r.byName != nil {
		if i, ok := r.byName[h]; ok {
			return i
		}
		return -1
	}
	for i := range r.entries {
		if r.entries[i].handle() == h {
			return i
		}
	}
	return -1
}

// has says whether a handle is on the list.
func (r *roll) has(h Handle) bool { return r.place(h) >= 0 }

// add puts an entry at the end.
func (r *roll) add(e entry) {
	r.entries = append(r.entries, e)
	switch {
	case r.byName != nil:
		r.byName[e.handle()] = len(r.entries) - 1
	case len(r.entries) > smallRoll:
		r.byName = make(map[Handle]int, len(r.entries))
		for i := range r.entries {
			r.byName[r.entries[i].handle()] = i
		}
	}
}

// remove takes a handle off the list and returns what its entry was; ok is false if
// there was none.
func (r *roll) remove(h Handle) (gone entry, ok bool) {
	i := r.place(h)
	if i < 0 {
		return entry{}, false
	}
	gone = r.entries[i]
	r.entries = slices.Delete(r.entries, i, i+1)
	if r.byName != nil {
		delete(r.byName, h)
		for ; i < len(r.entries); i++ {
			r.byName[r.entries[i].handle()] = i
		}
	}
	return gone, true
}

// members copies the entries.
func (r *roll) members() []msnp.Member {
	all := make([]msnp.Member, len(r.entries))
	for i := range r.entries {
		all[i] = r.entries[i].member()
	}
	return all
}
