package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"papillon/msnp/body"
	"papillon/msnp/msnptest"
)

const (
	// chatBytes is the length of a message's text.
	chatBytes = 200
	// chatWindow is how many messages are under way in one direction.
	chatWindow = 4
)

// benchChat measures pairs who write to each other, four messages under way each
// way.
func benchChat(ctx context.Context, o options) ([]row, error) {
	const pairs = 50
	each := 500
	if o.quick {
		each = 50
	}
	return onBoth(ctx, o, population{users: 2 * pairs, group: 2}, func(ctx context.Context, s *server) (row, error) {
		var taken times
		var lines []*chatLine
		clients, err := signInAll(ctx, s, 2*pairs, 8, nil)
		defer closeAll(clients)
		if err != nil {
			return row{}, err
		}
		for i := range pairs {
			there, back, err := talk(ctx, clients[2*i], clients[2*i+1])
			if err != nil {
				return row{}, err
			}
			lines = append(lines, newChatLine(there, back, &taken), newChatLine(back, there, &taken))
		}
		return measured(s, "chat (MSG)", &taken, func() (int, error) {
			group, ctx := errgroup.WithContext(ctx)
			for _, l := range lines {
				group.Go(func() error { return l.write(ctx, each) })
				group.Go(func() error { return l.read(ctx, each) })
			}
			return each * len(lines), group.Wait()
		})
	})
}

// talk opens a conversation between two clients and returns both ends.
func talk(ctx context.Context, a, b *msnptest.Client) (there, back *msnptest.Switchboard, err error) {
	ctx, cancel := context.WithTimeout(ctx, signInTimeout)
	defer cancel()
	if there, err = a.Chat(ctx, string(b.Self().Handle)); err != nil {
		return nil, nil, err
	}
	answered, err := msnptest.WaitFor(ctx, b, func(msnptest.Answered) bool { return true })
	if err != nil {
		return nil, nil, err
	}
	return there, answered.Switchboard, answered.Err
}

// chatLine is one direction of a conversation.
type chatLine struct {
	from, to *msnptest.Switchboard
	window   chan time.Time // when those under way were written
	taken    *times
}

func newChatLine(from, to *msnptest.Switchboard, taken *times) *chatLine {
	return &chatLine{from: from, to: to, window: make(chan time.Time, chatWindow), taken: taken}
}

// message is the n-th message.
func (l *chatLine) message(n int) []byte {
	words := fmt.Sprintf("%08x", n)
	return body.NewText(words+string(bytes.Repeat([]byte{'.'}, chatBytes-len(words))), body.DefaultFormat()).Append(nil)
}

func (l *chatLine) write(ctx context.Context, n int) error {
	for i := range n {
		select {
		case l.window <- time.Now():
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := l.from.SendRaw(ctx, l.message(i), msnptest.Unacknowledged); err != nil {
			return err
		}
	}
	return nil
}

func (l *chatLine) read(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 3*lossTimeout)
	defer cancel()
	for i := range n {
		e, err := msnptest.WaitFor(ctx, l.to, func(msnptest.MessageArrived) bool { return true })
		if err != nil {
			return fmt.Errorf("wait for message %d: %w", i, err)
		}
		if got := e.Raw; !bytes.Equal(got, l.message(i)) {
			return fmt.Errorf("message %d came as %q", i, got)
		}
		l.taken.add(time.Since(<-l.window))
	}
	return nil
}
