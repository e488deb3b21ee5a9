package media

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
)

// The defaults of [Options].
const (
	DefaultExpiry        = 7 * 24 * time.Hour
	DefaultCacheBytes    = 256 << 20
	DefaultMaxBytes      = 64 << 20
	DefaultFetchTimeout  = 60 * time.Second
	DefaultStallTimeout  = 15 * time.Second
	DefaultFetchesAtOnce = 8
	DefaultPixels        = 40_000_000
	DefaultPictureMemory = 256 << 20
)

// secretSize is the least that a signing key must have, in bytes.
const secretSize = 32

// Options configure a [Service]. Where nothing else is said, zero means the
// default.
type Options struct {
	// Records stores the offers. Required if there is a BaseURL.
	Records Records
	// Secret signs the links: 32 bytes or more, the same over restarts.
	// Required if there is a BaseURL.
	Secret []byte
	// BaseURL is what links begin with: "http://192.0.2.1:8080". Without it
	// no links are made and none are served.
	BaseURL string
	// Expiry is how long a link is good.
	Expiry time.Duration
	// CacheDir is the folder in which the cache makes a folder of its own;
	// CacheBytes bounds what is in there. Required if there is a BaseURL.
	CacheDir   string
	CacheBytes int64
	// MaxBytes bounds one source; it must not be above CacheBytes.
	MaxBytes int64
	// AllowPrivate are the private ranges that may be fetched from.
	AllowPrivate []netip.Prefix
	// RequestsPerMinute bounds the requests of one client address; 0 is no
	// limit.
	RequestsPerMinute int
	// Fetchers by network. A network without one is fetched from by [Direct].
	Fetchers map[string]Fetcher
	Log      zerolog.Logger
	// RootCAs are what Direct trusts; nil for the system's.
	RootCAs *x509.CertPool
	// FetchTimeout bounds a whole fetch, StallTimeout how long one may bring
	// nothing, and how long a client may take nothing.
	FetchTimeout, StallTimeout time.Duration
	// FetchesAtOnce bounds the fetches under way.
	FetchesAtOnce int64
	// Pixels bounds the pictures that are converted, and PictureMemory the
	// bytes that all conversions at one time may take.
	Pixels, PictureMemory int64
}

// Service makes links and serves what is behind them. All methods are safe from
// any goroutine.
type Service struct {
	records Records
	signer  signer
	baseURL string
	expiry  time.Duration
	log     zerolog.Logger
	now     func() time.Time

	cache    *cache // nil without baseURL
	pacer    *pacer
	flights  singleflight.Group
	fetches  *semaphore.Weighted
	pictures *semaphore.Weighted

	fetchers                   map[string]Fetcher
	direct                     *Direct
	maxBytes                   int64
	fetchTimeout, stallTimeout time.Duration
	pixels, pictureMemory      int64

	base    context.Context // of all work; ends with Close
	end     context.CancelFunc
	mu      sync.Mutex // guards closed
	closed  bool
	running sync.WaitGroup
}

// New makes a service and opens its cache. The error says which option is
// wrong, or what the folder lacks.
func New(o Options) (*Service, error) {
	s := &Service{
		records: o.Records, log: o.Log, now: time.Now, pacer: newPacer(o.RequestsPerMinute),
		expiry:       cmp.Or(o.Expiry, DefaultExpiry),
		fetches:      semaphore.NewWeighted(cmp.Or(o.FetchesAtOnce, DefaultFetchesAtOnce)),
		fetchers:     o.Fetchers,
		direct:       NewDirect(o.AllowPrivate, o.RootCAs),
		maxBytes:     cmp.Or(o.MaxBytes, DefaultMaxBytes),
		fetchTimeout: cmp.Or(o.FetchTimeout, DefaultFetchTimeout), stallTimeout: cmp.Or(o.StallTimeout, DefaultStallTimeout),
		pixels: cmp.Or(o.Pixels, DefaultPixels), pictureMemory: cmp.Or(o.PictureMemory, DefaultPictureMemory),
	}
	s.pictures = semaphore.NewWeighted(s.pictureMemory)
	s.base, s.end = context.WithCancel(context.Background())
	if o.BaseURL == "" {
		return s, nil
	}
	o.CacheBytes = cmp.Or(o.CacheBytes, DefaultCacheBytes)
	if err := o.check(s.maxBytes); err != nil {
		s.end()
		return nil, err
	}
	s.baseURL = strings.TrimRight(o.BaseURL, "/")
	var err error
	if s.signer, err = newSigner(o.Secret); err == nil {
		s.cache, err = openCache(o.CacheDir, o.CacheBytes, o.Log)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// check finds what is wrong with the options of a service that serves.
func (o Options) check(maxBytes int64) error {
	base, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		return fmt.Errorf("base URL of media %q: write it like http://192.0.2.1:8080: %w", o.BaseURL, err)
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "", base.RawQuery != "", base.Fragment != "":
		return fmt.Errorf("base URL of media %q: write it like http://192.0.2.1:8080", o.BaseURL)
	case len(o.Secret) < secretSize:
		return fmt.Errorf("media secret has %d bytes: give it %d", len(o.Secret), secretSize)
	case o.Records == nil:
		return errors.New("media needs records")
	case o.CacheDir == "":
		return errors.New("media needs a folder for its cache")
	case maxBytes > o.CacheBytes:
		return fmt.Errorf("media: the largest file (%d bytes) does not fit into the cache (%d)", maxBytes, o.CacheBytes)
	}
	return nil
}

// Close ends all fetches and conversions and waits for them. Cached files stay
// for the next run. The handler must not be asked any more.
func (s *Service) Close() error {
	s.mu.Lock()
	closed := s.closed
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.running.Wait()
	s.direct.client.CloseIdleConnections()
	if closed || s.cache == nil {
		return nil
	}
	return s.cache.close()
}

// begin counts work that Close waits for; false after Close.
func (s *Service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// fetcher is the one for a network.
func (s *Service) fetcher(network string) Fetcher {
	if f, ok := s.fetchers[network]; ok {
		return f
	}
	return s.direct
}

// Handler serves the links: everything below /m/. It is mounted on a listener
// of its own or next to other paths.
func (s *Service) Handler() http.Handler { return http.HandlerFunc(s.serve) }
