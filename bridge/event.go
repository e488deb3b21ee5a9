package bridge

import (
	"context"
	"time"

	"papillon/bridge/text"
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

// MessageReceived is a message, mostly from somebody else.
type MessageReceived struct {
	// ID is the network's id of the message. A message with an id that this
	// account has had before is taken for a redelivery and dropped; so is the
	// echo of one that the account sent, which has the [Outgoing.ID].
	ID string
	// Ref is what later messages of the chat call this one by, if that is
	// another id.
	Ref  string
	Chat Chat
	// From is who speaks. In a room it may be somebody who is known there only: then
	// the id is one that [Network.Address] understands all the same.
	From Contact
	// Own marks what the user himself wrote with another client. From does not
	// count then. It is shown where a window is open and kept nowhere.
	Own bool
	// Kind says how to show it.
	Kind MessageKind
	// Text is plain text in UTF-8, Style the look of all of it.
	Text  string
	Style text.Style
	// Act is what the message does to the earlier one that Target names; Text is then the
	// new text of an edit, the emoji of a reaction, the text of a reply, the
	// reason of a deletion.
	Act    text.Act
	Target Target
	// Media are files that came with it.
	Media []Media
	// Sent is when it was sent.
	Sent time.Time
}

// Target is an earlier message of the same chat.
type Target struct {
	// Ref is its id, as [MessageReceived.Ref] and [Outgoing.ID] have it.
	Ref string
	// Text is what it said, and Author who wrote it, where the network tells;
	// else the gateway looks into its memory of the chat. Own says that the user
	// himself wrote the Text; there is no Author then.
	Text, Author string
	Own          bool
}

// Media is a picture, a file or a voice message.
type Media struct {
	// Source is what the network needs to fetch it: a URL, or words of its own.
	Source string
	// Name is the file's name, Type its media type, both as the sender says and
	// perhaps empty; Size is in bytes, 0 when not known.
	Name, Type string
	Size       int64
	// Voice marks something that was spoken to be heard at once.
	Voice bool
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

// ContactRenamed tells the display name of somebody, or of a room. A room that is
// told before anything is said there gets a handle that is made of its name.
type ContactRenamed struct{ Contact Contact }

// ContactRequested is somebody's wish to reach the user: an invite to a direct
// chat, a subscription request. From is the room where it is an invite to one. Offered
// again for a known wish it does nothing.
type ContactRequested struct {
	From Contact
	// Inviter is who asks the user into the room, if that is known: whom the user has
	// blocked can invite him nowhere.
	Inviter RemoteID
	// Note is what they wrote with the request, if anything.
	Note string
}

// ContactWithdrew says that somebody no longer has the user as a contact.
type ContactWithdrew struct{ Contact RemoteID }

// RosterReceived is the whole contact list that a network keeps. The user's lists
// become like it, but for changes that are still on their way to the network.
type RosterReceived struct{ Entries []RosterEntry }

// RosterChanged is a change of one entry, made elsewhere.
type RosterChanged struct {
	Entry   RosterEntry
	Removed bool
}

// RosterEntry is a contact on a list that a network keeps.
type RosterEntry struct {
	Contact Contact
	// Watches says that the contact sees the user's presence, or may: the contact
	// stands on RL then.
	Watches bool
	// Unlisted says that the entry is there for that alone: the user has not
	// taken the contact up.
	Unlisted bool
}

// BlockListReceived is everybody whom the user keeps away, as the network has it.
type BlockListReceived struct{ Blocked []RemoteID }

// BlockChanged says that somebody was blocked or let in again elsewhere.
type BlockChanged struct {
	Contact RemoteID
	Blocked bool
}

// SpeakerLeft says that somebody left a room.
type SpeakerLeft struct {
	Chat Chat
	Who  Contact
}

// MessageReturned says that a message which the network had accepted will not
// arrive after all.
type MessageReturned struct {
	// ID is the [Outgoing.ID].
	ID     string
	Chat   Chat
	Reason string // one line that a user understands
}

// CatchingUp says that many messages follow that were sent while the user was away, and,
// when Done, that they have all come. Until then none of them is handed over, so that the
// user can be spared the oldest. A network that does not know need not tell.
type CatchingUp struct{ Done bool }

// NetworkSays is a word of the network's own to its user: a notice of the server,
// an account that needs care.
type NetworkSays struct{ Text string }

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
func (RosterReceived) event()    {}
func (RosterChanged) event()     {}
func (BlockListReceived) event() {}
func (BlockChanged) event()      {}
func (SpeakerLeft) event()       {}
func (MessageReturned) event()   {}
func (NetworkSays) event()       {}
func (CatchingUp) event()        {}

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
