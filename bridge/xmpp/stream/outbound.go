package stream

import (
	"fmt"
	"slices"
)

// sent is a stanza that the server has not counted yet (XEP-0198), kept to be
// sent again when the session is resumed.
type sent struct {
	data     []byte
	delivery *delivery // nil if nobody waits
	// void is one whose sender was told that it was not sent: it is not sent
	// again, but the server may have counted it.
	void bool
}

// delivery is somebody who waits for a stanza to be accepted.
type delivery struct {
	kind         Kind
	from, to, id string
	number       uint64
	counted      bool // the server has it, whatever becomes of the session
	over         bool
	result       chan error // of one slot
}

// outbound is what the server has not confirmed yet. It is guarded by its link's
// lock.
//
// Two questions are kept apart. What the server has counted need not be sent
// again. But it counts a stanza before it finds that it goes nowhere (ejabberd
// does so always), so who waits is answered only when a query comes back that
// was sent later: whatever was returned by then has been returned before.
type outbound struct {
	queue []*sent
	base  uint64 // how many were counted before the first of them

	waiting []*delivery // in order; some may be over
	byID    map[string][]*delivery
	last    uint64 // the number of the last delivery
}

// keep adds a stanza that the server will count.
func (o *outbound) keep(s *sent) { o.queue = append(o.queue, s) }

// await adds somebody who waits.
func (o *outbound) await(d *delivery) {
	o.last++
	d.number = o.last
	o.waiting = append(o.waiting, d)
	if o.byID == nil {
		o.byID = make(map[string][]*delivery)
	}
	o.byID[d.id] = append(o.byID[d.id], d)
}

// finish tells somebody who waits.
func (o *outbound) finish(d *delivery, err error) {
	if d.over {
		return
	}
	d.over = true
	d.result <- err
	same := o.byID[d.id]
	if same = slices.Delete(same, slices.Index(same, d), slices.Index(same, d)+1); len(same) > 0 {
		o.byID[d.id] = same
	} else {
		delete(o.byID, d.id)
	}
}

// passed tells everybody up to a number that their stanza was accepted.
func (o *outbound) passed(number uint64) {
	n := 0
	for n < len(o.waiting) && o.waiting[n].number <= number {
		o.finish(o.waiting[n], nil)
		n++
	}
	o.waiting = shift(o.waiting, n)
}

// shift takes the first n off a queue; an empty one holds no memory.
func shift[T any](queue []T, n int) []T {
	if n == len(queue) {
		return nil
	}
	return slices.Delete(queue, 0, n)
}

// awaited tells whether somebody waits.
func (o *outbound) awaited() bool { return len(o.byID) > 0 }

// counted takes the server's count, which is modulo 2^32.
func (o *outbound) counted(handled uint32) error {
	n := handled - uint32(o.base)
	if uint64(n) > uint64(len(o.queue)) {
		return fmt.Errorf("count stanzas: the server has %d, but %d to %d were sent",
			handled, uint32(o.base), uint32(o.base)+uint32(len(o.queue)))
	}
	for _, s := range o.queue[:n] {
		if s.delivery != nil {
			s.delivery.counted = true
		}
	}
	o.queue = shift(o.queue, int(n))
	o.base += uint64(n)
	return nil
}

// bounced finds who waits for a stanza that came back, and tells them.
func (o *outbound) bounced(s *Stanza) bool {
	for _, d := range o.byID[s.ID] {
		if d.kind == s.Kind && comesFrom(s.From, d.to) && (d.from == "" || sameAddress(s.To, d.from)) {
			o.finish(d, fmt.Errorf("%w: %w", ErrBounced, s.Err()))
			return true
		}
	}
	return false
}

// again returns, after a session was resumed, what the server has not counted
// and is to be sent once more.
func (o *outbound) again() (data []byte) {
	o.queue = slices.DeleteFunc(o.queue, func(s *sent) bool { return s.void })
	for _, s := range o.queue {
		data = append(data, s.data...)
	}
	return data
}

// fail ends the session: who waits gets the error, unless the server has counted
// their stanza.
func (o *outbound) fail(err error) {
	for _, d := range o.waiting {
		if d.counted {
			o.finish(d, nil)
		} else {
			o.finish(d, err)
		}
	}
	*o = outbound{}
}
