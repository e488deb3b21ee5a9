package xmpp

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"papillon/bridge"
)

// subscription is what an account of the component and somebody else have
// granted each other (RFC 6121 §3). A server would keep it in a roster; for the
// component's people it stands in [bridge.Memory].
type subscription struct {
	to    toState   // whether the account sees the other
	asked time.Time // when it was last asked for
	from  bool      // the other sees the account
	// pending says that the other has asked to, and has no answer yet. A server
	// would say so again at each sign-in; here it is said to the gateway once.
	pending bool
}

// toState is how far the account has got with seeing somebody.
type toState string

const (
	unasked toState = ""
	asked   toState = "asked"
	granted toState = "yes"
	refused toState = "no"
)

// askAgainAfter is how long a wish to see somebody stands before it is said again:
// servers show it to their user at each sign-in.
const askAgainAfter = 24 * time.Hour

// subscriptionPrefix begins the keys under which subscriptions are remembered.
const subscriptionPrefix = "sub/"

// String is the form in which a subscription is remembered; empty for none.
func (s subscription) String() string {
	if s == (subscription{}) {
		return ""
	}
	from := "-"
	switch {
	case s.from:
		from = "from"
	case s.pending:
		from = "pending"
	}
	return fmt.Sprintf("%s %d %s", orDash(string(s.to)), max(s.asked.Unix(), 0), from)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// parseSubscription reads what String made; what cannot be read is none.
func parseSubscription(text string) (s subscription) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return s
	}
	if fields[0] != "-" {
		s.to = toState(fields[0])
	}
	if at, err := strconv.ParseInt(fields[1], 10, 64); err == nil && at > 0 {
		s.asked = time.Unix(at, 0)
	}
	s.from, s.pending = fields[2] == "from", fields[2] == "pending"
	return s
}

// load reads the subscriptions of the account.
func (a *componentAccount) load(ctx context.Context) error {
	stored, err := a.network.options.Memory.RecallAll(ctx, a.owner, Name, subscriptionPrefix)
	if err != nil {
		return fmt.Errorf("read the subscriptions of %s: %w", a.owner, err)
	}
	a.subscriptions = make(map[bridge.RemoteID]subscription, len(stored))
	for key, value := range stored {
		a.subscriptions[bridge.RemoteID(strings.TrimPrefix(key, subscriptionPrefix))] = parseSubscription(value)
	}
	if err := a.gateway.front.loadGuests(ctx, a.owner); err != nil {
		return fmt.Errorf("read the guests of %s: %w", a.owner, err)
	}
	return nil
}

// change changes what is granted between the account and somebody, here and in
// the memory. It returns what held before.
func (a *componentAccount) change(ctx context.Context, id bridge.RemoteID, f func(*subscription)) (before subscription, err error) {
	a.storing.Lock()
	defer a.storing.Unlock()
	a.state.Lock()
	before = a.subscriptions[id]
	a.state.Unlock()
	after := before
	f(&after)
	if after == before {
		return before, nil
	}
	if err := a.network.options.Memory.Remember(ctx, a.owner, Name, subscriptionPrefix+string(id), after.String()); err != nil {
		return before, fmt.Errorf("remember a subscription: %w", err)
	}
	a.state.Lock()
	defer a.state.Unlock()
	if after == (subscription{}) {
		delete(a.subscriptions, id)
	} else {
		a.subscriptions[id] = after
	}
	return before, nil
}

// grantedWith returns what is granted between the account and somebody.
func (a *componentAccount) grantedWith(id bridge.RemoteID) subscription {
	a.state.Lock()
	defer a.state.Unlock()
	return a.subscriptions[id]
}
