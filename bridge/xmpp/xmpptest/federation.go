package xmpptest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
)

// s2sPort is where a server looks for another one without an SRV record.
const s2sPort = "5269"

// federation is how a server finds others without the DNS.
type federation struct {
	host  string // the address of loopback that the server has for itself
	hosts string // all of them, in the format of /etc/hosts
}

// StartFederated starts servers that reach each other (s2s, with dialback). All
// must be Prosody with different domains: ejabberd has no way to find a server
// without the DNS. Each must be stopped in the end; on an error none runs. It
// needs the package lua-unbound as well.
//
// Each server listens for the others on an address of loopback that it shares
// with nobody, such as 127.80.3.9, because the port cannot be chosen without
// the DNS.
func StartFederated(ctx context.Context, options ...Options) (servers []*Server, err error) {
	var hosts strings.Builder
	for i := range options {
		named, err := newServer(options[i])
		if err != nil {
			return nil, err
		}
		if named.Kind != Prosody {
			return nil, fmt.Errorf("start federated servers: %s cannot be one", named.Kind)
		}
		host := fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(128), rand.IntN(256), 1+rand.IntN(254))
		options[i].federation = &federation{host: host}
		fmt.Fprintln(&hosts, host, named.Domain, named.MUCDomain, named.UploadDomain, named.ComponentDomain)
	}
	for _, o := range options {
		o.federation.hosts = hosts.String()
		s, err := Start(ctx, o)
		if err != nil {
			for _, s := range servers {
				err = errors.Join(err, s.Stop())
			}
			return nil, err
		}
		servers = append(servers, s)
	}
	return servers, nil
}
