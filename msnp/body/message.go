package body

import (
	"bytes"
	"errors"
	"strings"
)

// The media types that are known here; old clients drop others silently.
const (
	TypeText       = "text/plain"
	TypeControl    = "text/x-msmsgscontrol"
	TypeProfile    = "text/x-msmsgsprofile"
	TypeInvitation = "text/x-msmsgsinvite"
)

// ErrEmpty is returned by [Parse] for a body of no bytes at all.
var ErrEmpty = errors.New("message is empty")

// Field is one header field, in the case in which it was or will be sent.
type Field struct{ Name, Value string }

// Message is a MSG body. The zero value has no header and is not valid on the
// wire; make one with [Parse], [NewText] and their like.
type Message struct {
	// Header holds the fields in their order.
	Header []Field
	// Content is what follows the blank line, byte for byte.
	Content []byte
}

// Parse splits a body into header and content. The content shares memory with
// raw.
//
// The header ends at a blank line, or before the first line that is no field:
// without a blank line, what follows is content. Control bytes in a value
// become spaces, a folded value becomes one line, and blanks around a value are
// dropped. A body that does not begin with a header is content from its first
// byte, and so is one whose first lines look like fields ("Bob: hello") but are
// neither ended by a blank line nor name MIME-Version or Content-Type: such a text
// is not to be lost. A blank line at the beginning is a header without fields. The only error is [ErrEmpty].
func Parse(raw []byte) (Message, error) {
	if len(raw) == 0 {
		return Message{}, ErrEmpty
	}
	fields, rest, ended := parseFields(raw)
	if !ended && get(fields, "MIME-Version") == "" && get(fields, "Content-Type") == "" {
		fields, rest = nil, raw
	}
	return Message{Header: fields, Content: rest[:len(rest):len(rest)]}, nil
}

// parseFields reads fields up to a blank line, which it uses up, or to a line
// that is none, which begins rest. Ended says that there was a blank line.
func parseFields(raw []byte) (fields []Field, rest []byte, ended bool) {
	for rest = raw; len(rest) > 0; {
		line, after := cutLine(rest)
		trimmed := strings.Trim(line, blanks)
		switch name, value, ok := cutField(line); {
		case ok:
			fields = append(fields, Field{Name: name, Value: value})
		case trimmed == "":
			return fields, after, true
		case len(fields) > 0 && strings.IndexByte(blanks, line[0]) >= 0:
			last := &fields[len(fields)-1]
			last.Value = strings.Trim(last.Value+" "+cleanValue(trimmed), blanks)
		default:
			return fields, rest, false
		}
		rest = after
	}
	return fields, rest, false
}

const blanks = " \t"

// cutLine takes a line that ends in CRLF, LF or with the bytes.
func cutLine(raw []byte) (line string, after []byte) {
	head, after, _ := bytes.Cut(raw, []byte{'\n'})
	return string(bytes.TrimSuffix(head, []byte{'\r'})), after
}

// cutField reads "Name: value". The space is optional, a blank in the name is
// a sign that this is text.
func cutField(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, ":")
	if !ok || name == "" || cleanName(name) != name {
		return "", "", false
	}
	return name, strings.Trim(cleanValue(value), blanks), true
}

// cleanName keeps what may stand in the name of a field (RFC 822 §3.1.2).
func cleanName(name string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f || r == ':' {
			return -1
		}
		return r
	}, name)
}

// cleanValue makes spaces of what could end the line or is a control byte.
// It works on bytes: a value need not be UTF-8.
func cleanValue(value string) string {
	isControl := func(c byte) bool { return c < ' ' || c == 0x7f }
	for i := 0; i < len(value); i++ {
		if isControl(value[i]) {
			clean := []byte(value)
			for j := i; j < len(clean); j++ {
				if isControl(clean[j]) {
					clean[j] = ' '
				}
			}
			return string(clean)
		}
	}
	return value
}

// Append appends the message to dst as it goes over the wire: CRLF after each
// field, a blank line, the content. Nothing in a field can begin another one:
// bytes that have no place in a name are left out (and the field with them, if
// nothing is left of its name), control bytes in a value become spaces.
func (m Message) Append(dst []byte) []byte {
	dst = appendFields(dst, m.Header)
	dst = append(dst, '\r', '\n')
	return append(dst, m.Content...)
}

func appendFields(dst []byte, fields []Field) []byte {
	for _, field := range fields {
		name := cleanName(field.Name)
		if name == "" {
			continue
		}
		dst = append(dst, name...)
		dst = append(dst, ": "...)
		dst = append(dst, strings.Trim(cleanValue(field.Value), blanks)...)
		dst = append(dst, '\r', '\n')
	}
	return dst
}

// Get returns the value of the first field of that name, without regard to
// case, or "".
func (m Message) Get(name string) string { return get(m.Header, name) }

func get(fields []Field, name string) string {
	for _, field := range fields {
		if strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}

// MediaType returns the type of the content in lower case and without
// parameters, "text/plain" for "text/plain;charset=UTF-8", and also when the
// message does not say (RFC 1521 §7.1).
func (m Message) MediaType() string {
	media, _, _ := strings.Cut(m.Get("Content-Type"), ";")
	if media = strings.ToLower(strings.Trim(media, blanks)); media == "" {
		return TypeText
	}
	return media
}

// newMessage begins every message that is made here: some clients want these
// two fields first and in this order (XMSNC, Kopete).
func newMessage(contentType string, more ...Field) Message {
	header := make([]Field, 0, 2+len(more))
	header = append(header, Field{"MIME-Version", "1.0"}, Field{"Content-Type", contentType})
	return Message{Header: append(header, more...)}
}

// crlf is the content of a message that has none: gaim of 2000 opens a window
// for one that ends with its header, and crashes on one without a blank line.
const crlf = "\r\n"

// NewProfile makes the message that a server sends after a sign-in, from
// "Hotmail Hotmail": fields and no content. The caller gives all fields behind
// MIME-Version and Content-Type, beginning with LoginTime.
func NewProfile(fields []Field) Message {
	m := newMessage(TypeProfile+"; charset=UTF-8", fields...)
	m.Content = []byte(crlf)
	return m
}

// NewTyping makes the message that says that a user is typing; it is repeated
// every few seconds. Its type must not have a charset, and two empty lines end
// it (Kopete).
func NewTyping(user string) Message {
	m := newMessage(TypeControl, Field{"TypingUser", user})
	m.Content = []byte(crlf)
	return m
}

// Typing returns who is typing, as that client wrote the handle; ok is false
// for any other message.
func (m Message) Typing() (user string, ok bool) {
	if m.MediaType() != TypeControl {
		return "", false
	}
	user = m.Get("TypingUser")
	return user, user != ""
}
