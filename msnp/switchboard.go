package msnp

import (
	"strconv"

	"papillon/msnp/wire"
)

// switchboard is a connection in a conversation. It is the [Switchboard] of its
// user there.
type switchboard struct {
	*conn
	dialect      *dialect // of the user's notification session: here is no VER
	conversation Conversation
	answering    string // transaction id of ANS, until Roster has answered it
}

// end leaves the conversation; called once, by the reader.
func (s *switchboard) end() {
	s.conversation.Leave()
	s.server.stats.switchboards.Add(-1)
}

// handleOUT leaves; the server closes the connection (draft-movva-00 §8.6).
func (s *switchboard) handleOUT(*request) error { return errEnd }

// handleCAL calls somebody into the conversation; draft-movva-00 §8.3.
func (s *switchboard) handleCAL(req *request) error {
	return s.conversation.Invite(s.context(), req.handle(0), func() {
		s.sendLine("CAL", req.trID, "RINGING", number(s.conversation.ID()))
	})
}

// handleMSG sends a message to the others; draft-movva-00 §8.7. The draft's
// mode A is "not implemented"; the real servers did, and Kopete relies on it.
func (s *switchboard) handleMSG(req *request) error {
	mode := req.args[0]
	if mode != "U" && mode != "N" && mode != "A" {
		return Errorf(CodeInvalidParameter, "MSG mode %q", mode)
	}
	s.touched()
	s.server.stats.messages.Add(1)
	s.conversation.Send(s.context(), req.payload, s.outcome(mode, req.trID))
	return nil
}

// outcome makes what reports a message's outcome to its sender: nothing in mode
// U, failure in mode N, both in mode A.
func (s *switchboard) outcome(mode, trID string) func(error) {
	if mode == "U" {
		return nil
	}
	return func(err error) {
		switch {
		case err != nil:
			s.sendLine("NAK", trID)
		case mode == "A":
			s.sendLine("ACK", trID)
		}
	}
}

// Roster implements [Switchboard]; draft-movva-00 §8.4. Total counts the others
// only: gaim takes a total of 1 for a chat of two.
func (s *switchboard) Roster(others []Member) {
	total := strconv.Itoa(len(others))
	s.out.send(func(b []byte) []byte {
		for i, m := range others {
			b = appendReply(b, "IRO", s.answering, strconv.Itoa(i+1), total, string(m.Handle), s.dialect.encode(m.Name))
		}
		return appendReply(b, "ANS", s.answering, "OK")
	}, nil)
}

// Joined implements [Switchboard]; draft-movva-00 §8.5.
func (s *switchboard) Joined(m Member) { s.sendLine("JOI", string(m.Handle), s.dialect.encode(m.Name)) }

// Left implements [Switchboard]; draft-movva-00 §8.5.
func (s *switchboard) Left(h Handle) { s.sendLine("BYE", string(h)) }

// Message implements [Switchboard]; draft-movva-00 §8.8. Header and body go into
// the queue together and so into one write: gaim of 2000 reads them at once.
func (s *switchboard) Message(from Member, message []byte, delivered func(bool)) bool {
	s.touched()
	return s.out.send(func(b []byte) []byte {
		return wire.AppendPayload(b, message, "MSG", string(from.Handle), s.dialect.encode(from.Name))
	}, delivered)
}

// Pause implements [Switchboard].
func (s *switchboard) Pause() { s.out.pause() }

// Hangup implements [Switchboard].
func (s *switchboard) Hangup() {
	s.hangUp()
}
