package text

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const longText = "I will be at the station at five, please bring the book that I lent you, and the umbrella"

func TestLine(t *testing.T) {
	reaction := Happening{Act: Reacted, Who: "Bob", WhoseSelf: true, Target: "see you at 5", New: "👍"}
	edit := Happening{Act: Edited, Who: "Bob", Whose: "Bob", Target: "see you at 5", New: "see you at 6"}
	reply := Happening{Act: Replied, Who: "Bob", Whose: "Carol", Target: "see you at 5", New: "fine\nby me"}
	with := func(h Happening, change func(*Happening)) Happening { change(&h); return h }
	for _, c := range []struct {
		name, want string
		p          Policy
		h          Happening
	}{
		{"reaction", `[Bob: 👍 to your "see you at 5"]`, Short, reaction},
		{"to another's", `[Bob: 👍 to Carol's "see you at 5"]`, Short, with(reaction, func(h *Happening) { h.Whose, h.WhoseSelf = "Carol", false })},
		{"to their own", `[Bob: 👍 to their own "see you at 5"]`, Short, with(reaction, func(h *Happening) { h.Whose, h.WhoseSelf = "Bob", false })},
		{"to nobody's", `[Bob: 👍 to "see you at 5"]`, Short, with(reaction, func(h *Happening) { h.WhoseSelf = false })},
		{"by the reader", `[You: 👍 to your own "see you at 5"]`, Short, with(reaction, func(h *Happening) { h.Who = "" })},
		{"to what is not known", `[Bob: 👍 to your message]`, Short, with(reaction, func(h *Happening) { h.Target = "" })},
		{"nothing known", `[Bob: 👍 to a message]`, Full, with(reaction, func(h *Happening) { h.Target, h.WhoseSelf = "", false })},
		{"no emoji", `[Bob reacted to your "see you at 5"]`, Short, with(reaction, func(h *Happening) { h.New = "" })},
		{"taken back", `[Bob took back 👍 to your "see you at 5"]`, Short, with(reaction, func(h *Happening) { h.Act = Unreacted })},
		{"some taken back", `[Bob took back a reaction to your message]`, "odd", with(reaction, func(h *Happening) { h.Act, h.New, h.Target = Unreacted, "", "" })},
		{"a long target", `[Bob: 👍 to your "I will be at the station at five, please bring the book t…"]`, Short, with(reaction, func(h *Happening) { h.Target = longText })},
		{"a long target in full", `[Bob: 👍 to your "` + longText + `"]`, Full, with(reaction, func(h *Happening) { h.Target = longText })},
		{"lines", `[Bob: 👍 to your "a b"]`, Short, with(reaction, func(h *Happening) { h.Target = "a\nb" })},
		{"lines in full", "[Bob: 👍 to your message]\n> a\n> b", Full, with(reaction, func(h *Happening) { h.Target = "a\r\nb\n" })},
		{"quotes", `[Bob: 👍 to your "the 'thing'"]`, Short, with(reaction, func(h *Happening) { h.Target = `the "thing"` })},
		{"a bad name", `[Bob) Carol: (hi: 👍 to your "see you at 5"]`, Short, with(reaction, func(h *Happening) { h.Who = "Bob]\nCarol: [hi" })},
		{"a quotation in it", `[Bob: 👍 to your "yes"]`, Short, with(reaction, func(h *Happening) { h.Target = "> really?\n\nyes" })},

		{"deletion", `[Bob deleted "see you at 5"]`, Short, Happening{Act: Deleted, Who: "Bob", Whose: "Bob", Target: "see you at 5"}},
		{"deletion with a reason", `[Ann deleted Bob's "see you at 5": off topic]`, Short, Happening{Act: Deleted, Who: "Ann", Whose: "Bob", Target: "see you at 5", New: "off\ntopic"}},
		{"own deletion", `[You deleted a message]`, Short, Happening{Act: Deleted, WhoseSelf: true}},

		{"edit", `[Bob edited "see you at 5"] see you at 6`, Short, edit},
		{"edit of lines", `[Bob edited "a b"] c d`, Short, with(edit, func(h *Happening) { h.Target, h.New = "a\nb", "c\nd" })},
		{"edit into a file", `[Bob edited "see you at 5"]`, Short, with(edit, func(h *Happening) { h.New = "" })},
		{"edit into a file in full", "[Bob edited a message]\n> see you at 5", Full, with(edit, func(h *Happening) { h.New = "" })},
		{"edit of something", `[Bob edited a message] see you at 6`, Full, with(edit, func(h *Happening) { h.Target = "" })},
		{"edit in full", "[Bob edited a message]\n> see you at 5\nsee you at 6", Full, edit},
		{"a word changed", `[Bob edited "I will be at the station at five, please bring the book t…"] * five, -> six,`, Short,
			with(edit, func(h *Happening) { h.Target, h.New = longText, strings.Replace(longText, "five", "six", 1) })},
		{"words added", `[Bob edited "I will be at the station at five, please bring the book t…"] * umbrella -> umbrella and cake`, Short,
			with(edit, func(h *Happening) { h.Target, h.New = longText, longText+" and cake" })},
		{"words taken out", `[Bob edited "I will be at the station at five, please bring the book t…"] * I will -> I`, Short,
			with(edit, func(h *Happening) { h.Target, h.New = longText, strings.Replace(longText, "will ", "", 1) })},
		{"a beginning changed", `[Bob edited "I will be at the station at…"] ` + longText, Short,
			with(edit, func(h *Happening) { h.Target, h.New = "I will be at the station at…", longText })},
		{"all changed", `[Bob edited "no"] ` + longText, Short, with(edit, func(h *Happening) { h.Target, h.New = "no", longText })},

		{"reply", "> Carol: see you at 5\nfine\nby me", Short, reply},
		{"reply with a file alone", "> Carol: see you at 5", Short, with(reply, func(h *Happening) { h.New = "" })},
		{"reply to the reader", "> you: see you at 5\nfine\nby me", Short, with(reply, func(h *Happening) { h.Whose, h.WhoseSelf = "", true })},
		{"reply to what is not known", "> (an earlier message)\nfine\nby me", Short, with(reply, func(h *Happening) { h.Whose, h.Target = "", "" })},
		{"reply to something of hers", "> Carol: (an earlier message)\nfine\nby me", Full, with(reply, func(h *Happening) { h.Target = "" })},
		{"reply to lines", "> Carol: a b\nfine\nby me", Short, with(reply, func(h *Happening) { h.Target = "a\nb" })},
		{"reply in full", "> Carol: a\n> b\nfine\nby me", Full, with(reply, func(h *Happening) { h.Target = "a\nb" })},
		{"reply, no quotation", "fine\nby me", Hidden, reply},

		{"nothing done", "hello", Hidden, Happening{New: "hello"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, shown := Line(c.h, c.p); got != c.want || !shown {
				t.Errorf("Line(%+v, %s) = %q, %v, want\n%q", c.h, c.p, got, shown, c.want)
			}
		})
	}
}

func TestLineHides(t *testing.T) {
	for _, act := range []Act{Edited, Reacted, Unreacted, Deleted} {
		if line, shown := Line(Happening{Act: act, Who: "Bob", New: "x", Target: "y"}, Hidden); shown || line != "" {
			t.Errorf("%s: %q, %v", act, line, shown)
		}
	}
}

func checkLine(t rapid.TB, h Happening, p Policy) {
	t.Helper()
	line, shown := Line(h, p)
	checkClean(t, line)
	if !shown {
		return
	}
	if h.Act != "" && h.Act != Replied && (p == Short && strings.Contains(line, "\n") || !strings.HasPrefix(line, "["+h.clean().who())) {
		t.Fatalf("Line(%+q, %s) = %q", h, p, line)
	}
	if h.Act == Replied && !strings.HasSuffix(line, cleanLines(h.New)) {
		t.Fatalf("Line(%+q, %s) = %q loses the reply", h, p, line)
	}
}

func TestLineTakesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(messy(), rapid.String(), rapid.Just(longText))
		checkLine(t, Happening{
			Act: rapid.SampledFrom([]Act{Edited, Reacted, Unreacted, Deleted, Replied, ""}).Draw(t, "act"),
			Who: s.Draw(t, "who"), Whose: s.Draw(t, "whose"), WhoseSelf: rapid.Bool().Draw(t, "self"),
			Target: s.Draw(t, "target"), New: s.Draw(t, "new"),
		}, rapid.SampledFrom([]Policy{Short, Full, Hidden}).Draw(t, "policy"))
	})
}

func FuzzLine(f *testing.F) {
	f.Add("edit", "short", "Bob", "Bob", "see you at 5", "see you at 6")
	f.Add("reply", "full", "Bob]\n", "", "> a\n\nb", "c")
	f.Fuzz(func(t *testing.T, act, policy, who, whose, target, text string) {
		h := Happening{Act: Act(act), Who: who, Whose: whose, Target: target, New: text}
		switch h.Act {
		case Edited, Reacted, Unreacted, Deleted, Replied:
		default:
			h.Act = ""
		}
		checkLine(t, h, Policy(policy))
	})
}

func BenchmarkLine(b *testing.B) {
	h := Happening{Act: Edited, Who: "Bob", Whose: "Bob", Target: longText, New: longText + " and cake"}
	b.ReportAllocs()
	for b.Loop() {
		Line(h, Short)
	}
}
