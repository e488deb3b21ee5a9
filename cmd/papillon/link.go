package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"papillon/bridge"
	"papillon/bridge/matrix"
	"papillon/bridge/xmpp"
	"papillon/msnp"
	"papillon/store"
)

// linkCmd ties an account to an identity on a network. A running server takes
// it up at once.
type linkCmd struct {
	configFlag
	handleArg
	Network       string `arg:"" enum:"matrix,xmpp" help:"The network: matrix or xmpp."`
	ID            string `arg:"" optional:"" help:"The address there, like alice@jabber.example; made from the handle where it may be left out."`
	Kind          string `help:"How: matrix knows ghost, own and login; xmpp knows component and login." required:""`
	PasswordStdin bool   `help:"Read the password of the network's account from standard input."`
	TokenStdin    bool   `help:"Read an access token from standard input."`
	RecoveryKey   bool   `name:"recovery-key-stdin" help:"Read the recovery key of the Matrix account's encrypted messages from standard input, a line of its own behind the others."`
	Server        string `help:"The XMPP server as host:port, or the Matrix server's URL, where they cannot be found by the address."`
	DirectTLS     bool   `name:"direct-tls" help:"The port of --server speaks TLS from the first byte."`
	NoCheck       bool   `help:"Do not try whether the log-in works."`
}

// linkTimeout bounds the trial log-in.
const linkTimeout = 30 * time.Second

// linkers make the identity of each network and kind.
var linkers = map[[2]string]func(cmd linkCmd, c *Config, io *streams, id *bridge.IdentityRecord) error{
	{matrix.Name, matrix.KindGhost}: linkGhost,
	{matrix.Name, matrix.KindOwn}:   linkOwn,
	{matrix.Name, matrix.KindLogin}: linkMatrixLogin,
	{xmpp.Name, xmpp.KindComponent}: linkComponent,
	{xmpp.Name, xmpp.KindLogin}:     linkLogin,
}

// Run implements the command.
func (cmd linkCmd) Run(io *streams) error {
	link, ok := linkers[[2]string{cmd.Network, cmd.Kind}]
	if !ok {
		return configError{fmt.Errorf("%s has no kind %q: use %s", cmd.Network, cmd.Kind, kindsOf(cmd.Network))}
	}
	return withStore(cmd.Config, io, func(ctx context.Context, c *Config, db *store.Store) error {
		h, err := cmd.parse(c)
		if err != nil {
			return err
		}
		if _, err := db.Account(ctx, h); err != nil {
			return accountError(h, err)
		}
		id := bridge.IdentityRecord{Account: h, Network: cmd.Network, Kind: cmd.Kind, ID: bridge.RemoteID(cmd.ID)}
		if err := notLinked(ctx, db, id); err != nil { // before a log-in is made for it
			return err
		}
		if err := link(cmd, c, io, &id); err != nil {
			return err
		}
		if err := notLinked(ctx, db, id); err != nil {
			return err
		}
		if err := notMadeFor(ctx, c, db, id); err != nil {
			return err
		}
		before, err := sessionsOf(ctx, db, h)
		if err != nil {
			return err
		}
		if err := db.SetIdentity(ctx, id); err != nil {
			return err
		}
		if err := endSessions(ctx, c, io, before, id); err != nil {
			return err
		}
		what := string(id.ID)
		if what == "" {
			what = "an address made from the handle"
		}
		_, err = fmt.Fprintf(io.out, "%s is linked to %s as %s (%s).\n", h, cmd.Network, what, cmd.Kind)
		return err
	})
}

// notLinked refuses an id of another account: the network would serve one of the two.
func notLinked(ctx context.Context, db *store.Store, id bridge.IdentityRecord) error {
	owner, linked, err := db.LinkedTo(ctx, id.Network, id.ID)
	if err != nil || !linked || strings.EqualFold(string(owner), string(id.Account)) {
		return err
	}
	return fmt.Errorf("%s is linked to %s already; to give it to %s, first say: papillon unlink %[2]s %[4]s", id.ID, owner, id.Account, id.Network)
}

// notMadeFor refuses an id that another account has without a link, made from its handle:
// whichever of the two came first would have the other's friends.
func notMadeFor(ctx context.Context, c *Config, db *store.Store, id bridge.IdentityRecord) error {
	made, err := c.madeFrom(id)
	if err != nil || made == nil {
		return err
	}
	return db.EachAccount(ctx, func(a bridge.AccountRecord) error {
		if own, err := made(a.Handle); a.Handle == id.Account || err != nil || own != id.ID {
			return nil // an account that no id can be made for needs another
		}
		identities, err := db.Identities(ctx, a.Handle)
		if err != nil || slices.ContainsFunc(identities, func(other bridge.IdentityRecord) bool {
			return other.Network == id.Network && other.ID != ""
		}) {
			return err
		}
		return fmt.Errorf("%s is who %s is on %s, without a link: choose another id for %s", id.ID, a.Handle, id.Network, id.Account)
	})
}

// madeFrom makes ids from handles as the network of an identity does; nil where the id was
// left out, or is a person's own.
func (c *Config) madeFrom(id bridge.IdentityRecord) (func(bridge.Handle) (bridge.RemoteID, error), error) {
	switch {
	case id.ID == "":
		return nil, nil
	case id.Kind == matrix.KindGhost:
		options, err := c.matrixOptions(func(string, string) {})
		return func(h bridge.Handle) (bridge.RemoteID, error) { return matrix.GhostOf(options, h) }, err
	case id.Kind == xmpp.KindComponent:
		options, err := c.xmppOptions()
		return func(h bridge.Handle) (bridge.RemoteID, error) { return xmpp.AddressOf(options, h) }, err
	}
	return nil, nil
}

// kindsOf lists the kinds that can be linked on a network.
func kindsOf(network string) string {
	if network == matrix.Name {
		return matrix.KindGhost + ", " + matrix.KindOwn + " or " + matrix.KindLogin
	}
	return xmpp.KindComponent + " or " + xmpp.KindLogin
}

// accountError says what to do about an account that is not there.
func accountError(h msnp.Handle, err error) error {
	if errors.Is(err, bridge.ErrNoAccount) {
		return fmt.Errorf("there is no account %s; see papillon account list", h)
	}
	return err
}

// linkGhost links a ghost: nothing is needed for it. An id that is none of a ghost's would
// leave the account without a network.
func linkGhost(cmd linkCmd, c *Config, _ *streams, id *bridge.IdentityRecord) error {
	if c.Matrix.HomeserverURL == "" {
		return configError{errors.New("matrix.homeserver_url is not set: set up Matrix first (docs/matrix.md)")}
	}
	if id.ID != "" {
		options := matrix.Options{Domain: c.Matrix.HomeserverDomain}
		if err := matrix.CheckGhost(options, id.ID); err != nil {
			return configError{err}
		}
	}
	return cmd.noSecret()
}

// noSecret refuses a password where none is of use.
func (cmd linkCmd) noSecret() error {
	if cmd.PasswordStdin || cmd.TokenStdin {
		return configError{fmt.Errorf("the kind %s needs no password: leave --password-stdin and --token-stdin out", cmd.Kind)}
	}
	return nil
}

// linkComponent links an address of the component.
func linkComponent(cmd linkCmd, c *Config, _ *streams, id *bridge.IdentityRecord) error {
	domain := strings.ToLower(c.XMPP.Component.Domain)
	if domain == "" {
		return configError{errors.New("xmpp.component.domain is not set: set up the component first (docs/xmpp.md)")}
	}
	if id.ID != "" {
		parsed, err := xmpp.ParseJID(string(id.ID))
		if err != nil {
			return configError{err}
		}
		if !strings.HasSuffix(string(parsed), "@"+domain) {
			return configError{fmt.Errorf("%s is not at %s, the component's domain", id.ID, domain)}
		}
		id.ID = parsed
	}
	return cmd.noSecret()
}

// linkLogin links an account of the person's own, after a trial log-in.
func linkLogin(cmd linkCmd, c *Config, io *streams, id *bridge.IdentityRecord) error {
	if cmd.ID == "" {
		return configError{errors.New("name the XMPP address as well, like alice@jabber.example")}
	}
	if !cmd.PasswordStdin {
		return configError{errors.New("the password is needed: give --password-stdin and write it to standard input")}
	}
	jid, err := xmpp.ParseJID(cmd.ID)
	if err != nil {
		return configError{err}
	}
	password, err := readSecret(io.in)
	if err != nil {
		return err
	}
	credentials := xmpp.Credentials{Password: password, Address: cmd.Server, DirectTLS: cmd.DirectTLS}
	if !cmd.NoCheck {
		options, err := c.xmppOptions()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), linkTimeout)
		defer cancel()
		if err := xmpp.CheckLogin(ctx, options, jid, credentials); err != nil {
			return fmt.Errorf("cannot log in as %s: %w; nothing was changed (--no-check links all the same)", jid, err)
		}
	}
	id.ID = jid
	id.Credentials, err = credentials.Marshal()
	return err
}

// unlinkCmd undoes a link.
type unlinkCmd struct {
	configFlag
	handleArg
	Network string `arg:"" enum:"matrix,xmpp" help:"The network: matrix or xmpp."`
}

// Run implements the command.
func (cmd unlinkCmd) Run(io *streams) error {
	return withStore(cmd.Config, io, func(ctx context.Context, c *Config, db *store.Store) error {
		h, err := cmd.parse(c)
		if err != nil {
			return err
		}
		sessions, err := sessionsOf(ctx, db, h)
		if err != nil {
			return accountError(h, err)
		}
		err = db.RemoveIdentity(ctx, h, cmd.Network)
		if errors.Is(err, store.ErrNoIdentity) {
			return fmt.Errorf("%s has no link to %s", h, cmd.Network)
		}
		if err != nil {
			return accountError(h, err)
		}
		if err := endSessions(ctx, c, io, sessions, bridge.IdentityRecord{Network: cmd.Network}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(io.out, "%s is not linked to %s any more. Its messages that waited to be sent there are gone.\n", h, cmd.Network)
		return err
	})
}
