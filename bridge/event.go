package bridge

import (
	"context"
	"time"
)

// Receiver takes the events of an account. The gateway implements it.
//
// Receive may block (it writes to the database) and must be called outside of
// any lock that an [Account] method takes. When it returns nil or
// [ErrUnwelcome], the event is durably taken care of and the network may
// acknowledge it to its server; after any other error the network must offer
// the same event again. Events of one chat are to be offered in order.
type Receiver interface {
	Receive(ctx context.Context, event Event) error
}

// Event is something that happened on a network. The set is closed: it is the
// structs in this file.
type Event interface{ event() }

// MessageReceived is a message from somebody else.
type MessageReceived struct {
	// ID is the network's id of the message. A message with an id that this
	// account has had before is taken for a redelivery and dropped.
	ID   string
	Chat Chat
	From Contact
	// Kind says how to show it.
	Kind MessageKind
	// Text is plain text in UTF-8.
	Text string
	// Sent is when it was sent.
	Sent time.Time
}

// MessageKind is how a message is meant.
type MessageKind string

// What a message can be: said, done ("/me"), or told by a program.
const (
	Said   MessageKind = "text"
	Emoted MessageKind = "emote"
	Notice MessageKind = "notice"
)

// TypingSeen says that somebody began or ceased to type.
type TypingSeen struct {
	Chat   Chat
	From   Contact
	Typing bool
}

// PresenceChanged is somebody's presence as of now.
type PresenceChanged struct {
	Contact  RemoteID
	Presence Presence
}

// ContactRenamed tells the display name of somebody, new or known.
type ContactRenamed struct{ Contact Contact }

// ContactRequested is somebody's wish to reach the user: an invite to a direct
// chat, a subscription request. Offered again for a known wish it does nothing.
type ContactRequested struct {
	From Contact
	// Note is what they wrote with the request, if anything.
	Note string
}

// ContactWithdrew says that somebody no longer has the user as a contact.
type ContactWithdrew struct{ Contact RemoteID }

// ConnectionChanged says whether the account can reach its network.
type ConnectionChanged struct {
	Up bool
	// Reason is, when down, one line that a user understands.
	Reason string
}

func (MessageReceived) event()   {}
func (TypingSeen) event()        {}
func (PresenceChanged) event()   {}
func (ContactRenamed) event()    {}
func (ContactRequested) event()  {}
func (ContactWithdrew) event()   {}
func (ConnectionChanged) event() {}

// Presence is somebody's presence in words that all networks share.
type Presence struct {
	Show Show
	// Text is the status message, in the words of whoever is meant.
	Text string
	// Since is when the person was last active, if known.
	Since time.Time
}

// Show is the coarse part of a presence. The zero value is Unknown.
type Show uint8

// From least to most is not an order; networks map their own words to these.
const (
	// Unknown: the network does not tell. The gateway then derives what it
	// shows from the person's activity.
	Unknown Show = iota
	Offline
	Available
	Away
	// ExtendedAway is away for long.
	ExtendedAway
	Busy
	// Hidden is the user's own presence only: to be seen as offline, while
	// the presence of others keeps coming.
	Hidden
)
