package msnp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// TestStalledPayloadEnds: a client that announces a message and does not send it is cut
// when its switchboard has been idle for too long, however much the others talk. Nothing
// of what it sends later could be understood.
func TestStalledPayloadEnds(t *testing.T) {
	limits := testLimits
	limits.SwitchboardIdle = 500 * time.Millisecond
	s := startService(t, limits)
	alice := signIn(t, s, "alice", msnp.Online)
	bob, err := msnptest.Dial(t.Context(), s.addr, msnptest.Options{Handle: "bob@example.org", Password: password, Status: msnp.Online})
	if err != nil {
		t.Fatal(err)
	}
	defer bob.Close()
	chat, err := alice.OpenSwitchboard(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := chat.Call(t.Context(), "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	ring, err := msnptest.WaitFor[msnptest.Ring](t.Context(), bob, nil)
	if err != nil {
		t.Fatal(err)
	}
	stalled, r := rawConn(t, s)
	fmt.Fprintf(stalled, "ANS 1 bob@example.org %s %s\r\nMSG 2 U 100\r\nthat is not all", ring.Cookie, ring.Session)
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := r.ReadString('\n'); err != nil {
				ended <- err
				return
			}
		}
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 150 {
		select {
		case err := <-ended:
			if !strings.Contains(err.Error(), "EOF") {
				t.Fatalf("the stalled connection ends with %v", err)
			}
			return
		case <-tick.C:
			if _, err := chat.SendText(t.Context(), "go on", msnptest.Unacknowledged); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Fatal("the stalled connection stays open")
}
