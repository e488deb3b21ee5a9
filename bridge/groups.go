package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"papillon/msnp"
)

// Groups and telephone numbers are what only clients of 2001 and later know. They are
// read when such a client asks for its lists.
const (
	groupsDialect = 7
	phonesDialect = 5
)

// The names of what [Settings.SetProperty] stores.
const (
	propertyGroups = "groups"
	propertyPhones = "phones"
)

// Titled is a [Network] with a name to be shown that is not simply its [Network.Name]:
// the group of its contacts is called so.
type Titled interface{ Title() string }

// keptGroups is how groups are stored.
type keptGroups struct {
	All []msnp.Group        `json:"all"`
	Of  map[Handle][]uint32 `json:"of,omitempty"`
	// Networks are the groups in which a network's contacts are whom the user has
	// not put anywhere: by the network's name. One that he removed stays here, as
	// group 0: its number may be another group's by now.
	Networks map[string]uint32 `json:"networks,omitempty"`
}

// StoreGroups implements [msnp.GroupStore]. A client of a dialect without groups was not
// shown those that are stored, see [user.Properties]: they stay, and what it makes lasts as
// long as its session.
func (u *user) StoreGroups(ctx context.Context, groups msnp.Groups) (serial uint32, err error) {
	if u.dialect < groupsDialect {
		u.owner.do(func() { serial = u.serial })
		return serial, nil
	}
	u.mu.RLock()
	kept := keptGroups{All: groups.All, Of: make(map[Handle][]uint32, len(groups.Of)), Networks: maps.Clone(u.networkGroups)}
	u.mu.RUnlock()
	for network, id := range kept.Networks {
		if !slices.ContainsFunc(groups.All, func(g msnp.Group) bool { return g.ID == id }) {
			kept.Networks[network] = 0
		}
	}
	for h, ids := range groups.Of {
		kept.Of[h] = ids
	}
	return u.keepGroups(ctx, kept)
}

// keepGroups stores the groups.
func (u *user) keepGroups(ctx context.Context, kept keptGroups) (serial uint32, err error) {
	raw, err := json.Marshal(kept)
	if err != nil {
		return 0, fmt.Errorf("write the groups: %w", err)
	}
	if serial, err = u.gateway.Storage.SetProperty(ctx, u.handle, propertyGroups, string(raw)); err != nil {
		return 0, fmt.Errorf("store the groups: %w", err)
	}
	u.mu.Lock()
	u.networkGroups = kept.Networks
	u.mu.Unlock()
	u.owner.do(func() { serial = u.raised(serial) })
	return serial, nil
}

// ReadHandle implements [msnp.HandleReader].
func (u *user) ReadHandle(ctx context.Context, typed string) (Handle, error) {
	return u.gateway.typedHandle(ctx, typed)
}

// groups returns the groups of the contact list: as they were stored, and each
// network's contacts in a group of their own unless the user put them elsewhere.
func (u *user) groups(ctx context.Context) (msnp.Groups, error) {
	settings, err := u.gateway.Storage.Settings(ctx, u.handle)
	if err != nil {
		return msnp.Groups{}, fmt.Errorf("read the groups: %w", err)
	}
	var kept keptGroups
	if text := settings[propertyGroups]; text != "" {
		if err := json.Unmarshal([]byte(text), &kept); err != nil {
			u.log().Error().Err(err).Msg("The groups cannot be read; the contact list begins without any")
		}
	}
	kept.complete(u.gateway.linksOf(u.handle))
	u.mu.Lock()
	u.networkGroups = kept.Networks
	u.mu.Unlock()
	if u.forgetGone(&kept) {
		if _, err := u.keepGroups(ctx, kept); err != nil {
			u.log().Error().Err(err).Msg("Cannot forget in which groups those were who are off the contact list")
		}
	}
	groups := msnp.Groups{All: kept.All, Of: make(map[Handle][]uint32)}
	put := func(e *entry) {
		if ids := kept.of(e); len(ids) > 0 {
			groups.Of[e.handle()] = ids
		}
	}
	helper := newEntry(u.gateway.assistant())
	put(&helper)
	u.mu.RLock()
	defer u.mu.RUnlock()
	for i := range u.lists[msnp.Forward].entries {
		put(&u.lists[msnp.Forward].entries[i])
	}
	return groups, nil
}

// forgetGone drops those who are not on FL any more, and says whether there were any. A
// client that knows no groups took them off, or a network did. Who comes back is announced
// as one who is nowhere yet: he is not to stand elsewhere at the next sign-in.
func (u *user) forgetGone(kept *keptGroups) (gone bool) {
	helper := u.gateway.assistant().Handle
	u.mu.RLock()
	defer u.mu.RUnlock()
	for h := range kept.Of {
		if h != helper && !u.lists[msnp.Forward].has(h) {
			delete(kept.Of, h)
			gone = true
		}
	}
	return gone
}

// groupOf returns the group in which a contact stands whom the user has not put anywhere:
// that of the network. It is 0 before the client was told the groups.
func (u *user) groupOf(e *entry) uint32 {
	if e.remote == nil {
		return 0
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.networkGroups[e.remote.network]
}

// lacksGroup says whether the client was not told the group of a network that was linked
// after it had asked for the groups: the next reading has the contacts there. Owned.
func (u *user) lacksGroup() bool {
	if u.dialect < groupsDialect || !u.synced {
		return false
	}
	u.mu.RLock()
	defer u.mu.RUnlock()
	return slices.ContainsFunc(u.links, func(l *link) bool {
		_, known := u.networkGroups[l.network.Name()]
		return !known
	})
}

// complete adds what is missing: group 0, and a group for each network that has none yet.
func (k *keptGroups) complete(links []*link) {
	if !slices.ContainsFunc(k.All, func(g msnp.Group) bool { return g.ID == 0 }) {
		k.All = append([]msnp.Group{{Name: "Other Contacts"}}, k.All...)
	}
	networks := make(map[string]uint32, len(links))
	var last uint32
	for _, g := range k.All {
		last = max(last, g.ID)
	}
	for network, id := range k.Networks {
		networks[network] = id
		last = max(last, id)
	}
	for _, l := range links {
		name := l.network.Name()
		if _, known := networks[name]; known || len(k.All) >= msnp.MaxGroups {
			continue
		}
		if titled, ok := l.network.(Titled); ok {
			name = titled.Title()
		}
		last++
		networks[l.network.Name()] = last
		k.All = append(k.All, msnp.Group{ID: last, Name: name})
	}
	k.Networks = networks
}

// of returns the groups of a contact; none for one who is in no group but 0.
func (k *keptGroups) of(e *entry) []uint32 {
	ids, put := k.Of[e.handle()]
	if !put && e.remote != nil {
		if id := k.Networks[e.remote.network]; id != 0 {
			ids = []uint32{id}
		}
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool {
		return !slices.ContainsFunc(k.All, func(g msnp.Group) bool { return g.ID == id })
	})
}

// SetPhone implements [msnp.PhoneKeeper].
func (u *user) SetPhone(ctx context.Context, key msnp.PhoneKey, value string, reply func(serial uint32)) error {
	settings, err := u.gateway.Storage.Settings(ctx, u.handle)
	if err != nil {
		return fmt.Errorf("read the telephone numbers: %w", err)
	}
	phones := u.readPhones(settings[propertyPhones])
	if phones[key] = value; value == "" {
		delete(phones, key)
	}
	raw, err := json.Marshal(phones)
	if err != nil {
		return fmt.Errorf("write the telephone numbers: %w", err)
	}
	serial, err := u.gateway.Storage.SetProperty(ctx, u.handle, propertyPhones, string(raw))
	if err != nil {
		return fmt.Errorf("store the telephone numbers: %w", err)
	}
	u.owner.do(func() {
		reply(u.raised(serial))
		for i := range u.lists[msnp.Reverse].entries {
			u.tellPhone(u.lists[msnp.Reverse].entries[i].handle(), key, value)
		}
	})
	return nil
}

// tellPhone tells a signed-in user of a number, if he may see this one. Owned.
func (u *user) tellPhone(h Handle, key msnp.PhoneKey, value string) {
	w := u.gateway.user(h)
	if w == nil || !u.letsThrough(h) {
		return
	}
	w.owner.post(func() {
		notifier, ok := w.notifier.(msnp.PhoneNotifier)
		if ok && w.synced && !w.closed && w.lists[msnp.Forward].has(u.handle) {
			notifier.ContactPhone(u.handle, key, value, w.serial)
		}
	})
}

// readPhones reads numbers as they are stored; what cannot be read is none.
func (u *user) readPhones(text string) msnp.Phones {
	phones := make(msnp.Phones)
	if text == "" {
		return phones
	}
	if err := json.Unmarshal([]byte(text), &phones); err != nil {
		u.log().Error().Err(err).Msg("The telephone numbers cannot be read")
		return make(msnp.Phones)
	}
	return phones
}

// phones returns the user's numbers and those of the contacts on FL that he may see.
func (u *user) phones(ctx context.Context) (own msnp.Phones, contacts map[Handle]msnp.Phones, err error) {
	settings, err := u.gateway.Storage.Settings(ctx, u.handle)
	if err != nil {
		return nil, nil, fmt.Errorf("read the telephone numbers: %w", err)
	}
	others, err := u.gateway.Storage.ContactProperties(ctx, u.handle, propertyPhones)
	if err != nil {
		return nil, nil, fmt.Errorf("read the contacts' telephone numbers: %w", err)
	}
	contacts = make(map[Handle]msnp.Phones, len(others))
	for h, text := range others {
		contacts[h] = u.readPhones(text)
	}
	return u.readPhones(settings[propertyPhones]), contacts, nil
}
