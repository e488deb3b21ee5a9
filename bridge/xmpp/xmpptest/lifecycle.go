package xmpptest

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// Restart stops the server in good order and starts it again on the same
// addresses with the same data.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.halt(syscall.SIGTERM); err != nil {
		return err
	}
	return s.Resume(ctx)
}

// Halt stops the server in good order and keeps its data for [Server.Resume].
func (s *Server) Halt() error { return s.halt(syscall.SIGTERM) }

// Kill ends the server at once, as a power cut would, and keeps its data for
// [Server.Resume]: what stood on disk, see [Server.Settle].
func (s *Server) Kill() error { return s.halt(syscall.SIGKILL) }

// Settle waits until everything that the server was told stands on disk, so that
// [Server.Kill] cannot take it. ejabberd writes every two seconds: an account
// that it has just made is gone after a kill.
func (s *Server) Settle(ctx context.Context) error {
	if err := s.program.settle(ctx, s); err != nil {
		return fmt.Errorf("wait until %s has written everything: %w", s.Kind, err)
	}
	return nil
}

// Resume starts a server again that was halted or killed. A server that runs
// is left alone.
func (s *Server) Resume(ctx context.Context) error {
	s.mu.Lock()
	running := s.cmd != nil
	s.mu.Unlock()
	if running {
		return nil
	}
	return s.start(ctx)
}

// Stop ends the server and removes its temporary data.
func (s *Server) Stop() error {
	err := s.halt(syscall.SIGTERM)
	s.removeData()
	return err
}

// Freeze stops the server's process where it stands: its connections stay open
// and the kernel takes what is sent to it, but nothing answers. Halt, Kill and
// Stop work on a frozen server.
func (s *Server) Freeze() error { return s.freeze(true) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() error { return s.freeze(false) }

func (s *Server) freeze(frozen bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return fmt.Errorf("freeze %s: it does not run", s.Kind)
	}
	sig := syscall.SIGCONT
	if frozen {
		sig = syscall.SIGSTOP
	}
	if err := syscall.Kill(-s.cmd.Process.Pid, sig); err != nil {
		return fmt.Errorf("freeze %s: %w", s.Kind, err)
	}
	s.frozen = frozen
	return nil
}

// PID returns the process id of the running server, 0 if it does not run, for
// benchmarks that measure its memory.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// halt ends the process and waits for it; a server that does not run is left
// alone. What it has started itself is ended with it.
func (s *Server) halt(sig syscall.Signal) error {
	s.mu.Lock()
	cmd, exited, frozen := s.cmd, s.exited, s.frozen
	s.cmd, s.exited, s.frozen = nil, nil, false
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	group := -cmd.Process.Pid
	// An error means that it has ended already; the wait below tells.
	_ = cmd.Process.Signal(sig)
	if frozen {
		_ = syscall.Kill(group, syscall.SIGCONT)
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-exited:
		_ = syscall.Kill(group, syscall.SIGKILL)
		return nil
	case <-timer.C:
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-exited
		return fmt.Errorf("stop %s: it did not end within %s and was killed", s.Kind, stopTimeout)
	}
}
