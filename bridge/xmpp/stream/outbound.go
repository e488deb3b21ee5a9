package stream

import (
	"fmt"
	"slices"
)

// sent is a stanza on its way to the server.
type sent struct {
	data     []byte    // for sending it again; nil where sessions cannot be resumed
	delivery *delivery // nil if nobody waits
	// void is one whose sender was told that it was not sent: it is not sent
	// again, but may have to be counted.
	void bool
}

// delivery is somebody who waits for a stanza to be accepted.
type delivery struct {
	kind         Kind
	from, to, id string
	result       chan error // of one slot
	over         bool
}

func (d *delivery) finish(err error) {
	if !d.over {
		d.over = true
		d.result <- err
	}
}

// outbound are the stanzas that the server has not accepted yet, in the order in
// which they were written. It is guarded by its link's lock.
type outbound struct {
	queue []*sent
	base  uint64 // how many were accepted before the first of them
	bytes int    // held for sending again
	waits map[string][]*delivery
}

func (o *outbound) add(s *sent) {
	o.queue = append(o.queue, s)
	o.bytes += len(s.data)
	if d := s.delivery; d != nil {
		if o.waits == nil {
			o.waits = make(map[string][]*delivery)
		}
		o.waits[d.id] = append(o.waits[d.id], d)
	}
}

// end returns the number of the last stanza.
func (o *outbound) end() uint64 { return o.base + uint64(len(o.queue)) }

// accepted takes the first n off the queue.
func (o *outbound) accepted(n int) {
	for _, s := range o.queue[:n] {
		o.bytes -= len(s.data)
		o.finish(s.delivery, nil)
	}
	o.queue = slices.Delete(o.queue, 0, n)
	o.base += uint64(n)
	if len(o.queue) == 0 {
		o.queue = nil // an idle session holds nothing
	}
}

// finish ends a wait.
func (o *outbound) finish(d *delivery, err error) {
	if d == nil {
		return
	}
	d.finish(err)
	if i := slices.Index(o.waits[d.id], d); i >= 0 {
		if o.waits[d.id] = slices.Delete(o.waits[d.id], i, i+1); len(o.waits[d.id]) == 0 {
			delete(o.waits, d.id)
		}
	}
}

// acknowledged takes the server's count, which is modulo 2^32.
func (o *outbound) acknowledged(handled uint32) error {
	n := handled - uint32(o.base)
	if uint64(n) > uint64(len(o.queue)) {
		return fmt.Errorf("count stanzas: the server has %d, but %d to %d were sent", handled, uint32(o.base), uint32(o.end()))
	}
	o.accepted(int(n))
	return nil
}

// waiting tells whether somebody waits for the server to accept something.
func (o *outbound) waiting() bool { return len(o.waits) > 0 }

// bounced finds who waits for a stanza that came back, and tells them.
func (o *outbound) bounced(s *Stanza) bool {
	for _, d := range o.waits[s.ID] {
		if d.kind == s.Kind && comesFrom(s.From, d.to) && (d.from == "" || sameAddress(s.To, d.from)) {
			o.finish(d, fmt.Errorf("%w: %w", ErrBounced, s.Err()))
			return true
		}
	}
	return false
}

// again returns, after a session was resumed, what the server has not taken and
// is to be sent once more.
func (o *outbound) again() (data []byte) {
	o.queue = slices.DeleteFunc(o.queue, func(s *sent) bool {
		if s.void {
			o.bytes -= len(s.data)
			return true
		}
		data = append(data, s.data...)
		return false
	})
	return data
}

// fail ends all waits with an error and forgets everything.
func (o *outbound) fail(err error) {
	for _, s := range o.queue {
		o.finish(s.delivery, err)
	}
	*o = outbound{}
}
