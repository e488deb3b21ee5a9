package stream

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// pretended is a server that says what a test wants, up to the login.
type pretended struct {
	t        *testing.T
	address  string
	pool     *x509.CertPool
	config   *tls.Config
	domain   string // what the server says it is; empty means a.test
	before   string // the features before TLS; empty means STARTTLS
	features string // the features after TLS
	talk     func(c *conversation)
}

// conversation is one connection.
type conversation struct {
	net.Conn
	r *bufio.Reader
	p *pretended
}

const (
	streamHead = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' id='1' from='%s'>`
	offerTLS   = `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>`
	offerPlain = `<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>`
	offerBind  = `<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>`
)

// pretend listens.
func pretend(t *testing.T, p *pretended) *pretended {
	t.Helper()
	p.t = t
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a.test"}, DNSNames: []string{"a.test", "xn--4ca.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p.pool = x509.NewCertPool()
	p.pool.AddCert(leaf)
	p.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = ln.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			p.serve(conn)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
	return p
}

// head begins a stream.
func (p *pretended) head() string { return fmt.Sprintf(streamHead, cmp.Or(p.domain, "a.test")) }

// serve plays one login.
func (p *pretended) serve(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	c := &conversation{Conn: conn, r: bufio.NewReader(conn), p: p}
	if p.before == "" {
		p.before = offerTLS
	}
	if !c.until("stream:stream") || !c.say(p.head()+p.before) || !c.until("<starttls") {
		return
	}
	if p.before != offerTLS { // it was asked for all the same
		c.say("<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
		return
	}
	if !c.say(`<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`) {
		return
	}
	secure := tls.Server(conn, p.config)
	c.Conn, c.r = secure, bufio.NewReader(secure)
	if c.until("stream:stream") && c.say(p.head()+p.features) {
		p.talk(c)
	}
}

func (c *conversation) say(text string) bool {
	_, err := io.WriteString(c, text)
	return err == nil
}

// until reads up to a tag with a piece of text in it.
func (c *conversation) until(text string) bool { return c.tag(text) != "" }

func (c *conversation) tag(text string) string {
	for {
		got, err := c.r.ReadString('>')
		if err != nil {
			return ""
		}
		if strings.Contains(got, text) {
			return got
		}
	}
}

// loggedIn plays a login with PLAIN up to the binding.
func (c *conversation) loggedIn(want string) bool {
	if !c.until("mechanism=") && !c.until("auth") {
		return false
	}
	got, err := c.r.ReadString('<')
	if err != nil {
		return false
	}
	text, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(got, "<"))
	if err != nil || string(text) != want {
		c.p.t.Errorf("PLAIN with %q, %v", text, err)
	}
	return c.say(`<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`) && c.until("stream:stream") && c.say(c.p.head()+offerBind)
}

func (p *pretended) options() ClientOptions {
	return ClientOptions{JID: "alice@a.test", Password: "secret", Resource: "papillon", Address: p.address, RootCAs: p.pool,
		Timing: Timing{Connect: 20 * time.Second, Farewell: time.Millisecond}}
}

func TestStrangeServers(t *testing.T) {
	nothing := func(*conversation) {}
	for name, test := range map[string]struct {
		p    pretended
		want error
		says string
	}{
		"no STARTTLS":    {pretended{before: offerPlain, talk: nothing}, errNoTLS, "does not offer encryption"},
		"no mechanisms":  {pretended{features: strings.Replace(offerPlain, "PLAIN", "X-MINE", 1), talk: nothing}, errNoMechanism, "no way to log in"},
		"nothing at all": {pretended{features: "<stream:features/>", talk: nothing}, errSession, ""},
		"endless talk": {pretended{features: "<stream:features>", talk: func(c *conversation) {
			for c.say("<x xmlns='y'>" + strings.Repeat("z", 1000) + "</x>") {
			}
		}}, errTalkative, ""},
		"goes away": {pretended{features: offerPlain, talk: nothing}, nil, "cut the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pretend(t, &test.p)
			err := CheckClient(t.Context(), p.options())
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(Describe(err), test.says) || errors.Is(err, ErrFatal) {
				t.Errorf("%v: %s", err, Describe(err))
			}
		})
	}
}

func TestNotXMPP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 mail.a.test ESMTP\r\n")
			_ = conn.Close()
		}
	}()
	err = CheckClient(t.Context(), ClientOptions{JID: "alice@a.test", Address: ln.Addr().String()})
	if err == nil || errors.Is(err, ErrFatal) {
		t.Error(err)
	}
	err = CheckComponent(t.Context(), ComponentOptions{Domain: "a.test", Address: ln.Addr().String()})
	if err == nil || errors.Is(err, ErrFatal) {
		t.Error(err)
	}
}

// TestPlainLogin logs in where only PLAIN is offered, and lets the server refuse
// the resource.
func TestPlainLogin(t *testing.T) {
	p := pretend(t, &pretended{features: offerPlain, talk: func(c *conversation) {
		if !c.loggedIn("\x00alice\x00secret") {
			return
		}
		first := c.tag("<iq ")
		if !c.until("papillon</resource") || !c.say(fmt.Sprintf("<iq type='error' id='%s'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", id(first))) {
			c.p.t.Error("the resource was not asked for")
		}
		second := c.tag("<iq ")
		if bind := c.tag("bind"); !strings.HasSuffix(bind, "/>") {
			c.p.t.Errorf("a resource is asked for again: %s", bind)
		}
		c.say(fmt.Sprintf("<iq type='result' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>alice@a.test/other</jid></bind></iq>", id(second)))
		c.until("iq")
		c.say("</stream:stream>")
	}})
	o := p.options()
	j, err := clientJID(o)
	if err != nil {
		t.Fatal(err)
	}
	n, err := connectClient(t.Context(), &o, j, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.conn.Close()
	if n.address.String() != "alice@a.test/other" || n.counts {
		t.Errorf("%+v", n)
	}
}

// TestRefusals gives the reasons of RFC 6120 §6.5.
func TestRefusals(t *testing.T) {
	for condition, fatal := range map[string]bool{
		"not-authorized": true, "account-disabled": true, "credentials-expired": true, "temporary-auth-failure": false, "aborted": false,
	} {
		p := pretend(t, &pretended{features: offerPlain, talk: func(c *conversation) {
			c.until("auth")
			c.say("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><" + condition + "/><text xml:lang='en'>in words</text></failure>")
			c.until("nothing")
		}})
		err := CheckClient(t.Context(), p.options())
		e, ok := errors.AsType[*SASLError](err)
		if !ok || e.Condition != condition || errors.Is(err, ErrFatal) != fatal {
			t.Errorf("%s: %v", condition, err)
		}
	}
}

// names answers questions of DNS.
type names struct {
	records map[string][]dnsmessage.SRVResource
}

// resolver is one that asks.
func (n names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go n.serve(far)
		return near, nil
	}}
}

// serve answers over a stream, as DNS does over TCP.
func (n names) serve(conn net.Conn) {
	defer conn.Close()
	for {
		head := make([]byte, 2)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		data := make([]byte, int(head[0])<<8|int(head[1]))
		if _, err := io.ReadFull(conn, data); err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(data); err != nil {
			return
		}
		m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
		q := m.Questions[0]
		for _, r := range n.records[q.Name.String()] {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &r})
		}
		if len(m.Answers) == 0 {
			m.RCode = dnsmessage.RCodeNameError
		}
		answer, err := m.Pack()
		if err != nil {
			return
		}
		if _, err := conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)); err != nil {
			return
		}
	}
}

func record(priority uint16, host string, port uint16) dnsmessage.SRVResource {
	return dnsmessage.SRVResource{Priority: priority, Weight: 1, Port: port, Target: dnsmessage.MustNewName(host)}
}

func TestTargets(t *testing.T) {
	type records = map[string][]dnsmessage.SRVResource
	for _, test := range []struct {
		domain  string
		records records
		want    string
	}{
		{"a.test", nil, "[{a.test:5222 false 0}]"},
		{"ä.test", nil, "[{xn--4ca.test:5222 false 0}]"},
		{"192.0.2.1", nil, "[{192.0.2.1:5222 false 0}]"},
		{"a.test", records{"_xmpp-client._tcp.a.test.": {record(9, "x.test.", 1), record(5, "y.test.", 2)}}, "[{y.test:2 false 5} {x.test:1 false 9}]"},
		{"a.test", records{
			"_xmpp-client._tcp.a.test.":  {record(9, "x.test.", 1), record(5, "y.test.", 2)},
			"_xmpps-client._tcp.a.test.": {record(5, "z.test.", 3), record(7, "z.test.", 4)},
		}, "[{z.test:3 true 5} {y.test:2 false 5} {z.test:4 true 7} {x.test:1 false 9}]"},
		{"xn--4ca.test", records{"_xmpps-client._tcp.xn--4ca.test.": {record(1, "x.test.", 1)}}, "[{x.test:1 true 1}]"},
		{"a.test", records{"_xmpp-client._tcp.a.test.": {record(0, ".", 0)}}, "none"},
		{"a.test", records{"_xmpp-client._tcp.a.test.": {record(0, ".", 0)}, "_xmpps-client._tcp.a.test.": {record(1, "x.test.", 1)}}, "[{x.test:1 true 1}]"},
		{"a.test", records{"_xmpps-client._tcp.a.test.": {record(0, ".", 0)}}, "[{a.test:5222 false 0}]"},
	} {
		got, err := targets(t.Context(), names{test.records}.resolver(), test.domain)
		if test.want == "none" {
			if !errors.Is(err, errNoService) {
				t.Errorf("%v, %v", got, err)
			}
			continue
		}
		if err != nil || fmt.Sprint(got) != test.want {
			t.Errorf("%v, %v instead of %s", got, err, test.want)
		}
	}
}

// TestPlacesAreTriedInTurn has a first place that does not answer, and holds the
// certificate of the second against the domain, not the host.
func TestPlacesAreTriedInTurn(t *testing.T) {
	p := pretend(t, &pretended{domain: "ä.test", features: offerPlain, talk: func(c *conversation) {
		c.until("auth")
		c.say("<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>")
		c.until("nothing")
	}})
	o := p.options()
	o.Address = ""
	o.JID = "alice@ä.test"
	o.Resolver = names{map[string][]dnsmessage.SRVResource{
		"_xmpp-client._tcp.xn--4ca.test.": {record(1, "gone.host.", 1), record(2, "here.host.", 2)},
	}}.resolver()
	var tried []string
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if tried = append(tried, address); address != "here.host:2" {
			return nil, errors.New("nobody there")
		}
		return (&net.Dialer{}).DialContext(ctx, network, p.address)
	}
	err := CheckClient(t.Context(), o)
	if _, refused := errors.AsType[*SASLError](err); len(tried) != 2 || !refused {
		t.Errorf("%v after %v", err, tried)
	}
}
