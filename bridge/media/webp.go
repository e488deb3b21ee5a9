package media

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"io"

	"golang.org/x/image/webp"
)

// Flags of a VP8X chunk (RFC 9649 §2.7).
const (
	webpAnimated = 1 << 1
	webpAlpha    = 1 << 4
)

// webpConfig and webpDecode read a WebP; of an animated one, which
// golang.org/x/image does not know, the first frame.
func webpConfig(r io.Reader) (image.Config, error) {
	still, err := firstWebPFrame(r)
	if err != nil {
		return image.Config{}, err
	}
	return webp.DecodeConfig(still)
}

func webpDecode(r io.Reader) (image.Image, error) {
	still, err := firstWebPFrame(r)
	if err != nil {
		return nil, err
	}
	return webp.Decode(still)
}

// firstWebPFrame returns a WebP without animation: the file itself, or a file
// made of its first frame, as large as that one says. The decoder checks that
// the frame keeps to it.
func firstWebPFrame(r io.Reader) (io.Reader, error) {
	start := make([]byte, 12+8+10) // RIFF, size, WEBP; VP8X, size, flags, size of the canvas
	n, err := io.ReadFull(r, start)
	if err != nil || string(start[12:16]) != "VP8X" || start[20]&webpAnimated == 0 {
		return io.MultiReader(bytes.NewReader(start[:n]), r), nil // the decoder says what is wrong
	}
	for {
		var chunk [8]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return nil, fmt.Errorf("find frame of WebP: %w", err)
		}
		size := int64(binary.LittleEndian.Uint32(chunk[4:]))
		if string(chunk[:4]) == "ANMF" {
			return webpFrame(r, size)
		}
		if _, err := io.CopyN(io.Discard, r, size+size&1); err != nil {
			return nil, fmt.Errorf("find frame of WebP: %w", err)
		}
	}
}

// webpFrame makes a file of an ANMF chunk (RFC 9649 §2.7.1.1): place, size,
// duration and flags in 16 bytes, then the chunks of a still picture.
func webpFrame(r io.Reader, size int64) (io.Reader, error) {
	var frame [16 + 4]byte
	if _, err := io.ReadFull(r, frame[:]); err != nil || size < int64(len(frame)) {
		return nil, fmt.Errorf("read frame of WebP: %w", io.ErrUnexpectedEOF)
	}
	rest := size - 16
	var flags byte
	if string(frame[16:]) == "ALPH" {
		flags = webpAlpha
	}
	file := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(4+8+10+rest))...)
	file = append(file, "WEBPVP8X\x0a\x00\x00\x00"...)
	file = append(file, flags, 0, 0, 0)
	file = append(append(file, frame[6:12]...), frame[16:]...)
	return io.MultiReader(bytes.NewReader(file), io.LimitReader(r, rest-4)), nil
}
