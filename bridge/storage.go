package bridge

import (
	"context"
	"errors"
	"time"

	"papillon/bridge/text"
	"papillon/msnp"
)

// Handle is an MSN user handle in canonical form.
type Handle = msnp.Handle

// This file says what the gateway needs to have stored. *store.Store satisfies
// all of it. Every change is durable when the method returns, and a change of
// several rows happens wholly or not at all. All methods are safe from any
// goroutine.

// The errors of storage; compare with [errors.Is].
var (
	// ErrNoAccount: there is no account of that handle.
	ErrNoAccount = errors.New("no such account")
	// ErrAlreadyListed and ErrNotListed: the entry is there already, or is
	// not there to be removed.
	ErrAlreadyListed = errors.New("already on the list")
	ErrNotListed     = errors.New("not on the list")
	// ErrListFull: the list has as many entries as it may have.
	ErrListFull = errors.New("the list is full")
	// ErrHandleTaken: the handle belongs to somebody else already.
	ErrHandleTaken = errors.New("the handle is taken")
)

// AccountRecord is a stored MSN account.
type AccountRecord struct {
	Handle  Handle
	Name    string // friendly name; never empty
	Serial  uint32 // version of lists and settings
	Prompt  msnp.Prompt
	Privacy msnp.Privacy
	Created time.Time
}

// PasswordRecord is an app password, unsealed.
type PasswordRecord struct {
	ID       int64
	Label    string
	Password string
	Created  time.Time
	LastUsed time.Time // zero if never
}

// Accounts stores the MSN accounts, their app passwords and their identities.
type Accounts interface {
	// Account returns [ErrNoAccount] for an unknown handle.
	Account(ctx context.Context, handle Handle) (AccountRecord, error)
	// EachAccount calls f for every account in no particular order, until f
	// returns an error, which it returns.
	EachAccount(ctx context.Context, f func(AccountRecord) error) error
	// Passwords returns the account's app passwords, none for an unknown
	// account.
	Passwords(ctx context.Context, handle Handle) ([]PasswordRecord, error)
	// Credentials returns what a sign-in is checked against: who has the handle,
	// and the app passwords as Passwords does. For an unknown handle both are
	// empty, without an error, after the same work.
	Credentials(ctx context.Context, handle Handle) (who msnp.Member, passwords []PasswordRecord, err error)
	// Belongings returns, as of one moment, what a session begins with. The
	// error for an unknown handle is [ErrNoAccount].
	Belongings(ctx context.Context, handle Handle) (Belongings, error)
	// PasswordUsed notes that a password was used to sign in.
	PasswordUsed(ctx context.Context, id int64, at time.Time) error
	// SetAccountName changes the friendly name, SetPrivacy and SetPrompt the
	// settings. Each raises the serial and returns it.
	SetAccountName(ctx context.Context, handle Handle, name string) (serial uint32, err error)
	SetPrivacy(ctx context.Context, handle Handle, mode msnp.Privacy) (serial uint32, err error)
	SetPrompt(ctx context.Context, handle Handle, mode msnp.Prompt) (serial uint32, err error)
	// Identities returns how the account exists on networks: at most one
	// entry per network.
	Identities(ctx context.Context, handle Handle) ([]IdentityRecord, error)
	// AccountChanges returns what was changed about accounts after the change
	// numbered since, oldest first; a since below zero returns no changes
	// but the newest number. It is how a running gateway notices what the command
	// line did.
	AccountChanges(ctx context.Context, since int64) (changes []AccountChange, newest int64, err error)
}

// Belongings is what an account has that a session of it must know from the
// beginning; see [AccountRecord] for the first four.
type Belongings struct {
	Name    string
	Serial  uint32
	Prompt  msnp.Prompt
	Privacy msnp.Privacy
	// Lists are as [Lists] has them.
	Lists [4][]msnp.Member
	// Contacts are those entries of FL who are people or rooms on a network; nil
	// for none.
	Contacts map[Handle]ContactRecord
	// Waiting says that there are messages in the inbox.
	Waiting bool
}

// IdentityRecord is how an account exists on a network; see [Login].
type IdentityRecord struct {
	Account     Handle
	Network     string
	Kind        string
	ID          RemoteID
	Credentials []byte // unsealed
}

// AccountChange is a change made to an account by another process, or by this
// one.
type AccountChange struct {
	Handle Handle
	Kind   AccountChangeKind
}

// AccountChangeKind says what happened to an account.
type AccountChangeKind string

// What can happen. A password change means that a password was revoked.
const (
	AccountAdded    AccountChangeKind = "added"
	AccountRemoved  AccountChangeKind = "removed"
	PasswordRevoked AccountChangeKind = "password"
	IdentityChanged AccountChangeKind = "identity"
)

// Lists stores the four lists of every account.
type Lists interface {
	// Lists returns all entries of an account, by list in the order in which
	// they were added.
	Lists(ctx context.Context, account Handle) ([4][]msnp.Member, error)
	// AddEntry puts an entry on a list and raises the account's serial. An
	// entry on FL whose handle is an account is put on that account's RL in
	// the same step; reverse is then that account's new serial, else 0.
	// The errors are [ErrAlreadyListed] and [ErrListFull] (limit entries are
	// there; 0 means no limit).
	AddEntry(ctx context.Context, account Handle, list msnp.List, entry msnp.Member, limit int) (serial, reverse uint32, err error)
	// RemoveEntry is the opposite, with [ErrNotListed].
	RemoveEntry(ctx context.Context, account Handle, list msnp.List, handle Handle) (serial, reverse uint32, err error)
	// RaiseSerial raises the serial of an account of which nothing has changed: what
	// its client has kept is not to be trusted.
	RaiseSerial(ctx context.Context, account Handle) (serial uint32, err error)
	// RenameEntry changes the name of an entry on every list of the account
	// where it stands, and raises the serial; [ErrNotListed] if on none.
	RenameEntry(ctx context.Context, account Handle, entry msnp.Member) (serial uint32, err error)
	// ListedBy returns the accounts that have the handle on FL.
	ListedBy(ctx context.Context, handle Handle) ([]Handle, error)
}

// ContactRecord ties a handle to somebody on a network, for ever.
type ContactRecord struct {
	Handle  Handle
	Network string
	ID      RemoteID
	// Name is the display name as last seen.
	Name string
	// Room is set for a room.
	Room bool
}

// Contacts stores which handle belongs to whom. The mapping is unique both
// ways and is never changed.
type Contacts interface {
	// ContactByHandle and ContactByID return ok false for an unknown one.
	ContactByHandle(ctx context.Context, handle Handle) (c ContactRecord, ok bool, err error)
	ContactByID(ctx context.Context, network string, id RemoteID) (c ContactRecord, ok bool, err error)
	// AddContact stores a new tie. [ErrHandleTaken] means that the handle
	// belongs to another contact or to an account. Storing the same tie
	// again changes nothing but the name.
	AddContact(ctx context.Context, c ContactRecord) error
}

// Chats stores which chat on a network belongs to an account's contact.
type Chats interface {
	// DirectChat returns the chat with a contact; ok is false if there is
	// none yet.
	DirectChat(ctx context.Context, account Handle, network string, contact RemoteID) (chat string, ok bool, err error)
	// ChatContact is the way back: whose direct chat it is.
	ChatContact(ctx context.Context, account Handle, network string, chat string) (contact RemoteID, ok bool, err error)
	// SetDirectChat stores the chat of a contact, in place of an earlier one.
	SetDirectChat(ctx context.Context, account Handle, network string, contact RemoteID, chat string) error
	// ForgetDirectChat removes a chat that is no more.
	ForgetDirectChat(ctx context.Context, account Handle, network string, chat string) error
}

// InboxEntry is a message that waits to be handed to the user's client.
type InboxEntry struct {
	ID      int64 // given by the store; rises with arrival
	Account Handle
	Network string
	Handle  Handle // the contact in whose window it belongs: a person, or a room
	// Speaker is who speaks in a room; empty where it is the contact.
	Speaker Handle
	// Message has its text as it is to be shown: what it does to another
	// message, and its links, are in the text already, and stored nowhere else.
	Message MessageReceived
	// Quote is how later messages that refer to this one may quote it; not
	// read back.
	Quote string
}

// Inbox stores incoming messages until a client has taken them.
type Inbox interface {
	// InboxAdd stores an entry and remembers its network and message id.
	// Fresh is false when the account has had that message before, whether it
	// still waits or not.
	InboxAdd(ctx context.Context, entry InboxEntry) (id int64, fresh bool, err error)
	// InboxOf returns what waits for an account, oldest first.
	InboxOf(ctx context.Context, account Handle) ([]InboxEntry, error)
	// InboxDone removes entries that a client has taken.
	InboxDone(ctx context.Context, ids ...int64) error
}

// OutboxEntry is an order to a network that waits to be carried out.
type OutboxEntry struct {
	ID      int64 // given by the store; rises with arrival
	Account Handle
	Network string
	Order   Order
	Created time.Time
	// MessageID is the [Outgoing.ID] of a message; given by whoever adds it.
	MessageID string
}

// Order is what a network shall do.
type Order struct {
	Kind OrderKind
	// Chat is where a message goes; for the other kinds only its contact
	// counts.
	Chat Chat
	// Text is the message, or the name of [OrderRename], [OrderRenameContact] and
	// [OrderFollow]; of [OrderGather] the ids of the people, a line each, and
	// of [OrderInvite] the id of the person.
	Text string
	// Style is the look of a message.
	Style text.Style
}

// OrderKind is the kind of an [Order].
type OrderKind string

// The kinds, each carried out by the method of the same name of [Account],
// [Gatekeeper], [Renamer], [RosterKeeper] or [Rooms].
const (
	OrderSend          OrderKind = "send"
	OrderFollow        OrderKind = "follow"
	OrderUnfollow      OrderKind = "unfollow"
	OrderAllow         OrderKind = "allow"
	OrderBlock         OrderKind = "block"
	OrderRename        OrderKind = "rename"
	OrderRenameContact OrderKind = "rename-contact"
	OrderGather        OrderKind = "gather"
	OrderInvite        OrderKind = "invite"
)

// Outbox stores orders until the network has accepted them.
type Outbox interface {
	// OutboxAdd stores an order. The id of a message counts as one that the
	// account has had, so that its echo is no news.
	OutboxAdd(ctx context.Context, entry OutboxEntry) (id int64, err error)
	// OutboxOf returns what waits for an account on a network, oldest first.
	OutboxOf(ctx context.Context, account Handle, network string) ([]OutboxEntry, error)
	OutboxDone(ctx context.Context, id int64) error
}

// Quote is what is remembered of a message for those that refer to it.
type Quote struct {
	// Text is its beginning, on one line.
	Text string
	// Author is the display name; empty for the user himself.
	Author string
}

// Quotes remembers how messages began, for some weeks: of those that go
// through the inbox and the outbox.
type Quotes interface {
	// Quote finds a message by the [Target.Ref] of a later one.
	Quote(ctx context.Context, account Handle, network string, chat Chat, ref string) (q Quote, ok bool, err error)
}

// Settings stores what users have chosen for themselves.
type Settings interface {
	// Settings returns what an account has chosen, by name.
	Settings(ctx context.Context, account Handle) (map[string]string, error)
	// SetSetting stores a choice; an empty value forgets it.
	SetSetting(ctx context.Context, account Handle, name, value string) error
	// SetProperty is SetSetting for what the user's client shows as a part of its
	// lists; it raises the account's serial. The error is [ErrNoAccount].
	SetProperty(ctx context.Context, account Handle, name, value string) (serial uint32, err error)
	// ContactProperties returns a property of those on an account's FL who have an
	// account here and let that one through by BL, AL and BLP.
	ContactProperties(ctx context.Context, account Handle, name string) (map[Handle]string, error)
}

// Memory stores what a network has to remember for an account over restarts and
// its servers do not: the position in an archive, who has accepted whom. The keys and
// values are the network's own.
type Memory interface {
	// Recall returns what was remembered; "" for nothing.
	Recall(ctx context.Context, account Handle, network, key string) (value string, err error)
	// RecallAll returns everything whose key begins with a prefix, by key.
	RecallAll(ctx context.Context, account Handle, network, prefix string) (map[string]string, error)
	// Remember stores a value in place of an earlier one; an empty one is
	// forgotten.
	Remember(ctx context.Context, account Handle, network, key, value string) error
}

// ErrSignedUp means that the person has an account already.
var ErrSignedUp = errors.New("signed up already")

// SignUp is an account that a person of a network makes for himself.
type SignUp struct {
	Handle   Handle
	Name     string
	Network  string
	Person   RemoteID // who may manage the account from there
	Kind     string   // how the account exists there, as Person; empty leaves that open
	Password string   // the first app password
}

// SignUps stores the accounts that people of networks made for themselves.
type SignUps interface {
	// SignUp makes an account with a password, and an identity if a kind is given. The
	// errors are [ErrSignedUp], also for a person as whom another account exists
	// already, and [ErrHandleTaken].
	SignUp(ctx context.Context, s SignUp) error
	// SignedUp returns the account that a person made.
	SignedUp(ctx context.Context, network string, person RemoteID) (account Handle, ok bool, err error)
	// ReplacePassword revokes the app passwords of an account and gives it a
	// new one.
	ReplacePassword(ctx context.Context, account Handle, label, password string) error
	// RemoveAccount removes an account and all that belongs to it.
	RemoveAccount(ctx context.Context, account Handle) error
}

// Storage is everything the gateway stores.
type Storage interface {
	Accounts
	Lists
	Contacts
	Chats
	Inbox
	Outbox
	Quotes
	Settings
	Memory
	SignUps
	// Atomically makes one change of all that f does with the context it
	// gets. It holds up every other change meanwhile: keep it short.
	Atomically(ctx context.Context, f func(ctx context.Context) error) error
}
