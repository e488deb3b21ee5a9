package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/msnp"
	"papillon/store"
)

// accountCmd groups the commands about accounts.
type accountCmd struct {
	Add    accountAddCmd    `cmd:"" help:"Make an account and print its app password."`
	List   accountListCmd   `cmd:"" help:"List the accounts."`
	Show   accountShowCmd   `cmd:"" help:"Show an account, its app passwords and its networks."`
	Passwd accountPasswdCmd `cmd:"" help:"Make a further app password, or revoke some."`
	Remove accountRemoveCmd `cmd:"" help:"Remove an account and everything of it."`
}

// handleArg is the account that a command is about.
type handleArg struct {
	Handle string `arg:"" help:"The handle, like alice@example.org; without @ it is in msn.domain."`
}

// withStore opens the store for a command.
func withStore(config string, io *streams, f func(ctx context.Context, c *Config, db *store.Store) error) (err error) {
	c, err := loadConfig(config)
	if err != nil {
		return err
	}
	ctx := context.Background()
	log := zerolog.New(io.err).Level(zerolog.WarnLevel)
	db, err := store.Open(ctx, store.Options{Path: c.Store.Path, KeyPath: c.Store.Key, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return f(ctx, c, db)
}

// parse reads the handle.
func (a handleArg) parse(c *Config) (msnp.Handle, error) {
	typed := a.Handle
	if !strings.Contains(typed, "@") {
		typed += "@" + c.MSN.Domain
	}
	return msnp.ParseHandle(typed)
}

// accountAddCmd makes an account.
type accountAddCmd struct {
	configFlag
	handleArg
	Name          string `help:"The friendly name that others see."`
	Label         string `help:"What the app password is for." default:"first"`
	PasswordStdin bool   `help:"Take the app password from standard input instead of making one."`
}

// Run implements the command.
func (cmd accountAddCmd) Run(io *streams) error {
	return withStore(cmd.Config, io, func(ctx context.Context, c *Config, db *store.Store) error {
		h, err := cmd.parse(c)
		if err != nil {
			return err
		}
		if h == "papillon@"+msnp.Handle(strings.ToLower(c.MSN.Domain)) {
			return fmt.Errorf("%s is the helper contact; choose another handle", h)
		}
		name := cmd.Name
		if name == "" {
			name = h.Local()
		}
		password, err := takePassword(io, cmd.PasswordStdin)
		if err != nil {
			return err
		}
		if err := db.AddAccount(ctx, h, name); errors.Is(err, bridge.ErrHandleTaken) {
			return fmt.Errorf("%s is taken already, by an account or a contact; choose another handle", h)
		} else if err != nil {
			return err
		}
		if _, err := db.AddPassword(ctx, h, cmd.Label, password); err != nil {
			return err
		}
		return tellPassword(io, h, password)
	})
}

// takePassword takes an app password from standard input, or makes one.
func takePassword(io *streams, fromStdin bool) (string, error) {
	if fromStdin {
		return readPassword(io.in)
	}
	return newPassword()
}

// tellPassword prints an app password, alone on standard output.
func tellPassword(io *streams, h msnp.Handle, password string) error {
	if _, err := fmt.Fprintln(io.out, password); err != nil {
		return err
	}
	_, err := fmt.Fprintf(io.err, "This is the app password of %s, to be typed into the MSN client. It is shown once.\n", h)
	return err
}

// accountListCmd lists the accounts.
type accountListCmd struct{ configFlag }

// Run implements the command.
func (cmd accountListCmd) Run(io *streams) error {
	return withStore(cmd.Config, io, func(ctx context.Context, _ *Config, db *store.Store) error {
		accounts, err := db.AccountsList(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "HANDLE\tNAME\tPASSWORDS\tCONTACTS\tWAITING\tLAST SIGN-IN")
		for _, a := range accounts {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", a.Handle, printable(a.Name), a.Passwords, a.Contacts, a.Waiting, when(a.LastUsed))
		}
		return w.Flush()
	})
}

// when writes a time for people; never for the zero time.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// printable keeps what people chose for a name from steering the terminal.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, name)
}

// accountShowCmd shows an account.
type accountShowCmd struct {
	configFlag
	handleArg
}

// Run implements the command.
func (cmd accountShowCmd) Run(io *streams) error {
	return withStore(cmd.Config, io, func(ctx context.Context, c *Config, db *store.Store) error {
		a, err := findAccount(ctx, db, c, cmd.handleArg)
		if err != nil {
			return err
		}
		passwords, err := db.Passwords(ctx, a.Handle)
		if err != nil {
			return err
		}
		identities, err := db.Identities(ctx, a.Handle)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "handle\t%s\nname\t%s\ncreated\t%s\n", a.Handle, printable(a.Name), when(a.Created))
		for _, p := range passwords {
			fmt.Fprintf(w, "app password %d\t%s, made %s, last used %s\n", p.ID, printable(p.Label), when(p.Created), when(p.LastUsed))
		}
		for _, id := range identities {
			fmt.Fprintf(w, "on %s\t%s as %s\n", id.Network, id.Kind, id.ID)
		}
		return w.Flush()
	})
}

// findAccount reads the account that a command is about.
func findAccount(ctx context.Context, db *store.Store, c *Config, arg handleArg) (bridge.AccountRecord, error) {
	h, err := arg.parse(c)
	if err != nil {
		return bridge.AccountRecord{}, err
	}
	a, err := db.Account(ctx, h)
	if errors.Is(err, bridge.ErrNoAccount) {
		return a, accountError(h, bridge.ErrNoAccount)
	}
	return a, err
}

// accountPasswdCmd makes or revokes app passwords.
type accountPasswdCmd struct {
	configFlag
	handleArg
	Label         string `help:"What the new password is for." default:"further"`
	PasswordStdin bool   `help:"Take the new password from standard input instead of making one."`
	Revoke        *int64 `help:"Revoke the app password of this number (see account show) instead." placeholder:"NUMBER" xor:"revoke"`
	RevokeAll     bool   `help:"Revoke all app passwords first." xor:"revoke"`
}

// Run implements the command.
func (cmd accountPasswdCmd) Run(io *streams) error {
	return withStore(cmd.Config, io, func(ctx context.Context, c *Config, db *store.Store) error {
		a, err := findAccount(ctx, db, c, cmd.handleArg)
		if err != nil {
			return err
		}
		if cmd.Revoke != nil {
			return revoke(ctx, io, db, a.Handle, *cmd.Revoke)
		}
		password, err := takePassword(io, cmd.PasswordStdin)
		if err != nil {
			return err
		}
		if cmd.RevokeAll {
			if err := db.RemovePasswords(ctx, a.Handle); err != nil {
				return err
			}
		}
		if _, err := db.AddPassword(ctx, a.Handle, cmd.Label, password); err != nil {
			return err
		}
		return tellPassword(io, a.Handle, password)
	})
}

// revoke takes one app password away.
func revoke(ctx context.Context, io *streams, db *store.Store, h msnp.Handle, id int64) error {
	err := db.RemovePassword(ctx, h, id)
	if errors.Is(err, store.ErrNoPassword) {
		return fmt.Errorf("%s has no app password %d; see papillon account show %s", h, id, h)
	}
	if err == nil {
		_, err = fmt.Fprintf(io.err, "Revoked app password %d of %s.\n", id, h)
	}
	return err
}

// accountRemoveCmd removes an account.
type accountRemoveCmd struct {
	configFlag
	handleArg
}

// Run implements the command.
func (cmd accountRemoveCmd) Run(io *streams) error {
	return withStore(cmd.Config, io, func(ctx context.Context, c *Config, db *store.Store) error {
		a, err := findAccount(ctx, db, c, cmd.handleArg)
		if err != nil {
			return err
		}
		if err := db.RemoveAccount(ctx, a.Handle); err != nil {
			return err
		}
		_, err = fmt.Fprintf(io.err, "Removed %s, with its contacts and the messages that waited.\n", a.Handle)
		return err
	})
}
