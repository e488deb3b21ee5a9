package xmpptest

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"papillon/bridge/child"
)

//go:embed peer.py
var peerScript string

// python is Debian's interpreter, which knows Debian's slixmpp.
const python = "/usr/bin/python3"

// peerInstallLine is what an error says when the client library is missing.
const peerInstallLine = "apt-get install python3-slixmpp"

// interpreter is a process that runs peer.py for one or more peers.
type interpreter struct {
	log   *child.Tail
	stdin io.WriteCloser
	ended chan struct{} // closed when the process has ended and all is read

	writing sync.Mutex // held over a line to stdin

	mu     sync.Mutex
	peers  map[int]*Peer
	calls  map[int]chan reply
	last   int  // the number last given to a peer or call
	closed bool // by the last peer
}

// reply is a line from peer.py: an answer, an event, or how the start went.
type reply struct {
	Re    int              `json:"re"`
	OK    *string          `json:"ok"`
	Error *json.RawMessage `json:"error"`

	Who   int    `json:"who"`
	Event string `json:"event"`
	XML   string `json:"xml"`

	Ready string `json:"ready"`
	Fatal string `json:"fatal"`
}

// startInterpreter starts the process and waits until it takes commands.
func startInterpreter(ctx context.Context) (*interpreter, error) {
	if _, err := os.Stat(python); err != nil {
		return nil, fmt.Errorf("start a client: %w: install it: %s", err, peerInstallLine)
	}
	in := &interpreter{
		log: child.NewTail(io.Discard), ended: make(chan struct{}),
		peers: make(map[int]*Peer), calls: make(map[int]chan reply),
	}
	cmd := exec.Command(python, "-I", "-B", "-c", peerScript)
	cmd.Dir, cmd.Stderr = "/", in.log
	prepare(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start a client: %w", err)
	}
	in.stdin = stdin
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a client: %w", err)
	}
	cmd.Stdout = write
	started, exited := child.Start(cmd)
	err = <-started
	_ = write.Close()
	if err != nil {
		_ = read.Close()
		return nil, fmt.Errorf("start a client: %w", err)
	}
	first := make(chan reply, 1)
	go in.read(read, first, exited)
	select {
	case r := <-first:
		if r.Ready == "" {
			return nil, fmt.Errorf("start a client: %s: install it: %s", r.Fatal, peerInstallLine)
		}
		return in, nil
	case <-in.ended:
		return nil, fmt.Errorf("start a client: it ended at once; it says: %s", in.log.String())
	case <-ctx.Done():
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		return nil, fmt.Errorf("start a client: %w", ctx.Err())
	}
}

// read hands out what the process says until it ends.
func (in *interpreter) read(from io.ReadCloser, first chan<- reply, exited <-chan error) {
	defer close(in.ended)
	defer from.Close()
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			<-exited
			return
		}
		var r reply
		if err := json.Unmarshal(line, &r); err != nil {
			_, _ = in.log.Write(line) // a library has printed something
			continue
		}
		switch {
		case r.Ready != "" || r.Fatal != "":
			first <- r
		case r.Event != "":
			in.mu.Lock()
			p := in.peers[r.Who]
			in.mu.Unlock()
			if p != nil {
				p.file(r)
			}
		default:
			in.mu.Lock()
			answer := in.calls[r.Re]
			delete(in.calls, r.Re)
			in.mu.Unlock()
			if answer != nil {
				answer <- r
			}
		}
	}
}

// number gives out a number that no peer and no call has.
func (in *interpreter) number() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.last++
	return in.last
}

// call tells the process to do something and returns what that results in.
func (in *interpreter) call(ctx context.Context, do string, args map[string]any) (string, error) {
	re := in.number()
	line, err := json.Marshal(map[string]any{"re": re, "do": do, "args": args})
	if err != nil {
		return "", fmt.Errorf("encode a command: %w", err)
	}
	answer := make(chan reply, 1)
	in.mu.Lock()
	in.calls[re] = answer
	in.mu.Unlock()
	in.writing.Lock()
	_, err = in.stdin.Write(append(line, '\n'))
	in.writing.Unlock()
	if err != nil {
		return "", fmt.Errorf("tell the client: %w; it says: %s", err, in.log.String())
	}
	select {
	case r := <-answer:
		if r.Error != nil {
			stanza := &StanzaError{}
			if err := json.Unmarshal(*r.Error, stanza); err != nil {
				return "", fmt.Errorf("read an error of the client: %w", err)
			}
			return "", stanza
		}
		if r.OK == nil {
			return "", nil
		}
		return *r.OK, nil
	case <-in.ended:
		return "", fmt.Errorf("the client has ended; it says: %s", in.log.String())
	case <-ctx.Done():
		in.mu.Lock()
		delete(in.calls, re)
		in.mu.Unlock()
		return "", ctx.Err()
	}
}

// leave forgets a peer, and ends the process after the last one.
func (in *interpreter) leave(who int) error {
	in.mu.Lock()
	delete(in.peers, who)
	last := len(in.peers) == 0 && !in.closed
	in.closed = in.closed || last
	in.mu.Unlock()
	if !last {
		return nil
	}
	if err := in.stdin.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("end a client: %w", err)
	}
	<-in.ended
	return nil
}

// StanzaError is how a query of a [Peer] was refused (RFC 6120 §8.3).
type StanzaError struct {
	Type      string `json:"type"`      // cancel, modify, auth, wait
	Condition string `json:"condition"` // such as item-not-found; "" if it is no stanza error
	Text      string `json:"text"`
}

// Error implements error.
func (e *StanzaError) Error() string {
	if e.Condition == "" {
		return e.Text
	}
	return e.Condition + ": " + e.Text
}
