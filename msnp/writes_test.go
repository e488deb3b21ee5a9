package msnp_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"papillon/bridge"
	"papillon/msnp/msnptest"
)

// chunks reads from a pipe, where each read is one write of the server.
type chunks struct {
	t  *testing.T
	nc net.Conn
}

func (c chunks) say(line string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.nc, line+"\r\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c chunks) next() string {
	c.t.Helper()
	buf := make([]byte, 64<<10)
	n, err := c.nc.Read(buf)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(buf[:n])
}

// want reads one write and expects it to be this, where * stands for anything.
func (c chunks) want(pattern string) string {
	c.t.Helper()
	got := c.next()
	before, after, _ := strings.Cut(pattern, "*")
	if !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) || len(got) < len(before)+len(after) {
		c.t.Fatalf("one write is %q, want %q", got, pattern)
	}
	return strings.TrimSuffix(got[len(before):], after)
}

// TestWrites: what belongs together goes out in one write, and what must stand
// alone does. gaim of 2000 reads the header of MSG and its body at once; Kopete loses
// what comes in one read with USR OK; MSN.pm, which asks for its lists when it has set its
// status, sees them only when something further comes; XMSNC takes the first line of each
// write.
func TestWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, testLimits, bridge.Limits{}, nil)
		dial := func() chunks {
			nc, err := s.dial()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { nc.Close() })
			return chunks{t, nc}
		}
		enter := func(name string) chunks {
			c := dial()
			c.say("USR 1 MD5 I %s@example.org", name)
			challenge := c.want("USR 1 MD5 S *\r\n")
			c.say("USR 2 MD5 S %s", msnptest.Digest(challenge, password))
			if got := c.want("USR 2 OK *\r\n"); strings.Contains(got, "\n") {
				t.Errorf("USR OK comes with %q", got)
			}
			c.want("MSG Hotmail Hotmail *\r\n\r\n\r\n")
			return c
		}
		signIn := func(name string) chunks {
			c := enter(name)
			c.say("SYN 3 0")
			c.want("SYN 3 *\r\nLST 3 RL 1 0 0\r\n")
			c.say("CHG 3 NLN")
			c.want("CHG 3 NLN\r\nILN 3 NLN papillon@example.org Papillon\r\n")
			return c
		}
		alice, bob := signIn("alice"), signIn("bob")
		alice.say("SYN 4 0")
		alice.want("SYN 4 *\r\nLST 4 RL 1 0 0\r\n")
		// MSN.pm, which reads by the line.
		carol := enter("carol")
		carol.say("CHG 3 NLN")
		carol.want("CHG 3 NLN\r\nILN 3 NLN papillon@example.org Papillon\r\n")
		carol.say("SYN 4 0")
		carol.want("SYN 4 *\r\nLST 4 BL 1 0 0\r\n")
		carol.want("LST 4 RL 1 0 0\r\n")
		// XMSNC, which takes one line of what it reads, but for lists and ILN.
		s.addAccount(t, "dave", "Dave")
		dave := dial()
		dave.say("VER 1 MSNP4 MSNP5 MSNP6 MSNP7")
		dave.want("VER 1 MSNP7 MSNP4 MSNP5 MSNP6\r\n")
		dave.say("USR 1 MD5 I dave@example.org")
		dave.say("USR 2 MD5 S %s", msnptest.Digest(dave.want("USR 1 MD5 S *\r\n"), password))
		dave.want("USR 2 OK dave@example.org Dave 1\r\n")
		dave.want("MSG Hotmail Hotmail *\r\n\r\n\r\n")
		dave.say("SYN 3 0")
		for _, line := range []string{"SYN 3 *\r\n", "GTC 3 *\r\n", "BLP 3 *\r\n"} {
			if got := dave.want(line); strings.Contains(got, "\n") {
				t.Errorf("%q comes with %q", line, got)
			}
		}
		dave.want("PRP 3 *Other%20Contacts 0\r\n")
		dave.want("LST 3 FL *LST 3 BL 1 0 0\r\n")
		dave.want("LST 3 RL 1 0 0\r\n")
		dave.say("CHG 4 NLN")
		dave.want("CHG 4 NLN\r\n")
		dave.want("ILN 4 NLN papillon@example.org Papillon\r\n")
		alice.say("XFR 5 SB")
		cookie := alice.want("XFR 5 SB pipe CKI *\r\n")
		caller := dial()
		caller.say("USR 1 alice@example.org %s", cookie)
		caller.want("USR 1 OK alice@example.org Alice\r\n")
		caller.say("CAL 2 bob@example.org")
		session := caller.want("CAL 2 RINGING *\r\n")
		ring := bob.want("RNG " + session + " pipe CKI * alice@example.org Alice\r\n")
		callee := dial()
		callee.say("ANS 1 bob@example.org %s %s", ring, session)
		callee.want("IRO 1 1 1 alice@example.org Alice\r\nANS 1 OK\r\n")
		caller.want("JOI bob@example.org Bob\r\n")
		body := "Content-Type: text/plain\r\n\r\n" + strings.Repeat("x", 1500)
		caller.say("MSG 3 U %d\r\n%s", len(body), body)
		callee.want(fmt.Sprintf("MSG alice@example.org Alice %d\r\n%s", len(body), body))
	})
}

// TestChangesInOrder: a contact's changes arrive each, in their order.
func TestChangesInOrder(t *testing.T) {
	s := newService(t, testLimits, bridge.Limits{}, nil).listenUnix(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	alice := s.witness(t, "alice", func(e msnptest.Event) bool { _, ok := e.(msnptest.StatusChanged); return ok })
	bob := s.witness(t, "bob", nil)
	if _, err := alice.Add(ctx, 0, "bob@example.org", ""); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		want := [...]string{"BSY", "AWY"}[i%2]
		if _, err := bob.Request(ctx, "CHG", want); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 200 {
		want := [...]string{"BSY", "AWY"}[i%2]
		got, err := msnptest.WaitFor(ctx, alice, func(e msnptest.StatusChanged) bool { return e.Contact.Handle == "bob@example.org" && !e.Initial })
		if err != nil || string(got.Status) != want {
			t.Fatalf("change %d is %s (%v), want %s", i, got.Status, err, want)
		}
	}
}
