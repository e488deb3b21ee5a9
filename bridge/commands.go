package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"papillon/msnp"
)

// helperCommand is something the helper contact can do.
type helperCommand struct {
	name, args, help string
	run              func(ctx context.Context, u *user, args string) string
}

// helperCommands is the table behind the helper contact; help is made from it.
// Commands run on the goroutine of the user's switchboard connection and may
// block.
func helperCommands() []helperCommand {
	return []helperCommand{
		{"help", "", "says what I understand", helpCommand},
		{"status", "", "says which networks you are on and what waits", statusCommand},
		{"add", "ADDRESS", "puts somebody on your contact list: add bob@example.org, add @bob:example.org", addCommand},
		{"join", "ROOM", "enters a room and puts it on your contact list: join #room:example.org, join room@conference.example.org", joinCommand},
		{"leave", "ROOM", "leaves a room for good", leaveCommand},
		{"rooms", "", "lists the rooms that you are in", roomsCommand},
		{"history", "[CONTACT] [N]", "shows the last messages of a conversation: history 20, history bob@example.org 20", historyCommand},
		{"settings", "[NAME VALUE]", "shows or changes how changed messages, reactions and the like are shown", settingsCommand},
		{"link", "", "says how your account is tied to networks, and how to change that", linkCommand},
	}
}

// command carries out what a user wrote to the helper contact and returns the
// answer.
func (g *Gateway) command(ctx context.Context, u *user, line string) string {
	name, args, _ := strings.Cut(strings.TrimSpace(line), " ")
	for _, c := range helperCommands() {
		if strings.EqualFold(name, c.name) {
			return c.run(ctx, u, strings.TrimSpace(args))
		}
	}
	return fmt.Sprintf("I do not know %q.\n%s", name, helpCommand(ctx, u, ""))
}

// helpCommand lists the commands.
func helpCommand(context.Context, *user, string) string {
	var b strings.Builder
	b.WriteString("I understand:")
	for _, c := range helperCommands() {
		b.WriteString("\n" + strings.TrimSpace(c.name+" "+c.args) + " - " + c.help)
	}
	return b.String()
}

// statusCommand says how the user stands.
func statusCommand(ctx context.Context, u *user, _ string) string {
	lines := []string{"You are " + string(u.handle) + "."}
	links := u.gateway.linksOf(u.handle)
	if len(links) == 0 {
		lines = append(lines, "You are on no network; you can chat with the other users of this server.")
	}
	for _, l := range links {
		line := fmt.Sprintf("%s: you are %s there", l.network.Name(), l.account.ID())
		if up, reason := l.state(); up {
			line += ", connected"
		} else {
			line += ", but it cannot be reached: " + reason
		}
		if n := l.outbox.waiting(); n > 0 {
			line += fmt.Sprintf("; %d of your messages wait to be sent", n)
		}
		lines = append(lines, line+".")
	}
	waiting, err := u.gateway.Storage.InboxOf(ctx, u.handle)
	if err != nil {
		u.log().Error().Err(err).Msg("Cannot read the inbox")
		return troubleAnswer
	}
	lines = append(lines, fmt.Sprintf("Messages that wait for you: %d.", len(waiting)))
	return strings.Join(lines, "\n")
}

// addCommand puts somebody on FL and AL, as the client's own window would, but
// takes addresses as their networks write them.
func addCommand(ctx context.Context, u *user, address string) string {
	if address == "" {
		return "Whom? For example: add bob@example.org"
	}
	who, err := u.gateway.whoisAddress(ctx, u.handle, address)
	if err == nil {
		err = u.addByCommand(ctx, msnp.Forward, who)
	}
	var refusal *msnp.Error
	switch {
	case err == nil:
	case errors.As(err, &refusal) && refusal.Code == msnp.CodeAlreadyThere:
		return string(who.handle) + " is on your contact list already."
	default:
		return u.complaint(err, "add a contact")
	}
	if err := u.addByCommand(ctx, msnp.Allow, who); err != nil && !errors.As(err, &refusal) {
		u.log().Error().Err(err).Msg("Cannot allow a contact")
	}
	return fmt.Sprintf("%s (%s) is on your contact list now.", who.bestName(""), who.handle)
}

// addByCommand adds an entry and pushes it to the client.
func (u *user) addByCommand(ctx context.Context, list msnp.List, who person) error {
	return u.AddContact(ctx, list, string(who.handle), "", func(change msnp.ListChange, status msnp.Status) {
		u.notifier.ListChanged(true, change)
		if list == msnp.Forward && status.Visible() {
			u.notifier.ContactStatus(msnp.ContactStatus{Contact: change.Contact, Status: status})
		}
	})
}

// whoisAddress finds out who an address means: an MSN handle, or an address as a
// network writes it.
func (g *Gateway) whoisAddress(ctx context.Context, account Handle, address string) (person, error) {
	if h, err := g.typedHandle(ctx, address); err == nil && !strings.HasPrefix(address, "@") {
		return g.whois(ctx, account, h)
	}
	for _, n := range g.Networks {
		id, ok := n.ParseContact(address)
		if !ok || g.linkOf(account, n.Name()) == nil {
			continue
		}
		found, err := g.lookUpID(ctx, account, n, id)
		if err != nil {
			return person{}, err
		}
		return personOf(found), nil
	}
	return person{}, msnp.Errorf(msnp.CodeInvalidUser, "%q is no address on a network that you are on", address)
}
