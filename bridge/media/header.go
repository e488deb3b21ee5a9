package media

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxSegments bounds the segments of a JPEG before its pixels.
const maxSegments = 1024

// Markers of ITU-T T.81 table B.1.
const (
	markerSOF0, markerSOF15 = 0xc0, 0xcf
	markerDHT, markerJPG    = 0xc4, 0xc8
	markerDAC               = 0xcc
	markerSOI, markerEOI    = 0xd8, 0xd9
	markerSOS               = 0xda
	markerAPP0, markerAPP1  = 0xe0, 0xe1
)

// jpegHeader is what a JPEG says before its pixels.
type jpegHeader struct {
	turn        turn
	progressive bool
	jfif        bool
	components  int
	samples     int64 // of all components, as the decoder allocates them
}

var errJPEGHeader = errors.New("no JPEG header")

// readJPEGHeader reads up to the first scan.
func readJPEGHeader(r *bufio.Reader) (h jpegHeader, err error) {
	h.turn = upright
	var start [2]byte
	if _, err := io.ReadFull(r, start[:]); err != nil || start != [2]byte{0xff, markerSOI} {
		return h, errJPEGHeader
	}
	for range maxSegments {
		marker, err := nextMarker(r)
		if err != nil {
			return h, err
		}
		if marker == markerSOS {
			if h.components == 0 {
				return h, errJPEGHeader
			}
			return h, nil
		}
		if marker >= 0xd0 && marker <= markerEOI || marker == 0x01 { // without length
			continue
		}
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return h, fmt.Errorf("read JPEG segment: %w", err)
		}
		n := int(binary.BigEndian.Uint16(length[:])) - 2
		if n < 0 {
			return h, errJPEGHeader
		}
		if err := h.segment(r, marker, n); err != nil {
			return h, err
		}
	}
	return h, fmt.Errorf("more than %d segments: %w", maxSegments, errJPEGHeader)
}

// nextMarker skips what is between segments, as decoders do.
func nextMarker(r *bufio.Reader) (byte, error) {
	for {
		if _, err := r.ReadSlice(0xff); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return 0, fmt.Errorf("find JPEG marker: %w", err)
		} else if err != nil {
			continue
		}
		for {
			b, err := r.ReadByte()
			if err != nil {
				return 0, fmt.Errorf("find JPEG marker: %w", err)
			}
			if b == 0xff { // fill
				continue
			}
			if b != 0 {
				return b, nil
			}
			break
		}
	}
}

// segment reads one segment of n bytes.
func (h *jpegHeader) segment(r *bufio.Reader, marker byte, n int) error {
	frame := marker >= markerSOF0 && marker <= markerSOF15 && marker != markerDHT && marker != markerJPG && marker != markerDAC
	if !frame && marker != markerAPP0 && marker != markerAPP1 {
		if _, err := r.Discard(n); err != nil {
			return fmt.Errorf("read JPEG segment: %w", err)
		}
		return nil
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("read JPEG segment: %w", err)
	}
	switch {
	case frame:
		h.progressive = marker == 0xc2
		return h.frame(data)
	case marker == markerAPP0:
		h.jfif = h.jfif || len(data) >= 5 && string(data[:5]) == "JFIF\x00"
	case h.turn == upright:
		h.turn = exifTurn(data)
	}
	return nil
}

// frame reads a frame header (T.81 §B.2.2) and counts the samples: each
// component's blocks fill whole units of the most finely sampled one.
func (h *jpegHeader) frame(data []byte) error {
	if len(data) < 6 || len(data) < 6+3*int(data[5]) || data[5] == 0 {
		return errJPEGHeader
	}
	height, width := int64(binary.BigEndian.Uint16(data[1:])), int64(binary.BigEndian.Uint16(data[3:]))
	h.components = int(data[5])
	var maxH, maxV, units int64 = 1, 1, 0
	for i := range h.components {
		sampling := data[6+3*i+1]
		across, down := int64(sampling>>4), int64(sampling&15)
		maxH, maxV = max(maxH, across), max(maxV, down)
		units += across * down
	}
	mcus := ((width + 8*maxH - 1) / (8 * maxH)) * ((height + 8*maxV - 1) / (8 * maxV))
	h.samples = mcus * units * 64
	return nil
}

// exifTurn finds the orientation (Exif 2.3 §4.6.4, tag 0x112) in an APP1
// segment; upright if there is none.
func exifTurn(data []byte) turn {
	const intro = "Exif\x00\x00"
	if len(data) < len(intro)+8 || string(data[:len(intro)]) != intro {
		return upright
	}
	tags := data[len(intro):]
	var order binary.ByteOrder
	switch string(tags[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	at := uint64(order.Uint32(tags[4:]))
	if at+2 > uint64(len(tags)) {
		return upright
	}
	entries := tags[at+2:]
	for range order.Uint16(tags[at:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == 0x0112 {
			if t := turn(order.Uint16(entries[8:])); t >= upright && t <= leftDown {
				return t
			}
			break
		}
		entries = entries[12:]
	}
	return upright
}

var errGIF = errors.New("no sound GIF")

// countFrames walks over the blocks of a GIF (GIF89a, appendix A) and counts its
// pictures, up to one more than limit. A picture that does not lie within the
// screen is an error: browsers make room for it.
func countFrames(r *bufio.Reader, width, height, limit int) (frames int, err error) {
	header := make([]byte, 13)
	if _, err := io.ReadFull(r, header); err != nil {
		return 0, fmt.Errorf("read GIF: %w", err)
	}
	if err := skipColours(r, header[10]); err != nil {
		return 0, err
	}
	for frames <= limit {
		block, err := r.ReadByte()
		if err != nil {
			return frames, fmt.Errorf("read GIF: %w", err)
		}
		switch block {
		case 0x3b: // trailer
			return frames, nil
		case 0x21: // extension
			if _, err := r.Discard(1); err != nil {
				return frames, fmt.Errorf("read GIF: %w", err)
			}
		case 0x2c: // picture
			place := make([]byte, 9)
			if _, err := io.ReadFull(r, place); err != nil {
				return frames, fmt.Errorf("read GIF: %w", err)
			}
			at := func(i int) int { return int(binary.LittleEndian.Uint16(place[i:])) }
			if at(0)+at(4) > width || at(2)+at(6) > height {
				return frames, errGIF
			}
			if err := skipColours(r, place[8]); err != nil {
				return frames, err
			}
			if _, err := r.Discard(1); err != nil { // code size
				return frames, fmt.Errorf("read GIF: %w", err)
			}
			frames++
		default:
			return frames, errGIF
		}
		if err := skipSubBlocks(r); err != nil {
			return frames, err
		}
	}
	return frames, nil
}

// skipColours skips the colour table that flags announce.
func skipColours(r *bufio.Reader, flags byte) error {
	if flags&0x80 == 0 {
		return nil
	}
	if _, err := r.Discard(3 << (flags&7 + 1)); err != nil {
		return fmt.Errorf("read GIF: %w", err)
	}
	return nil
}

// skipSubBlocks skips data up to the empty block that ends it.
func skipSubBlocks(r *bufio.Reader) error {
	for {
		n, err := r.ReadByte()
		if err != nil {
			return fmt.Errorf("read GIF: %w", err)
		}
		if n == 0 {
			return nil
		}
		if _, err := r.Discard(int(n)); err != nil {
			return fmt.Errorf("read GIF: %w", err)
		}
	}
}
