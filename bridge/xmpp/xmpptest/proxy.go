package xmpptest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Proxy passes TCP connections on to a server and can be cut, as a network
// cable can. Its methods may be called from any goroutine.
type Proxy struct {
	// Address is where it listens, on loopback.
	Address string

	target   string
	listener net.Listener
	wait     sync.WaitGroup

	mu    sync.Mutex
	whole chan struct{}      // closed while data flows
	pairs map[*pair]struct{} // what is connected
	ended bool
}

// pair is one connection through a proxy.
type pair struct {
	near, far *net.TCPConn
	gone      chan struct{} // closed with the connections
	once      sync.Once
}

// NewProxy listens on a free port of loopback and passes connections on to the
// target, such as [Server.ClientAddress]. Close must be called in the end.
func NewProxy(target string) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen as a proxy for %s: %w", target, err)
	}
	p := &Proxy{
		Address: ln.Addr().String(), target: target, listener: ln,
		whole: make(chan struct{}), pairs: make(map[*pair]struct{}),
	}
	close(p.whole)
	p.wait.Go(p.accept)
	return p, nil
}

// Cut lets nothing through in either direction, and tells neither side. What is
// sent meanwhile is delivered after [Proxy.Mend] to those who are still there,
// as TCP does after a network is back. New connections are taken and stay silent.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.whole:
		p.whole = make(chan struct{})
	default:
	}
}

// Mend lets everything through again.
func (p *Proxy) Mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.whole:
	default:
		close(p.whole)
	}
}

// Reset ends every connection with a TCP reset on both sides and drops what was
// under way. It returns how many there were. New ones are welcome.
func (p *Proxy) Reset() int {
	p.mu.Lock()
	pairs := p.pairs
	p.pairs = make(map[*pair]struct{})
	p.mu.Unlock()
	for c := range pairs {
		c.reset()
	}
	return len(pairs)
}

// Connections returns how many connections there are.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pairs)
}

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Reset()
	p.wait.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// accept takes connections until Close.
func (p *Proxy) accept() {
	for {
		near, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wait.Go(func() { p.serve(near.(*net.TCPConn)) })
	}
}

// serve passes one connection on until either side ends it.
func (p *Proxy) serve(near *net.TCPConn) {
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = near.SetLinger(0)
		_ = near.Close()
		return
	}
	c := &pair{near: near, far: far.(*net.TCPConn), gone: make(chan struct{})}
	p.mu.Lock()
	if p.ended {
		p.mu.Unlock()
		c.reset()
		return
	}
	p.pairs[c] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pass(c, c.far, c.near) })
	both.Go(func() { p.pass(c, c.near, c.far) })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
	c.reset()
}

// pass copies one direction. The end of a stream is passed on like its data, so
// that a server that ends is not noticed through a cut either.
func (p *Proxy) pass(c *pair, to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !p.await(c) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				c.reset()
				return
			}
		}
		if err != nil {
			// A reset is passed on as a reset, an end as an end.
			if !errors.Is(err, io.EOF) {
				c.reset()
				return
			}
			_ = to.CloseWrite()
			return
		}
	}
}

// await waits until the proxy is whole; it reports false if the connection ends
// first.
func (p *Proxy) await(c *pair) bool {
	p.mu.Lock()
	whole := p.whole
	p.mu.Unlock()
	select {
	case <-c.gone:
		return false
	default:
	}
	select {
	case <-whole:
		return true
	case <-c.gone:
		return false
	}
}

// reset ends both connections at once.
func (c *pair) reset() {
	c.once.Do(func() {
		close(c.gone)
		for _, conn := range []*net.TCPConn{c.near, c.far} {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}
	})
}
