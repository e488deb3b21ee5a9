package xmpp

// This file goes: each part of it moves to where it is built.

import (
	"context"
	"errors"

	"papillon/bridge"
)

var errPending = errors.New("not built yet")

// --- component.go

type gateway struct{}

func newGateway(*Network) (*gateway, error) { return nil, errPending }
func (g *gateway) open(context.Context, bridge.Login, bridge.Receiver) (bridge.Account, error) {
	return nil, errPending
}
func (g *gateway) run(context.Context) error { return errPending }

// --- login.go

func (n *Network) openLogin(context.Context, bridge.Login, bridge.Receiver) (bridge.Account, error) {
	return nil, errPending
}
