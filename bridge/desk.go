package bridge

import "context"

// Desk is where people of a network sign up: they write to the gateway's own
// account there, fill in a form or run a command, from the address that they have
// proved to be theirs by doing so. Its commands are the same for every network. All
// methods are safe from any goroutine and may block.
type Desk interface {
	// Commands lists what a person can ask for.
	Commands() []DeskCommand
	// Ask carries a command out and returns the answer, several lines of plain
	// text. An error is the gateway's own trouble and not for that person's eyes.
	Ask(ctx context.Context, person RemoteID, command, argument string) (answer string, err error)
	// Account returns the account that a person signed up for.
	Account(ctx context.Context, person RemoteID) (account Handle, ok bool, err error)
}

// DeskCommand is something that a [Desk] does.
type DeskCommand struct {
	// Name is what people write: "register".
	Name string
	// Argument names what they may add; empty where there is nothing.
	Argument string
	// Help is half a line.
	Help string
}

// Linker is a [Reception] whose people go on with the accounts that they have there.
type Linker interface {
	// LinkAs returns the kind of identity ([Login.Kind]), with the person's own id,
	// that an account gets when somebody signs up for it; for somebody who cannot
	// sign up, a line that says why and what to do.
	LinkAs(person RemoteID) (kind, refusal string)
}

// Reception is a [Network] at which people sign up. The gateway hands it the
// desk before it opens the first account.
type Reception interface {
	Attend(desk Desk)
}
