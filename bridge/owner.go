package bridge

import "sync"

// owner lets one goroutine at a time own something: functions given to it run
// one after the other, in the order in which they were given. There is no
// goroutine while there is nothing to do, because there are thousands of idle
// users; and no hand-over when a caller finds the thing free.
//
// A function must not block and must not call do on any owner: two of them
// could wait for each other. It may post.
type owner struct {
	mu      sync.Mutex
	busy    bool
	waiting []func()
}

// post has a function run soon and returns at once.
func (o *owner) post(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy {
		o.waiting = append(o.waiting, f)
		return
	}
	o.busy = true
	go o.run(f)
}

// do runs a function and returns when it has run.
func (o *owner) do(f func()) {
	o.mu.Lock()
	if o.busy {
		done := make(chan struct{})
		o.waiting = append(o.waiting, func() {
			defer close(done)
			f()
		})
		o.mu.Unlock()
		<-done
		return
	}
	o.busy = true
	o.mu.Unlock()
	defer o.handOver()
	f()
}

// run runs a function and then whatever gathered meanwhile.
func (o *owner) run(f func()) {
	for f != nil {
		f()
		f = o.next()
	}
}

// next takes the oldest waiting function, or gives up ownership.
func (o *owner) next() (f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		o.busy, o.waiting = false, nil
		return nil
	}
	f, o.waiting[0] = o.waiting[0], nil
	o.waiting = o.waiting[1:]
	return f
}

// handOver ends a do: the functions of others are not the caller's to wait for.
func (o *owner) handOver() {
	if f := o.next(); f != nil {
		go o.run(f)
	}
}
