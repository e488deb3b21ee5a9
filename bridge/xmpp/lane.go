package xmpp

import "sync"

// lane runs functions one after the other, in the order in which they were
// posted. It has a goroutine only while there is something to run.
type lane struct {
	mu      sync.Mutex
	running bool
	waiting []func()
}

// post has a function run soon and returns at once.
func (l *lane) post(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, f)
	if !l.running {
		l.running = true
		go l.run()
	}
}

// length is how many functions wait.
func (l *lane) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

func (l *lane) run() {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.running, l.waiting = false, nil
			l.mu.Unlock()
			return
		}
		f := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
		f()
	}
}
