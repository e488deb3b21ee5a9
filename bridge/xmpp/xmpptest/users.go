package xmpptest

import (
	"context"
	"fmt"
)

// Password returns the password of a person that this package made.
func Password(name string) string { return name + "-password" }

// CreateUser makes an account with the [Password] of its name and returns its
// bare JID and that password. It works while the server runs, and is quick
// enough for thousands: Prosody takes about a millisecond for one, ejabberd some
// ten. The name is a localpart of lowercase letters, digits and . _ -; an
// account that exists already is an error.
func (s *Server) CreateUser(ctx context.Context, name string) (jid, password string, err error) {
	password = Password(name)
	if err := s.program.register(ctx, s, name, password); err != nil {
		return "", "", fmt.Errorf("register %s on %s: %w", name, s.Kind, err)
	}
	return s.JID(name), password, nil
}

// SetPassword changes the password of an account. Sessions that it has stay.
func (s *Server) SetPassword(ctx context.Context, name, password string) error {
	if err := s.program.setPassword(ctx, s, name, password); err != nil {
		return fmt.Errorf("change the password of %s on %s: %w", name, s.Kind, err)
	}
	return nil
}

// RemoveUser removes an account; the server ends its sessions.
func (s *Server) RemoveUser(ctx context.Context, name string) error {
	if err := s.program.remove(ctx, s, name); err != nil {
		return fmt.Errorf("remove %s on %s: %w", name, s.Kind, err)
	}
	return nil
}

// JID returns the bare JID that a name has on the server.
func (s *Server) JID(name string) string { return name + "@" + s.Domain }
