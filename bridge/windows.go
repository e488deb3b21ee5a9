package bridge

import (
	"slices"

	"papillon/msnp"
	"papillon/msnp/body"
)

// windows are the conversations in which a user sits: to their owner, the
// windows that are open on the old desktop.
type windows struct {
	seats []*seat
	// byContact holds those with a contact on a network, or with the helper
	// contact, in them; the one used last stands last.
	byContact map[Handle][]*seat
}

// open notes that a contact is in a conversation. Owned, like all here.
func (w *windows) open(h Handle, s *seat) {
	if !slices.Contains(w.seats, s) {
		return // left meanwhile
	}
	if w.byContact == nil {
		w.byContact = make(map[Handle][]*seat)
	}
	w.byContact[h] = append(w.byContact[h], s)
}

// split notes that a window with some contacts is not where each of them alone
// is talked with any more: they have become a group.
func (w *windows) split(contacts []Handle, s *seat) {
	for _, h := range contacts {
		w.forget(h, s)
	}
}

// forget takes a window from a contact.
func (w *windows) forget(h Handle, s *seat) {
	seats := slices.DeleteFunc(w.byContact[h], func(other *seat) bool { return other == s })
	if len(seats) > 0 {
		w.byContact[h] = seats
	} else {
		delete(w.byContact, h)
	}
}

// find returns the seat that was used last for talking with a contact; nil if
// there is none.
func (w *windows) find(h Handle) *seat {
	seats := w.byContact[h]
	if len(seats) == 0 {
		return nil
	}
	return seats[len(seats)-1]
}

// leave forgets a seat.
func (w *windows) leave(s *seat) {
	w.seats = slices.DeleteFunc(w.seats, func(other *seat) bool { return other == s })
	for h := range w.byContact {
		w.forget(h, s)
	}
}

// closeAll departs everywhere and hangs up. The others see it now, and not only when
// the client has closed its half of the connection, which some never do.
func (w *windows) closeAll() {
	for _, s := range w.seats {
		s.conversation.depart(s)
		s.switchboard.Hangup()
	}
}

// typing shows in an open window that a contact types.
func (w *windows) typing(who msnp.Member) {
	if s := w.find(who.Handle); s != nil {
		s.switchboard.Message(who, body.NewTyping(string(who.Handle)).Append(nil), nil)
	}
}
