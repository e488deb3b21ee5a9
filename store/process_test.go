package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/store"
)

// playChild is the main function of the other process. Mode is what to do, the
// database's path and the key's, on a line each.
func playChild(mode string) error {
	parts := strings.SplitN(mode, "\n", 3)
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Path: parts[1], KeyPath: parts[2], Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	switch parts[0] {
	case "open":
		return s.Close()
	case "claim":
		if err = s.Claim(); err != nil {
			return err
		}
		fmt.Println("claimed")
		select {}
	}
	for i := 0; ; i++ {
		in, _, err := s.InboxAdd(ctx, message(alice, "$"+strconv.Itoa(i)))
		if err != nil {
			return err
		}
		out, err := s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice, Network: "matrix", Order: bridge.Order{Kind: bridge.OrderSend, Text: strconv.Itoa(i)}})
		if err != nil {
			return err
		}
		serial, _, err := s.AddEntry(ctx, alice, msnp.Forward, msnp.Member{Handle: bridge.Handle(fmt.Sprintf("u%d@x.test", i))}, 0)
		if err != nil {
			return err
		}
		if _, err = fmt.Printf("%d %d %d %d\n", i, in, out, serial); err != nil {
			return err
		}
	}
}

// child makes the command of another process, which dies with this one.
func child(ctx context.Context, what string, f files) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+strings.Join([]string{what, f.path, f.key}, "\n"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	return cmd
}

// TestKilledProcessLosesNothing kills a process at some moment in the middle of
// its work. All it had reported is there.
func TestKilledProcessLosesNothing(t *testing.T) {
	for _, after := range []int{1, 25, 60} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			f := newFiles(t)
			s := f.open(t)
			must(t, s.AddAccount(t.Context(), alice, ""))
			cmd := child(t.Context(), "write", f)
			out, err := cmd.StdoutPipe()
			must(t, err)
			must(t, cmd.Start())
			var reported []string
			for lines := bufio.NewScanner(out); lines.Scan(); {
				reported = append(reported, lines.Text())
				if len(reported) == after {
					must(t, cmd.Process.Kill())
				}
			}
			if err = cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the other process ended by itself: %v", err)
			}
			checkReported(t, f.open(t), reported, after)
		})
	}
}

// TestClaim: one store serves a database at a time, in whatever process, and the
// claim of a process that was killed is gone with it, and under whatever name. Others may
// open it.
func TestClaim(t *testing.T) {
	f := newFiles(t)
	s := f.open(t)
	wantEqual(t, "served before", get(s.Served())(t), false)
	cmd := child(t.Context(), "claim", f)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "claimed\n" {
		t.Fatalf("the other process says %q: %v", line, err)
	}
	wantErr(t, s.Claim(), store.ErrClaimed)
	wantEqual(t, "served by the other", get(s.Served())(t), true)
	must(t, cmd.Process.Kill())
	if err = cmd.Wait(); err == nil {
		t.Fatal("the other process ended by itself")
	}

	wantEqual(t, "served after its end", get(s.Served())(t), false)
	must(t, s.Claim())
	wantEqual(t, "served by this", get(s.Served())(t), true)
	other, err := store.Open(t.Context(), f.options(t))
	must(t, err)
	wantErr(t, other.Claim(), store.ErrClaimed)
	must(t, s.Close())
	must(t, other.Claim())

	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(f.path, link))
	f.path = link
	wantErr(t, f.open(t).Claim(), store.ErrClaimed) // which is the same database
	must(t, other.Close())
}

func checkReported(t *testing.T, s *store.Store, reported []string, atLeast int) {
	if len(reported) < atLeast {
		t.Fatalf("%d were reported, want %d", len(reported), atLeast)
	}
	inbox := get(s.InboxOf(t.Context(), alice))(t)
	outbox := get(s.OutboxOf(t.Context(), alice, "matrix"))(t)
	entries := get(s.Lists(t.Context(), alice))(t)[msnp.Forward]
	for n, line := range reported {
		var i int
		var in, out int64
		var serial uint32
		if _, err := fmt.Sscan(line, &i, &in, &out, &serial); err != nil || i != n {
			t.Fatalf("report %d is %q: %v", n, line, err)
		}
		if n >= len(inbox) || inbox[n].ID != in || inbox[n].Message.ID != "$"+strconv.Itoa(i) {
			t.Fatalf("message %d is lost", in)
		}
		if n >= len(outbox) || outbox[n].ID != out || outbox[n].Order.Text != strconv.Itoa(i) {
			t.Fatalf("order %d is lost", out)
		}
		if n >= len(entries) || entries[n].Handle != bridge.Handle(fmt.Sprintf("u%d@x.test", i)) {
			t.Fatalf("entry %d is lost", i)
		}
		if got := serialOf(t, s, alice); got < serial {
			t.Fatalf("serial is %d, %d was reported", got, serial)
		}
		if fresh := func() bool { _, fresh := addMessage(t, s, message(alice, "$"+strconv.Itoa(i))); return fresh }(); fresh {
			t.Fatalf("message %d would be taken twice", in)
		}
	}
}

// TestProcessesMakeOneDatabase lets several processes meet on a file that is not
// there yet.
func TestProcessesMakeOneDatabase(t *testing.T) {
	t.Parallel()
	for range 3 {
		f := newFiles(t)
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if out, err := child(t.Context(), "open", f).Output(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
		all.Wait()
		f.open(t)
	}
}

// TestTwoStoresWriteAtOnce has two stores on one file, as a running gateway and
// the command line, and many goroutines in each.
func TestTwoStoresWriteAtOnce(t *testing.T) {
	f := newFiles(t)
	stores := []*store.Store{f.open(t), f.open(t)}
	ctx := t.Context()
	must(t, stores[0].AddAccount(ctx, alice, ""))
	must(t, stores[0].AddAccount(ctx, bob, ""))
	const goroutines, rounds = 4, 15
	var all sync.WaitGroup
	for n, s := range stores {
		for g := range goroutines {
			all.Go(func() {
				for i := range rounds {
					if err := writeSome(ctx, s, fmt.Sprintf("%d-%d-%d", n, g, i)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()

	const total = 2 * goroutines * rounds
	s := stores[0]
	wantEqual(t, "messages", len(get(s.InboxOf(ctx, alice))(t)), total)
	wantEqual(t, "orders", len(get(s.OutboxOf(ctx, alice, "matrix"))(t)), 0)
	wantEqual(t, "entries", len(get(s.Lists(ctx, alice))(t)[msnp.Forward]), total)
	// One for each entry, one for each of the names; none was lost.
	wantEqual(t, "serial", serialOf(t, s, alice), uint32(1+2*total))
	wantEqual(t, "accounts", count(t, s, "account"), 2+total)
}

func writeSome(ctx context.Context, s *store.Store, mark string) error {
	_, fresh, err := s.InboxAdd(ctx, message(alice, mark))
	if err == nil && !fresh {
		err = errors.New("a new message is not fresh")
	}
	id, outErr := s.OutboxAdd(ctx, bridge.OutboxEntry{Account: alice, Network: "matrix"})
	_, _, addErr := s.AddEntry(ctx, alice, msnp.Forward, msnp.Member{Handle: bridge.Handle(mark + "@x.test")}, 0)
	_, nameErr := s.SetAccountName(ctx, alice, mark)
	_, listErr := s.Lists(ctx, alice)
	return errors.Join(err, outErr, addErr, nameErr, listErr,
		s.AddAccount(ctx, bridge.Handle(mark+"@example.org"), ""),
		s.AddContact(ctx, bridge.ContactRecord{Handle: bridge.Handle(mark + "@x.test"), Network: "matrix", ID: bridge.RemoteID(mark)}),
		s.OutboxDone(ctx, id))
}

// One message that comes over two ways at once is fresh once.
func TestMessageIsFreshOnce(t *testing.T) {
	f := newFiles(t)
	stores := []*store.Store{f.open(t), f.open(t)}
	must(t, stores[0].AddAccount(t.Context(), alice, ""))
	results := make(chan bool, 8)
	var all sync.WaitGroup
	for i := range cap(results) {
		all.Go(func() {
			_, fresh, err := stores[i%2].InboxAdd(t.Context(), message(alice, "$same"))
			if err != nil {
				t.Error(err)
			}
			results <- fresh
		})
	}
	all.Wait()
	close(results)
	n := 0
	for fresh := range results {
		if fresh {
			n++
		}
	}
	wantEqual(t, "times fresh", n, 1)
	wantEqual(t, "messages", len(get(stores[1].InboxOf(t.Context(), alice))(t)), 1)
}

// A writer that waits for its turn gives up with its context.
func TestWriterHonoursContext(t *testing.T) {
	s := newStoreWith(t, alice)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"one statement":  func() error { return s.OutboxDone(ctx, 1) },
		"with returning": func() error { _, err := s.SetAccountName(ctx, alice, "x"); return err },
		"transaction":    func() error { return s.RemoveAccount(ctx, alice) },
		"read":           func() error { _, err := s.Lists(ctx, alice); return err },
	} {
		t.Run(name, func(t *testing.T) { wantErr(t, call(), context.Canceled) })
	}
	wantEqual(t, "name", get(s.Account(t.Context(), alice))(t).Name, string(alice))
}
