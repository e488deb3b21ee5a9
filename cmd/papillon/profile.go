package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
)

// startProfiles has the running server write profiles into a folder, for go tool
// pprof: cpu.pprof over its whole life, and at each SIGUSR1 heap.pprof and
// goroutine.pprof as things stand. There is no listener for them: profiles show
// what is in memory. Stop ends it.
func startProfiles(dir string) (stop func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder for profiles: %w", err)
	}
	cpu, err := os.OpenFile(filepath.Join(dir, "cpu.pprof"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write a profile: %w", err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, errors.Join(fmt.Errorf("write a profile: %w", err), cpu.Close())
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	written := make(chan error, 1)
	go func() {
		var failed error
		for range signals {
			runtime.GC() // the heap's is that of the last collection
			failed = errors.Join(failed, writeProfile(dir, "heap"), writeProfile(dir, "goroutine"))
		}
		written <- failed
	}()
	return func() error {
		signal.Stop(signals)
		close(signals)
		pprof.StopCPUProfile()
		return errors.Join(<-written, cpu.Close())
	}, nil
}

// writeProfile writes one of the runtime's profiles, as text: that of the heap
// has the runtime's own account of its memory at its end.
func writeProfile(dir, name string) error {
	file, err := os.OpenFile(filepath.Join(dir, name+".pprof"), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write a profile: %w", err)
	}
	return errors.Join(pprof.Lookup(name).WriteTo(file, 1), file.Close())
}
