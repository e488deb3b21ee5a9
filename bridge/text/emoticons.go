package text

import "sync"

// emoticon is a picture that both sides have.
type emoticon struct {
	// codes are how MSN clients write it, in the case in which the official
	// client inserts them; the first one is written to clients.
	codes []string
	// emoji are what networks have for it, the first one is written to them.
	// Without skin tones and ZWJ sequences, and but for the first one without
	// U+FE0F: that is how they are looked up.
	emoji []string
	// era is the first in which clients can be sent the code: Plain for those
	// that everybody read as faces before there were pictures.
	era Era
	// place is where in running text the code is taken for the emoticon.
	place place
}

// place says where a code in what an MSN user writes is taken for an emoticon;
// see [ToNetwork].
type place uint8

const (
	// among: only where there is nothing but emoticons. For codes that prose
	// has uses of its own for: (a) first, (c) 1999, pl. as in (pl).
	among place = iota
	// ending: also where nothing but emoticons follows on the line, if
	// written as the official client inserts it: in capitals. In lower case
	// these are marks and units: (s), (f), (h).
	ending
	// apart: wherever it stands by itself, between blanks or punctuation.
	apart
	// attached: also directly behind a word.
	attached
	// nowhere: other generations and other messengers give the code another
	// meaning, and what is typed does not tell which one is meant.
	nowhere
)

// emoticons is the table of all of them. The codes are those of the official
// clients, the choice of emoji is ours.
var emoticons = [...]emoticon{
	// Clients 3.0 and later.
	{[]string{":)", ":-)"}, []string{"🙂", "😊", "☺"}, Plain, attached},
	{[]string{":D", ":-D", ":>", ":->"}, []string{"😃", "😀", "😄", "😁", "😆", "😂", "🤣"}, Plain, apart},
	{[]string{";)", ";-)"}, []string{"😉"}, Plain, apart},
	{[]string{":O", ":-O"}, []string{"😮", "😯", "😲", "😱"}, Plain, apart},
	{[]string{":P", ":-P"}, []string{"😛", "😜", "😝"}, Plain, apart},
	{[]string{"(H)"}, []string{"😎"}, Classic, ending},
	{[]string{":@", ":-@"}, []string{"😠", "😡", "🤬"}, Classic, apart},
	{[]string{":$", ":-$"}, []string{"😳"}, Classic, apart},
	{[]string{":S", ":-S"}, []string{"😕", "😖", "😣"}, Classic, apart},
	{[]string{":(", ":-(", ":<"}, []string{"🙁", "☹", "😞", "😟"}, Plain, attached},
	{[]string{":'("}, []string{"😢", "😭"}, Plain, attached},
	{[]string{":|", ":-|"}, []string{"😐"}, Plain, apart},
	{[]string{"(6)"}, []string{"😈", "👿"}, Classic, among},
	{[]string{"(A)"}, []string{"😇"}, Classic, among},
	{[]string{"(L)"}, []string{"❤️", "❤", "💕", "💖", "💗", "🧡", "💙", "💚", "💛", "💜", "🖤", "♥"}, Classic, apart},
	{[]string{"(U)"}, []string{"💔"}, Classic, ending},
	{[]string{"(M)"}, []string{"👤"}, Classic, among}, // the MSN logo
	{[]string{"(@)"}, []string{"🐱", "🐈"}, Classic, ending},
	{[]string{"(&)"}, []string{"🐶", "🐕"}, Classic, ending},
	{[]string{":[", ":-["}, []string{"🦇"}, Classic, apart},
	{[]string{"(Z)"}, []string{"👦"}, Classic, ending},
	{[]string{"(X)"}, []string{"👧"}, Classic, among},
	{[]string{"(F)"}, []string{"🌹"}, Classic, ending},
	{[]string{"(W)"}, []string{"🥀"}, Classic, ending},
	{[]string{"(K)"}, []string{"💋", "😘", "😗", "💏"}, Classic, apart},
	{[]string{"(G)"}, []string{"🎁"}, Classic, ending},
	{[]string{"(^)"}, []string{"🎂"}, Classic, ending},
	{[]string{"(P)"}, []string{"📷"}, Classic, ending},
	{[]string{"(I)"}, []string{"💡"}, Classic, among},
	{[]string{"(C)"}, []string{"☕"}, Classic, among},
	{[]string{"(T)"}, []string{"📞"}, Classic, ending},
	{[]string{"({)", "(})"}, []string{"🤗", "🫂"}, Classic, apart},
	{[]string{"(B)"}, []string{"🍺", "🍻"}, Classic, among},
	{[]string{"(D)"}, []string{"🍸"}, Classic, among},
	{[]string{"(Y)"}, []string{"👍"}, Classic, apart},
	{[]string{"(N)"}, []string{"👎"}, Classic, apart},
	{[]string{"(8)"}, []string{"🎵", "🎶"}, Classic, among},
	{[]string{"(*)"}, []string{"⭐", "🌟"}, Classic, among},
	{[]string{"(S)"}, []string{"🌙", "🌛", "🌜"}, Classic, ending},
	{[]string{"(#)"}, []string{"☀️", "☀"}, Classic, among},
	{[]string{"(R)"}, []string{"🌈"}, Classic, among},
	{[]string{"(E)"}, []string{"✉️", "✉", "📧", "📨"}, Classic, among},
	{[]string{"(O)"}, []string{"🕒"}, Classic, ending},
	{[]string{"(~)"}, []string{"🎬"}, Classic, ending},
	{[]string{"(%)"}, []string{"⛓️", "⛓"}, Classic, among},

	// Clients 6.0 and later. :-* is a secret and no kiss, 8-) rolls its eyes
	// and :^) does not know; everywhere else they mean a kiss, dark glasses
	// and a smile.
	{[]string{"8o|"}, []string{"😬"}, Modern, apart},
	{[]string{"8-|"}, []string{"🤓"}, Modern, apart},
	{[]string{"^o)"}, []string{"🤨"}, Modern, apart},
	{[]string{":-*"}, []string{"🤫"}, Modern, nowhere},
	{[]string{"+o("}, []string{"🤢", "🤮", "🤒", "😷"}, Modern, apart},
	{[]string{":^)"}, []string{"🤷"}, Modern, nowhere},
	{[]string{"*-)"}, []string{"🤔"}, Modern, apart},
	{[]string{"<:o)"}, []string{"🥳"}, Modern, apart},
	{[]string{"8-)"}, []string{"🙄"}, Modern, nowhere},
	{[]string{"|-)"}, []string{"😴", "😪", "💤"}, Modern, apart},
	{[]string{":-#"}, []string{"🤐"}, Modern, apart},
	{[]string{"('.')"}, []string{"🐰"}, Modern, apart},
	{[]string{"(sn)"}, []string{"🐌"}, Modern, among},
	{[]string{"(tu)"}, []string{"🐢"}, Modern, among},
	{[]string{"(bah)"}, []string{"🐑"}, Modern, among},
	{[]string{"(nah)"}, []string{"🐐"}, Modern, among},
	{[]string{"(pl)"}, []string{"🍽️", "🍽"}, Modern, among},
	{[]string{"(||)"}, []string{"🥣"}, Modern, among},
	{[]string{"(pi)"}, []string{"🍕"}, Modern, among},
	{[]string{"(so)"}, []string{"⚽"}, Modern, among},
	{[]string{"(xx)"}, []string{"🎮"}, Modern, among},
	{[]string{"(au)"}, []string{"🚗"}, Modern, among},
	{[]string{"(ap)"}, []string{"✈️", "✈"}, Modern, among},
	{[]string{"(um)"}, []string{"☂️", "☂"}, Modern, among},
	{[]string{"(st)"}, []string{"🌧️", "🌧"}, Modern, among},
	{[]string{"(li)"}, []string{"⛈️", "⛈"}, Modern, among},
	{[]string{"(ip)"}, []string{"🏝️", "🏝"}, Modern, among},
	{[]string{"(co)"}, []string{"💻"}, Modern, among},
	{[]string{"(mp)"}, []string{"📱"}, Modern, among},
	{[]string{"(h5)"}, []string{"🙌"}, Modern, apart},
	{[]string{"(yn)"}, []string{"🤞"}, Modern, among},
	{[]string{"(ci)"}, []string{"🚬"}, Modern, among},
	{[]string{"(mo)"}, []string{"💰"}, Modern, among},
}

// code is one way of writing an emoticon.
type code struct {
	text string
	*emoticon
}

// lookup is the table, arranged for both ways.
type lookup struct {
	// codes by their first byte, the longest first.
	codes [0x80][]code
	// emoji without U+FE0F.
	emoji map[string]*emoticon
	// kinds says what to look for in a byte.
	kinds [0x100]kind
}

// kind is why a byte of what an MSN user writes deserves a second look.
type kind byte

const (
	unclean kind = 1 << iota // control characters and all but ASCII
	begins                   // a code begins with it
)

// index arranges the table when it is first needed.
var index = sync.OnceValue(func() *lookup {
	l := &lookup{emoji: make(map[string]*emoticon)}
	for c := range l.kinds {
		if c >= 0x7f || c < ' ' && c != '\n' && c != '\t' {
			l.kinds[c] = unclean
		}
	}
	for i := range emoticons {
		e := &emoticons[i]
		for _, c := range e.codes {
			l.add(code{c, e})
		}
		for _, emoji := range e.emoji {
			l.emoji[bareEmoji(emoji)] = e
		}
	}
	return l
})

func (l *lookup) add(c code) {
	l.kinds[c.text[0]] = begins
	list := &l.codes[c.text[0]]
	at := 0
	for at < len(*list) && len((*list)[at].text) >= len(c.text) {
		at++
	}
	*list = append((*list)[:at], append([]code{c}, (*list)[at:]...)...)
}

// match returns the longest code that s begins with, compared without case.
func (l *lookup) match(s string) (c code, ok bool) {
	if s == "" || s[0] >= 0x80 {
		return code{}, false
	}
	for _, c := range l.codes[s[0]] {
		if len(s) >= len(c.text) && equalFold(s[:len(c.text)], c.text) {
			return c, true
		}
	}
	return code{}, false
}

// equalFold compares two strings of one length without regard to the case of
// the letters A to Z.
func equalFold(a, b string) bool {
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c-'A' < 26 {
		c += 'a' - 'A'
	}
	return c
}
