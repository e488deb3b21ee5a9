package main

import (
	"io"
	"net"
	"sync/atomic"
)

// A meter passes connections on and counts what goes through.
type meter struct {
	listener net.Listener
	to       string
	// up is what went to the server, down what came from it, in bytes.
	up, down atomic.Int64
}

// newMeter starts a meter before an address. Close ends it; what goes through goes
// on until either side ends it.
func newMeter(to string) (*meter, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &meter{listener: ln, to: to}
	go m.serve()
	return m, nil
}

func (m *meter) serve() {
	for {
		near, err := m.listener.Accept()
		if err != nil {
			return
		}
		go m.pass(near)
	}
}

// pass connects two sides until one of them ends.
func (m *meter) pass(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", m.to)
	if err != nil {
		return // the near side sees its connection end
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(counted{far, &m.up}, near) // an end like any other
		_ = far.Close()
	}()
	_, _ = io.Copy(counted{near, &m.down}, far)
}

// counted counts what is written.
type counted struct {
	io.Writer
	n *atomic.Int64
}

// Write implements io.Writer.
func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}
