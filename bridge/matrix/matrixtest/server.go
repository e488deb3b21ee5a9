package matrixtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Domain is the server name of every homeserver that this package starts.
const Domain = "hs.test"

// Options says how a homeserver is started. The zero value is a server without
// appservices and without presence, whose data is gone after Stop.
type Options struct {
	// Registrations are the files of the appservices, read once, at start.
	Registrations []string
	// Presence switches presence on. Dendrite's own default is off.
	Presence bool
	// Persistent keeps the queues over a restart: those to the appservices,
	// and those between the homeserver's own parts. Without it, whatever
	// nobody has seen yet when the homeserver ends is lost.
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

	options Options
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

// Start builds the homeserver if need be, starts it and returns once it
// answers. Stop must be called in the end. The context bounds the start only.
func Start(ctx context.Context, options Options) (*Server, error) {
	if options.Log == nil {
		options.Log = io.Discard
	}
	if options.ServerLog == nil {
		options.ServerLog = io.Discard
	}
	bin, err := Build(ctx, options.Log)
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, bin: bin, dir: options.Dir, addr: options.Addr}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "dendrite-"); err != nil {
			return nil, fmt.Errorf("make the homeserver's folder: %w", err)
		}
	}
	if err := s.prepare(ctx); err != nil {
		s.removeData()
		return nil, err
	}
	// A free port may be taken by somebody else before Dendrite binds it.
	for attempt := 0; ; attempt++ {
		if err = s.start(ctx); err == nil {
			return s, nil
		}
		if attempt == 2 || options.Addr != "" || ctx.Err() != nil {
			s.removeData()
			return nil, err
		}
		if s.addr, err = freeAddr(); err != nil {
			return nil, err
		}
		s.URL = "http://" + s.addr
	}
}

// prepare writes the configuration and the signing key.
func (s *Server) prepare(ctx context.Context) error {
	if s.addr == "" {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		s.addr = addr
	}
	s.URL = "http://" + s.addr
	config, err := renderConfig(s.options)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "dendrite.yaml"), config, 0o600); err != nil {
		return fmt.Errorf("write the homeserver's configuration: %w", err)
	}
	key := filepath.Join(s.dir, "matrix_key.pem")
	if _, err := os.Stat(key); err == nil {
		return nil
	}
	out, err := exec.CommandContext(ctx, filepath.Join(s.bin, "generate-keys"), "--private-key", key).CombinedOutput()
	if err != nil {
		return fmt.Errorf("make the homeserver's key: %w: %s", err, out)
	}
	return nil
}

// start runs the process and waits until it answers.
func (s *Server) start(ctx context.Context) error {
	cmd := exec.Command(filepath.Join(s.bin, "dendrite"), "--config", "dendrite.yaml", "--http-bind-address", s.addr)
	cmd.Dir = s.dir
	log := &tail{to: s.options.ServerLog}
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)
	started, exited := startLocked(cmd)
	if err := <-started; err != nil {
		return fmt.Errorf("start Dendrite: %w", err)
	}
	s.mu.Lock()
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()
	if err := s.awaitAnswer(ctx, exited); err != nil {
		_ = s.halt(syscall.SIGKILL)
		return fmt.Errorf("start Dendrite: %w; its log ends with: %s", err, log.text())
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
		return fmt.Errorf("stop Dendrite: it did not end within %s and was killed", stopTimeout)
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
