// Command demo plays one conversation between a real MSN client and real Matrix
// clients through a Papillon of its own, and prints what both sides see. It
// starts everything on loopback in a temporary folder: the homeserver Dendrite,
// Papillon as its appservice, the MSN account alice, and bob and carol on
// Matrix. Then it stays up, so that you can try it with clients of your own,
// until Ctrl-C. It leaves nothing behind.
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
	network := flag.String("network", "matrix", "the network to show")
	once := flag.Bool("once", false, "end after the conversation")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, *network, *once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run sets the stage, plays, and stays up unless told otherwise.
func run(ctx context.Context, binary, network string, once bool) (err error) {
	if network != "matrix" {
		return fmt.Errorf("there is no demo for the network %q: leave NETWORK out for Matrix", network)
	}
	out := newPrinter(os.Stdout)
	stage, err := setStage(ctx, binary, out)
	defer func() { err = errors.Join(err, stage.strike()) }()
	if err != nil {
		return err
	}
	playCtx, cancel := context.WithTimeout(ctx, sceneTimeout)
	err = play(playCtx, stage, out)
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
