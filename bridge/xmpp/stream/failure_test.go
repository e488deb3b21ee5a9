package stream_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"papillon/bridge/xmpp/stream"
	"papillon/bridge/xmpp/xmpptest"
)

func TestCheckClient(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		jid, password := user(t, s, "check")
		right := options(t, s, jid, password)
		direct := right
		direct.Address, direct.DirectTLS = s.DirectTLSAddress, true
		wrong := right
		wrong.Password = "wrong"
		nobody := right
		nobody.JID = "nobody-at-all@" + s.Domain
		untrusted := right
		untrusted.RootCAs = nil
		name := right
		name.JID = "check@other.test"
		refused := right
		refused.Address = closedPort(t)
		notTLS := right
		notTLS.DirectTLS = true
		noAddress := right
		noAddress.JID = "not an address"
		noHost := right
		noHost.Dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}
		}
		for _, test := range []struct {
			name  string
			o     stream.ClientOptions
			says  string
			fatal bool
		}{
			{"right", right, "", false},
			{"direct TLS", direct, "", false},
			{"wrong password", wrong, "the password is wrong", true},
			{"no account", nobody, "the password is wrong, or the account does not exist", true},
			{"certificate not trusted", untrusted, "not signed by an authority that is trusted", false},
			{"other domain", name, "does not serve this domain", false},
			{"nothing listens", refused, "nothing answers at the server's address", false},
			{"not TLS", notTLS, "does not speak TLS", false},
			{"no address", noAddress, "this is not an XMPP address", true},
			{"no host", noHost, "there is no such host", false},
		} {
			t.Run(test.name, func(t *testing.T) {
				err := stream.CheckClient(bounded(t), test.o)
				if test.name == "right" || test.name == "direct TLS" {
					must(t, err)
					return
				}
				said := stream.Describe(err)
				if err == nil || !strings.Contains(said, test.says) || strings.Contains(said, "\n") {
					t.Errorf("%v is described as %q", err, said)
				}
				if errors.Is(err, stream.ErrFatal) != test.fatal {
					t.Errorf("fatal is not %v: %v", test.fatal, err)
				}
			})
		}
	})
}

// closedPort is an address at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

func TestCheckLeavesTheSessionAlone(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		jid, password := user(t, s, "checked")
		c, r := startClient(t, options(t, s, jid, password))
		must(t, stream.CheckClient(bounded(t), options(t, s, jid, password)))
		must(t, c.Send(t.Context(), &stream.Stanza{Kind: stream.Presence}))
		must(t, c.Deliver(bounded(t), chat("", c.JID(), "self", "still here")))
		r.message(t)
		if len(r.down) > 0 {
			t.Error(<-r.down)
		}
	})
}

func TestCertificates(t *testing.T) {
	for _, test := range []struct {
		name, says string
		o          xmpptest.Options
	}{
		{"other name", "for another name", xmpptest.Options{CertificateDomain: "other.test"}},
		{"expired", "expired", xmpptest.Options{CertificateExpired: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := alone(t, test.o)
			jid, password := user(t, s, "cert")
			o := options(t, s, jid, password)
			for _, direct := range []bool{false, true} {
				if o.DirectTLS = direct; direct {
					o.Address = s.DirectTLSAddress
				}
				err := stream.CheckClient(bounded(t), o)
				if said := stream.Describe(err); err == nil || !strings.Contains(said, test.says) || errors.Is(err, stream.ErrFatal) {
					t.Errorf("%v is described as %q", err, said)
				}
			}
		})
	}
}

// TestComponentAtAnotherPort: neither the server's port for clients nor another program
// is taken for a matter of the secret, or told in the words of a library.
func TestComponentAtAnotherPort(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer other.Close()
	go func() {
		for {
			conn, err := other.Accept()
			if err != nil {
				return
			}
			defer conn.Close() // when all is over: at once it could cut off what was said
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	each(t, func(t *testing.T, s *xmpptest.Server) {
		o := componentOptions(t, s)
		for _, address := range []string{s.ClientAddress, other.Addr().String()} {
			o.Address = address
			err := stream.CheckComponent(bounded(t), o)
			if said := stream.Describe(err); err == nil || !strings.Contains(said, "port") || errors.Is(err, stream.ErrFatal) {
				t.Errorf("%v is described as %q", err, said)
			}
		}
	})
}

func TestCheckComponent(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		o := componentOptions(t, s)
		must(t, stream.CheckComponent(bounded(t), o))
		wrong := o
		wrong.Secret = "wrong"
		err := stream.CheckComponent(bounded(t), wrong)
		if said := stream.Describe(err); !errors.Is(err, stream.ErrFatal) || !strings.Contains(said, "secret") {
			t.Errorf("%v is described as %q", err, said)
		}
		foreign := o
		foreign.Domain = "icq." + s.Domain
		err = stream.CheckComponent(bounded(t), foreign)
		if said := stream.Describe(err); err == nil || !strings.Contains(said, "does not know the component's domain") {
			t.Errorf("%v is described as %q", err, said)
		}
		_, _ = startComponent(t, o)
		if err = stream.CheckComponent(bounded(t), o); !errors.Is(err, stream.ErrTaken) || errors.Is(err, stream.ErrFatal) {
			t.Errorf("beside a component that runs: %v", err)
		}
	})
}

func TestWrongPasswordIsNotTriedForEver(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		jid, _ := user(t, s, "forever")
		r := newRecorder()
		c := stream.NewClient(options(t, s, jid, "wrong"), r)
		c.Start()
		if err := receive(t, r.down); !errors.Is(err, stream.ErrFatal) {
			t.Errorf("the reason is %v", err)
		}
		if err := c.Send(t.Context(), chat("", jid, "", "x")); !errors.Is(err, stream.ErrNotConnected) {
			t.Errorf("a message was sent: %v", err)
		}
		closeConn(t, c)
		if len(r.down) > 0 {
			t.Error("it went on")
		}
	})
}

func TestSameResourceTakesOver(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		jid, password := user(t, s, "twice")
		_, first := startClient(t, options(t, s, jid, password))
		second, _ := startClient(t, options(t, s, jid, password))
		if err := receive(t, first.down); !errors.Is(err, stream.ErrFatal) {
			t.Errorf("the reason is %v", err)
		} else if said := stream.Describe(err); !strings.Contains(said, "same resource") {
			t.Errorf("described as %q", said)
		}
		if !second.Up() {
			t.Error("the second session is gone too")
		}
	})
}

func TestAccountIsRemoved(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		jid, password := user(t, s, "removed")
		_, r := startClient(t, options(t, s, jid, password))
		name, _, _ := strings.Cut(jid, "@")
		must(t, s.RemoveUser(t.Context(), name))
		for {
			err := receive(t, r.down)
			if !errors.Is(err, stream.ErrFatal) {
				continue
			}
			if said := stream.Describe(err); !strings.Contains(said, "the account does not exist") {
				t.Errorf("%v is described as %q", err, said)
			}
			return
		}
	})
}

func TestBadStanzasAreNotSent(t *testing.T) {
	each(t, func(t *testing.T, s *xmpptest.Server) {
		c, r := startComponent(t, componentOptions(t, s))
		msn := "alice@" + s.ComponentDomain
		for _, bad := range []*stream.Stanza{
			chat("", "bob@"+s.Domain, "", "x"),
			chat("alice@"+s.Domain, "bob@"+s.Domain, "", "x"),
			chat("alice@evil."+s.ComponentDomain, "bob@"+s.Domain, "", "x"),
			chat("a lice@"+s.ComponentDomain, "bob@"+s.Domain, "", "x"),
			chat("@"+s.ComponentDomain, "bob@"+s.Domain, "", "x"),
			chat(msn, "bo b@"+s.Domain, "", "x"),
			chat(msn, "", "", "x"),
			chat(msn, "@", "", "x"),
			{Kind: "stream:stream", From: msn, To: "bob@" + s.Domain},
			{Kind: stream.Message, From: msn, To: "bob@" + s.Domain, Children: []*stream.Element{stream.NewElement("", "a b")}},
		} {
			if err := c.Send(t.Context(), bad); err == nil {
				t.Errorf("%+v was sent", bad)
			}
		}
		odd := []string{"a", "a.b", "bob%hotmail.com", "=2f", "über", "x_y", "1", strings.Repeat("x", 300)}
		for i, local := range odd {
			must(t, c.Deliver(bounded(t), chat(local+"@"+s.ComponentDomain, msn, fmt.Sprint(i), "x")))
			if got := r.message(t); stream.Bare(got.From) != local+"@"+s.ComponentDomain {
				t.Errorf("%s arrived from %s", local, got.From)
			}
		}
		if len(r.down) > 0 {
			t.Error(<-r.down)
		}
	})
}
