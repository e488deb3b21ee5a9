package xmpp

import (
	"context"
	"crypto/rand"
	"slices"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// argumentField is the field of a command's form.
const argumentField = "argument"

// The command that cannot be taken back asks whether it is meant: clients carry
// commands out at a click.
const (
	unlinkCommand = "unlink"
	confirmField  = "confirm"
	confirmWords  = "Remove my MSN account with its contact list"
)

// commands are what the desk does.
func (f *front) commands() []bridge.DeskCommand {
	f.gateway.network.mu.Lock()
	desk := f.gateway.network.desk
	f.gateway.network.mu.Unlock()
	if desk == nil {
		return nil
	}
	return desk.Commands()
}

// findCommand finds a command by its node.
func (f *front) findCommand(node string) (bridge.DeskCommand, bool) {
	all := f.commands()
	i := slices.IndexFunc(all, func(c bridge.DeskCommand) bool { return c.Name == node })
	if i < 0 {
		return bridge.DeskCommand{}, false
	}
	return all[i], true
}

// command carries out an ad-hoc command (XEP-0050). No state is kept between a
// form and its answer, so that nothing has to be cleaned up.
func (f *front) command(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza) {
	q := s.Child(nsCommands, "command")
	if q == nil || s.Type != "set" {
		f.refuse(s, "modify", "bad-request", "")
		return
	}
	command, ok := f.findCommand(q.Attribute("node"))
	if !ok {
		f.refuse(s, "cancel", "item-not-found", "")
		return
	}
	session := q.Attribute("sessionid")
	if session == "" {
		session = rand.Text()
	}
	answered := q.Child(nsData, "x")
	switch action := q.Attribute("action"); {
	case action == "cancel":
		f.result(s, commandState(command, session, "canceled"))
	case command.Argument != "" && answered == nil:
		f.result(s, commandState(command, session, "executing").With(
			stream.NewElement(nsCommands, "actions", "execute", "complete").With(stream.NewElement(nsCommands, "complete")),
			dataForm("form", command.Help, "", field(argumentField, "text-single", command.Argument, ""))))
	case command.Name == unlinkCommand && formValue(answered, confirmField) != "1" && formValue(answered, confirmField) != "true":
		f.result(s, commandState(command, session, "executing").With(
			stream.NewElement(nsCommands, "actions", "execute", "complete").With(stream.NewElement(nsCommands, "complete")),
			dataForm("form", command.Help, confirmWords, field(confirmField, "boolean", confirmWords, "0"))))
	default:
		f.carryOut(ctx, desk, person, s, command, session, formValue(answered, argumentField))
	}
}

// carryOut has the desk do it and tells the outcome, as a form and as a note.
func (f *front) carryOut(ctx context.Context, desk bridge.Desk, person bridge.RemoteID, s *stream.Stanza, command bridge.DeskCommand, session, argument string) {
	o := f.ask(ctx, desk, person, command.Name, argument)
	kind := "info"
	if !o.ok {
		kind = "error"
	}
	f.result(s, commandState(command, session, "completed").With(
		stream.NewText(nsCommands, "note", xmlText(o.answer), "type", kind),
		dataForm("result", command.Help, "", field("answer", "text-multi", "Answer", o.answer))))
	f.settle(person, o)
}

// commandState is what a command's answer begins with.
func commandState(c bridge.DeskCommand, session, status string) *stream.Element {
	return stream.NewElement(nsCommands, "command", "node", c.Name, "sessionid", session, "status", status)
}
