package msnp

import (
	"context"
	"slices"
	"testing"
)

// hastySession is a [Session] whose client is gone once it has been answered.
type hastySession struct {
	Session
	gone   context.CancelFunc
	stored Groups
}

func (s *hastySession) AddContact(_ context.Context, list List, handle, name string, reply func(ListChange, Status)) error {
	reply(ListChange{List: list, Contact: Member{Handle: Handle(handle), Name: name}}, Offline)
	s.gone()
	return nil
}

func (s *hastySession) RemoveContact(_ context.Context, list List, handle string, reply func(ListChange)) error {
	reply(ListChange{List: list, Contact: Member{Handle: Handle(handle)}})
	s.gone()
	return nil
}

func (s *hastySession) StoreGroups(ctx context.Context, groups Groups) (uint32, error) {
	s.stored = groups
	return 1, ctx.Err()
}

// TestGroupsOfTheHasty: what a client was told of the groups is stored, also when it does
// not wait for that.
func TestGroupsOfTheHasty(t *testing.T) {
	session := &hastySession{}
	groups := &ownGroups{session: session, serial: func() uint32 { return 1 }}
	groups.merge(Groups{All: []Group{{ID: 0, Name: "Others"}, {ID: 1, Name: "Friends"}}})
	const bob Handle = "bob@example.org"

	ctx, cancel := context.WithCancel(t.Context())
	session.gone = cancel
	if err := groups.PutInGroup(ctx, string(bob), "Bob", 1, func(ListChange, Status) {}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(session.stored.Of[bob], []uint32{1}) {
		t.Errorf("stored are %v, want him in group 1", session.stored.Of)
	}
	ctx, cancel = context.WithCancel(t.Context())
	session.gone = cancel
	if err := groups.removeContact(ctx, string(bob), func(ListChange) {}); err != nil {
		t.Error(err)
	}
	if len(session.stored.Of) > 0 {
		t.Errorf("stored are %v, want nobody", session.stored.Of)
	}
}
