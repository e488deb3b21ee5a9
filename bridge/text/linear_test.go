package text

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// checkLinear checks that eight times as much of something takes about eight times as
// long; with the square of the length it would be 64 times. The processor time of the thread counts, which
// others on the machine do not lengthen, and one good try of some is enough.
func checkLinear(t *testing.T, part string, f func(string)) {
	t.Helper()
	const small, factor, most = 32 << 10, 8, 24
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ratio := 0.0
	for range 4 {
		short := threadTime(t, func() { f(strings.Repeat(part, small/len(part))) })
		long := threadTime(t, func() { f(strings.Repeat(part, factor*small/len(part))) })
		if ratio = float64(long) / float64(max(short, 50*time.Microsecond)); ratio <= most {
			return
		}
	}
	t.Errorf("%d times as much of %q takes %.0f times as long", factor, part, ratio)
}

// threadTime is the processor time that f takes on this thread. It is that of the thread's
// own clock: getrusage counts some kernels' ticks, and none for what is short.
func threadTime(t *testing.T, f func()) time.Duration {
	t.Helper()
	before := threadUsage(t)
	f()
	return threadUsage(t) - before
}

func threadUsage(t *testing.T) time.Duration {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		t.Fatal(err)
	}
	return time.Duration(now.Nano())
}
