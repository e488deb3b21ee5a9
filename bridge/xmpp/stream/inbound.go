package stream

import "sync"

// inbound counts what arrives under stream management (XEP-0198 §4): a stanza
// counts as handled once it and all before it are done.
type inbound struct {
	mu       sync.Mutex
	epoch    uint64 // changes with each connection: what is offered again is done again
	received uint64
	handled  uint64
	early    map[uint64]struct{} // done before their turn
	told     uint64              // what the server was told last
	// changed is called, without the lock, when handled has grown.
	changed func()
}

// begin starts counting for a new connection: from zero for a new session, else
// from where the server was told that we are.
func (in *inbound) begin(resumed bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.epoch++
	if !resumed {
		in.handled = 0
	}
	in.received, in.told = in.handled, in.handled
	in.early = nil
}

// freeze returns the count for a resumption. What is done from now on does not
// change it: the server offers it again.
func (in *inbound) freeze() uint32 {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.epoch++
	return uint32(in.handled)
}

// next counts a stanza and returns what is to be called when it is done.
func (in *inbound) next() func() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.received++
	epoch, number := in.epoch, in.received
	return func() { in.done(epoch, number) }
}

func (in *inbound) done(epoch, number uint64) {
	in.mu.Lock()
	if epoch != in.epoch || number <= in.handled {
		in.mu.Unlock()
		return
	}
	if number != in.handled+1 {
		if in.early == nil {
			in.early = make(map[uint64]struct{})
		}
		in.early[number] = struct{}{}
		in.mu.Unlock()
		return
	}
	in.handled = number
	for len(in.early) > 0 {
		if _, done := in.early[in.handled+1]; !done {
			break
		}
		in.handled++
		delete(in.early, in.handled)
	}
	in.mu.Unlock()
	in.changed()
}

// tell returns the count for the server, modulo 2^32 as it goes over the wire.
func (in *inbound) tell() uint32 {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.told = in.handled
	return uint32(in.handled)
}

// untold returns how many stanzas are done of which the server was not told, and
// whether all that have arrived are done.
func (in *inbound) untold() (n uint64, all bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.handled - in.told, in.handled == in.received
}
