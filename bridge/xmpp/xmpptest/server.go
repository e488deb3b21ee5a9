package xmpptest

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"papillon/bridge/child"
)

// Kind is a server program.
type Kind string

// The kinds of server.
const (
	Prosody  Kind = "prosody"
	Ejabberd Kind = "ejabberd"
)

// Kinds returns every kind of server, for suites that run against all of them.
func Kinds() []Kind { return []Kind{Prosody, Ejabberd} }

// installLine is what an error says when a server program is missing.
const installLine = "apt-get install prosody prosody-modules ejabberd (Debian starts them as services, which nothing here needs)"

// Options says how a server is started. The zero value is a Prosody whose data
// is gone after Stop.
type Options struct {
	// Kind is the server program. Empty means Prosody.
	Kind Kind
	// Domain is what the server serves. Empty means pro.test for Prosody and
	// ej.test for ejabberd.
	Domain string
	// ComponentDomain is the name that an external component may take. Empty
	// means msn.<Domain>.
	ComponentDomain string
	// Secret is what the component authenticates with. Empty means a fixed one.
	Secret string
	// Dir is where the data goes; it must exist and be within reach of an
	// ordinary user; it is left behind. Empty means a temporary folder that
	// Stop removes.
	Dir string
	// NoArchive switches the message archive (XEP-0313) off, whose default
	// stores get slow with size: for load tests.
	NoArchive bool
	// NoNewRooms has nobody make rooms.
	NoNewRooms bool
	// CertificateDomain is the name in the certificate, for tests of a wrong
	// one. Empty means Domain.
	CertificateDomain string
	// CertificateExpired makes the certificate one that has expired.
	CertificateExpired bool
	// Log takes the server's own log; nil drops it. What the server says when
	// it does not start is part of the error.
	Log io.Writer

	federation *federation // nil means a server that knows no other
}

// Server is a running server. Its methods may be called from any goroutine, but
// those that start and end it only one at a time.
type Server struct {
	Kind            Kind
	Domain          string // what it serves
	ComponentDomain string // what a component may be
	Secret          string // the component's
	MUCDomain       string // its group chat service (XEP-0045)
	UploadDomain    string // its upload service (XEP-0363)

	// The addresses, host:port on loopback. They stay the same over Restart
	// and Resume.
	ClientAddress    string // c2s with STARTTLS, which is required
	DirectTLSAddress string // c2s with TLS from the first byte
	ComponentAddress string // external components (XEP-0114), plain TCP
	HTTPAddress      string // uploads, plain HTTP

	RootCAs *x509.CertPool // what its certificate is to be verified with
	CAFile  string         // the same, as a PEM file

	options Options
	program program
	dir     string

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited <-chan error
	frozen bool
}

// program is what differs between the kinds of server.
type program interface {
	// configure writes the configuration into the server's folder.
	configure(s *Server) error
	// command returns the command that runs the server in the foreground.
	command(s *Server) (*exec.Cmd, error)
	// ready tells whether a server whose ports answer is fit for use.
	ready(ctx context.Context, s *Server) error
	register(ctx context.Context, s *Server, name, password string) error
	setPassword(ctx context.Context, s *Server, name, password string) error
	remove(ctx context.Context, s *Server, name string) error
	seedRoster(ctx context.Context, s *Server, name string, contacts []Contact) error
	// settle waits until what the server has been told stands on disk.
	settle(ctx context.Context, s *Server) error
}

// programs has what is particular to each kind, and its default domain.
func programs(kind Kind) (program, string, error) {
	switch kind {
	case Prosody, "":
		return prosody{}, "pro.test", nil
	case Ejabberd:
		return ejabberd{}, "ej.test", nil
	}
	return nil, "", fmt.Errorf("start an XMPP server: there is no kind %q", kind)
}

const (
	// stopTimeout is how long a server may take to end after SIGTERM. ejabberd
	// needs two to three seconds.
	stopTimeout = 20 * time.Second
	// pollInterval is how often a starting server is asked whether it is there.
	pollInterval = 20 * time.Millisecond
	// readyTimeout is how long one such question may take.
	readyTimeout = 2 * time.Second
)

// Start starts a server and returns once it takes clients and components. Stop
// must be called in the end. The context bounds the start only. The error names
// the packages to install if the program is missing.
func Start(ctx context.Context, options Options) (*Server, error) {
	if options.Log == nil {
		options.Log = io.Discard
	}
	s, err := newServer(options)
	if err != nil {
		return nil, err
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "xmpptest-"); err != nil {
			return nil, fmt.Errorf("make the server's folder: %w", err)
		}
	}
	// A free port may be taken by somebody else before the server binds it.
	for attempt := 0; ; attempt++ {
		if err = s.prepare(); err == nil {
			err = s.start(ctx)
		}
		if err == nil {
			return s, nil
		}
		if attempt == 2 || ctx.Err() != nil || errors.Is(err, exec.ErrNotFound) {
			s.removeData()
			return nil, err
		}
	}
}

// newServer fills in what the options leave to their defaults.
func newServer(options Options) (*Server, error) {
	program, domain, err := programs(options.Kind)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Kind: options.Kind, Domain: options.Domain, ComponentDomain: options.ComponentDomain, Secret: options.Secret,
		options: options, program: program, dir: options.Dir,
	}
	if s.Kind == "" {
		s.Kind = Prosody
	}
	if s.Domain == "" {
		s.Domain = domain
	}
	if s.ComponentDomain == "" {
		s.ComponentDomain = "msn." + s.Domain
	}
	if s.Secret == "" {
		s.Secret = "papillon-test"
	}
	s.MUCDomain, s.UploadDomain = "conference."+s.Domain, "upload."+s.Domain
	return s, nil
}

// prepare chooses the ports and writes certificate and configuration.
func (s *Server) prepare() error {
	if err := hand(s.dir); err != nil {
		return fmt.Errorf("hand the server its folder: %w", err)
	}
	for _, address := range []*string{&s.ClientAddress, &s.DirectTLSAddress, &s.ComponentAddress, &s.HTTPAddress} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("find a free port: %w", err)
		}
		defer ln.Close() // all stay taken until all are known
		*address = ln.Addr().String()
	}
	if err := s.makeCertificate(); err != nil {
		return err
	}
	return s.program.configure(s)
}

// write writes a file into the server's folder, readable by the server.
func (s *Server) write(name string, content []byte) error {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return fmt.Errorf("write %s for the server: %w", name, err)
	}
	if err := hand(path); err != nil {
		return fmt.Errorf("hand the server %s: %w", name, err)
	}
	return nil
}

// start runs the process and waits until it is ready.
func (s *Server) start(ctx context.Context) error {
	cmd, err := s.program.command(s)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.Kind, err)
	}
	log := child.NewTail(s.options.Log)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	prepare(cmd)
	started, exited := child.Start(cmd)
	if err := <-started; err != nil {
		return fmt.Errorf("start %s in %s, which it must be able to enter: %w", s.Kind, s.dir, err)
	}
	s.mu.Lock()
	s.cmd, s.exited, s.frozen = cmd, exited, false
	s.mu.Unlock()
	if err := s.awaitReady(ctx, exited); err != nil {
		_ = s.halt(syscall.SIGKILL)
		return fmt.Errorf("start %s: %w; its log ends with: %s", s.Kind, err, log)
	}
	return nil
}

// awaitReady polls until every port answers and the program says it is ready,
// the process ends or the context does.
func (s *Server) awaitReady(ctx context.Context, exited <-chan error) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := s.listens(ctx)
		if err == nil {
			// A question that comes while a server starts may never be answered.
			asking, cancel := context.WithTimeout(ctx, readyTimeout)
			err = s.program.ready(asking, s)
			cancel()
			if err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is not ready (%w): %w", err, ctx.Err())
		case err := <-exited:
			return fmt.Errorf("it ended at once: %w", err)
		case <-ticker.C:
		}
	}
}

// listens tells whether all ports answer.
func (s *Server) listens(ctx context.Context) error {
	for _, address := range []string{s.ClientAddress, s.DirectTLSAddress, s.ComponentAddress, s.HTTPAddress} {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		_ = conn.Close()
	}
	return nil
}

func (s *Server) removeData() {
	if s.options.Dir == "" {
		_ = os.RemoveAll(s.dir)
	}
}

// port returns the port of an address that prepare has chosen.
func port(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err) // prepare took it from a listener
	}
	return port
}
