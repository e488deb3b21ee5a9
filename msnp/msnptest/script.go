package msnptest

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// action is what a step of a transcript does.
type action uint8

const (
	sendLine action = iota
	sendLF
	sendRaw
	hangUp
	expectLine
	expectAny
	expectClosed
	expectQuiet
	passTime
)

// step is one line of a transcript with its body.
type step struct {
	at      int // line number in the script
	conn    int
	action  action
	text    template
	body    template
	hasBody bool
	anyBody bool
	source  string // as it stands in the script, for errors
	pause   time.Duration
}

var directive = regexp.MustCompile(`^([CS])([0-9]*)(?:/(lf|raw|any))?:(?: (.*))?$`)

// scriptName asks the reader for a name: files have one.
func scriptName(script io.Reader) string {
	switch f := script.(type) {
	case interface{ Name() string }:
		return path.Base(f.Name())
	case fs.File:
		if info, err := f.Stat(); err == nil {
			return info.Name()
		}
	}
	return "transcript"
}

// scriptParser holds the step that bodies are added to.
type scriptParser struct {
	steps  []step
	body   []string // of the last step
	indent string
	blanks int  // blank lines that belong to the body if it goes on
	closed bool // the last step can have no body any more
}

// parseScript reads a whole transcript, so that a mistake in it shows before
// anything is sent.
func parseScript(name string, script io.Reader) ([]step, error) {
	var p scriptParser
	lines := bufio.NewScanner(script)
	lines.Buffer(nil, maxPayload)
	for at := 1; lines.Scan(); at++ {
		if err := p.add(at, lines.Text()); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, at, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if err := p.endBody(); err != nil {
		return nil, fmt.Errorf("%s: body at the end: %w", name, err)
	}
	return p.steps, nil
}

func (p *scriptParser) add(at int, line string) error {
	switch {
	case strings.TrimSpace(line) == "":
		p.blanks++
		return nil
	case line[0] == ' ' || line[0] == '\t':
		return p.addBody(line)
	}
	if err := p.endBody(); err != nil {
		return err
	}
	if line[0] == '#' {
		p.closed = true
		return nil
	}
	s, err := parseStep(line)
	if err != nil {
		return err
	}
	s.at = at
	p.steps = append(p.steps, s)
	p.closed = false
	return nil
}

func (p *scriptParser) addBody(line string) error {
	if len(p.steps) == 0 || p.closed {
		return fmt.Errorf("body without a line above it")
	}
	if len(p.body) == 0 {
		p.indent = line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		p.blanks = 0
	}
	if !strings.HasPrefix(line, p.indent) {
		return fmt.Errorf("body line is indented less than the first one")
	}
	for ; p.blanks > 0; p.blanks-- {
		p.body = append(p.body, "")
	}
	p.body = append(p.body, line[len(p.indent):])
	return nil
}

// endBody gives the collected lines to the last step.
func (p *scriptParser) endBody() (err error) {
	p.blanks = 0
	if len(p.steps) == 0 {
		return nil
	}
	last := &p.steps[len(p.steps)-1]
	if len(p.body) > 0 {
		body := strings.Join(p.body, "\r\n")
		p.body = nil
		last.hasBody, last.anyBody = true, body == "<any>" && last.receives()
		last.source += "\n    " + strings.ReplaceAll(body, "\r\n", "\n    ")
		if last.body, err = parseTemplate(body); err != nil {
			return err
		}
	}
	return last.check()
}

func parseStep(line string) (s step, err error) {
	if text, ok := strings.CutPrefix(line, "T: "); ok {
		s = step{action: passTime, source: line}
		s.pause, err = time.ParseDuration(text)
		return s, err
	}
	m := directive.FindStringSubmatch(line)
	if m == nil {
		return s, fmt.Errorf("line begins with none of C: S: T: #")
	}
	s = step{conn: 1, source: line}
	if m[2] != "" {
		if s.conn, err = strconv.Atoi(m[2]); err != nil {
			return s, fmt.Errorf("number of the connection: %w", err)
		}
	}
	action, ok := actions[m[1]+m[3]+" "+m[4]]
	if !ok {
		action, ok = actions[m[1]+m[3]]
	}
	if !ok {
		return s, fmt.Errorf("%s cannot be used with /%s", m[1], m[3])
	}
	s.action = action
	if action == hangUp || action == expectClosed || action == expectQuiet {
		return s, nil
	}
	s.text, err = parseTemplate(m[4])
	return s, err
}

// actions knows a step by its side and variant, or by these and its text.
var actions = map[string]action{
	"C": sendLine, "Clf": sendLF, "Craw": sendRaw, "C <close>": hangUp,
	"S": expectLine, "Sany": expectAny, "S <closed>": expectClosed, "S <quiet>": expectQuiet,
}

func (s *step) receives() bool { return s.action >= expectLine && s.action <= expectQuiet }

// check finds what a step cannot have.
func (s *step) check() error {
	if s.hasBody && (s.action == sendRaw || s.action == hangUp || s.action > expectAny) {
		return fmt.Errorf("line %d cannot have a body", s.at)
	}
	for _, t := range append(s.text[:len(s.text):len(s.text)], s.body...) {
		switch {
		case t.kind == wildcard && !s.receives():
			return fmt.Errorf("line %d: {*} can only be expected", s.at)
		case t.kind == digest && s.receives():
			return fmt.Errorf("line %d: {md5:…} can only be sent", s.at)
		case t.kind == length && !s.hasBody:
			return fmt.Errorf("line %d has {len} and no body", s.at)
		}
	}
	return nil
}
