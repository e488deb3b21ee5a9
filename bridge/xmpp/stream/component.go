package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
)

// Component speaks for a whole domain. It connects and stays connected until
// Close or an error that is [ErrFatal].
//
// There must be only one for a domain. Prosody refuses the second; ejabberd takes
// it and shares the stanzas out between both, so that each loses half. Within a
// process a second one waits until the first is closed; that no second process
// runs is for who starts it to see to.
type Component struct {
	*link
	o      ComponentOptions
	domain jid.JID
}

var _ Conn = (*Component)(nil)

// NewComponent makes a component; Start lets it connect. Options that cannot be,
// such as a domain that is none, come as an [ErrFatal] after Start.
func NewComponent(o ComponentOptions, h Handler) *Component {
	c := &Component{link: newLink(h, o.Log, o.Timing, o.Backoff), o: o}
	var invalid error
	c.domain, invalid = componentJID(o)
	name := c.domain.String()
	c.link.keepsBuffers = true
	c.link.check = c.checkStanza
	c.link.own = func(from string) bool { return from == name }
	c.link.barrierPing = func(id string) []byte {
		return []byte(`<iq type="get" from="` + name + `" to="` + name + `" id="` + id + `"><ping xmlns="urn:xmpp:ping"/></iq>`)
	}
	c.link.fatal = func(err error) error {
		if e, ok := errors.AsType[stream.Error](err); ok && e.Err == stream.Conflict.Err {
			return fmt.Errorf("%w: %w: %w", ErrFatal, ErrTaken, err)
		}
		return err
	}
	c.connect = func(ctx context.Context) (negotiated, error) {
		if invalid != nil {
			return negotiated{}, invalid
		}
		return connectComponent(ctx, &c.o, c.domain)
	}
	return c
}

func componentJID(o ComponentOptions) (jid.JID, error) {
	j, err := jid.Parse(o.Domain)
	if err == nil && j.String() != j.Domainpart() {
		err = errors.New("it is more than a domain")
	}
	if err != nil {
		return jid.JID{}, fmt.Errorf("%w: %q is %w: %w", ErrFatal, o.Domain, errNoDomain, err)
	}
	return j, nil
}

// errForeign is why a stanza is not sent.
var errForeign = errors.New("not an address of the component's domain")

// checkStanza is the one place that every stanza of every person passes: a
// single sender outside the domain, or an address that is none, and ejabberd ends
// the stream for all.
func (c *Component) checkStanza(s *Stanza) error {
	name := c.domain.String()
	if domainOf(s.From) != name {
		return fmt.Errorf("from %q: %w", s.From, errForeign)
	}
	if err := checkAddress(s.From); err != nil {
		return err
	}
	return checkAddress(s.To)
}

// held are the components of this process that have a connection. It is the
// process that must not have two of a name, so the process is where it is kept.
var held sync.Map

// holding is a connection whose name is free again once it is closed.
type holding struct {
	*deadlineConn
	key string
	one sync.Once
}

// Close implements net.Conn.
func (h *holding) Close() error {
	err := h.deadlineConn.Close()
	h.one.Do(func() { held.Delete(h.key) })
	return err
}

// What can be wrong with a component's options.
var (
	errNoDomain = errors.New("no domain")
	errSecret   = errors.New("the component's secret is wrong")
	errUnknown  = errors.New("the server has no such component")
	errPort     = errors.New("no server for components")
)

// elsewhere are the errors of servers whose port is for something else than components.
var elsewhere = []string{stream.InvalidNamespace.Err, stream.UnsupportedStanzaType.Err, stream.BadNamespacePrefix.Err}

// connectComponent makes one try.
func connectComponent(ctx context.Context, o *ComponentOptions, domain jid.JID) (_ negotiated, err error) {
	timing := o.Timing.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, timing.Connect)
	defer cancel()
	key := domain.String() + " " + o.Address
	if _, taken := held.LoadOrStore(key, struct{}{}); taken {
		return negotiated{}, fmt.Errorf("connect as %s: %w", domain, ErrTaken)
	}
	raw, err := dial(ctx, o.Dial, o.Address)
	if err != nil {
		held.Delete(key)
		return negotiated{}, err
	}
	conn := &holding{deadlineConn: &deadlineConn{Conn: raw, read: timing.Read, write: timing.Write}, key: key}
	defer func() {
		if err != nil {
			_ = conn.Close()
		}
	}()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	buffered := newByteConn(conn, componentBuffer)
	_, err = component.NewSession(ctx, domain, []byte(o.Secret), buffered)
	if !stop() {
		return negotiated{}, fmt.Errorf("connect as %s: %w", domain, context.Cause(ctx))
	}
	if err != nil {
		return negotiated{}, fmt.Errorf("connect as %s: %w", domain, refusedComponent(err))
	}
	buffered.left = -1
	return negotiated{conn: buffered, address: domain}, nil
}

// refusedComponent gives the errors of a handshake their marks. A conflict is
// worth another try: it may be our own last connection that the server has not
// missed yet.
func refusedComponent(err error) error {
	e, ok := errors.AsType[stream.Error](err)
	switch {
	case ok && e.Err == stream.NotAuthorized.Err:
		return fmt.Errorf("%w: %w: %w", ErrFatal, errSecret, err)
	case ok && e.Err == stream.Conflict.Err:
		return fmt.Errorf("%w: %w", ErrTaken, err)
	case ok && e.Err == stream.HostUnknown.Err:
		return fmt.Errorf("%w: %w", errUnknown, err)
	case ok && slices.Contains(elsewhere, e.Err), noStream(err):
		return fmt.Errorf("%w: %w", errPort, err)
	}
	return err
}

// noStream says whether the library has found no head of a stream, by its words: it has
// no values for that.
func noStream(err error) bool {
	said := err.Error()
	return strings.HasPrefix(said, "component: received unexpected") || strings.HasPrefix(said, "component: expected stream:stream")
}

// CheckComponent connects and leaves again, and returns what is wrong;
// [Describe] says it in a line. [ErrTaken] says that the secret is right and a
// component runs. Where the server is ejabberd, which does not say so, it is not
// for use while one does: what arrives in that moment is lost.
func CheckComponent(ctx context.Context, o ComponentOptions) error {
	domain, err := componentJID(o)
	if err != nil {
		return err
	}
	n, err := connectComponent(ctx, &o, domain)
	if err != nil {
		return err
	}
	return farewell(n.conn, o.Timing)
}
