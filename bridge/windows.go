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
	gone := func(other *seat) bool { return other == s }
	w.seats = slices.DeleteFunc(w.seats, gone)
	for h, seats := range w.byContact {
		if seats = slices.DeleteFunc(seats, gone); len(seats) > 0 {
			w.byContact[h] = seats
		} else {
			delete(w.byContact, h)
		}
	}
}

// closeAll hangs up everywhere; the connections then leave.
func (w *windows) closeAll() {
	for _, s := range w.seats {
		s.switchboard.Hangup()
	}
}

// typing shows in an open window that a contact types.
func (w *windows) typing(who msnp.Member) {
	if s := w.find(who.Handle); s != nil {
		s.switchboard.Message(who, body.NewTyping(string(who.Handle)).Append(nil), nil)
	}
}
