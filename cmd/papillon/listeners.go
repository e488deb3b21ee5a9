package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen opens an address. Its errors are one line that says what to do about
// the setting named by key.
func listen(key, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use: stop the other server or set %s", addr, key)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("%s may not be listened on without more rights: set %s to a port above 1023", addr, key)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s is no address of this machine: set %s", addr, key)
	}
	return nil, fmt.Errorf("listen on %s (%s): %w", addr, key, err)
}

// listeners are all the addresses that serve listens on.
type listeners struct {
	msn        []net.Listener
	appservice net.Listener // nil without Matrix
	http       net.Listener // nil unless set
}

// openListeners opens all of them, or none.
func openListeners(c *Config) (*listeners, error) {
	l := new(listeners)
	if err := l.open(c); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// open opens all of them, or leaves it to the caller to close the first few.
func (l *listeners) open(c *Config) (err error) {
	if err := l.openMSN("msn.listen", c.MSN.Listen); err != nil {
		return err
	}
	for _, addr := range c.MSN.ExtraListen {
		if err := l.openMSN("msn.extra_listen", addr); err != nil {
			return err
		}
	}
	if err := l.openTLS(c.MSN.TLS); err != nil {
		return err
	}
	if c.Matrix.HomeserverURL != "" {
		if l.appservice, err = listen("matrix.listen", c.Matrix.Listen); err != nil {
			return err
		}
	}
	if c.HTTP.Listen != "" {
		if l.http, err = listen("http.listen", c.HTTP.Listen); err != nil {
			return err
		}
	}
	return nil
}

// openMSN opens one more address for MSN clients.
func (l *listeners) openMSN(key, addr string) error {
	ln, err := listen(key, addr)
	if err != nil {
		return err
	}
	l.msn = append(l.msn, ln)
	return nil
}

// openTLS opens the listener with TLS where one is set.
func (l *listeners) openTLS(c TLSConfig) error {
	if c.Listen == "" {
		return nil
	}
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return fmt.Errorf("load the certificate of msn.tls: %w", err)
	}
	ln, err := listen("msn.tls.listen", c.Listen)
	if err != nil {
		return err
	}
	l.msn = append(l.msn, tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}))
	return nil
}

// close gives the addresses up when serve does not come to using them.
func (l *listeners) close() {
	for _, ln := range append(l.msn, l.appservice, l.http) {
		if ln != nil {
			_ = ln.Close() // nothing was accepted on it
		}
	}
}
