package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"papillon/bridge"
	"papillon/bridge/matrix"
	"papillon/store"
)

// newMatrix makes the network of Matrix. It is there even without a homeserver:
// accounts elsewhere may be linked at any time.
func (d *daemon) newMatrix(ctx context.Context, options matrix.Options) (*matrix.Network, error) {
	options.StateDB, options.Chats, options.Memory, options.Log = d.store.DB(), d.store, d.store, d.log
	options.Renew = func(ctx context.Context, account bridge.Handle, credentials []byte) error {
		return d.store.RenewCredentials(ctx, account, matrix.Name, credentials)
	}
	var err error
	if options.PickleKey, err = d.store.Secret(ctx, "matrix keys"); err != nil {
		return nil, fmt.Errorf("read the secret of the Matrix keys: %w", err)
	}
	return matrix.New(ctx, options)
}

// outdated warns of a registration that does not fit the configuration any more.
func (d *daemon) outdated(file, command string) {
	d.log.Warn().Str("file", file).Str("run", command).
		Msg("The Matrix registration does not fit the configuration: run the command and restart the homeserver")
}

// matrixOptions gives the settings in the network's words, and complains of each
// registration that is out of date.
func (c *Config) matrixOptions(outdated func(file, command string)) (o matrix.Options, err error) {
	o = matrix.Options{AccountDomain: c.MSN.Domain, PollPresence: time.Duration(c.Presence.Poll)}
	if c.Matrix.HomeserverURL == "" {
		return o, nil
	}
	o.HomeserverURL, o.Domain = c.Matrix.HomeserverURL, c.Matrix.HomeserverDomain
	var current bool
	if o.Registration, current, err = c.loadRegistration(); err != nil {
		return o, err
	}
	if !current {
		outdated(c.Matrix.Registration, "papillon registration")
	}
	if o.Puppets, current, err = c.loadOwnRegistration(); err != nil {
		return o, err
	}
	if !current {
		outdated(c.Matrix.OwnRegistration, "papillon registration --own")
	}
	return o, nil
}

// linkOwn links a person's own account on the gateway's homeserver.
func linkOwn(cmd linkCmd, c *Config, io *streams, id *bridge.IdentityRecord) error {
	if c.Matrix.HomeserverURL == "" {
		return configError{errors.New("matrix.homeserver_url is not set: set up Matrix first (docs/matrix.md)")}
	}
	if err := cmd.noSecret(); err != nil {
		return err
	}
	person, err := matrixPerson(cmd.ID)
	if err != nil {
		return err
	}
	id.ID = person
	_, recovery, err := cmd.secrets(io)
	if err != nil {
		return err
	}
	if id.Credentials, err = matrix.Recovery(recovery); err != nil || cmd.NoCheck {
		return err
	}
	options, err := c.matrixOptions(func(string, string) {})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), linkTimeout)
	defer cancel()
	if err := matrix.CheckOwn(ctx, options, person); err != nil {
		return fmt.Errorf("cannot act as %s: %w; nothing was changed (--no-check links all the same)", person, err)
	}
	return nil
}

// linkMatrixLogin links an account anywhere, by logging in.
func linkMatrixLogin(cmd linkCmd, _ *Config, io *streams, id *bridge.IdentityRecord) error {
	person, err := matrixPerson(cmd.ID)
	if err != nil {
		return err
	}
	if cmd.PasswordStdin && cmd.TokenStdin {
		return configError{errors.New("give --password-stdin or --token-stdin, not both")}
	}
	server := cmd.Server
	if server != "" && !strings.Contains(server, "://") {
		server = "https://" + server
	}
	secret, recovery, err := cmd.secrets(io)
	if err != nil {
		return err
	}
	credentials, err := cmd.loginMatrix(server, person, secret, io)
	if err != nil {
		return fmt.Errorf("cannot log in as %s: %w; nothing was changed", person, err)
	}
	credentials.RecoveryKey = recovery
	id.ID = person
	id.Credentials, err = credentials.Marshal()
	return err
}

// browserTimeout is how long somebody may take to agree in a browser.
const browserTimeout = 15 * time.Minute

// secrets reads what is said to stand on standard input, a line each.
func (cmd linkCmd) secrets(streams *streams) (secret, recovery string, err error) {
	in := bufio.NewReader(io.LimitReader(streams.in, 2*(maxSecret+2)))
	next := func() (string, error) {
		line, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read standard input: %w", err)
		}
		return readSecret(strings.NewReader(line))
	}
	if cmd.PasswordStdin || cmd.TokenStdin {
		if secret, err = next(); err != nil {
			return "", "", err
		}
	}
	if cmd.RecoveryKey {
		if recovery, err = next(); err != nil {
			return "", "", fmt.Errorf("the recovery key: %w", err)
		}
	}
	return secret, recovery, nil
}

// loginMatrix logs in by what stands on standard input, or by a browser.
func (cmd linkCmd) loginMatrix(server string, person bridge.RemoteID, secret string, io *streams) (matrix.Credentials, error) {
	if !cmd.PasswordStdin && !cmd.TokenStdin {
		ctx, cancel := context.WithTimeout(context.Background(), browserTimeout)
		defer cancel()
		return matrix.LoginByBrowser(ctx, server, person, func(page, code string) {
			fmt.Fprintf(io.err, "Open %s with any browser, log in as %s and confirm the code %s.\n", page, person, code)
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), linkTimeout)
	defer cancel()
	if cmd.TokenStdin {
		return matrix.LoginByToken(ctx, server, person, secret)
	}
	return matrix.LoginByPassword(ctx, server, person, secret)
}

// matrixPerson reads the id on the command line.
func matrixPerson(typed string) (bridge.RemoteID, error) {
	if typed == "" {
		return "", configError{errors.New("name the Matrix id as well, like @alice:example.org")}
	}
	person, err := matrix.ParsePerson(typed)
	if err != nil {
		return "", configError{err}
	}
	return person, nil
}

// matrixSession is an identity on Matrix, with what it takes to end its session there.
type matrixSession struct {
	bridge.IdentityRecord
	device string // of an account of one's own here
}

// sessionsOf finds the Matrix sessions of an account, before anything is forgotten.
func sessionsOf(ctx context.Context, db *store.Store, h bridge.Handle) (sessions []matrixSession, err error) {
	identities, err := db.Identities(ctx, h)
	if err != nil {
		return nil, err
	}
	for _, id := range identities {
		if id.Network != matrix.Name {
			continue
		}
		session := matrixSession{IdentityRecord: id}
		if id.Kind == matrix.KindOwn {
			if session.device, err = db.Recall(ctx, h, matrix.Name, matrix.MemoryDevice); err != nil {
				return nil, err
			}
		}
		sessions = append(sessions, session)
	}
	return sessions, nil
}

// endSessions ends the sessions that another identity has taken the place of. That it
// cannot is worth a line, and no reason to keep the old identity.
func endSessions(ctx context.Context, c *Config, io *streams, before []matrixSession, now bridge.IdentityRecord) error {
	for _, s := range before {
		same := s.Kind == now.Kind && s.ID == now.ID && (s.Kind == matrix.KindOwn || matrix.SameSession(s.Credentials, now.Credentials))
		if now.Network != matrix.Name || same {
			continue
		}
		err := s.end(ctx, c)
		if err == nil {
			continue
		}
		if _, err = fmt.Fprintf(io.err, "The session at the Matrix server could not be ended (%v): end it with another client of %s.\n", err, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// end ends a session, if there is one.
func (s matrixSession) end(ctx context.Context, c *Config) error {
	ctx, cancel := context.WithTimeout(ctx, linkTimeout)
	defer cancel()
	switch s.Kind {
	case matrix.KindLogin:
		return matrix.Logout(ctx, s.Credentials)
	case matrix.KindOwn:
		options, err := c.matrixOptions(func(string, string) {})
		if err != nil {
			return err
		}
		return matrix.LogoutOwn(ctx, options, s.ID, s.device)
	}
	return nil
}
