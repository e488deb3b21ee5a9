package xmpp

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"papillon/bridge"
	"papillon/bridge/text"
	"papillon/bridge/xmpp/stream"
)

const (
	// joinTimeout is how long a room may take to let the account in.
	joinTimeout = 45 * time.Second
	// rejoinFirst and rejoinMost bound the pause before the next try.
	rejoinFirst = 5 * time.Second
	rejoinMost  = 10 * time.Minute
	// maxNames is how many nicks are tried.
	maxNames = 12
	// maxNick is how long a nick may be, in bytes.
	maxNick = 60
	// missedHistory is how many messages are asked for at most.
	missedHistory = 100
	// historyMargin is how far clocks may be apart without a message being
	// missed.
	historyMargin = time.Minute
)

// join enters a room, if the account is not in it, and returns when it is.
func (r *rooms) join(ctx context.Context, id bridge.RemoteID) error {
	r.mu.Lock()
	room := r.get(id)
	switch {
	case room.state == inside:
		r.mu.Unlock()
		return nil
	case room.mark.Closed:
		r.mu.Unlock()
		return fmt.Errorf("enter %s: %w: %s", id, bridge.ErrRefused, joinReasons["gone"])
	}
	entered := make(chan error, 1)
	room.waiting = append(room.waiting, entered)
	if room.state != entering {
		r.begin(room)
	}
	r.mu.Unlock()
	select {
	case err := <-entered:
		return err
	case <-ctx.Done():
		return fmt.Errorf("enter %s: %w", id, ctx.Err())
	case <-r.account.life.Done():
		return fmt.Errorf("enter %s: %w", id, r.account.life.Err())
	}
}

// begin starts a try to enter a room. The mutex is held.
func (r *rooms) begin(room *room) {
	room.stopTimer()
	room.round++
	room.state, room.names, room.told, room.made = entering, 0, false, false
	room.crowded, room.addresses = false, nil
	room.reading, room.holding = "", false
	room.letGo()
	r.arm(room)
	r.knock(room, r.firstNick(room))
}

// arm bounds a try to enter a room. The mutex is held.
func (r *rooms) arm(room *room) {
	round := room.round
	room.timer = time.AfterFunc(joinTimeout, func() {
		r.failed(room, round, errors.New("the room does not answer"), true)
	})
}

// firstNick is the nick to begin with: that of the bookmark, else the friendly
// name. The mutex is held.
func (r *rooms) firstNick(room *room) string {
	for _, nick := range []string{room.mark.Nick, r.account.friendlyName()} {
		nick = text.Preview(xmlText(nick), maxNick)
		if _, ok := occupantID(string(room.id), nick); ok {
			return nick
		}
	}
	local, _ := splitID(bridge.RemoteID(r.account.bare))
	return local
}

// knock asks a room to let the account in under a nick. The mutex is held.
func (r *rooms) knock(room *room, nick string) {
	room.nick = nick
	s := presenceStanza(bridge.Presence{Show: bridge.Available}, "")
	s.To = string(room.id) + "/" + nick
	x := stream.NewElement(nsMUC, "x")
	if room.mark.Password != "" {
		x.With(stream.NewText(nsMUC, "password", room.mark.Password))
	}
	s.Children = append(s.Children, x.With(room.missed()))
	round := room.round
	r.post(func(ctx context.Context) {
		if err := r.account.port.send(ctx, s); err != nil {
			r.failed(room, round, err, true)
		}
	})
}

// missed asks for the messages since the last one that was seen.
func (r *room) missed() *stream.Element {
	if r.behind() {
		return stream.NewElement(nsMUC, "history", "maxstanzas", "0") // see catchUp
	}
	if r.mark.Seen.IsZero() {
		return stream.NewElement(nsMUC, "history", "maxstanzas", strconv.Itoa(r.history))
	}
	return stream.NewElement(nsMUC, "history", "maxstanzas", strconv.Itoa(missedHistory),
		"since", r.mark.Seen.Add(-historyMargin).UTC().Format(time.RFC3339))
}

// nickAfter is the next nick to try when n were taken.
func nickAfter(first string, n int) string {
	if n == 1 {
		return first + "_"
	}
	return first + strconv.Itoa(n)
}

// failed ends a try to enter a room. It is tried again if that may help and the
// room is one to be in.
func (r *rooms) failed(room *room, round int, err error, again bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room.round == round && room.state == entering {
		r.fail(room, err, again)
	}
}

// fail is failed with the mutex held.
func (r *rooms) fail(room *room, err error, again bool) {
	room.stopTimer()
	room.state = outside
	room.round++
	room.answer(fmt.Errorf("enter %s: %w", room.id, err))
	switch {
	case !room.kept:
		r.forget(room)
	case again:
		r.comeBack(room)
	default:
		if room.refusals == 0 {
			r.say(room, "cannot be entered: "+strings.TrimPrefix(err.Error(), bridge.ErrRefused.Error()+": "))
			r.show(room, bridge.Offline)
		}
		if room.refusals < len(refusedPauses) {
			room.refusals++
			r.comeBackAfter(room, refusedPauses[room.refusals-1])
		}
	}
}

// refusedPauses are the pauses before a room is asked again that has refused. A
// service that has just begun may not know its rooms yet.
var refusedPauses = []time.Duration{time.Minute, 10 * time.Minute, time.Hour}

// comeBack has a room entered again after a while, which grows. The mutex is held.
func (r *rooms) comeBack(room *room) {
	pause := min(rejoinFirst<<min(room.fails, 10), rejoinMost)
	room.fails++
	r.comeBackAfter(room, pause)
}

// comeBackAfter has a room entered again. The mutex is held.
func (r *rooms) comeBackAfter(room *room, pause time.Duration) {
	round := room.round
	room.stopTimer()
	room.timer = time.AfterFunc(pause, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if room.round == round && room.state == outside && r.account.life.Err() == nil {
			r.begin(room)
		}
	})
}

// answer tells those who wait how a try to enter ended.
func (r *room) answer(err error) {
	for _, w := range r.waiting {
		w <- err
	}
	r.waiting = nil
}

// say tells the user something about a room.
func (r *rooms) say(room *room, what string) {
	name := string(room.id)
	if room.mark.Name != "" {
		name = room.mark.Name + " (" + name + ")"
	}
	r.account.feed.put(bridge.NetworkSays{Text: "The room " + name + " " + what}, nil)
}

// isOurs says whether the account has made a room by coming into it, and is in it.
func (r *rooms) isOurs(id bridge.RemoteID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.all[id]
	return room != nil && room.state == inside && room.made
}

// tellIfMade tells the user that a room was made by coming into it (XEP-0045 §10.1.1): who
// mistypes an address would wait there alone.
func (r *rooms) tellIfMade(id bridge.RemoteID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if room := r.all[id]; room != nil && room.made {
		r.say(room, "was not there, so that it has been made. If you mean another one, tell me: leave "+string(id))
	}
}

// show tells whether a room can be talked in.
func (r *rooms) show(room *room, show bridge.Show) {
	r.account.feed.put(bridge.PresenceChanged{Contact: room.id, Presence: bridge.Presence{Show: show}}, nil)
}

// refused deals with a room's answer that the account may not enter. The mutex is
// held.
func (r *rooms) refused(room *room, e *stream.StanzaError) {
	switch e.Condition {
	case "conflict":
		if room.names++; room.names <= maxNames {
			r.knock(room, nickAfter(r.firstNick(room), room.names))
			return
		}
	case "not-acceptable":
		// Only the nick that was registered with the room is let in
		// (XEP-0045 §7.2.9).
		if room.names < maxNames {
			room.names = maxNames
			r.askNick(room)
			return
		}
	}
	line, ok := joinReasons[e.Condition]
	if !ok {
		line = reason(e)
	} else if words := text.Preview(xmlText(e.Text), maxErrorText); words != "" {
		line = fmt.Sprintf("%s (%q)", line, words)
	}
	switch {
	case e.Type == "wait" && e.Condition != "item-not-found", e.Condition == "service-unavailable":
		r.fail(room, errors.New(line), true)
	case unknownPerson[e.Condition]:
		r.fail(room, fmt.Errorf("%w: %s", bridge.ErrNoSuchContact, line), false)
	default:
		r.fail(room, fmt.Errorf("%w: %s", bridge.ErrRefused, line), false)
	}
}

// joinReasons are what conditions mean to somebody who wants to enter a room;
// XEP-0045 §7.2.
var joinReasons = map[string]string{
	"not-authorized":        "it wants a password",
	"forbidden":             "it does not let you in",
	"item-not-found":        "it does not exist, or is not open yet",
	"not-allowed":           "it does not exist, and you may not make it",
	"not-acceptable":        "it lets people in only under the name that they registered there",
	"registration-required": "it is for its members only",
	"service-unavailable":   "it is full",
	"conflict":              "your name and all like it are taken there",
	"gone":                  "it does not exist any more",
}

// askNick asks for the nick that the account has registered with a room, and tries
// that. The mutex is held.
func (r *rooms) askNick(room *room) {
	round := room.round
	r.post(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, nameTimeout)
		defer cancel()
		info, err := r.account.query(ctx, string(room.id), stream.NewElement(nsDiscoInfo, "query", "node", "x-roomuser_item"))
		var nick string
		if err == nil {
			nick = info.Child(nsDiscoInfo, "identity").Attribute("name")
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		switch _, ok := occupantID(string(room.id), nick); {
		case room.round != round || room.state != entering:
		case ok:
			r.knock(room, nick)
		default:
			r.fail(room, fmt.Errorf("%w: %s", bridge.ErrRefused, joinReasons["not-acceptable"]), false)
		}
	})
}

// enter joins what is to be joined, after a new session began.
func (r *rooms) enter(ctx context.Context) {
	if err := r.load(ctx); err != nil {
		r.account.log.Warn().Err(err).Msg("Cannot read the bookmarks; entering the rooms that are known")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, room := range r.all {
		if room.mark.Closed && room.busy == 0 && len(room.waiting) == 0 {
			r.show(room, bridge.Offline)
		} else if room.kept || room.busy > 0 || len(room.waiting) > 0 {
			room.fails, room.refusals = 0, 0
			r.begin(room)
		} else {
			r.depart(room)
			r.forget(room)
		}
	}
	r.watch()
}

// leaveAll says farewell in all rooms and keeps them for the next time.
func (r *rooms) leaveAll(ctx context.Context) {
	r.mu.Lock()
	var farewells []*stream.Stanza
	var marks []bookmark
	for _, room := range r.all {
		if s := r.depart(room); s != nil {
			farewells = append(farewells, s)
		}
		if room.kept {
			marks = append(marks, room.mark)
		}
	}
	if r.checking != nil {
		r.checking.Stop()
		r.checking = nil
	}
	r.mu.Unlock()
	for _, m := range marks {
		if err := r.remember(ctx, m); err != nil {
			r.account.log.Warn().Err(err).Msg("Cannot store what was seen of a room")
		}
	}
	for _, s := range farewells {
		if err := r.account.port.send(ctx, s); err != nil {
			r.account.log.Debug().Err(err).Msg("Cannot say farewell to a room")
			return // nor to the others
		}
	}
}

// depart takes a room for left and returns what has to be said there; nil where the
// account is not in. The mutex is held.
func (r *rooms) depart(room *room) (farewell *stream.Stanza) {
	if room.state != outside {
		farewell = &stream.Stanza{Kind: stream.Presence, Type: "unavailable", To: string(room.id) + "/" + room.nick}
	}
	room.stopTimer()
	room.round++
	room.state, room.reading, room.holding = outside, "", false
	room.letGo()
	room.answer(fmt.Errorf("enter %s: %w", room.id, stream.ErrNotConnected))
	return farewell
}

// rename changes the user's nick in the rooms where it is not one of the bookmark.
func (r *rooms) rename() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, room := range r.all {
		if nick := r.firstNick(room); room.state == inside && nick != room.nick {
			r.send(&stream.Stanza{Kind: stream.Presence, To: string(room.id) + "/" + nick, Children: []*stream.Element{caps()}})
		}
	}
}
