package msnptest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"papillon/msnp"
	"papillon/msnp/body"
	"papillon/msnp/msnptest"
)

// password is alice's; the digests below are made with it.
const password = "secret"

// signInLines is what every server script begins with. Transaction ids start at 1.
const signInLines = `
C: VER 1 MSNP2
S: VER 1 MSNP2
C: INF 2
S: INF 2 MD5
C: USR 3 MD5 I alice@example.org
S: USR 3 MD5 S 100.200
C: USR 4 MD5 S {digest}
S: USR 4 OK alice@example.org Auntie%20Em
`

// server plays a transcript from the server's side to whoever dials it.
type server struct {
	conns  chan net.Conn
	addrs  []string
	result chan error
}

func serve(t *testing.T, script string) *server {
	t.Helper()
	s := &server{conns: make(chan net.Conn, 10), result: make(chan error, 1)}
	vars := map[string]string{"digest": msnptest.Digest("100.200", password)}
	next := func() (net.Conn, error) {
		select {
		case conn := <-s.conns:
			return conn, nil
		case <-t.Context().Done():
			return nil, t.Context().Err()
		}
	}
	go func() { s.result <- msnptest.Run(t.Context(), next, strings.NewReader(swapSides(script)), vars) }()
	return s
}

func (s *server) dial(_ context.Context, addr string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	s.addrs = append(s.addrs, addr)
	s.conns <- theirs
	return ours, nil
}

// check waits until the whole transcript was played.
func (s *server) check(t *testing.T) {
	t.Helper()
	if err := <-s.result; err != nil {
		t.Errorf("server: %v", err)
	}
}

func alice(s *server) msnptest.Options {
	return msnptest.Options{Handle: "alice@example.org", Password: password, Dial: s.dial}
}

// signedIn runs a test in a bubble with a client that has signed in. Whatever
// the client leaves running fails the test.
func signedIn(t *testing.T, script string, change func(*msnptest.Options), test func(*testing.T, context.Context, *msnptest.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := serve(t, signInLines+script)
		opts := alice(s)
		if change != nil {
			change(&opts)
		}
		c, err := msnptest.Dial(ctx, "server:1863", opts)
		if err != nil {
			t.Fatalf("%v; server: %v", err, <-s.result)
		}
		defer c.Close()
		test(t, ctx, c)
		s.check(t)
	})
}

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return value
	}
}

func TestDial(t *testing.T) {
	script := signInLines + `
S: MSG Hotmail Hotmail {len}
    MIME-Version: 1.0
    Content-Type: text/x-msmsgsprofile; charset=UTF-8
    LoginTime: 1\r\n\r\n\r\n
C: SYN 5 0
S: SYN 5 13
S: GTC 5 13 A
S: BLP 5 13 AL
S: PRP 5 13 PHH
S: LST 5 FL 13 1 2 bob@example.org Bob%20B
S: LST 5 FL 13 2 2 carol@example.org Zo%C3%A9
S: LST 5 AL 13 0 0
S: LST 5 BL 13 1 1 dave@example.org Dave
S: LST 5 RL 13 0 0
C: CHG 6 NLN
S: CHG 6 NLN
S: ILN 6 AWY bob@example.org Bob%20B
`
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := serve(t, script)
		opts := alice(s)
		opts.Status = msnp.Online
		c, err := msnptest.Dial(ctx, "server:1863", opts)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		want := msnp.Properties{Serial: 13, Prompt: msnp.PromptAsk, Privacy: msnp.AllowOthers, Phones: msnp.Phones{msnp.PhoneHome: ""}}
		want.Lists[msnp.Forward] = []msnp.Member{{Handle: "bob@example.org", Name: "Bob B"}, {Handle: "carol@example.org", Name: "Zoé"}}
		want.Lists[msnp.Block] = []msnp.Member{{Handle: "dave@example.org", Name: "Dave"}}
		if diff := cmp.Diff(want, c.Properties()); diff != "" {
			t.Error(diff)
		}
		if got := c.Self(); got != (msnp.Member{Handle: "alice@example.org", Name: "Auntie Em"}) || c.Dialect() != "MSNP2" {
			t.Errorf("signed in as %v with %s", got, c.Dialect())
		}
		profile := must[msnptest.ServerMessage](t)(msnptest.WaitFor[msnptest.ServerMessage](ctx, c, nil))
		if profile.From.Handle != "Hotmail" || profile.Message.Get("LoginTime") != "1" {
			t.Errorf("profile is %q", profile)
		}
		status := must[msnptest.StatusChanged](t)(msnptest.WaitFor[msnptest.StatusChanged](ctx, c, nil))
		if diff := cmp.Diff(msnptest.StatusChanged{Contact: want.Lists[msnp.Forward][0], Status: msnp.Away, Initial: true}, status); diff != "" {
			t.Error(diff)
		}
		s.check(t)
		end := must[msnptest.Disconnected](t)(msnptest.WaitFor[msnptest.Disconnected](ctx, c, nil))
		if end.Err != nil {
			t.Errorf("Disconnected: %v", end.Err)
		}
		<-c.Done()
	})
}

func TestDialFollowsReferrals(t *testing.T) {
	referral := `
C: VER 1 MSNP7 CVR0
S: VER 1 MSNP7 CVR0
C: INF 2
S: INF 2 MD5
C: USR 3 MD5 I alice@example.org
S: XFR 3 NS 10.0.0.2:1864 0 here:1863
S: <close>
`
	rest := strings.NewReplacer("C:", "C2:", "S:", "S2:", "MSNP2", "MSNP7 CVR0").Replace(signInLines)
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, referral+rest)
		opts := alice(s)
		opts.Dialects = []string{"MSNP7", "CVR0"}
		c, err := msnptest.Dial(t.Context(), "server:1863", opts)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if diff := cmp.Diff([]string{"server:1863", "10.0.0.2:1864"}, s.addrs); diff != "" {
			t.Error(diff)
		}
		if c.Dialect() != "MSNP7" {
			t.Errorf("dialect %s", c.Dialect())
		}
		s.check(t)
	})
}

func TestDialRefused(t *testing.T) {
	before, _, _ := strings.Cut(signInLines, "S: USR 4")
	challenge, _, _ := strings.Cut(signInLines, "S: USR 3")
	policy, _, _ := strings.Cut(signInLines, "S: INF 2")
	var loop strings.Builder
	for i := range 6 {
		loop.WriteString(strings.NewReplacer("C:", fmt.Sprintf("C%d:", i+1), "S:", fmt.Sprintf("S%d:", i+1)).Replace(
			challenge + "S: XFR 3 NS elsewhere:1863\n"))
	}
	tests := map[string]struct{ script, want string }{
		"no dialect":       {"C: VER 1 MSNP2\nS: VER 1 0", "speaks none of the dialects [MSNP2]"},
		"short VER":        {"C: VER 1 MSNP2\nS: VER 1", "speaks none"},
		"closed":           {"C: VER 1 MSNP2\nS: <close>", "VER: connection is closed"},
		"bad package":      {policy + "S: INF 2 CTP", `unexpected answer "INF 2 CTP"`},
		"error to INF":     {policy + "S: 500 2", "INF: server answered with error 500"},
		"no challenge":     {challenge + "S: USR 3 OK alice@example.org Alice", `unexpected answer "USR 3 OK`},
		"error to USR I":   {challenge + "S: 600 3", "error 600"},
		"wrong password":   {before + "S: 911 4\nS: <close>", "sign in as alice@example.org: USR: server answered with error 911"},
		"no name":          {before + "S: USR 4 OK alice@example.org", "unexpected answer"},
		"referred forever": {loop.String(), "referred more than 5 times"},
		"garbage":          {"C: VER 1 MSNP2\nS: VER\\x001", "connection is closed: line has the control byte"},
		"empty line":       {"C: VER 1 MSNP2\nS:", "server sent an empty line"},
		"bad length":       {before + "S: MSG Hotmail Hotmail x", `server sent MSG with the length "x"`},
		"no SYN":           {signInLines + "C: SYN 5 0\nS: BLP 5 1 AL", `SYN: unexpected answer "BLP 5 1 AL"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, test.script)
				opts := alice(s)
				opts.Status = msnp.Online
				c, err := msnptest.Dial(t.Context(), "server:1863", opts)
				if err == nil {
					c.Close()
				}
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Dial = %v; want %q in it", err, test.want)
				}
				s.check(t)
			})
		})
	}
	var refused *msnptest.ServerError
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, before+"S: 911 4")
		_, err := msnptest.Dial(t.Context(), "server:1863", alice(s))
		if !errors.As(err, &refused) || refused.Code != 911 || refused.TrID != "4" {
			t.Errorf("Dial = %v", err)
		}
		s.check(t)
	})
	noDial := msnptest.Options{Dial: func(context.Context, string) (net.Conn, error) { return nil, io.ErrClosedPipe }}
	if _, err := msnptest.Dial(t.Context(), "server:1863", noDial); err == nil || !strings.Contains(err.Error(), "connect to server:1863") {
		t.Errorf("Dial = %v", err)
	}
}

func TestEvents(t *testing.T) {
	bob := msnp.Member{Handle: "bob@example.org", Name: "Bob B"}
	tests := map[string]struct {
		line string
		want msnptest.Event
	}{
		"NLN":          {"NLN BSY bob@example.org Bob%20B", msnptest.StatusChanged{Contact: bob, Status: msnp.Busy}},
		"NLN of later": {"NLN NLN bob@example.org Bob%20B 0", msnptest.StatusChanged{Contact: bob, Status: msnp.Online}},
		"FLN":          {"FLN bob@example.org", msnptest.StatusChanged{Contact: msnp.Member{Handle: bob.Handle}, Status: msnp.Offline}},
		"CHG":          {"CHG 0 HDN", msnptest.OwnStatus{Status: msnp.Hidden}},
		"ADD":          {"ADD 0 RL 15 bob@example.org Bob%20B", msnptest.ListChanged{Added: true, Change: msnp.ListChange{List: msnp.Reverse, Serial: 15, Contact: bob}}},
		"REM":          {"REM 0 RL 16 bob@example.org", msnptest.ListChanged{Change: msnp.ListChange{List: msnp.Reverse, Serial: 16, Contact: msnp.Member{Handle: bob.Handle}}}},
		"RNG":          {"RNG 11752099 127.0.0.1:1863 CKI 1.2 bob@example.org Bob%20B", msnptest.Ring{Session: "11752099", Addr: "127.0.0.1:1863", Cookie: "1.2", Caller: bob}},
		"OUT":          {"OUT OTH", msnptest.SignedOut{Reason: msnp.SignedInElsewhere}},
		"error":        {"713 99", msnptest.Failed{Err: &msnptest.ServerError{Code: 713, TrID: "99"}}},
		"bare error":   {"500", msnptest.Failed{Err: &msnptest.ServerError{Code: 500}}},
		"BPR":          {"BPR 15 bob@example.org PHH 1%202", msnptest.PhoneChanged{Contact: bob.Handle, Key: msnp.PhoneHome, Value: "1 2"}},
		"BPR empty":    {"BPR 15 bob@example.org PHH", msnptest.PhoneChanged{Contact: bob.Handle, Key: msnp.PhoneHome}},
		"ADD group":    {"ADD 0 FL 15 bob@example.org Bob%20B 3", msnptest.ListChanged{Added: true, Change: msnp.ListChange{List: msnp.Forward, Serial: 15, Contact: bob, Group: 3}}},
		"CHL":          {"CHL 0 1234", msnptest.Challenged{Challenge: "1234"}},
		"unknown":      {"XYZ 0 1234", msnptest.Unhandled{Words: []string{"XYZ", "0", "1234"}}},
		"one word":     {"QNG", msnptest.Unhandled{Words: []string{"QNG"}}},
		"NLN hidden":   {"NLN HDN bob@example.org Bob%20B", msnptest.Unhandled{Words: strings.Fields("NLN HDN bob@example.org Bob%20B")}},
		"NLN short":    {"NLN NLN bob@example.org", msnptest.Unhandled{Words: strings.Fields("NLN NLN bob@example.org")}},
		"ADD short":    {"ADD 0 RL 15 bob@example.org", msnptest.Unhandled{Words: strings.Fields("ADD 0 RL 15 bob@example.org")}},
		"ADD list":     {"ADD 0 XL 15 bob@example.org Bob", msnptest.Unhandled{Words: strings.Fields("ADD 0 XL 15 bob@example.org Bob")}},
		"CHG unknown":  {"CHG 0 XXX", msnptest.Unhandled{Words: strings.Fields("CHG 0 XXX")}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			signedIn(t, "S: "+test.line+"\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
				got, err := c.Wait(ctx, func(msnptest.Event) bool { return true })
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// TestRingLooksLikeAnAnswer has a session id that is also the transaction id of
// a waiting request.
func TestRingLooksLikeAnAnswer(t *testing.T) {
	signedIn(t, "C: ZZZ 5\nS: RNG 5 127.0.0.1:1863 CKI 1.2 bob@example.org Bob\nS: 200 5\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		checkCode(t, 200)(c.Request(ctx, "ZZZ"))
		must[msnptest.Ring](t)(msnptest.WaitFor[msnptest.Ring](ctx, c, nil))
	})
}

func TestMessageThatIsNone(t *testing.T) {
	signedIn(t, "S: MSG Hotmail Hotmail {len}\n    garbage\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		got := must[msnptest.ServerMessage](t)(msnptest.WaitFor[msnptest.ServerMessage](ctx, c, nil))
		if diff := cmp.Diff(body.Message{Content: []byte("garbage")}, got.Message); diff != "" || string(got.Raw) != "garbage" {
			t.Errorf("%s %q", diff, got.Raw)
		}
	})
}

func TestWaitLeavesTheRest(t *testing.T) {
	signedIn(t, "S: NLN NLN a@x A\nS: FLN b@x\nS: NLN AWY c@x C\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		for _, status := range []msnp.Status{msnp.Away, msnp.Offline, msnp.Online} {
			must[msnptest.StatusChanged](t)(msnptest.WaitFor(ctx, c, func(e msnptest.StatusChanged) bool { return e.Status == status }))
		}
	})
}

func TestWaitEnds(t *testing.T) {
	signedIn(t, "S: OUT SSD\nC: ZZZ 5\nS: 200 5\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := msnptest.WaitFor[msnptest.Ring](short, c, nil)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasSuffix(err.Error(), "; also came: SignedOut") {
			t.Errorf("WaitFor = %v", err)
		}
		checkCode(t, 200)(c.Request(ctx, "ZZZ"))
		_, err = msnptest.WaitFor[msnptest.Ring](ctx, c, nil)
		if !errors.Is(err, msnptest.ErrClosed) || !strings.HasSuffix(err.Error(), "wait for msnptest.Ring: connection is closed; also came: SignedOut Disconnected") {
			t.Errorf("WaitFor = %v", err)
		}
		if _, err := c.Request(ctx, "SYN", "0"); !errors.Is(err, msnptest.ErrClosed) {
			t.Errorf("Request = %v", err)
		}
		if err := c.SignOut(ctx); err != nil {
			t.Errorf("SignOut after the end = %v", err)
		}
		c.Close()
		c.Close()
	})
}

func TestWaitNamesTheFirstFew(t *testing.T) {
	signedIn(t, strings.Repeat("S: FLN bob@example.org\n", 12), nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		<-c.Done()
		_, err := msnptest.WaitFor[msnptest.Ring](ctx, c, nil)
		if want := strings.Repeat(" StatusChanged", 10) + " …"; err == nil || !strings.HasSuffix(err.Error(), "; also came:"+want) {
			t.Errorf("WaitFor = %v", err)
		}
	})
	signedIn(t, "C: ZZZ 5\nS: 200 5\nC: ZZZ 6\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		checkCode(t, 200)(c.Request(ctx, "ZZZ"))
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := msnptest.WaitFor[msnptest.Ring](short, c, nil); err == nil || !strings.HasSuffix(err.Error(), "; nothing else came") {
			t.Errorf("WaitFor = %v", err)
		}
		if _, err := c.Request(ctx, "ZZZ"); !errors.Is(err, msnptest.ErrClosed) {
			t.Errorf("Request = %v", err)
		}
	})
}

func TestRequestEndsWithItsContext(t *testing.T) {
	signedIn(t, "C: LST 5 FL\nC: ZZZ 6\nS: LST 5 FL 1 0 0\nS: 200 6\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := c.List(short, msnp.Forward); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("List = %v", err)
		}
		// The connection still works, and the late answer is an event.
		if _, err := c.List(short, msnp.Forward); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("List with a dead context = %v", err)
		}
		checkCode(t, 200)(c.Request(ctx, "ZZZ"))
		late := must[msnptest.Unhandled](t)(msnptest.WaitFor[msnptest.Unhandled](ctx, c, nil))
		if diff := cmp.Diff(strings.Fields("LST 5 FL 1 0 0"), late.Words); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSignOutEndsWithItsContext(t *testing.T) {
	signedIn(t, "C: OUT\nC: <closed>\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := c.SignOut(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("SignOut = %v", err)
		}
		c.Close()
	})
}

func TestIgnore(t *testing.T) {
	ignore := func(opts *msnptest.Options) {
		opts.Ignore = func(event msnptest.Event) bool { _, ok := event.(msnptest.StatusChanged); return ok }
	}
	signedIn(t, "S: NLN NLN a@x A\nS: OUT SSD\n", ignore, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		got, err := c.Wait(ctx, func(msnptest.Event) bool { return true })
		if diff := cmp.Diff(msnptest.SignedOut{Reason: msnp.ShuttingDown}, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}

func TestTrace(t *testing.T) {
	var lines []string
	trace := func(opts *msnptest.Options) {
		opts.Trace = func(direction byte, line string) { lines = append(lines, string(rune(direction))+" "+line) }
	}
	signedIn(t, "S: MSG Hotmail Hotmail {len}\n    A: b\n\n    c\nC: PAG 5 {len}\n    hi\nS: PAG 5 OK\n", trace, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		must[[]string](t)(c.RequestPayload(ctx, []byte("hi"), "PAG"))
		c.Close()
		want := []string{
			"C VER 1 MSNP2", "S VER 1 MSNP2", "C INF 2", "S INF 2 MD5",
			"C USR 3 MD5 I alice@example.org", "S USR 3 MD5 S 100.200",
			"C USR 4 MD5 S ********************************", "S USR 4 OK alice@example.org Auntie%20Em",
		}
		if diff := cmp.Diff(want, lines[:len(want)]); diff != "" {
			t.Error(diff)
		}
		rest := strings.Join(lines[len(want):], "\n")
		for _, part := range []string{"S MSG Hotmail Hotmail 9\nS     A: b\nS     \nS     c", "C PAG 5 2\nC     hi", "S PAG 5 OK"} {
			if !strings.Contains(rest, part) {
				t.Errorf("trace has no %q in %q", part, rest)
			}
		}
	})
}

// TestDialTCP goes over a real socket, with the default dialer.
func TestDialTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	vars := map[string]string{"digest": msnptest.Digest("100.200", password)}
	result := make(chan error, 1)
	go func() {
		result <- msnptest.Run(t.Context(), listener.Accept, strings.NewReader(swapSides(signInLines+"C: OUT\n")), vars)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := msnptest.Dial(ctx, listener.Addr().String(), msnptest.Options{Handle: "alice@example.org", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SignOut(ctx); err != nil {
		t.Error(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}
