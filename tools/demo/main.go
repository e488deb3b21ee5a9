// Command demo plays one conversation between a real MSN client and real
// clients of a modern network through a Papillon of its own, and prints what
// both sides see. It starts everything on loopback in temporary folders: the
// network's server (the Matrix homeserver Dendrite, or the XMPP server Prosody),
// Papillon beside it (as its appservice, or its component), the MSN account
// alice, and bob and carol on the network. Then it stays up, so that you can try
// it with clients of your own, until Ctrl-C. It leaves nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// sceneTimeout bounds the whole conversation.
const sceneTimeout = 2 * time.Minute

func main() {
	binary := flag.String("papillon", "./papillon", "the program to show")
	shown := flag.String("network", "matrix", "the network to show: matrix or xmpp")
	once := flag.Bool("once", false, "end after the conversation")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, *shown, *once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run sets the stage, plays, and stays up unless told otherwise.
func run(ctx context.Context, binary, shown string, once bool) (err error) {
	world, err := networkNamed(shown)
	if err != nil {
		return err
	}
	out := newPrinter(os.Stdout, world.title())
	stage, err := setStage(ctx, binary, world, out)
	defer func() { err = errors.Join(err, stage.strike()) }()
	if err != nil {
		return err
	}
	playCtx, cancel := context.WithTimeout(ctx, sceneTimeout)
	if err = world.connected(playCtx); err == nil {
		err = play(playCtx, stage, out)
	}
	cancel()
	if err != nil {
		return fmt.Errorf("%w\nWhat Papillon said:\n%s", err, stage.papillonLog())
	}
	if once {
		return nil
	}
	out.invite(stage)
	select {
	case <-ctx.Done():
		return nil
	case err := <-stage.ended:
		return fmt.Errorf("papillon ended by itself: %w\n%s", err, stage.papillonLog())
	}
}
