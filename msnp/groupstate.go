package msnp

import (
	"slices"
	"strings"
)

// groupState is who is in which group.
type groupState struct {
	all   []Group
	base  map[Handle][]uint32 // what the backend says
	moved map[Handle][]uint32 // what the client said since
}

// find returns where a group stands, or -1.
func (s *groupState) find(id uint32) int {
	return slices.IndexFunc(s.all, func(g Group) bool { return g.ID == id })
}

// named says whether another group has a name.
func (s *groupState) named(name string, besides uint32) bool {
	return slices.ContainsFunc(s.all, func(g Group) bool { return g.ID != besides && strings.EqualFold(g.Name, name) })
}

// of returns the groups of a contact, without those that do not exist.
func (s *groupState) of(h Handle) []uint32 {
	ids, moved := s.moved[h]
	if !moved {
		ids = s.base[h]
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return s.find(id) < 0 })
	if len(ids) == 0 {
		return []uint32{0}
	}
	return ids
}

// remove removes the group at a place, and takes everybody out of it: a group that is
// made later may get its number.
func (s *groupState) remove(i int) {
	id := s.all[i].ID
	s.all = slices.Delete(s.all, i, i+1)
	for _, handles := range []map[Handle][]uint32{s.base, s.moved} {
		for h, ids := range handles {
			if slices.Contains(ids, id) {
				s.moved[h] = s.of(h)
			}
		}
	}
}

// groups returns them as others see them.
func (s *groupState) groups() Groups {
	of := make(map[Handle][]uint32, len(s.base)+len(s.moved))
	for _, handles := range []map[Handle][]uint32{s.base, s.moved} {
		for h := range handles {
			of[h] = s.of(h)
		}
	}
	return Groups{All: slices.Clone(s.all), Of: of}
}

// takeIn puts those who came since into their groups; the caller, who is the reader, holds
// the lock.
func (o *ownGroups) takeIn() {
	for h, id := range o.came {
		if !o.placed(h) {
			o.moved[h] = []uint32{id}
		}
	}
	o.came = nil
}

// placed says whether anything is known of where a contact is; the caller holds the lock.
func (o *ownGroups) placed(h Handle) bool {
	_, moved := o.moved[h]
	_, stored := o.base[h]
	return moved || stored
}

// announce returns the group under which a contact is announced: where he is, or else
// where the backend has him, and then he is there. Before SYN none but group 0 is known.
func (o *ownGroups) announce(h Handle, backend uint32) uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if backend == 0 || o.placed(h) {
		return o.of(h)[0]
	}
	if o.came == nil {
		o.came = make(map[Handle]uint32)
	}
	o.came[h] = backend
	return backend
}
