//go:build !linux

package msnp

import (
	"net"
	"time"
)

// unacknowledgedBytes cannot be told on this system: written counts as
// acknowledged.
func unacknowledgedBytes(net.Conn) (n int, known bool) { return 0, true }

// setUserTimeout is not to be had on this system.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
