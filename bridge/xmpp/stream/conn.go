package stream

import (
	"bufio"
	"errors"
	"net"
	"time"
)

// deadlineConn sets a fresh deadline before each read and write. A context does
// not bound a write that is blocked: only the socket's deadline does.
type deadlineConn struct {
	net.Conn
	read, write time.Duration
}

// Read implements net.Conn.
func (c *deadlineConn) Read(p []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.read)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *deadlineConn) Write(p []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetDeadline, SetReadDeadline and SetWriteDeadline do nothing: the deadlines
// are this connection's business.
func (c *deadlineConn) SetDeadline(time.Time) error      { return nil }
func (c *deadlineConn) SetReadDeadline(time.Time) error  { return nil }
func (c *deadlineConn) SetWriteDeadline(time.Time) error { return nil }

// byteConn is a connection that can be read byte by byte. The library's decoder
// takes a reader that can do so as it is and reads no byte too many, so that
// after the negotiation the stream can be read by other means.
type byteConn struct {
	net.Conn
	r *bufio.Reader
	// left bounds what is read while it is not negative: before it is known
	// who speaks.
	left int
}

var errTalkative = errors.New("the server says more than a negotiation needs")

// maxNegotiation is what a server may send before the session begins, in bytes.
const maxNegotiation = 256 << 10

func newByteConn(conn net.Conn, buffer int) *byteConn {
	return &byteConn{Conn: conn, r: bufio.NewReaderSize(conn, buffer), left: maxNegotiation}
}

// ReadByte implements io.ByteReader.
func (c *byteConn) ReadByte() (byte, error) {
	if err := c.spend(1); err != nil {
		return 0, err
	}
	return c.r.ReadByte()
}

// Read implements net.Conn.
func (c *byteConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (c *byteConn) spend(n int) error {
	if c.left >= 0 {
		if c.left -= n; c.left < 0 {
			c.left = 0
			return errTalkative
		}
	}
	return nil
}
