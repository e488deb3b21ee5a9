package main

import (
	"io"
	"net"
	"regexp"
	"sync/atomic"
)

// A meter passes connections on, counts what goes through and tells when messages of an
// [exchange] do.
type meter struct {
	listener net.Listener
	to       string
	saw      func(words string)
	// up is what went to the server, down what came from it, in bytes.
	up, down atomic.Int64
}

// newMeter starts a meter before an address. Saw is told the words of each message that
// goes through, either way. Close ends it; what goes through goes on until either side
// ends it.
func newMeter(to string, saw func(words string)) (*meter, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &meter{listener: ln, to: to, saw: saw}
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
		_, _ = io.Copy(&counted{Writer: far, n: &m.up, saw: m.saw}, near) // an end like any other
		_ = far.Close()
	}()
	_, _ = io.Copy(&counted{Writer: near, n: &m.down, saw: m.saw}, far)
}

// counted counts what is written and looks for messages in it.
type counted struct {
	io.Writer
	n    *atomic.Int64
	saw  func(words string)
	tail []byte // the end of what was written before, in which words may begin
}

// Write implements io.Writer.
func (c *counted) Write(p []byte) (int, error) {
	c.tail = append(c.tail, p...)
	for _, found := range messageWords.FindAllSubmatch(c.tail, -1) {
		c.saw(string(found[1]))
	}
	c.tail = append(c.tail[:0], c.tail[max(0, len(c.tail)-maxWords):]...)
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// messageWords are the words of a message in JSON, as [exchange.write] makes them, and
// maxWords is longer than they are.
var messageWords = regexp.MustCompile(`"((?:in|out),-[0-9]{13}-[0-9]+)"`)

const maxWords = 32
