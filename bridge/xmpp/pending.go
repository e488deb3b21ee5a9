package xmpp

// This file goes: each part of it moves to where it is built.

import (
	"context"
	"errors"

	"papillon/bridge"
)

var errPending = errors.New("not built yet")

// --- login.go

func (n *Network) openLogin(context.Context, bridge.Login, bridge.Receiver) (bridge.Account, error) {
	return nil, errPending
}
