package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"

	"papillon/bridge"
	"papillon/bridge/matrix"
	"papillon/bridge/xmpp"
)

// newXMPP makes the network of XMPP. It is there even without a component:
// accounts may be linked at any time.
func (d *daemon) newXMPP(c *Config) (*xmpp.Network, error) {
	options, err := c.xmppOptions()
	if err != nil {
		return nil, err
	}
	options.Memory, options.Log = d.store, d.log
	return xmpp.New(options)
}

// xmppOptions gives the settings in the network's words.
func (c *Config) xmppOptions() (xmpp.Options, error) {
	x := c.XMPP
	roots, err := loadRoots(x.CA)
	if err != nil {
		return xmpp.Options{}, configError{fmt.Errorf("xmpp.ca: %w", err)}
	}
	o := xmpp.Options{AccountDomain: c.MSN.Domain, Priority: x.Priority, RootCAs: roots}
	if x.Component.Domain != "" {
		o.Component = xmpp.ComponentOptions{
			Address: x.Component.Address, Domain: strings.ToLower(x.Component.Domain), Secret: string(x.Component.Secret),
		}
	}
	return o, nil
}

// loadRoots reads certificates to trust besides the system's; nil for none.
func loadRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(raw) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return roots, nil
}

// hasSignUp says whether anybody may make an account for himself.
func (c *Config) hasSignUp() bool {
	own, _, err := c.loadOwnRegistration() // on Matrix it takes the second registration
	onMatrix := err == nil && own != nil && c.Matrix.HomeserverURL != "" && c.Matrix.SignUp
	return onMatrix || c.XMPP.Component.Domain != "" && !slices.Equal(c.XMPP.Component.SignUp, []string{"none"})
}

// maySignUp says whether a person of a network may make an account.
func (c *Config) maySignUp(network string, person bridge.RemoteID) bool {
	if network == matrix.Name {
		// Whose account can be linked is for the network to say.
		_, domain, _ := strings.Cut(string(person), ":")
		return c.Matrix.SignUp && domain == c.Matrix.HomeserverDomain
	}
	x := c.XMPP.Component
	if network != xmpp.Name || x.Domain == "" {
		return false
	}
	_, domain, _ := strings.Cut(string(person), "@")
	domains := x.SignUp
	if len(domains) == 0 {
		_, parent, _ := strings.Cut(x.Domain, ".")
		domains = []string{parent}
	}
	for _, d := range domains {
		if d == "*" || strings.EqualFold(d, domain) {
			return true
		}
	}
	return false
}
