package stream

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"

	"golang.org/x/net/idna"
	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

const (
	nsBind = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSM   = "urn:xmpp:sm:3"
)

// Buffers for reading, in bytes. What lies under TLS is read by record and needs
// next to none.
const (
	rawBuffer       = 512
	clientBuffer    = 2 << 10
	componentBuffer = 32 << 10
)

var (
	errNoTLS   = errors.New("the server does not offer STARTTLS")
	errSession = errors.New("the server ended the negotiation without a session")
)

// resumption is what is needed to go on with a session (XEP-0198 §5).
type resumption struct {
	id      string // empty if there is nothing to resume
	handled uint32 // how many stanzas from the server have been taken care of
	address jid.JID
}

// negotiated is the outcome of a login.
type negotiated struct {
	conn    *byteConn
	address jid.JID
	counts  bool // the server offers stream management
	resumed bool
	// reported says that the server told how many stanzas it has taken, of
	// the session that is to be resumed: handled. It may do so when it
	// refuses as well.
	reported bool
	handled  uint32
}

// login negotiates one client session over a connection to the server, which is
// closed if it fails.
type login struct {
	o      *ClientOptions
	jid    jid.JID           // with the resource to ask for
	resume func() resumption // taken at the last moment
	out    negotiated
}

// negotiate logs in.
func (l *login) negotiate(ctx context.Context, conn net.Conn, direct bool) (_ negotiated, err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if err != nil {
			_ = conn.Close()
		}
	}()
	config, err := l.tlsConfig(direct)
	if err != nil {
		return negotiated{}, err
	}
	state := xmpp.SessionState(0)
	plain := newByteConn(conn, rawBuffer)
	secured := plain
	if direct {
		if secured, err = handshake(ctx, conn, config); err != nil {
			return negotiated{}, err
		}
		state = xmpp.Secure
	}
	features := []xmpp.StreamFeature{startTLS(config), l.authentication(), l.binding()}
	session, err := xmpp.NewSession(ctx, l.jid.Domain(), l.jid.Bare(), secured, state,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features}
		}))
	if !stop() {
		return negotiated{}, fmt.Errorf("log in: %w", context.Cause(ctx))
	}
	if err != nil {
		return negotiated{}, classify(err)
	}
	// The library takes an empty list of features for the end, whatever is
	// missing.
	secured, ok := session.Conn().(*byteConn)
	if all := xmpp.Secure | xmpp.Authn; !ok || session.State()&all != all || l.out.address.Equal(jid.JID{}) {
		return negotiated{}, errSession
	}
	_, l.out.counts = session.Feature(nsSM)
	secured.left = -1
	l.out.conn = secured
	return l.out, nil
}

// tlsConfig is for the domain of the JID, wherever the server is.
func (l *login) tlsConfig(direct bool) (*tls.Config, error) {
	name, err := idna.Lookup.ToASCII(l.jid.Domainpart())
	if err != nil {
		return nil, fmt.Errorf("take %s for a host name: %w", l.jid.Domainpart(), err)
	}
	config := &tls.Config{ServerName: name, RootCAs: l.o.RootCAs, MinVersion: tls.VersionTLS12}
	if direct {
		config.NextProtos = []string{"xmpp-client"}
	}
	return config, nil
}

// handshake puts TLS over a connection.
func handshake(ctx context.Context, conn net.Conn, config *tls.Config) (*byteConn, error) {
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("secure the connection: %w", err)
	}
	return newByteConn(secure, clientBuffer), nil
}

// startTLS is the library's feature, with the handshake done at once, and over a
// connection that can be read byte by byte.
func startTLS(config *tls.Config) xmpp.StreamFeature {
	feature := xmpp.StartTLS(config)
	begin := feature.Negotiate
	feature.Negotiate = func(ctx context.Context, s *xmpp.Session, data any) (xmpp.SessionState, io.ReadWriter, error) {
		_, offered := s.Feature(feature.Name.Space)
		mask, rw, err := begin(ctx, s, data)
		if err != nil {
			if !offered {
				err = fmt.Errorf("%w: %w", errNoTLS, err)
			}
			return mask, nil, err
		}
		secure, ok := rw.(*tls.Conn)
		if !ok {
			return 0, nil, errNoTLS
		}
		if err := secure.HandshakeContext(ctx); err != nil {
			return 0, nil, fmt.Errorf("secure the connection: %w", err)
		}
		return mask, newByteConn(secure, clientBuffer), nil
	}
	return feature
}

// authentication is the library's feature. Mechanisms with channel binding are
// left out: ejabberd fails them under TLS 1.3.
func (l *login) authentication() xmpp.StreamFeature {
	known := []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1, sasl.Plain}
	feature := xmpp.SASL("", l.o.Password, known...)
	begin := feature.Negotiate
	feature.Negotiate = func(ctx context.Context, s *xmpp.Session, data any) (xmpp.SessionState, io.ReadWriter, error) {
		offered, _ := data.([]string)
		if !slices.ContainsFunc(known, func(m sasl.Mechanism) bool { return slices.Contains(offered, m.Name) }) {
			return 0, nil, errNoMechanism
		}
		return begin(ctx, s, data)
	}
	return feature
}

// binding resumes the session or binds a resource. The library's own feature
// never sends the resource that it is given, and knows nothing of resuming.
func (l *login) binding() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsBind, Local: "bind"},
		Necessary:  xmpp.Secure | xmpp.Authn,
		Prohibited: xmpp.Ready,
		Parse: func(_ context.Context, d *xml.Decoder, _ *xml.StartElement) (bool, any, error) {
			return true, nil, d.Skip()
		},
		Negotiate: func(_ context.Context, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			r := s.TokenReader()
			defer r.Close()
			d := &treeDecoder{d: xml.NewTokenDecoder(r)}
			if _, offered := s.Feature(nsSM); offered && l.resume != nil {
				if err := l.tryResume(s.Conn(), d); err != nil {
					return 0, nil, err
				}
			}
			if !l.out.resumed {
				if err := l.bind(s.Conn(), d); err != nil {
					return 0, nil, err
				}
			}
			return xmpp.Ready, nil, nil
		},
	}
}

// tryResume asks for the session before the interruption.
func (l *login) tryResume(w io.Writer, d *treeDecoder) error {
	before := l.resume()
	if before.id == "" {
		return nil
	}
	ask := NewElement(nsSM, "resume", "h", strconv.FormatUint(uint64(before.handled), 10), "previd", before.id)
	e, err := exchange(w, d, ask)
	if err != nil {
		return fmt.Errorf("resume the session: %w", err)
	}
	if handled, err := strconv.ParseUint(e.Attribute("h"), 10, 32); err == nil {
		l.out.handled, l.out.reported = uint32(handled), true
	}
	if e.Name.Space == nsSM && e.Name.Local == "resumed" && l.out.reported {
		l.out.resumed, l.out.address = true, before.address
	}
	return nil
}

// bind binds the resource asked for, or one of the server's choice if that is
// taken.
func (l *login) bind(w io.Writer, d *treeDecoder) error {
	for _, resource := range []string{l.jid.Resourcepart(), ""} {
		wish := NewElement(nsBind, "bind")
		if resource != "" {
			wish.With(NewText(nsBind, "resource", resource))
		}
		ask := NewElement("", "iq", "type", "set", "id", newID()).With(wish)
		e, err := exchange(w, d, ask)
		if err != nil {
			return fmt.Errorf("bind the resource: %w", err)
		}
		answer := e.stanza()
		if answer == nil {
			return fmt.Errorf("bind the resource: the server answers with %s", e.Name.Local)
		}
		if refused := answer.Err(); refused != nil {
			if refused.Condition == "conflict" && resource != "" {
				continue
			}
			return fmt.Errorf("bind the resource: %w", refused)
		}
		address := answer.Child(nsBind, "bind").Child(nsBind, "jid").Chars()
		if l.out.address, err = jid.Parse(address); err != nil {
			return fmt.Errorf("bind the resource: the server answers with the address %q: %w", address, err)
		}
		return nil
	}
	return errSession
}

// exchange writes an element and reads the next one.
func exchange(w io.Writer, d *treeDecoder, ask *Element) (*Element, error) {
	data, err := appendElement(nil, ask, "", 1)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	for {
		token, err := d.d.Token()
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue // space
		}
		return d.element(start, false, 1)
	}
}
