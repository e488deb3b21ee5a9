package media

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// near fails unless a picture has about this colour at a point.
func near(t *testing.T, m image.Image, x, y int, want color.Color) {
	t.Helper()
	got := color.RGBAModel.Convert(m.At(x, y)).(color.RGBA)
	w := color.RGBAModel.Convert(want).(color.RGBA)
	for _, pair := range [][2]uint8{{got.R, w.R}, {got.G, w.G}, {got.B, w.B}} {
		if math.Abs(float64(pair[0])-float64(pair[1])) > 24 {
			t.Errorf("colour %v at %d,%d, want %v", got, x, y, w)
			return
		}
	}
}

var (
	red   = color.RGBA{255, 0, 0, 255}
	green = color.RGBA{0, 255, 0, 255}
	blue  = color.RGBA{0, 0, 255, 255}
	white = color.RGBA{255, 255, 255, 255}
)

// corners is a picture whose quarters are red, green, blue and white, in the
// order of reading, below a little noise that keeps it from being a GIF.
func corners(width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := []color.RGBA{red, green, blue, white}[2*(2*y/height)+2*x/width]
			wobble := uint8((x*7 + y*13) % 12)
			m.Set(x, y, color.RGBA{c.R ^ wobble, c.G ^ wobble/2, c.B ^ wobble/3, 255})
		}
	}
	return m
}

func TestPicturesAreScaled(t *testing.T) {
	h := newHouse(t, nil)
	for _, c := range []struct{ width, height, wantWidth, wantHeight int }{
		{650, 490, 637, 480}, {660, 100, 640, 97}, {641, 100, 640, 100}, {100, 481, 100, 480}, {3000, 30, 640, 6}, {20, 2000, 5, 480},
		{2000, 150, 640, 48}, {150, 2000, 36, 480}, {5000, 1, 640, 1}, {640, 480, 640, 480}, {30, 20, 30, 20}, {1, 1, 1, 1},
	} {
		t.Run(fmt.Sprintf("%dx%d", c.width, c.height), func(t *testing.T) {
			original := asPNG(t, photo(c.width, c.height))
			link := h.link(t, file(t, original), "cat.png")
			a := get(t, "GET", link)
			if got := a.shown(t).Bounds().Size(); got != image.Pt(c.wantWidth, c.wantHeight) {
				t.Errorf("%v, want %dx%d", got, c.wantWidth, c.wantHeight)
			}
			b := get(t, "GET", link+"?original")
			if !bytes.Equal(b.body, original) || b.Header.Get("Content-Type") != "image/png" {
				t.Errorf("original: %d, %s", b.StatusCode, b.Header.Get("Content-Type"))
			}
		})
	}
}

func TestPictureFormats(t *testing.T) {
	h := newHouse(t, nil)
	m := corners(660, 330)
	var bitmap, tagged, drawing bytes.Buffer
	if err := bmp.Encode(&bitmap, m); err != nil {
		t.Fatal(err)
	}
	if err := tiff.Encode(&tagged, m, &tiff.Options{Compression: tiff.Deflate}); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&drawing, m, nil); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"png": asPNG(t, m), "jpeg": asJPEG(t, m), "bmp": bitmap.Bytes(), "tiff": tagged.Bytes(), "gif": drawing.Bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			shown := get(t, "GET", h.link(t, file(t, content), "x."+name)).shown(t)
			if shown.Bounds().Size() != image.Pt(640, 320) {
				t.Fatalf("size %v", shown.Bounds())
			}
			near(t, shown, 160, 80, red)
			near(t, shown, 480, 80, green)
			near(t, shown, 160, 240, blue)
			near(t, shown, 480, 240, white)
		})
	}
}

func TestWebP(t *testing.T) {
	h := newHouse(t, nil)
	shown := get(t, "GET", h.link(t, file(t, losslessWebP(700, 100, green)), "x.webp")).shown(t)
	if shown.Bounds().Size() != image.Pt(640, 91) {
		t.Errorf("size %v", shown.Bounds())
	}
	near(t, shown, 320, 50, green)
	// A small header before a huge picture.
	get(t, "GET", h.link(t, file(t, losslessWebP(16384, 16384, green)), "x.webp")).refused(t, http.StatusUnsupportedMediaType, "more pixels")
}

// losslessWebP is a picture of one colour (RFC 9649 §3): every Huffman code has
// one symbol, so that the pixels take no bits at all.
func losslessWebP(width, height int, c color.RGBA) []byte {
	var bits []byte
	var used int
	put := func(value, n int) {
		for i := range n {
			if used%8 == 0 {
				bits = append(bits, 0)
			}
			bits[used/8] |= byte(value>>i&1) << (used % 8)
			used++
		}
	}
	put(0x2f, 8)
	put(width-1, 14)
	put(height-1, 14)
	put(0, 1+3) // no alpha, version
	put(0, 1)   // no transform
	put(0, 1)   // no colour cache
	put(0, 1)   // one group of codes
	for _, symbol := range []uint8{c.G, c.R, c.B, c.A, 0} {
		put(1, 1) // simple code
		put(0, 1) // of one symbol
		put(1, 1) // of eight bits
		put(int(symbol), 8)
	}
	bits = append(bits, make([]byte, 16+len(bits)%2)...)
	out := []byte("RIFF\x00\x00\x00\x00WEBPVP8L")
	out = binary.LittleEndian.AppendUint32(out, uint32(len(bits)))
	out = append(out, bits...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// animatedWebP is a canvas with frames on it, each a still WebP as made by
// losslessWebP.
func animatedWebP(width, height int, frame []byte, frames int) []byte {
	size := func(out []byte, width, height int) []byte {
		for _, n := range []int{width - 1, height - 1} {
			out = append(out, byte(n), byte(n>>8), byte(n>>16))
		}
		return out
	}
	chunk := func(out []byte, name string, data []byte) []byte {
		out = binary.LittleEndian.AppendUint32(append(out, name...), uint32(len(data)))
		return append(out, data...)
	}
	body := chunk([]byte("WEBP"), "VP8X", size([]byte{webpAnimated, 0, 0, 0}, width, height))
	body = chunk(body, "ANIM", make([]byte, 6))
	for range frames {
		body = chunk(body, "ANMF", append(append(size(make([]byte, 6), width, height), 0, 0, 0, 0), frame[12:]...))
	}
	return chunk(nil, "RIFF", body)
}

func TestAnimatedWebP(t *testing.T) {
	h := newHouse(t, nil)
	shown := get(t, "GET", h.link(t, file(t, animatedWebP(50, 40, losslessWebP(50, 40, blue), 3)), "x.webp")).shown(t, "gif")
	if shown.Bounds().Size() != image.Pt(50, 40) {
		t.Errorf("size %v", shown.Bounds())
	}
	near(t, shown, 20, 20, blue)
	for name, content := range map[string][]byte{
		"a frame larger than it says": animatedWebP(50, 40, losslessWebP(16000, 16000, blue), 1),
		"no frame":                    animatedWebP(50, 40, nil, 0),
		"cut":                         animatedWebP(50, 40, losslessWebP(50, 40, blue), 1)[:70],
	} {
		t.Run(name, func(t *testing.T) {
			get(t, "GET", h.link(t, file(t, content), "x.webp")).refused(t, http.StatusUnsupportedMediaType, "Save the picture")
		})
	}
	get(t, "GET", h.link(t, file(t, animatedWebP(16000, 16000, losslessWebP(16000, 16000, blue), 1)), "x.webp")).
		refused(t, http.StatusUnsupportedMediaType, "more pixels")
}

func TestTransparencyBecomesWhite(t *testing.T) {
	h := newHouse(t, nil)
	m := image.NewNRGBA(image.Rect(0, 0, 700, 100))
	draw.Draw(m, image.Rect(0, 0, 350, 100), image.NewUniform(red), image.Point{}, draw.Src)
	shown := get(t, "GET", h.link(t, file(t, asPNG(t, m)), "x.png")).shown(t, "gif") // few colours
	near(t, shown, 100, 50, red)
	near(t, shown, 500, 50, white)
}

func TestDrawingsStaySharp(t *testing.T) {
	h := newHouse(t, nil)
	m := image.NewNRGBA(image.Rect(0, 0, 300, 200))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	for x := range 300 {
		m.Set(x, x*2/3, palette.WebSafe[x%len(palette.WebSafe)])
	}
	shown := get(t, "GET", h.link(t, file(t, asPNG(t, m)), "plan.png")).shown(t, "gif")
	for y := range 200 {
		for x := range 300 {
			if got := color.NRGBAModel.Convert(shown.At(x, y)); got != m.At(x, y) {
				t.Fatalf("%v at %d,%d, want %v", got, x, y, m.At(x, y))
			}
		}
	}
}

// turned puts an orientation into a JPEG, in either byte order.
func turned(content []byte, order binary.AppendByteOrder, orientation uint16) []byte {
	tags := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		tags = []byte("MM\x00*")
	}
	tags = order.AppendUint32(tags, 8)
	tags = order.AppendUint16(tags, 2)
	for _, entry := range [][2]uint16{{0x0100, 9}, {0x0112, orientation}} {
		tags = order.AppendUint16(tags, entry[0])
		tags = order.AppendUint16(tags, 3)
		tags = order.AppendUint32(tags, 1)
		tags = order.AppendUint16(tags, entry[1])
		tags = append(tags, 0, 0)
	}
	segment := append([]byte("Exif\x00\x00"), append(tags, 0, 0, 0, 0)...)
	out := []byte{0xff, 0xd8, 0xff, 0xe1}
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	return append(append(out, segment...), content[2:]...)
}

func TestPhotosAreTurnedUpright(t *testing.T) {
	h := newHouse(t, nil)
	// What is seen in the four quarters, in the order of reading, when the
	// stored ones are red, green, blue and white.
	for orientation, want := range map[uint16][4]color.RGBA{
		1: {red, green, blue, white}, 2: {green, red, white, blue}, 3: {white, blue, green, red}, 4: {blue, white, red, green},
		5: {red, blue, green, white}, 6: {blue, red, white, green}, 7: {white, green, blue, red}, 8: {green, white, red, blue},
		9: {red, green, blue, white},
	} {
		for _, stored := range []image.Point{{60, 40}, {700, 200}} {
			var order binary.AppendByteOrder = binary.LittleEndian
			if orientation%2 == 0 {
				order = binary.BigEndian
			}
			content := turned(asJPEG(t, corners(stored.X, stored.Y)), order, orientation)
			shown := get(t, "GET", h.link(t, file(t, content), "x.jpg")).shown(t)
			size := shown.Bounds().Size()
			if wide := size.X > size.Y; wide == (orientation >= 5 && orientation <= 8) || size.X > viewWidth || size.Y > viewHeight {
				t.Errorf("orientation %d: %v", orientation, size)
			}
			for i, c := range want {
				near(t, shown, size.X/4+i%2*size.X/2, size.Y/4+i/2*size.Y/2, c)
			}
		}
	}
}

// animation is a GIF of so many frames.
func animation(t testing.TB, width, height, frames int) []byte {
	t.Helper()
	g := &gif.GIF{Config: image.Config{Width: width, Height: height}}
	for i := range frames {
		m := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{red, blue})
		m.Pix[0] = uint8(i % 2)
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnimations(t *testing.T) {
	h := newHouse(t, nil)
	for name, c := range map[string]struct {
		content []byte
		asItIs  bool
	}{
		"small":       {animation(t, 100, 80, 10), true},
		"large":       {animation(t, 1000, 800, 10), false},
		"many frames": {animation(t, 100, 80, maxFrames+1), false},
		"bomb":        {animation(t, 100, 80, 50_000), false},
		"cut":         {animation(t, 100, 80, 10)[:200], false},
		"frame outside the screen": {func() []byte {
			b := animation(t, 100, 80, 2)
			at := bytes.LastIndexByte(b, 0x2c)
			binary.LittleEndian.PutUint16(b[at+5:], 60000)
			return b
		}(), false},
	} {
		t.Run(name, func(t *testing.T) {
			a := get(t, "GET", h.link(t, file(t, c.content), "x.gif"))
			a.shown(t, "gif")
			if bytes.Equal(a.body, c.content) != c.asItIs {
				t.Errorf("passed as it is: %t", !c.asItIs)
			}
			g, err := gif.DecodeAll(bytes.NewReader(a.body))
			if err != nil || len(g.Image) > maxFrames || g.Config.Width > viewWidth || g.Config.Height > viewHeight {
				t.Errorf("%v", err)
			}
		})
	}
}

// hugePNG is a valid PNG of one colour: a few KiB that unpack to gigabytes.
func hugePNG(t testing.TB, width, height, rows int) []byte {
	t.Helper()
	var data bytes.Buffer
	z := zlib.NewWriter(&data)
	row := make([]byte, 1+width*4)
	for range rows {
		if _, err := z.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(width))
	header = append(binary.BigEndian.AppendUint32(header, uint32(height)), 8, 6, 0, 0, 0)
	out := []byte("\x89PNG\r\n\x1a\n")
	for _, chunk := range []struct {
		name string
		data []byte
	}{{"IHDR", header}, {"IDAT", data.Bytes()}, {"IEND", nil}} {
		body := append([]byte(chunk.name), chunk.data...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(chunk.data)))
		out = binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
	}
	return out
}

func TestBombsDoNotGoOff(t *testing.T) {
	h := newHouse(t, nil)
	hugeGIF := animation(t, 10, 10, 1)
	binary.LittleEndian.PutUint16(hugeGIF[6:], 65535)
	binary.LittleEndian.PutUint16(hugeGIF[8:], 65535)
	hugeJPEG := asJPEG(t, photo(64, 64))
	at := bytes.Index(hugeJPEG, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(hugeJPEG[at+5:], 65535)
	binary.BigEndian.PutUint16(hugeJPEG[at+7:], 65535)
	var hugeBMP bytes.Buffer
	if err := bmp.Encode(&hugeBMP, photo(10, 10)); err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint32(hugeBMP.Bytes()[18:], 1<<20)
	binary.LittleEndian.PutUint32(hugeBMP.Bytes()[22:], 1<<20)
	bombs := map[string][]byte{
		"png": hugePNG(t, 100_000, 100_000, 20), "png of 15 bits": hugePNG(t, 30_000, 30_000, 20), "gif": hugeGIF, "jpeg": hugeJPEG,
		"bmp": hugeBMP.Bytes(), "webp": losslessWebP(16384, 16384, red),
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, content := range bombs {
		t.Run(name, func(t *testing.T) {
			link := h.link(t, file(t, content), "x."+name)
			a := get(t, "GET", link)
			a.refused(t, http.StatusUnsupportedMediaType, "more pixels")
			if want := path10(t, link) + "?original"; !strings.Contains(string(a.body), `"`+want+`"`) {
				t.Errorf("the page does not link the original: %s", a.body)
			}
			if b := get(t, "GET", link+"?original"); !bytes.Equal(b.body, content) {
				t.Errorf("original: %d", b.StatusCode)
			}
		})
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
		t.Errorf("%d bytes were allocated", got)
	}
}

func TestMemoryBoundsPictures(t *testing.T) {
	h := newHouse(t, func(o *Options) { o.PictureMemory = 4 << 20 })
	get(t, "GET", h.link(t, file(t, hugePNG(t, 2000, 2000, 20)), "x.png")).refused(t, http.StatusUnsupportedMediaType, "more pixels")
	if a := get(t, "GET", h.link(t, file(t, asPNG(t, photo(660, 100))), "x.png")); a.StatusCode != http.StatusOK {
		t.Errorf("status %d", a.StatusCode)
	}
	if !h.pictures.TryAcquire(4 << 20) {
		t.Error("memory stays taken")
	}
}

func TestDamagedPictures(t *testing.T) {
	h := newHouse(t, nil)
	cut := func(b []byte) []byte { return b[:len(b)*2/3] }
	for name, content := range map[string][]byte{
		"cut png": cut(asPNG(t, photo(660, 100))), "png header": []byte("\x89PNG\r\n\x1a\n"), "jpeg header": []byte("\xff\xd8\xff\xe0"),
		"cut jpeg": cut(asJPEG(t, photo(660, 100))), "bmp": []byte("BM" + strings.Repeat("\x00", 100)), "tiff": []byte("II*\x00\xff\xff\xff\xff"),
		"webp": []byte("RIFF\x10\x00\x00\x00WEBPVP8 \x00\x00\x00\x00"), "gif": []byte("GIF89a"), "empty screen": []byte("GIF89a\x00\x00\x00\x00\x00\x00\x00;"),
		"heic": []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), "avif": []byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00"),
	} {
		t.Run(name, func(t *testing.T) {
			link := h.link(t, file(t, content), "x")
			get(t, "GET", link).refused(t, http.StatusUnsupportedMediaType, "Save the picture as it was sent")
			if a := get(t, "GET", link+"?original"); a.StatusCode != http.StatusOK || !bytes.Equal(a.body, content) {
				t.Errorf("original: %d", a.StatusCode)
			}
		})
	}
}

func TestConversionsEndInTime(t *testing.T) {
	content := asPNG(t, photo(80, 60))
	p := picture{format: formats["image/png"], width: 80, height: 60, size: int64(len(content)), turn: upright}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errPicture)
	if _, err := p.render(ctx, bytes.NewReader(content)); err == nil || !strings.Contains(err.Error(), errPicture.Error()) {
		t.Errorf("render: %v", err)
	}
	if _, err := shrink(ctx, photo(80, 60), image.Rect(0, 0, 80, 60), image.Pt(1, 1)); err == nil {
		t.Error("shrink goes on")
	}
	if err := safely(func() error { panic("odd picture") }); err == nil || !strings.Contains(err.Error(), "odd picture") {
		t.Errorf("safely: %v", err)
	}
}

// progressive is a grey JPEG of many scans that hold nothing: a few bytes each,
// and as much work as the picture is large (T.81 annex G).
func progressive(side uint16, scans int) []byte {
	out := []byte{0xff, 0xd8, 0xff, 0xc2, 0, 11, 8}
	out = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(out, side), side)
	out = append(out, 1, 1, 0x11, 0)
	out = append(out, 0xff, 0xdb, 0, 67, 0)
	out = append(out, bytes.Repeat([]byte{1}, 64)...)
	// One AC code of one bit: the end of 2^14 blocks and of as many as the
	// next 14 bits say.
	out = append(out, 0xff, 0xc4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xe0)
	blocks := (int(side) + 7) / 8 * ((int(side) + 7) / 8)
	bits := make([]byte, (15*(blocks>>14+1)+7)/8)
	for range scans {
		out = append(append(out, 0xff, 0xda, 0, 8, 1, 1, 0x00, 1, 63, 0), bits...)
	}
	return append(out, 0xff, 0xd9)
}

func TestProgressivePictures(t *testing.T) {
	h := newHouse(t, nil)
	get(t, "GET", h.link(t, file(t, progressive(481, 3)), "x.jpg")).shown(t, "gif")
	// Its coefficients take 16384 x 16384 x 5 bytes.
	h.pixels = 1 << 30
	get(t, "GET", h.link(t, file(t, progressive(16384, 1)), "x.jpg")).refused(t, http.StatusUnsupportedMediaType, "more pixels")

	content := progressive(4000, 20_000)
	p := picture{format: formats["image/jpeg"], size: int64(len(content))}
	if ok, err := safeRead(&p, content); !ok {
		t.Fatal(err)
	}
	if want := int64(4000 * 4000 * 5); p.memory < want {
		t.Errorf("memory %d, want %d", p.memory, want)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errTooSlow)
	defer cancel()
	if _, err := p.render(ctx, bytes.NewReader(content)); !errors.Is(err, errTooSlow) {
		t.Errorf("render: %v", err)
	}
}

func TestMemoryIsEstimated(t *testing.T) {
	m := photo(1400, 300)
	var bitmap, tagged, drawing bytes.Buffer
	if err := errors.Join(bmp.Encode(&bitmap, m), tiff.Encode(&tagged, m, nil), gif.Encode(&drawing, m, nil)); err != nil {
		t.Fatal(err)
	}
	for format, content := range map[string][]byte{
		"jpeg": asJPEG(t, m), "png": asPNG(t, m), "bmp": bitmap.Bytes(), "tiff": tagged.Bytes(), "gif": drawing.Bytes(),
		"webp": losslessWebP(1400, 300, red),
	} {
		p := picture{format: formats["image/"+format], size: int64(len(content))}
		if ok, err := safeRead(&p, content); !ok {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := p.render(t.Context(), bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		took, estimate := int64(after.TotalAlloc-before.TotalAlloc), p.memory+p.scalingMemory()
		if took > estimate+256<<10 {
			t.Errorf("%s takes %d bytes, estimated %d", format, took, estimate)
		}
	}
}

func FuzzPictures(f *testing.F) {
	f.Add(asJPEG(f, photo(20, 20)))
	f.Add(turned(asJPEG(f, photo(20, 20)), binary.BigEndian, 6))
	f.Add(asPNG(f, photo(20, 20)))
	f.Add(animation(f, 20, 20, 3))
	f.Add(losslessWebP(20, 20, red))
	f.Add(animatedWebP(20, 20, losslessWebP(20, 20, red), 2))
	f.Add([]byte("BM"))
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		format, ok := formats[sniff(content[:min(len(content), sniffSize)])]
		if !ok {
			return
		}
		p := picture{format: format, size: int64(len(content))}
		header, err := safeRead(&p, content)
		if err != nil || !header || int64(p.width)*int64(p.height) > 1<<20 {
			return
		}
		m, err := p.render(t.Context(), bytes.NewReader(content))
		if err != nil {
			return
		}
		if size := m.Rect.Size(); size.X > viewWidth || size.Y > viewHeight || size.X < 1 || size.Y < 1 {
			t.Errorf("%dx%d becomes %v", p.width, p.height, size)
		}
	})
}

// safeRead surveys content that is in memory.
func safeRead(p *picture, content []byte) (bool, error) {
	err := safely(func() error { return p.read(io.NewSectionReader(bytes.NewReader(content), 0, int64(len(content)))) })
	return err == nil, err
}

func BenchmarkConvert(b *testing.B) {
	for _, size := range []image.Point{{1280, 960}, {4000, 3000}, {7300, 5475}} {
		for format, content := range map[string][]byte{"jpeg": asJPEG(b, photo(size.X, size.Y)), "png": asPNG(b, photo(size.X, size.Y))} {
			b.Run(fmt.Sprintf("%s/%dx%d", format, size.X, size.Y), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p := picture{format: formats["image/"+format], size: int64(len(content))}
					if _, err := safeRead(&p, content); err != nil {
						b.Fatal(err)
					}
					m, err := p.render(b.Context(), bytes.NewReader(content))
					if err != nil {
						b.Fatal(err)
					}
					if err := encode(io.Discard, m); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(p.memory+p.scalingMemory())/(1<<20), "estimated-MiB")
				}
			})
		}
	}
}
