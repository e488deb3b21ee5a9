package msnp

import (
	"strconv"

	"papillon/msnp/wire"
)

// maxEncodedName is the longest friendly name a client may set, encoded;
// draft-movva-00 §5.5.
const maxEncodedName = 387

// handleADD puts a contact on a list; draft-movva-00 §7.8.
func (n *notification) handleADD(req *request) error {
	list, err := clientList(req.args[0])
	if err != nil {
		return err
	}
	name := nameFrom(req.args, 2)
	return n.session.AddContact(n.ctx, list, req.args[1], name, func(change ListChange, status Status) {
		if list == Forward && !status.Visible() {
			n.expectAdded(change.Contact.Handle, req.trID)
		}
		n.out.send(func(b []byte) []byte {
			b = n.appendChange(b, "ADD", req.trID, change)
			if list == Forward && status.Visible() {
				b = appendReply(b, "ILN", req.trID, string(status), string(change.Contact.Handle), n.dialect.encode(change.Contact.Name))
			}
			return b
		}, nil)
	})
}

// handleREM takes a contact off a list; draft-movva-00 §7.8. Miranda 0.0.7 leaves
// the list out, which makes two words one: 300.
func (n *notification) handleREM(req *request) error {
	list, err := clientList(req.args[0])
	if err != nil {
		return err
	}
	return n.session.RemoveContact(n.ctx, list, req.args[1], func(change ListChange) {
		n.out.send(func(b []byte) []byte { return n.appendChange(b, "REM", req.trID, change) }, nil)
	})
}

// clientList reads the name of a list that a client may change.
func clientList(word string) (List, error) {
	list, ok := ParseList(word)
	if !ok || list == Reverse {
		return 0, Errorf(CodeInvalidParameter, "list %q cannot be changed by a client", word)
	}
	return list, nil
}

// appendChange appends ADD or REM; draft-movva-00 §7.8.
func (n *notification) appendChange(b []byte, name, trID string, change ListChange) []byte {
	words := []string{change.List.String(), strconv.FormatUint(uint64(change.Serial), 10), string(change.Contact.Handle)}
	if name == "ADD" {
		words = append(words, n.dialect.encode(change.Contact.Name))
	}
	return appendReply(b, name, trID, words...)
}

// ListChanged implements [Notifier].
func (n *notification) ListChanged(added bool, change ListChange) {
	name := "REM"
	if added {
		name = "ADD"
	}
	n.out.send(func(b []byte) []byte { return n.appendChange(b, name, "0", change) }, nil)
}

// handleREA changes a friendly name: the user's own, or a contact's on FL.
func (n *notification) handleREA(req *request) error {
	name := nameFrom(req.args, 1)
	if name == "" || wire.EncodeName(name, wire.ASCII, maxEncodedName) != wire.EncodeName(name, wire.ASCII, 1<<20) {
		return Errorf(CodeInvalidFriendlyName, "friendly name is empty or too long")
	}
	return n.session.Rename(n.ctx, req.args[0], name, func(serial uint32, who Member) {
		n.mu.Lock()
		if who.Handle == n.user.Handle {
			n.user.Name = who.Name
		}
		n.mu.Unlock()
		n.sendLine("REA", req.trID, strconv.FormatUint(uint64(serial), 10), string(who.Handle), n.dialect.encode(who.Name))
	})
}
