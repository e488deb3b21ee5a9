// Package text turns what MSN clients write into what people on modern networks
// read, and back: line ends, characters, emoticons and emoji, and pieces short
// enough for a message.
//
// MSN text is plain text; its fonts and colours stand in a header and are not
// dealt with here, nor are the formats of the networks (HTML, Markdown,
// XEP-0393). Both directions work on a whole message. All functions are pure,
// safe from any goroutine, and total: they take any bytes and return valid
// UTF-8 with LF line ends. CRLF is a matter of the message body and made there.
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
