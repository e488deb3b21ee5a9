package xmpptest

import (
	"context"
	"fmt"
	"strings"
)

// SeedRoster gives an account a roster of contacts with the subscription both,
// in one go: thousands take a second, where a client would need minutes. Only
// JID, Name and the first of Groups are taken from a contact; what the contacts
// themselves have is not touched, so let them be of a domain that nobody serves:
// a server that has them finds out at the next login that they know nothing of
// it. The account must not be signed in, and must have no roster yet.
func (s *Server) SeedRoster(ctx context.Context, name string, contacts []Contact) error {
	if err := s.program.seedRoster(ctx, s, name, contacts); err != nil {
		return fmt.Errorf("seed the roster of %s on %s: %w", name, s.Kind, err)
	}
	return nil
}

// seedRoster implements program: the file is the one of the internal store.
func (p prosody) seedRoster(_ context.Context, s *Server, name string, contacts []Contact) error {
	var b strings.Builder
	b.WriteString("return {\n\t[false] = { [\"version\"] = 1; [\"pending\"] = {}; };\n")
	for _, c := range contacts {
		group := ""
		if len(c.Groups) > 0 {
			group = "[" + luaString(c.Groups[0]) + "] = true;"
		}
		fmt.Fprintf(&b, "\t[%s] = { [\"subscription\"] = \"both\"; [\"name\"] = %s; [\"groups\"] = { %s }; };\n",
			luaString(c.JID), luaString(c.Name), group)
	}
	b.WriteString("};\n")
	return p.store(s, "roster", name, b.String())
}

// seedRoster implements program.
func (e ejabberd) seedRoster(ctx context.Context, s *Server, name string, contacts []Contact) error {
	var b strings.Builder
	for i, c := range contacts {
		user, host, _ := strings.Cut(c.JID, "@")
		group := ""
		if len(c.Groups) > 0 {
			group = c.Groups[0]
		}
		separator := ","
		if i == len(contacts)-1 {
			separator = ""
		}
		fmt.Fprintf(&b, "{%s, %s, %s, %s}%s\n", erlangBinary(user), erlangBinary(host), erlangBinary(group), erlangBinary(c.Name), separator)
	}
	const file = "roster.term"
	if err := s.write(file, []byte("["+b.String()+"].\n")); err != nil {
		return err
	}
	return e.call(ctx, s, "push_roster", map[string]string{"file": s.dir + "/" + file, "user": name, "host": s.Domain})
}

// luaString writes text as a literal of Lua.
func luaString(text string) string { return literal(text, `"`, `"`, `\%03d`) }

// erlangBinary writes text as a literal of Erlang.
func erlangBinary(text string) string { return literal(text, `<<"`, `">>`, `\x{%02x}`) }

// literal writes text between two quotes, with every byte escaped that is not
// plain in all languages.
func literal(text, begin, end, escape string) string {
	var b strings.Builder
	b.WriteString(begin)
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			fmt.Fprintf(&b, escape, c)
			continue
		}
		b.WriteByte(c)
	}
	b.WriteString(end)
	return b.String()
}
