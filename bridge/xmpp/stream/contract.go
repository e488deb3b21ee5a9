package stream

import (
	"context"
	"errors"
)

// Handler takes what arrives. It is called by one goroutine, in the order of
// arrival, and holds up the stream while it runs: what takes long is for another
// goroutine. Answers to queries do not come here, also
// those that are late or from somebody who was not asked. A query (iq of type get
// or set) must be answered, whatever it asks.
type Handler interface {
	// Stanza takes a stanza. Done, if not nil, is to be called once the stanza
	// is durably taken care of, from any goroutine and in any order: until
	// then the server is not told that it arrived (XEP-0198), and offers it
	// again after an interruption. It is nil where the server keeps no count.
	Stanza(s *Stanza, done func())
	// Connected says that stanzas can be sent. Resumed is true when the session
	// before the interruption goes on and nothing was lost; else the session is a
	// new one, to which the server owes a roster, presence and the rest again.
	Connected(resumed bool)
	// Disconnected says that the stream was lost or could not be had, with the
	// reason. Connecting goes on by itself, unless the error is [ErrFatal].
	Disconnected(err error)
}

// Conn is what [Client] and [Component] have in common. All methods are safe
// from any goroutine.
type Conn interface {
	// Send writes a stanza without waiting for anything but the socket. After an
	// error it was not, or not wholly, written.
	Send(ctx context.Context, s *Stanza) error
	// Deliver sends a stanza and returns when the server has accepted it: by its
	// count (XEP-0198), or by answering a later query. [ErrBounced] if the stanza
	// came back as an error before that. After any other error it may or may
	// not have arrived: send it again with the same id.
	Deliver(ctx context.Context, s *Stanza) error
	// Query sends an iq of type get or set with a new id and returns the answer.
	// An answer of type error is an error that wraps a [*StanzaError].
	Query(ctx context.Context, s *Stanza) (*Stanza, error)
	// Up says whether stanzas can be sent now.
	Up() bool
	// Close says farewell and ends the connection for good; the context bounds it.
	Close(ctx context.Context) error
}

// The errors of connections; compare with [errors.Is].
var (
	// ErrNotConnected: there is no stream now.
	ErrNotConnected = errors.New("not connected to the XMPP server")
	// ErrFatal marks a reason for which connecting again is of no use: wrong
	// credentials, an account that is gone, a certificate that is not trusted is
	// NOT among them, a name that another connection took over is.
	ErrFatal = errors.New("giving up")
	// ErrBounced: the stanza came back as an error; the error wraps a
	// [*StanzaError].
	ErrBounced = errors.New("returned by the server")
)

// StanzaError is the error inside a stanza of type error; RFC 6120 §8.3.
type StanzaError struct {
	// Type is "cancel", "modify", "auth", "wait" or "continue".
	Type string
	// Condition is the name of the defined condition, like "item-not-found".
	Condition string
	// Text is what the other side wrote for people.
	Text string
}

// Error implements error.
func (e *StanzaError) Error() string {
	if e.Text != "" {
		return e.Condition + ": " + e.Text
	}
	return e.Condition
}
