package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// handle is the MSN account of the demo.
	handle = "alice@example.org"
	// msnPort is where real clients look for a server.
	msnPort = "127.0.0.1:1863"
	// stopTimeout is how long Papillon may take to end.
	stopTimeout = 15 * time.Second
)

// stage is everything that runs for the demo.
type stage struct {
	dir      string
	world    network
	papillon *exec.Cmd
	ended    chan error // told when Papillon ends
	msn      string     // where it listens for MSN clients
	password string     // alice's

	logMu sync.Mutex
	log   bytes.Buffer
}

// setStage starts everything. The stage it returns is to be struck even when it
// is not complete.
func setStage(ctx context.Context, binary string, world network, out *printer) (*stage, error) {
	s := &stage{world: world, ended: make(chan error, 1)}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return s, fmt.Errorf("find papillon: %w", err)
	}
	if _, err := os.Stat(binary); err != nil {
		return s, fmt.Errorf("find papillon (run make first): %w", err)
	}
	if s.dir, err = os.MkdirTemp("", "papillon-demo-"); err != nil {
		return s, fmt.Errorf("make a folder: %w", err)
	}
	if s.msn, err = msnAddr(); err != nil {
		return s, err
	}
	settings, err := world.settings()
	if err != nil {
		return s, err
	}
	env := append(append(os.Environ(), "PAPILLON_MSN_LISTEN="+s.msn), settings...)
	out.note("papillon init --domain example.org")
	if _, err := s.command(ctx, binary, env, "init", "--dir", s.dir, "--domain", "example.org"); err != nil {
		return s, err
	}
	if err := world.start(ctx, s.dir, out); err != nil {
		return s, err
	}
	out.note("papillon account add %s --name Alice", handle)
	password, err := s.command(ctx, binary, env, "account", "add", handle, "--name", "Alice")
	if err != nil {
		return s, err
	}
	s.password = strings.TrimSpace(password)
	out.note("papillon serve")
	return s, s.serve(ctx, binary, env)
}

// command runs a subcommand and returns what it prints.
func (s *stage) command(ctx context.Context, binary string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = s.dir, env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("papillon %s: %w: %s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(stdout), nil
}

// serve starts Papillon and waits until it takes MSN connections.
func (s *stage) serve(ctx context.Context, binary string, env []string) error {
	s.papillon = exec.Command(binary, "serve")
	s.papillon.Dir, s.papillon.Env = s.dir, env
	s.papillon.Stdout, s.papillon.Stderr = logWriter{s}, logWriter{s}
	s.papillon.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := s.papillon.Start(); err != nil {
		return fmt.Errorf("start papillon: %w", err)
	}
	go func() { s.ended <- s.papillon.Wait() }()
	for {
		nc, err := net.Dial("tcp", s.msn)
		if err == nil {
			return nc.Close()
		}
		select {
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("papillon ended by itself: %w\n%s", err, s.papillonLog())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// strike ends everything and removes what was written.
func (s *stage) strike() error {
	var errs []error
	if s.papillon != nil && s.papillon.Process != nil {
		errs = append(errs, s.stopPapillon())
	}
	errs = append(errs, s.world.stop())
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// stopPapillon ends Papillon as a person would, and by force if need be.
func (s *stage) stopPapillon() error {
	if err := s.papillon.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop papillon: %w", err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("papillon did not end well: %w", err)
		}
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(errors.New("papillon did not end in time"), s.papillon.Process.Kill())
	}
}

// papillonLog returns what Papillon has logged.
func (s *stage) papillonLog() string {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	return s.log.String()
}

// logWriter collects what Papillon logs.
type logWriter struct{ *stage }

// Write implements io.Writer.
func (w logWriter) Write(b []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(b)
}

// msnAddr returns the usual MSN address if it is free, else another: real
// clients find the former by themselves.
func msnAddr() (string, error) {
	ln, err := net.Listen("tcp", msnPort)
	if err == nil {
		return msnPort, ln.Close()
	}
	addrs, err := freeAddrs(1)
	if err != nil {
		return "", err
	}
	return addrs[0], nil
}

// freeAddrs returns n free addresses on loopback.
func freeAddrs(n int) (addrs []string, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer ln.Close() // all stay taken until all are known
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}
