package msnp

import (
	"errors"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// unacknowledgedBytes returns how many bytes of a TCP connection the other
// side's TCP has not acknowledged (SIOCOUTQ). Known is false when that cannot
// be told, as on a closed connection. Where there is no TCP, as with a pipe,
// written is as good as acknowledged.
func unacknowledgedBytes(nc net.Conn) (n int, known bool) {
	tcp, ok := tcpConn(nc)
	if !ok {
		return 0, true
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	var ioctlErr error
	err = raw.Control(func(fd uintptr) {
		n, ioctlErr = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	})
	return n, err == nil && ioctlErr == nil
}

// setUserTimeout bounds how long the other side's TCP may leave something
// unacknowledged before the connection counts as dead (TCP_USER_TIMEOUT).
func setUserTimeout(tcp *net.TCPConn, d time.Duration) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var setErr error
	err = raw.Control(func(fd uintptr) {
		setErr = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
	return errors.Join(err, setErr)
}
