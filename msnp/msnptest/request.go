package msnptest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"papillon/msnp"
	"papillon/msnp/wire"
)

// word stands for a word of any value in shaped and matches.
const word = "\x00"

// shaped says whether a line has at least these words. Later dialects append
// more.
func shaped(words []string, want ...string) bool {
	if len(words) < len(want) {
		return false
	}
	for i, w := range want {
		if w != word && w != words[i] {
			return false
		}
	}
	return true
}

// matches is shaped for an answer, where anything else is an error.
func matches(words []string, want ...string) error {
	if !shaped(words, want...) {
		return fmt.Errorf("unexpected answer %q", strings.Join(words, " "))
	}
	return nil
}

// one accepts a single line of the right shape.
func one(into *[]string, want ...string) func([]string) (bool, error) {
	return func(words []string) (bool, error) {
		*into = words
		return true, matches(words, want...)
	}
}

// Request sends any command with a fresh transaction id and returns the words
// of the first line with that id; an error line becomes a [*ServerError]. Lines
// that follow come as [Unhandled] events. Words must be encoded already.
func (c *Client) Request(ctx context.Context, name string, args ...string) (answer []string, err error) {
	err = c.conn.do(ctx, one(&answer), nil, name, args...)
	return answer, err
}

// RequestPayload is [Client.Request] with a payload; its length is sent as the
// last word.
func (c *Client) RequestPayload(ctx context.Context, payload []byte, name string, args ...string) (answer []string, err error) {
	err = c.conn.do(ctx, one(&answer), append([]byte{}, payload...), name, args...)
	return answer, err
}

// Sync asks for everything the server keeps, as it is newer than serial
// (draft-movva-00 §7.5). When the server's serial is the same, the result has
// nothing but that serial.
func (c *Client) Sync(ctx context.Context, serial uint32) (msnp.Properties, error) {
	s := syncing{have: strconv.FormatUint(uint64(serial), 10)}
	err := c.conn.do(ctx, s.accept, nil, "SYN", s.have)
	return s.props, err
}

// syncing collects the answer to SYN, which ends when each of its parts is
// there.
type syncing struct {
	have  string // the serial that the client named
	props msnp.Properties
	began bool
	parts [6]bool // the four lists, GTC, BLP
}

func (s *syncing) accept(words []string) (done bool, err error) {
	switch {
	case !s.began:
		if err := matches(words, "SYN", word, word); err != nil {
			return false, err
		}
		s.began = true
		s.props.Serial, err = parseSerial(words[2])
		return words[2] == s.have, err
	case shaped(words, "GTC", word, word, word):
		s.props.Prompt = msnp.Prompt(words[3])
		s.parts[4] = true
	case shaped(words, "BLP", word, word, word):
		s.props.Privacy = msnp.Privacy(words[3])
		s.parts[5] = true
	case shaped(words, "LST", word, word):
		list, ok := msnp.ParseList(words[2])
		if !ok {
			return false, fmt.Errorf("unknown list %q", words[2])
		}
		if s.parts[list] {
			return false, fmt.Errorf("list %s goes on after its end", list)
		}
		if s.parts[list], err = appendEntry(&s.props.Lists[list], words); err == nil && len(words) > 8 {
			err = s.inGroups(msnp.Handle(words[6]), words[8])
		}
	case shaped(words, "PRP", word, word, word): // from MSNP5 on
		if s.props.Phones == nil {
			s.props.Phones = make(msnp.Phones)
		}
		s.props.Phones[msnp.PhoneKey(words[3])] = wire.DecodeName(wordAt(words, 4))
	case shaped(words, "LSG", word, word, word, word, word, word): // from MSNP7 on
		id, err := parseSerial(words[5])
		s.props.Groups.All = append(s.props.Groups.All, msnp.Group{ID: id, Name: wire.DecodeName(words[6])})
		return false, err
	default:
		return false, fmt.Errorf("unexpected line %q in the answer to SYN", strings.Join(words, " "))
	}
	return !slices.Contains(s.parts[:], false), err
}

// inGroups notes the groups of a contact: "LST n FL … handle name 0,2".
func (s *syncing) inGroups(who msnp.Handle, ids string) error {
	if s.props.Groups.Of == nil {
		s.props.Groups.Of = make(map[msnp.Handle][]uint32)
	}
	for word := range strings.SplitSeq(ids, ",") {
		id, err := parseSerial(word)
		if err != nil {
			return err
		}
		s.props.Groups.Of[who] = append(s.props.Groups.Of[who], id)
	}
	return nil
}

// appendEntry reads one line of LST, which counts itself: "LST n FL serial item
// total handle name", or "… 0 0" for an empty list (draft-movva-00 §7.6).
func appendEntry(list *[]msnp.Member, words []string) (done bool, err error) {
	if err := matches(words, "LST", word, word, word, word, word); err != nil {
		return false, err
	}
	item, ok1 := wire.ParseLength(words[4])
	total, ok2 := wire.ParseLength(words[5])
	if !ok1 || !ok2 {
		return false, fmt.Errorf("bad count in %q", strings.Join(words, " "))
	}
	if item == 0 && total == 0 && len(words) == 6 && len(*list) == 0 {
		return true, nil
	}
	if item != len(*list)+1 || item > total || len(words) < 8 {
		return false, fmt.Errorf("list is out of step at %q", strings.Join(words, " "))
	}
	*list = append(*list, member(words[6], words[7]))
	return item == total, nil
}

// List asks for one list (draft-movva-00 §7.6).
func (c *Client) List(ctx context.Context, list msnp.List) (entries []msnp.Member, err error) {
	accept := func(words []string) (bool, error) {
		if err := matches(words, "LST", word, list.String()); err != nil {
			return false, err
		}
		return appendEntry(&entries, words)
	}
	err = c.conn.do(ctx, accept, nil, "LST", list.String())
	return entries, err
}

// SetStatus changes the user's status (draft-movva-00 §7.7). The contacts who
// are there come as [StatusChanged] events after the first call.
func (c *Client) SetStatus(ctx context.Context, status msnp.Status) error {
	var answer []string
	return c.conn.do(ctx, one(&answer, "CHG", word, status.String()), nil, "CHG", status.String())
}

// Add puts a handle on FL, AL or BL under a friendly name; without one the handle
// is sent, as most clients do (draft-movva-00 §7.8). The result is what the
// server put there.
func (c *Client) Add(ctx context.Context, list msnp.List, handle, name string) (msnp.ListChange, error) {
	if name == "" {
		name = handle
	}
	return c.changeList(ctx, "ADD", list, handle, encodeName(name))
}

// Remove takes a handle off FL, AL or BL.
func (c *Client) Remove(ctx context.Context, list msnp.List, handle string) (msnp.ListChange, error) {
	return c.changeList(ctx, "REM", list, handle)
}

func (c *Client) changeList(ctx context.Context, name string, list msnp.List, args ...string) (msnp.ListChange, error) {
	var answer []string
	err := c.conn.do(ctx, one(&answer, name, word, list.String()), nil, name, append([]string{list.String()}, args...)...)
	if err != nil {
		return msnp.ListChange{}, err
	}
	return listChange(answer)
}

// listChange reads "ADD n FL serial handle name" and "REM n FL serial handle", with
// a group behind them in MSNP7.
func listChange(words []string) (change msnp.ListChange, err error) {
	want := []string{words[0], word, word, word, word}
	if words[0] == "ADD" {
		want = append(want, word)
	}
	if err := matches(words, want...); err != nil {
		return change, err
	}
	list, ok := msnp.ParseList(words[2])
	if !ok {
		return change, fmt.Errorf("unknown list %q", words[2])
	}
	change = msnp.ListChange{List: list, Contact: msnp.Member{Handle: msnp.Handle(words[4])}}
	if words[0] == "ADD" {
		change.Contact = member(words[4], words[5])
	}
	if change.Serial, err = parseSerial(words[3]); err == nil && len(words) > len(want) {
		change.Group, err = parseSerial(words[len(want)])
	}
	return change, err
}

// Rename changes the user's own friendly name, or the one of a contact on FL:
// REA, which the draft mentions in a note only. It returns the name in force
// and the new serial.
func (c *Client) Rename(ctx context.Context, handle, name string) (who msnp.Member, serial uint32, err error) {
	var answer []string
	if err := c.conn.do(ctx, one(&answer, "REA", word, word, word, word), nil, "REA", handle, encodeName(name)); err != nil {
		return msnp.Member{}, 0, err
	}
	serial, err = parseSerial(answer[2])
	return member(answer[3], answer[4]), serial, err
}

// SetPrivacy sets BLP and returns the new serial (draft-movva-00 §7.6).
func (c *Client) SetPrivacy(ctx context.Context, mode msnp.Privacy) (serial uint32, err error) {
	return c.set(ctx, "BLP", string(mode))
}

// SetPrompt sets GTC and returns the new serial (draft-movva-00 §7.6).
func (c *Client) SetPrompt(ctx context.Context, mode msnp.Prompt) (serial uint32, err error) {
	return c.set(ctx, "GTC", string(mode))
}

func (c *Client) set(ctx context.Context, name, value string) (serial uint32, err error) {
	var answer []string
	if err := c.conn.do(ctx, one(&answer, name, word, word, value), nil, name, value); err != nil {
		return 0, err
	}
	return parseSerial(answer[2])
}

func parseSerial(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, errors.New("bad serial " + strconv.Quote(s))
	}
	return uint32(n), nil
}

// maxName is the longest encoded name that the draft allows (§5.5).
const maxName = 387

func encodeName(name string) string { return wire.EncodeName(name, wire.ASCII, maxName) }
