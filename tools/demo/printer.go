package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/mattn/go-isatty"
)

// The colours of a terminal.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	blue   = "\x1b[34m"
	green  = "\x1b[32m"
	purple = "\x1b[35m"
	plain  = "\x1b[0m"
)

// printer writes the transcript, coloured on a terminal. Its methods are safe
// from any goroutine.
type printer struct {
	mu      sync.Mutex
	w       io.Writer
	colours bool
	network string // its title
}

func newPrinter(f *os.File, network string) *printer {
	return &printer{w: f, network: network, colours: isatty.IsTerminal(f.Fd()) && os.Getenv("NO_COLOR") == ""}
}

func (p *printer) line(colour, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if p.colours {
		text = colour + text + plain
	}
	fmt.Fprintln(p.w, text)
}

// note says what is being set up.
func (p *printer) note(format string, args ...any) { p.line(dim, "-- "+format, args...) }

// scene announces a part of the conversation.
func (p *printer) scene(format string, args ...any) { p.line(bold, "\n== "+format, args...) }

// msn writes a line of the MSN connection, as it went over the wire.
func (p *printer) msn(direction byte, line string) {
	arrow := map[byte]string{'C': ">", 'S': "<"}[direction]
	p.line(blue, "   MSN %s %s", arrow, strings.TrimRight(line, "\r\n"))
}

// far writes what somebody on the network did or saw.
func (p *printer) far(format string, args ...any) {
	p.line(purple, fmt.Sprintf("   %-8s ", p.network)+format, args...)
}

// seen says that a step arrived on the other side.
func (p *printer) seen(format string, args ...any) { p.line(green, "   ✓ "+format, args...) }

// invite tells how to try it oneself.
func (p *printer) invite(s *stage) {
	host, port, err := net.SplitHostPort(s.msn)
	if err != nil {
		host, port = s.msn, ""
	}
	p.scene("Now you")
	p.line(plain, `
Everything is still running. Sign in with an MSN client that speaks MSNP2:

    server    %s, port %s
    handle    %s
    password  %s

%s

Ctrl-C ends it all and leaves nothing behind.`,
		host, port, handle, s.password, s.world.invite())
}
