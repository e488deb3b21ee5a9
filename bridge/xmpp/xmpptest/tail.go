package xmpptest

import (
	"io"
	"strings"
	"sync"
)

// tailSize is how much of a server's log is kept for an error, in bytes.
const tailSize = 2 << 10

// tail passes a log on and keeps its end.
type tail struct {
	to io.Writer

	mu  sync.Mutex
	end []byte
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.end = append(t.end, p...)
	t.end = t.end[max(0, len(t.end)-tailSize):]
	t.mu.Unlock()
	return t.to.Write(p)
}

// text returns the end of the log, in one line.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Split(strings.TrimSpace(string(t.end)), "\n"), " | ")
}
