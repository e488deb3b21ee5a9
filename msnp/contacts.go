package msnp

// maxEncodedName is the longest friendly name a client may set, encoded;
// draft-movva-00 §5.5.
const maxEncodedName = 387

// handleADD puts a contact on a list; draft-movva-00 §7.8. Where there are groups a
// number may stand behind the name: the group to put him into.
func (n *notification) handleADD(req *request) error {
	list, err := clientList(req.args[0])
	if err != nil {
		return err
	}
	reply := func(change ListChange, status Status) { n.answerADD(req.trID, change, status) }
	if last := len(req.args) - 1; n.dialect.groups && list == Forward && last >= 3 && isNumber(req.args[last]) {
		id, err := groupID(req.args[last], CodeNoGroupToAdd)
		if err != nil {
			return err
		}
		keeper, err := n.groupKeeper()
		if err != nil {
			return err
		}
		return keeper.PutInGroup(n.context(), req.handle(1), nameFrom(req.args[:last], 2), id, reply)
	}
	return n.session.AddContact(n.context(), list, req.handle(1), nameFrom(req.args, 2), func(change ListChange, status Status) {
		reply(n.inGroup(change), status)
	})
}

// answerADD answers ADD, and with ILN where the contact is online; draft-movva-00 §7.9.
func (n *notification) answerADD(trID string, change ListChange, status Status) {
	n.noteSerial(change.Serial)
	forward := change.List == Forward
	if forward && !status.Visible() {
		n.expectAdded(change.Contact.Handle, trID)
	}
	n.out.send(func(b []byte) []byte {
		b = n.dialect.appendChange(b, "ADD", trID, change, true)
		if forward && status.Visible() {
			b = appendReply(b, "ILN", trID, string(status), string(change.Contact.Handle), n.dialect.encode(change.Contact.Name))
		}
		return b
	}, nil)
}

// handleREM takes a contact off a list; draft-movva-00 §7.8. Miranda 0.0.7 leaves
// the list out, which makes two words one: 300. Where there are groups a number
// behind the handle takes him out of that group only.
func (n *notification) handleREM(req *request) error {
	list, err := clientList(req.args[0])
	if err != nil {
		return err
	}
	grouped := n.dialect.groups && list == Forward && len(req.args) > 2 && isNumber(req.args[2])
	reply := func(change ListChange) {
		n.noteSerial(change.Serial)
		n.out.send(func(b []byte) []byte { return n.dialect.appendChange(b, "REM", req.trID, change, grouped) }, nil)
	}
	_, theirs := n.session.(GroupKeeper)
	switch {
	case !grouped && (theirs || list != Forward):
		return n.session.RemoveContact(n.context(), list, req.handle(1), reply)
	case !grouped:
		return n.groups.removeContact(n.context(), req.handle(1), reply)
	}
	id, err := groupID(req.args[2], CodeNoSuchGroup)
	if err != nil {
		return err
	}
	keeper, err := n.groupKeeper()
	if err != nil {
		return err
	}
	return keeper.TakeFromGroup(n.context(), req.handle(1), id, reply)
}

// clientList reads the name of a list that a client may change.
func clientList(word string) (List, error) {
	list, ok := ParseList(word)
	if !ok || list == Reverse {
		return 0, Errorf(CodeInvalidParameter, "list %q cannot be changed by a client", word)
	}
	return list, nil
}

// inGroup names the group of a contact on FL where the server keeps the groups.
func (n *notification) inGroup(change ListChange) ListChange {
	if _, ok := n.session.(GroupKeeper); !ok && change.List == Forward {
		change.Group = n.groups.announce(change.Contact.Handle, change.Group)
	}
	return change
}

// ListChanged implements [Notifier].
func (n *notification) ListChanged(added bool, change ListChange) {
	n.noteSerial(change.Serial)
	if n.dialect.groups && added {
		change = n.inGroup(change)
	}
	name := "REM"
	if added {
		name = "ADD"
	}
	n.out.send(func(b []byte) []byte { return n.dialect.appendChange(b, name, "0", change, false) }, nil)
}

// handleREA changes a friendly name: the user's own, or a contact's on FL.
func (n *notification) handleREA(req *request) error {
	name := nameFrom(req.args, 1)
	if name == "" || tooLong(name, maxEncodedName) {
		return Errorf(CodeInvalidFriendlyName, "friendly name is empty or too long")
	}
	return n.session.Rename(n.context(), req.handle(0), name, func(serial uint32, who Member) {
		n.mu.Lock()
		if who.Handle == n.user.Handle {
			n.user.Name = who.Name
		}
		n.mu.Unlock()
		n.noteSerial(serial)
		n.sendLine("REA", req.trID, number(serial), string(who.Handle), n.dialect.encode(who.Name))
	})
}
