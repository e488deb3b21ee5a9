package xmpp

import (
	"fmt"
	"sync"
	"time"
)

const (
	// foreignWords is how much of what one server says to an account that is not its
	// own is told within foreignSpan, foreignServers how many such servers are heard.
	foreignWords, foreignServers = 3, 10
	foreignSpan                  = time.Hour
)

// foreigners bounds what servers that are not the account's own have the helper contact
// say: anybody may run one.
type foreigners struct {
	mu    sync.Mutex
	since time.Time
	said  map[string]int // by server
}

// hear returns what the user is told when a server has said something; nothing when it
// has said too much.
func (f *foreigners) hear(server, words string) (told string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.since) >= foreignSpan {
		f.since, f.said = time.Now(), make(map[string]int)
	}
	said, known := f.said[server]
	switch {
	case !known && len(f.said) > foreignServers:
		return ""
	case !known && len(f.said) == foreignServers:
		f.said[server] = foreignWords + 1
		return "Many servers are writing to you. What more of them say within the hour is dropped."
	}
	f.said[server]++
	switch {
	case said < foreignWords:
		return server + ": " + words
	case said == foreignWords:
		return fmt.Sprintf("%s writes too much. What else it says within the hour is dropped.", server)
	}
	return ""
}
