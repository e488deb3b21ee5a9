package msnp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"papillon/msnp/wire"
)

// TestNamesOfEachDialect: whatever a name is, it is a word that no client stumbles
// over: never empty, never too long, nothing in it that ends a word or a line, and no
// escape but where there must be one.
func TestNamesOfEachDialect(t *testing.T) {
	for i := range dialects {
		d := &dialects[i]
		t.Run(d.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				name := rapid.OneOf(rapid.String(), rapid.StringN(100, 500, -1),
					rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "name")
				word := d.encode(name)
				if word == "" || len(word) > d.maxName {
					t.Fatalf("%q has %d bytes", word, len(word))
				}
				for j := 0; j < len(word); j++ {
					switch c := word[j]; {
					case c <= ' ' || c == 0x7f, c >= 0x80 && d.names == wire.ASCII:
						t.Fatalf("%q has the byte %#02x", word, c)
					case c == '%':
						if escaped := wire.DecodeName(word[j : j+3]); len(escaped) == 1 && escaped > " " && escaped != "%" {
							t.Fatalf("%q has %q as an escape", word, escaped)
						}
					}
				}
			})
		})
	}
}

// TestNegotiate: the answer to any offer has the best dialect first, everything in
// common once, nothing else, and CVR0 if and only if it was offered.
func TestNegotiate(t *testing.T) {
	words := []string{"MSNP1", "MSNP2", "msnp3", "MSNP4", "MSNP5", "MsnP6", "MSNP7", "MSNP8", "MSNP21", "CVR0", "cvr0", "0", "x"}
	rapid.Check(t, func(t *rapid.T) {
		offer := rapid.SliceOfN(rapid.SampledFrom(words), 1, 2*len(words)).Draw(t, "offer")
		chosen, answer := negotiate(offer)
		best := 0
		var common []string
		versioning := false
		for _, word := range offer {
			var number int
			if _, err := fmt.Sscanf(strings.ToUpper(word), "MSNP%d", &number); err == nil && number >= 2 && number <= 7 {
				best = max(best, number)
				if !slices.Contains(common, strings.ToUpper(word)) {
					common = append(common, strings.ToUpper(word))
				}
			}
			versioning = versioning || strings.EqualFold(word, clientVersioning)
		}
		want := []string{"0"}
		if best > 0 {
			name := fmt.Sprintf("MSNP%d", best)
			want = append([]string{name}, slices.DeleteFunc(common, func(word string) bool { return word == name })...)
		}
		if versioning && best == 0 {
			want = nil
		}
		if versioning {
			want = append(want, clientVersioning)
		}
		if !slices.Equal(answer, want) || (chosen == nil) != (best == 0) || chosen != nil && chosen.number != best {
			t.Fatalf("%q is answered %q (%v), want %q", offer, answer, chosen, want)
		}
	})
}

// TestReferrals: somebody is referred once, and signed in when he comes back in time.
func TestReferrals(t *testing.T) {
	r := referrals{until: make(map[referral]time.Time)}
	alice, now := referral{handle: "alice@example.org"}, time.Unix(1e9, 0)
	for _, step := range []struct {
		who   referral
		after time.Duration
		want  bool
	}{
		{alice, 0, true}, {referral{handle: "bob@example.org"}, time.Second, true}, {alice, time.Second, false},
		{alice, time.Second, true}, {alice, 2 * referralLife, true}, {alice, referralLife - time.Second, false},
	} {
		now = now.Add(step.after)
		if got := r.note(step.who, now); got != step.want {
			t.Errorf("after %v %s is referred: %v", step.after, step.who.handle, got)
		}
	}
	if r.note(alice, now.Add(time.Hour)); len(r.until) != 1 {
		t.Errorf("%d referrals are kept, want 1", len(r.until))
	}
}

// BenchmarkProperties measures the answer to SYN of a user with 1,000 contacts.
func BenchmarkProperties(b *testing.B) {
	p := Properties{Serial: 1234, Prompt: PromptAsk, Privacy: AllowOthers}
	for i := range 1000 {
		m := Member{Handle: Handle(fmt.Sprintf("contact%d@example.org", i)), Name: fmt.Sprintf("Contact Nr. %d é", i)}
		p.Lists[Forward], p.Lists[Allow] = append(p.Lists[Forward], m), append(p.Lists[Allow], m)
	}
	p.Groups = p.Groups.complete()
	for _, d := range []*dialect{draftDialect, &dialects[0]} {
		b.Run(d.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var all []byte
				for _, part := range d.properties("5", p) {
					all = part(all)
				}
			}
		})
	}
}
