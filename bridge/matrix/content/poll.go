package content

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"maunium.net/go/mautrix/event"

	"papillon/bridge"
)

// maxAnswers is how many answers of a poll are shown; MSC3381 allows 20.
const maxAnswers = 20

// poll is the part of a poll that is shown, in the two spellings of the wild
// (MSC3381 and Matrix 1.7).
type poll struct {
	Question pollText   `json:"question"`
	Answers  []pollText `json:"answers"`
}

type pollText struct {
	ID         string          `json:"m.id"`
	UnstableID string          `json:"id"`
	Unstable   string          `json:"org.matrix.msc1767.text"`
	Body       string          `json:"body"`
	Stable     json.RawMessage `json:"m.text"`
}

// text returns the first spelling that is there.
func (t pollText) text() string {
	if t.Unstable != "" {
		return label(t.Unstable)
	}
	var stable any
	if json.Unmarshal(t.Stable, &stable) == nil {
		if words := label(textOf(stable)); words != "" {
			return words
		}
	}
	return label(t.Body)
}

func (t pollText) id() string {
	if t.ID != "" {
		return t.ID
	}
	return t.UnstableID
}

// pollOf reads the poll that an event begins. What cannot be read leaves it
// without words.
func pollOf(evt *event.Event) poll {
	var content struct {
		Unstable json.RawMessage `json:"org.matrix.msc3381.poll.start"`
		Stable   json.RawMessage `json:"m.poll"`
	}
	if json.Unmarshal(evt.Content.VeryRaw, &content) != nil {
		return poll{}
	}
	for _, spelling := range []json.RawMessage{content.Stable, content.Unstable} {
		var p poll
		if json.Unmarshal(spelling, &p) == nil && p.Question.text() != "" {
			p.Answers = p.Answers[:min(len(p.Answers), maxAnswers)]
			return p
		}
	}
	return poll{}
}

func readPoll(evt *event.Event, m *bridge.MessageReceived) bool {
	p := pollOf(evt)
	var out strings.Builder
	out.WriteString(bracket("poll", p.Question.text()))
	for i, answer := range p.Answers {
		fmt.Fprintf(&out, "\n%d. %s", i+1, answer.text())
	}
	return say(m, bridge.Said, out.String())
}

// The lines about a poll that is not known.
const (
	lineVoted     = "[voted in a poll]"
	linePollEnded = "[ended a poll]"
)

func readVote(evt *event.Event, m *bridge.MessageReceived) bool {
	m.Target.Ref = reference(evt)
	return say(m, bridge.Notice, lineVoted)
}

func readPollEnd(evt *event.Event, m *bridge.MessageReceived) bool {
	m.Target.Ref = reference(evt)
	return say(m, bridge.Notice, linePollEnded)
}

// reference returns the event that a vote or the end of a poll belongs to.
func reference(evt *event.Event) string {
	var content struct {
		RelatesTo event.RelatesTo `json:"m.relates_to"`
	}
	if json.Unmarshal(evt.Content.VeryRaw, &content) != nil {
		return ""
	}
	return string(content.RelatesTo.GetReferenceID())
}

// selections returns the ids of the answers that a vote is for.
func selections(evt *event.Event) []string {
	var content struct {
		Stable   []string `json:"m.selections"`
		Unstable struct {
			Answers []string `json:"answers"`
		} `json:"org.matrix.msc3381.poll.response"`
	}
	if json.Unmarshal(evt.Content.VeryRaw, &content) != nil {
		return nil
	}
	return append(content.Stable, content.Unstable.Answers...)
}

// pollWords words a vote in a poll and its end, if the poll is known; ok is false
// for any other event.
func pollWords(evt *event.Event, p *poll) (line string, ok bool) {
	if p == nil {
		return "", false
	}
	question := p.Question.text()
	switch evt.Type.Type {
	case "m.poll.end", event.EventUnstablePollEnd.Type:
		return fmt.Sprintf("[ended the poll %q]", question), true
	case "m.poll.response", event.EventUnstablePollResponse.Type:
	default:
		return "", false
	}
	chosen := selections(evt)
	var names []string
	for _, answer := range p.Answers {
		if id := answer.id(); id != "" && slices.Contains(chosen, id) {
			names = append(names, answer.text())
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("[took back a vote in the poll %q]", question), true
	}
	return fmt.Sprintf("[voted for %s in the poll %q]", strings.Join(names, ", "), question), true
}

// maxAnswerID is how long the id of an answer may be to count, in bytes.
const maxAnswerID = 128

// small returns a poll with nothing in it but what is shown.
func (p poll) small() poll {
	s := poll{Question: pollText{Unstable: p.Question.text()}}
	for _, answer := range p.Answers {
		if id := answer.id(); len(id) <= maxAnswerID {
			s.Answers = append(s.Answers, pollText{ID: id, Unstable: answer.text()})
		}
	}
	return s
}
