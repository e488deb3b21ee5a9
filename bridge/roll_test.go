package bridge

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"papillon/msnp"
)

// TestRoll: a list keeps its order and finds its entries, small or large, whatever
// is added and removed.
func TestRoll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []msnp.Member
		have := newRoll(nil)
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			who := msnp.Member{Handle: Handle(fmt.Sprintf("user%d@example.org", rapid.IntRange(0, 30).Draw(t, "who"))), Name: "User"}
			at := slices.IndexFunc(want, func(m msnp.Member) bool { return m.Handle == who.Handle })
			if at < 0 {
				want = append(want, who)
				have.add(newEntry(who))
				continue
			}
			if rapid.Bool().Draw(t, "rename") {
				want[at].Name = fmt.Sprintf("User %d", at)
				have.find(who.Handle).setName(want[at].Name)
				continue
			}
			want = slices.Delete(want, at, at+1)
			if gone, ok := have.remove(who.Handle); !ok || gone.handle() != who.Handle {
				t.Fatalf("removing %s gives %v, %v", who.Handle, gone.member(), ok)
			}
			if _, ok := have.remove(who.Handle); ok || have.has(who.Handle) {
				t.Fatalf("%s is there after its removal", who.Handle)
			}
		}
		if got := have.members(); !slices.Equal(got, want) {
			t.Fatalf("the list is %v, want %v", got, want)
		}
		for _, m := range want {
			if e := have.find(m.Handle); e == nil || e.member() != m {
				t.Fatalf("%s is not found as %v", m.Handle, m)
			}
		}
	})
}
