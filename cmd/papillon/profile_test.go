package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestProfiles: serve's hidden flag leaves profiles.
func TestProfiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "profiles")
	stop, err := startProfiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for ctx := t.Context(); ; {
		// Written last, and whole before stop returns.
		if _, err := os.Stat(filepath.Join(dir, "goroutine.pprof")); err == nil {
			break
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("no profile is written")
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cpu", "heap", "goroutine"} {
		if info, err := os.Stat(filepath.Join(dir, name+".pprof")); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
