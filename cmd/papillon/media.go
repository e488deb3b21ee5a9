package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"papillon/bridge"
	"papillon/bridge/matrix"
	"papillon/bridge/media"
)

// newMedia makes the service behind links to pictures and files. Without
// http.listen it makes lines without links.
func (d *daemon) newMedia(ctx context.Context, c *Config) (*media.Service, error) {
	o := media.Options{
		Records: d.store, BaseURL: c.linkBase(), Expiry: time.Duration(c.Media.Expiry),
		CacheDir: c.Media.Cache, CacheBytes: int64(c.Media.CacheSize) << 20, MaxBytes: int64(c.Media.MaxSize) << 20,
		RequestsPerMinute: c.Media.Requests, Log: d.log,
	}
	if o.BaseURL == "" {
		return media.New(media.Options{Log: d.log})
	}
	for _, p := range c.Media.AllowPrivate {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, err // it has been checked
		}
		o.AllowPrivate = append(o.AllowPrivate, prefix)
	}
	var err error
	if o.RootCAs, err = loadRoots(c.XMPP.CA); err != nil {
		return nil, err
	}
	if o.Secret, err = d.store.Secret(ctx, "media links"); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Clean(o.CacheDir), 0o700); err != nil {
		return nil, explainCache(err)
	}
	if d.matrix != nil {
		o.Fetchers = map[string]media.Fetcher{
			matrix.Name: matrixMedia{d.matrix, media.NewDirect(o.AllowPrivate, o.RootCAs)},
		}
	}
	service, err := media.New(o)
	return service, explainCache(err)
}

// explainCache says what to do about a folder that cannot be used.
func explainCache(err error) error {
	if _, ok := errors.AsType[*fs.PathError](err); !ok {
		return err
	}
	return fmt.Errorf("%w: give this user (uid %d) write access to the folder media.cache, or change the setting", err, os.Getuid())
}

// matrixMedia fetches the files of Matrix: from the homeserver as the account they
// were sent to, or from where it says that they are, as a stranger.
type matrixMedia struct {
	network *matrix.Network
	direct  *media.Direct
}

// Fetch implements [media.Fetcher].
func (m matrixMedia) Fetch(ctx context.Context, o media.Offer) (io.ReadCloser, string, int64, error) {
	elsewhere := func(ctx context.Context, address string) (io.ReadCloser, string, int64, error) {
		return m.direct.Fetch(ctx, media.Offer{Source: address})
	}
	return m.network.Media(ctx, o.Account, o.Source, elsewhere)
}

// linkBase is what links begin with; empty where none are served.
func (c *Config) linkBase() string {
	switch {
	case c.HTTP.Listen == "":
		return ""
	case c.HTTP.BaseURL != "":
		return c.HTTP.BaseURL
	}
	host, port, err := net.SplitHostPort(c.HTTP.Listen)
	if err != nil {
		return "" // it has been checked
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		// The address that old computers reach this machine by: that of the
		// MSN server if it is one, else this machine's name.
		host = c.reachableHost()
	}
	return "http://" + net.JoinHostPort(host, port)
}

// reachableHost guesses how others call this machine.
func (c *Config) reachableHost() string {
	for _, addr := range []string{c.MSN.PublicAddress, c.MSN.Listen} {
		host, _, err := net.SplitHostPort(addr)
		if ip := net.ParseIP(host); err == nil && host != "" && (ip == nil || !ip.IsUnspecified()) {
			return host
		}
	}
	if name, err := os.Hostname(); err == nil {
		return name
	}
	return "127.0.0.1"
}

// mediaLinks words what the service offers for the gateway.
type mediaLinks struct{ service *media.Service }

// Line implements [bridge.MediaLinks].
func (m mediaLinks) Line(ctx context.Context, account bridge.Handle, network, key string, what bridge.Media) (string, error) {
	offer := media.Offer{
		Account: account, Network: network, Key: key, Source: what.Source,
		Name: what.Name, Type: what.Type, Size: what.Size, Voice: what.Voice,
	}
	link, err := m.service.Offer(ctx, offer)
	if err != nil {
		return "", err
	}
	offer.Type = link.Type
	return link.Line(offer.Kind()), nil
}

// operatorsHandler serves health and figures, and the links.
func operatorsHandler(health, links http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", health)
	mux.Handle("/m/", links)
	return mux
}
