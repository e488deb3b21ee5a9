package media

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"io"
	"time"

	"golang.org/x/image/draw"
)

const (
	// convertTimeout bounds a conversion, and before it the wait for memory: a
	// picture of 40 million pixels takes a few seconds, one made to be slow is
	// given up.
	convertTimeout = 30 * time.Second
	jpegQuality    = 85
)

// errTooSlow ends a conversion.
var errTooSlow = errors.New("conversion takes too long")

// viewName is what the converted picture of a record is called in the cache.
func viewName(r Record) string { return r.ID + ".view" }

// view returns a record's picture as old browsers show it, converting it if
// need be.
func (s *Service) view(ctx context.Context, r Record) (*cachedFile, error) {
	return s.cached(ctx, viewName(r), func(ctx context.Context) error {
		f, err := s.original(ctx, r)
		if err != nil {
			return err
		}
		err = s.convert(ctx, f, viewName(r))
		return errors.Join(err, f.Close())
	})
}

// convert decodes, scales and stores a picture, if need be after others have
// made room in memory.
func (s *Service) convert(ctx context.Context, f *cachedFile, name string) error {
	p, err := s.survey(f)
	if err != nil {
		return err
	}
	if p.asItIs {
		return fmt.Errorf("source changed meanwhile: %w", errBusy)
	}
	shown, err := s.renderInTurn(ctx, &p, f)
	if err != nil {
		return err
	}
	d, err := s.cache.create(name)
	if err != nil {
		return err
	}
	defer d.discard()
	if err := encode(d, shown); err != nil {
		return fmt.Errorf("store picture: %w", err)
	}
	return d.commit()
}

// renderInTurn renders when there is memory for it, and within a time.
func (s *Service) renderInTurn(ctx context.Context, p *picture, f io.ReaderAt) (shown *image.RGBA, err error) {
	wait, cancel := context.WithTimeout(ctx, convertTimeout)
	defer cancel()
	memory := p.memory + p.scalingMemory()
	if err := s.pictures.Acquire(wait, memory); err != nil {
		return nil, fmt.Errorf("wait for other pictures: %w", errBusy)
	}
	defer s.pictures.Release(memory)
	ctx, cancel = context.WithTimeoutCause(ctx, convertTimeout, errTooSlow)
	defer cancel()
	err = safely(func() error {
		shown, err = p.render(ctx, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("convert picture: %w: %w", errPicture, err)
	}
	return shown, nil
}

// render decodes a picture and makes it upright, opaque and small.
func (p *picture) render(ctx context.Context, f io.ReaderAt) (*image.RGBA, error) {
	src, err := p.format.decode(&patientReader{ctx, io.NewSectionReader(f, 0, p.size)})
	if err != nil {
		return nil, err
	}
	// A GIF's first frame may be smaller than its screen, others are exact.
	canvas := image.Rect(0, 0, p.width, p.height)
	if !src.Bounds().In(canvas) {
		return nil, errors.New("picture is larger than its header says")
	}
	by := p.shrinkage()
	small, err := shrink(ctx, src, canvas, by)
	if err != nil {
		return nil, err
	}
	if size := p.fit(); small.Bounds().Size() != size {
		scaled := image.NewRGBA(image.Rectangle{Max: size})
		draw.CatmullRom.Scale(scaled, scaled.Bounds(), small, small.Bounds(), draw.Src, nil)
		small = scaled
	}
	return p.turn.apply(small), nil
}

// patientReader ends a decoder when its time is over. It is an [io.ReaderAt]
// for the sake of TIFF, which else reads the whole file into memory.
type patientReader struct {
	ctx context.Context
	r   *io.SectionReader
}

func (r *patientReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

func (r *patientReader) ReadAt(p []byte, at int64) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.ReadAt(p, at)
}

// fit is the size of the view before it is turned: no larger than the window,
// nor than the picture.
func (p *picture) fit() image.Point {
	width, height := viewWidth, viewHeight
	if p.turn.swaps() {
		width, height = height, width
	}
	if p.width <= width && p.height <= height {
		return image.Pt(p.width, p.height)
	}
	if p.width*height >= p.height*width { // as wide as the window
		return image.Pt(width, max(1, (p.height*width+p.width/2)/p.width))
	}
	return image.Pt(max(1, (p.width*height+p.height/2)/p.height), height)
}

// shrinkage is by which whole factors a picture is made smaller first, leaving
// between 1.5 and 3 for the better but hungrier filter.
func (p *picture) shrinkage() image.Point {
	size := p.fit()
	return image.Pt(max(1, p.width*2/(size.X*3)), max(1, p.height*2/(size.Y*3)))
}

// scalingMemory is what render takes beside the decoded picture, in bytes: a
// band of it, the shrunk picture, and the filter's four floating-point numbers.
func (p *picture) scalingMemory() int64 {
	by, size := p.shrinkage(), p.fit()
	width, height := int64(p.width+by.X-1)/int64(by.X), int64(p.height+by.Y-1)/int64(by.Y)
	band := int64(p.width) * int64(by.Y) * 4
	return band + width*height*4 + int64(size.X)*height*32 + int64(size.X)*int64(size.Y)*12
}

// shrink returns the picture on white, each pixel the mean of by.X times by.Y.
// It works in bands, since the picture as a whole would take four bytes a pixel.
func shrink(ctx context.Context, src image.Image, canvas image.Rectangle, by image.Point) (*image.RGBA, error) {
	out := image.NewRGBA(image.Rect(0, 0, (canvas.Dx()+by.X-1)/by.X, (canvas.Dy()+by.Y-1)/by.Y))
	band := image.NewRGBA(image.Rect(0, 0, canvas.Dx(), by.Y))
	for y := range out.Rect.Dy() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		top := image.Pt(0, y*by.Y)
		part := canvas.Sub(top).Intersect(band.Rect)
		draw.Draw(band, part, image.White, image.Point{}, draw.Src)
		draw.Draw(band, src.Bounds().Sub(top).Intersect(part), src, src.Bounds().Sub(top).Intersect(part).Min.Add(top), draw.Over)
		average(out.Pix[y*out.Stride:(y+1)*out.Stride], band, part, by.X)
	}
	return out, nil
}

// average fills a row with the means of a band's blocks.
func average(row []byte, band *image.RGBA, part image.Rectangle, width int) {
	for x := 0; x*width < part.Dx(); x++ {
		from, to := x*width, min((x+1)*width, part.Dx())
		var r, g, b uint32
		for y := range part.Dy() {
			line := band.Pix[y*band.Stride+4*from : y*band.Stride+4*to]
			for i := 0; i+3 < len(line); i += 4 {
				r, g, b = r+uint32(line[i]), g+uint32(line[i+1]), b+uint32(line[i+2])
			}
		}
		n := uint32((to - from) * part.Dy())
		row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = byte((r+n/2)/n), byte((g+n/2)/n), byte((b+n/2)/n), 0xff
	}
}

// encode writes a picture of few colours as GIF, which keeps drawings sharp, and
// all others as JPEG. A program of 1997 shows both.
func encode(w io.Writer, m *image.RGBA) error {
	out := bufio.NewWriter(w)
	err := jpegOrGIF(out, m)
	if err != nil {
		return err
	}
	return out.Flush()
}

func jpegOrGIF(w io.Writer, m *image.RGBA) error {
	if p := fewColours(m); p != nil {
		return gif.Encode(w, p, nil)
	}
	return jpeg.Encode(w, m, &jpeg.Options{Quality: jpegQuality})
}

// fewColours is the same picture with a palette, or nil if it has more than 256
// colours.
func fewColours(m *image.RGBA) *image.Paletted {
	index := make(map[color.RGBA]uint8)
	out := image.NewPaletted(m.Rect, nil)
	for i := 0; i+3 < len(m.Pix); i += 4 {
		c := color.RGBA{m.Pix[i], m.Pix[i+1], m.Pix[i+2], 0xff}
		at, ok := index[c]
		if !ok {
			if len(index) == 256 {
				return nil
			}
			at = uint8(len(index))
			index[c] = at
			out.Palette = append(out.Palette, c)
		}
		out.Pix[i/4] = at
	}
	return out
}
