// Package body reads and writes the body of MSG, the MIME stream that clients
// send one another through a switchboard and that the server sends with the
// profile (draft-movva-00 §8.8).
//
// [Parse] takes what the clients of 1999 to 2003 really send: LF alone, no
// MIME-Version, no blank line, a wrong charset or none. What is made here
// follows the narrowest reading seen in a client: fixed order, exact case, CRLF,
// a space after each colon and semicolon. The MIME packages of the standard
// library cannot write that; they turn X-MMS-IM-Format into X-Mms-Im-Format.
//
// A body that one local user sends to another is not to be parsed and written
// anew: it passes as it is.
package body
