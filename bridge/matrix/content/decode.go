package content

import (
	"time"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
	"papillon/bridge/text"
)

// IDKey is the key in an event's content that says that the gateway sent it, and
// as which message: its value is the [bridge.Outgoing.ID]. It comes back with
// every way that an event takes, encrypted ones included. Only the user himself is
// believed: see [Decode].
const IDKey = "dev.papillon.message"

// The lines for what cannot be shown as it is.
const (
	lineUnreadable = "[a message that the gateway cannot read]"
	lineEmpty      = "[an empty message]"
	lineEncrypted  = "[encrypted message that cannot be read]"
	lineCall       = "[is calling, which cannot be answered here]"
	lineVerify     = "[asks to verify encryption, which the gateway cannot do]"
)

// decoders is by event type; [Decode] deals with the others. One returns false
// for what has nothing to show.
var decoders = map[string]func(*event.Event, *bridge.MessageReceived) bool{
	event.EventMessage.Type:               readMessage,
	event.EventSticker.Type:               readSticker,
	event.EventEncrypted.Type:             readEncrypted,
	event.EventReaction.Type:              readReaction,
	event.EventRedaction.Type:             readRedaction,
	event.CallInvite.Type:                 readCall,
	"m.rtc.notification":                  readCall, // how Element Call rings
	"org.matrix.msc4075.rtc.notification": readCall,
	"org.matrix.msc4075.call.notify":      readCall,
	event.EventUnstablePollStart.Type:     readPoll,
	"m.poll.start":                        readPoll,
	event.EventUnstablePollResponse.Type:  readVote,
	"m.poll.response":                     readVote,
	event.EventUnstablePollEnd.Type:       readPollEnd,
	"m.poll.end":                          readPollEnd,
	"m.location":                          readLocationEvent,
	"org.matrix.msc3488.location":         readLocationEvent,
}

// silent are steps of a machine's conversation with a machine, and the positions
// of somebody on the move, one every few seconds.
var silent = map[string]bool{
	event.CallCandidates.Type:                     true,
	event.CallAnswer.Type:                         true,
	event.CallReject.Type:                         true,
	event.CallSelectAnswer.Type:                   true,
	event.CallNegotiate.Type:                      true,
	event.CallHangup.Type:                         true,
	"m.call.sdp_stream_metadata_changed":          true,
	"org.matrix.call.sdp_stream_metadata_changed": true,
	"m.rtc.decline":                               true,
	"org.matrix.msc4310.rtc.decline":              true,
	"m.rtc.member":                                true,
	"org.matrix.msc4143.rtc.member":               true,
	"io.element.call.encryption_keys":             true,
	"io.element.call.reaction":                    true,
	event.InRoomVerificationReady.Type:            true,
	event.InRoomVerificationStart.Type:            true,
	event.InRoomVerificationAccept.Type:           true,
	event.InRoomVerificationKey.Type:              true,
	event.InRoomVerificationMAC.Type:              true,
	event.InRoomVerificationCancel.Type:           true,
	event.InRoomVerificationDone.Type:             true,
	event.BeeperMessageStatus.Type:                true,
	event.BeeperTranscription.Type:                true,
	event.BeeperSendState.Type:                    true,
	"m.beacon":                                    true,
	"org.matrix.msc3672.beacon":                   true,
}

// Silent returns those types of events that are never shown of which there may be
// many, for filters. It is not all of them: SQLite below Dendrite prepares a
// statement anew for each room of each poll, which takes the longer the more types there
// are.
func Silent() []string {
	return []string{"m.beacon", event.CallCandidates.Type, "org.matrix.msc3672.beacon"}
}

// Decode translates an event of a room that is no state; ok is false for one that
// is not shown. Own says that the user himself sent it, with another client or
// through the gateway: then the ID is the [bridge.Outgoing.ID] where the gateway
// did. Chat and From are left to the caller.
//
// Target.Ref is an event id. Where the quotation of an answer came with it,
// Target.Text is that and Target.Author the Matrix id it names: a stranger's word
// until [Resolve] has seen the real one. The event itself is not changed, whether
// its content has been parsed or not.
func Decode(evt *event.Event, own bool) (m bridge.MessageReceived, ok bool) {
	if evt.StateKey != nil || silent[evt.Type.Type] || Gone(evt) {
		return m, false
	}
	evt = parsed(evt)
	m = bridge.MessageReceived{ID: string(evt.ID), Own: own, Kind: bridge.Said, Sent: SentAt(evt, time.Now())}
	if sent := MessageID(evt); own && sent != "" {
		m.ID = sent
	}
	read := decoders[evt.Type.Type]
	if read == nil {
		read = readUnknown
	}
	if !read(evt, &m) {
		return bridge.MessageReceived{}, false
	}
	m.Text = bounded(m.Text)
	if m.Act != "" && m.Act != text.Replied {
		m.Style = text.Style{} // it is in a line of the gateway's
	}
	return m, true
}

// Gone says whether an event was deleted before it came. Nothing is left of it to be
// shown, not even what kind of message it was; that it was deleted is told by an event
// of its own.
func Gone(evt *event.Event) bool {
	return len(evt.Content.VeryRaw) > 0 && len(evt.Content.Raw) == 0 && evt.Type.Type != event.EventRedaction.Type
}

// MessageID returns the [bridge.Outgoing.ID] of an event that the gateway sent;
// empty for any other one. That it was sent by one of the gateway's own accounts
// is for the caller to know: anybody can write the key.
func MessageID(evt *event.Event) string {
	sent, _ := evt.Content.Raw[IDKey].(string)
	return sent
}

// future is how far ahead of ours a sender's clock may be before it is not
// believed.
const future = 5 * time.Minute

// SentAt returns when an event was sent, as its homeserver says, or now where
// that cannot be.
func SentAt(evt *event.Event, now time.Time) time.Time {
	sent := time.UnixMilli(evt.Timestamp)
	if evt.Timestamp <= 0 || sent.After(now.Add(future)) {
		return now
	}
	return sent
}

// parsed returns an event with its content read, the same one if it has been.
// What cannot be read leaves it nil.
func parsed(evt *event.Event) *event.Event {
	if evt.Content.Parsed != nil || len(evt.Content.VeryRaw) == 0 {
		return evt
	}
	c := *evt
	c.Type.Class = event.MessageEventType
	if err := c.Content.ParseRaw(c.Type); err != nil {
		c.Content.Parsed = nil
	}
	return &c
}

// say sets what is shown of a message that is one short line of the gateway's.
func say(m *bridge.MessageReceived, kind bridge.MessageKind, line string) bool {
	m.Kind, m.Text = kind, line
	return true
}

func readEncrypted(_ *event.Event, m *bridge.MessageReceived) bool {
	return say(m, bridge.Notice, lineEncrypted)
}

func readCall(_ *event.Event, m *bridge.MessageReceived) bool {
	return say(m, bridge.Notice, lineCall)
}

// readUnknown shows the text that an event of an unknown type carries for those
// who do not know it (MSC1767), or that there was one.
func readUnknown(evt *event.Event, m *bridge.MessageReceived) bool {
	if words := fallbackText(evt.Content.Raw); words != "" {
		return say(m, bridge.Said, words)
	}
	return say(m, bridge.Notice, "[something that cannot be shown here: "+label(evt.Type.Type)+"]")
}
