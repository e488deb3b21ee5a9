package body

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"papillon/msnp/wire"
)

// maxFont is the longest encoded font name that is written, in bytes: 31
// characters is what Windows takes, and long names crashed old clients.
const maxFont = 93

// defaultFont stands for a font that is not named: it is on every Windows.
const defaultFont = "MS Sans Serif"

// Format is the look of a text message, the X-MMS-IM-Format field. There is no
// size: each client uses its own. MSN Messenger 1.0 ignores the field.
type Format struct {
	// Font is the name of a typeface; "" is MS Sans Serif.
	Font                            string
	Bold, Italic, Strike, Underline bool
	// Color is 0xRRGGBB. (On the wire it is BBGGRR.)
	Color uint32
	// Charset is a character set number of Windows, 0 for Western. It is a
	// hint for choosing a font: the text is UTF-8 whatever it says.
	Charset byte
	// Pitch is the font's family in the upper four bits and its pitch in the
	// lower four, as Windows defines them: 0x22 is Swiss and variable.
	Pitch byte
	// RightToLeft is set for Hebrew and Arabic.
	RightToLeft bool
}

// DefaultFormat is plain black text.
func DefaultFormat() Format { return Format{Font: defaultFont, Pitch: 0x22} }

// String returns the value of the X-MMS-IM-Format field:
//
//	FN=MS%20Sans%20Serif; EF=BI; CO=ff; CS=0; PF=22
//
// The font comes first because the switchboards of 2003 insisted. Only blanks
// and percent signs are encoded in it; a font name that is too long is cut. The
// colour and the numbers are hexadecimal without leading zeros.
func (f Format) String() string {
	font := f.Font
	if font = strings.TrimSpace(strings.ReplaceAll(font, ";", " ")); font == "" {
		font = defaultFont
	}
	rightToLeft := ""
	if f.RightToLeft {
		rightToLeft = "; RL=1"
	}
	return fmt.Sprintf("FN=%s; EF=%s; CO=%x; CS=%x; PF=%x%s",
		wire.EncodeName(font, wire.UTF8, maxFont), f.effects(), swapRGB(f.Color), f.Charset, f.Pitch, rightToLeft)
}

func (f Format) effects() string {
	var b strings.Builder
	for _, effect := range []struct {
		on     bool
		letter byte
	}{{f.Bold, 'B'}, {f.Italic, 'I'}, {f.Strike, 'S'}, {f.Underline, 'U'}} {
		if effect.on {
			b.WriteByte(effect.letter)
		}
	}
	return b.String()
}

// swapRGB turns 0xRRGGBB into 0xBBGGRR and back; the upper byte is dropped.
func swapRGB(color uint32) uint32 { return bits.ReverseBytes32(color) >> 8 }

// ParseFormat reads the value of an X-MMS-IM-Format field. Fields may come in
// any order and case; what is missing or cannot be read is as in
// [DefaultFormat].
func ParseFormat(s string) Format {
	f := DefaultFormat()
	for field := range strings.SplitSeq(s, ";") {
		key, value, _ := strings.Cut(field, "=")
		f.set(strings.ToUpper(strings.TrimSpace(key)), strings.TrimSpace(value))
	}
	return f
}

func (f *Format) set(key, value string) {
	switch key {
	case "FN":
		if font := strings.TrimSpace(wire.DecodeName(value)); font != "" {
			f.Font = font
		}
	case "EF":
		value = strings.ToUpper(value)
		f.Bold = strings.Contains(value, "B")
		f.Italic = strings.Contains(value, "I")
		f.Strike = strings.Contains(value, "S")
		f.Underline = strings.Contains(value, "U")
	case "CO":
		if color, err := strconv.ParseUint(value, 16, 32); err == nil {
			f.Color = swapRGB(uint32(color))
		}
	case "CS":
		if charset, err := strconv.ParseUint(value, 16, 8); err == nil {
			f.Charset = byte(charset)
		}
	case "PF":
		if pitch, err := strconv.ParseUint(value, 16, 8); err == nil {
			f.Pitch = byte(pitch)
		}
	case "RL":
		f.RightToLeft = value == "1"
	}
}
