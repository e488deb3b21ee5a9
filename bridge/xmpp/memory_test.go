package xmpp

import (
	"context"
	"strings"
	"sync"

	"papillon/bridge"
)

// notes is a [bridge.Memory] of one account and network.
type notes struct {
	mu     sync.Mutex
	values map[string]string
}

func (n *notes) Recall(_ context.Context, _ bridge.Handle, _, key string) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.values[key], nil
}

func (n *notes) RecallAll(_ context.Context, _ bridge.Handle, _, prefix string) (map[string]string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make(map[string]string)
	for k, v := range n.values {
		if strings.HasPrefix(k, prefix) {
			all[k] = v
		}
	}
	return all, nil
}

func (n *notes) Remember(_ context.Context, _ bridge.Handle, _, key, value string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.values == nil {
		n.values = make(map[string]string)
	}
	if n.values[key] = value; value == "" {
		delete(n.values, key)
	}
	return nil
}
