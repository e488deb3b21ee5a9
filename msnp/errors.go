package msnp

import "fmt"

// Code is an error code on the wire; draft-movva-00 §7.11.
type Code int

// The codes this server sends.
const (
	CodeSyntax              Code = 200
	CodeInvalidParameter    Code = 201
	CodeInvalidUser         Code = 205
	CodeDomainMissing       Code = 206
	CodeAlreadyLoggedIn     Code = 207
	CodeInvalidUsername     Code = 208
	CodeInvalidFriendlyName Code = 209
	CodeListFull            Code = 210
	CodeAlreadyThere        Code = 215
	CodeNotOnList           Code = 216
	// CodeNotOnline is not in the draft; every client since 1.0 knows it as
	// the answer to a CAL that reaches nobody.
	CodeNotOnline      Code = 217
	CodeAlreadyInMode  Code = 218
	CodeInOppositeList Code = 219
	// These came with the groups of MSNP7. A group that does not exist is 231
	// where a contact is to be put into it, else 224.
	CodeTooManyGroups     Code = 223
	CodeNoSuchGroup       Code = 224
	CodeNotInGroup        Code = 225
	CodeGroupExists       Code = 228
	CodeGroupNameTooLong  Code = 229
	CodeGroupZero         Code = 230
	CodeNoGroupToAdd      Code = 231
	CodeSwitchboardFailed Code = 280
	CodeFieldsMissing     Code = 300
	CodeNotLoggedIn       Code = 302
	CodeInternalServer    Code = 500
	// CodeChallengeFailed answers a wrong QRY; MSNP6 and later.
	CodeChallengeFailed       Code = 540
	CodeServerBusy            Code = 600
	CodeServerUnavailable     Code = 601
	CodeServerGoingDown       Code = 604
	CodeTooActive             Code = 713
	CodeTooManySessions       Code = 714
	CodeNotExpected           Code = 715
	CodeAuthenticationFailed  Code = 911
	CodeNotAllowedWhenOffline Code = 913
)

// Error is an answer meant for the client: a code and, for the log, a reason.
// A [Session] or [Conversation] returns one to choose the code.
type Error struct {
	Code   Code
	Reason string
}

// Errorf makes an [Error].
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Reason: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Reason, e.Code) }

// closes says whether the connection ends after this code: the client either
// failed to prove who or what it is or does not speak the protocol.
func (e *Error) closes() bool {
	return e.Code == CodeAuthenticationFailed || e.Code == CodeNotExpected || e.Code == CodeChallengeFailed
}
