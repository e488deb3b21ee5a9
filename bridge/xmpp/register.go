package xmpp

import (
	"context"
	"strings"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// registerWords explain the form.
const registerWords = "Choose the name of your MSN account. The password for your MSN client comes as a message from this address."

// register answers in-band registration (XEP-0077): the form, a registration, or
// its end.
func (f *front) register(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza) {
	account, signed, err := desk.Account(ctx, person)
	if err != nil {
		f.gateway.log.Error().Err(err).Msg("Cannot find out who has signed up")
		f.refuse(s, "wait", "internal-server-error", troubleWords)
		return
	}
	q := s.Child(nsRegister, "query")
	switch {
	case q == nil:
		f.refuse(s, "modify", "bad-request", "")
	case s.Type == "get":
		f.result(s, registerForm(account, signed))
	case q.Child(nsRegister, "remove") != nil:
		f.unregister(ctx, desk, person, s, signed)
	case signed && isNameOf(account, wishedName(q)):
		f.result(s) // nothing has to be changed
	case signed:
		// Nothing can be: the desk says why.
		f.refuse(s, "modify", "not-acceptable", f.ask(ctx, desk, person, "register", wishedName(q)).answer)
	default:
		f.newAccount(ctx, desk, person, s, wishedName(q))
	}
}

// registerForm is what there is to fill in.
func registerForm(account bridge.Handle, signed bool) *stream.Element {
	q := stream.NewElement(nsRegister, "query").With(stream.NewText(nsRegister, "instructions", registerWords))
	name := "" // not even a handle, of somebody who has none
	if signed {
		name = account.Local()
		q.With(stream.NewElement(nsRegister, "registered"))
	}
	return q.With(stream.NewText(nsRegister, "username", name), dataForm("form", "", registerWords,
		field("FORM_TYPE", "hidden", "", nsRegister), field("username", "text-single", "Name of the MSN account", name)))
}

// wishedName reads the name out of either kind of form.
func wishedName(q *stream.Element) string {
	if name := strings.TrimSpace(q.Child(nsRegister, "username").Chars()); name != "" {
		return name
	}
	return formValue(q.Child(nsData, "x"), "username")
}

// isNameOf says whether somebody who has an account asks for that one; no name is none
// other.
func isNameOf(account bridge.Handle, name string) bool {
	return name == "" || strings.EqualFold(name, account.Local()) || strings.EqualFold(name, string(account))
}

// newAccount signs somebody up.
func (f *front) newAccount(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza, name string) {
	o := f.ask(ctx, desk, person, "register", name)
	switch {
	case !o.ok:
		f.refuse(s, "wait", "internal-server-error", o.answer)
	case !o.after:
		f.refuse(s, "modify", "not-acceptable", o.answer)
	default:
		f.result(s)
		f.say(string(person), "chat", o.answer)
		f.settle(person, o)
	}
}

// unregister removes somebody's account.
func (f *front) unregister(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza, signed bool) {
	if !signed {
		f.refuse(s, "auth", "registration-required", "")
		return
	}
	o := f.ask(ctx, desk, person, unlinkCommand, "")
	if !o.ok || o.after {
		f.refuse(s, "wait", "internal-server-error", o.answer)
		return
	}
	f.result(s)
	f.settle(person, o)
}

// dataForm makes a data form (XEP-0004).
func dataForm(kind, title, instructions string, fields ...*stream.Element) *stream.Element {
	x := stream.NewElement(nsData, "x", "type", kind)
	if title != "" {
		x.With(stream.NewText(nsData, "title", title))
	}
	if instructions != "" {
		x.With(stream.NewText(nsData, "instructions", instructions))
	}
	return x.With(fields...)
}

// field makes one field of a form; several lines of value are several values.
func field(name, kind, label, value string) *stream.Element {
	e := stream.NewElement(nsData, "field", "var", name, "type", kind, "label", label)
	if value != "" {
		for line := range strings.SplitSeq(value, "\n") {
			e.With(stream.NewText(nsData, "value", xmlText(line)))
		}
	}
	return e
}

// formValue reads a field of a form that was filled in.
func formValue(x *stream.Element, name string) string {
	for _, f := range x.All(nsData, "field") {
		if f.Attribute("var") == name {
			return strings.TrimSpace(f.Child(nsData, "value").Chars())
		}
	}
	return ""
}
