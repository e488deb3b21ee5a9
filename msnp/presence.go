package msnp

import "papillon/msnp/wire"

// handleCHG changes the user's status; draft-movva-00 §7.7. The contacts who are
// online follow the first answer as ILN (§7.9).
func (n *notification) handleCHG(req *request) error {
	status, ok := ParseStatus(req.args[0])
	if !ok {
		return Errorf(CodeInvalidParameter, "status %q", req.args[0])
	}
	return n.session.SetStatus(n.ctx, status, func(initial []ContactStatus) {
		n.status = status
		n.out.send(func(b []byte) []byte {
			b = appendReply(b, "CHG", req.trID, status.String())
			for _, cs := range initial {
				b = appendReply(b, "ILN", req.trID, string(cs.Status), string(cs.Contact.Handle), n.dialect.encode(cs.Contact.Name))
			}
			return b
		}, nil)
	})
}

// ContactStatus implements [Notifier]; draft-movva-00 §7.9. Gaim shows an NLN
// with FLN in it as online, so the two are kept apart.
func (n *notification) ContactStatus(cs ContactStatus) {
	n.out.send(func(b []byte) []byte {
		if !cs.Status.Visible() {
			return wire.AppendLine(b, "FLN", string(cs.Contact.Handle))
		}
		return wire.AppendLine(b, "NLN", string(cs.Status), string(cs.Contact.Handle), n.dialect.encode(cs.Contact.Name))
	}, nil)
}
