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

// groupKeeper returns who keeps the user's groups. The server's own are read before they
// are changed, or a client that has not asked for them would lose those that are stored.
func (n *notification) groupKeeper() (GroupKeeper, error) {
	if keeper, ok := n.session.(GroupKeeper); ok {
		return keeper, nil
	}
	if n.groups.known() {
		return &n.groups, nil
	}
	return &n.groups, n.session.Properties(n.context(), func(p Properties) { n.withOwn(p) })
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
	keeper, err := n.groupKeeper()
	if err != nil {
		return err
	}
	return keeper.AddGroup(n.context(), name, func(serial, id uint32) {
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
	keeper, err := n.groupKeeper()
	if err != nil {
		return err
	}
	return keeper.RenameGroup(n.context(), id, name, func(serial uint32) {
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
	keeper, err := n.groupKeeper()
	if err != nil {
		return err
	}
	return keeper.RemoveGroup(n.context(), id, func(serial uint32) {
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
// as long as the client is signed in. Only the reader, and a reply that it waits for,
// changes them; announce is safe from any goroutine.
type ownGroups struct {
	session Session
	serial  func() uint32 // the account's, which changes here cannot raise

	// mu guards what follows for announce. It is held for memory operations only:
	// a user's pushes may wait for it.
	mu    sync.Mutex
	began bool // all is in use: something was changed, or SYN has told
	// came are contacts who were announced under a group and stand nowhere yet; the
	// reader puts them there.
	came map[Handle]uint32
	groupState
}

// merge takes in what the backend says and returns it with the changes made here.
func (o *ownGroups) merge(base Groups) Groups {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.began {
		o.begin(base)
	}
	o.base = base.Of
	o.takeIn()
	return o.groups()
}

// known says whether the groups are known.
func (o *ownGroups) known() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.began
}

// begin takes what the backend says for the beginning; the caller holds the lock.
func (o *ownGroups) begin(base Groups) {
	o.began = true
	o.all = slices.Clone(base.complete().All)
	o.moved = make(map[Handle][]uint32)
}

// present returns the groups as they are, to be read and not to be changed.
func (o *ownGroups) present() groupState {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.began {
		o.begin(Groups{})
	}
	o.takeIn()
	return o.groupState
}

// put notes that a contact is in one group alone.
func (o *ownGroups) put(h Handle, id uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.moved[h] = []uint32{id}
}

// forget removes what is known of a contact who is off FL, and says whether anything was.
func (o *ownGroups) forget(h Handle) (grouped bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, grouped = o.moved[h]
	delete(o.moved, h)
	delete(o.came, h)
	if _, ok := o.session.(GroupStore); ok { // what it says is what was stored
		_, stored := o.base[h]
		grouped = grouped || stored
		delete(o.base, h)
	}
	return grouped
}

// removeContact takes a contact off FL, and out of what is stored of the groups.
func (o *ownGroups) removeContact(ctx context.Context, handle string, reply func(ListChange)) error {
	grouped := false
	err := o.session.RemoveContact(ctx, Forward, handle, func(change ListChange) {
		grouped = o.forget(change.Contact.Handle)
		reply(change)
	})
	if err == nil && grouped {
		err = o.store(ctx)
	}
	return err
}

// change makes a change that stays only if it could be stored, and returns the serial.
func (o *ownGroups) change(ctx context.Context, f func(*groupState)) (serial uint32, err error) {
	next := o.present()
	next.all, next.moved = slices.Clone(next.all), maps.Clone(next.moved)
	f(&next)
	serial = o.serial()
	if store, ok := o.session.(GroupStore); ok {
		if serial, err = store.StoreGroups(ctx, next.groups()); err != nil {
			return 0, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.groupState = next
	return serial, nil
}

// store stores the groups after a change that the client has been told of: also for
// a client that is gone by now, or signed in elsewhere.
func (o *ownGroups) store(ctx context.Context) error {
	_, err := o.change(context.WithoutCancel(ctx), func(*groupState) {})
	return err
}

// readHandle returns the handle that the lists have for one as it was typed.
func (o *ownGroups) readHandle(ctx context.Context, typed string) (h Handle, err error) {
	if reader, ok := o.session.(HandleReader); ok {
		h, err = reader.ReadHandle(ctx, typed)
	} else {
		h, err = ParseHandle(typed)
	}
	if err != nil {
		return "", Errorf(CodeInvalidParameter, "%v", err)
	}
	return h, nil
}

// AddGroup implements [GroupKeeper].
func (o *ownGroups) AddGroup(ctx context.Context, name string, reply func(serial, id uint32)) error {
	now := o.present()
	if len(now.all) >= MaxGroups {
		return Errorf(CodeTooManyGroups, "there are %d groups already", len(now.all))
	}
	var id uint32
	for _, g := range now.all {
		if strings.EqualFold(g.Name, name) {
			return Errorf(CodeGroupExists, "there is a group of that name")
		}
		id = max(id, g.ID+1)
	}
	serial, err := o.change(ctx, func(s *groupState) { s.all = append(s.all, Group{ID: id, Name: name}) })
	if err == nil {
		reply(serial, id)
	}
	return err
}

// RenameGroup implements [GroupKeeper].
func (o *ownGroups) RenameGroup(ctx context.Context, id uint32, name string, reply func(uint32)) error {
	now := o.present()
	i := now.find(id)
	switch {
	case i < 0:
		return Errorf(CodeNoSuchGroup, "there is no group %d", id)
	case now.named(name, id):
		return Errorf(CodeGroupExists, "there is a group of that name")
	}
	serial, err := o.change(ctx, func(s *groupState) { s.all[i].Name = name })
	if err == nil {
		reply(serial)
	}
	return err
}

// RemoveGroup implements [GroupKeeper].
func (o *ownGroups) RemoveGroup(ctx context.Context, id uint32, reply func(uint32)) error {
	now := o.present()
	i := now.find(id)
	if i < 0 {
		return Errorf(CodeNoSuchGroup, "there is no group %d", id)
	}
	serial, err := o.change(ctx, func(s *groupState) { s.remove(i) })
	if err == nil {
		reply(serial)
	}
	return err
}

// PutInGroup implements [GroupKeeper]. Who is on FL shows by the refusal to add
// him again.
func (o *ownGroups) PutInGroup(ctx context.Context, handle, name string, id uint32, reply func(ListChange, Status)) error {
	now := o.present()
	if now.find(id) < 0 {
		return Errorf(CodeNoGroupToAdd, "there is no group %d", id)
	}
	err := o.session.AddContact(ctx, Forward, handle, name, func(change ListChange, status Status) {
		o.put(change.Contact.Handle, id)
		change.Group = id
		reply(change, status)
	})
	if err == nil {
		// The client has been answered: the contact is there, wherever he stands.
		err = o.store(ctx)
		return err
	}
	var refusal *Error
	if !errors.As(err, &refusal) || refusal.Code != CodeAlreadyThere {
		return err
	}
	h, readErr := o.readHandle(ctx, handle)
	if readErr != nil {
		return readErr
	}
	ids := now.of(h)
	if slices.Contains(ids, id) {
		return err
	}
	serial, err := o.change(ctx, func(s *groupState) { s.moved[h] = append(ids, id) })
	if err == nil {
		reply(ListChange{List: Forward, Serial: serial, Contact: Member{Handle: h, Name: name}, Group: id}, Offline)
	}
	return err
}

// TakeFromGroup implements [GroupKeeper].
func (o *ownGroups) TakeFromGroup(ctx context.Context, handle string, id uint32, reply func(ListChange)) error {
	h, err := o.readHandle(ctx, handle)
	if err != nil {
		return err
	}
	now := o.present()
	ids := now.of(h)
	switch {
	case now.find(id) < 0:
		return Errorf(CodeNoSuchGroup, "there is no group %d", id)
	case !slices.Contains(ids, id):
		return Errorf(CodeNotInGroup, "%s is not in group %d", h, id)
	case id == 0 && len(ids) == 1:
		return o.removeContact(ctx, handle, reply)
	}
	serial, err := o.change(ctx, func(s *groupState) {
		s.moved[h] = slices.DeleteFunc(ids, func(other uint32) bool { return other == id })
	})
	if err == nil {
		reply(ListChange{List: Forward, Serial: serial, Contact: Member{Handle: h}, Group: id})
	}
	return err
}
