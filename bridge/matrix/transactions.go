package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"go.mau.fi/util/exhttp"
	"go.mau.fi/util/exstrings"
	"golang.org/x/sync/errgroup"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// roomsAtOnce is how many rooms of one transaction are handled at once.
const roomsAtOnce = 8

// Handler returns the Application Service API that the homeserver calls, to be
// served on a listener of its own. All accounts are to be open before it is
// served; see [Network.Open].
func (n *Network) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /_matrix/app/v1/transactions/{txnID}", n.putTransaction)
	mux.HandleFunc("GET /_matrix/app/v1/users/{userID}", n.getUser)
	mux.HandleFunc("GET /_matrix/app/v1/rooms/{alias}", n.getRoom)
	mux.HandleFunc("POST /_matrix/app/v1/ping", n.postPing)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		mautrix.MUnrecognized.WithMessage("Unknown endpoint").Write(w)
	})
	return n.authorized(mux)
}

// authorized lets only the homeserver through.
func (n *Network) authorized(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		switch {
		case !ok:
			mautrix.MMissingToken.WithMessage("Missing access token").Write(w)
		case !exstrings.ConstantTimeEqual(token, n.options.Registration.ServerToken):
			n.log.Warn().Str("from", r.RemoteAddr).Msg("Request with a wrong hs_token: the homeserver has another registration loaded")
			mautrix.MForbidden.WithMessage("Invalid access token").Write(w)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// transaction is the body of one, with events that are read one by one: a bad
// one must not take the others with it.
type transaction struct {
	Events            []json.RawMessage `json:"events"`
	Ephemeral         []json.RawMessage `json:"ephemeral"`
	UnstableEphemeral []json.RawMessage `json:"de.sorunome.msc2409.ephemeral"`
}

// putTransaction answers 200 only when every event is taken care of. After any
// other answer the homeserver offers the transaction again.
func (n *Network) putTransaction(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, n.options.MaxTransaction))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		n.log.Error().Int64("limit", tooLarge.Limit).Msg("Transaction is too large")
		mautrix.MTooLarge.WithMessage("Transaction is larger than %d bytes", tooLarge.Limit).Write(w)
		return
	case err != nil:
		mautrix.MNotJSON.WithMessage("Body cannot be read").Write(w)
		return
	}
	var txn transaction
	if err := json.Unmarshal(body, &txn); err != nil {
		n.log.Error().Err(err).Str("transaction", r.PathValue("txnID")).Msg("Transaction is not JSON")
		mautrix.MNotJSON.WithMessage("Body is not a transaction").Write(w)
		return
	}
	if err := n.take(r.Context(), &txn); err != nil {
		n.log.Warn().Err(err).Str("transaction", r.PathValue("txnID")).Msg("Transaction will be offered again")
		mautrix.MUnknown.WithMessage("Try again").Write(w)
		return
	}
	exhttp.WriteEmptyJSONResponse(w, http.StatusOK)
}

// take handles a transaction. A homeserver that lost patience offers it again
// while the first try still runs: the second waits its turn.
func (n *Network) take(ctx context.Context, txn *transaction) error {
	select {
	case n.intake <- struct{}{}:
		defer func() { <-n.intake }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n.ephemeral(ctx, append(txn.Ephemeral, txn.UnstableEphemeral...))
	err := n.roomEvents(ctx, txn.Events)
	n.behind.Store(err != nil)
	return err
}

// roomEvents handles the events of each room in their order, and several rooms
// at once: one that is slow to join does not keep the others waiting. A room
// whose event fails stops there; the others go on.
func (n *Network) roomEvents(ctx context.Context, raw []json.RawMessage) error {
	var order []id.RoomID
	rooms := make(map[id.RoomID][]*event.Event)
	for _, data := range raw {
		evt, err := parseEvent(data)
		if err != nil {
			n.log.Warn().Err(err).Msg("Event cannot be read and is skipped")
			continue
		}
		if _, ok := rooms[evt.RoomID]; !ok {
			order = append(order, evt.RoomID)
		}
		rooms[evt.RoomID] = append(rooms[evt.RoomID], evt)
	}
	closings := n.closings.Load()
	var group errgroup.Group // not with the context: all rooms get their turn
	group.SetLimit(roomsAtOnce)
	for _, room := range order {
		group.Go(func() error {
			unlock := n.rooms.lock(room)
			defer unlock()
			for _, evt := range rooms[room] {
				if n.closings.Load() != closings {
					return errClosed
				}
				if err := n.handle(ctx, evt); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// parseEvent reads a room event. Content that cannot be read leaves the event
// without any: it is still told that something came.
func parseEvent(data json.RawMessage) (*event.Event, error) {
	var evt event.Event
	if err := json.Unmarshal(data, &evt); err != nil {
		return nil, fmt.Errorf("parse event: %w", err)
	}
	if evt.RoomID == "" || evt.Type.Type == "" || evt.Sender == "" {
		return nil, errors.New("parse event: it has no room, type or sender")
	}
	evt.Type.Class = event.MessageEventType
	if evt.StateKey != nil {
		evt.Type.Class = event.StateEventType
	}
	if err := readContent(&evt); err != nil {
		evt.Content.Parsed = nil
	}
	dropNil(&evt.Unsigned.InviteRoomState)
	return &evt, nil
}

// ephemeral handles typing and presence, where the homeserver pushes them.
func (n *Network) ephemeral(ctx context.Context, raw []json.RawMessage) {
	now := time.Now()
	for _, data := range raw {
		var evt event.Event
		if err := json.Unmarshal(data, &evt); err != nil {
			n.log.Warn().Err(err).Msg("Ephemeral event cannot be read and is skipped")
			continue
		}
		evt.Type.Class = event.EphemeralEventType
		if err := evt.Content.ParseRaw(evt.Type); err != nil {
			continue
		}
		switch evt.Type {
		case event.EphemeralEventPresence:
			for _, a := range n.open() {
				a.presenceEvent(&evt, now)
			}
		case event.EphemeralEventTyping:
			accounts, err := n.accountsIn(ctx, evt.RoomID)
			if err != nil {
				n.log.Debug().Err(err).Msg("Typing in a room that cannot be read")
			}
			for _, a := range accounts {
				a.typingEvent(ctx, &evt)
			}
		}
	}
}

// getUser answers whether there is a ghost of that id, and makes it: the
// homeserver expects it to be there after the answer.
func (n *Network) getUser(w http.ResponseWriter, r *http.Request) {
	if id.UserID(r.PathValue("userID")) == n.bot.user && n.bot.attended() != nil {
		if err := n.bot.ensureReady(r.Context()); err != nil {
			n.log.Warn().Err(err).Msg("The bot cannot be made")
			mautrix.MUnknown.WithMessage("Try again").Write(w)
			return
		}
		exhttp.WriteEmptyJSONResponse(w, http.StatusOK)
		return
	}
	a := n.account(id.UserID(r.PathValue("userID")))
	if a == nil {
		mautrix.MNotFound.WithMessage("No such user").Write(w)
		return
	}
	if err := a.ensureReady(r.Context()); err != nil {
		n.log.Warn().Err(err).Msg("Ghost cannot be made")
		mautrix.MUnknown.WithMessage("Try again").Write(w)
		return
	}
	exhttp.WriteEmptyJSONResponse(w, http.StatusOK)
}

// getRoom answers whether there is a room of that alias: the gateway has none.
func (n *Network) getRoom(w http.ResponseWriter, _ *http.Request) {
	mautrix.MNotFound.WithMessage("No such room").Write(w)
}

// postPing answers the homeserver's own test of the connection.
func (n *Network) postPing(w http.ResponseWriter, _ *http.Request) {
	exhttp.WriteEmptyJSONResponse(w, http.StatusOK)
}
