package stream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// A server's stanzas are cut out of the stream before they are decoded, by a
// scanner that knows just enough of XML to find where an element of the top
// level ends. So one that is too large is skipped without being held, and one
// that the decoder refuses costs nobody the stream, while a decoder that reads
// the stream itself is of no use after its first error, and holds a piece of text
// of any length.

// frame is an element of the top level, as it came.
type frame struct {
	// data is the element; of one that is too large, its beginning. It is
	// valid until the next one is read.
	data []byte
	// size is how long the element was, in bytes.
	size int
	// whole is false for one that is larger than the limit.
	whole bool
}

var (
	// errEnd is the regular end of a stream, </stream:stream>.
	errEnd = fmt.Errorf("the server ended the stream: %w", io.EOF)
	// errNotXML is what cannot be framed.
	errNotXML = errors.New("what the server sends is not XMPP")
)

// scanState is where the scanner stands.
type scanState uint8

const (
	inText     scanState = iota // between tags
	atTag                       // after <
	inOpen                      // in an opening tag
	inOpenName                  // in an opening tag, after a /
	inSingle                    // in an attribute's value, '
	inDouble                    // in an attribute's value, "
	inClose                     // in a closing tag
	atBang                      // after <!
	inCData                     // in <![CDATA[
	inComment                   // in <!--
	inProc                      // in <?
)

// framer cuts a stream into frames.
type framer struct {
	r     *bufio.Reader
	limit int // for a frame, in bytes

	state scanState
	depth int
	tail  [8]byte // the bytes last read in a state that ends with several
	tails int
	began bool // an element has begun
	frame frame
}

// keepBuffer is how large a buffer may be to be kept for the next frame: idle
// streams are many, and hold little.
const keepBuffer = 2 << 10

// next reads one element of the top level. The error is that of the reader,
// errEnd, or errNotXML.
func (f *framer) next() (frame, error) {
	data := f.frame.data
	if cap(data) > keepBuffer {
		data = nil
	}
	f.frame, f.began = frame{data: data[:0], whole: true}, false
	for {
		if f.r.Buffered() == 0 {
			if _, err := f.r.Peek(1); err != nil {
				return frame{}, err
			}
		}
		chunk, err := f.r.Peek(f.r.Buffered())
		if err != nil {
			return frame{}, err
		}
		from, used, done, err := f.scan(chunk)
		f.keep(chunk[from:used])
		if _, discardErr := f.r.Discard(used); err == nil {
			err = discardErr
		}
		if err != nil {
			return frame{}, err
		}
		if done {
			return f.frame, nil
		}
	}
}

// keep adds to the frame what belongs to it.
func (f *framer) keep(chunk []byte) {
	f.frame.size += len(chunk)
	if f.frame.size > f.limit {
		f.frame.whole = false
		chunk = chunk[:max(0, min(len(chunk), maxHead-len(f.frame.data)))]
		if len(f.frame.data) > maxHead {
			f.frame.data = bytes.Clone(f.frame.data[:maxHead])
		}
	}
	f.frame.data = append(f.frame.data, chunk...)
}

// maxHead is how much of a frame that is too large is kept: enough for its
// opening tag, by which it is answered.
const maxHead = 4 << 10

// scan goes through a piece of the stream, up to the end of an element of the
// top level. What belongs to the element is from the first index to the second.
func (f *framer) scan(chunk []byte) (from, used int, done bool, err error) {
	if !f.began {
		from = len(chunk)
	}
	for i := 0; i < len(chunk); i++ {
		c := chunk[i]
		switch f.state {
		case inText:
			if f.depth == 0 {
				if c == '<' {
					f.state = atTag
				} else if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
					return i, i, false, fmt.Errorf("text between stanzas: %w", errNotXML)
				}
				continue
			}
			skip := bytes.IndexByte(chunk[i:], '<')
			if skip < 0 {
				return from, len(chunk), false, nil
			}
			i += skip
			f.state = atTag
		case inSingle, inDouble:
			quote := byte('\'')
			if f.state == inDouble {
				quote = '"'
			}
			skip := bytes.IndexByte(chunk[i:], quote)
			if skip < 0 {
				return from, len(chunk), false, nil
			}
			i += skip
			f.state = inOpen
		default:
			began := f.began
			if done, err = f.step(c); f.began != began {
				// The < before the name may have been in the piece before.
				f.keep([]byte{'<'})
				from = i
			}
			if done || err != nil {
				return min(from, i+1), i + 1, done, err
			}
		}
	}
	return from, len(chunk), false, nil
}

// step takes a byte of markup.
func (f *framer) step(c byte) (done bool, err error) {
	if c == '<' && (f.state == inOpen || f.state == inOpenName || f.state == inClose) {
		return false, fmt.Errorf("a tag inside a tag: %w", errNotXML)
	}
	switch f.state {
	case atTag:
		return false, f.begin(c)
	case inOpen, inOpenName:
		return f.stepOpen(c), nil
	case inClose:
		if c == '>' {
			f.state = inText
			f.depth--
			return f.depth == 0, nil
		}
	case atBang:
		f.push(c)
		switch open := f.tail[:f.tails]; {
		case string(open) == "--":
			f.become(inComment)
		case string(open) == "[CDATA[" && f.depth > 0:
			f.become(inCData)
		case !bytes.HasPrefix([]byte("[CDATA["), open) && string(open) != "-":
			return false, fmt.Errorf("a document type: %w", errNotXML)
		}
	case inCData:
		f.until(c, "]]>")
	case inComment:
		f.until(c, "-->")
	case inProc:
		f.until(c, "?>")
	}
	return false, nil
}

// begin takes the byte after <.
func (f *framer) begin(c byte) error {
	switch {
	case c == '/' && f.depth == 0:
		return errEnd
	case c == '/':
		f.state = inClose
	case c == '!':
		f.become(atBang)
	case c == '?':
		f.become(inProc)
	case c == '<' || c == '>' || c == '=' || c <= ' ':
		return fmt.Errorf("a tag without a name: %w", errNotXML)
	default:
		f.state, f.began = inOpen, true
	}
	return nil
}

// stepOpen takes a byte of an opening tag; done is true at the end of an element
// of the top level that is empty.
func (f *framer) stepOpen(c byte) (done bool) {
	switch {
	case c == '\'':
		f.state = inSingle
	case c == '"':
		f.state = inDouble
	case c == '/':
		f.state = inOpenName
	case c == '>' && f.state == inOpenName:
		f.state = inText
		return f.depth == 0
	case c == '>':
		f.state = inText
		f.depth++
	default:
		f.state = inOpen
	}
	return false
}

// become enters a state that looks at several bytes.
func (f *framer) become(s scanState) { f.state, f.tails = s, 0 }

func (f *framer) push(c byte) {
	if f.tails == len(f.tail) {
		copy(f.tail[:], f.tail[1:])
		f.tails--
	}
	f.tail[f.tails] = c
	f.tails++
}

// until returns to text after the given end.
func (f *framer) until(c byte, end string) {
	f.push(c)
	if bytes.HasSuffix(f.tail[:f.tails], []byte(end)) {
		f.state = inText
	}
}
