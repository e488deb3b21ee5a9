package main

import (
	"context"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

// TestReturnMemory: after a busy time the memory goes back to the system.
func TestReturnMemory(t *testing.T) {
	const size = 64 << 20
	released := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/released:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- returnMemory(ctx) }()
		time.Sleep(memoryPoll / 2)
		taken := make([]byte, size)
		for i := range taken {
			taken[i] = byte(i)
		}
		before := released()
		time.Sleep(memoryPoll) // it has been busy
		time.Sleep(memoryPoll) // it was quiet
		if after := released(); after < before+size/2 {
			t.Errorf("%d MiB have gone back to the system, want %d", (int64(after)-int64(before))>>20, size>>20)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
