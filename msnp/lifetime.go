package msnp

import (
	"context"
	"sync"
)

// lifetime is how long a connection lives. It makes a context when somebody asks
// for one: whatever waits leaves something in its context that stays as long as
// the context does, and of the connections thousands are idle. Its methods are safe
// from any goroutine, but for context and rest, which are the reader's.
type lifetime struct {
	parent context.Context // the server's

	mu      sync.Mutex
	over    bool
	present context.Context // nil for none
	cancel  context.CancelFunc
}

// context returns a context that ends at rest, with the connection and with the
// server.
func (l *lifetime) context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.present == nil {
		l.present, l.cancel = context.WithCancel(l.parent)
		if l.over {
			l.cancel()
		}
	}
	return l.present
}

// rest ends the context, if there is one: nobody waits any more.
func (l *lifetime) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.present != nil {
		l.cancel()
		l.present, l.cancel = nil, nil
	}
}

// end ends the connection's life.
func (l *lifetime) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.cancel != nil {
		l.cancel()
	}
}

// ended says whether the connection is to do nothing more.
func (l *lifetime) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over || l.parent.Err() != nil
}
