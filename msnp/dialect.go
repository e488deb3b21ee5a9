package msnp

import (
	"strconv"
	"strings"

	"papillon/msnp/wire"
)

// dialect is one version of the protocol: its name and the layouts in which it
// differs from others. A further dialect is a further row of dialects.
type dialect struct {
	number int
	name   string
	// names is how friendly names are encoded, maxName how long they may get.
	// The draft's limit is 387 bytes (§5.5); Miranda 0.1 takes a line with
	// more than 129 for something else.
	names   wire.Encoding
	maxName int

	// signedIn are the words behind "USR n OK".
	signedIn func(handle, name string) []string
	// listItem are the words of a LST line behind its transaction id.
	listItem func(list, serial, item, total, handle, name string) []string
	// listEmpty are those for a list without entries.
	listEmpty func(list, serial string) []string
}

// dialects holds what the server speaks, best first.
var dialects = []dialect{
	{
		number:  2,
		name:    "MSNP2",
		names:   wire.ASCII,
		maxName: 129,
		signedIn: func(handle, name string) []string {
			return []string{handle, name}
		},
		listItem: func(list, serial, item, total, handle, name string) []string {
			return []string{list, serial, item, total, handle, name}
		},
		listEmpty: func(list, serial string) []string {
			return []string{list, serial, "0", "0"}
		},
	},
}

// clientVersioning is the pseudo dialect by which a client says that it knows
// CVR. It goes back only to who offered it: gaim of 2000 wants its own line
// back, aMSN refuses an answer without it.
const clientVersioning = "CVR0"

// negotiate chooses the best dialect offered and makes the words of the answer:
// the chosen one, the others in common in the client's order, CVR0 if offered.
// Dialect names are compared without case (draft-movva-00 §7.1).
func negotiate(offer []string) (chosen *dialect, answer []string) {
	for i := range dialects {
		for _, name := range offer {
			if chosen == nil && strings.EqualFold(name, dialects[i].name) {
				chosen = &dialects[i]
			}
		}
	}
	if chosen == nil {
		return nil, []string{"0"}
	}
	answer = []string{chosen.name}
	for _, name := range offer {
		for i := range dialects {
			if d := &dialects[i]; d != chosen && strings.EqualFold(name, d.name) {
				answer = append(answer, d.name)
			}
		}
	}
	for _, name := range offer {
		if strings.EqualFold(name, clientVersioning) {
			return chosen, append(answer, clientVersioning)
		}
	}
	return chosen, answer
}

// name encodes a friendly name for a line.
func (d *dialect) encode(name string) string {
	return wire.EncodeName(name, d.names, d.maxName)
}

// appendList appends the LST lines of one list.
func (d *dialect) appendList(dst []byte, trID string, list List, serial uint32, entries []Member) []byte {
	ser := strconv.FormatUint(uint64(serial), 10)
	if len(entries) == 0 {
		return appendReply(dst, "LST", trID, d.listEmpty(list.String(), ser)...)
	}
	total := strconv.Itoa(len(entries))
	for i, e := range entries {
		dst = appendReply(dst, "LST", trID, d.listItem(list.String(), ser, strconv.Itoa(i+1), total, string(e.Handle), d.encode(e.Name))...)
	}
	return dst
}

// appendReply appends the line that answers a command.
func appendReply(dst []byte, name, trID string, words ...string) []byte {
	all := make([]string, 0, 12)
	all = append(all, name, trID)
	return wire.AppendLine(dst, append(all, words...)...)
}
