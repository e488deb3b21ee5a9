// Command papillon is an MSN Messenger server whose contacts live on Matrix and
// XMPP. Run it without arguments for its subcommands; one file here holds each.
// serve.go is the only place where the parts of the program are wired together.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "unversioned"

// The exit codes; scripts rely on them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// commands are the subcommands.
type commands struct {
	Init          initCmd          `cmd:"" help:"Write a configuration, a key and the Matrix registrations, with fresh secrets."`
	Serve         serveCmd         `cmd:"" help:"Run the server until SIGTERM or SIGINT."`
	Account       accountCmd       `cmd:"" help:"Manage the MSN accounts."`
	Link          linkCmd          `cmd:"" help:"Link an account to an identity of its own on a network."`
	Unlink        unlinkCmd        `cmd:"" help:"Undo a link."`
	Registration  registrationCmd  `cmd:"" help:"Print the Matrix registration again."`
	ExampleConfig exampleConfigCmd `cmd:"" name:"example-config" help:"Print a configuration with every setting explained."`
	Doctor        doctorCmd        `cmd:"" help:"Walk the whole chain and name what is wrong."`
	Version       versionCmd       `cmd:"" help:"Print the version."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run parses the command line, runs the command and returns the exit code.
func run(args []string, in io.Reader, out, errOut io.Writer) (code int) {
	exit := -1
	parser, err := kong.New(&commands{},
		kong.Name("papillon"),
		kong.Description("An MSN Messenger server whose contacts live on Matrix and XMPP."),
		kong.Writers(out, errOut),
		kong.Exit(func(code int) { exit = code }),
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(errOut, "papillon:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help has been answered
		return exit
	}
	if err != nil {
		fmt.Fprintf(errOut, "papillon: %v; see papillon --help\n", err)
		return exitUsage
	}
	err = parsed.Run(&streams{in, out, errOut})
	if err == nil {
		return exitOK
	}
	// Errors that were joined stand on lines of their own.
	fmt.Fprintln(errOut, "papillon:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.As(err, &configError{}) {
		return exitUsage
	}
	return exitFailed
}

// configFlag is the flag of all commands that need the configuration.
type configFlag struct {
	Config string `short:"c" default:"config.yaml" help:"The configuration file." type:"path"`
}

// versionCmd prints the version.
type versionCmd struct{}

// Run implements the command.
func (versionCmd) Run(io *streams) error {
	_, err := fmt.Fprintln(io.out, "papillon", version)
	return err
}
