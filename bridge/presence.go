package bridge

import (
	"time"

	"papillon/msnp"
)

// PresenceRules says how to show a presence that MSN has no word for.
type PresenceRules struct {
	// Unknown is the status of a contact whose network does not tell and who
	// has not been active of late.
	Unknown msnp.Status
	// Offline is the status of a contact who is known to be offline. MSN
	// clients refuse to write to an offline contact, so who wants to write to
	// people who are away sets another.
	Offline msnp.Status
}

const (
	// idleAfter makes the difference between away for a while and idle.
	idleAfter = 20 * time.Minute
	// activeFor is how long somebody without presence counts as online after
	// a message or other sign of life.
	activeFor = 10 * time.Minute
)

// shows are the statuses of MSN for the presences of networks, where the
// mapping is one to one; DESIGN section 3.
var shows = map[Show]msnp.Status{
	Available:    msnp.Online,
	ExtendedAway: msnp.Idle,
	Busy:         msnp.Busy,
}

// show returns the status to show for a presence. Active is when the person
// last did anything we know of.
func (r PresenceRules) show(p Presence, active, now time.Time) msnp.Status {
	if status, ok := shows[p.Show]; ok {
		return status
	}
	switch p.Show {
	case Away:
		if !p.Since.IsZero() && now.Sub(p.Since) > idleAfter {
			return msnp.Idle
		}
		return msnp.Away
	case Offline:
		return r.Offline
	default:
		if now.Sub(active) < activeFor {
			return msnp.Online
		}
		return r.Unknown
	}
}

// statuses are the presences that networks get for the statuses of MSN.
var statuses = map[msnp.Status]Presence{
	msnp.Online: {Show: Available},
	msnp.Idle:   {Show: Away, Text: "Idle"},
	msnp.Away:   {Show: Away, Text: "Away from computer"},
	msnp.BRB:    {Show: Away, Text: "Be right back"},
	msnp.Lunch:  {Show: ExtendedAway, Text: "Out to lunch"},
	msnp.Busy:   {Show: Busy, Text: "Busy"},
	msnp.Phone:  {Show: Busy, Text: "On the phone"},
	msnp.Hidden: {Show: Hidden},
}

// presenceOf returns what the networks are told of a user's status.
func presenceOf(status msnp.Status) Presence {
	if p, ok := statuses[status]; ok {
		return p
	}
	return Presence{Show: Offline}
}
