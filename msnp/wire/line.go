package wire

import (
	"fmt"
	"slices"
	"strconv"
)

// SyntaxError says that a line holds a byte that has no place in one: a control
// byte, or a CR that is not at the end. The line is used up.
type SyntaxError struct {
	// Reason is for the log; it repeats nothing from the line.
	Reason string
	// Words are those before the bad byte, without the one it stands in. They
	// may be kept. With them a server can answer with the transaction id.
	Words []string
}

// Error implements error.
func (e *SyntaxError) Error() string { return e.Reason }

// split cuts a line into words. It makes one string of the line and lets the
// words share it.
func (r *Reader) split(line []byte) ([]string, error) {
	text := string(line)
	words := r.words[:0]
	if words == nil {
		words = make([]string, 0, 8)
	}
	word := -1 // where the current word began, or -1 between words
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == ' ' || c == '\t':
			if word >= 0 {
				words = append(words, text[word:i])
				word = -1
			}
		case isControl(c):
			r.words = words
			return nil, &SyntaxError{Reason: controlReason(c, i), Words: slices.Clone(words)}
		case word < 0:
			word = i
		}
	}
	if word >= 0 {
		words = append(words, text[word:])
	}
	r.words = words
	return words, nil
}

func isControl(c byte) bool { return c < ' ' || c == 0x7f }

func controlReason(c byte, at int) string {
	if c == '\r' {
		return fmt.Sprintf("line has a CR without LF at byte %d", at)
	}
	return fmt.Sprintf("line has the control byte %#02x at byte %d", c, at)
}

// AppendLine appends a line made of words to dst: one space between them, CRLF
// at the end (draft-movva-00 §5.2). It allocates only to grow dst.
//
// Words come encoded (see [EncodeName]); a percent sign is left alone. As a
// safety net, a byte that would end the word or the line, or is a control byte,
// is written as %XX, and an empty word as %20: the line that is read back has
// exactly these words, and nothing follows it.
func AppendLine(dst []byte, words ...string) []byte {
	return append(appendWords(dst, words), '\r', '\n')
}

// AppendPayload appends a line as [AppendLine] does, with the payload's length
// in bytes as its last word, and then the payload. The two belong in one write:
// there are clients that read them with one (gaim of 2000).
func AppendPayload(dst, payload []byte, words ...string) []byte {
	dst = appendWords(dst, words)
	if len(words) > 0 {
		dst = append(dst, ' ')
	}
	dst = strconv.AppendInt(dst, int64(len(payload)), 10)
	dst = append(dst, '\r', '\n')
	return append(dst, payload...)
}

func appendWords(dst []byte, words []string) []byte {
	for i, word := range words {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendWord(dst, word)
	}
	return dst
}

func appendWord(dst []byte, word string) []byte {
	if word == "" {
		return append(dst, "%20"...)
	}
	clean := 0 // what stands before it is written
	for i := 0; i < len(word); i++ {
		if c := word[i]; c <= ' ' || c == 0x7f {
			dst = append(dst, word[clean:i]...)
			dst = appendEscaped(dst, c)
			clean = i + 1
		}
	}
	return append(dst, word[clean:]...)
}

func appendEscaped(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}
