package msnptest_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

func TestRequests(t *testing.T) {
	signedIn(t, `
C: SYN 5 13
S: SYN 5 13
C: ADD 6 FL bob@example.org Bob%20B
S: ADD 6 FL 14 bob@example.org Robert
S: ILN 6 NLN bob@example.org Robert
C: ADD 7 AL carol@example.org carol@example.org
S: 215 7
C: REM 8 FL bob@example.org
S: REM 8 FL 15 bob@example.org
C: REA 9 alice@example.org Zo%C3%A9%20100%25
S: REA 9 16 alice@example.org Zo%C3%A9%20100%25
C: BLP 10 BL
S: BLP 10 17 BL
C: GTC 11 N
S: GTC 11 18 N
C: LST 12 FL
S: LST 12 FL 18 1 2 bob@example.org Bob
S: LST 12 FL 18 2 2 carol@example.org Carol
C: LST 13 RL
S: LST 13 RL 18 0 0
C: CHG 14 HDN
S: CHG 14 HDN
C: ZZZ 15 a
S: 200 15 text of the error
C: PAG 16 x {len}
    hello
S: PAG 16 OK
C: URL 17 INBOX
S: URL 17 a b 1
S: URL 17 more
C: OUT
S: OUT
S: <close>
`, nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
		if diff := cmp.Diff(msnp.Properties{Serial: 13}, must[msnp.Properties](t)(c.Sync(ctx, 13))); diff != "" {
			t.Error(diff)
		}
		added := must[msnp.ListChange](t)(c.Add(ctx, msnp.Forward, "bob@example.org", "Bob B"))
		bob := msnp.Member{Handle: "bob@example.org", Name: "Robert"}
		if diff := cmp.Diff(msnp.ListChange{List: msnp.Forward, Serial: 14, Contact: bob}, added); diff != "" {
			t.Error(diff)
		}
		status := must[msnptest.StatusChanged](t)(msnptest.WaitFor[msnptest.StatusChanged](ctx, c, nil))
		if diff := cmp.Diff(msnptest.StatusChanged{Contact: bob, Status: msnp.Online, Initial: true}, status); diff != "" {
			t.Error(diff)
		}
		checkCode(t, 215)(c.Add(ctx, msnp.Allow, "carol@example.org", ""))
		removed := must[msnp.ListChange](t)(c.Remove(ctx, msnp.Forward, "bob@example.org"))
		if diff := cmp.Diff(msnp.ListChange{List: msnp.Forward, Serial: 15, Contact: msnp.Member{Handle: "bob@example.org"}}, removed); diff != "" {
			t.Error(diff)
		}
		who, serial, err := c.Rename(ctx, "alice@example.org", "Zoé 100%")
		if err != nil || who != (msnp.Member{Handle: "alice@example.org", Name: "Zoé 100%"}) || serial != 16 {
			t.Errorf("Rename = %v, %d, %v", who, serial, err)
		}
		if serial := must[uint32](t)(c.SetPrivacy(ctx, msnp.BlockOthers)); serial != 17 {
			t.Errorf("SetPrivacy = %d", serial)
		}
		if serial := must[uint32](t)(c.SetPrompt(ctx, msnp.PromptAllow)); serial != 18 {
			t.Errorf("SetPrompt = %d", serial)
		}
		forward := must[[]msnp.Member](t)(c.List(ctx, msnp.Forward))
		if diff := cmp.Diff([]msnp.Member{{Handle: "bob@example.org", Name: "Bob"}, {Handle: "carol@example.org", Name: "Carol"}}, forward); diff != "" {
			t.Error(diff)
		}
		if reverse := must[[]msnp.Member](t)(c.List(ctx, msnp.Reverse)); len(reverse) != 0 {
			t.Errorf("List = %v", reverse)
		}
		must[struct{}](t)(struct{}{}, c.SetStatus(ctx, msnp.Hidden))
		checkCode(t, 200)(c.Request(ctx, "ZZZ", "a"))
		must[[]string](t)(c.RequestPayload(ctx, []byte("hello"), "PAG", "x"))
		answer := must[[]string](t)(c.Request(ctx, "URL", "INBOX"))
		if diff := cmp.Diff(strings.Fields("URL 17 a b 1"), answer); diff != "" {
			t.Error(diff)
		}
		more := must[msnptest.Unhandled](t)(msnptest.WaitFor[msnptest.Unhandled](ctx, c, nil))
		if diff := cmp.Diff(strings.Fields("URL 17 more"), more.Words); diff != "" {
			t.Error(diff)
		}
		must[struct{}](t)(struct{}{}, c.SignOut(ctx))
		must[msnptest.SignedOut](t)(msnptest.WaitFor[msnptest.SignedOut](ctx, c, nil))
	})
}

// checkCode wants an error from the server.
func checkCode(t *testing.T, code int) func(any, error) {
	return func(value any, err error) {
		t.Helper()
		var refused *msnptest.ServerError
		if !errors.As(err, &refused) || refused.Code != code {
			t.Errorf("got %v, %v; want error %d", value, err, code)
		}
	}
}

// TestMisshapenAnswers checks that the client notices what a server must not
// answer. X stands for the transaction id.
func TestMisshapenAnswers(t *testing.T) {
	sync := func(c *msnptest.Client, ctx context.Context) error { _, err := c.Sync(ctx, 0); return err }
	list := func(c *msnptest.Client, ctx context.Context) error { _, err := c.List(ctx, msnp.Allow); return err }
	add := func(c *msnptest.Client, ctx context.Context) error {
		_, err := c.Add(ctx, msnp.Allow, "b@x", "")
		return err
	}
	tests := map[string]struct {
		sent, answer string
		call         func(*msnptest.Client, context.Context) error
	}{
		"SYN without serial":   {"SYN 5 0", "S: SYN 5", sync},
		"serial no number":     {"SYN 5 0", "S: SYN 5 x", sync},
		"ADD inside SYN":       {"SYN 5 0", "S: SYN 5 1\nS: ADD 5 FL 1 a@x A", sync},
		"unknown list":         {"SYN 5 0", "S: SYN 5 1\nS: LST 5 XL 1 0 0", sync},
		"item out of step":     {"SYN 5 0", "S: SYN 5 1\nS: LST 5 FL 1 2 2 a@x A", sync},
		"list twice":           {"SYN 5 0", "S: SYN 5 1\nS: LST 5 FL 1 0 0\nS: LST 5 FL 1 0 0", sync},
		"short LST":            {"LST 5 AL", "S: LST 5 AL 1 1", list},
		"LST without name":     {"LST 5 AL", "S: LST 5 AL 1 1 1 a@x", list},
		"count no number":      {"LST 5 AL", "S: LST 5 AL 1 x 1 a@x A", list},
		"empty after an entry": {"LST 5 AL", "S: LST 5 AL 1 1 2 a@x A\nS: LST 5 AL 1 0 0", list},
		"other list":           {"LST 5 AL", "S: LST 5 FL 1 0 0", list},
		"other command":        {"ADD 5 AL b@x b@x", "S: REM 5 AL 1 b@x", add},
		"ADD without name":     {"ADD 5 AL b@x b@x", "S: ADD 5 AL 1 b@x", add},
		"ADD with bad serial":  {"ADD 5 AL b@x b@x", "S: ADD 5 AL -1 b@x b", add},
		"other status": {"CHG 5 NLN", "S: CHG 5 BSY", func(c *msnptest.Client, ctx context.Context) error {
			return c.SetStatus(ctx, msnp.Online)
		}},
		"REA without name": {"REA 5 b@x B", "S: REA 5 1 b@x", func(c *msnptest.Client, ctx context.Context) error {
			_, _, err := c.Rename(ctx, "b@x", "B")
			return err
		}},
		"BLP not set": {"BLP 5 AL", "S: BLP 5 1 BL", func(c *msnptest.Client, ctx context.Context) error {
			_, err := c.SetPrivacy(ctx, msnp.AllowOthers)
			return err
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			signedIn(t, "C: "+test.sent+"\n"+test.answer+"\n", nil, func(t *testing.T, ctx context.Context, c *msnptest.Client) {
				err := test.call(c, ctx)
				var refused *msnptest.ServerError
				if err == nil || errors.Is(err, msnptest.ErrClosed) || errors.As(err, &refused) {
					t.Errorf("error = %v", err)
				}
			})
		})
	}
}
