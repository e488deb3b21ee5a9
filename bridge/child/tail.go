package child

import (
	"io"
	"strings"
	"sync"
)

// tailSize is how much of a server's log is kept for an error, in bytes.
const tailSize = 2 << 10

// A Tail passes a log on and keeps its last two KiB, to be shown in an error. It may be
// used by several goroutines, as an exec.Cmd with two outputs does.
type Tail struct {
	to io.Writer

	mu  sync.Mutex
	end []byte
}

// NewTail returns a Tail that passes on to the writer.
func NewTail(to io.Writer) *Tail { return &Tail{to: to} }

// Write implements io.Writer. Its error is that of the writer behind it.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.end = append(t.end, p...)
	t.end = t.end[max(0, len(t.end)-tailSize):]
	t.mu.Unlock()
	return t.to.Write(p)
}

// String returns the end of the log, in one line.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Split(strings.TrimSpace(string(t.end)), "\n"), " | ")
}
