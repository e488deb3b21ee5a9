package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// What a Reader holds between lines, in bytes. Hardly any line of a real client is
// longer than tinyBuffer, and thousands of clients are idle. Where payloads
// come, line and payload mostly fit smallBuffer and are read at once.
const (
	tinyBuffer  = 128
	smallBuffer = 512
)

// payloadStep is how much of a payload is allocated before its first byte has
// come. What is longer grows as it arrives, so that a client pays for the
// memory it makes the server hold.
const payloadStep = 4096

// maxEmptyReads is how often a connection may return neither bytes nor an
// error before the reader gives up with [io.ErrNoProgress].
const maxEmptyReads = 100

// ErrLineTooLong is returned by [Reader.ReadLine] for a line over
// [Limits].Line. Where the next line begins is not known then: the
// connection must be closed. Every later read returns the same error.
var ErrLineTooLong = errors.New("line is too long")

// ErrPayloadTooLong is returned by [Reader.ReadPayload] for a length over
// [Limits].Payload. The payload is not read, so that its bytes would
// be taken for lines: the connection must be closed. Every later read returns
// the same error.
var ErrPayloadTooLong = errors.New("payload is too long")

// Limits caps what a [Reader] accepts, in bytes; 0 is no limit.
type Limits struct {
	// Line is the longest line, without its CRLF.
	Line int
	// Payload is the longest payload.
	Payload int
}

// Reader takes lines and payloads off a connection. It is for one goroutine
// at a time. An error of the connection itself (a deadline, say) is returned
// as it is and loses nothing: the next call goes on where this one stopped.
type Reader struct {
	src    io.Reader
	limits Limits
	// buf[start:end] was read and not yet handed out; the bytes up to scanned
	// are known to hold no line end.
	buf                 []byte
	start, scanned, end int
	words               []string
	payloads            bool // some have come
	broken              error
}

// NewReader makes a Reader on a connection. It allocates its buffer with the
// first read.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{src: r, limits: limits}
}

// Buffered returns how many bytes were read from the connection and not yet
// handed out as a line or payload: not 0 means that the client has pipelined.
func (r *Reader) Buffered() int { return r.end - r.start }

// ReadLine reads one line and returns its words (draft-movva-00 §5.2). The line
// ends in LF, and one CR before that is dropped. Words are parted by runs of
// spaces and tabs; an empty line has none. The strings may be kept, the slice
// is valid until the next call.
//
// A line with a byte that has no place in one gives a [*SyntaxError]; it is
// used up, and the next line can be read. At the end of the connection the
// error is [io.EOF], inside a line [io.ErrUnexpectedEOF]. See also
// [ErrLineTooLong].
func (r *Reader) ReadLine() ([]string, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	r.release()
	for {
		if i := bytes.IndexByte(r.buf[r.scanned:r.end], '\n'); i >= 0 {
			end := r.scanned + i
			line := bytes.TrimSuffix(r.buf[r.start:end], []byte{'\r'})
			r.start, r.scanned = end+1, end+1
			if r.limits.Line > 0 && len(line) > r.limits.Line {
				return nil, r.fail(ErrLineTooLong)
			}
			return r.split(line)
		}
		r.scanned = r.end
		// One byte over the limit may still be the CR of a full line.
		if r.limits.Line > 0 && r.Buffered() > r.limits.Line+1 {
			return nil, r.fail(ErrLineTooLong)
		}
		if err := r.fill(); err != nil {
			if err == io.EOF && r.Buffered() > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// Await waits until something has come from the connection, where nothing is
// buffered. It calls few functions, so that a goroutine that waits here needs little
// stack. The errors are those of [Reader.ReadLine], which returns them again.
func (r *Reader) Await() error {
	if r.broken != nil || r.Buffered() > 0 {
		return r.broken
	}
	r.release()
	return r.fill()
}

// ReadPayload reads exactly n bytes, the payload that the last line announced.
// The slice is the caller's. When the connection ends before, the error is
// [io.ErrUnexpectedEOF], and when it fails, what had come is lost. See also
// [ErrPayloadTooLong].
func (r *Reader) ReadPayload(n int) ([]byte, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	if n < 0 {
		return nil, fmt.Errorf("read payload: negative length %d", n)
	}
	if r.limits.Payload > 0 && n > r.limits.Payload {
		return nil, r.fail(ErrPayloadTooLong)
	}
	r.payloads = true
	payload := make([]byte, min(n, max(payloadStep, r.Buffered())))
	done := copy(payload, r.buf[r.start:r.end])
	r.start += done
	r.scanned = r.start
	for {
		k, err := io.ReadFull(r.src, payload[done:])
		done += k
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, r.fail(err)
		}
		if done == n {
			return payload, nil
		}
		payload = append(payload, make([]byte, min(n-done, done))...)
	}
}

// fail makes an error final, because the place in the stream is lost with it.
func (r *Reader) fail(err error) error {
	r.broken = err
	return err
}

// release lets go of what the last line needed: its words, and a buffer that
// had to grow for it once what is left fits the small one.
func (r *Reader) release() {
	const fewWords = 16
	if cap(r.words) > fewWords || !r.payloads && r.Buffered() == 0 {
		r.words = nil
	}
	clear(r.words[:cap(r.words)])
	if small := r.small(); len(r.buf) > small && r.Buffered() <= small {
		r.resize(small)
	}
}

// small is how many bytes are held between lines.
func (r *Reader) small() int {
	if r.payloads {
		return smallBuffer
	}
	return tinyBuffer
}

// fill reads once from the connection, making room before that.
func (r *Reader) fill() error {
	switch {
	case r.start == r.end:
		r.start, r.scanned, r.end = 0, 0, 0
		if small := r.small(); len(r.buf) < small {
			r.buf = make([]byte, small)
		}
	case r.start > 0:
		r.resize(len(r.buf))
	case r.end == len(r.buf):
		size := 2 * len(r.buf)
		if r.limits.Line > 0 {
			// Room for the line end and one byte that proves it too long.
			size = min(size, max(r.limits.Line, smallBuffer)+3)
		}
		r.resize(size)
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		if n > 0 {
			return nil // an error comes again with the next read
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// resize moves what is buffered to the front of a buffer of the given size,
// which may be the present one.
func (r *Reader) resize(size int) {
	to := r.buf
	if size != len(r.buf) {
		to = make([]byte, size)
	}
	n := copy(to, r.buf[r.start:r.end])
	r.scanned -= r.start
	r.buf, r.start, r.end = to, 0, n
}
