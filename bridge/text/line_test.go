package text

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestStamp(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	sent := time.Date(2026, 11, 22, 10, 15, 42, 0, berlin)
	for _, c := range []struct {
		now  time.Time
		want string
	}{
		{sent, "[10:15]"},
		{sent.Add(13 * time.Hour), "[10:15]"},
		{sent.Add(13 * time.Hour).UTC(), "[10:15]"},
		{sent.Add(14 * time.Hour).UTC(), "[2026-11-22 10:15]"}, // still the 22nd in UTC
		{sent.AddDate(1, 0, 0), "[2026-11-22 10:15]"},
		{sent.AddDate(0, 0, -1), "[2026-11-22 10:15]"},
	} {
		if got := Stamp(sent, c.now); got != c.want {
			t.Errorf("Stamp at %v = %q, want %q", c.now, got, c.want)
		}
	}
}

func TestPreview(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"hello", 5, "hello"},
		{"hello you", 8, "hello…"},
		{"hello", 4, "h…"},
		{"hello", 3, "…"},
		{"hello", 2, ""},
		{"  a\r\n\n\tb\x00\x1b c  ", 20, "a b c"},
		{"abc   ", 3, "abc"},
		{"👍🏽👍🏽", 12, "👍🏽…"},
		{"👍🏽👍🏽", 10, "…"},
		{"a\xffb", 9, "a\ufffdb"},
		{"a\xf3\x7fb\ufffec", 9, "a\ufffd bc"},
		{"\u202eabc\u2066", 9, "abc"},
		{"\u0600\u00a0", 9, "\u0600"},
		{"\u0600\u00a0 a", 9, "\u0600 a"},
		{"a \u0301 b", 9, "a b"},
		{"a \u202e b", 9, "a b"},
	} {
		if got := Preview(c.in, c.limit); got != c.want {
			t.Errorf("Preview(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestPreviewIsOneShortLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(messy(), rapid.String()).Draw(t, "text")
		limit := rapid.IntRange(0, 40).Draw(t, "limit")
		got := Preview(s, limit)
		checkClean(t, got)
		if len(got) > limit || !utf8.ValidString(got) || strings.ContainsAny(got, "\r\n\t") || strings.TrimSpace(got) != got {
			t.Fatalf("Preview(%q, %d) = %q", s, limit, got)
		}
	})
}

func FuzzPreview(f *testing.F) {
	f.Add("a\xf3\x7fb\n c", 9)
	f.Add("👍🏽👍🏽", 10)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		got := Preview(s, limit)
		checkClean(t, got)
		if len(got) > max(limit, 0) || strings.ContainsAny(got, "\n\t") {
			t.Fatalf("Preview(%q, %d) = %q", s, limit, got)
		}
	})
}
