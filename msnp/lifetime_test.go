package msnp

import (
	"context"
	"testing"
)

// TestLifetime: a context ends at rest, with the connection and with the server,
// and not before.
func TestLifetime(t *testing.T) {
	tests := map[string]struct {
		end     func(l *lifetime, server context.CancelFunc)
		over    bool
		another bool // the next context lives
	}{
		"rest":       {func(l *lifetime, _ context.CancelFunc) { l.rest() }, false, true},
		"connection": {func(l *lifetime, _ context.CancelFunc) { l.end() }, true, false},
		"server":     {func(_ *lifetime, server context.CancelFunc) { server() }, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server, cancel := context.WithCancel(t.Context())
			defer cancel()
			l := &lifetime{parent: server}
			l.rest() // nothing to end
			ctx := l.context()
			if ctx != l.context() || ctx.Err() != nil || l.ended() {
				t.Fatal("a context is not one, or has ended")
			}
			test.end(l, cancel)
			if ctx.Err() == nil || l.ended() != test.over {
				t.Errorf("the context's error is %v, ended %v", ctx.Err(), l.ended())
			}
			l.rest()
			if lives := l.context().Err() == nil; lives != test.another {
				t.Errorf("the next context lives: %v, want %v", lives, test.another)
			}
		})
	}
}
