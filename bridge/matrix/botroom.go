package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// This file is about where the bot may say what is for one person alone.

// aloneWith says whether nobody but somebody and the bot is in a room or invited to it.
// The homeserver is asked every time: secrets depend on it.
func (b *bot) aloneWith(ctx context.Context, room id.RoomID, person id.UserID) (bool, error) {
	var members []*event.Event
	err := b.network.call(ctx, func(ctx context.Context) (err error) {
		members, err = askMembers(ctx, b.client, room)
		return err
	})
	if err != nil && final(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("list who is with the bot: %w", err)
	}
	there := 0
	for _, evt := range members {
		content, ok := evt.Content.Parsed.(*event.MemberEventContent)
		if !ok {
			return false, nil
		}
		switch user := id.UserID(evt.GetStateKey()); {
		case content.Membership.IsLeaveOrBan():
		case content.Membership == event.MembershipJoin && (user == b.user || user == person):
			there++
		default:
			return false, nil
		}
	}
	return there == 2, nil
}

// encrypts says whether a room is encrypted.
func (b *bot) encrypts(ctx context.Context, room id.RoomID) (bool, error) {
	content, err := b.network.askEncryption(ctx, b.client, room)
	return content != nil, err
}

// openWords are what people are told where others could read the answer.
const openWords = "Others may come in here, or read along without: write to me in a direct chat of your own."

// private says whether nobody can read what is said in a room who is not in it, and
// nobody comes in without an invite. Somebody may have made it otherwise, to have others
// ask for their passwords there.
func (b *bot) private(ctx context.Context, room id.RoomID) (bool, error) {
	join, err := b.stateWord(ctx, room, event.StateJoinRules, "join_rule")
	if err != nil || join != string(event.JoinRuleInvite) {
		return false, err
	}
	seen, err := b.stateWord(ctx, room, event.StateHistoryVisibility, "history_visibility")
	return err == nil && seen != string(event.HistoryVisibilityWorldReadable), err
}

// stateWord reads one word of a room's state; empty if there is none.
func (b *bot) stateWord(ctx context.Context, room id.RoomID, kind event.Type, key string) (string, error) {
	var raw []byte
	err := b.network.call(ctx, func(ctx context.Context) (err error) {
		raw, err = b.client.MakeRequest(ctx, http.MethodGet, b.client.BuildClientURL("v3", "rooms", room, "state", kind.Type, ""), nil, nil)
		return err
	})
	if err != nil && final(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the %s of %s: %w", kind.Type, room, err)
	}
	var content map[string]json.RawMessage
	var word string
	if json.Unmarshal(raw, &content) != nil || json.Unmarshal(content[key], &word) != nil {
		return "", nil
	}
	return word, nil
}
