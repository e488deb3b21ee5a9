package body_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"papillon/msnp/body"
)

func TestFormatString(t *testing.T) {
	tests := map[string]struct {
		f    body.Format
		want string
	}{
		"default":   {body.DefaultFormat(), "FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=22"},
		"zero":      {body.Format{}, "FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=0"},
		"effects":   {body.Format{Font: "Arial", Bold: true, Italic: true, Strike: true, Underline: true}, "FN=Arial; EF=BISU; CO=0; CS=0; PF=0"},
		"charset":   {body.Format{Font: "MS Pゴシック", Charset: 0x80, Pitch: 0x32}, "FN=MS%20Pゴシック; EF=; CO=0; CS=80; PF=32"},
		"Hebrew":    {body.Format{Font: "Arial", Charset: 0xb1, Pitch: 0x22, RightToLeft: true}, "FN=Arial; EF=; CO=0; CS=b1; PF=22; RL=1"},
		"percent":   {body.Format{Font: "50% Grey"}, "FN=50%25%20Grey; EF=; CO=0; CS=0; PF=0"},
		"semicolon": {body.Format{Font: "A;RL=1"}, "FN=A%20RL=1; EF=; CO=0; CS=0; PF=0"},
		"line end":  {body.Format{Font: "A\r\nB"}, "FN=A%0D%0AB; EF=; CO=0; CS=0; PF=0"},
		"too long":  {body.Format{Font: strings.Repeat("x", 200)}, "FN=" + strings.Repeat("x", 93) + "; EF=; CO=0; CS=0; PF=0"},
	}
	for name, test := range tests {
		if got := test.f.String(); got != test.want {
			t.Errorf("%s: %q; want %q", name, got, test.want)
		}
	}
}

// TestColors goes through the sixteen colours of the clients' palette.
func TestColors(t *testing.T) {
	for rgb, co := range map[uint32]string{
		0x000000: "0", 0x800000: "80", 0x008000: "8000", 0x808000: "8080", 0x000080: "800000", 0x800080: "800080",
		0x008080: "808000", 0x808080: "808080", 0xC0C0C0: "c0c0c0", 0xFF0000: "ff", 0x00FF00: "ff00", 0xFFFF00: "ffff",
		0x0000FF: "ff0000", 0xFF00FF: "ff00ff", 0x00FFFF: "ffff00", 0xFFFFFF: "ffffff",
	} {
		if got, want := (body.Format{Font: "A", Color: rgb}).String(), "FN=A; EF=; CO="+co+"; CS=0; PF=0"; got != want {
			t.Errorf("%06x is written as %q; want %q", rgb, got, want)
		}
		if got := body.ParseFormat("CO=" + co).Color; got != rgb {
			t.Errorf("CO=%s is read as %06x; want %06x", co, got, rgb)
		}
	}
}

func TestParseFormat(t *testing.T) {
	standard := body.DefaultFormat()
	with := func(change func(*body.Format)) body.Format {
		f := standard
		change(&f)
		return f
	}
	tests := map[string]struct {
		in   string
		want body.Format
	}{
		"empty":               {"", standard},
		"official":            {"FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=22", standard},
		"gaim 2001":           {"FN=MS%20Sans%20Serif; EF=; CO=0; PF=0", with(func(f *body.Format) { f.Pitch = 0 })},
		"no blanks, any case": {"ef=bu;fn=Arial;co=FF", with(func(f *body.Format) { f.Font, f.Bold, f.Underline, f.Color = "Arial", true, true, 0xff0000 })},
		"raw blanks in font":  {"FN= Courier New ;EF=I", with(func(f *body.Format) { f.Font, f.Italic = "Courier New", true })},
		"right to left":       {"FN=Arial; EF=S; CO=0; CS=B1; PF=22; RL=1", body.Format{Font: "Arial", Strike: true, Charset: 0xb1, Pitch: 0x22, RightToLeft: true}},
		"unreadable":          {"FN=%20; EF=?; CO=red; CS=123; PF=; RL=0; ZZ=1; =; FN", standard},
		"alpha byte":          {"CO=80ff", with(func(f *body.Format) { f.Color = 0xff8000 })},
		"eight digits":        {"CO=ff000080", with(func(f *body.Format) { f.Color = 0x800000 })},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, body.ParseFormat(test.in)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func drawFormat(t *rapid.T) body.Format {
	return body.Format{
		Font: rapid.String().Draw(t, "font"),
		Bold: rapid.Bool().Draw(t, "bold"), Italic: rapid.Bool().Draw(t, "italic"),
		Strike: rapid.Bool().Draw(t, "strike"), Underline: rapid.Bool().Draw(t, "underline"),
		Color:   rapid.Uint32Max(0xffffff).Draw(t, "color"),
		Charset: rapid.Byte().Draw(t, "charset"), Pitch: rapid.Byte().Draw(t, "pitch"),
		RightToLeft: rapid.Bool().Draw(t, "right to left"),
	}
}

func TestFormatRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFormat(t)
		f.Font = rapid.StringMatching(`[A-Za-zéゴ%=]([A-Za-z éゴ%=]{0,8}[A-Za-zé%])?`).Draw(t, "plain font")
		if diff := cmp.Diff(f, body.ParseFormat(f.String())); diff != "" {
			t.Fatalf("%s: %s", f, diff)
		}
	})
}

func FuzzFormat(f *testing.F) {
	for _, seed := range []string{"FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=22", "FN=MS%20Shell%20Dlg; EF=BISU; CO=ff00; CS=b1; PF=22; RL=1",
		"FN=%00; CO=-1", "FN=%ffffffe9; PF=222", "fn=a;fn=b", "FN=%3B%20x; EF=", "FN=é\xe9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := body.ParseFormat(in).String()
		if strings.ContainsAny(out, "\r\n\x00") || !strings.HasPrefix(out, "FN=") || len(out) > 140 {
			t.Fatalf("%q is written as %q", in, out)
		}
		if again := body.ParseFormat(out).String(); again != out {
			t.Fatalf("%q is written as %q and then as %q", in, out, again)
		}
	})
}
