package xmpp

import (
	"strings"
	"time"
	"unicode"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

// The lines for what cannot be shown as it is.
const (
	lineOMEMO     = "[encrypted message (OMEMO): the gateway cannot read it. Ask for encryption to be turned off in this chat]"
	lineEncrypted = "[encrypted message: the gateway cannot read it. Ask for encryption to be turned off in this chat]"
	lineCall      = "[is calling you, which works between newer programs only]"
	lineAttention = "[wants your attention]"
)

// readContent reads what a message says into m, whose Chat, From and Own stand.
// It returns false for what has nothing to show: chat states, receipts, steps of
// a machine's conversation with a machine.
func (a *account) readContent(s *stream.Stanza, m *bridge.MessageReceived) bool {
	m.Kind = bridge.Said
	if line, silent, ok := readEncrypted(s); ok {
		m.Kind, m.Text = bridge.Notice, line
		return !silent
	}
	if a.readAct(s, m) {
		return m.Act != ""
	}
	a.readWords(s, m)
	if m.Text != "" || len(m.Media) > 0 {
		return true
	}
	switch {
	case s.Child(nsJingle, "propose") != nil:
		m.Kind, m.Text = bridge.Notice, lineCall
	case s.Child(nsAttention, "attention") != nil:
		m.Kind, m.Text = bridge.Notice, lineAttention
	default:
		m.Act = "" // a correction or a reply without words
		return false
	}
	return true
}

// readEncrypted recognises what only the devices of people can read. Silent is
// true for a message that carries nothing but keys.
func readEncrypted(s *stream.Stanza) (line string, silent, ok bool) {
	for _, ns := range omemo {
		if e := s.Child(ns, "encrypted"); e != nil {
			return lineOMEMO, e.Child(ns, "payload") == nil, true
		}
	}
	if ns := s.Child(nsEncryption, "encryption").Attribute("namespace"); ns != "" {
		if strings.Contains(ns, "omemo") || strings.Contains(ns, "axolotl") {
			return lineOMEMO, false, true
		}
		return lineEncrypted, false, true
	}
	if s.Child(nsPGP, "x") != nil || strings.HasPrefix(s.Text("body"), "?OTR") {
		return lineEncrypted, false, true
	}
	return "", false, false
}

// readWords reads text, look and files.
func (a *account) readWords(s *stream.Stanza, m *bridge.MessageReceived) {
	words, quote := removeFallbacks(s, bodyOf(s))
	m.Media = readMedia(s)
	for _, media := range m.Media {
		if strings.TrimSpace(words) == media.Source {
			words = ""
		}
	}
	if quote != "" && m.Act == text.Replied && !a.isSent(m.Target.Ref) {
		m.Target.Text = quote
	}
	rich := readRich(s, words, words == bodyOf(s))
	if rest, ok := strings.CutPrefix(rich.Text, "/me "); ok && strings.TrimSpace(rest) != "" {
		m.Kind, rich.Text = bridge.Emoted, rest
	}
	m.Text, m.Style = rich.Text, rich.Style
	for _, address := range otherAddresses(s, words, m.Media) {
		m.Text = strings.TrimPrefix(m.Text+"\n"+address, "\n")
	}
	if s.Type != "groupchat" {
		m.Text = withSubject(s.Text("subject"), m.Text)
	}
}

// bodyOf returns the body that is in no particular language, else the first.
func bodyOf(s *stream.Stanza) string {
	for _, c := range s.Children {
		if c.Name.Space == "" && c.Name.Local == "body" && !hasLanguage(c) {
			return c.Text
		}
	}
	return s.Text("body")
}

func hasLanguage(e *stream.Element) bool {
	for _, a := range e.Attr {
		if a.Name.Local == "lang" {
			return true
		}
	}
	return false
}

// withSubject puts the subject of a letter before its text.
func withSubject(subject, words string) string {
	subject = strings.Join(strings.Fields(xmlText(subject)), " ")
	switch {
	case subject == "":
		return words
	case words == "":
		return "Subject: " + subject
	}
	return "Subject: " + subject + "\n" + words
}

// lines makes text of whatever stood in a stanza: LF line ends, no control
// characters, no blanks around it.
func lines(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	return strings.TrimRightFunc(strings.Trim(xmlText(s), "\n"), unicode.IsSpace)
}

// xmlText leaves out what XML 1.0 §2.2 does not allow in text.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r':
			return r
		case r < 0x20, r == 0xfffe, r == 0xffff:
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// sentAt returns when a message was sent: as it is known already, else as its
// delay says (XEP-0203), else now. No clock of others is right about the future.
func sentAt(s *stream.Stanza, known time.Time) time.Time {
	if known.IsZero() {
		known = readDelay(s.Children)
	}
	if known.IsZero() {
		return time.Now()
	}
	return notAfterNow(known)
}

func notAfterNow(t time.Time) time.Time {
	if now := time.Now(); t.After(now) {
		return now
	}
	return t
}

// readDelay returns the earliest time that a delay names (XEP-0203, XEP-0091);
// zero for none.
func readDelay(children []*stream.Element) (earliest time.Time) {
	for _, c := range children {
		var t time.Time
		var err error
		switch {
		case c.Name.Space == nsDelay && c.Name.Local == "delay":
			t, err = time.Parse(time.RFC3339, c.Attribute("stamp"))
		case c.Name.Space == nsDelayOld && c.Name.Local == "x":
			t, err = time.Parse("20060102T15:04:05", c.Attribute("stamp"))
		default:
			continue
		}
		if err == nil && t.Year() > 1998 && (earliest.IsZero() || t.Before(earliest)) {
			earliest = t
		}
	}
	return earliest
}
