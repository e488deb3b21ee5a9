package msnptest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"papillon/msnp/wire"
)

// peer is a connection of a transcript. A goroutine takes in what comes, so that
// neither side ever waits for the other to read.
type peer struct {
	raw  net.Conn
	done chan struct{}

	mu   sync.Mutex
	buf  []byte
	err  error         // why reading ended
	wake chan struct{} // closed at every change
}

func newPeer(raw net.Conn) *peer {
	p := &peer{raw: raw, done: make(chan struct{}), wake: make(chan struct{})}
	go p.pump()
	return p
}

func (p *peer) pump() {
	defer close(p.done)
	chunk := make([]byte, 4096)
	for {
		n, err := p.raw.Read(chunk)
		p.mu.Lock()
		p.buf = append(p.buf, chunk[:n]...)
		p.err = err
		close(p.wake)
		p.wake = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *peer) close() {
	p.raw.Close() // it may be closed already
	<-p.done
}

// take waits until cut finds how many bytes to take off what has come. At the
// end of the connection it returns what is left over, and the error.
func (p *peer) take(ctx context.Context, cut func([]byte) int) (string, error) {
	for {
		p.mu.Lock()
		n, err, wake := cut(p.buf), p.err, p.wake
		if n <= 0 && err != nil {
			n = len(p.buf)
		} else if n > 0 {
			err = nil
		}
		taken := string(p.buf[:max(n, 0)])
		p.buf = p.buf[max(n, 0):]
		p.mu.Unlock()
		if n > 0 || err != nil {
			return taken, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// line takes one line with its line end.
func (p *peer) line(ctx context.Context) (string, error) {
	return p.take(ctx, func(buf []byte) int { return bytes.IndexByte(buf, '\n') + 1 })
}

func (p *peer) bytes(ctx context.Context, n int) (string, error) {
	if n == 0 {
		return "", nil
	}
	return p.take(ctx, func(buf []byte) int {
		if len(buf) < n {
			return 0
		}
		return n
	})
}

// received is a line from the server, with its line end, and its payload.
type received struct {
	line, payload string
	hasPayload    bool
}

// message takes a line, and the payload of a command that has one; more names
// further commands that do.
func (p *peer) message(ctx context.Context, more func(command string) bool) (received, error) {
	line, err := p.line(ctx)
	r := received{line: line}
	if err != nil {
		return r, err
	}
	words := bytes.Fields([]byte(line))
	if len(words) < 2 || !carriesPayload(string(words[0])) && !more(string(words[0])) {
		return r, nil
	}
	n, ok := wire.ParseLength(string(words[len(words)-1]))
	if !ok || n > maxPayload {
		return r, nil // it shows as a difference
	}
	r.payload, err = p.bytes(ctx, n)
	r.hasPayload = n > 0
	return r, err
}

// isEnd says whether an error is how a closed connection shows. A server that
// closes with unread input resets it.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)
}
