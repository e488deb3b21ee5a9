package text

import "strings"

// ToHTML writes text with a look as the formatted_body of a Matrix message
// (org.matrix.custom.html). Everything in the text is escaped; LF becomes <br>,
// and blanks that HTML would swallow become ones that stay. ok is false if the
// message needs none, because there is nothing about it that Matrix can show:
// it has no fonts. [FromHTML] reads it back.
func ToHTML(r Rich) (html string, ok bool) {
	s := r.Style.normal()
	if s.Font = ""; s.Plain() {
		return "", false
	}
	var before, after string
	if s.Colored {
		color := s.hexColor()
		before, after = `<font color="`+color+`" data-mx-color="`+color+`">`, "</font>"
	}
	for _, e := range s.effects() {
		if e.on {
			before += "<" + e.tag + ">"
			after = "</" + e.tag + ">" + after
		}
	}
	return before + escapeLines(r.Text, "<br>") + after, true
}

// ToXHTML writes text with a look as the content of the body element of an
// XHTML-IM message (XEP-0071): well-formed XML without a namespace of its own.
// ok is false if the message is plain and needs none.
func ToXHTML(r Rich) (xhtml string, ok bool) {
	s := r.Style.normal()
	if s.Plain() {
		return "", false
	}
	var css []string
	for _, e := range s.effects() {
		if e.on && e.css != "" {
			css = append(css, e.css)
		}
	}
	if decoration := s.decoration(); decoration != "" {
		css = append(css, "text-decoration: "+decoration)
	}
	if s.Colored {
		css = append(css, "color: "+s.hexColor())
	}
	if s.Font != "" {
		css = append(css, "font-family: '"+s.Font+"'")
	}
	return `<span style="` + strings.Join(css, "; ") + `">` + escapeLines(r.Text, "<br/>") + "</span>", true
}

// decoration is the value of text-decoration.
func (s Style) decoration() string {
	switch {
	case s.Underline && s.Strike:
		return "underline line-through"
	case s.Underline:
		return "underline"
	case s.Strike:
		return "line-through"
	}
	return ""
}

// escapeLines writes text as content of an element, with the given tag for line
// ends.
func escapeLines(s, lineBreak string) string {
	s = cleanLines(s)
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	collapses := true // a blank here would be lost
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '\n':
			b.WriteString(lineBreak)
		case '\t':
			b.WriteString("\u00a0\u00a0\u00a0\u00a0")
		case ' ':
			if collapses || i+1 == len(s) || s[i+1] == '\n' {
				b.WriteString("\u00a0")
			} else {
				b.WriteByte(' ')
			}
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '"':
			b.WriteString("&quot;")
		default:
			b.WriteByte(c)
		}
		collapses = c == ' ' || c == '\n' || c == '\t'
	}
	return b.String()
}
