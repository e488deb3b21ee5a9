package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// memoryPoll is how often it is looked whether the server has become quiet.
	memoryPoll = 2 * time.Second
	// quietShare is the part of the heap in use that may be allocated meanwhile.
	quietShare = 16
	// quietLeast is what may be allocated in any case, in bytes.
	quietLeast = 1 << 20
	// largeHeap is from what size on, in bytes, the heap is collected more often than
	// the runtime does by itself: when it has grown by largePercent of what is in use. That
	// of thousands of idle clients is large and hardly ever has to be looked through;
	// a small one grows by as much with every few sign-ins.
	largeHeap    = 16 << 20
	largePercent = 60
)

// returnMemory gives memory back to the system whenever a busy time has ended. The
// runtime keeps as much free memory as is in use, and most of it is what
// thousands of sign-ins took that came all at once, as after a restart: the clients then
// stay for hours and do little.
func returnMemory(ctx context.Context) error {
	ticker := time.NewTicker(memoryPoll)
	defer ticker.Stop()
	before, busy := allocated(), false
	defer collectOften(false)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := allocated()
		quiet := now.total-before.total < max(now.live/quietShare, quietLeast)
		if quiet && busy {
			debug.FreeOSMemory()
			now = allocated()
		}
		if large := now.live >= largeHeap; large != (before.live >= largeHeap) {
			collectOften(large)
		}
		before, busy = now, !quiet
	}
}

// collectOften sets how often a large heap is collected, and takes that back; what whoever
// runs the program has set in the environment stands.
func collectOften(often bool) {
	switch {
	case os.Getenv("GOGC") != "":
	case often:
		debug.SetGCPercent(largePercent)
	default:
		debug.SetGCPercent(100) // the runtime's own
	}
}

// allocation is what the runtime says of the heap, in bytes.
type allocation struct {
	total uint64 // ever allocated
	live  uint64 // in use after the last collection
}

func allocated() allocation {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return allocation{samples[0].Value.Uint64(), samples[1].Value.Uint64()}
}
