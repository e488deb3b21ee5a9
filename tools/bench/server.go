package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/store"
)

// The names of the servers in the table.
const (
	papillonName = "papillon"
	floorName    = "floor"
)

// password is everybody's.
const password = "benchmark"

// server is a server under load, a process of its own.
type server struct {
	name string
	addr string
	cmd  *exec.Cmd
	dir  string
	// profile is the folder into which it writes profiles; "" for none.
	profile string
}

// population says who there is: users in groups, in which each has all others on
// FL, AL and RL. In a star the first of a group has all others, and they have him.
type population struct {
	users, group int
	star         bool
}

// contacts are those of user i.
func (p population) contacts(i int) (all []int) {
	first := i - i%p.group
	for j := first; j < min(first+p.group, p.users); j++ {
		if i != j && (!p.star || i == first || j == first) {
			all = append(all, j)
		}
	}
	return all
}

// handle names user i.
func handle(i int) string { return fmt.Sprintf("user%05d@bench.test", i) }

// startBoth starts the floor and Papillon with the same people; stop ends those
// that run, and is never nil.
func startBoth(ctx context.Context, o options, p population) (servers []*server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.stop()
		}
	}
	floor, err := startFloor(ctx, p)
	if err != nil {
		return nil, stop, err
	}
	servers = append(servers, floor)
	s, err := startPapillon(ctx, o, p, nil)
	if err != nil {
		return nil, stop, err
	}
	servers = append(servers, s)
	return servers, stop, nil
}

// startFloor starts the floor out of this very program.
func startFloor(ctx context.Context, p population) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-floor")
	cmd.Env = append(os.Environ(), fmt.Sprintf("FLOOR_PEOPLE=%d %d %v", p.users, p.group, p.star))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{name: floorName, cmd: cmd}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	s.addr = strings.TrimSpace(line)
	return s, nil
}

// startPapillon starts Papillon on a fresh database; prepare may change it
// before, and adds to the environment.
func startPapillon(ctx context.Context, o options, p population, prepare func(dir string, db *store.Store) ([]string, error)) (s *server, err error) {
	dir, err := os.MkdirTemp("", "papillon-bench-")
	if err != nil {
		return nil, err
	}
	s = &server{name: papillonName, dir: dir, profile: o.profile}
	defer func() {
		if err != nil {
			s.stop()
			s = nil
		}
	}()
	program, err := filepath.Abs(o.papillon)
	if err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, program, "init", "--dir", dir, "--domain", "bench.test").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("papillon init: %w: %s", err, out)
	}
	extra, err := s.fill(ctx, p, prepare)
	if err != nil {
		return nil, err
	}
	if s.addr, err = freeAddress(); err != nil {
		return nil, err
	}
	args := []string{"serve", "-c", filepath.Join(dir, "config.yaml")}
	if o.profile != "" {
		args = append(args, "--profile", o.profile)
	}
	s.cmd = exec.CommandContext(ctx, program, args...)
	s.cmd.Env = append(append(os.Environ(),
		"PAPILLON_MSN_LISTEN="+s.addr, "PAPILLON_LOG_LEVEL=warn",
		"PAPILLON_LIMITS_CONNECTIONS_PER_ADDRESS=0", "PAPILLON_LIMITS_SIGN_INS_PER_MINUTE=0", "PAPILLON_LIMITS_COMMANDS_PER_SECOND=0",
	), extra...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.cmd.Stdout, s.cmd.Stderr = os.Stderr, os.Stderr
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	return s, s.awaitListener(ctx)
}

// fill makes the accounts and their lists.
func (s *server) fill(ctx context.Context, p population, prepare func(string, *store.Store) ([]string, error)) (extra []string, err error) {
	db, err := store.Open(ctx, store.Options{
		Path: filepath.Join(s.dir, "papillon.db"), KeyPath: filepath.Join(s.dir, "papillon.key"), Log: zerolog.Nop(),
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.Atomically(ctx, func(ctx context.Context) error {
		for i := range p.users {
			h := bridge.Handle(handle(i))
			if err := db.AddAccount(ctx, h, "User "+strconv.Itoa(i)); err != nil {
				return err
			}
			if _, err := db.AddPassword(ctx, h, "bench", password); err != nil {
				return err
			}
		}
		return befriend(ctx, db, p)
	})
	if err == nil && prepare != nil {
		extra, err = prepare(s.dir, db)
	}
	return extra, err
}

// befriend puts everybody of a group on each other's lists.
func befriend(ctx context.Context, db *store.Store, p population) error {
	for i := range p.users {
		for _, j := range p.contacts(i) {
			friend := msnp.Member{Handle: bridge.Handle(handle(j)), Name: "User " + strconv.Itoa(j)}
			for _, list := range [...]msnp.List{msnp.Forward, msnp.Allow} {
				if _, _, err := db.AddEntry(ctx, bridge.Handle(handle(i)), list, friend, 0); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// freeAddress finds a port that nobody listens on.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// awaitListener waits until the server takes connections.
func (s *server) awaitListener(ctx context.Context) error {
	for {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w", s.name, err)
		case <-time.After(20 * time.Millisecond):
		}
		if err := s.cmd.Process.Signal(syscall.Signal(0)); err != nil {
			return fmt.Errorf("%s has ended: %w", s.name, err)
		}
	}
}

// stop ends the process, if it runs, and removes its folder. One that writes
// profiles is given the time to.
func (s *server) stop() {
	if s.cmd != nil && s.cmd.Process != nil {
		end := syscall.SIGKILL // nothing of it is needed any more
		if s.profile != "" {
			end = syscall.SIGTERM
		}
		_ = s.cmd.Process.Signal(end) // may have ended by itself
		_ = s.cmd.Wait()
	}
	if s.dir != "" {
		if err := os.RemoveAll(s.dir); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// profileNow has the server write its profile of memory, if it writes profiles,
// and waits until it has.
func (s *server) profileNow() error {
	if s.profile == "" {
		return nil
	}
	last := filepath.Join(s.profile, "goroutine.pprof")
	if err := os.Remove(last); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	for range 500 {
		if _, err := os.Stat(last); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("the server wrote no profile")
}

// clockTick is the unit of /proc/PID/stat on Linux.
const clockTick = 10 * time.Millisecond

// cpu is the processor time that the server has used.
func (s *server) cpu() (time.Duration, error) { return cpuOf(s.cmd.Process.Pid) }

// cpuOf is the processor time that a process has used.
func cpuOf(pid int) (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick, nil
}

// memory is the server's resident memory in bytes.
func (s *server) memory() (int64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS in the status of the process")
}
