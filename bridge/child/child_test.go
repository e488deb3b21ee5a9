package child

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// TestStart checks that the outcome of the start and of the end arrive, each by itself.
func TestStart(t *testing.T) {
	cmd := exec.Command("sh", "-c", "exit 3")
	DieWithParent(cmd)
	started, exited := Start(cmd)
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := <-exited; !errors.As(err, &ended) || ended.ExitCode() != 3 {
		t.Errorf("the end is told as %v", err)
	}
	started, exited = Start(exec.Command("/nowhere/at-all"))
	if err := <-started; err == nil {
		t.Error("what does not exist was started")
	}
	if err, more := <-exited; more {
		t.Errorf("what did not start ended with %v", err)
	}
}

// TestTail checks that the end of a log is kept, and all of it passed on.
func TestTail(t *testing.T) {
	var all strings.Builder
	tail := NewTail(&all)
	cmd := exec.Command("sh", "-c", "seq 1 5000; echo last >&2")
	DieWithParent(cmd)
	cmd.Stdout, cmd.Stderr = tail, tail
	if err := Run(cmd); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(all.String(), "1\n2\n") || !strings.HasSuffix(tail.String(), "4999 | 5000 | last") {
		t.Errorf("passed on: %.20q…, kept: …%q", all.String(), tail.String()[max(0, len(tail.String())-40):])
	}
	if len(tail.String()) > 3*tailSize {
		t.Errorf("%d bytes are kept", len(tail.String()))
	}
}
