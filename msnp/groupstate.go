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
