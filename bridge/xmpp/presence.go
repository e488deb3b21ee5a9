package xmpp

import (
	"cmp"
	"strconv"
	"sync"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// maxResources is how many sessions of one person are told apart.
const maxResources = 16

// resource is the presence of one session.
type resource struct {
	name     string
	priority int
	presence bridge.Presence
}

// presences keeps the presence of each resource of others. All methods are safe
// from any goroutine.
type presences struct {
	mu  sync.Mutex
	all map[bridge.RemoteID][]resource // none of them empty
}

// take notes an available or unavailable presence and returns what counts for
// the bare JID now; changed is false when that is as before.
func (p *presences) take(s *stream.Stanza) (best bridge.Presence, changed bool) {
	who, ok := bareID(s.From)
	if !ok || s.Type != "" && s.Type != "unavailable" {
		return bridge.Presence{}, false
	}
	name := stream.Resource(s.From)
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.all[who]
	var after []resource
	for _, r := range before {
		// An unavailable presence of the bare JID speaks for all sessions.
		if r.name != name && (s.Type == "" || name != "") {
			after = append(after, r)
		}
	}
	if s.Type == "" {
		if len(after) >= maxResources {
			after = after[1:]
		}
		after = append(after, resource{name, readPriority(s), readPresence(s)})
	}
	if p.all == nil {
		p.all = make(map[bridge.RemoteID][]resource)
	}
	if p.all[who] = after; len(after) == 0 {
		delete(p.all, who)
		best = readPresence(s)
		return best, len(before) > 0 || s.Type == "unavailable"
	}
	best = bestOf(after)
	return best, len(before) == 0 || bestOf(before) != best
}

// reset forgets all.
func (p *presences) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = nil
}

// rank says which of two sessions of the same priority counts: the one at which
// somebody is most likely to be.
var rank = map[bridge.Show]int{
	bridge.Available: 4, bridge.Away: 3, bridge.ExtendedAway: 2, bridge.Busy: 1,
}

// bestOf chooses the session that counts: the best priority, then the best
// rank, then the newest.
func bestOf(all []resource) bridge.Presence {
	best := all[0]
	for _, r := range all[1:] {
		if c := cmp.Or(cmp.Compare(r.priority, best.priority), cmp.Compare(rank[r.presence.Show], rank[best.presence.Show])); c >= 0 {
			best = r
		}
	}
	return best.presence
}

// shows are the values of <show/>; RFC 6121 §4.7.2.1. What is not there is
// available.
var shows = map[string]bridge.Show{
	"away": bridge.Away, "xa": bridge.ExtendedAway, "dnd": bridge.Busy,
}

// readPresence translates one session's presence.
func readPresence(s *stream.Stanza) bridge.Presence {
	p := bridge.Presence{Show: bridge.Available, Text: s.Text("status"), Since: readIdle(s)}
	if show, ok := shows[s.Text("show")]; ok {
		p.Show = show
	}
	if s.Type == "unavailable" {
		p.Show = bridge.Offline
		if p.Since.IsZero() {
			p.Since = readDelay(s.Children)
		}
	}
	return p
}

// readIdle returns since when nobody was seen at a session: by XEP-0319, or by
// XEP-0256, which counts seconds.
func readIdle(s *stream.Stanza) time.Time {
	if t, err := time.Parse(time.RFC3339, s.Child(nsIdle, "idle").Attribute("since")); err == nil {
		return notAfterNow(t)
	}
	seconds, err := strconv.Atoi(s.Child(nsLast, "query").Attribute("seconds"))
	if err != nil || seconds < 0 || seconds > maxIdleSeconds {
		return time.Time{}
	}
	at := readDelay(s.Children)
	if at.IsZero() {
		at = time.Now()
	}
	return at.Add(-time.Duration(seconds) * time.Second).Truncate(time.Second)
}

// maxIdleSeconds is where a count of seconds is no time any more: ten years.
const maxIdleSeconds = 10 * 365 * 24 * 3600

// readPriority returns the priority of a session; 0 where it is not said, or not
// as it should be.
func readPriority(s *stream.Stanza) int {
	n, err := strconv.ParseInt(s.Text("priority"), 10, 8)
	if err != nil {
		return 0
	}
	return int(n)
}

// showNames are the values of <show/> for the user's own presence; the others
// have none.
var showNames = map[bridge.Show]string{
	bridge.Away: "away", bridge.ExtendedAway: "xa", bridge.Busy: "dnd",
}

// presenceStanza says a presence of the user's: without addresses, type
// unavailable for [bridge.Offline] and [bridge.Hidden], with show, status,
// XEP-0319 idle, XEP-0172 nick and XEP-0115 caps.
func presenceStanza(p bridge.Presence, nick string) *stream.Stanza {
	s := &stream.Stanza{Kind: stream.Presence}
	if p.Show == bridge.Offline || p.Show == bridge.Hidden {
		s.Type = "unavailable"
		return s
	}
	if show := showNames[p.Show]; show != "" {
		s.Children = append(s.Children, stream.NewText("", "show", show))
	}
	if text := xmlText(p.Text); text != "" {
		s.Children = append(s.Children, stream.NewText("", "status", text))
	}
	if !p.Since.IsZero() {
		s.Children = append(s.Children, stream.NewElement(nsIdle, "idle", "since", p.Since.UTC().Format(time.RFC3339)))
	}
	if nick = xmlText(nick); nick != "" {
		s.Children = append(s.Children, stream.NewText(nsNick, "nick", nick))
	}
	s.Children = append(s.Children, caps())
	return s
}

// knows says whether somebody has a session whose presence is known.
func (p *presences) knows(id bridge.RemoteID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all[id]) > 0
}
