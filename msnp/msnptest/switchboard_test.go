package msnptest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"papillon/msnp"
	"papillon/msnp/body"
	"papillon/msnp/msnptest"
)

// opened is how a script opens a switchboard on connection 2.
const opened = `
C: XFR 5 SB
S: XFR 5 SB 10.0.0.3:1865 CKI 849102291.520491932
C2: USR 1 alice@example.org 849102291.520491932
S2: USR 1 OK alice@example.org Auntie%20Em
`

var bob = msnp.Member{Handle: "bob@example.org", Name: "Bob B"}

func TestSwitchboard(t *testing.T) {
	signedIn(t, opened+`
C2: CAL 2 bob@example.org
S2: CAL 2 RINGING 17
S2: JOI bob@example.org Bob%20B
C2: CAL 3 carol@example.org
S2: 217 3
C2: MSG 4 U {len}
    MIME-Version: 1.0
    Content-Type: text/plain; charset=UTF-8
    X-MMS-IM-Format: FN=MS%20Sans%20Serif; EF=; CO=0; CS=0; PF=22

    Hello
    there
C2: MSG 5 A {len}
    <any>
S2: ACK 5
C2: MSG 6 A {len}
    <any>
S2: NAK 6
C2: MSG 7 N {len}
    <any>
S2: NAK 7
S2: ACK 99
C2: MSG 8 U {len}
    MIME-Version: 1.0
    Content-Type: text/x-msmsgscontrol
    TypingUser: alice@example.org\r\n\r\n\r\n
C2: MSG 9 N 0
S2: MSG bob@example.org Bob%20B {len}
    Content-Type: text/plain

    Hi
S2: JOI carol@example.org Carol
S2: BYE bob@example.org 1
C2: ZZZ 10
S2: 200 10
S2: XXX 1
S2: 713 44
C2: OUT
S2: <close>
`, nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		sb, err := c.Chat(ctx, "bob@example.org")
		if err != nil {
			t.Fatal(err)
		}
		if sb.Session() != "17" || !cmp.Equal(sb.Members(), []msnp.Member{bob}) {
			t.Errorf("session %q with %v", sb.Session(), sb.Members())
		}
		checkCode(t, 217)(nil, sb.Call(ctx, "carol@example.org"))
		must[string](t)(sb.SendText(ctx, "Hello\nthere", msnptest.Unacknowledged))
		if id := must[string](t)(sb.SendText(ctx, "Hello", msnptest.Acknowledged)); id != "5" {
			t.Errorf("transaction id %q", id)
		}
		if id, err := sb.SendText(ctx, "Hello", msnptest.Acknowledged); !errors.Is(err, msnptest.ErrNotDelivered) || id != "6" {
			t.Errorf("SendText = %q, %v", id, err)
		}
		id := must[string](t)(sb.SendText(ctx, "Hello", msnptest.NakOnly))
		must[msnptest.Nacked](t)(msnptest.WaitFor(ctx, sb, func(e msnptest.Nacked) bool { return e.TrID == id }))
		must[msnptest.Acked](t)(msnptest.WaitFor(ctx, sb, func(e msnptest.Acked) bool { return e.TrID == "99" }))
		must[struct{}](t)(struct{}{}, sb.SendTyping(ctx))
		must[string](t)(sb.SendRaw(ctx, nil, msnptest.NakOnly))

		got := must[msnptest.MessageArrived](t)(msnptest.WaitFor[msnptest.MessageArrived](ctx, sb, nil))
		if got.From != bob || got.Message.Text() != "Hi" || !strings.HasPrefix(string(got.Raw), "Content-Type") {
			t.Errorf("got %q", got)
		}
		left := must[msnptest.Left](t)(msnptest.WaitFor[msnptest.Left](ctx, sb, nil))
		if diff := cmp.Diff(msnptest.Left{Who: "bob@example.org", Idle: true}, left); diff != "" {
			t.Error(diff)
		}
		carol := msnp.Member{Handle: "carol@example.org", Name: "Carol"}
		if joined := must[msnptest.Joined](t)(msnptest.WaitFor[msnptest.Joined](ctx, sb, nil)); joined.Who != carol {
			t.Errorf("joined: %v", joined)
		}
		if diff := cmp.Diff([]msnp.Member{carol}, sb.Members()); diff != "" {
			t.Error(diff)
		}
		checkCode(t, 200)(sb.Request(ctx, "ZZZ"))
		must[msnptest.Unhandled](t)(msnptest.WaitFor[msnptest.Unhandled](ctx, sb, nil))
		must[msnptest.Failed](t)(msnptest.WaitFor(ctx, sb, func(e msnptest.Failed) bool { return e.Err.Code == 713 && e.Err.TrID == "44" }))
		must[struct{}](t)(struct{}{}, sb.Leave(ctx))
		if end := must[msnptest.Closed](t)(msnptest.WaitFor[msnptest.Closed](ctx, sb, nil)); end.Err != nil {
			t.Errorf("Closed: %v", end.Err)
		}
		<-sb.Done()
		if _, err := sb.SendText(ctx, "late", msnptest.NakOnly); !errors.Is(err, msnptest.ErrClosed) {
			t.Errorf("SendText after the end = %v", err)
		}
	})
}

func TestAnswer(t *testing.T) {
	script := `
S: RNG 17 10.0.0.3:1865 CKI 1.2 bob@example.org Bob%20B
C2: ANS 1 alice@example.org 1.2 17
S2: IRO 1 1 2 bob@example.org Bob%20B
S2: IRO 1 2 2 carol@example.org Carol
S2: ANS 1 OK
S2: BYE carol@example.org
`
	check := func(t *testing.T, ctx context.Context, sb *msnptest.Switchboard) {
		must[msnptest.Left](t)(msnptest.WaitFor[msnptest.Left](ctx, sb, nil))
		if diff := cmp.Diff([]msnp.Member{bob}, sb.Members()); diff != "" || sb.Session() != "17" {
			t.Error(diff, sb.Session())
		}
	}
	t.Run("by hand", func(t *testing.T) {
		signedIn(t, script, nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
			ring := must[msnptest.Ring](t)(msnptest.WaitFor[msnptest.Ring](ctx, c, nil))
			sb, err := c.Answer(ctx, ring)
			if err != nil {
				t.Fatal(err)
			}
			check(t, ctx, sb)
		})
	})
	auto := func(opts *msnptest.Options) { opts.AutoAnswer = true }
	t.Run("by itself", func(t *testing.T) {
		signedIn(t, script, auto, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
			answered := must[msnptest.Answered](t)(msnptest.WaitFor[msnptest.Answered](ctx, c, nil))
			if answered.Err != nil || answered.Ring.Caller != bob {
				t.Fatalf("answered: %+v", answered)
			}
			check(t, ctx, answered.Switchboard)
		})
	})
	t.Run("refused", func(t *testing.T) {
		refused := script[:strings.Index(script, "S2:")] + "S2: 911 1\nS2: <close>\n"
		signedIn(t, refused, auto, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
			answered := must[msnptest.Answered](t)(msnptest.WaitFor[msnptest.Answered](ctx, c, nil))
			checkCode(t, 911)(answered.Switchboard, answered.Err)
		})
	})
	t.Run("client closed meanwhile", func(t *testing.T) {
		waiting := script[:strings.Index(script, "S2:")] + "C2: <closed>\n"
		signedIn(t, waiting, auto, func(_ *testing.T, _ context.Context, c *msnptest.Client) {
			synctest.Wait() // the ring is being answered
			c.Close()       // the bubble ends only when that has
		})
	})
}

func TestOpenSwitchboardFails(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(opened), "\n")
	tests := map[string]struct{ script, want string }{
		"error":         {lines[0] + "\nS: 913 5\n", "open a switchboard: XFR: server answered with error 913"},
		"no cookie":     {lines[0] + "\nS: XFR 5 SB 10.0.0.3:1865 CKI\n", "unexpected answer"},
		"other package": {lines[0] + "\nS: XFR 5 SB 10.0.0.3:1865 MD5 1.2\n", "unexpected answer"},
		"bad cookie":    {strings.Join(lines[:3], "\n") + "\nS2: 911 1\n", "USR: server answered with error 911"},
		"call refused":  {opened + "C2: CAL 2 bob@example.org\nS2: 217 2\n", "chat with bob@example.org: CAL: server answered with error 217"},
		"nobody came":   {opened + "C2: CAL 2 bob@example.org\nS2: CAL 2 RINGING 17\nS2: <close>\n", "wait for msnptest.Joined: connection is closed; also came: Closed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			signedIn(t, test.script, nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
				if sb, err := c.Chat(ctx, "bob@example.org"); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("Chat = %v, %v; want %q", sb, err, test.want)
				}
			})
		})
	}
}

func TestAnswerAfterClose(t *testing.T) {
	signedIn(t, "", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		c.Close()
		if _, err := c.Answer(ctx, msnptest.Ring{Addr: "10.0.0.3:1865"}); err == nil || !strings.Contains(err.Error(), "client is closed") {
			t.Errorf("Answer = %v", err)
		}
	})
}

// TestCloseEndsSwitchboards leaves a switchboard open; the bubble would not end
// with it.
func TestCloseEndsSwitchboards(t *testing.T) {
	signedIn(t, opened+"C2: <closed>\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		sb, err := c.OpenSwitchboard(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		must[msnptest.Closed](t)(msnptest.WaitFor[msnptest.Closed](ctx, sb, nil))
	})
}

// TestManySendersAtOnce checks that answers find their requests when they come
// in another order.
func TestManySendersAtOnce(t *testing.T) {
	script := opened + `
C2: MSG {a=*} A {len}
    <any>
C2: MSG {b=*} A {len}
    <any>
S2: NAK {b}
S2: ACK {a}
`
	signedIn(t, script, nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		sb, err := c.OpenSwitchboard(ctx)
		if err != nil {
			t.Fatal(err)
		}
		raw := body.NewTyping("alice@example.org").Append(nil)
		results := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := sb.SendRaw(ctx, raw, msnptest.Acknowledged)
				results <- err
			}()
		}
		first, second := <-results, <-results
		if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), msnptest.ErrNotDelivered) {
			t.Errorf("results: %v, %v", first, second)
		}
	})
}
