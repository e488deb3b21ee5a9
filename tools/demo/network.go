package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"papillon/msnp"
)

// network is a chat network that the demo can show: a server of it, with bob and
// carol on it. All calls come from one goroutine.
type network interface {
	// title is what the network is called.
	title() string
	// settings chooses what Papillon is told in its environment.
	settings() ([]string, error)
	// start starts the server and brings bob and carol there, once papillon init
	// has written its files into the folder.
	start(ctx context.Context, dir string, out *printer) error
	// connected waits until Papillon is connected to the network.
	connected(ctx context.Context) error
	// bob and carol are there after start.
	bob() person
	carol() person
	// scenes are what the demo shows on this network only. They are played once
	// alice has talked with bob and carol.
	scenes(c *conversation) []scene
	// self is alice as people on the network see her.
	self() string
	// invite tells how to try it with a client of one's own.
	invite() string
	// stop ends the people and the server, as far as there are any.
	stop() error
}

// person is somebody on the network with a client of it. The calls that begin
// with see or read wait for it to happen.
type person interface {
	address() string // on the network
	handle() string  // on MSN
	// meet answers alice who has put this person on her list.
	meet(ctx context.Context) error
	// join enters the conversation that alice has begun.
	join(ctx context.Context) error
	// approach makes a way to alice for somebody whom she does not know.
	approach(ctx context.Context) error
	say(ctx context.Context, words string) error
	read(ctx context.Context, words string) error
	typeOn(ctx context.Context) error
	seeTyping(ctx context.Context) error
	// show sets the presence to Online, Away or Offline.
	show(ctx context.Context, status msnp.Status) error
	// see waits until alice is Busy or Offline.
	see(ctx context.Context, status msnp.Status) error
}

// networks makes what the flag -network can name.
var networks = map[string]func() network{
	"matrix": func() network { return &matrixNetwork{} },
	"xmpp":   func() network { return &xmppNetwork{} },
}

// networkNamed returns a network that can be shown.
func networkNamed(name string) (network, error) {
	if build := networks[name]; build != nil {
		return build(), nil
	}
	known := slices.Sorted(maps.Keys(networks))
	return nil, fmt.Errorf("there is no demo for the network %q: NETWORK is one of %s", name, strings.Join(known, ", "))
}
