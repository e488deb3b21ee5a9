package msnptest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"papillon/msnp"
	"papillon/msnp/body"
)

// Event is something that came from the server without being asked for: one of
// the types of this file.
type Event interface{ event() }

// What comes over the connection of a [Client].
type (
	// StatusChanged is NLN, FLN or ILN: a contact's status (draft-movva-00
	// §7.9).
	StatusChanged struct {
		Contact msnp.Member // without a name for FLN
		Status  msnp.Status
		// Initial is set for ILN.
		Initial bool
	}

	// OwnStatus is CHG that the client did not ask for (draft-movva-00 §7.7).
	OwnStatus struct{ Status msnp.Status }

	// ListChanged is ADD or REM that the client did not ask for
	// (draft-movva-00 §7.8).
	ListChanged struct {
		Added  bool
		Change msnp.ListChange
	}

	// PhoneChanged is BPR: a contact's telephone number, as the answer to SYN has
	// it or since (MSNP5 and later).
	PhoneChanged struct {
		Contact msnp.Handle
		Key     msnp.PhoneKey
		Value   string
	}

	// Challenged is CHL, to be answered with QRY (MSNP6 and later).
	Challenged struct{ Challenge string }

	// Ring is RNG, a call into a conversation (draft-movva-00 §8.4). Answer it
	// with [Client.Answer].
	Ring struct {
		Session, Addr, Cookie string
		Caller                msnp.Member
	}

	// Answered tells what became of a ring that was answered by itself, see
	// [Options.AutoAnswer]: a switchboard or an error.
	Answered struct {
		Ring        Ring
		Switchboard *Switchboard
		Err         error
	}

	// ServerMessage is MSG from the server itself, such as the profile after
	// the sign-in (draft-movva-00 §8.8).
	ServerMessage struct {
		From    msnp.Member
		Message body.Message
		Raw     []byte
	}

	// SignedOut is OUT: the server is about to close (draft-movva-00 §7.10).
	SignedOut struct{ Reason msnp.Reason }

	// Disconnected is the last event. Err is nil when one of the sides closed
	// the connection.
	Disconnected struct{ Err error }
)

// What comes over the connection of a [Switchboard].
type (
	// Joined is JOI, somebody came into the conversation.
	Joined struct{ Who msnp.Member }

	// Left is BYE. Idle says that the server ended it for silence.
	Left struct {
		Who  msnp.Handle
		Idle bool
	}

	// MessageArrived is MSG from somebody in the conversation.
	MessageArrived struct {
		From msnp.Member
		// Message is empty when Raw is.
		Message body.Message
		Raw     []byte
	}

	// Acked is ACK, Nacked NAK, for a message whose sender did not wait for
	// it.
	Acked  struct{ TrID string }
	Nacked struct{ TrID string }

	// Closed is the last event. Err is nil when one of the sides closed the
	// connection.
	Closed struct{ Err error }
)

// What may come over either.
type (
	// Failed is an error line that answers no waiting request.
	Failed struct{ Err *ServerError }

	// Unhandled is any other line, also a known one that is misshapen.
	Unhandled struct {
		Words   []string
		Payload []byte
	}
)

func (StatusChanged) event()  {}
func (OwnStatus) event()      {}
func (ListChanged) event()    {}
func (PhoneChanged) event()   {}
func (Challenged) event()     {}
func (Ring) event()           {}
func (Answered) event()       {}
func (ServerMessage) event()  {}
func (SignedOut) event()      {}
func (Disconnected) event()   {}
func (Joined) event()         {}
func (Left) event()           {}
func (MessageArrived) event() {}
func (Acked) event()          {}
func (Nacked) event()         {}
func (Closed) event()         {}
func (Failed) event()         {}
func (Unhandled) event()      {}

// Waiter is what events come from: a [Client] or a [Switchboard].
type Waiter interface {
	Wait(ctx context.Context, match func(Event) bool) (Event, error)
}

// WaitFor waits for the first event of one type, see [Client.Wait]. A nil match
// takes any.
func WaitFor[E Event](ctx context.Context, from Waiter, match func(E) bool) (E, error) {
	event, err := from.Wait(ctx, func(event Event) bool {
		e, ok := event.(E)
		return ok && (match == nil || match(e))
	})
	if err != nil {
		var none E
		return none, fmt.Errorf("wait for %T: %w", none, err)
	}
	return event.(E), nil
}

// queue holds events until somebody takes them. It grows without limit, so that
// whoever reads the connection never has to wait.
type queue struct {
	ignore func(Event) bool

	mu     sync.Mutex
	events []Event
	wake   chan struct{} // closed at every change
	ended  error
}

func newQueue(ignore func(Event) bool) *queue {
	return &queue{ignore: ignore, wake: make(chan struct{})}
}

func (q *queue) push(event Event) {
	if q.ignore != nil && q.ignore(event) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.events = append(q.events, event)
	q.wakeAll()
}

// end says that nothing more will come.
func (q *queue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = err
	q.wakeAll()
}

func (q *queue) wakeAll() {
	close(q.wake)
	q.wake = make(chan struct{})
}

// wait takes the first event that matches out of the queue.
func (q *queue) wait(ctx context.Context, match func(Event) bool) (Event, error) {
	for {
		q.mu.Lock()
		if i := slices.IndexFunc(q.events, match); i >= 0 {
			event := q.events[i]
			q.events = slices.Delete(q.events, i, i+1)
			q.mu.Unlock()
			return event, nil
		}
		wake, ended, summary := q.wake, q.ended, ""
		if ended != nil || ctx.Err() != nil {
			summary = q.summary()
		}
		q.mu.Unlock()
		if ended != nil {
			return nil, fmt.Errorf("%w%s", ended, summary)
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w%s", context.Cause(ctx), summary)
		}
		select {
		case <-wake:
		case <-ctx.Done():
		}
	}
}

// summary names the events that are queued, for an error. Needs q.mu.
func (q *queue) summary() string {
	const most = 10
	var names []string
	for _, event := range q.events {
		if len(names) == most {
			names = append(names, "…")
			break
		}
		names = append(names, strings.TrimPrefix(fmt.Sprintf("%T", event), "msnptest."))
	}
	if names == nil {
		return "; nothing else came"
	}
	return "; also came: " + strings.Join(names, " ")
}
