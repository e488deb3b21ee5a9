package msnp

import "papillon/msnp/wire"

// handleCHG changes the user's status; draft-movva-00 §7.7. The contacts who are
// online follow the first answer as ILN (§7.9).
func (n *notification) handleCHG(req *request) error {
	status, ok := ParseStatus(req.args[0])
	if !ok {
		return Errorf(CodeInvalidParameter, "status %q", req.args[0])
	}
	defer n.ask()
	return n.session.SetStatus(n.context(), status, func(initial []ContactStatus) {
		n.status = status
		if status != Offline {
			n.expectInitial(req.trID)
		}
		chg := func(b []byte) []byte { return appendReply(b, "CHG", req.trID, status.String()) }
		n.out.sendParts(chg, func(b []byte) []byte {
			for _, cs := range initial {
				b = appendReply(b, "ILN", req.trID, string(cs.Status), string(cs.Contact.Handle), n.dialect.encode(cs.Contact.Name))
			}
			return b
		})
	})
}

// expectInitial remembers the transaction id of the first CHG, for the ILN of
// contacts whose status comes later.
func (n *notification) expectInitial(trID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.firstCHG == "" {
		n.firstCHG = trID
	}
}

// expectAdded does so for a contact who was just added.
func (n *notification) expectAdded(h Handle, trID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.added == nil {
		n.added = make(map[Handle]string)
	}
	n.added[h] = trID
}

// initialTrID returns the transaction id to which a contact's first status
// belongs; "" if there is none.
func (n *notification) initialTrID(h Handle) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if trID, ok := n.added[h]; ok {
		delete(n.added, h)
		return trID
	}
	return n.firstCHG
}

// ContactStatus implements [Notifier]; draft-movva-00 §7.9. Gaim shows an NLN
// with FLN in it as online, so the two are kept apart.
func (n *notification) ContactStatus(cs ContactStatus) {
	initial := ""
	if cs.Initial {
		initial = n.initialTrID(cs.Contact.Handle)
	}
	n.out.send(func(b []byte) []byte {
		switch {
		case !cs.Status.Visible():
			return wire.AppendLine(b, "FLN", string(cs.Contact.Handle))
		case initial != "":
			return appendReply(b, "ILN", initial, string(cs.Status), string(cs.Contact.Handle), n.dialect.encode(cs.Contact.Name))
		}
		return wire.AppendLine(b, "NLN", string(cs.Status), string(cs.Contact.Handle), n.dialect.encode(cs.Contact.Name))
	}, nil)
}
