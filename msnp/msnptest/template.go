package msnptest

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// token is a piece of a text in a transcript.
type token struct {
	kind tokenKind
	// text is the literal, the variable's name, or for a wildcard the name it
	// binds, if any.
	text     string
	password string // of a digest: the variable that holds it
}

type tokenKind uint8

const (
	literal tokenKind = iota
	variable
	digest
	length
	wildcard
)

// template is a text with its escapes resolved.
type template []token

var expression = regexp.MustCompile(`^(?:(len)|(\*)|md5:([A-Za-z_]\w*)(?::([A-Za-z_]\w*))?|([A-Za-z_]\w*)(=\*)?)$`)

// parseTemplate resolves what is described in the package comment.
func parseTemplate(text string) (template, error) {
	var t template
	var plain []byte
	for rest := text; rest != ""; {
		switch rest[0] {
		case '\\':
			c, n, err := unescape(rest)
			if err != nil {
				return nil, err
			}
			plain, rest = append(plain, c), rest[n:]
		case '{':
			inner, after, ok := strings.Cut(rest[1:], "}")
			if !ok {
				return nil, fmt.Errorf("{ without }; write \\{ for a brace")
			}
			tok, err := parseExpression(inner)
			if err != nil {
				return nil, err
			}
			t = append(t, token{kind: literal, text: string(plain)}, tok)
			plain, rest = nil, after
		default:
			plain, rest = append(plain, rest[0]), rest[1:]
		}
	}
	return append(t, token{kind: literal, text: string(plain)}), nil
}

func parseExpression(inner string) (token, error) {
	m := expression.FindStringSubmatch(inner)
	switch {
	case m == nil:
		return token{}, fmt.Errorf("{%s} is nothing known; write \\{ for a brace", inner)
	case m[1] != "":
		return token{kind: length}, nil
	case m[2] != "":
		return token{kind: wildcard}, nil
	case m[3] != "" && m[4] != "":
		return token{kind: digest, text: m[3], password: m[4]}, nil
	case m[3] != "":
		return token{kind: digest, text: m[3], password: "password"}, nil
	case m[6] != "":
		return token{kind: wildcard, text: m[5]}, nil
	}
	return token{kind: variable, text: m[5]}, nil
}

// unescape reads the escape that s begins with and returns its length.
func unescape(s string) (c byte, n int, err error) {
	if len(s) > 1 {
		if i := strings.IndexByte(`rnt0\{}`, s[1]); i >= 0 {
			return "\r\n\t\x00\\{}"[i], 2, nil
		}
	}
	if len(s) >= 4 && s[1] == 'x' {
		if value, err := strconv.ParseUint(s[2:4], 16, 8); err == nil {
			return byte(value), 4, nil
		}
	}
	return 0, 0, fmt.Errorf("unknown escape %q", s[:min(len(s), 4)])
}

// render makes the bytes to send.
func (t template) render(vars map[string]string, bodyLen int) (string, error) {
	var b strings.Builder
	for _, tok := range t {
		text, err := tok.value(vars, bodyLen)
		if err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (tok token) value(vars map[string]string, bodyLen int) (string, error) {
	switch tok.kind {
	case literal:
		return tok.text, nil
	case length:
		return strconv.Itoa(bodyLen), nil
	}
	text, ok := vars[tok.text]
	if !ok {
		return "", fmt.Errorf("variable %q has no value", tok.text)
	}
	if tok.kind == digest {
		password, ok := vars[tok.password]
		if !ok {
			return "", fmt.Errorf("variable %q has no value", tok.password)
		}
		text = Digest(text, password)
	}
	return text, nil
}

// match compares what came with the template and binds its variables if it is
// the same.
func (t template) match(got string, vars map[string]string) (bool, error) {
	var pattern strings.Builder
	var names []string
	pattern.WriteString(`\A`)
	for _, tok := range t {
		switch tok.kind {
		case wildcard:
			pattern.WriteString(`([^ \t\r\n]+)`)
			names = append(names, tok.text)
		case length: // the body was read by it, and is compared itself
			pattern.WriteString(`[0-9]+`)
		default:
			text, err := tok.value(vars, 0)
			if err != nil {
				return false, err
			}
			pattern.WriteString(regexp.QuoteMeta(latin1(text)))
		}
	}
	re, err := regexp.Compile(pattern.String() + `\z`)
	if err != nil {
		return false, fmt.Errorf("compile the expected line: %w", err)
	}
	m := re.FindStringSubmatch(latin1(got))
	if m == nil {
		return false, nil
	}
	bound := make(map[string]string)
	for i, name := range names {
		if name != "" {
			bound[name] = fromLatin1(m[i+1])
		}
	}
	maps.Copy(vars, bound)
	return true, nil
}

// latin1 makes one character of each byte: lines need not be UTF-8, but regular
// expressions must be.
func latin1(s string) string {
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

func fromLatin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}
