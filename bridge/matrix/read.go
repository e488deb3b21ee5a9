package matrix

import (
	"context"
	"fmt"
	"strings"

	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

var _ bridge.Reader = (*account)(nil)

// Read implements [bridge.Reader] with the receipt m.read, which the others see: not
// while the user is hidden.
func (a *account) Read(ctx context.Context, chat bridge.Chat, message string) error {
	if !strings.HasPrefix(message, "$") {
		return nil // it is not an event's
	}
	if a.hides() {
		return nil // the next one says it, too
	}
	room, ok, err := a.roomOf(ctx, chat)
	if err != nil || !ok {
		return err
	}
	err = a.network.call(ctx, func(ctx context.Context) error {
		return a.client.MarkRead(ctx, room, id.EventID(message))
	})
	if err != nil {
		return fmt.Errorf("mark as read: %w", err)
	}
	return nil
}
