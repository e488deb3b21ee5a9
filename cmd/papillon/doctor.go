package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"

	"papillon/bridge"
	"papillon/bridge/matrix"
	"papillon/bridge/xmpp"
	"papillon/store"
)

// doctorCmd walks the whole chain from the configuration to the networks and
// names what is wrong.
type doctorCmd struct{ configFlag }

// doctorTimeout bounds one check.
const doctorTimeout = 15 * time.Second

// examination is what the checks share.
type examination struct {
	config  *Config
	db      *store.Store
	running bool // a server of this database answers at msn.listen
}

// finding is what a check found: what it looked at, and what is wrong with it.
type finding struct {
	what string
	err  error // nil if nothing is
}

// Run implements the command. It prints a line for each check; the exit code is
// 0 if nothing is wrong.
func (cmd doctorCmd) Run(io *streams) error {
	c, err := loadConfig(cmd.Config)
	if err != nil {
		return err
	}
	failed := 0
	report := func(findings ...finding) error {
		for _, f := range findings {
			line := "ok    " + f.what
			if f.err != nil {
				failed++
				line = "WRONG " + f.what + ": " + f.err.Error()
			}
			if _, err := fmt.Fprintln(io.out, line); err != nil {
				return err
			}
		}
		return nil
	}
	if err := report(finding{"configuration " + cmd.Config, nil}); err != nil {
		return err
	}
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Path: c.Store.Path, KeyPath: c.Store.Key, Log: zerolog.New(io.err).Level(zerolog.WarnLevel)})
	if err != nil {
		return errors.Join(report(finding{"database " + c.Store.Path, err}), errors.New("the other checks need the database"))
	}
	defer func() { _ = db.Close() }() // only read
	x := &examination{config: c, db: db}
	for _, check := range []func(context.Context, *examination) []finding{
		checkStore, checkListeners, checkLinks, checkHomeserver, checkComponent, checkIdentities,
	} {
		if err := report(check(ctx, x)...); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d things are wrong", failed)
	}
	return nil
}

// checkStore counts the accounts. None is an error where nobody can make one for himself.
func checkStore(ctx context.Context, x *examination) []finding {
	accounts, err := x.db.AccountsList(ctx)
	what := fmt.Sprintf("database %s: %d accounts", x.config.Store.Path, len(accounts))
	if err == nil && len(accounts) == 0 {
		if x.config.hasSignUp() {
			what += ": people make them by writing to Papillon, or you with \"papillon account add\""
		} else {
			err = errors.New("there is no account yet: make one with \"papillon account add\"")
		}
	}
	return []finding{{what, err}}
}

// checkListeners finds out whether a server runs, and whether one could. What answers
// at its address may be another program, or serve another database.
func checkListeners(_ context.Context, x *examination) []finding {
	c := x.config
	conn, err := net.DialTimeout("tcp", c.MSN.Listen, time.Second)
	if err == nil {
		_ = conn.Close() // nothing was said
		if x.running, err = x.db.Served(); err != nil {
			return []finding{{"whether a server runs at " + c.MSN.Listen, err}}
		}
	}
	if x.running {
		return []finding{{"a server runs at " + c.MSN.Listen, nil}}
	}
	return append([]finding{{"no server runs at " + c.MSN.Listen + " (papillon serve starts it)", nil}}, tryListeners(c)...)
}

// tryListeners listens where serve would, all at once as it does, and stops again.
func tryListeners(c *Config) (all []finding) {
	l := new(listeners)
	defer l.close()
	try := func(key, addr string, open func() error) {
		all = append(all, finding{key + " " + addr, open()})
	}
	msn := func(key, addr string) {
		try(key, addr, func() error { return l.openMSN(key, addr) })
	}
	msn("msn.listen", c.MSN.Listen)
	for _, addr := range c.MSN.ExtraListen {
		msn("msn.extra_listen", addr)
	}
	if c.MSN.TLS.Listen != "" {
		try("msn.tls.listen", c.MSN.TLS.Listen, func() error { return l.openTLS(c.MSN.TLS) })
	}
	if c.Matrix.HomeserverURL != "" {
		try("matrix.listen", c.Matrix.Listen, func() (err error) {
			l.appservice, err = listen("matrix.listen", c.Matrix.Listen)
			return err
		})
	}
	if c.HTTP.Listen != "" {
		try("http.listen", c.HTTP.Listen, func() (err error) {
			l.http, err = listen("http.listen", c.HTTP.Listen)
			return err
		})
	}
	return all
}

// checkLinks looks at what links to media begin with.
func checkLinks(_ context.Context, x *examination) []finding {
	base := x.config.linkBase()
	if base == "" {
		return []finding{{"no links to pictures and files: http.listen is not set", nil}}
	}
	return []finding{{"links to pictures and files begin with " + base + " (http.base_url; old computers must reach it)", nil}}
}

// checkHomeserver looks at the registrations and at the homeserver that has loaded them.
func checkHomeserver(ctx context.Context, x *examination) []finding {
	m := x.config.Matrix
	if m.HomeserverURL == "" {
		return []finding{{"no Matrix homeserver of your own (matrix.homeserver_url)", nil}}
	}
	ghosts, current, err := x.config.loadRegistration()
	if err == nil && !current {
		err = errors.New("it does not fit the configuration: run \"papillon registration\" and restart the homeserver")
	}
	all := []finding{{"registration " + m.Registration, err}}
	own, current, err := x.config.loadOwnRegistration()
	if err == nil && !current {
		err = errors.New("it does not fit the configuration: run \"papillon registration --own\" and restart the homeserver")
	}
	if own != nil || err != nil {
		all = append(all, finding{"registration " + m.OwnRegistration, err})
	}
	options := matrix.Options{HomeserverURL: m.HomeserverURL, Domain: m.HomeserverDomain, Registration: ghosts, Puppets: own}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	for _, f := range matrix.CheckHomeserver(ctx, options, x.running) {
		all = append(all, finding{f.What, f.Err})
	}
	return all
}

// checkComponent connects as the component, unless a running server is that.
func checkComponent(ctx context.Context, x *examination) []finding {
	c := x.config.XMPP.Component
	if c.Domain == "" {
		return []finding{{"no XMPP component (xmpp.component.domain)", nil}}
	}
	what := fmt.Sprintf("XMPP component %s at %s", c.Domain, c.Address)
	options, err := x.config.xmppOptions()
	if err != nil {
		return []finding{{what, err}}
	}
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	if !x.running {
		return []finding{{what, xmpp.CheckComponent(ctx, options)}}
	}
	if err = xmpp.ReachComponent(ctx, options); err == nil {
		what += " can be reached (the running server is connected there; its log says whether it was let in)"
	}
	return []finding{{what, err}}
}

// identityChecks try what a linked account is reached by.
func (c *Config) identityChecks() (checks map[[2]string]func(context.Context, bridge.IdentityRecord) error, err error) {
	onXMPP, err := c.xmppOptions()
	if err != nil {
		return nil, err
	}
	onMatrix, err := c.matrixOptions(func(string, string) {})
	if err != nil {
		return nil, err
	}
	person := func(ctx context.Context, id bridge.IdentityRecord) error {
		return matrix.CheckStored(ctx, onMatrix, id)
	}
	return map[[2]string]func(context.Context, bridge.IdentityRecord) error{
		{matrix.Name, matrix.KindOwn}:   person,
		{matrix.Name, matrix.KindLogin}: person,
		{xmpp.Name, xmpp.KindLogin}: func(ctx context.Context, id bridge.IdentityRecord) error {
			return xmpp.CheckStored(ctx, onXMPP, id)
		},
	}, nil
}

// checkIdentities tries the linked accounts.
func checkIdentities(ctx context.Context, x *examination) (all []finding) {
	checks, err := x.config.identityChecks()
	if err != nil {
		return []finding{{"linked accounts", err}}
	}
	err = x.db.EachAccount(ctx, func(a bridge.AccountRecord) error {
		identities, err := x.db.Identities(ctx, a.Handle)
		if err != nil {
			return err
		}
		for _, id := range identities {
			check := checks[[2]string{id.Network, id.Kind}]
			if check == nil {
				continue
			}
			ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
			err := check(ctx, id)
			cancel()
			all = append(all, finding{fmt.Sprintf("%s uses %s (%s)", a.Handle, id.ID, id.Kind), err})
		}
		return nil
	})
	if err != nil {
		all = append(all, finding{"identities", err})
	}
	return all
}
