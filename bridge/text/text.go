// Package text turns what MSN clients write into what people on modern networks
// read, and back: line ends, characters, emoticons and emoji, and pieces short
// enough for a message.
//
// MSN text is plain text with one look for the whole of a message, which stands
// in a header (papillon/msnp/body.Format). [Rich] is that. [FromHTML] (Matrix and
// XHTML-IM), [FromStyling] (XEP-0393) and [FromMarkdown] make it of what a network
// has, [ToHTML], [ToXHTML] and [ToStyling] write it; what only a part of a message
// has becomes markers that can be read, or nothing. Characters and emoticons are a
// separate step: [FromNetwork] behind the former, [ToNetwork] before the latter.
// [Line] words what old clients know nothing of: edits, reactions, deletions and
// replies.
//
// All work on a whole message. All functions are pure, safe from any goroutine,
// and total: they take any bytes and return valid UTF-8 with LF line ends, in
// time that is linear in the length. CRLF is a matter of the message body and
// made there.
//
// The emoticon table is in emoticons.go, the rules by which a code in running
// text is taken for an emoticon at [ToNetwork], and those by which an emoji is
// shown to an old client at [FromNetwork].
package text

// Era is a generation of MSN clients, by what they make of emoticon codes.
type Era uint8

// The eras, in order.
const (
	// Plain: clients 1.x and 2.x. Everything is shown as it is typed.
	Plain Era = iota
	// Classic: clients 3.0 to 5.x, which draw the first set of emoticons.
	Classic
	// Modern: later clients, which draw all of the table.
	Modern
)

// EraOf returns the era of a client that signed in with the given MSNP dialect:
// 2 to 4 are Plain, 5 to 9 Classic, later ones Modern. Client 6.0 speaks
// dialect 9 like 5.0 and is treated like it.
func EraOf(dialect int) Era {
	switch {
	case dialect < 5:
		return Plain
	case dialect < 10:
		return Classic
	}
	return Modern
}
