package msnptest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/msnp/msnptest"
)

// exchange is one turn of a scripted peer: it reads exactly these bytes, then
// writes those.
type exchange struct{ read, write string }

// scriptedPeer plays the other side byte for byte and then closes.
func scriptedPeer(conn net.Conn, turns []exchange) error {
	defer conn.Close()
	for _, turn := range turns {
		got := make([]byte, len(turn.read))
		if _, err := io.ReadFull(conn, got); err != nil {
			return err
		}
		if string(got) != turn.read {
			return errors.New("peer got " + string(got) + ", wanted " + turn.read)
		}
		if turn.write == "" { // a pipe waits for a reader even then
			continue
		}
		if _, err := io.WriteString(conn, turn.write); err != nil {
			return err
		}
	}
	return nil
}

// run plays a transcript against scripted peers, one for each connection, in the
// order in which they are dialled.
func run(t *testing.T, script string, vars map[string]string, peers ...[]exchange) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	ended := make(chan error, len(peers))
	next := 0
	dial := func() (net.Conn, error) {
		if next == len(peers) {
			return nil, errors.New("nobody there")
		}
		ours, theirs := net.Pipe()
		turns := peers[next]
		next++
		go func() { ended <- scriptedPeer(theirs, turns) }()
		return ours, nil
	}
	err := msnptest.Run(ctx, dial, strings.NewReader(script), vars)
	for range next {
		if peerErr := <-ended; peerErr != nil && err == nil {
			t.Errorf("peer: %v", peerErr)
		}
	}
	return err
}

func TestRun(t *testing.T) {
	tests := map[string]struct {
		script string
		vars   map[string]string
		peers  [][]exchange
	}{
		"lines": {"# comment\n\nC: VER 1 MSNP2\nS: VER 1 MSNP2\nS: <closed>\n", nil,
			[][]exchange{{{"VER 1 MSNP2\r\n", "VER 1 MSNP2\r\n"}}}},
		"line ends": {"C/lf: OUT \nC/raw: INF\nC/raw:  \\x31\\r\nC:\nC: a\\tb\\\\\\{\\}\\0\nS: é\\xe9", nil,
			[][]exchange{{{"OUT \nINF 1\r\r\na\tb\\{}\x00\r\n", "é\xe9\r\n"}}}},
		"variables": {"S: USR 2 MD5 S {challenge=*}\nC: USR 3 MD5 S {md5:challenge}\nC: {challenge}{who}\nC: {md5:challenge:password2}\nS: {*}:{port=*} {who}\nC: {port}",
			map[string]string{"password": "secret", "password2": "x", "who": "alice.*"},
			[][]exchange{{
				{"", "USR 2 MD5 S 10.5\r\n"},
				{"", ""}, // the digests are put in below
				{"10.5alice.*\r\n", ""}, {"", ""}, {"", "127.0.0.1:1863 alice.*\r\n"}, {"1863\r\n", ""},
			}}},
		"bodies": {"C: MSG 5 N {len}\n    A: {who}\n\n      é\\r\\n\n\nS: MSG bob {*} {len}\n  A: 1\n\n  {word=*} two\n\n# comment\nS: MSG Hotmail Hotmail {len}\n  <any>\nS: MSG x y {len}\n <any>\nC: {word}",
			map[string]string{"who": "Zoë"},
			[][]exchange{{
				{"MSG 5 N 17\r\nA: Zoë\r\n\r\n  é\r\n", "MSG bob Bob 15\r\nA: 1\r\n\r\none twoMSG Hotmail Hotmail 2\r\n\r\nMSG x y 0\r\n"},
				{"one\r\n", ""},
			}}},
		"body after an unknown command": {"S: UBX bob {len}\n  <Data/>\nS: OUT", nil,
			[][]exchange{{{"", "UBX bob 7\r\n<Data/>OUT\r\n"}}}},
		"any order": {"C: x\nS/any: a\nS/any: b\nS/any: MSG b b {len}\n  hi\nS/any: {*} c\nS: d", nil,
			[][]exchange{{{"x\r\n", "b\r\nMSG b b 2\r\nhic c\r\na\r\nd\r\n"}}}},
		"two connections": {"C1: one\nC2: two\nS2: 2\nS1: 1\nC2: <close>\nS: <closed>", nil,
			[][]exchange{{{"one\r\n", "1\r\n"}}, {{"two\r\n", "2\r\n"}}}},
		"quiet": {"S: <quiet>\nS: <quiet>", nil,
			[][]exchange{{{"ZZZ 4000000000\r\n", "200 4000000000\r\n"}, {"ZZZ 4000000001\r\n", "500 4000000001 what\r\n"}}}},
	}
	digests := []string{msnptest.Digest("10.5", "secret"), msnptest.Digest("10.5", "x")}
	turns := tests["variables"].peers[0]
	turns[1].read, turns[4].read = "USR 3 MD5 S "+digests[0]+"\r\n", digests[1]+"\r\n"
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := run(t, test.script, test.vars, test.peers...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDigest has the value of an independent implementation:
// printf 1013928519.693957190secret | md5sum.
func TestDigest(t *testing.T) {
	if got, want := msnptest.Digest("1013928519.693957190", "secret"), "0dc38e0c96e5ef37eb9451a0b2d5aaf9"; got != want {
		t.Errorf("Digest = %s; want %s", got, want)
	}
}

func TestRunMismatch(t *testing.T) {
	tests := map[string]struct {
		script, answer string
		line           int
		want, got      string
	}{
		"other line":      {"\nS: VER 1 MSNP2", "VER 1 0\r\n", 2, "S: VER 1 MSNP2", "S: VER 1 0"},
		"longer line":     {"S: VER 1", "VER 1 0\r\n", 1, "S: VER 1", "S: VER 1 0"},
		"LF only":         {"S: VER 1", "VER 1\n", 1, "S: VER 1", "S: VER 1 (does not end in CRLF)"},
		"two blanks":      {"S: VER 1", "VER  1\r\n", 1, "S: VER 1", "S: VER  1"},
		"control bytes":   {"S: VER 1", "VER \x001\xe9\"\r\n", 1, "S: VER 1", `S: VER \x001\xe9"`},
		"two words":       {"S: VER {*}", "VER 1 2\r\n", 1, "S: VER {*}", "S: VER 1 2"},
		"no word":         {"S: VER {a=*}", "VER \r\n", 1, "S: VER {a=*}", "S: VER "},
		"dots are dots":   {"S: a.c", "abc\r\n", 1, "S: a.c", "S: abc"},
		"closed":          {"S: a", "", 1, "S: a", "<closed>"},
		"cut line":        {"S: a", "a", 1, "S: a", "S: a (does not end in CRLF) <closed>"},
		"cut body":        {"S: MSG a a {len}\n  hello", "MSG a a 5\r\nhel", 1, "S: MSG a a {len}\n    hello", "S: MSG a a 5\n    hel <closed>"},
		"not closed":      {"S: <closed>", "a\r\n", 1, "S: <closed>", "S: a"},
		"other body":      {"S: MSG a a {len}\n  hello\n  you", "MSG a a 10\r\nhello\r\nyo\n", 1, "S: MSG a a {len}\n    hello\n    you", "S: MSG a a 10\n    hello\n    yo\\n"},
		"body unexpected": {"S: MSG a a {*}", "MSG a a 2\r\nhi", 1, "S: MSG a a {*}", "S: MSG a a 2\n    hi"},
		"body missing":    {"S: OUT {len}\n  hi", "OUT x\r\n", 1, "S: OUT {len}\n    hi", "S: OUT x"},
		"no length":       {"S: MSG a a {len}\n  <any>", "MSG a a x\r\n", 1, "S: MSG a a {len}\n    <any>", "S: MSG a a x"},
		"rest of any":     {"S/any: a\nS/any: b\nS/any: c", "b\r\nd\r\n", 1, "S/any: a\n      or S/any: c", "S: d"},
		"any twice":       {"S/any: a\nS/any: b", "b\r\nb\r\n", 1, "S/any: a", "S: b"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := run(t, test.script, nil, []exchange{{"", test.answer}})
			var mismatch *msnptest.MismatchError
			if !errors.As(err, &mismatch) {
				t.Fatalf("Run = %v; want a MismatchError", err)
			}
			if mismatch.Line != test.line || mismatch.Want != test.want || mismatch.Got != test.got {
				t.Errorf("line %d\nwant %q\ngot  %q", mismatch.Line, mismatch.Want, mismatch.Got)
			}
		})
	}
}

func TestRunQuietNot(t *testing.T) {
	for answer, got := range map[string]string{
		"NLN NLN bob Bob\r\n200 4000000000\r\n": "S: NLN NLN bob Bob",
		"ZZZ 4000000000\r\n":                    "S: ZZZ 4000000000",
		"200 1\r\n":                             "S: 200 1",
		"":                                      "<closed>",
	} {
		err := run(t, "S: <quiet>", nil, []exchange{{"ZZZ 4000000000\r\n", answer}})
		var mismatch *msnptest.MismatchError
		if !errors.As(err, &mismatch) || mismatch.Got != got {
			t.Errorf("after %q: %v", answer, err)
		}
	}
}

func TestRunMistakes(t *testing.T) {
	tests := map[string]struct{ script, want string }{
		"no side":           {"C: a\nVER 1", "transcript:2: line begins with none of C:"},
		"no blank":          {"C:a", "transcript:1: "},
		"body first":        {"  a", "transcript:1: body without a line"},
		"body of a comment": {"C: a\n# b\n  c", "transcript:3: body without a line"},
		"indentation":       {"C: a\n   b\n c", "transcript:3: body line is indented less"},
		"brace":             {"C: {", "write \\{ for a brace"},
		"expression":        {"C: {5D3E-02AB}", "write \\{ for a brace"},
		"escape":            {`C: \q`, "unknown escape"},
		"short escape":      {`C: \x4`, "unknown escape"},
		"escape at the end": {`C: \`, "unknown escape"},
		"send a wildcard":   {"C: {*}", "can only be expected"},
		"bind in C":         {"C: a\n  {a=*}", "can only be expected"},
		"digest in S":       {"S: {md5:a}", "can only be sent"},
		"len without body":  {"C: {len}", "no body"},
		"raw with body":     {"C/raw: a\n  b", "cannot have a body"},
		"closed with body":  {"S: <closed>\n  b", "cannot have a body"},
		"lf in S":           {"S/lf: a", "cannot be used"},
		"any in C":          {"C/any: a", "cannot be used"},
		"large connection":  {"C99999999999999999999: a", "number of the connection"},
		"no duration":       {"T: soon", "transcript:1: "},
		"time with body":    {"T: 1s\n  b", "cannot have a body"},
		"no variable":       {"C: {who}", `transcript:1: C: {who}: variable "who" has no value`},
		"no variable in S":  {"S: {who}", `variable "who" has no value`},
		"no challenge":      {"C: {md5:a}", `variable "a" has no value`},
		"no password":       {"C: {md5:v}", `variable "password" has no value`},
		"no variable, body": {"C: a\n  {who}", `variable "who" has no value`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := run(t, test.script, map[string]string{"v": "1"}, []exchange{{"", "x\r\n"}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Run = %v; want %q in it", err, test.want)
			}
		})
	}
}

func TestRunNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.txt")
	if err := os.WriteFile(path, []byte("\nS: a\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	play := func(script io.Reader) error {
		ours, theirs := net.Pipe()
		theirs.Close()
		return msnptest.Run(t.Context(), func() (net.Conn, error) { return ours, nil }, script, nil)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	want := "chat.txt:2: the server answers differently\nexpected S: a\ngot      <closed>"
	if err := play(file); err == nil || err.Error() != want {
		t.Errorf("os.File: %v", err)
	}
	inFS, err := os.DirFS(filepath.Dir(path)).Open("chat.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer inFS.Close()
	if err := play(struct{ onlyFS }{onlyFS{inFS}}); err == nil || err.Error() != want {
		t.Errorf("fs.File: %v", err)
	}
}

// onlyFS hides that the file also has a name of its own.
type onlyFS struct {
	file interface {
		Stat() (os.FileInfo, error)
		Read([]byte) (int, error)
		Close() error
	}
}

func (o onlyFS) Stat() (os.FileInfo, error) { return o.file.Stat() }
func (o onlyFS) Read(p []byte) (int, error) { return o.file.Read(p) }
func (o onlyFS) Close() error               { return o.file.Close() }

func TestRunEndsWithItsContext(t *testing.T) {
	for _, script := range []string{"S: a", "S: <closed>", "S: MSG a a {len}\n  <any>"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ours, theirs := net.Pipe()
			defer theirs.Close()
			if strings.Contains(script, "MSG") {
				go io.WriteString(theirs, "MSG a a 5\r\nhel")
			}
			err := msnptest.Run(ctx, func() (net.Conn, error) { return ours, nil }, strings.NewReader(script), nil)
			if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "transcript:1: S: ") {
				t.Errorf("%q: %v", script, err)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // a server that does not read
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ours, theirs := net.Pipe()
		defer theirs.Close()
		err := msnptest.Run(ctx, func() (net.Conn, error) { return ours, nil }, strings.NewReader("C: a"), nil)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
	})
}

func TestRunDialFails(t *testing.T) {
	if err := run(t, "C: a", nil); err == nil || !strings.Contains(err.Error(), "dial connection 1: nobody there") {
		t.Errorf("Run = %v", err)
	}
}

// TestRunAgainstItself plays the two sides of one transcript against each other.
func TestRunAgainstItself(t *testing.T) {
	script := `
C: VER 1 MSNP2
S: VER 1 MSNP2
C: MSG 2 A {len}
    Content-Type: text/plain

    Hello
S: ACK 2
S: MSG bob@example.org Bob {len}
    Content-Type: text/plain

    Hello too\r\n
C: OUT
`
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	other := make(chan error, 1)
	go func() {
		other <- msnptest.Run(ctx, func() (net.Conn, error) { return theirs, nil }, strings.NewReader(swapSides(script)), nil)
	}()
	if err := msnptest.Run(ctx, func() (net.Conn, error) { return ours, nil }, strings.NewReader(script), nil); err != nil {
		t.Error(err)
	}
	if err := <-other; err != nil {
		t.Errorf("swapped: %v", err)
	}
}

// swapSides makes Run play the server of a transcript.
func swapSides(script string) string {
	lines := strings.Split(script, "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "C"):
			lines[i] = "S" + line[1:]
		case strings.HasPrefix(line, "S"):
			lines[i] = "C" + line[1:]
		}
	}
	return strings.Join(lines, "\n")
}

func FuzzScript(f *testing.F) {
	f.Add("C: VER 1 MSNP2\nS: VER 1 MSNP2\nC/lf: x\n  {len}\n\n  y\n")
	f.Add("S/any: {a=*}\nC: {a} {md5:a:b} \\x00\\{\nS: <closed>\nC9: <close>")
	f.Fuzz(func(t *testing.T, script string) {
		// The dial fails, so that only the script is read.
		err := msnptest.Run(t.Context(), func() (net.Conn, error) { return nil, errors.New("no") }, strings.NewReader(script), nil)
		if err == nil && strings.ContainsAny(script, "CS") {
			for line := range strings.SplitSeq(script, "\n") {
				if strings.HasPrefix(line, "C") || strings.HasPrefix(line, "S") {
					t.Fatalf("%q was played without a connection", script)
				}
			}
		}
	})
}

// TestRunLetsTimePass waits by the fake clock, and no longer than the context lasts.
func TestRunLetsTimePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := run(t, "T: 90m\nC: a\nS: x\nT: 1s", nil, []exchange{{"a\r\n", "x\r\n"}}); err == nil {
			t.Error("the context ended in between, and Run went on")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		start := time.Now()
		if err := msnptest.Run(ctx, nil, strings.NewReader("T: 90m\nT: 1s"), nil); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 90*time.Minute+time.Second {
			t.Errorf("took %v", took)
		}
	})
}
