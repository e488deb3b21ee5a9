package msnp

import (
	"context"
	"errors"
	"net/netip"
)

// Backend is the application behind a [Server]: it knows who may sign in and
// what a signed-in user owns. The server calls it from many connection
// goroutines at once; a method may block (on a database, say) and must then
// honour its context, which ends with the connection and with the call.
type Backend interface {
	// Authenticate checks the answer to an MD5 challenge (draft-movva-00
	// §7.3). It returns [ErrAuthenticationFailed] for a wrong answer and for
	// an unknown handle alike, and takes the same time for both.
	Authenticate(ctx context.Context, proof Proof) (Member, error)

	// Open starts the session of a user whom Authenticate let in. A session
	// of the same user that is still open ends by [Notifier.SignOut] with
	// [SignedInElsewhere]. The notifier may be called as soon as the session
	// allows it, but for SignOut not before Open has returned.
	Open(ctx context.Context, user Handle, client Client, notifier Notifier) (Session, error)
}

// Proof is what a client shows to sign in with the MD5 security package.
type Proof struct {
	// Handle as the client typed it, not yet checked or put in lower case.
	Handle string
	// Challenge is what the server sent, Response the client's hexadecimal
	// MD5 digest of challenge and password.
	Challenge, Response string
	// Addr is where the client connects from.
	Addr netip.Addr
}

// Client says what a session is opened for.
type Client struct {
	// Dialect is the number of the MSNP dialect chosen by VER: 2 for MSNP2.
	Dialect int
	// Addr is where the client connects from.
	Addr netip.Addr
}

// Member is a user as others see him: a handle and a friendly name (a "custom
// user name", draft-movva-00 §5.5; not encoded here).
type Member struct {
	Handle Handle
	Name   string
}

// Session is a signed-in user. The server calls it from the goroutine of the
// user's notification connection, one call at a time; only [Session.Converse] is
// called from switchboard connections, at any time, even after Close, when it
// returns an error. The session pushes nothing but [Notifier.SignOut] before the
// client has asked for lists or set a status. Every error is either an [*Error], whose
// code goes to the client, or anything else, which is logged and answered with
// [CodeInternalServer].
//
// Several methods take a reply function. The session calls it at most once,
// before the method returns, and only when the method succeeds. It calls it at
// the point among the pushes to the [Notifier] where the answer belongs: what
// happened before it is pushed before it, what happens later after it. A reply
// function only enqueues bytes and never blocks.
type Session interface {
	// Lists and settings; draft-movva-00 §7.5, §7.6 and §7.8.

	// Properties replies with everything SYN and LST send. From the first
	// call on, list changes are pushed through the notifier.
	Properties(ctx context.Context, reply func(Properties)) error
	// AddContact puts a handle on FL, AL or BL. Name is the client's proposal
	// for the friendly name; the reply holds the one in force, and for FL the
	// contact's present status ([Offline] when not to be seen).
	AddContact(ctx context.Context, list List, handle, name string, reply func(ListChange, Status)) error
	// RemoveContact takes a handle off FL, AL or BL.
	RemoveContact(ctx context.Context, list List, handle string, reply func(ListChange)) error
	// Rename changes the user's own friendly name, or the name under which
	// the user sees a contact on FL.
	Rename(ctx context.Context, handle, name string, reply func(serial uint32, who Member)) error
	// SetPrivacy sets BLP, SetPrompt GTC.
	SetPrivacy(ctx context.Context, mode Privacy, reply func(serial uint32)) error
	SetPrompt(ctx context.Context, mode Prompt, reply func(serial uint32)) error

	// Presence; draft-movva-00 §7.7 and §7.9.

	// SetStatus changes the user's status. The first call replies with the
	// contacts on FL who are to be seen and not offline, later calls with
	// none; from then on changes are pushed through the notifier.
	SetStatus(ctx context.Context, status Status, reply func(initial []ContactStatus)) error

	// Conversations; draft-movva-00 §8.

	// Converse opens an empty conversation with the user in it, for a
	// switchboard connection that XFR referred here.
	Converse(ctx context.Context, switchboard Switchboard) (Conversation, error)

	// Close ends the session: the client signed out or its connection died.
	// The server calls it exactly once and makes no further calls.
	Close()
}

// Conversation is a user's place in a switchboard session. The server calls it
// from the goroutine of the switchboard connection, one call at a time.
type Conversation interface {
	// ID is the session id of CAL and RNG: decimal and below 2^31, because
	// old clients read it as a signed number.
	ID() uint32
	// Invite calls a user into the conversation (CAL). A nil error becomes
	// RINGING; whoever comes is announced by [Switchboard.Joined].
	// Reply is as in [Session].
	Invite(ctx context.Context, handle string, reply func()) error
	// Send hands a message to all others. Done, if not nil, is called once, from
	// any goroutine, perhaps long after Send returned: with nil when every
	// other took it, with an error when it will not reach somebody.
	// The body belongs to the conversation from then on; nobody changes it.
	Send(ctx context.Context, message []byte, done func(error))
	// Leave takes the user out. The server calls it exactly once, last.
	Leave()
}

// Notifier pushes to a signed-in client over its notification connection. Its
// methods may be called from any goroutine and never block: they enqueue, and
// a client that does not read is dropped. After the connection has died they
// do nothing.
type Notifier interface {
	// ContactStatus sends NLN, or FLN for [Offline].
	ContactStatus(ContactStatus)
	// ListChanged sends ADD or REM with transaction id 0.
	ListChanged(added bool, change ListChange)
	// Ring sends RNG: a conversation calls the user.
	Ring(Ring)
	// SignOut sends OUT with the reason and closes the connection once that
	// is written.
	SignOut(reason Reason)
}

// Ring is a call into a conversation.
type Ring struct {
	// ID is the conversation's [Conversation.ID].
	ID uint32
	// Caller is shown to the called user.
	Caller Member
	// Apart has the ring wait for a moment when something was sent just now to a
	// client that needs it; see [Switchboard].Pause.
	Apart bool
	// Answer is called at most once, when the called client comes with the
	// right cookie in time. It must call [Switchboard.Roster] before any
	// other method of the switchboard.
	Answer func(ctx context.Context, switchboard Switchboard) (Conversation, error)
	// Expired is called instead, from any goroutine, when nobody came in
	// time. It may be nil.
	Expired func()
}

// Switchboard pushes to a client over a switchboard connection. Its methods may
// be called from any goroutine and never block; after the connection has died
// they do nothing, except that every delivered function is still called.
type Switchboard interface {
	// Roster sends the IRO lines and the answer to ANS: who is in the
	// conversation, without the joiner (draft-movva-00 §8.4).
	Roster(others []Member)
	// Joined sends JOI, Left BYE.
	Joined(Member)
	Left(Handle)
	// Message sends MSG. It returns false when the connection is dead already.
	// Delivered is called exactly once, from any goroutine: with true once the
	// client's TCP stack has acknowledged the message, with false when the
	// connection died before. It may be nil, which is cheaper: the other
	// side's acknowledgement takes its time and has to be asked for.
	Message(from Member, message []byte, delivered func(bool)) (queued bool)
	// Pause has what is sent next wait for a moment when something was sent just
	// now, if the client is one that would see it only with the next message (MSN.pm);
	// for all others it does nothing. Of several pauses only the last counts. It is to
	// come before the end of what is sent in a burst.
	Pause()
	// Hangup closes the connection.
	Hangup()
}

// Properties is what the server keeps for a user; draft-movva-00 §7.5.
type Properties struct {
	// Serial is the version of all of it, one higher with every change.
	Serial  uint32
	Prompt  Prompt
	Privacy Privacy
	// Lists holds the entries of FL, AL, BL and RL, indexed by [List].
	Lists [4][]Member
	// Groups are those of the contact list; see [GroupKeeper]. A backend that
	// knows none leaves it empty: everybody is in "Other Contacts" then.
	Groups Groups
	// Phones are the user's own numbers, ContactPhones those of his contacts on
	// FL; see [PhoneKeeper]. Both may be nil.
	Phones        Phones
	ContactPhones map[Handle]Phones
}

// ListChange is one entry put on a list or taken off it.
type ListChange struct {
	List   List
	Serial uint32
	// Contact is the entry; its name is unused in removals.
	Contact Member
	// Group is, for FL, the group that the contact was put into or taken out of.
	Group uint32
}

// ContactStatus is a contact's status as the user may see it.
type ContactStatus struct {
	Contact Member
	Status  Status
	// Initial marks, in a push, what belongs to the answer to the first
	// SetStatus or to AddContact but was not known then: a contact's network
	// takes a moment to tell. It goes out as ILN with that transaction id.
	Initial bool
}

// ErrAuthenticationFailed is returned by [Backend.Authenticate] for a wrong
// password and for an unknown handle.
var ErrAuthenticationFailed = errors.New("wrong handle or password")
