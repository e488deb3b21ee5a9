package xmpp

import (
	"slices"
	"strings"
	"unicode/utf8"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// readAct reads what a message does to an earlier one. It returns true when that is
// all there is to it, with m.Act empty where it changes nothing; after a
// correction and a reply, the words are still to be read.
func (a *account) readAct(s *stream.Stanza, m *bridge.MessageReceived) (whole bool) {
	if s.Child(nsRetract, "retracted") != nil || s.Child(nsRetractOld, "retracted") != nil ||
		s.Child(nsModerateOld, "moderated") != nil {
		return true // the grave of a message, in an archive
	}
	if id, why, ok := readRetraction(s); ok {
		m.Act, m.Text, m.Target = text.Deleted, why, a.ownTarget(m, id)
		return true
	}
	if r := s.Child(nsReactions, "reactions"); r != nil && r.Attribute("id") != "" {
		a.react(r, m)
		return true
	}
	if id := s.Child(nsCorrect, "replace").Attribute("id"); id != "" {
		if target := a.ownTarget(m, id); m.Own || !a.isSent(target.Ref) { // nobody corrects others (XEP-0308 §4)
			m.Act, m.Target = text.Edited, target
		}
	} else if r := s.Child(nsReply, "reply"); r.Attribute("id") != "" {
		m.Act, m.Target = text.Replied, a.anyTarget(m, r.Attribute("id"))
		if m.Chat.Group != "" && !a.isSent(m.Target.Ref) {
			m.Target.Author = trimName(stream.Resource(r.Attribute("to")))
		}
	}
	return false
}

// isSent says whether a message is one that the gateway sent: it knows best then
// what it said.
func (a *account) isSent(ref string) bool {
	_, sent := a.memory.sent.get(ref)
	return sent
}

// readRetraction reads both versions of XEP-0424, and what a moderator takes away
// (XEP-0425).
func readRetraction(s *stream.Stanza) (id, why string, ok bool) {
	if r := s.Child(nsRetract, "retract"); r.Attribute("id") != "" {
		return r.Attribute("id"), lines(r.Child(nsRetract, "reason").Chars()), true
	}
	f := s.Child(nsFasten, "apply-to")
	if f.Attribute("id") == "" {
		return "", "", false
	}
	if f.Child(nsRetractOld, "retract") != nil {
		return f.Attribute("id"), "", true
	}
	if m := f.Child(nsModerateOld, "moderated"); m.Child(nsRetractOld, "retract") != nil {
		return f.Attribute("id"), lines(m.Child(nsModerateOld, "reason").Chars()), true
	}
	return "", "", false
}

// maxEmoji is how many reactions of one person to one message count.
const maxEmoji = 8

// react reads a reaction (XEP-0444): it names all that are to stand from now on,
// so that what changed has to be found out.
func (a *account) react(r *stream.Element, m *bridge.MessageReceived) {
	var now []string
	for _, c := range r.All(nsReactions, "reaction") {
		emoji := strings.TrimSpace(lines(c.Text))
		if emoji != "" && len(emoji) <= 64 && !slices.Contains(now, emoji) && len(now) < maxEmoji {
			now = append(now, emoji)
		}
	}
	m.Target = a.anyTarget(m, r.Attribute("id"))
	key := reaction{m.Chat, m.From.ID, m.Target.Ref}
	before, known := a.memory.reactions.get(key)
	a.memory.reactions.put(maxReactions, key, now)
	added, removed := without(now, before), without(before, now)
	switch {
	case len(added) > 0:
		m.Act, m.Text = text.Reacted, strings.Join(added, " ")
	case len(removed) > 0 || len(now) == 0 && !known:
		m.Act, m.Text = text.Unreacted, strings.Join(removed, " ")
	}
}

// without returns what is in one list and not in another.
func without(list, other []string) (rest []string) {
	for _, x := range list {
		if !slices.Contains(other, x) {
			rest = append(rest, x)
		}
	}
	return rest
}

// understood are the payloads for which a part of the body stands only for those
// who do not know them (XEP-0428).
var understood = []string{nsReply, nsRetract, nsRetractOld, nsReactions, nsFileSharing, nsOOB, nsSharing}

// removeFallbacks takes out of a body what says again what the message's payloads
// say. Quote is what was taken out for a reply, without its marks.
func removeFallbacks(s *stream.Stanza, body string) (rest, quote string) {
	type span struct{ start, end int }
	var spans []span
	size := utf8.RuneCountInString(body)
	for _, f := range s.Children {
		if f.Name.Space != nsFallback || f.Name.Local != "fallback" || !slices.Contains(understood, f.Attribute("for")) {
			continue
		}
		ranges := f.All(nsFallback, "body")
		if len(ranges) == 0 && f.Child(nsFallback, "subject") == nil {
			ranges = []*stream.Element{stream.NewElement(nsFallback, "body")}
		}
		for _, r := range ranges {
			start, end, ok := readRange(r, size)
			if !ok {
				continue
			}
			spans = append(spans, span{start, end})
			if f.Attribute("for") == nsReply && quote == "" {
				quote = unquote(string([]rune(body)[start:end]))
			}
		}
	}
	if len(spans) == 0 {
		return body, ""
	}
	var b strings.Builder
	i := 0
	for _, r := range body {
		if !slices.ContainsFunc(spans, func(s span) bool { return s.start <= i && i < s.end }) {
			b.WriteRune(r)
		}
		i++
	}
	return b.String(), quote
}

// readRange reads start and end in characters; without either it is the whole.
func readRange(r *stream.Element, size int) (start, end int, ok bool) {
	if r.Attribute("start") == "" && r.Attribute("end") == "" {
		return 0, size, true
	}
	start, startOK := readCount(r.Attribute("start"), size)
	end, endOK := readCount(r.Attribute("end"), size)
	return start, end, startOK && endOK && start < end
}

// unquote takes the marks off a quotation, and the line that says whose it is.
func unquote(s string) string {
	var rows []string
	for row := range strings.SplitSeq(lines(s), "\n") {
		row, quoted := strings.CutPrefix(row, ">")
		if row = strings.TrimSpace(row); quoted && row != "" {
			rows = append(rows, row)
		}
	}
	if len(rows) > 1 && strings.HasSuffix(rows[0], ":") {
		rows = rows[1:]
	}
	return strings.Join(rows, "\n")
}
