package msnptest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"papillon/msnp"
	"papillon/msnp/body"
)

// The acknowledgements that a message may ask for (draft-movva-00 §8.7).
const (
	// Unacknowledged asks for nothing.
	Unacknowledged byte = 'U'
	// NakOnly asks for NAK when the message does not arrive.
	NakOnly byte = 'N'
	// Acknowledged asks for ACK or NAK.
	Acknowledged byte = 'A'
)

// ErrNotDelivered is returned by [Switchboard.SendText] and [Switchboard.SendRaw]
// for NAK.
var ErrNotDelivered = errors.New("message was not delivered")

// Switchboard is a client's connection to a conversation (draft-movva-00 §8).
// Its methods may be called from any goroutine.
type Switchboard struct {
	client  *Client
	conn    *conn
	session string

	mu      sync.Mutex
	members []msnp.Member
}

// OpenSwitchboard opens an empty conversation: XFR SB, then USR on a connection
// to the address that XFR names (draft-movva-00 §8.1 and §8.2).
func (c *Client) OpenSwitchboard(ctx context.Context) (*Switchboard, error) {
	var referral []string
	if err := c.conn.do(ctx, one(&referral, "XFR", word, "SB", word, "CKI", word), nil, "XFR", "SB"); err != nil {
		return nil, fmt.Errorf("open a switchboard: %w", err)
	}
	sb, err := c.connectSwitchboard(ctx, referral[3])
	if err != nil {
		return nil, fmt.Errorf("open a switchboard: %w", err)
	}
	var answer []string
	if err := sb.conn.do(ctx, one(&answer, "USR", word, "OK", word, word), nil, "USR", c.opts.Handle, referral[5]); err != nil {
		sb.Close()
		return nil, fmt.Errorf("open a switchboard: %w", err)
	}
	return sb, nil
}

// Answer joins the conversation that a ring calls into: ANS with the ring's
// cookie (draft-movva-00 §8.4). Who is there already is in
// [Switchboard.Members].
func (c *Client) Answer(ctx context.Context, ring Ring) (*Switchboard, error) {
	sb, err := c.connectSwitchboard(ctx, ring.Addr)
	if err != nil {
		return nil, fmt.Errorf("answer a ring: %w", err)
	}
	sb.session = ring.Session
	if err := sb.conn.do(ctx, sb.acceptRoster, nil, "ANS", c.opts.Handle, ring.Cookie, ring.Session); err != nil {
		sb.Close()
		return nil, fmt.Errorf("answer a ring: %w", err)
	}
	return sb, nil
}

// acceptRoster reads the IRO lines before "ANS n OK". It keeps them at once, so
// that no JOI or BYE that follows is applied before them.
func (sb *Switchboard) acceptRoster(words []string) (done bool, err error) {
	if shaped(words, "IRO", word, word, word, word, word) {
		sb.join(member(words[4], words[5]))
		return false, nil
	}
	return true, matches(words, "ANS", word, "OK")
}

func (c *Client) connectSwitchboard(ctx context.Context, addr string) (*Switchboard, error) {
	raw, err := c.opts.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	sb := &Switchboard{client: c, conn: newConn(raw, c.conn.trace, c.opts.Ignore)}
	sb.conn.push = sb.event
	sb.conn.ended = func(err error) Event {
		c.forget(sb)
		return Closed{Err: err}
	}
	if err := c.keep(sb); err != nil {
		raw.Close() // nothing went over it yet
		return nil, err
	}
	go sb.conn.run()
	return sb, nil
}

// Chat opens a conversation with somebody and waits until they have joined.
func (c *Client) Chat(ctx context.Context, handle string) (*Switchboard, error) {
	sb, err := c.OpenSwitchboard(ctx)
	if err != nil {
		return nil, err
	}
	if err = sb.Call(ctx, handle); err == nil {
		_, err = WaitFor(ctx, sb, func(j Joined) bool { return string(j.Who.Handle) == handle })
	}
	if err != nil {
		sb.Close()
		return nil, fmt.Errorf("chat with %s: %w", handle, err)
	}
	return sb, nil
}

// Call invites somebody and returns once the server says RINGING; a [Joined]
// event tells that they came (draft-movva-00 §8.3).
func (sb *Switchboard) Call(ctx context.Context, handle string) error {
	var answer []string
	if err := sb.conn.do(ctx, one(&answer, "CAL", word, "RINGING", word), nil, "CAL", handle); err != nil {
		return err
	}
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.session = answer[3]
	return nil
}

// Session returns the conversation's id as CAL or RNG told it, "" before that.
func (sb *Switchboard) Session() string {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	return sb.session
}

// Members returns who else is in the conversation, in the order in which they
// came.
func (sb *Switchboard) Members() []msnp.Member {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	return slices.Clone(sb.members)
}

// SendText sends a text message in the default format, see [Switchboard.SendRaw]
// for the acknowledgement and the result.
func (sb *Switchboard) SendText(ctx context.Context, text string, ack byte) (trid string, err error) {
	return sb.SendRaw(ctx, body.NewText(text, body.DefaultFormat()).Append(nil), ack)
}

// SendTyping says that the user is typing.
func (sb *Switchboard) SendTyping(ctx context.Context) error {
	_, err := sb.SendRaw(ctx, body.NewTyping(sb.client.opts.Handle).Append(nil), Unacknowledged)
	return err
}

// SendRaw sends a MSG with any body and returns its transaction id. With
// [Acknowledged] it waits for ACK; NAK is [ErrNotDelivered]. With [NakOnly] it
// does not wait, and NAK comes as a [Nacked] event with that id.
func (sb *Switchboard) SendRaw(ctx context.Context, raw []byte, ack byte) (trid string, err error) {
	if raw == nil {
		raw = []byte{}
	}
	if ack != Acknowledged {
		if trid, err = sb.conn.send(ctx, nil, raw, "MSG", string(rune(ack))); err != nil {
			return "", fmt.Errorf("send MSG: %w", err)
		}
		return trid, nil
	}
	accept := func(words []string) (bool, error) {
		trid = words[1]
		if words[0] == "NAK" {
			return true, ErrNotDelivered
		}
		return true, matches(words, "ACK", word)
	}
	err = sb.conn.do(ctx, accept, raw, "MSG", string(rune(ack)))
	return trid, err
}

// Request sends any command, see [Client.Request].
func (sb *Switchboard) Request(ctx context.Context, name string, args ...string) (answer []string, err error) {
	err = sb.conn.do(ctx, one(&answer), nil, name, args...)
	return answer, err
}

// Wait takes the first event that matches out of the queue, see [Client.Wait].
func (sb *Switchboard) Wait(ctx context.Context, match func(Event) bool) (Event, error) {
	return sb.conn.events.wait(ctx, match)
}

// Done is closed when the connection has ended.
func (sb *Switchboard) Done() <-chan struct{} { return sb.conn.done }

// Leave sends OUT and waits for the server to close the connection
// (draft-movva-00 §8.6).
func (sb *Switchboard) Leave(ctx context.Context) error { return sb.conn.signOut(ctx) }

// Close drops the connection without a word. It may be called again.
func (sb *Switchboard) Close() { sb.conn.close() }

// event turns what the server says unasked into an event.
func (sb *Switchboard) event(m message) Event {
	w := m.words
	switch {
	case shaped(w, "JOI", word, word):
		who := member(w[1], w[2])
		sb.join(who)
		return Joined{Who: who}
	case shaped(w, "BYE", word):
		sb.leave(msnp.Handle(w[1]))
		return Left{Who: msnp.Handle(w[1]), Idle: wordAt(w, 2) == "1"}
	case shaped(w, "MSG", word, word, word):
		from, msg := arrived(m)
		return MessageArrived{From: from, Message: msg, Raw: m.payload}
	case shaped(w, "ACK", word):
		return Acked{TrID: w[1]}
	case shaped(w, "NAK", word):
		return Nacked{TrID: w[1]}
	}
	return otherEvent(m)
}

// arrived reads "MSG handle name length" and its body; one without a byte leaves
// the message empty.
func arrived(m message) (from msnp.Member, msg body.Message) {
	msg, err := body.Parse(m.payload)
	if err != nil {
		msg = body.Message{}
	}
	return member(m.words[1], m.words[2]), msg
}

func (sb *Switchboard) join(who msnp.Member) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.members = append(sb.members, who)
}

func (sb *Switchboard) leave(who msnp.Handle) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.members = slices.DeleteFunc(sb.members, func(m msnp.Member) bool { return m.Handle == who })
}
