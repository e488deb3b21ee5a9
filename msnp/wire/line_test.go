package wire_test

import (
	"slices"
	"strings"
	"testing"

	"papillon/msnp/wire"
)

func TestAppendLine(t *testing.T) {
	tests := []struct {
		words []string
		want  string
	}{
		{nil, "\r\n"},
		{[]string{"OUT"}, "OUT\r\n"},
		{[]string{"CHG", "7", "NLN"}, "CHG 7 NLN\r\n"},
		{[]string{"REA", "8", "Two%20Words"}, "REA 8 Two%20Words\r\n"},
		{[]string{"REA", "", "x"}, "REA %20 x\r\n"},
		{[]string{"a b\tc\r\nOUT\x00\x7f"}, "a%20b%09c%0D%0AOUT%00%7F\r\n"},
		{[]string{"Zoë \xe9"}, "Zoë%20\xe9\r\n"},
	}
	for _, test := range tests {
		if got := string(wire.AppendLine([]byte("before "), test.words...)); got != "before "+test.want {
			t.Errorf("AppendLine(%q) = %q; want %q", test.words, got, test.want)
		}
	}
}

func TestAppendPayload(t *testing.T) {
	got := string(wire.AppendPayload(nil, []byte("a\r\né"), "MSG", "bob@x", "Bob B"))
	if want := "MSG bob@x Bob%20B 5\r\na\r\né"; got != want {
		t.Errorf("AppendPayload = %q; want %q", got, want)
	}
	if got, want := string(wire.AppendPayload(nil, nil)), "0\r\n"; got != want {
		t.Errorf("AppendPayload without words = %q; want %q", got, want)
	}
}

func TestAppendAllocations(t *testing.T) {
	dst, payload := make([]byte, 0, 1000), []byte("hello")
	name := strings.Repeat("a b", 3)
	allocs := testing.AllocsPerRun(100, func() {
		wire.AppendLine(dst, "NLN", "NLN", "bob@example.org", name)
		wire.AppendPayload(dst, payload, "MSG", "bob@example.org", name)
	})
	if allocs != 0 {
		t.Errorf("appending to a slice with room allocates %v times", allocs)
	}
}

func TestParseTrID(t *testing.T) {
	good := []string{"0", "1", "007", "4294967295", "0000000001"}
	for _, s := range good {
		if got, ok := wire.ParseTrID(s); !ok || got != s {
			t.Errorf("ParseTrID(%q) = %q, %v", s, got, ok)
		}
	}
	bad := []string{"", "-1", "+1", "1.0", "0x1", "4294967296", "9999999999", "00000000001", "1 ", "١"}
	for _, s := range bad {
		if got, ok := wire.ParseTrID(s); ok || got != "" {
			t.Errorf("ParseTrID(%q) = %q, %v", s, got, ok)
		}
	}
}

func TestParseLength(t *testing.T) {
	good := map[string]int{"0": 0, "1664": 1664, "00012": 12, "9223372036854775807": 9223372036854775807}
	for s, want := range good {
		if got, ok := wire.ParseLength(s); !ok || got != want {
			t.Errorf("ParseLength(%q) = %d, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "-1", "+1", "1e3", "9223372036854775808", "99999999999999999999", "12a"} {
		if got, ok := wire.ParseLength(s); ok {
			t.Errorf("ParseLength(%q) = %d, true", s, got)
		}
	}
}

// FuzzReader feeds a reader anything: it must end, and give nothing that the
// rules forbid.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"VER 0 MSNP2\r\nINF 1 \r\nUSR 2 MD5 I alice@example.org\r\n",
		"VER 1 MSNP7 MSNP6 MSNP5 MSNP4 CVR0\n",
		"REA 9 alice@example.org Two Words\n",
		"MSG 4 U 32 \n", "\r\n\r\nOUT 7\r\n", "QRY 3 msmsgs@msnmsgr.com 32\r\n0123456789abcdef",
		"CHG 5 NLN\rSYN 6 0\r\n", "REM 5 alice@example.org\x00\r\n", strings.Repeat("x", 200) + "\n",
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, piece uint8) {
		const limit = 100
		var pieces []string
		for rest := string(in); rest != ""; {
			n := min(int(piece)+1, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		r := wire.NewReader(&script{pieces: pieces, end: func() {}}, wire.Limits{Line: limit, Payload: limit})
		lines := 0
		for {
			words, err := r.ReadLine()
			if err != nil {
				if _, ok := err.(*wire.SyntaxError); !ok {
					break
				}
			}
			lines++
			length := 0
			for _, word := range words {
				length += len(word) + 1
				if word == "" || strings.ContainsAny(word, "\x00\t\n\r \x7f") {
					t.Fatalf("word %q", word)
				}
			}
			if length > limit+1 {
				t.Fatalf("a line of %d bytes passed the limit of %d", length, limit)
			}
		}
		if most := strings.Count(string(in), "\n"); lines > most {
			t.Fatalf("%d lines came out of %d", lines, most)
		}
	})
}

// FuzzAppendLine builds a line from arbitrary words: it reads back as one line
// with as many words, and clean words come back as they were.
func FuzzAppendLine(f *testing.F) {
	f.Add("REA", "alice@example.org", "Two Words", []byte("body"))
	f.Add("ADD", "%ffffffc3", "\r\nOUT\r\n", []byte("\r\n\r\n"))
	f.Add("", "\x00", "\xc3\xa9 \x85\xa0", []byte{})
	f.Fuzz(func(t *testing.T, a, b, c string, payload []byte) {
		words := []string{a, b, c}
		stream := wire.AppendLine(nil, words...)
		stream = wire.AppendPayload(stream, payload, words...)
		stream = wire.AppendLine(stream, "OUT")
		r := wire.NewReader(strings.NewReader(string(stream)), wire.Limits{})
		first, err := r.ReadLine()
		if err != nil || len(first) != len(words) {
			t.Fatalf("%q reads back as %q, %v", words, first, err)
		}
		for i, word := range words {
			if dirty := word == "" || strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r == 0x7f }); !dirty && first[i] != word {
				t.Fatalf("clean word %q reads back as %q", word, first[i])
			}
		}
		want := slices.Clone(first)
		second, err := r.ReadLine()
		if err != nil || !slices.Equal(second[:len(second)-1], want) {
			t.Fatalf("%q with a payload reads back as %q, %v", words, second, err)
		}
		n, ok := wire.ParseLength(second[len(second)-1])
		if !ok || n != len(payload) {
			t.Fatalf("length %q for %d bytes", second[len(second)-1], len(payload))
		}
		if got, err := r.ReadPayload(n); err != nil || string(got) != string(payload) {
			t.Fatalf("payload %q reads back as %q, %v", payload, got, err)
		}
		if last, err := r.ReadLine(); err != nil || !slices.Equal(last, []string{"OUT"}) || r.Buffered() != 0 {
			t.Fatalf("after it: %q, %v", last, err)
		}
	})
}

func BenchmarkReadLine(b *testing.B) {
	for name, line := range map[string]string{
		"short": "CHG 7 NLN\r\n",
		"usual": "NLN NLN bob@example.org Bob%20Builder\r\n",
		"long":  "LST 5 FL 12 1 2 bob@example.org " + strings.Repeat("%C3%A9", 200) + "\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			r := wire.NewReader(&repeat{line: line}, wire.Limits{Line: 8192})
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadLine(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendLine(b *testing.B) {
	dst := make([]byte, 0, 200)
	b.ReportAllocs()
	for b.Loop() {
		wire.AppendLine(dst, "NLN", "NLN", "bob@example.org", "Bob%20Builder")
	}
}
