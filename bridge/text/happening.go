package text

import "strings"

// Act is what somebody did to an earlier message, "" for nothing.
type Act string

// The acts. The values may be stored.
const (
	Edited    Act = "edit"
	Reacted   Act = "reaction"
	Unreacted Act = "unreaction"
	Deleted   Act = "deletion"
	Replied   Act = "reply"
)

// Policy is how much of an act a user wants to read.
type Policy string

// The policies. The values are what users say and what is stored; any other one
// counts as Short.
const (
	Short  Policy = "short"
	Full   Policy = "full"
	Hidden Policy = "hidden"
)

// Happening is something done to an earlier message.
type Happening struct {
	Act Act
	// Who is the display name of the one who did it, "" for the reader.
	Who string
	// Whose is the display name of the author of the earlier message, "" if
	// that is not known, or if it is the reader: then WhoseSelf is set.
	Whose     string
	WhoseSelf bool
	// Target is the text of the earlier message or its beginning, "" if it is
	// not known.
	Target string
	// New is the new text of an edit, the emoji of a reaction, the text of a
	// reply, the reason of a deletion.
	New string
}

const (
	// maxTarget is how much of the earlier message a short line quotes, in
	// bytes, and maxReplyTarget the line above a reply, which is its own.
	maxTarget, maxReplyTarget = 60, 90
	// maxName and maxEmoji bound what should be short, in bytes.
	maxName, maxEmoji = 80, 80
	// minDiff is from how many bytes on an edited message is not repeated if
	// only a few words of it are new.
	minDiff = 60
)

// Line words what was done: who did what to which message. Shown is false if
// the policy hides it.
//
//	[Bob: 👍 to your "see you at 5"]
//	[Bob took back 👍 to your "see you at 5"]
//	[Bob deleted "see you at 5": wrong window]
//	[Bob edited "see you at 5"] see you at 6
//	[Bob edited "I'll be at the station…"] * at 5 -> at 6
//
// These are Short, one line each. An edit shows the new text, or only the words
// that changed if that is clearly shorter. Full quotes the whole message, below
// the line if it has several lines itself, and of an edit the old and the new
// text. A reply is a message of its own and always shown: under a line that
// quotes the beginning of the other message (Short), under all of it (Full), or by
// itself (Hidden). A Happening without an act that is known here is just its New.
func Line(h Happening, p Policy) (line string, shown bool) {
	h = h.clean()
	switch h.Act {
	case Replied:
		return h.reply(p), true
	case Edited, Reacted, Unreacted, Deleted:
	default:
		return h.New, true
	}
	if p == Hidden {
		return "", false
	}
	if h.Act == Edited { // into a file, whose line follows, where there are no words
		return strings.TrimRight(h.edit(p), " \n"), true
	}
	sentence := h.reaction()
	if h.Act == Deleted {
		sentence = h.who() + " deleted "
	}
	which, below := h.which(p)
	sentence += which
	if reason := oneLine(h.New); h.Act == Deleted && reason != "" {
		sentence += ": " + reason
	}
	return "[" + sentence + "]" + below, true
}

// clean makes every part of it fit to stand in a line.
func (h Happening) clean() Happening {
	h.Who, h.Whose = cleanName(h.Who), cleanName(h.Whose)
	h.Target = strings.Trim(withoutQuote(cleanLines(h.Target)), "\n")
	h.New = cleanLines(h.New)
	return h
}

// cleanName makes a display name fit to stand between brackets: it cannot end
// them.
func cleanName(name string) string {
	return strings.NewReplacer("[", "(", "]", ")").Replace(Preview(name, maxName))
}

// withoutQuote leaves out what a message quotes at its beginning, unless that is
// all of it: it is not what its author said.
func withoutQuote(s string) string {
	rest := strings.TrimLeft(s, "\n")
	for strings.HasPrefix(rest, ">") {
		_, rest, _ = strings.Cut(rest, "\n")
		rest = strings.TrimLeft(rest, "\n")
	}
	if strings.TrimSpace(rest) == "" {
		return s
	}
	return rest
}

// oneLine writes a text on one line, whole.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (h Happening) who() string {
	if h.Who == "" {
		return "You"
	}
	return h.Who
}

// reaction is the beginning of the line for a reaction, up to the message.
func (h Happening) reaction() string {
	emoji := Preview(h.New, maxEmoji)
	switch {
	case h.Act == Reacted && emoji == "":
		return h.who() + " reacted to "
	case h.Act == Reacted:
		return h.who() + ": " + emoji + " to "
	case emoji == "":
		return h.who() + " took back a reaction to "
	}
	return h.who() + " took back " + emoji + " to "
}

// owner is whose message it is, "" if that goes without saying: who edits or
// deletes a message is its author if nothing else is said.
func (h Happening) owner() string {
	self := h.WhoseSelf && h.Who == "" || h.Whose != "" && h.Whose == h.Who
	switch {
	case self && (h.Act == Edited || h.Act == Deleted):
		return ""
	case h.WhoseSelf && self:
		return "your own "
	case h.WhoseSelf:
		return "your "
	case self:
		return "their own "
	case h.Whose != "":
		return h.Whose + "'s "
	}
	return ""
}

// which names the message that it was done to, and has what stands below the
// line: all of a message of several lines.
func (h Happening) which(p Policy) (which, below string) {
	owner := h.owner()
	noun := owner + "message"
	if owner == "" {
		noun = "a message"
	}
	switch {
	case strings.TrimSpace(h.Target) == "":
		return noun, ""
	case p != Full:
		return owner + quoted(Preview(h.Target, maxTarget)), ""
	case strings.Contains(h.Target, "\n"):
		return noun, "\n" + quoteLines(h.Target)
	}
	return owner + quoted(strings.TrimSpace(h.Target)), ""
}

// quoted sets words in quotation marks, so that they cannot end them.
func quoted(words string) string { return `"` + strings.ReplaceAll(words, `"`, "'") + `"` }

// quoteLines sets "> " before each line.
func quoteLines(s string) string {
	return "> " + strings.ReplaceAll(s, "\n", "\n> ")
}

// edit words an edit.
func (h Happening) edit(p Policy) string {
	head := "[" + h.who() + " edited "
	if p == Full && h.Target != "" {
		noun := h.owner() + "message"
		if h.owner() == "" {
			noun = "a message"
		}
		return head + noun + "]\n" + quoteLines(h.Target) + "\n" + strings.Trim(h.New, "\n")
	}
	which, _ := h.which(Short)
	if p == Full {
		return head + which + "] " + strings.Trim(h.New, "\n")
	}
	if changed, ok := changedWords(h.Target, h.New); ok {
		return head + which + "] * " + changed
	}
	return head + which + "] " + oneLine(h.New)
}

// changedWords is what an edit changed, "old words -> new words", if that is
// clearly shorter than the new text. Where words were only added or taken out,
// one beside them says where.
func changedWords(before, after string) (changed string, ok bool) {
	was, is := strings.Fields(before), strings.Fields(after)
	if len(after) < minDiff || strings.HasSuffix(before, "…") { // the rest of it is not known
		return "", false
	}
	first := 0
	for first < len(was) && first < len(is) && was[first] == is[first] {
		first++
	}
	last := 0
	for last < len(was)-first && last < len(is)-first && was[len(was)-1-last] == is[len(is)-1-last] {
		last++
	}
	if first+last == len(was) || first+last == len(is) {
		switch {
		case first > 0:
			first--
		case last > 0:
			last--
		}
	}
	from, to := strings.Join(was[first:len(was)-last], " "), strings.Join(is[first:len(is)-last], " ")
	if from == to || from == "" || to == "" || 2*(len(from)+len(to)) > len(after) {
		return "", false
	}
	return from + " -> " + to, true
}

// reply is a message under what it answers.
func (h Happening) reply(p Policy) string {
	if p == Hidden {
		return h.New
	}
	author := h.Whose
	if h.WhoseSelf {
		author = "you"
	}
	target := h.Target
	if p != Full {
		target = Preview(target, maxReplyTarget)
	}
	switch {
	case strings.TrimSpace(target) == "" && author == "":
		target = "(an earlier message)"
	case strings.TrimSpace(target) == "":
		target = author + ": (an earlier message)"
	case author != "":
		target = author + ": " + target
	}
	if h.New == "" { // a file, whose line follows
		return quoteLines(target)
	}
	return quoteLines(target) + "\n" + h.New
}
