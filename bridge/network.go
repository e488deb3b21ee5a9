package bridge

import (
	"context"
	"errors"
	"time"

	"papillon/bridge/text"
)

// Network is one modern chat network. Everything the gateway does with Matrix
// or XMPP goes through this interface and through those that an [Account] adds
// to it; nothing outside a network's own package asks which network it is.
type Network interface {
	// Name is the network's name in the store, on the command line and in
	// what people read: "matrix", "xmpp". It never changes.
	Name() string
	// Open makes the account of one MSN user on this network. It returns at
	// once and without connecting: a network that is down is no error, it is
	// reported by [ConnectionChanged]. An error means that the login can
	// never work as it stands, and says what to do about it.
	Open(ctx context.Context, login Login, events Receiver) (Account, error)
	// ParseContact reads an address as its network writes it ("@bob:hs",
	// "bob@hs") or as an MSN user types it ("bob@hs"). Ok is false when it
	// cannot name a person on this network. No look-up is made.
	ParseContact(address string) (id RemoteID, ok bool)
	// Address is the way back: the two halves of an id, as they stand before
	// and behind the @ of an MSN handle, not yet escaped. For "@bob:hs" they
	// are "bob" and "hs".
	Address(id RemoteID) (local, domain string)
}

// Login is one account's identity on a network, out of the store.
type Login struct {
	// Account is the MSN user, Name the friendly name to show there.
	Account Handle
	Name    string
	// Kind is how the account exists on the network: "ghost", "own" or
	// "login" on Matrix, "component" or "login" on XMPP. Empty for an account
	// that was never linked: the network takes the kind that needs nothing,
	// or refuses with [ErrNotLinked].
	Kind string
	// ID is the account's id on the network; empty where the network derives
	// it from the handle.
	ID RemoteID
	// Credentials are the network's own, unsealed; empty where none are
	// needed.
	Credentials []byte
}

// Account is an MSN user on a network. All methods are safe from any
// goroutine. Those that take a context may block for as long as it allows; the
// gateway never calls them from a goroutine that owns a user.
type Account interface {
	// ID is the account's own id on the network.
	ID() RemoteID
	// SetPresence says what the others shall see. [Offline] while the user is
	// signed out: the account then holds no more connection than it needs to
	// receive messages. The first other presence, [Hidden] included, signs in
	// and starts the flow of [PresenceChanged] events for those the account
	// follows. The account says it again by itself after an interruption.
	SetPresence(ctx context.Context, presence Presence) error
	// Lookup asks who an id belongs to. [ErrNoSuchContact] means that there
	// is nobody.
	Lookup(ctx context.Context, id RemoteID) (Contact, error)
	// Follow asks for somebody's presence and keeps it coming until Unfollow,
	// over restarts only as far as the network remembers: the gateway follows
	// everybody on FL again at each sign-in. Both may be repeated at will. A
	// room is followed by being in it; Unfollow then leaves it.
	Follow(ctx context.Context, contact Contact) error
	Unfollow(ctx context.Context, id RemoteID) error
	// Send hands a message to the network and returns when the network has
	// accepted it. Calls for one chat come one after the other. An error that
	// is [ErrRefused] says that this message will never be accepted; after
	// any other error the gateway sends it again, with the same
	// [Outgoing.ID], which the network must use to deliver it only once.
	Send(ctx context.Context, message Outgoing) error
	// Close ends the account's activity in this process.
	Close() error
}

// Typist is an [Account] that can show that its user is typing.
type Typist interface {
	Typing(ctx context.Context, chat Chat, typing bool) error
}

// Reader is an [Account] whose network tells others that the user has read what
// they wrote.
type Reader interface {
	// Read says that the user's client was handed the message of that
	// [MessageReceived.ID], and with it all before it in the chat. It is called
	// for the newest of several messages alone, and not again after an error.
	Read(ctx context.Context, chat Chat, id string) error
}

// Gatekeeper is an [Account] that answers contact requests and keeps people
// away. Both calls may be repeated.
type Gatekeeper interface {
	// Allow accepts a pending request and undoes Block.
	Allow(ctx context.Context, id RemoteID) error
	// Block declines a pending request and keeps the person's messages out.
	Block(ctx context.Context, id RemoteID) error
}

// Renamer is an [Account] whose user can change the name the others see.
type Renamer interface {
	Rename(ctx context.Context, name string) error
}

// RosterKeeper is an [Account] whose network keeps the contact list. It reports
// the whole list by [RosterReceived] each time it has signed in, before any
// presence, and each change made elsewhere by [RosterChanged]. It signs in with
// the first presence other than [Offline]; the gateway sets [Hidden] as soon as the MSN
// user has signed in, so that the list is there when the client asks for it.
type RosterKeeper interface {
	// RosterReady returns when the list has been reported since the last
	// sign-in, or cannot be had now: then with an error.
	RosterReady(ctx context.Context) error
	// RenameContact changes the name under which the user sees somebody.
	RenameContact(ctx context.Context, id RemoteID, name string) error
}

// Rooms is an [Account] that can be in chats of many.
type Rooms interface {
	// Gather makes a private room with the people in it and returns it. Key
	// is unique and stays the same when the call is tried again: a room that
	// was made then is found. From then on the key means that room in
	// [Chat.Group], over restarts too, until the account leaves it.
	Gather(ctx context.Context, key string, people []RemoteID) (Contact, error)
	// Invite asks one more person into a room; the key of Gather or the id.
	Invite(ctx context.Context, room string, person RemoteID) error
	// Join enters a room and keeps the account in it over restarts, as the
	// user's other clients would (bookmarks).
	Join(ctx context.Context, room RemoteID) (Contact, error)
	// Leave is the way out, for good.
	Leave(ctx context.Context, room RemoteID) error
	// Rooms lists the rooms that the account is in.
	Rooms(ctx context.Context) ([]Contact, error)
}

// Backlog is an [Account] whose network keeps what was said.
type Backlog interface {
	// Keeps says whether a chat is known to have a History. It does not block.
	Keeps(chat Chat) bool
	// History returns the last n messages of a chat, oldest first, those of the user
	// himself included; [ErrNoHistory] where nothing is kept of it.
	History(ctx context.Context, chat Chat, n int) ([]MessageReceived, error)
}

// The errors a network returns for the gateway to act on; compare with
// [errors.Is].
var (
	// ErrNoSuchContact: the network knows nobody of that id.
	ErrNoSuchContact = errors.New("no such contact")
	// ErrRefused: the network will never accept this, however often it is
	// tried.
	ErrRefused = errors.New("refused by the network")
	// ErrNoHistory: what is said in this chat cannot be read there again.
	ErrNoHistory = errors.New("the network keeps no history of it")
	// ErrNotLinked: the account does not exist on this network until it is
	// linked; returned by Open for a login without a kind, where the network
	// has no kind that needs nothing.
	ErrNotLinked = errors.New("the account is not linked to this network")
	// ErrUnwelcome is what a [Receiver] answers to an event whose sender the
	// user does not let through. The event is dealt with; a network that
	// asked on behalf of a [ContactRequested] declines it.
	ErrUnwelcome = errors.New("not let through by the user")
)

// RemoteID names a person or a room on a network in the network's own way:
// "@bob:matrix.org", "bob@jabber.org".
type RemoteID string

// Chat is a conversation on a network.
type Chat struct {
	// Contact is the other person of a direct chat, or the room of a room
	// contact. The network finds its chat by it and makes one if need be.
	Contact RemoteID
	// Group is set for a chat with more than one other person and empty for a
	// direct one. For a room that is a contact both fields hold its id. A chat that
	// [Rooms.Gather] made may be named by its key instead, with no Contact.
	Group string
}

// RoomChat is the chat of a room contact.
func RoomChat(room RemoteID) Chat { return Chat{Contact: room, Group: string(room)} }

// Contact is somebody on a network, or a room.
type Contact struct {
	ID RemoteID
	// Name is the display name; empty when the network knows none.
	Name string
	// Room is set for a room.
	Room bool
}

// Outgoing is a message on its way to a network.
type Outgoing struct {
	// ID is unique over all accounts and stays the same whenever the message
	// is tried again, also after a restart.
	ID   string
	Chat Chat
	// Text is plain text in UTF-8 with LF line ends, Style the look of all of it.
	Text  string
	Style text.Style
	// Sent is when the user sent it.
	Sent time.Time
}
