package stream

import (
	"context"
	"net"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"papillon/bridge/xmpp/xmpptest"
)

// TestRecordsOfServers logs in to servers that are found by nothing but the records of
// their domain: with STARTTLS, with direct TLS, and past a place where nobody answers.
func TestRecordsOfServers(t *testing.T) {
	type records = map[string][]dnsmessage.SRVResource
	for _, kind := range xmpptest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			s, err := xmpptest.Start(t.Context(), xmpptest.Options{Kind: kind})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := s.Stop(); err != nil {
					t.Error(err)
				}
			})
			jid, password, err := s.CreateUser(t.Context(), "alice")
			if err != nil {
				t.Fatal(err)
			}
			gone, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if err := gone.Close(); err != nil {
				t.Fatal(err)
			}
			at := func(priority uint16, address string) dnsmessage.SRVResource {
				_, port, err := net.SplitHostPort(address)
				n, err2 := strconv.ParseUint(port, 10, 16)
				if err != nil || err2 != nil {
					t.Fatal(err, err2)
				}
				return record(priority, "localhost.", uint16(n))
			}
			starttls, direct := "_xmpp-client._tcp."+s.Domain+".", "_xmpps-client._tcp."+s.Domain+"."
			for name, c := range map[string]struct {
				records records
				tried   []string // ports
			}{
				"STARTTLS":   {records{starttls: {at(5, s.ClientAddress)}}, []string{s.ClientAddress}},
				"direct TLS": {records{direct: {at(5, s.DirectTLSAddress)}, starttls: {at(5, s.ClientAddress)}}, []string{s.DirectTLSAddress}},
				"next place": {records{direct: {at(1, gone.Addr().String())}, starttls: {at(5, s.ClientAddress)}},
					[]string{gone.Addr().String(), s.ClientAddress}},
			} {
				var tried []string
				dial := func(ctx context.Context, network, address string) (net.Conn, error) {
					_, port, err := net.SplitHostPort(address)
					if err != nil {
						return nil, err
					}
					address = net.JoinHostPort("127.0.0.1", port) // where localhost is
					tried = append(tried, address)
					return (&net.Dialer{}).DialContext(ctx, network, address)
				}
				err := CheckClient(t.Context(), ClientOptions{
					JID: jid, Password: password, RootCAs: s.RootCAs, Dial: dial, Resolver: names{c.records}.resolver(),
				})
				if err != nil || !slices.Equal(tried, c.tried) {
					t.Errorf("%s: %v; tried %v, want %v", name, err, tried, c.tried)
				}
			}
		})
	}
}
