package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
)

// Client is a person's session. It connects and stays connected until Close or
// an error that is [ErrFatal].
type Client struct {
	*link
	o       ClientOptions
	asked   jid.JID // with the resource to ask for
	address jid.JID // as bound; guarded by the link's lock
	refused int     // how often in a row the server has refused the login
}

var _ Conn = (*Client)(nil)

// NewClient makes a client; Start lets it connect. Options that cannot be, such
// as an address that is none, come as an [ErrFatal] after Start.
func NewClient(o ClientOptions, h Handler) *Client {
	c := &Client{link: newLink(h, o.Log, o.Timing, o.Backoff), o: o}
	var invalid error
	c.asked, invalid = clientJID(o)
	c.link.check = c.checkStanza
	c.link.own = c.fromServer
	c.link.barrierPing = func(id string) []byte {
		return []byte(`<iq type="get" id="` + id + `"><ping xmlns="urn:xmpp:ping"/></iq>`)
	}
	c.link.fatal = func(err error) error {
		if e, ok := errors.AsType[stream.Error](err); ok && e.Err == stream.Conflict.Err {
			return fmt.Errorf("%w: %w", ErrFatal, err)
		}
		return err
	}
	c.link.confirm = c.confirmConflict
	c.connect = func(ctx context.Context) (negotiated, error) {
		if invalid != nil {
			return negotiated{}, invalid
		}
		n, err := connectClient(ctx, &c.o, c.asked, c.resumption)
		if err != nil {
			return n, c.doubt(err)
		}
		c.refused = 0
		c.link.mu.Lock()
		c.address = n.address
		c.link.mu.Unlock()
		return n, nil
	}
	return c
}

var errNoAddress = errors.New("no XMPP address")

// clientJID is the address with the resource to ask for.
func clientJID(o ClientOptions) (jid.JID, error) {
	j, err := jid.Parse(Bare(o.JID))
	if err == nil && j.Localpart() == "" {
		err = errors.New("it has no name before the @")
	}
	if err == nil {
		j, err = j.WithResource(o.Resource)
	}
	if err != nil {
		return jid.JID{}, fmt.Errorf("%w: %q is %w: %w", ErrFatal, o.JID, errNoAddress, err)
	}
	return j, nil
}

// JID returns the full JID of the session, as the server bound it last; "" before
// the first.
func (c *Client) JID() string {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.address.String()
}

// maxRefused is how often in a row a login that has worked before is refused
// until that is believed: a server that has just started may say so of everybody
// (ejabberd does before it has read its accounts), as may one whose directory is
// away.
const maxRefused = 4

// doubt takes the mark off a refusal that may not last.
func (c *Client) doubt(err error) error {
	refusal, ok := errors.AsType[*SASLError](err)
	if !ok || c.JID() == "" {
		return err
	}
	if c.refused++; c.refused < maxRefused {
		return refusal
	}
	return err
}

// confirmConflict tells a session that another one replaced from an account that
// is gone: ejabberd ends both as a conflict.
func (c *Client) confirmConflict(ctx context.Context, conflict error) error {
	if err := CheckClient(ctx, c.o); errors.Is(err, ErrFatal) {
		return err
	}
	return conflict
}

// resumption is what to resume the last session with. It freezes the count.
func (c *Client) resumption() resumption {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return resumption{id: c.session, handled: c.in.freeze(), address: c.address}
}

// checkStanza takes the sender off, which is the server's to write, and refuses
// addresses that are none.
func (c *Client) checkStanza(s *Stanza) error {
	s.From = ""
	if s.To == "" {
		return nil
	}
	return checkAddress(s.To)
}

// fromServer tells whether something comes from the own account or server.
func (c *Client) fromServer(from string) bool {
	return from == "" || sameAddress(Bare(from), c.asked.Bare().String()) || sameAddress(from, c.asked.Domain().String())
}

// connectClient makes one try at each place where the server may be.
func connectClient(ctx context.Context, o *ClientOptions, j jid.JID, resume func() resumption) (negotiated, error) {
	if o.Slots != nil {
		select {
		case o.Slots <- struct{}{}:
			defer func() { <-o.Slots }()
		case <-ctx.Done():
			return negotiated{}, ctx.Err()
		}
	}
	timing := o.Timing.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, timing.Connect)
	defer cancel()
	places := []target{{address: o.Address, direct: o.DirectTLS}}
	if o.Address == "" {
		resolver := o.Resolver
		if resolver == nil {
			resolver = net.DefaultResolver
		}
		var err error
		if places, err = targets(ctx, resolver, j.Domainpart()); err != nil {
			return negotiated{}, err
		}
	}
	var failed error
	for _, place := range places {
		n, err := connectPlace(ctx, o, timing, place, &login{o: o, jid: j, resume: resume})
		if err == nil {
			return n, nil
		}
		if errors.Is(err, ErrFatal) || ctx.Err() != nil {
			return negotiated{}, err
		}
		failed = errors.Join(failed, err)
	}
	return negotiated{}, failed
}

// maxDial bounds one place, so that one that is silent leaves time for the next.
const maxDial = 20 * time.Second

func connectPlace(ctx context.Context, o *ClientOptions, timing Timing, place target, l *login) (negotiated, error) {
	dialed, cancel := context.WithTimeout(ctx, maxDial)
	conn, err := dial(dialed, o.Dial, place.address)
	cancel()
	if err != nil {
		return negotiated{}, err
	}
	return l.negotiate(ctx, &deadlineConn{Conn: conn, read: timing.Read, write: timing.Write}, place.direct)
}

func dial(ctx context.Context, d Dial, address string) (net.Conn, error) {
	if d == nil {
		d = (&net.Dialer{}).DialContext
	}
	conn, err := d(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

// CheckClient logs in and out again, beside a session that may be running, and
// returns what is wrong; [Describe] says it in a line. It does not try twice.
func CheckClient(ctx context.Context, o ClientOptions) error {
	o.Resource = "" // the server chooses, so that nobody is thrown out
	j, err := clientJID(o)
	if err != nil {
		return err
	}
	n, err := connectClient(ctx, &o, j, nil)
	if err != nil {
		return err
	}
	return farewell(n.conn, o.Timing)
}

// farewell ends a stream that was only tried.
func farewell(conn *byteConn, timing Timing) error {
	defer conn.Close()
	if _, err := conn.Write([]byte(`</stream:stream>`)); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	stop := time.AfterFunc(timing.withDefaults().Farewell, func() { _ = conn.Close() })
	defer stop.Stop()
	f := &framer{r: conn.r, limit: maxStanza}
	for {
		if _, err := f.next(); err != nil {
			return nil // gone, one way or the other: the login is what was asked
		}
	}
}
