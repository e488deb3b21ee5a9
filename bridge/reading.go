package bridge

import (
	"context"
	"sync"
	"time"
)

// reading tells a network what the user's client has been handed: of each chat only
// the newest message, so that a hundred at once cost one request. What is lost on
// the way is said with the next message.
type reading struct {
	link *link

	mu      sync.Mutex
	newest  map[Chat]string // not yet told
	order   []Chat
	working bool
}

// readTimeout bounds one receipt.
const readTimeout = 30 * time.Second

// handed has it told that a message was handed over. Safe from any goroutine; never
// blocks.
func (r *reading) handed(m MessageReceived) {
	reader, ok := r.link.account.(Reader)
	if !ok || m.Own || m.ID == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newest == nil {
		r.newest = make(map[Chat]string)
	}
	if _, waits := r.newest[m.Chat]; !waits {
		r.order = append(r.order, m.Chat)
	}
	r.newest[m.Chat] = m.ID
	if !r.working {
		r.working = true
		r.link.gateway.spawn(func(ctx context.Context) { r.work(ctx, reader) })
	}
}

// take removes the chat that has waited longest; ok is false when none waits, and
// the work is over.
func (r *reading) take() (chat Chat, id string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.order) == 0 {
		r.working = false
		return Chat{}, "", false
	}
	chat = r.order[0]
	r.order = r.order[1:]
	id = r.newest[chat]
	delete(r.newest, chat)
	return chat, id, true
}

// work tells until nothing is left.
func (r *reading) work(ctx context.Context, reader Reader) {
	for {
		chat, id, ok := r.take()
		if !ok {
			return
		}
		limited, cancel := context.WithTimeout(ctx, readTimeout)
		err := reader.Read(limited, chat, id)
		cancel()
		if err != nil && ctx.Err() == nil {
			r.link.log.Debug().Err(err).Msg("Cannot tell that a message was read")
		}
	}
}
