package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"papillon/bridge/handle"
	"papillon/msnp"
)

// lookupTimeout is how long a user waits for a network to say who somebody is.
const lookupTimeout = 10 * time.Second

// person is somebody who can stand on a list: a local account, or a contact on a
// network.
type person struct {
	handle  Handle
	name    string
	contact *ContactRecord // nil for a local account
}

// bestName returns the friendly name to show: the person's own if known, else
// the one proposed, else the handle. Clients that know no name propose the
// handle.
func (p person) bestName(proposed string) string {
	switch {
	case p.name != "":
		return p.name
	case proposed != "":
		return proposed
	default:
		return string(p.handle)
	}
}

// whois finds out who a handle belongs to: an account here, a contact known
// already, or somebody on one of the account's networks. Nobody gives 205.
func (g *Gateway) whois(ctx context.Context, account, h Handle) (person, error) {
	local, err := g.Storage.Account(ctx, h)
	if err == nil {
		return person{handle: h, name: local.Name}, nil
	}
	if !errors.Is(err, ErrNoAccount) {
		return person{}, err
	}
	contact, known, err := g.Storage.ContactByHandle(ctx, h)
	if err != nil {
		return person{}, err
	}
	if known {
		return personOf(contact), nil
	}
	return g.lookUp(ctx, account, h)
}

// personOf makes a person of a stored contact.
func personOf(c ContactRecord) person {
	return person{handle: c.Handle, name: c.Name, contact: &c}
}

// lookUp asks the account's networks, in their configured order, for a handle
// that nobody has yet.
func (g *Gateway) lookUp(ctx context.Context, account, h Handle) (person, error) {
	var unreachable error
	for _, n := range g.Networks {
		id, ok := n.ParseContact(string(h))
		if !ok {
			continue
		}
		contact, err := g.lookUpID(ctx, account, n, id)
		var refusal *msnp.Error
		switch {
		case err == nil:
			return personOf(contact), nil
		case !errors.As(err, &refusal):
			return person{}, err
		case refusal.Code != msnp.CodeInvalidUser:
			unreachable = err
		}
	}
	if unreachable != nil {
		return person{}, unreachable
	}
	return person{}, msnp.Errorf(msnp.CodeInvalidUser, "nobody knows %s", h)
}

// lookUpID asks one network about an id: 205 when it knows nobody, 601 when it
// cannot say.
func (g *Gateway) lookUpID(ctx context.Context, account Handle, n Network, id RemoteID) (ContactRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	l := g.linkOf(account, n.Name())
	if l == nil {
		return ContactRecord{}, msnp.Errorf(msnp.CodeInvalidUser, "the account is not on %s", n.Name())
	}
	found, err := l.account.Lookup(ctx, id)
	if errors.Is(err, ErrNoSuchContact) {
		return ContactRecord{}, msnp.Errorf(msnp.CodeInvalidUser, "%s knows nobody called %s", n.Name(), id)
	}
	if err != nil {
		g.Log.Info().Err(err).Str("network", n.Name()).Msg("Cannot look a contact up")
		return ContactRecord{}, msnp.Errorf(msnp.CodeServerUnavailable, "%s cannot be asked about %s at the moment", n.Name(), id)
	}
	return g.contactOf(ctx, n, found)
}

// contactOf returns the stored contact of somebody on a network, and ties a
// handle to him when he is new. A name that changed is stored.
func (g *Gateway) contactOf(ctx context.Context, n Network, who Contact) (ContactRecord, error) {
	known, ok, err := g.Storage.ContactByID(ctx, n.Name(), who.ID)
	if err != nil {
		return ContactRecord{}, fmt.Errorf("read contact: %w", err)
	}
	if ok && (who.Name == "" || who.Name == known.Name) && (known.Room || !who.Room) {
		return known, nil
	}
	if ok {
		known.Room = known.Room || who.Room
		if who.Name != "" {
			known.Name = who.Name
		}
		return known, g.Storage.AddContact(ctx, known)
	}
	return g.newContact(ctx, n, who)
}

// newContact ties a handle to somebody: the plain one if it fits and is free,
// else an alias.
func (g *Gateway) newContact(ctx context.Context, n Network, who Contact) (ContactRecord, error) {
	local, domain := n.Address(who.ID)
	c := ContactRecord{Network: n.Name(), ID: who.ID, Name: who.Name, Room: who.Room}
	h, ok := handle.Encode(local, domain)
	aliases := handle.Aliases(local, domain, n.Name(), g.Domain)
	if who.Room {
		name := cmp.Or(who.Name, local)
		h, ok = handle.Room(name, g.Domain), true
		aliases = handle.RoomAliases(name, local, domain, n.Name(), g.Domain)
	}
	if ok && h != g.assistant().Handle {
		aliases = append([]Handle{h}, aliases...)
	}
	var err error
	for _, c.Handle = range aliases {
		if err = g.Storage.AddContact(ctx, c); !errors.Is(err, ErrHandleTaken) {
			break
		}
	}
	if err == nil {
		return c, nil
	}
	// Somebody else may have met the same person at the same moment.
	known, ok, readErr := g.Storage.ContactByID(ctx, n.Name(), who.ID)
	if readErr != nil || !ok {
		return ContactRecord{}, errors.Join(fmt.Errorf("store contact: %w", err), readErr)
	}
	return known, nil
}

// memberOf returns a contact as an MSN user sees it.
func memberOf(c ContactRecord) msnp.Member {
	return msnp.Member{Handle: c.Handle, Name: personOf(c).bestName("")}
}
