package wire_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"papillon/msnp/wire"
)

func TestReadLine(t *testing.T) {
	tests := map[string]struct {
		in   string
		want [][]string
	}{
		"CRLF":               {"VER 0 MSNP2\r\n", [][]string{{"VER", "0", "MSNP2"}}},
		"LF":                 {"VER 0 MSNP2\n", [][]string{{"VER", "0", "MSNP2"}}},
		"mixed line ends":    {"INF 1\nOUT\r\n", [][]string{{"INF", "1"}, {"OUT"}}},
		"blank at the end":   {"INF 2 \r\n", [][]string{{"INF", "2"}}},
		"blank at the start": {"  INF 2\r\n", [][]string{{"INF", "2"}}},
		"runs of blanks":     {"CHG  3\t \tNLN\r\n", [][]string{{"CHG", "3", "NLN"}}},
		"empty lines":        {"\r\n\n \t\r\nOUT\r\n", [][]string{{}, {}, {}, {"OUT"}}},
		"raw bytes":          {"REA 4 a@b \xe9t\xc3\xa9\x85\xa0\r\n", [][]string{{"REA", "4", "a@b", "\xe9t\xc3\xa9\x85\xa0"}}},
		"long line": {"LST " + strings.Repeat("x", 3000) + " y\r\nOUT\r\n",
			[][]string{{"LST", strings.Repeat("x", 3000), "y"}, {"OUT"}}},
		"buffer filled to the byte": {strings.Repeat("x", 511) + "\n" + strings.Repeat("y", 510) + "\r\nOUT\n",
			[][]string{{strings.Repeat("x", 511)}, {strings.Repeat("y", 510)}, {"OUT"}}},
	}
	pieces := map[string]func(io.Reader) io.Reader{
		"whole":         func(r io.Reader) io.Reader { return r },
		"byte by byte":  iotest.OneByteReader,
		"halves":        iotest.HalfReader,
		"EOF with data": iotest.DataErrReader,
	}
	for name, test := range tests {
		for how, cut := range pieces {
			t.Run(name+"/"+how, func(t *testing.T) {
				r := wire.NewReader(cut(strings.NewReader(test.in)), wire.Limits{})
				for _, want := range test.want {
					got, err := r.ReadLine()
					if err != nil || !slices.Equal(got, want) {
						t.Fatalf("ReadLine() = %q, %v; want %q", got, err, want)
					}
				}
				if got, err := r.ReadLine(); err != io.EOF {
					t.Errorf("ReadLine() at the end = %q, %v; want EOF", got, err)
				}
			})
		}
	}
}

func TestReadLineSyntax(t *testing.T) {
	tests := map[string]struct {
		in    string
		words []string
	}{
		"bare CR":         {"CHG 5 NLN\rSYN 6 0\r\n", []string{"CHG", "5"}},
		"CR after blank":  {"CHG 5 \rNLN\r\n", []string{"CHG", "5"}},
		"two CR":          {"OUT\r\r\n", nil},
		"NUL":             {"CHG 5 N\x00LN\r\n", []string{"CHG", "5"}},
		"DEL":             {"REA 5 a\x7f\n", []string{"REA", "5"}},
		"vertical tab":    {"REA\v5 a\n", nil},
		"TrID cut by NUL": {"CHG 5\x007 NLN\n", []string{"CHG"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := wire.NewReader(strings.NewReader(test.in+"OUT\r\n"), wire.Limits{})
			_, err := r.ReadLine()
			var syntax *wire.SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("ReadLine() error = %v; want a SyntaxError", err)
			}
			if syntax.Error() == "" {
				t.Error("the error has no text")
			}
			next, err := r.ReadLine()
			if err != nil || !slices.Equal(next, []string{"OUT"}) {
				t.Errorf("next ReadLine() = %q, %v; want OUT", next, err)
			}
			// Checked last: the next call must not have changed them.
			if !slices.Equal(syntax.Words, test.words) {
				t.Errorf("Words = %q; want %q", syntax.Words, test.words)
			}
		})
	}
}

func TestLineLimit(t *testing.T) {
	for _, limit := range []int{1, 20, 511, 512, 513, 600, 8192} {
		for _, end := range []string{"\n", "\r\n"} {
			for _, cut := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader} {
				full := strings.Repeat("x", limit)
				r := wire.NewReader(cut(strings.NewReader(full+end+full+"x"+end+"OUT"+end)), wire.Limits{Line: limit})
				if words, err := r.ReadLine(); err != nil || len(words) != 1 || words[0] != full {
					t.Fatalf("limit %d, end %q: a full line was refused: %v", limit, end, err)
				}
				for range 2 { // the error stays
					if words, err := r.ReadLine(); err != wire.ErrLineTooLong {
						t.Fatalf("limit %d, end %q: one byte over gives %q, %v", limit, end, words, err)
					}
				}
				if _, err := r.ReadPayload(1); err != wire.ErrLineTooLong {
					t.Fatalf("ReadPayload after a broken line = %v", err)
				}
			}
		}
	}
}

// endless is a client that sends one letter for ever.
type endless struct{ sent int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.sent += len(p)
	return len(p), nil
}

func TestLineLimitStopsReading(t *testing.T) {
	client := new(endless)
	if _, err := wire.NewReader(client, wire.Limits{Line: 8192}).ReadLine(); err != wire.ErrLineTooLong {
		t.Fatalf("ReadLine() = %v; want ErrLineTooLong", err)
	}
	if client.sent > 8192+3 {
		t.Errorf("read %d bytes to find a line over 8192", client.sent)
	}
}

func TestReadPayload(t *testing.T) {
	long := strings.Repeat("0123456789", 3000)
	in := "MSG 1 N 5\r\na\r\nb\nMSG 2 N 0\r\nMSG 3 N 30000\n" + long + "OUT\r\n"
	for _, cut := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
		r := wire.NewReader(cut(strings.NewReader(in)), wire.Limits{Line: 100, Payload: 30000})
		for _, want := range []string{"a\r\nb\n", "", long} {
			words, err := r.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			n, ok := wire.ParseLength(words[3])
			if !ok {
				t.Fatalf("ParseLength(%q) failed", words[3])
			}
			got, err := r.ReadPayload(n)
			if err != nil || string(got) != want {
				t.Fatalf("ReadPayload(%d) = %.20q, %v; want %.20q", n, got, err, want)
			}
		}
		if words, err := r.ReadLine(); err != nil || !slices.Equal(words, []string{"OUT"}) {
			t.Errorf("after the payloads: %q, %v", words, err)
		}
	}
}

func TestReadPayloadRefused(t *testing.T) {
	r := wire.NewReader(strings.NewReader("abc"), wire.Limits{Payload: 2})
	for range 2 {
		if _, err := r.ReadPayload(3); err != wire.ErrPayloadTooLong {
			t.Errorf("ReadPayload over the limit = %v", err)
		}
	}
	if _, err := wire.NewReader(strings.NewReader("abc"), wire.Limits{}).ReadPayload(-1); err == nil {
		t.Error("a negative length was accepted")
	}
	if _, err := wire.NewReader(strings.NewReader("abc"), wire.Limits{}).ReadPayload(4); err != io.ErrUnexpectedEOF {
		t.Errorf("ReadPayload of a cut payload = %v; want ErrUnexpectedEOF", err)
	}
}

// TestPayloadAnnouncedOnly checks that a length alone costs no memory.
func TestPayloadAnnouncedOnly(t *testing.T) {
	const announced = 1 << 40
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := wire.NewReader(strings.NewReader("abc"), wire.Limits{}).ReadPayload(announced)
	runtime.ReadMemStats(&after)
	if err != io.ErrUnexpectedEOF {
		t.Fatalf("ReadPayload = %v", err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes were allocated for a payload that never came", grown)
	}
}

func TestPayloadIsFresh(t *testing.T) {
	r := wire.NewReader(strings.NewReader("MSG 1 N 3\r\nabcMSG 2 N 3\r\ndef"), wire.Limits{})
	var payloads [][]byte
	var words []string
	for range 2 {
		line, err := r.ReadLine()
		if err != nil {
			t.Fatal(err)
		}
		words = append(words, line...)
		payload, err := r.ReadPayload(3)
		if err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, payload)
	}
	if got := bytes.Join(payloads, nil); string(got) != "abcdef" {
		t.Errorf("payloads share memory: %q", got)
	}
	if want := strings.Fields("MSG 1 N 3 MSG 2 N 3"); !slices.Equal(words, want) {
		t.Errorf("words were overwritten: %q", words)
	}
}

func TestReadErrorsLoseNothing(t *testing.T) {
	src := io.MultiReader(strings.NewReader("CHG 1"), failOnce(os.ErrDeadlineExceeded), strings.NewReader(" NLN\r\nO"))
	r := wire.NewReader(src, wire.Limits{})
	if _, err := r.ReadLine(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("ReadLine() = %v; want the deadline", err)
	}
	if got := r.Buffered(); got != len("CHG 1") {
		t.Errorf("Buffered() = %d", got)
	}
	if words, err := r.ReadLine(); err != nil || !slices.Equal(words, []string{"CHG", "1", "NLN"}) {
		t.Errorf("after the deadline: %q, %v", words, err)
	}
	if _, err := r.ReadLine(); err != io.ErrUnexpectedEOF {
		t.Errorf("a cut line gives %v; want ErrUnexpectedEOF", err)
	}
	stuck := wire.NewReader(stuckReader{}, wire.Limits{})
	if _, err := stuck.ReadLine(); err != io.ErrNoProgress {
		t.Errorf("a reader that returns nothing gives %v", err)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

type failingOnce struct{ err error }

func failOnce(err error) io.Reader { return &failingOnce{err} }

func (f *failingOnce) Read([]byte) (int, error) {
	err := f.err
	f.err = io.EOF
	return 0, err
}

// script hands out one piece for each Read and calls a function at the end.
type script struct {
	pieces []string
	end    func()
}

func (s *script) Read(p []byte) (int, error) {
	if len(s.pieces) == 0 {
		s.end()
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

// TestIdleReaderIsSmall measures what readers hold while they wait, after a line
// that filled their limit with words.
func TestIdleReaderIsSmall(t *testing.T) {
	const readers = 1000
	long := strings.Repeat("a ", 4000) + "\r\n"
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	all := make([]*wire.Reader, readers)
	for i := range all {
		all[i] = wire.NewReader(&script{pieces: []string{long}, end: func() {}}, wire.Limits{Line: 8192})
		if _, err := all[i].ReadLine(); err != nil {
			t.Fatal(err)
		}
		if _, err := all[i].ReadLine(); err != io.EOF { // now it waits, as it were
			t.Fatal(err)
		}
	}
	each := (heap() - before) / readers
	t.Logf("an idle reader holds %d bytes", each)
	if each > 1024 {
		t.Errorf("an idle reader holds %d bytes; want at most 1024", each)
	}
	runtime.KeepAlive(all)
}

func TestReadLineAllocations(t *testing.T) {
	line := "NLN NLN bob@example.org Bob%20Builder\r\n"
	r := wire.NewReader(&repeat{line: line}, wire.Limits{Line: 8192})
	allocs := testing.AllocsPerRun(1000, func() {
		if _, err := r.ReadLine(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 1 {
		t.Errorf("ReadLine allocates %v times a line; want 1", allocs)
	}
}

// repeat sends one line again and again.
type repeat struct {
	line string
	at   int
}

func (r *repeat) Read(p []byte) (n int, err error) {
	for n < len(p) {
		k := copy(p[n:], r.line[r.at:])
		n += k
		r.at = (r.at + k) % len(r.line)
	}
	return n, nil
}

// TestStream sends any mix of lines and payloads in pieces of any size and
// wants it back unchanged.
func TestStream(t *testing.T) {
	type step struct {
		Words   []string
		Payload []byte
	}
	rapid.Check(t, func(t *rapid.T) {
		var sent, got []step
		var stream []byte
		word := rapid.StringMatching(`[!-~]{1,40}|[!-~]{300,700}`)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			s := step{Words: rapid.SliceOfN(word, 1, 6).Draw(t, "words")}
			if rapid.Bool().Draw(t, "with payload") {
				s.Payload = rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "payload")
				stream = wire.AppendPayload(stream, s.Payload, s.Words...)
			} else {
				stream = wire.AppendLine(stream, s.Words...)
			}
			sent = append(sent, s)
		}
		var pieces []string
		for rest := string(stream); rest != ""; {
			n := rapid.IntRange(1, 1000).Draw(t, "piece")
			n = min(n, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		r := wire.NewReader(&script{pieces: pieces, end: func() {}}, wire.Limits{})
		for _, s := range sent {
			words, err := r.ReadLine()
			if err != nil {
				t.Fatal(err)
			}
			back := step{Words: slices.Clone(words)}
			if s.Payload != nil {
				last := len(words) - 1
				back.Words = back.Words[:last]
				n, ok := wire.ParseLength(words[last])
				if !ok {
					t.Fatalf("bad length %q", words[last])
				}
				if back.Payload, err = r.ReadPayload(n); err != nil {
					t.Fatal(err)
				}
			}
			got = append(got, back)
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Fatal(diff)
		}
		if r.Buffered() != 0 {
			t.Fatalf("%d bytes are left over", r.Buffered())
		}
	})
}

// TestAwait: waiting takes nothing away, and an error comes again.
func TestAwait(t *testing.T) {
	r := wire.NewReader(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("OUT\r\nPNG\r\n"))), wire.Limits{Line: 100})
	if err := r.Await(); err != nil || r.Buffered() != 1 {
		t.Fatalf("%d bytes have come (%v), want 1", r.Buffered(), err)
	}
	if err := r.Await(); err != nil || r.Buffered() != 1 { // there is something already
		t.Fatalf("%d bytes have come (%v), want 1", r.Buffered(), err)
	}
	if _, err := r.ReadLine(); !errors.Is(err, iotest.ErrTimeout) { // the second read
		t.Fatalf("the error is %v, want a timeout", err)
	}
	for _, want := range []string{"OUT", "PNG"} {
		if err := r.Await(); err != nil {
			t.Fatal(err)
		}
		if words, err := r.ReadLine(); err != nil || !slices.Equal(words, []string{want}) {
			t.Fatalf("the line is %q (%v), want %s", words, err, want)
		}
	}
	if err := r.Await(); !errors.Is(err, io.EOF) {
		t.Errorf("the error is %v, want EOF", err)
	}
	if _, err := r.ReadLine(); !errors.Is(err, io.EOF) {
		t.Errorf("the next error is %v, want EOF", err)
	}
}
