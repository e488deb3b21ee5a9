package msnp

import (
	"slices"
	"strings"

	"papillon/msnp/wire"
)

// dialect is one version of the protocol: a row of the table of layouts. Handlers
// never ask for the number of a dialect; layout.go writes what its columns say,
// and a further dialect is a further row.
type dialect struct {
	number int
	name   string

	// names is how friendly names are encoded. The draft has all that is not
	// ASCII as %XX (§5.5); the clients of MSNP4 and later show raw UTF-8 right.
	names wire.Encoding
	// maxName is how long an encoded name may get. The draft's limit is 387
	// (§5.5); Miranda 0.1, a client of MSNP2, takes a line with more than 129 for
	// something else.
	maxName int

	// verified says that USR OK ends in the word that tells whether the account's
	// address has been confirmed.
	verified bool
	// referral is how many words XFR NS has behind the address: none, the 0 of
	// MSNP3, and then the address of the server that refers.
	referral int
	// profile says that the profile message has all of Passport's fields, instead
	// of the time alone.
	profile bool
	// phones says that there are PRP and BPR.
	phones bool
	// challenges says that the client knows CHL.
	challenges bool
	// groups says that there are LSG and the words for groups on ADD, REM and LST.
	groups bool
}

// dialects is the table, best first.
var dialects = []dialect{
	{number: 7, name: "MSNP7", names: wire.UTF8, maxName: 387, referral: 2, profile: true, phones: true, verified: true, challenges: true, groups: true},
	{number: 6, name: "MSNP6", names: wire.UTF8, maxName: 387, referral: 1, profile: true, phones: true, verified: true, challenges: true},
	{number: 5, name: "MSNP5", names: wire.UTF8, maxName: 387, referral: 1, profile: true, phones: true},
	{number: 4, name: "MSNP4", names: wire.UTF8, maxName: 387, referral: 1, profile: true},
	{number: 3, name: "MSNP3", names: wire.ASCII, maxName: 387, referral: 1, profile: true},
	{number: 2, name: "MSNP2", names: wire.ASCII, maxName: 129},
}

// draftDialect is the draft's own, for clients that skip VER.
var draftDialect = &dialects[len(dialects)-1]

// clientVersioning is the pseudo dialect by which a client says that it knows
// CVR. It goes back only to who offered it: gaim of 2000 wants its own line
// back, aMSN refuses an answer without it.
const clientVersioning = "CVR0"

// negotiate chooses the best dialect offered and makes the words of the answer:
// the chosen one first, which is all that official clients read; the others in
// common in the client's order, because gaim 0.6x looks for MSNP5 in the answer to
// an offer of MSNP7; CVR0 if offered. Dialect names are compared without case
// (draft-movva-00 §7.1). Without a dialect in common the answer is CVR0 to who
// offered it, who may then ask CVQ, and 0 to everybody else.
func negotiate(offer []string) (chosen *dialect, answer []string) {
	for _, name := range offer {
		if d := findDialect(name); d != nil && (chosen == nil || d.number > chosen.number) {
			chosen = d
		}
	}
	if chosen != nil {
		answer = append(answer, chosen.name)
	}
	versioning := false
	for _, name := range offer {
		if d := findDialect(name); d != nil && !slices.Contains(answer, d.name) {
			answer = append(answer, d.name)
		}
		versioning = versioning || strings.EqualFold(name, clientVersioning)
	}
	switch {
	case versioning:
		answer = append(answer, clientVersioning)
	case chosen == nil:
		answer = []string{"0"}
	}
	return chosen, answer
}

// findDialect returns the row of a name; nil if there is none.
func findDialect(name string) *dialect {
	for i := range dialects {
		if strings.EqualFold(name, dialects[i].name) {
			return &dialects[i]
		}
	}
	return nil
}

// encode makes a word of a friendly name.
func (d *dialect) encode(name string) string {
	return wire.EncodeName(name, d.names, d.maxName)
}

// encodeQuoted makes a word of a friendly name that is evaluated, and shown nowhere.
func (d *dialect) encodeQuoted(name string) string {
	return wire.EncodeName(name, d.names|wire.Quoted, d.maxName)
}
