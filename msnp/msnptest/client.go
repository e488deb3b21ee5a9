package msnptest

import (
	"context"
	"crypto/md5" // the protocol's own choice, draft-movva-00 §7.3
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"

	"papillon/msnp"
	"papillon/msnp/wire"
)

// Options says who signs in, and how.
type Options struct {
	// Handle and Password of the account.
	Handle, Password string
	// Dialects are offered in this order; none means MSNP2.
	Dialects []string
	// Status is set after the sign-in and a synchronisation, as every client
	// does it. With [msnp.Offline], the zero value, neither is done.
	Status msnp.Status
	// AutoAnswer answers each ring by itself. Instead of [Ring] an [Answered]
	// event comes then.
	AutoAnswer bool
	// Ignore drops an event instead of queueing it. It is called on the
	// reading goroutines and must not block. A load test sets it, because
	// events that nobody takes pile up.
	Ignore func(Event) bool
	// Trace sees each line that goes over the client's connections, the
	// switchboards included: direction is 'C' from the client, 'S' from the
	// server. Lines of a payload follow, indented by four spaces. The answer
	// to the password challenge is masked. Calls never overlap; the hook must
	// not call the client.
	Trace func(direction byte, line string)
	// Dial connects to the server and to what it refers to; nil is TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
}

// Client is a signed-in MSN client. Its methods may be called from any
// goroutine; each request waits for its own answer, so several may be under way
// at once.
type Client struct {
	opts    Options
	conn    *conn
	dialect string
	self    msnp.Member
	props   msnp.Properties

	// ctx ends with the client, for what is answered by itself.
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu           sync.Mutex
	switchboards map[*Switchboard]struct{} // nil once closed
}

// maxReferrals is how many XFR NS a sign-in follows before it takes the servers
// for confused.
const maxReferrals = 5

// Dial connects to a server and signs in: VER, INF, USR (draft-movva-00 §7.1 to
// §7.4). It follows referrals to other notification servers. A refusal is a
// [*ServerError] with code 911.
func Dial(ctx context.Context, addr string, opts Options) (*Client, error) {
	if opts.Dial == nil {
		opts.Dial = dialTCP
	}
	if len(opts.Dialects) == 0 {
		opts.Dialects = []string{"MSNP2"}
	}
	for range maxReferrals + 1 {
		c, err := connect(ctx, addr, opts)
		if err != nil {
			return nil, err
		}
		referred, err := c.signIn(ctx)
		if err == nil && referred == "" {
			err = c.goOnline(ctx)
			if err == nil {
				return c, nil
			}
		}
		c.Close()
		if err != nil {
			return nil, fmt.Errorf("sign in as %s: %w", opts.Handle, err)
		}
		addr = referred
	}
	return nil, fmt.Errorf("sign in as %s: referred more than %d times", opts.Handle, maxReferrals)
}

func connect(ctx context.Context, addr string, opts Options) (*Client, error) {
	raw, err := opts.Dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	c := &Client{
		opts:         opts,
		conn:         newConn(raw, &tracer{hook: opts.Trace}, opts.Ignore),
		switchboards: make(map[*Switchboard]struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.conn.push = c.event
	c.conn.ended = func(err error) Event { return Disconnected{Err: err} }
	c.conn.settle = c.tasks.Wait
	go c.conn.run()
	return c, nil
}

// signIn returns the address of another server when it is referred.
func (c *Client) signIn(ctx context.Context) (referred string, err error) {
	version, err := c.Request(ctx, "VER", c.opts.Dialects...)
	if err != nil {
		return "", err
	}
	if len(version) < 3 || version[2] == "0" {
		return "", fmt.Errorf("server speaks none of the dialects %v", c.opts.Dialects)
	}
	c.dialect = version[2]
	policy, err := c.Request(ctx, "INF")
	if err != nil {
		return "", err
	}
	if err := matches(policy, "INF", word, "MD5"); err != nil {
		return "", err
	}
	challenge, err := c.Request(ctx, "USR", "MD5", "I", c.opts.Handle)
	if err != nil {
		return "", err
	}
	if shaped(challenge, "XFR", word, "NS", word) {
		return challenge[3], nil
	}
	if err := matches(challenge, "USR", word, "MD5", "S", word); err != nil {
		return "", err
	}
	welcome, err := c.Request(ctx, "USR", "MD5", "S", Digest(challenge[4], c.opts.Password))
	if err != nil {
		return "", err
	}
	if err := matches(welcome, "USR", word, "OK", word, word); err != nil {
		return "", err
	}
	c.self = member(welcome[3], welcome[4])
	return "", nil
}

// Digest answers the challenge of the MD5 security package (draft-movva-00
// §7.3).
func Digest(challenge, password string) string {
	sum := md5.Sum([]byte(challenge + password))
	return hex.EncodeToString(sum[:])
}

func (c *Client) goOnline(ctx context.Context) (err error) {
	if c.opts.Status == msnp.Offline {
		return nil
	}
	if c.props, err = c.Sync(ctx, 0); err != nil {
		return err
	}
	return c.SetStatus(ctx, c.opts.Status)
}

// Dialect returns the dialect that the server chose.
func (c *Client) Dialect() string { return c.dialect }

// Self returns the user's handle and friendly name as the sign-in told them.
func (c *Client) Self() msnp.Member { return c.self }

// Properties returns what the synchronisation of [Dial] gave; it is empty when
// [Options.Status] was not set.
func (c *Client) Properties() msnp.Properties { return c.props }

// Wait takes the first event that matches out of those that are queued or still
// come, and leaves the others queued. It fails with the context's cause, or
// with [ErrClosed] when the connection ended and nothing queued matches; the
// error names what is queued. Match must not block.
func (c *Client) Wait(ctx context.Context, match func(Event) bool) (Event, error) {
	return c.conn.events.wait(ctx, match)
}

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.conn.done }

// SignOut sends OUT and waits for the server to close the connection
// (draft-movva-00 §7.10). Call [Client.Close] nevertheless.
func (c *Client) SignOut(ctx context.Context) error { return c.conn.signOut(ctx) }

// Close drops the connection and those of all switchboards without a word, and
// waits until nothing of the client runs any more. It may be called again.
func (c *Client) Close() {
	c.cancel()
	c.conn.close()
	c.mu.Lock()
	open := c.switchboards
	c.switchboards = nil
	c.mu.Unlock()
	for sb := range open {
		sb.Close()
	}
}

// event turns what the server says unasked into an event.
func (c *Client) event(m message) Event {
	w := m.words
	switch {
	case shaped(w, "NLN", word, word, word):
		return statusChanged(w[1], w[2], w[3], false, m)
	case shaped(w, "ILN", word, word, word, word):
		return statusChanged(w[2], w[3], w[4], true, m)
	case shaped(w, "FLN", word):
		return StatusChanged{Contact: msnp.Member{Handle: msnp.Handle(w[1])}}
	case shaped(w, "CHG", "0", word):
		if status, ok := msnp.ParseStatus(w[2]); ok {
			return OwnStatus{Status: status}
		}
	case shaped(w, "ADD", "0"), shaped(w, "REM", "0"):
		if change, err := listChange(w); err == nil {
			return ListChanged{Added: w[0] == "ADD", Change: change}
		}
	case shaped(w, "BPR", word, word, word):
		return PhoneChanged{Contact: msnp.Handle(w[2]), Key: msnp.PhoneKey(w[3]), Value: wire.DecodeName(wordAt(w, 4))}
	case shaped(w, "CHL", "0", word):
		return Challenged{Challenge: w[2]}
	case shaped(w, "RNG", word, word, "CKI", word, word, word):
		return c.ringing(Ring{Session: w[1], Addr: w[2], Cookie: w[4], Caller: member(w[5], w[6])})
	case w[0] == "OUT":
		return SignedOut{Reason: msnp.Reason(wordAt(w, 1))}
	case shaped(w, "MSG", word, word, word):
		from, msg := arrived(m)
		return ServerMessage{From: from, Message: msg, Raw: m.payload}
	}
	return otherEvent(m)
}

func statusChanged(state, handle, name string, initial bool, m message) Event {
	status, ok := msnp.ParseStatus(state)
	if !ok || !status.Visible() { // nobody is told that others hide, and FLN has a line of its own
		return otherEvent(m)
	}
	return StatusChanged{Contact: member(handle, name), Status: status, Initial: initial}
}

// otherEvent is for lines that are the same on both kinds of connection.
func otherEvent(m message) Event {
	if code, ok := errorCode(m.words[0]); ok {
		return Failed{Err: &ServerError{Code: code, TrID: wordAt(m.words, 1)}}
	}
	return Unhandled{Words: m.words, Payload: m.payload}
}

// ringing answers a ring by itself if that is wanted.
func (c *Client) ringing(ring Ring) Event {
	if !c.opts.AutoAnswer {
		return ring
	}
	c.tasks.Go(func() {
		sb, err := c.Answer(c.ctx, ring)
		c.conn.events.push(Answered{Ring: ring, Switchboard: sb, Err: err})
	})
	return nil
}

// keep makes Close end a switchboard too; it refuses when that is over.
func (c *Client) keep(sb *Switchboard) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.switchboards == nil {
		return errors.New("client is closed")
	}
	c.switchboards[sb] = struct{}{}
	return nil
}

func (c *Client) forget(sb *Switchboard) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.switchboards, sb)
}

func member(handle, name string) msnp.Member {
	return msnp.Member{Handle: msnp.Handle(handle), Name: wire.DecodeName(name)}
}

// wordAt returns a word that may be missing.
func wordAt(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return ""
}
