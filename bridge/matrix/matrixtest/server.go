package matrixtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"papillon/bridge/child"
)

// Domain is the server name of every homeserver that this package starts.
const Domain = "hs.test"

// Options says how a homeserver is started. The zero value is a server without
// appservices and without presence, whose data is gone after Stop.
type Options struct {
	// Program is what runs. Empty means the one that [ProgramEnv] names, else
	// Dendrite.
	Program Program
	// Registrations are the files of the appservices, read once, at start.
	Registrations []string
	// Presence switches presence on. Dendrite's own default is off.
	Presence bool
	// PresenceTimeout is how long after the end of a sync somebody is offline, where
	// the homeserver has it so; 0 means its own default, 30 seconds on Synapse.
	PresenceTimeout time.Duration
	// RateLimits has the homeserver limit how fast people do things, as it does by
	// default.
	RateLimits bool
	// Persistent keeps the queues over a restart: those to the appservices,
	// and those between the homeserver's own parts. Without it, whatever
	// nobody has seen yet when the homeserver ends is lost. Synapse keeps them
	// always.
	Persistent bool
	// Dir is where the data goes; it is left behind. Empty means a temporary
	// folder that Stop removes.
	Dir string
	// Addr is the address to listen on. Empty means a free port on loopback,
	// which stays the same over Restart.
	Addr string
	// Log is told what takes long, such as building; nil drops it.
	Log io.Writer
	// ServerLog takes the homeserver's own warnings; nil drops them. What it
	// says when it does not start is part of the error.
	ServerLog io.Writer
}

// Server is a running homeserver. Its methods may be called from any goroutine,
// but Restart, Stop and Kill only one at a time.
type Server struct {
	// URL is the base URL of the client API.
	URL string
	// Traits is what the homeserver does differently from others.
	Traits

	options Options
	program program
	log     *child.Tail
	bin     string
	dir     string
	addr    string

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited <-chan error
}

// stopTimeout is how long a homeserver may take to end after SIGTERM.
const stopTimeout = 10 * time.Second

// resumeTries is how often Resume starts a homeserver that crashes at once.
const resumeTries = 5

// Start builds Dendrite if need be, starts it and returns once it
// answers. Stop must be called in the end. The context bounds the start only.
func Start(ctx context.Context, options Options) (*Server, error) {
	if options.Log == nil {
		options.Log = io.Discard
	}
	if options.ServerLog == nil {
		options.ServerLog = io.Discard
	}
	program, err := choose(options.Program)
	if err != nil {
		return nil, err
	}
	bin, err := program.install(ctx, options.Log)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Traits: program.traits(), options: options, program: program, log: child.NewTail(options.ServerLog),
		bin: bin, dir: options.Dir, addr: options.Addr,
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", strings.ToLower(program.title())+"-"); err != nil {
			return nil, fmt.Errorf("make the homeserver's folder: %w", err)
		}
	}
	if err := s.first(ctx); err != nil {
		s.removeData()
		return nil, err
	}
	return s, nil
}

// first starts a new homeserver. A free port may be taken by somebody else before
// the homeserver binds it.
func (s *Server) first(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		if s.options.Addr == "" {
			addr, err := freeAddr()
			if err != nil {
				return err
			}
			s.addr = addr
		}
		s.URL = "http://" + s.addr
		if err := s.program.configure(ctx, s); err != nil {
			return err
		}
		err := s.start(ctx)
		if err == nil || attempt == 2 || !strings.Contains(s.Log(), "in use") || s.options.Addr != "" || ctx.Err() != nil {
			return err
		}
	}
}

// Log returns the end of what the homeserver has said, in one line.
func (s *Server) Log() string { return s.log.String() }

// PID returns the process id of the running homeserver, 0 if it does not run, for
// benchmarks that measure what it uses.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// start runs the process and waits until it answers.
func (s *Server) start(ctx context.Context) error {
	cmd := s.program.command(s)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = s.log, s.log
	child.DieWithParent(cmd)
	started, exited := child.Start(cmd)
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", s.program.title(), err)
	}
	s.mu.Lock()
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()
	if err := s.awaitAnswer(ctx, exited); err != nil {
		_ = s.halt(syscall.SIGKILL)
		return fmt.Errorf("start %s: %w; its log ends with: %s", s.program.title(), err, s.Log())
	}
	return nil
}

// awaitAnswer polls the client API until it answers, the process ends or the
// context does.
func (s *Server) awaitAnswer(ctx context.Context, exited <-chan error) error {
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/_matrix/client/versions", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", ctx.Err())
		case err := <-exited:
			return fmt.Errorf("it ended at once: %w", err)
		case <-ticker.C:
		}
	}
}

// Restart stops the homeserver in good order and starts it again on the same
// address with the same data.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.halt(syscall.SIGTERM); err != nil {
		return err
	}
	return s.Resume(ctx)
}

// Halt stops the homeserver in good order and keeps its data for [Server.Resume].
func (s *Server) Halt() error { return s.halt(syscall.SIGTERM) }

// Kill ends the homeserver at once, as a power cut would, and keeps its data
// for [Server.Resume].
func (s *Server) Kill() error { return s.halt(syscall.SIGKILL) }

// Resume starts a homeserver again that was halted or killed. Dendrite v0.15.2
// may crash at once when it finds memberships in its queues, because it works on
// them before all of its parts are there; what it had in hand then waits, and
// the next start is a good one.
func (s *Server) Resume(ctx context.Context) error {
	var err error
	for range resumeTries {
		if err = s.start(ctx); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// Stop ends the homeserver and removes its temporary data.
func (s *Server) Stop() error {
	err := s.halt(syscall.SIGTERM)
	s.removeData()
	return err
}

// halt ends the process and waits for it; a homeserver that does not run is
// left alone.
func (s *Server) halt(sig syscall.Signal) error {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.cmd, s.exited = nil, nil
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	// An error means that it has ended already; the wait below tells.
	_ = cmd.Process.Signal(sig)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-exited:
		return nil
	case <-timer.C:
		_ = cmd.Process.Kill()
		<-exited
		return fmt.Errorf("stop %s: it did not end within %s and was killed", s.program.title(), stopTimeout)
	}
}

func (s *Server) removeData() {
	if s.options.Dir == "" {
		_ = os.RemoveAll(s.dir)
	}
}

// freeAddr returns a loopback address with a port that is free right now.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}
