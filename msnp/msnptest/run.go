package msnptest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"
)

// MismatchError says where a transcript and the server differ.
type MismatchError struct {
	// Script is the name of the transcript, Line the number of the line in it.
	Script string
	Line   int
	// Want is what the transcript expects, as it stands there; Got is what
	// came, in the same form. Both may have several lines.
	Want, Got string
}

// Error implements error; the text has several lines.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s:%d: the server answers differently\nexpected %s\ngot      %s", e.Script, e.Line, e.Want, e.Got)
}

// Run plays a transcript against a server; its form is described in the package
// comment. It calls dial for each connection number at its first use and closes
// all connections at the end. Vars are the variables that the transcript may
// use; the map is not changed.
//
// Run waits for what it expects as long as the context lasts: give it a
// deadline.
func Run(ctx context.Context, dial func() (net.Conn, error), script io.Reader, vars map[string]string) error {
	r := &runner{name: scriptName(script), dial: dial, vars: maps.Clone(vars), peers: make(map[int]*peer)}
	if r.vars == nil {
		r.vars = make(map[string]string)
	}
	steps, err := parseScript(r.name, script)
	if err != nil {
		return err
	}
	defer r.close()
	for len(steps) > 0 {
		n := group(steps)
		if err := r.play(ctx, steps[:n]); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return nil
}

// group returns how many steps belong together: a run of S/any on one
// connection, or one step.
func group(steps []step) int {
	n := 1
	for steps[0].action == expectAny && n < len(steps) && steps[n].action == expectAny && steps[n].conn == steps[0].conn {
		n++
	}
	return n
}

// firstProbe is the transaction id of the first <quiet>: out of the way of a
// transcript's own.
const firstProbe = 4_000_000_000

type runner struct {
	name   string
	dial   func() (net.Conn, error)
	vars   map[string]string
	peers  map[int]*peer
	probes int
}

func (r *runner) close() {
	for _, p := range r.peers {
		p.close()
	}
}

func (r *runner) peer(number int) (*peer, error) {
	if p := r.peers[number]; p != nil {
		return p, nil
	}
	raw, err := r.dial()
	if err != nil {
		return nil, fmt.Errorf("dial connection %d: %w", number, err)
	}
	p := newPeer(raw)
	r.peers[number] = p
	return p, nil
}

// play plays a group of steps.
func (r *runner) play(ctx context.Context, steps []step) error {
	s := steps[0]
	if s.action == passTime {
		return pass(ctx, s.pause)
	}
	p, err := r.peer(s.conn)
	if err == nil {
		switch s.action {
		case sendLine, sendLF, sendRaw:
			err = r.send(ctx, p, s)
		case hangUp:
			p.close()
		case expectLine, expectAny:
			err = r.expect(ctx, p, steps)
		case expectClosed:
			err = r.expectClosed(ctx, p, s)
		case expectQuiet:
			err = r.expectQuiet(ctx, p, s)
		}
	}
	if _, ok := err.(*MismatchError); err != nil && !ok {
		err = fmt.Errorf("%s:%d: %s: %w", r.name, s.at, firstLine(s.source), err)
	}
	return err
}

// pass lets time pass.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *runner) send(ctx context.Context, p *peer, s step) error {
	var payload string
	var err error
	if s.hasBody {
		if payload, err = s.body.render(r.vars, 0); err != nil {
			return err
		}
	}
	line, err := s.text.render(r.vars, len(payload))
	if err != nil {
		return err
	}
	end := map[action]string{sendLine: "\r\n", sendLF: "\n", sendRaw: ""}[s.action]
	return p.write(ctx, line+end+payload)
}

func (p *peer) write(ctx context.Context, text string) error {
	deadline, _ := ctx.Deadline()
	if err := p.raw.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := io.WriteString(p.raw, text)
	return err
}

// expect takes as many messages as there are steps; each must match one of
// those that are still open.
func (r *runner) expect(ctx context.Context, p *peer, steps []step) error {
	open := append([]step{}, steps...)
	for len(open) > 0 {
		got, err := p.message(ctx, func(command string) bool { return expectsBody(open, command) })
		if err != nil {
			return r.nothing(err, got, open)
		}
		i, err := r.find(open, got)
		if err != nil {
			return err
		}
		if i < 0 {
			return r.mismatch(open, got.String())
		}
		open = append(open[:i], open[i+1:]...)
	}
	return nil
}

// expectsBody says whether one of the steps wants a body after a command that is
// not known to have one.
func expectsBody(steps []step, command string) bool {
	for _, s := range steps {
		if s.hasBody && strings.HasPrefix(s.text[0].text, command+" ") {
			return true
		}
	}
	return false
}

// find returns the first step that matches, or -1.
func (r *runner) find(open []step, got received) (int, error) {
	line, ok := strings.CutSuffix(got.line, "\r\n")
	if !ok {
		return -1, nil
	}
	for i, s := range open {
		if got.hasPayload && !s.hasBody {
			continue
		}
		bound := maps.Clone(r.vars)
		matched, err := s.text.match(line, bound)
		if err == nil && matched && s.hasBody && !s.anyBody {
			matched, err = s.body.match(got.payload, bound)
		}
		if err != nil {
			return -1, err
		}
		if matched {
			r.vars = bound
			return i, nil
		}
	}
	return -1, nil
}

func (r *runner) expectClosed(ctx context.Context, p *peer, s step) error {
	got, err := p.message(ctx, func(string) bool { return false })
	if isEnd(err) && got.line == "" {
		return nil
	}
	if err != nil && got.line == "" {
		return err
	}
	return r.mismatch([]step{s}, got.String())
}

func (r *runner) expectQuiet(ctx context.Context, p *peer, s step) error {
	id := strconv.Itoa(firstProbe + r.probes)
	r.probes++
	if err := p.write(ctx, "ZZZ "+id+"\r\n"); err != nil {
		return fmt.Errorf("send the probe: %w", err)
	}
	got, err := p.message(ctx, func(string) bool { return false })
	if err != nil {
		return r.nothing(err, got, []step{s})
	}
	words := strings.Fields(got.line)
	if len(words) >= 2 && words[1] == id {
		if _, ok := errorCode(words[0]); ok {
			return nil
		}
	}
	return r.mismatch([]step{s}, got.String())
}

// nothing is for a connection that gave no whole message: its end is a
// difference, anything else an error.
func (r *runner) nothing(err error, got received, open []step) error {
	switch {
	case !isEnd(err):
		return err
	case got.line == "":
		return r.mismatch(open, "<closed>")
	}
	return r.mismatch(open, got.String()+" <closed>")
}

func (r *runner) mismatch(open []step, got string) error {
	want := make([]string, len(open))
	for i, s := range open {
		want[i] = s.source
	}
	return &MismatchError{Script: r.name, Line: open[0].at, Want: strings.Join(want, "\n      or "), Got: got}
}

// String shows a message as a transcript has it.
func (r received) String() string {
	line, crlf := strings.CutSuffix(r.line, "\r\n")
	text := "S: " + visible(strings.TrimSuffix(line, "\n"))
	if !crlf {
		text += " (does not end in CRLF)"
	}
	if r.hasPayload {
		for l := range strings.SplitSeq(r.payload, "\r\n") {
			text += "\n    " + visible(l)
		}
	}
	return text
}

// visible writes control bytes and bytes that are not UTF-8 as escapes.
func visible(s string) string {
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
