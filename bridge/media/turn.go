package media

import "image"

// turn is how a picture is stored in relation to how it is seen: the values of
// Exif's Orientation.
type turn uint16

// The ends of the range, and where width and height begin to change places.
const (
	upright  turn = 1
	swapped  turn = 5
	leftDown turn = 8
)

// swaps says whether width and height change places.
func (t turn) swaps() bool { return t >= swapped }

// apply returns the picture as it is seen.
func (t turn) apply(m *image.RGBA) *image.RGBA {
	if t <= upright || t > leftDown {
		return m
	}
	width, height := m.Rect.Dx(), m.Rect.Dy()
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	if t.swaps() {
		out = image.NewRGBA(image.Rect(0, 0, height, width))
	}
	for y := range height {
		for x := range width {
			at := t.place(x, y, width, height)
			copy(out.Pix[out.PixOffset(at.X, at.Y):][:4], m.Pix[m.PixOffset(x, y):])
		}
	}
	return out
}

// place is where a stored pixel is seen.
func (t turn) place(x, y, width, height int) image.Point {
	right, bottom := width-1-x, height-1-y
	switch t {
	case 2: // mirrored
		return image.Pt(right, y)
	case 3: // upside down
		return image.Pt(right, bottom)
	case 4: // mirrored upside down
		return image.Pt(x, bottom)
	case 5: // mirrored, left side up
		return image.Pt(y, x)
	case 6: // right side up
		return image.Pt(bottom, x)
	case 7: // mirrored, right side up
		return image.Pt(bottom, right)
	case 8: // left side up
		return image.Pt(y, right)
	}
	return image.Pt(x, y)
}
