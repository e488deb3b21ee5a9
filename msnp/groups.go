package msnp

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// otherContacts is what group 0 is called when the backend does not name it. The
// real servers called it "~" for somebody who had never used groups; the clients
// then make a set of groups of their own, which only a [GroupKeeper] would keep.
const otherContacts = "Other Contacts"

// complete makes sure that there is a group 0.
func (g Groups) complete() Groups {
	if !slices.ContainsFunc(g.All, func(group Group) bool { return group.ID == 0 }) {
		g.All = append([]Group{{Name: otherContacts}}, g.All...)
	}
	return g
}

// groupKeeper returns who keeps the user's groups.
func (n *notification) groupKeeper() GroupKeeper {
	if keeper, ok := n.session.(GroupKeeper); ok {
		return keeper
	}
	return &n.groups
}

// withOwn adds to the properties what the server keeps in place of a session that
// does not.
func (n *notification) withOwn(p Properties) Properties {
	n.noteSerial(p.Serial)
	if _, ok := n.session.(GroupKeeper); !ok {
		p.Groups = n.groups.merge(p.Groups)
	}
	if _, ok := n.session.(PhoneKeeper); !ok {
		own := maps.Clone(p.Phones)
		if own == nil {
			own = make(Phones)
		}
		maps.Copy(own, n.phones)
		p.Phones = own
	}
	p.Groups = p.Groups.complete()
	return p
}

// handleLSG sends the groups.
func (n *notification) handleLSG(req *request) error {
	return n.session.Properties(n.context(), func(p Properties) {
		p = n.withOwn(p)
		n.out.send(func(b []byte) []byte { return n.dialect.appendGroups(b, req.trID, p) }, nil)
	})
}

// handleADG makes a group: "ADG n name 0".
func (n *notification) handleADG(req *request) error {
	name, err := groupName(req.args)
	if err != nil {
		return err
	}
	return n.groupKeeper().AddGroup(n.context(), name, func(serial, id uint32) {
		n.noteSerial(serial)
		n.sendLine("ADG", req.trID, number(serial), n.dialect.encodeGroup(name), number(id), "0")
	})
}

// handleREG renames a group: "REG n id name 0".
func (n *notification) handleREG(req *request) error {
	id, err := groupID(req.args[0], CodeNoSuchGroup)
	if err != nil {
		return err
	}
	name, err := groupName(req.args[1:])
	if err != nil {
		return err
	}
	return n.groupKeeper().RenameGroup(n.context(), id, name, func(serial uint32) {
		n.noteSerial(serial)
		n.sendLine("REG", req.trID, number(serial), number(id), n.dialect.encodeGroup(name), "0")
	})
}

// handleRMG removes a group: "RMG n id".
func (n *notification) handleRMG(req *request) error {
	id, err := groupID(req.args[0], CodeNoSuchGroup)
	if err != nil {
		return err
	}
	if id == 0 {
		return Errorf(CodeGroupZero, "group 0 cannot be removed")
	}
	return n.groupKeeper().RemoveGroup(n.context(), id, func(serial uint32) {
		n.noteSerial(serial)
		n.sendLine("RMG", req.trID, number(serial), number(id))
	})
}

// groupName reads a group's name and drops the 0 that clients send behind it.
func groupName(words []string) (string, error) {
	if last := len(words) - 1; last > 0 && words[last] == "0" {
		words = words[:last]
	}
	name := nameFrom(words, 0)
	switch {
	case name == "":
		return "", Errorf(CodeInvalidParameter, "a group needs a name")
	case tooLong(name, MaxGroupName):
		return "", Errorf(CodeGroupNameTooLong, "name of a group is longer than %d bytes", MaxGroupName)
	}
	return name, nil
}

// groupID reads the number of a group. What is none names no group.
func groupID(word string, code Code) (uint32, error) {
	id, err := strconv.ParseUint(word, 10, 32)
	if err != nil {
		return 0, Errorf(code, "there is no group %q", word)
	}
	return uint32(id), nil
}

// isNumber says whether a word is made of digits.
func isNumber(word string) bool { return word != "" && strings.Trim(word, "0123456789") == "" }

// ownGroups are the groups of a session that is no [GroupKeeper] itself: they last
// as long as the client is signed in. The changes are made by the reader; merge
// and first are safe from any goroutine.
type ownGroups struct {
	session Session
	serial  func() uint32 // the account's, which changes here cannot raise

	mu    sync.Mutex
	began bool // all is in use: something was changed, or SYN has told
	all   []Group
	base  map[Handle][]uint32 // what the backend says
	moved map[Handle][]uint32 // what the client said since
}

// merge takes in what the backend says and returns it with the changes made here.
func (o *ownGroups) merge(base Groups) Groups {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.began {
		o.begin(base)
	}
	o.base = base.Of
	of := make(map[Handle][]uint32, len(base.Of)+len(o.moved))
	for _, handles := range []map[Handle][]uint32{o.base, o.moved} {
		for h := range handles {
			of[h] = o.of(h)
		}
	}
	return Groups{All: slices.Clone(o.all), Of: of}
}

// begin takes what the backend says for the beginning; the caller holds the lock.
func (o *ownGroups) begin(base Groups) {
	o.began = true
	o.all = slices.Clone(base.complete().All)
	o.moved = make(map[Handle][]uint32)
}

// lock locks and makes sure that there is something to change.
func (o *ownGroups) lock() (unlock func()) {
	o.mu.Lock()
	if !o.began {
		o.begin(Groups{})
	}
	return o.mu.Unlock
}

// find returns where a group stands, or -1; the caller holds the lock.
func (o *ownGroups) find(id uint32) int {
	return slices.IndexFunc(o.all, func(g Group) bool { return g.ID == id })
}

// named says whether another group has a name; the caller holds the lock.
func (o *ownGroups) named(name string, besides uint32) bool {
	return slices.ContainsFunc(o.all, func(g Group) bool { return g.ID != besides && strings.EqualFold(g.Name, name) })
}

// of returns the groups of a contact, without those that were removed; the caller
// holds the lock.
func (o *ownGroups) of(h Handle) []uint32 {
	ids, moved := o.moved[h]
	if !moved {
		ids = o.base[h]
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return o.find(id) < 0 })
	if len(ids) == 0 {
		return []uint32{0}
	}
	return ids
}

// first returns the group under which a contact is announced: before SYN none but
// group 0 is known.
func (o *ownGroups) first(h Handle) uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of(h)[0]
}

// forget removes what is known of a contact who is off FL.
func (o *ownGroups) forget(h Handle) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.moved, h)
	if _, ok := o.session.(GroupStore); ok { // what it says is what was stored
		delete(o.base, h)
	}
}

// state returns the groups as they are; the caller holds the lock.
func (o *ownGroups) state() Groups {
	of := make(map[Handle][]uint32, len(o.base)+len(o.moved))
	for _, handles := range []map[Handle][]uint32{o.base, o.moved} {
		for h := range handles {
			of[h] = o.of(h)
		}
	}
	return Groups{All: slices.Clone(o.all), Of: of}
}

// change makes a change that stays only if it could be stored, and returns the serial;
// the caller holds the lock.
func (o *ownGroups) change(ctx context.Context, f func()) (serial uint32, err error) {
	all, moved := slices.Clone(o.all), maps.Clone(o.moved)
	f()
	store, ok := o.session.(GroupStore)
	if !ok {
		return o.serial(), nil
	}
	if serial, err = store.StoreGroups(ctx, o.state()); err != nil {
		o.all, o.moved = all, moved
	}
	return serial, err
}

// AddGroup implements [GroupKeeper].
func (o *ownGroups) AddGroup(ctx context.Context, name string, reply func(serial, id uint32)) error {
	defer o.lock()()
	if len(o.all) >= MaxGroups {
		return Errorf(CodeTooManyGroups, "there are %d groups already", len(o.all))
	}
	var id uint32
	for _, g := range o.all {
		if strings.EqualFold(g.Name, name) {
			return Errorf(CodeGroupExists, "there is a group of that name")
		}
		id = max(id, g.ID+1)
	}
	serial, err := o.change(ctx, func() { o.all = append(o.all, Group{ID: id, Name: name}) })
	if err == nil {
		reply(serial, id)
	}
	return err
}

// RenameGroup implements [GroupKeeper].
func (o *ownGroups) RenameGroup(ctx context.Context, id uint32, name string, reply func(uint32)) error {
	defer o.lock()()
	i := o.find(id)
	switch {
	case i < 0:
		return Errorf(CodeNoSuchGroup, "there is no group %d", id)
	case o.named(name, id):
		return Errorf(CodeGroupExists, "there is a group of that name")
	}
	serial, err := o.change(ctx, func() { o.all[i].Name = name })
	if err == nil {
		reply(serial)
	}
	return err
}

// RemoveGroup implements [GroupKeeper].
func (o *ownGroups) RemoveGroup(ctx context.Context, id uint32, reply func(uint32)) error {
	defer o.lock()()
	i := o.find(id)
	if i < 0 {
		return Errorf(CodeNoSuchGroup, "there is no group %d", id)
	}
	serial, err := o.change(ctx, func() { o.all = slices.Delete(o.all, i, i+1) })
	if err == nil {
		reply(serial)
	}
	return err
}

// PutInGroup implements [GroupKeeper]. Who is on FL shows by the refusal to add
// him again.
func (o *ownGroups) PutInGroup(ctx context.Context, handle, name string, id uint32, reply func(ListChange, Status)) error {
	unlock := o.lock()
	known := o.find(id) >= 0
	unlock()
	if !known {
		return Errorf(CodeNoGroupToAdd, "there is no group %d", id)
	}
	err := o.session.AddContact(ctx, Forward, handle, name, func(change ListChange, status Status) {
		unlock := o.lock()
		o.moved[change.Contact.Handle] = []uint32{id}
		unlock()
		change.Group = id
		reply(change, status)
	})
	if err == nil {
		// The client has been answered: the contact is there, wherever he stands.
		defer o.lock()()
		_, err = o.change(ctx, func() {})
		return err
	}
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != CodeAlreadyThere {
		return err
	}
	h, parseErr := ParseHandle(handle)
	if parseErr != nil {
		return err
	}
	defer o.lock()()
	ids := o.of(h)
	if slices.Contains(ids, id) {
		return err
	}
	serial, err := o.change(ctx, func() { o.moved[h] = append(ids, id) })
	if err == nil {
		reply(ListChange{List: Forward, Serial: serial, Contact: Member{Handle: h, Name: name}, Group: id}, Offline)
	}
	return err
}

// TakeFromGroup implements [GroupKeeper].
func (o *ownGroups) TakeFromGroup(ctx context.Context, handle string, id uint32, reply func(ListChange)) error {
	h, err := ParseHandle(handle)
	if err != nil {
		return Errorf(CodeInvalidParameter, "%v", err)
	}
	unlock := o.lock()
	ids, known := o.of(h), o.find(id) >= 0
	unlock()
	switch {
	case !known:
		return Errorf(CodeNoSuchGroup, "there is no group %d", id)
	case !slices.Contains(ids, id):
		return Errorf(CodeNotInGroup, "%s is not in group %d", h, id)
	case id == 0 && len(ids) == 1:
		return o.session.RemoveContact(ctx, Forward, handle, func(change ListChange) {
			o.forget(change.Contact.Handle)
			reply(change)
		})
	}
	defer o.lock()()
	serial, err := o.change(ctx, func() { o.moved[h] = slices.DeleteFunc(ids, func(other uint32) bool { return other == id }) })
	if err == nil {
		reply(ListChange{List: Forward, Serial: serial, Contact: Member{Handle: h}, Group: id})
	}
	return err
}
