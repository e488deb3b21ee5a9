package main

import "errors"

// The commands of this file have their names and no more: they say so.

// linkCmd will link an account to an identity on a network.
type linkCmd struct {
	Args []string `arg:"" optional:"" passthrough:""`
}

// Run implements the command.
func (linkCmd) Run() error {
	return errors.New("this version cannot link accounts; every account is on Matrix by a ghost of its own, which needs no link")
}

// unlinkCmd will undo a link.
type unlinkCmd struct {
	Args []string `arg:"" optional:"" passthrough:""`
}

// Run implements the command.
func (unlinkCmd) Run() error {
	return errors.New("this version cannot link accounts, so there is nothing to unlink")
}

// doctorCmd will find what is wrong with an installation.
type doctorCmd struct {
	Args []string `arg:"" optional:"" passthrough:""`
}

// Run implements the command.
func (doctorCmd) Run() error {
	return errors.New("this version cannot examine itself; see the log of papillon serve and docs/matrix.md")
}
