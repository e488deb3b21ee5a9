package body

import "strings"

// The commands of an [Invitation].
const (
	CommandInvite = "INVITE"
	CommandAccept = "ACCEPT"
	CommandCancel = "CANCEL"
)

// The codes with which an invitation is cancelled.
const (
	CancelReject       = "REJECT"
	CancelNotInstalled = "REJECT_NOT_INSTALLED"
	CancelTimeout      = "TIMEOUT"
	CancelFailed       = "FAIL"
)

// Invitation is an offer to start something beside the chat (a file transfer,
// a call) or an answer to one: text/x-msmsgsinvite, sent by MSN Messenger 3.0
// and later. Send none to a client that sent none: some show it as chat text.
type Invitation struct{ Fields []Field }

// ParseInvitation reads the invitation in a message; ok is false when it holds
// none.
func ParseInvitation(m Message) (inv Invitation, ok bool) {
	if m.MediaType() != TypeInvitation {
		return Invitation{}, false
	}
	fields, _, _ := parseFields(m.Content)
	return Invitation{Fields: fields}, len(fields) > 0
}

// Get returns the value of the first field of that name, without regard to
// case, or "".
func (inv Invitation) Get(name string) string { return get(inv.Fields, name) }

// Command returns what the invitation does, in upper case: [CommandInvite],
// [CommandAccept], [CommandCancel] or "".
func (inv Invitation) Command() string { return strings.ToUpper(inv.Get("Invitation-Command")) }

// Cookie returns the number that ties the answers to an offer, as it was sent.
func (inv Invitation) Cookie() string { return inv.Get("Invitation-Cookie") }

// Message makes the message that carries the invitation. It has a charset, and
// its fields end with a blank line: official clients want both.
func (inv Invitation) Message() Message {
	m := newMessage(TypeInvitation + "; charset=UTF-8")
	m.Content = append(appendFields(nil, inv.Fields), crlf...)
	return m
}

// NewCancel makes the message that declines an offer or ends what it began, so
// that the other's window does not wait for ever. Code is [CancelReject] or
// one of its like.
func NewCancel(cookie, code string) Message {
	return Invitation{Fields: []Field{
		{"Invitation-Command", CommandCancel},
		{"Invitation-Cookie", cookie},
		{"Cancel-Code", code},
	}}.Message()
}
