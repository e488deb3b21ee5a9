package msnp_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"papillon/msnp"
	"papillon/msnp/msnptest"
)

// TestClientOfEachDialect signs the test client in with each dialect: it reads the
// layouts that the server writes.
func TestClientOfEachDialect(t *testing.T) {
	s := startService(t, testLimits)
	helper := msnp.Member{Handle: "papillon@example.org", Name: "Papillon"}
	for _, dialect := range []string{"MSNP2", "MSNP3", "MSNP4", "MSNP5", "MSNP6", "MSNP7"} {
		t.Run(dialect, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := msnptest.Dial(ctx, s.addr, msnptest.Options{
				Handle: "alice@example.org", Password: password, Status: msnp.Online, Dialects: []string{dialect, "CVR0"},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got := c.Properties()
			want := msnp.Properties{Serial: got.Serial, Prompt: msnp.PromptAsk, Privacy: msnp.AllowOthers}
			want.Lists[msnp.Forward], want.Lists[msnp.Allow] = []msnp.Member{helper}, []msnp.Member{helper}
			if dialect >= "MSNP5" {
				want.Phones = msnp.Phones{
					msnp.PhoneHome: "", msnp.PhoneWork: "", msnp.PhoneMobile: "", msnp.MobileDevice: "N", msnp.MobileEnabled: "N",
				}
			}
			if dialect == "MSNP7" {
				want.Groups = msnp.Groups{
					All: []msnp.Group{{ID: 0, Name: "Other Contacts"}}, Of: map[msnp.Handle][]uint32{helper.Handle: {0}},
				}
			}
			if diff := cmp.Diff(want, got); diff != "" || c.Dialect() != dialect {
				t.Errorf("%s: %s", c.Dialect(), diff)
			}
			status, err := msnptest.WaitFor[msnptest.StatusChanged](ctx, c, nil)
			if err != nil || status.Contact != helper {
				t.Errorf("got %v (%v), want the helper contact", status, err)
			}
			if err := c.SignOut(ctx); err != nil {
				t.Fatal(err)
			}
		})
	}
}
