package matrix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// This file reads those answers of a homeserver that are made of what others sent. One
// event that is not what an event has to be must not take all the others with it: the
// same answer would come again for ever. A homeserver passes on what it does not look
// at itself: what is sent to a device, the content of events in old rooms, what
// another homeserver shows of a room.

// askSync makes a poll.
func askSync(ctx context.Context, client *mautrix.Client, request mautrix.ReqSync) (*mautrix.RespSync, error) {
	resp := &mautrix.RespSync{}
	if err := ask(ctx, client, client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "sync"}, request.BuildQuery()), resp); err != nil {
		return nil, err
	}
	dropNil(&resp.AccountData.Events, &resp.Presence.Events, &resp.ToDevice.Events)
	maps.DeleteFunc(resp.Rooms.Join, func(_ id.RoomID, room *mautrix.SyncJoinedRoom) bool { return room == nil })
	maps.DeleteFunc(resp.Rooms.Invite, func(_ id.RoomID, room *mautrix.SyncInvitedRoom) bool { return room == nil })
	for _, room := range resp.Rooms.Join {
		dropNil(&room.State.Events, &room.Timeline.Events, &room.Ephemeral.Events, &room.AccountData.Events)
	}
	for _, room := range resp.Rooms.Invite {
		dropNil(&room.State.Events)
	}
	return resp, nil
}

// askMessages asks for events of a room before a place, newest first.
func askMessages(ctx context.Context, client *mautrix.Client, room id.RoomID, from string, limit int) (*mautrix.RespMessages, error) {
	filter, err := json.Marshal(&mautrix.FilterPart{LazyLoadMembers: true})
	if err != nil {
		return nil, err
	}
	query := map[string]string{"dir": string(mautrix.DirectionBackward), "filter": string(filter), "limit": fmt.Sprint(limit)}
	if from != "" {
		query["from"] = from
	}
	resp := &mautrix.RespMessages{}
	if err := ask(ctx, client, client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "rooms", room, "messages"}, query), resp); err != nil {
		return nil, err
	}
	dropNil(&resp.Chunk, &resp.State)
	return resp, nil
}

// askMembers asks who is or was in a room. Everybody's content is read as far as it can
// be.
func askMembers(ctx context.Context, client *mautrix.Client, room id.RoomID) ([]*event.Event, error) {
	resp := &mautrix.RespMembers{}
	if err := ask(ctx, client, client.BuildClientURL("v3", "rooms", room, "members"), resp); err != nil {
		return nil, err
	}
	dropNil(&resp.Chunk)
	members := slices.DeleteFunc(resp.Chunk, func(evt *event.Event) bool { return evt.StateKey == nil })
	for _, evt := range members {
		evt.Type.Class = event.StateEventType
		if err := readContent(evt); err != nil {
			evt.Content.Parsed = nil // somebody of whom nothing is known
		}
	}
	return members, nil
}

// dropNil takes out what is no event at all.
func dropNil(lists ...*[]*event.Event) {
	for _, list := range lists {
		*list = slices.DeleteFunc(*list, func(evt *event.Event) bool { return evt == nil })
	}
}

// ask makes a GET request and reads its answer, with the events in it that can be read.
func ask(ctx context.Context, client *mautrix.Client, url string, into any) error {
	raw, err := client.MakeFullRequest(ctx, mautrix.FullRequest{Method: http.MethodGet, URL: url, MaxAttempts: 1})
	if err != nil {
		return err
	}
	if err = readAnswer(raw, into); err != nil {
		return mautrix.HTTPError{
			Response: &http.Response{StatusCode: http.StatusOK}, Message: "read the answer of the homeserver", WrappedError: err,
		}
	}
	return nil
}

// readAnswer reads an answer as it is and, where that cannot be, without what is wrong
// in its events.
func readAnswer(raw []byte, into any) error {
	err := json.Unmarshal(raw, into)
	if err == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var tree any
	if decoder.Decode(&tree) != nil {
		return err
	}
	mended, marshalErr := json.Marshal(mend(tree))
	if marshalErr != nil {
		return err
	}
	return json.Unmarshal(mended, into)
}

// mend returns a piece of an answer with nothing in it that keeps an event from being
// read: numbers that are none, and what of an event is of another type than it has to
// be. Something in place of an event that is none at all is left out.
func mend(piece any) any {
	switch piece := piece.(type) {
	case json.Number:
		if _, err := piece.Float64(); err != nil {
			return 0
		}
	case map[string]any:
		for key, value := range piece {
			value = mend(value)
			if list, ok := value.([]any); ok && slices.Contains(eventLists, key) {
				value = mendEvents(list)
			}
			piece[key] = value
		}
	case []any:
		for i, value := range piece {
			piece[i] = mend(value)
		}
	}
	return piece
}

// eventLists is where an answer has its events.
var eventLists = []string{"events", "chunk", "state"}

// eventKeys are what is needed of an event.
var eventKeys = []string{"type", "content", "sender", "state_key", "event_id", "room_id", "origin_server_ts", "redacts"}

// mendEvents leaves of each event what can be read.
func mendEvents(list []any) []any {
	return slices.DeleteFunc(list, func(value any) bool {
		if readable(value) {
			return false
		}
		object, ok := value.(map[string]any)
		if !ok {
			return true
		}
		maps.DeleteFunc(object, func(key string, _ any) bool { return !slices.Contains(eventKeys, key) })
		if _, ok := object["redacts"].(string); !ok {
			delete(object, "redacts")
		}
		return !readable(object)
	})
}

func readable(value any) bool {
	raw, err := json.Marshal(value)
	if err != nil || value == nil {
		return false
	}
	var evt event.Event
	return json.Unmarshal(raw, &evt) == nil
}

// readContent reads the content of an event whose class is set. Of who is in a room,
// and of whether it is encrypted, is read what can be: nobody is to hide in a room
// behind a name that is none, and no room is plain because it says so badly.
func readContent(evt *event.Event) error {
	err := evt.Content.ParseRaw(evt.Type)
	if err == nil || errors.Is(err, event.ErrContentAlreadyParsed) {
		return nil
	}
	evt.Content.Parsed = nil
	switch membership, ok := evt.Content.Raw["membership"].(string); {
	case evt.Type == event.StateMember && ok:
		member := &event.MemberEventContent{Membership: event.Membership(membership)}
		member.Displayname, _ = evt.Content.Raw["displayname"].(string)
		member.IsDirect, _ = evt.Content.Raw["is_direct"].(bool)
		evt.Content.Parsed = member
		return nil
	case evt.Type == event.StateEncryption:
		evt.Content.Parsed = &event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1}
		return nil
	}
	return err
}
