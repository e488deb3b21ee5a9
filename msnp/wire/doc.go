// Package wire reads and writes MSNP at the level of bytes: lines, words,
// transaction ids, payload lengths, escaping and the limits on all of them
// (draft-movva-00 §5.2, §5.5 and §5.6).
//
// It knows no command. What it takes is tolerant, because the clients of 1999
// to 2003 are careless; what it makes is strict, because they are fragile:
//
//   - a line ends in CRLF or LF and may come in pieces of any size
//     (aMSN ends one kind of line in LF alone and sends its CR and LF apart);
//   - words are parted by any run of blanks, and blanks may stand at either end
//     of a line (aMSN, MSN.pm, Kopete);
//   - a line that is written ends in CRLF, has one space between words, and
//     holds exactly the words it was made of, whatever bytes are in them.
//
// A server keeps one [Reader] for each of its connections, most of which are
// idle. A Reader therefore holds half a kilobyte between lines, and a larger
// buffer only while a long line is coming in.
package wire
