package msnp

import "context"

// This file holds what a backend may offer beyond [Backend], [Session] and
// [Notifier]. The server looks for it by assertion; without it the server does
// what the comments say.

// Group is a group of the contact list. Clients of MSNP7 show the contacts of FL
// in groups; those of earlier dialects know none.
type Group struct {
	// ID is the group's number, for ever. Group 0 always exists.
	ID uint32
	// Name is not encoded here. Encoded it has at most [MaxGroupName] bytes.
	Name string
}

const (
	// MaxGroups is how many groups an account may have, group 0 included; more
	// are refused with [CodeTooManyGroups].
	MaxGroups = 30
	// MaxGroupName is the longest name of a group in bytes, encoded; the server
	// refuses longer ones with [CodeGroupNameTooLong] before any [GroupKeeper]
	// sees them.
	MaxGroupName = 61
)

// Groups are the groups of an account and who is in them.
type Groups struct {
	// All holds the groups in the order in which they are shown. Where group 0 is
	// missing the server puts it in front, as "Other Contacts".
	All []Group
	// Of holds the groups of the contacts on FL. A contact who is missing here is
	// in group 0 alone.
	Of map[Handle][]uint32
}

// GroupKeeper is a [Session] that keeps the groups of the contact list. It fills
// [Properties.Groups]. The methods are called like those of [Session], and reply
// as there; each change raises the account's serial.
//
// For a session that is none the server keeps the groups itself, in memory: as long as
// the client is signed in, or for good if the session is a [GroupStore]. It begins with what
// [Properties.Groups] holds, which lets a backend put the contacts of a network
// into a group of their own.
type GroupKeeper interface {
	// AddGroup makes a group (ADG) and replies with its number. The errors are
	// [CodeTooManyGroups] and [CodeGroupExists].
	AddGroup(ctx context.Context, name string, reply func(serial, id uint32)) error
	// RenameGroup gives a group, also group 0, another name (REG):
	// [CodeNoSuchGroup], [CodeGroupExists].
	RenameGroup(ctx context.Context, id uint32, name string, reply func(serial uint32)) error
	// RemoveGroup removes a group other than 0 (RMG): [CodeNoSuchGroup]. Contacts
	// who are in no other group are in group 0 from then on.
	RemoveGroup(ctx context.Context, id uint32, reply func(serial uint32)) error
	// PutInGroup puts a contact into a group (ADD FL with a group). One who is not
	// on FL yet is added as by [Session.AddContact] and is in that group alone.
	// The errors are those of AddContact, [CodeAlreadyThere] for one who is in the
	// group already, and [CodeNoGroupToAdd].
	PutInGroup(ctx context.Context, handle, name string, id uint32, reply func(ListChange, Status)) error
	// TakeFromGroup takes a contact out of a group (REM FL with a group). One who
	// leaves his last group is in group 0 from then on; one who leaves group 0 as
	// the last is taken off FL: his client deletes him that way. The errors are
	// [CodeNotOnList], [CodeNoSuchGroup] and [CodeNotInGroup].
	TakeFromGroup(ctx context.Context, handle string, id uint32, reply func(ListChange)) error
}

// GroupStore is a [Session] that stores the groups which the server keeps for it: they
// are in [Properties.Groups] then. A [GroupKeeper] is none.
type GroupStore interface {
	// StoreGroups stores the groups as they are after a change that the client made,
	// and returns the account's serial, which is higher than before. What a client of a
	// dialect without groups made need not be stored; the serial then stays.
	StoreGroups(ctx context.Context, groups Groups) (serial uint32, err error)
}

// HandleReader is a [Session] of which a handle may be written in other ways than the one
// it has on the lists: under a domain that a client's window insists on, say. For a
// session that is none [ParseHandle] reads the handles of the groups.
type HandleReader interface {
	// ReadHandle returns the handle that the lists have for one as the user typed it.
	ReadHandle(ctx context.Context, typed string) (Handle, error)
}

// PhoneKey is a key of PRP and BPR: one of the telephone numbers that clients of
// MSNP5 and later show, or a setting that goes with them.
type PhoneKey string

// The keys. Mobile device and mobile enabled have Y or N for a value, the others
// a number as its owner wrote it, not encoded here.
const (
	PhoneHome     PhoneKey = "PHH"
	PhoneWork     PhoneKey = "PHW"
	PhoneMobile   PhoneKey = "PHM"
	MobileDevice  PhoneKey = "MOB"
	MobileEnabled PhoneKey = "MBE"
)

// Phones are somebody's numbers; what is missing is empty.
type Phones map[PhoneKey]string

// PhoneKeeper is a [Session] that keeps telephone numbers. It fills
// [Properties.Phones] and [Properties.ContactPhones], and tells the sessions of
// those who have the user on FL by [PhoneNotifier].
//
// For a session that is none the server keeps the user's own numbers while he is
// signed in, and shows them to nobody.
type PhoneKeeper interface {
	// SetPhone changes one of the user's numbers (PRP); an empty one removes it.
	SetPhone(ctx context.Context, key PhoneKey, value string, reply func(serial uint32)) error
}

// PhoneNotifier is implemented by every [Notifier] of this server.
type PhoneNotifier interface {
	// ContactPhone sends BPR: a contact on FL changed a number. Clients of dialects
	// before MSNP5 are told nothing.
	ContactPhone(contact Handle, key PhoneKey, value string, serial uint32)
}
