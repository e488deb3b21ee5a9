package xmpp

import "sync"

// turns runs what is to be done for many people, for each in order: who asks for
// much waits for himself, and holds up nobody else. There is a goroutine for
// each person for whom something waits.
type turns struct {
	mu    sync.Mutex
	lanes map[string]*turn
	all   int // how much waits
}

type turn struct{ waiting []func() }

// maxTurns is how much may wait for all together.
const maxTurns = 20000

// post has a function run in somebody's turn, unless as much as the limit waits
// there already, or too much for all.
func (t *turns) post(who string, limit int, f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	lane := t.lanes[who]
	if t.all >= maxTurns || lane != nil && len(lane.waiting) >= limit {
		return false
	}
	t.all++
	if lane != nil {
		lane.waiting = append(lane.waiting, f)
		return true
	}
	if t.lanes == nil {
		t.lanes = make(map[string]*turn)
	}
	lane = &turn{waiting: []func(){f}}
	t.lanes[who] = lane
	go t.run(who, lane)
	return true
}

// run runs what waits for somebody, until nothing does.
func (t *turns) run(who string, lane *turn) {
	for f := t.next(who, lane); f != nil; f = t.next(who, lane) {
		f()
	}
}

func (t *turns) next(who string, lane *turn) (f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(lane.waiting) == 0 {
		delete(t.lanes, who)
		return nil
	}
	f = lane.waiting[0]
	lane.waiting[0] = nil
	lane.waiting = lane.waiting[1:]
	t.all--
	return f
}
