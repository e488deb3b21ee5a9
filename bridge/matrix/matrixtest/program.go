package matrixtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// Program is a homeserver program that this package can run.
type Program string

// The programs.
const (
	// Dendrite is the program unless another one is asked for.
	Dendrite Program = "dendrite"
	// Synapse runs from the virtual environment that tools/synapse/install makes.
	Synapse Program = "synapse"
)

// ProgramEnv is the environment variable that names the [Program] of servers whose
// [Options] leave it open, so that one suite runs with each of them.
const ProgramEnv = "PAPILLON_TEST_HOMESERVER"

// Traits is what homeservers do differently and a test has to know. What a test can
// find out by itself is no trait. docs/matrix.md lists what people notice of them.
type Traits struct {
	// PushesEphemeral: typing, receipts and presence come to appservices in
	// transactions.
	PushesEphemeral bool
	// TellsStrangers: somebody's presence is told to people who share no room with
	// him.
	TellsStrangers bool
	// ChecksContent: messages whose body is no text, edits of what the room has
	// never seen, device keys that are none, and numbers out of range in messages to
	// devices are refused when they are sent.
	ChecksContent bool
	// LastWordCounts: somebody's presence is what one of his clients said last, and not
	// what all of them say together.
	LastWordCounts bool
}

// program runs one kind of homeserver.
type program interface {
	// title is what people call it.
	title() string
	traits() Traits
	// install makes sure that the program is there and returns its folder.
	install(ctx context.Context, log io.Writer) (bin string, err error)
	// configure writes into the data folder what the program needs to run there;
	// what is there already and does not depend on the options is kept.
	configure(ctx context.Context, s *Server) error
	// command is what runs it. Its working directory is the data folder.
	command(s *Server) *exec.Cmd
}

// choose returns what runs a program; empty means the one that the environment
// names.
func choose(p Program) (program, error) {
	if p == "" {
		p = Program(os.Getenv(ProgramEnv))
	}
	switch p {
	case "", Dendrite:
		return dendrite{}, nil
	case Synapse:
		return synapse{}, nil
	}
	return nil, fmt.Errorf("choose the homeserver: %q is not known: use %s=%s or %s", p, ProgramEnv, Dendrite, Synapse)
}
