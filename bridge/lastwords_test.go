package bridge_test

import (
	"context"
	"testing"

	"papillon/msnp"
	"papillon/msnp/body"
)

// What was said goes out, though the client has signed out and hung up before it was read
// to the end.
func TestLastWords(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a := open(t, w.g, alice, msnp.Online)
		must(t, a.add(msnp.Forward, "bob@fake.test"))
		chat, err := a.chat("bob@fake.test")
		must(t, err)
		conversation := chat.conversation
		chat.conversation = nil // it leaves when all is read, not when it is hung up
		a.session.Close()
		ctx, gone := context.WithCancel(t.Context())
		gone()
		conversation.Send(ctx, body.NewText("good night", body.DefaultFormat()).Append(nil), nil)
		conversation.Leave()
		w.sent("good night")
	})
}
