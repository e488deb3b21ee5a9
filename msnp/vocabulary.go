package msnp

import (
	"fmt"
	"strings"
)

// Handle is a user handle in canonical form: lower case, e-mail-like, at most
// [MaxHandle] bytes (draft-movva-00 §5.4). Make one with [ParseHandle].
type Handle string

// MaxHandle is the longest user handle in bytes; draft-movva-00 §5.4.
const MaxHandle = 129

// ParseHandle checks a handle from outside and puts it into canonical form.
// The draft asks for the syntax of an e-mail address; what matters to the
// clients is that both sides of the @ are there and that no byte can end a word or
// a line or, as a percent sign, be taken for an escape: some clients decode what
// they read. Letters outside ASCII are refused.
func ParseHandle(s string) (Handle, error) {
	if len(s) > MaxHandle {
		return "", fmt.Errorf("handle is longer than %d bytes", MaxHandle)
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 {
		return "", fmt.Errorf("handle %q is not of the form name@domain", s)
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' {
			return "", fmt.Errorf("handle %q has a character that is not allowed", s)
		}
	}
	return Handle(strings.ToLower(s)), nil
}

// Domain returns what stands behind the last @.
func (h Handle) Domain() string { return string(h[strings.LastIndexByte(string(h), '@')+1:]) }

// Local returns what stands before the last @.
func (h Handle) Local() string { return string(h[:strings.LastIndexByte(string(h), '@')]) }

// List is one of the four user lists; draft-movva-00 §5.7.
type List uint8

// The lists, in the order in which a server sends them (§7.5): old clients
// stay blank or ask needless questions when it differs.
const (
	Forward List = iota // FL: whose status the user wants to see
	Allow               // AL: who may see and reach the user
	Block               // BL: who may not
	Reverse             // RL: who has the user on FL; changed by the server only
)

var listNames = [...]string{Forward: "FL", Allow: "AL", Block: "BL", Reverse: "RL"}

// String returns the list's name on the wire.
func (l List) String() string { return listNames[l] }

// ParseList reads a list's name; ok is false for anything else.
func ParseList(s string) (l List, ok bool) {
	for i, name := range listNames {
		if s == name {
			return List(i), true
		}
	}
	return 0, false
}

// Status is a client state; draft-movva-00 §7.7. The zero value is Offline.
type Status string

// The states of the draft. All but Hidden and Offline are seen as online.
const (
	Offline Status = ""
	Online  Status = "NLN"
	Hidden  Status = "HDN"
	Busy    Status = "BSY"
	Idle    Status = "IDL"
	BRB     Status = "BRB"
	Away    Status = "AWY"
	Phone   Status = "PHN"
	Lunch   Status = "LUN"
)

// ParseStatus reads a state from the wire; ok is false for an unknown one.
func ParseStatus(s string) (st Status, ok bool) {
	switch st = Status(s); st {
	case Online, Hidden, Busy, Idle, BRB, Away, Phone, Lunch:
		return st, true
	}
	return Offline, s == "FLN"
}

// String returns the state's name on the wire: FLN for Offline.
func (s Status) String() string {
	if s == Offline {
		return "FLN"
	}
	return string(s)
}

// Visible says whether others see a user in this state as online.
func (s Status) Visible() bool { return s != Offline && s != Hidden }

// Privacy is the BLP setting: what happens to people on neither AL nor BL;
// draft-movva-00 §7.6.
type Privacy string

// AllowOthers lets everybody through who is not on BL; BlockOthers only those
// on AL.
const (
	AllowOthers Privacy = "AL"
	BlockOthers Privacy = "BL"
)

// Prompt is the GTC setting: what a client does about a new entry on RL. The
// server only stores it; draft-movva-00 §7.6.
type Prompt string

// PromptAsk makes the client ask its user, PromptAllow put the entry on AL.
const (
	PromptAsk   Prompt = "A"
	PromptAllow Prompt = "N"
)

// Reason is why the server ends a session; draft-movva-00 §7.10.
type Reason string

// The reasons of the draft. Ended gives none.
const (
	Ended             Reason = ""
	SignedInElsewhere Reason = "OTH"
	ShuttingDown      Reason = "SSD"
)
