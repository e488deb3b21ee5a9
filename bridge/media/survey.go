package media

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

const (
	// viewWidth and viewHeight are what a picture is scaled down to.
	viewWidth, viewHeight = 640, 480
	// maxPassed is the size above which even a small JPEG or GIF is made anew.
	maxPassed = 1 << 20
	// maxFrames is how many pictures a GIF may have to be passed on as it is.
	maxFrames = 256
)

// format is how a kind of picture is read. Config and decode get a reader that
// is also an [io.ReaderAt].
type format struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	// detail finds what config does not tell: what the decoder will take, in
	// bytes, and whether an old browser shows the file as it is.
	detail func(p *picture, r *io.SectionReader) error
}

// formats are the pictures that can be converted, by media type.
var formats = map[string]format{
	"image/jpeg": {jpeg.DecodeConfig, jpeg.Decode, (*picture).jpegDetail},
	"image/gif":  {gif.DecodeConfig, gif.Decode, (*picture).gifDetail},
	"image/png":  {png.DecodeConfig, png.Decode, (*picture).pngDetail},
	"image/webp": {webpConfig, webpDecode, (*picture).webpDetail},
	"image/bmp":  {bmp.DecodeConfig, bmp.Decode, func(p *picture, _ *io.SectionReader) error { return p.takes(4) }},
	// A tile may be as large as the picture, and is unpacked beside it.
	"image/tiff": {tiff.DecodeConfig, tiff.Decode, func(p *picture, _ *io.SectionReader) error { return p.takes(16) }},
}

// unreadable are the types of pictures that there is no decoder for.
var unreadable = map[string]bool{"image/heic": true, "image/avif": true}

// picture is what the header of a file tells.
type picture struct {
	format        format
	width, height int
	size          int64 // of the file
	memory        int64 // that decoding takes, in bytes
	turn          turn
	asItIs        bool // an old browser shows the file itself
}

// takes notes what the decoder takes for each pixel.
func (p *picture) takes(bytesPerPixel int64) error {
	p.memory = int64(p.width) * int64(p.height) * bytesPerPixel
	return nil
}

// survey reads the header of a file and decides, before anything is decoded,
// what becomes of it: [errPicture] and [errHugePicture] refuse it. What is no
// picture is served as it is.
func (s *Service) survey(f *cachedFile) (picture, error) {
	head := make([]byte, sniffSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return picture{}, fmt.Errorf("read cached media: %w", err)
	}
	mediaType := sniff(head[:n])
	if unreadable[mediaType] {
		return picture{}, fmt.Errorf("%s: %w", mediaType, errPicture)
	}
	format, ok := formats[mediaType]
	if !ok {
		return picture{asItIs: true}, nil
	}
	p := picture{format: format, size: f.size}
	err = safely(func() error { return p.read(io.NewSectionReader(f, 0, f.size)) })
	switch {
	case err != nil:
		return picture{}, fmt.Errorf("read %s: %w: %w", mediaType, errPicture, err)
	case p.asItIs:
		return p, nil
	case int64(p.width)*int64(p.height) > s.pixels:
		return picture{}, fmt.Errorf("%s of %dx%d: %w", mediaType, p.width, p.height, errHugePicture)
	case p.memory+p.scalingMemory() > s.pictureMemory:
		return picture{}, fmt.Errorf("%s of %dx%d takes %d bytes: %w", mediaType, p.width, p.height, p.memory, errHugePicture)
	}
	return p, nil
}

// read fills in the picture from its header.
func (p *picture) read(r *io.SectionReader) error {
	config, err := p.format.config(r)
	if err != nil {
		return err
	}
	if config.Width <= 0 || config.Height <= 0 {
		return errors.New("no pixels")
	}
	p.width, p.height = config.Width, config.Height
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return p.format.detail(p, r)
}

// small says whether a picture need not be scaled.
func (p *picture) small() bool { return p.width <= viewWidth && p.height <= viewHeight }

// jpegDetail looks at how the file is coded: image/jpeg keeps the coefficients
// of a progressive one, four bytes each, and makes a second picture of one in RGB
// or CMYK. The latter is no JPEG to an old browser.
func (p *picture) jpegDetail(r *io.SectionReader) error {
	h, err := readJPEGHeader(bufio.NewReader(r))
	if err != nil {
		return err
	}
	p.turn = h.turn
	each := int64(1)
	if h.progressive {
		each += 4
	}
	p.memory = each * h.samples
	if h.components == 4 || !h.jfif {
		p.memory += 4 * int64(p.width) * int64(p.height)
	}
	p.asItIs = p.small() && p.size <= maxPassed && p.turn == upright && h.components < 4
	return nil
}

// gifDetail walks over the frames without decoding them.
func (p *picture) gifDetail(r *io.SectionReader) error {
	if err := p.takes(1); err != nil {
		return err
	}
	if !p.small() || p.size > maxPassed {
		return nil
	}
	// What is broken behind the first frame can still be converted.
	frames, err := countFrames(bufio.NewReader(r), p.width, p.height, maxFrames)
	p.asItIs = err == nil && frames > 0 && frames <= maxFrames
	return nil
}

// pngDetail: image/png takes up to 8 bytes for a pixel, and as much again while
// it puts an interlaced picture together.
func (p *picture) pngDetail(r *io.SectionReader) error {
	header := make([]byte, 29) // signature, length, IHDR, 13 bytes
	if _, err := io.ReadFull(r, header); err != nil {
		return err
	}
	depth, colour, interlace := header[24], header[25], header[28]
	each := int64(4)
	switch {
	case depth == 16:
		each = 8
	case colour == 0 || colour == 3: // grey, palette
		each = 1
	}
	if interlace != 0 {
		each *= 2
	}
	return p.takes(each)
}

// webpDetail: a lossless picture, or its alpha plane, takes up to 8 bytes for a
// pixel, and its Huffman trees some 256 times what they take in the file.
func (p *picture) webpDetail(_ *io.SectionReader) error {
	if err := p.takes(8); err != nil {
		return err
	}
	p.memory += p.size + min(256*p.size, 128<<20)
	return nil
}

// safely runs a decoder. Those are written for any input, but one that panics
// all the same costs a picture and not the gateway.
func safely(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("decoder gave up: %v", v)
		}
	}()
	return f()
}
