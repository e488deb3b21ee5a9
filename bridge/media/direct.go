package media

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 30 * time.Second
	maxHeader     = 64 << 10
	maxRedirects  = 5
)

// Fetcher gets the bytes behind an offer. [Direct] is the one for http(s)
// addresses; a network with authenticated or encrypted media has its own.
type Fetcher interface {
	// Fetch opens the source. The media type may be empty; size is -1 if
	// unknown. Fetch and the body's Read return soon after the context ends.
	// What is too long is cut off by the caller, who closes the body. The
	// error must not contain the source: it is logged.
	Fetch(ctx context.Context, o Offer) (body io.ReadCloser, mediaType string, size int64, err error)
}

// Direct fetches from http and https addresses, as a stranger: no cookies, no
// credentials, no proxy, and from nowhere but public addresses and those that
// are allowed.
type Direct struct{ client *http.Client }

// NewDirect makes a Direct. Roots are the certificates to trust, nil for the
// system's.
func NewDirect(allowPrivate []netip.Prefix, roots *x509.CertPool) *Direct {
	dialer := &net.Dialer{Timeout: dialTimeout, Control: addressRule{allowPrivate}.control}
	return &Direct{&http.Client{
		Transport: &http.Transport{
			Proxy:       nil, // a proxy would dial for us what we must not dial
			DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headerTimeout, MaxResponseHeaderBytes: maxHeader,
			DisableCompression: true, // nothing is unpacked, so nothing can burst
			MaxIdleConns:       16, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			// Where a file is kept is no business of the next server.
			r.Header.Del("Referer")
			return checkURL(r.URL)
		},
	}}
}

// checkURL refuses what is no plain web address.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("address is neither http nor https")
	case u.Hostname() == "":
		return errors.New("address without a host")
	case u.User != nil:
		return errors.New("address with credentials")
	}
	return nil
}

// ask sends a request and returns the answer if it is 200.
func (d *Direct) ask(ctx context.Context, method, source string) (*http.Response, error) {
	u, err := url.Parse(source)
	if err != nil { // the error quotes the address
		return nil, errors.New("parse source: not an address")
	}
	if err := checkURL(u); err != nil {
		return nil, fmt.Errorf("check source: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask %s: not an address", u.Hostname())
	}
	request.Header.Set("User-Agent", "Papillon")
	response, err := d.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", u.Hostname(), withoutURL(err))
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("ask %s: %s", u.Hostname(), response.Status), response.Body.Close())
	}
	return response, nil
}

// withoutURL takes the address, whose query may be a secret, out of an error.
func withoutURL(err error) error {
	var inner *url.Error
	for errors.As(err, &inner) {
		err = inner.Err
	}
	return err
}

// Fetch implements [Fetcher].
func (d *Direct) Fetch(ctx context.Context, o Offer) (io.ReadCloser, string, int64, error) {
	response, err := d.ask(ctx, http.MethodGet, o.Source)
	if err != nil {
		return nil, "", 0, err
	}
	return response.Body, response.Header.Get("Content-Type"), response.ContentLength, nil
}

// Probe implements [Prober] with a HEAD request.
func (d *Direct) Probe(ctx context.Context, o Offer) (string, int64, error) {
	response, err := d.ask(ctx, http.MethodHead, o.Source)
	if err != nil {
		return "", 0, err
	}
	if err := response.Body.Close(); err != nil {
		return "", 0, fmt.Errorf("probe source: %w", withoutURL(err))
	}
	return response.Header.Get("Content-Type"), max(response.ContentLength, 0), nil
}
