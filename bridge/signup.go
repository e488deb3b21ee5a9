package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"papillon/msnp"
)

// desk implements [Desk] for one network.
type desk struct {
	gateway *Gateway
	network Network
}

// deskCommand is something that a desk does. Signed says that it is only for
// people who have an account.
type deskCommand struct {
	DeskCommand
	signed bool
	run    func(ctx context.Context, d *desk, person RemoteID, account Handle, argument string) (string, error)
}

// deskCommands is the table behind every network's sign-up.
func deskCommands() []deskCommand {
	return []deskCommand{
		{DeskCommand{"register", "NAME", "makes an MSN account for you"}, false, registerAtDesk},
		{DeskCommand{"password", "", "gives you a new app password; the old ones end"}, true, passwordAtDesk},
		{DeskCommand{"status", "", "says which MSN account is yours and whether it is signed in"}, true, statusAtDesk},
		{DeskCommand{"unlink", "", "removes your MSN account, with its contact list"}, true, unlinkAtDesk},
		{DeskCommand{"help", "", "says what I understand"}, false, helpAtDesk},
	}
}

// Commands implements [Desk].
func (d *desk) Commands() []DeskCommand {
	var all []DeskCommand
	for _, c := range deskCommands() {
		all = append(all, c.DeskCommand)
	}
	return all
}

// Account implements [Desk].
func (d *desk) Account(ctx context.Context, person RemoteID) (Handle, bool, error) {
	return d.gateway.Storage.SignedUp(ctx, d.network.Name(), person)
}

// Ask implements [Desk].
func (d *desk) Ask(ctx context.Context, person RemoteID, command, argument string) (string, error) {
	all := deskCommands()
	i := slices.IndexFunc(all, func(c deskCommand) bool { return strings.EqualFold(c.Name, command) })
	if i < 0 {
		answer, err := helpAtDesk(ctx, d, person, "", "")
		return fmt.Sprintf("I do not know %q.\n%s", command, answer), err
	}
	account, known, err := d.Account(ctx, person)
	if err != nil {
		return "", err
	}
	if all[i].signed && !known {
		return "You have no MSN account here. Say register and the name that you want.", nil
	}
	return all[i].run(ctx, d, person, account, strings.TrimSpace(argument))
}

// registerAtDesk makes an account.
func registerAtDesk(ctx context.Context, d *desk, person RemoteID, account Handle, name string) (string, error) {
	g := d.gateway
	if account != "" {
		return fmt.Sprintf("You have an MSN account already: %s. Say password for a new app password.", account), nil
	}
	kind := ""
	if linker, ok := d.network.(Linker); ok {
		var refusal string
		if kind, refusal = linker.LinkAs(person); refusal != "" {
			return refusal, nil
		}
	}
	if g.SignUp == nil || !g.SignUp(d.network.Name(), person) {
		return "Nobody can sign up from your address: ask the administrator of this server for an account.", nil
	}
	local, _ := d.network.Address(person)
	if name == "" {
		name = local
	}
	if !strings.Contains(name, "@") {
		name += "@" + g.Domain
	}
	h, err := msnp.ParseHandle(name)
	switch {
	case err != nil:
		return fmt.Sprintf("%q cannot be the name of an MSN account: use letters, digits, dots and dashes.", name), nil
	case !strings.EqualFold(h.Domain(), g.Domain) || h == g.assistant().Handle:
		return fmt.Sprintf("Your account can only be a free name at %s.", g.Domain), nil
	}
	password, err := g.NewPassword()
	if err != nil {
		return "", err
	}
	err = g.Storage.SignUp(ctx, SignUp{Handle: h, Name: local, Network: d.network.Name(), Person: person, Kind: kind, Password: password})
	switch {
	case errors.Is(err, ErrHandleTaken):
		return fmt.Sprintf("%s is taken. Say register and another name.", h), nil
	case errors.Is(err, ErrSignedUp):
		return "Your address belongs to an MSN account already, which the administrator of this server has linked: ask for its name and password there.", nil
	case err != nil:
		return "", err
	}
	g.Log.Info().Str("handle", string(h)).Str("network", d.network.Name()).Str("person", string(person)).Msg("Somebody signed up")
	return "Your MSN account is made.\n" + d.howTo(h, password), nil
}

// howTo says how to sign in.
func (d *desk) howTo(h Handle, password string) string {
	server := d.gateway.ServerAddress
	if server == "" {
		server = "the address of this server"
	}
	return fmt.Sprintf("Sign-in name: %s\nPassword: %s (for MSN clients only; it is shown this once)\nServer to set in the client: %s", h, password, server)
}

// passwordAtDesk makes a new app password.
func passwordAtDesk(ctx context.Context, d *desk, _ RemoteID, account Handle, _ string) (string, error) {
	password, err := d.gateway.NewPassword()
	if err != nil {
		return "", err
	}
	if err := d.gateway.Storage.ReplacePassword(ctx, account, d.network.Name(), password); err != nil {
		return "", err
	}
	return "Your earlier passwords have ended.\n" + d.howTo(account, password), nil
}

// statusAtDesk says how things stand.
func statusAtDesk(ctx context.Context, d *desk, _ RemoteID, account Handle, _ string) (string, error) {
	waiting, err := d.gateway.Storage.InboxOf(ctx, account)
	if err != nil {
		return "", err
	}
	state := "not signed in"
	if d.gateway.user(account) != nil {
		state = "signed in"
	}
	return fmt.Sprintf("Your MSN account is %s, %s. Messages that wait for it: %d.", account, state, len(waiting)), nil
}

// unlinkAtDesk removes the account.
func unlinkAtDesk(ctx context.Context, d *desk, _ RemoteID, account Handle, _ string) (string, error) {
	if err := d.gateway.Storage.RemoveAccount(ctx, account); err != nil && !errors.Is(err, ErrNoAccount) {
		return "", err
	}
	d.gateway.Log.Info().Str("handle", string(account)).Str("network", d.network.Name()).Msg("Somebody removed his account")
	return fmt.Sprintf("Your MSN account %s is removed.", account), nil
}

// helpAtDesk lists the commands.
func helpAtDesk(_ context.Context, _ *desk, _ RemoteID, _ Handle, _ string) (string, error) {
	lines := []string{"I connect old MSN Messenger clients. I understand:"}
	for _, c := range deskCommands() {
		lines = append(lines, strings.TrimSpace(c.Name+" "+c.Argument)+" - "+c.Help)
	}
	return strings.Join(lines, "\n"), nil
}
