package bridge

import (
	"context"
	"slices"
	"time"

	"papillon/msnp"
)

// untoldAfter is how long a network may take to say something about a contact's
// presence before the contact is shown as unknown.
const untoldAfter = 5 * time.Second

// announce begins to tell the client about its contacts and the networks. Owned;
// called at the first CHG.
func (u *user) announce() {
	u.announced = true
	for _, l := range u.links {
		u.noticeConnection(l)
	}
	if len(u.links) > 0 {
		time.AfterFunc(untoldAfter, func() { u.owner.post(u.showUntold) })
	}
}

// followAll asks one network for the presence of the contacts on it. Owned.
func (u *user) followAll(l *link) {
	if _, ok := l.account.(RosterKeeper); ok {
		return // the network's list says whom the user follows
	}
	var contacts []Contact
	for i := range u.lists[msnp.Forward].entries {
		e := &u.lists[msnp.Forward].entries[i]
		if e.remote != nil && e.remote.link == l {
			contacts = append(contacts, Contact{ID: e.remote.id, Name: e.name(), Room: e.remote.room})
		}
	}
	if len(contacts) == 0 {
		return
	}
	// What is asked for a client that has gone is asked in vain.
	life := u.life()
	u.gateway.spawn(func(context.Context) {
		for _, c := range contacts {
			ctx, cancel := context.WithTimeout(life, orderTimeout)
			err := l.account.Follow(ctx, c)
			cancel()
			if life.Err() != nil {
				return
			}
			if err != nil {
				l.log.Info().Err(err).Str("contact", string(c.ID)).Msg("Cannot ask for a contact's presence")
			}
		}
	})
}

// showUntold shows the contacts of whom their networks have said nothing. Owned.
func (u *user) showUntold() {
	for i := range u.lists[msnp.Forward].entries {
		e := &u.lists[msnp.Forward].entries[i]
		if e.remote != nil && !e.remote.told {
			u.firstTold(e)
		}
	}
}

// linkOpened takes in an identity that was opened while the user is signed in.
// Owned.
func (u *user) linkOpened(l *link) {
	u.links = append(slices.Clip(u.links), l)
	for i := range u.lists[msnp.Forward].entries {
		e := &u.lists[msnp.Forward].entries[i]
		if e.remote != nil && e.remote.link == nil && e.remote.network == l.network.Name() {
			e.remote = u.remoteOf(ContactRecord{Network: e.remote.network, ID: e.remote.id, Room: e.remote.room})
		}
	}
	if u.closed {
		return
	}
	if _, ok := l.account.(RosterKeeper); ok {
		l.presence.want(Presence{Show: Hidden})
	}
	if u.announced {
		l.presence.want(presenceOf(u.status))
		u.followAll(l)
	}
	u.arrivals.resume(u)
}

// linkClosed lets an identity go that was closed while the user is signed in.
// Owned.
func (u *user) linkClosed(l *link) {
	u.links = slices.DeleteFunc(slices.Clone(u.links), func(other *link) bool { return other == l })
	delete(u.catching, l.network.Name())
	for i := range u.lists[msnp.Forward].entries {
		e := &u.lists[msnp.Forward].entries[i]
		if e.remote != nil && e.remote.link == l {
			e.remote.link, e.remote.told = nil, false
			u.show(e, msnp.Offline)
		}
	}
}

// remoteEntry returns the entry on FL of a contact on a network; nil if there is
// none. Owned.
func (u *user) remoteEntry(h Handle) *entry {
	if e := u.lists[msnp.Forward].find(h); e != nil && e.remote != nil && !u.closed {
		return e
	}
	return nil
}

// presenceChanged shows a contact's presence. Owned.
func (u *user) presenceChanged(h Handle, p Presence) {
	e := u.remoteEntry(h)
	if e == nil {
		return
	}
	e.remote.presence = p
	if !e.remote.told {
		u.firstTold(e)
	} else if status := u.statusOf(e.remote); status != e.shown {
		u.show(e, status)
	}
}

// contactActive notes a sign of life of a contact, which counts where there is
// no presence. Owned.
func (u *user) contactActive(h Handle, at time.Time) {
	e := u.remoteEntry(h)
	if e == nil || !at.After(e.remote.active) {
		return
	}
	e.remote.active = at
	if e.remote.presence.Show != Unknown {
		return
	}
	if !e.remote.told {
		u.firstTold(e)
	} else if status := u.statusOf(e.remote); status != e.shown {
		u.show(e, status)
	}
	time.AfterFunc(activeFor, func() { u.owner.post(func() { u.activityFades(h) }) })
}

// activityFades shows a contact as unknown again some time after the last sign
// of life. Owned.
func (u *user) activityFades(h Handle) {
	if e := u.remoteEntry(h); e != nil && e.remote.presence.Show == Unknown {
		if status := u.statusOf(e.remote); status != e.shown {
			u.show(e, status)
		}
	}
}

// contactRenamed shows a contact's new display name. Owned.
func (u *user) contactRenamed(h Handle, name string) {
	if e := u.remoteEntry(h); e != nil && u.rename(e, name) && e.shown.Visible() {
		u.show(e, e.shown)
	}
}
