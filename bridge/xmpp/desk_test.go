package xmpp

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"papillon/bridge"
)

// scriptedDesk signs everybody up.
type scriptedDesk struct {
	mu      sync.Mutex
	people  map[bridge.RemoteID]bridge.Handle
	trouble error
}

func (d *scriptedDesk) Commands() []bridge.DeskCommand {
	return []bridge.DeskCommand{
		{Name: "register", Argument: "NAME", Help: "makes an account"}, {Name: "password", Help: "makes a new password"},
		{Name: "status", Help: "says how things stand"}, {Name: "unlink", Help: "removes the account"},
		{Name: "help", Help: "says what there is"},
	}
}

func (d *scriptedDesk) Account(_ context.Context, person bridge.RemoteID) (bridge.Handle, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, ok := d.people[person]
	return h, ok, d.trouble
}

func (d *scriptedDesk) Ask(_ context.Context, person bridge.RemoteID, command, argument string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch h, known := d.people[person]; {
	case d.trouble != nil:
		return "", d.trouble
	case command == "help":
		return "register NAME\npassword", nil
	case command == "register" && known:
		return "You have an account: " + string(h), nil
	case command == "register" && argument == "taken":
		return "taken is taken.", nil
	case command == "register":
		if d.people == nil {
			d.people = make(map[bridge.RemoteID]bridge.Handle)
		}
		d.people[person] = bridge.Handle(argument + "@msn.localhost")
		return "Your password: secret of " + argument, nil
	case !known:
		return "You have no account.", nil
	case command == "unlink":
		delete(d.people, person)
		return "Removed.", nil
	default:
		return fmt.Sprintf("%s of %s\nfor %s", strings.ToUpper(command), h, person), nil
	}
}
