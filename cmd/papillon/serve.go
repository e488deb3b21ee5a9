package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"papillon/bridge"
	"papillon/bridge/matrix"
	"papillon/bridge/media"
	"papillon/bridge/xmpp"
	"papillon/msnp"
	"papillon/store"
)

const (
	// farewellTime is how long MSN clients have to take their last lines when
	// the server goes down.
	farewellTime = 5 * time.Second
	// handoverTime is how long what runs towards the networks may go on then.
	handoverTime = 10 * time.Second
	// pruneEvery is how often the store forgets what is no longer needed.
	pruneEvery = time.Hour
	// httpHeaderTimeout is how long an HTTP client may take to ask.
	httpHeaderTimeout = 10 * time.Second
)

// serveCmd runs the server.
type serveCmd struct {
	configFlag
	Profile string `hidden:"" type:"path" help:"A folder to write profiles into, for those who work on the program."`
}

// Run implements the command. The first SIGTERM or SIGINT ends it in good order,
// a second one at once.
func (cmd serveCmd) Run(io *streams) (err error) {
	c, err := loadConfig(cmd.Config)
	if err != nil {
		return err
	}
	log, err := newLog(c.Log, io.err)
	if err != nil {
		return configError{err}
	}
	if cmd.Profile != "" {
		stopProfiles, failed := startProfiles(cmd.Profile)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, stopProfiles()) }()
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	return serve(ctx, c, log)
}

// daemon is everything that serve wires together; nothing else does.
type daemon struct {
	log       zerolog.Logger
	listeners *listeners
	store     *store.Store
	matrix    *matrix.Network
	xmpp      *xmpp.Network
	media     *media.Service
	gateway   *bridge.Gateway
	server    *msnp.Server
}

// serve runs the server until the context ends.
func serve(ctx context.Context, c *Config, log zerolog.Logger) (err error) {
	d := &daemon{log: log}
	if d.listeners, err = openListeners(c); err != nil {
		return err
	}
	if err := d.build(ctx, c); err != nil {
		d.listeners.close()
		if d.store != nil {
			err = errors.Join(err, d.store.Close())
		}
		return err
	}
	err = d.run(ctx)
	return errors.Join(err, d.media.Close(), d.store.Close())
}

// build makes the parts. It asks nothing of other servers: one that is down
// keeps nobody from signing in.
func (d *daemon) build(ctx context.Context, c *Config) (err error) {
	onMatrix, err := c.matrixOptions(d.outdated)
	if err != nil {
		return err
	}
	d.store, err = store.Open(ctx, store.Options{Path: c.Store.Path, KeyPath: c.Store.Key, Log: d.log})
	if err != nil {
		return err
	}
	if err = d.store.Claim(); err != nil {
		return err
	}
	if d.matrix, err = d.newMatrix(ctx, onMatrix); err != nil {
		return err
	}
	if d.xmpp, err = d.newXMPP(c); err != nil {
		return err
	}
	networks := []bridge.Network{d.matrix, d.xmpp}
	if d.media, err = d.newMedia(ctx, c); err != nil {
		return fmt.Errorf("set up links to media: %w", err)
	}
	d.gateway = bridge.New(bridge.Options{
		Domain: c.MSN.Domain, LoginDomains: c.MSN.LoginDomains,
		Storage: d.store, Networks: networks, Presence: c.presenceRules(),
		Limits: c.Limits.bridge(), GiveUpAfter: time.Duration(c.Delivery.GiveUpAfter), Missed: c.Delivery.Missed, Media: mediaLinks{d.media},
		SignUp: c.maySignUp, NewPassword: newPassword, ServerAddress: c.MSN.PublicAddress, Log: d.log,
	})
	d.server = msnp.New(msnp.Options{
		Backend: d.gateway, Limits: c.Limits.msnp(), PublicAddress: c.MSN.PublicAddress,
		ReferTo: c.MSN.ReferTo, Challenge: c.MSN.Challenge, WebPage: c.MSN.WebPage, Log: d.log,
	})
	return nil
}

// msnp gives the limits that the MSN server keeps.
func (l LimitsConfig) msnp() msnp.Limits {
	return msnp.Limits{
		Line: l.Line, Payload: l.Payload,
		Unauthenticated: time.Duration(l.Unauthenticated), SwitchboardIdle: time.Duration(l.SwitchboardIdle),
		CommandsPerSecond: l.CommandsPerSecond, CommandBurst: l.CommandBurst,
		SignInsPerMinute: l.SignInsPerMinute, ConnectionsPerAddress: l.ConnectionsPerAddress, SendQueue: l.SendQueue,
	}
}

// bridge gives the limits that the gateway keeps.
func (l LimitsConfig) bridge() bridge.Limits {
	return bridge.Limits{
		ListLength: l.ListLength, Participants: l.Participants,
		SignInAttempts: l.SignInAttempts, SignInWindow: time.Duration(l.SignInWindow),
		SignInDelay: time.Duration(l.SignInDelay), SignInDelayMax: time.Duration(l.SignInDelayMax),
	}
}

// run starts the parts, waits until the context ends or one of them fails, and
// stops them.
func (d *daemon) run(ctx context.Context) error {
	if err := d.gateway.Start(ctx); err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	// The networks work until everything in front of them has ended.
	networks, endNetworks := context.WithCancel(context.WithoutCancel(ctx))
	defer endNetworks()

	for _, ln := range d.listeners.msn {
		d.log.Info().Stringer("address", ln.Addr()).Msg("Listening for MSN clients")
		group.Go(func() error { return ended(d.server.Serve(ln), msnp.ErrServerClosed) })
	}
	web := d.webServers()
	for _, s := range web {
		group.Go(func() error { return ended(s.server.Serve(s.listener), http.ErrServerClosed) })
	}
	group.Go(func() error { return d.gateway.Run(running) })
	group.Go(func() error { return d.prune(running) })
	group.Go(func() error { return returnMemory(running) })
	var network sync.WaitGroup
	run := func(name string, f func(context.Context) error) {
		network.Go(func() {
			if err := f(networks); err != nil {
				d.log.Error().Err(err).Msg(name + " ended")
			}
		})
	}
	run("XMPP", d.xmpp.Run)
	run("Matrix", d.matrix.Run)
	group.Go(func() error {
		<-running.Done()
		return d.stop(web)
	})
	err := group.Wait()
	endNetworks()
	network.Wait()
	d.log.Info().Msg("Stopped")
	return err
}

// ended makes the ordinary end of a part no error.
func ended(err, ordinary error) error {
	if errors.Is(err, ordinary) {
		return nil
	}
	return err
}

// stop ends the parts in order: first the clients are told, then what they left
// goes on to the networks or stays stored, then the networks' ways in close.
func (d *daemon) stop(web []webServer) error {
	d.log.Info().Msg("Stopping")
	farewell, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	if err := d.server.Shutdown(farewell); err != nil {
		d.log.Warn().Err(err).Msg("Some clients had to be cut")
	}
	handover, cancel := context.WithTimeout(context.Background(), handoverTime)
	defer cancel()
	var errs []error
	for _, s := range web {
		if err := s.server.Shutdown(handover); err != nil {
			errs = append(errs, fmt.Errorf("close %s: %w", s.listener.Addr(), err))
		}
	}
	return errors.Join(append(errs, d.gateway.Stop(handover))...)
}

// webServer is an HTTP server and where it listens.
type webServer struct {
	server   *http.Server
	listener net.Listener
}

// webServers makes the HTTP servers that are configured.
func (d *daemon) webServers() (all []webServer) {
	add := func(ln net.Listener, what string, handler http.Handler) {
		if ln != nil {
			d.log.Info().Stringer("address", ln.Addr()).Msg("Listening for " + what)
			all = append(all, webServer{&http.Server{Handler: handler, ReadHeaderTimeout: httpHeaderTimeout, ErrorLog: linesInto(d.log)}, ln})
		}
	}
	add(d.listeners.appservice, "the Matrix homeserver", d.matrix.Handler())
	checks := map[string]func(context.Context) error{"store": func(ctx context.Context) error {
		_, _, err := d.store.AccountChanges(ctx, -1)
		return err
	}}
	health := healthHandler(newMetrics(d.server.Stats), checks)
	add(d.listeners.http, "operators and browsers", operatorsHandler(health, d.media.Handler()))
	return all
}

// prune lets the store forget now and then.
func (d *daemon) prune(ctx context.Context) error {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		if err := d.store.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			d.log.Warn().Err(err).Msg("Cannot tidy up the store; trying again later")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
