package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"papillon/bridge"
)

// bot is the gateway's own account. Who writes to it in a direct chat signs up there:
// the homeserver vouches for the sender. What it answers may be a password, so that it
// speaks in rooms of two alone, and never in the clear into an encrypted one.
type bot struct {
	network *Network
	user    id.UserID
	client  *mautrix.Client

	mu       sync.Mutex
	desk     bridge.Desk // nil while nobody can sign up
	ready    bool
	listed   bool
	stuck    bool // every room that the bot makes is encrypted
	answered *recent[id.RoomID, []id.EventID]
	invited  *recent[id.RoomID, *event.Event]
}

// invitedRooms is how many of the last invites the bot knows.
const invitedRooms = 64

func newBot(n *Network) *bot {
	return &bot{network: n, user: n.ghosts.bot, client: n.client(n.ghosts.bot),
		answered: newRecent[id.RoomID, []id.EventID](answeredRooms), invited: newRecent[id.RoomID, *event.Event](invitedRooms)}
}

var (
	_ bridge.Reception = (*Network)(nil)
	_ bridge.Linker    = (*Network)(nil)
)

// Attend implements [bridge.Reception].
func (n *Network) Attend(desk bridge.Desk) {
	n.bot.mu.Lock()
	defer n.bot.mu.Unlock()
	n.bot.desk = desk
}

// LinkAs implements [bridge.Linker]: people of the gateway's homeserver keep their
// accounts there.
func (n *Network) LinkAs(person bridge.RemoteID) (kind, refusal string) {
	user := id.UserID(person)
	if _, domain, err := user.Parse(); err != nil || domain != n.ghosts.domain {
		return "", fmt.Sprintf("I can make accounts only for people of %s, because I cannot act for you on another server by myself. "+
			"Ask the administrator of this gateway to link your account with your log-in: papillon link NAME matrix %s --kind login", n.ghosts.domain, user)
	}
	if n.options.Puppets == nil {
		return "", "I cannot act for you yet: the administrator of this gateway has to have the homeserver load its second registration, registration-msn-puppet.yaml."
	}
	if err := n.checkOwn(user); err != nil {
		return "", "Nobody can sign up from your address."
	}
	return KindOwn, ""
}

func (b *bot) attended() bridge.Desk {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.desk
}

// ensureReady registers and names the bot, once.
func (b *bot) ensureReady(ctx context.Context) error {
	b.mu.Lock()
	ready := b.ready
	b.mu.Unlock()
	if ready {
		return nil
	}
	err := b.network.call(ctx, func(ctx context.Context) error {
		_, err := b.client.MakeRequest(ctx, http.MethodPost, b.client.BuildClientURL("v3", "register"),
			&mautrix.ReqRegister[any]{Username: b.user.Localpart(), Type: mautrix.AuthTypeAppservice, InhibitLogin: true}, nil)
		return err
	})
	if err != nil && !errors.Is(err, mautrix.MUserInUse) {
		return fmt.Errorf("register the bot: %w", err)
	}
	err = b.network.call(ctx, func(ctx context.Context) error { return b.client.SetDisplayName(ctx, "Papillon") })
	if err != nil {
		return fmt.Errorf("name the bot: %w", err)
	}
	b.mu.Lock()
	b.ready = true
	b.mu.Unlock()
	return nil
}

// appear makes the bot, so that people find it, whenever the homeserver has come up: it
// may have another database. It does not block.
func (b *bot) appear() {
	b.mu.Lock()
	b.ready = false
	attended := b.desk != nil
	b.mu.Unlock()
	if !attended {
		return
	}
	go func() {
		if err := b.ensureReady(b.network.life); err != nil {
			b.network.log.Debug().Err(err).Msg("The bot is made later")
		}
	}()
}

// listRooms reads the bot's rooms into the room state, once in its life.
func (b *bot) listRooms(ctx context.Context) error {
	b.mu.Lock()
	done := b.listed || b.desk == nil
	b.mu.Unlock()
	if done {
		return nil
	}
	if err := b.ensureReady(ctx); err != nil {
		return err
	}
	var resp *mautrix.RespJoinedRooms
	err := b.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = b.client.JoinedRooms(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("list the rooms of the bot: %w", err)
	}
	for _, room := range resp.JoinedRooms {
		if err := b.network.state.SetMembership(ctx, room, b.user, event.MembershipJoin); err != nil {
			return fmt.Errorf("store the rooms of the bot: %w", err)
		}
	}
	b.mu.Lock()
	b.listed = true
	b.mu.Unlock()
	return nil
}

// isIn says whether the bot is in a room and somebody attends to it.
func (b *bot) isIn(ctx context.Context, room id.RoomID) (bool, error) {
	if b.attended() == nil {
		return false, nil
	}
	membership, err := b.network.state.GetMembership(ctx, room, b.user)
	if err != nil {
		return false, fmt.Errorf("read whether the bot is in %s: %w", room, err)
	}
	return membership == event.MembershipJoin, nil
}

// member takes invites: to direct chats. Others are declined. Once the bot is in, what
// was asked before is answered.
func (b *bot) member(ctx context.Context, evt *event.Event) error {
	content := evt.Content.AsMember()
	if content.Membership == event.MembershipJoin && b.attended() != nil {
		return b.cameIn(ctx, evt)
	}
	if content.Membership != event.MembershipInvite || b.attended() == nil || b.network.ghosts.owns(evt.Sender) {
		return nil
	}
	if err := b.ensureReady(ctx); err != nil {
		return err
	}
	b.invited.put(evt.RoomID, evt)
	return b.network.joinSoon(ctx, joinKey{b.user, evt.RoomID}, func(ctx context.Context) error {
		return b.answerInvite(ctx, evt.RoomID, content.IsDirect)
	}, func(f func(context.Context)) bool {
		go f(b.network.life)
		return true
	})
}

// cameIn takes what was written in a room before the bot was there. Only now is it sure
// that the homeserver counts the bot among those who are.
func (b *bot) cameIn(ctx context.Context, join *event.Event) (err error) {
	var g *gap
	if invite, known := b.invited.get(join.RoomID); known {
		g, err = b.network.afterInvite(ctx, b.client, invite)
	} else {
		g, err = b.network.sinceInvite(ctx, b.client, join)
	}
	if err != nil {
		return err
	}
	for _, evt := range g.events {
		if err := b.hear(ctx, evt); err != nil {
			return err
		}
	}
	return nil
}

// answerInvite takes an invite or declines it. One that does not hold any more is
// answered.
func (b *bot) answerInvite(ctx context.Context, room id.RoomID, take bool) error {
	err := b.network.callFor(ctx, joinTimeout, func(ctx context.Context) (err error) {
		if take {
			_, err = b.client.JoinRoomByID(ctx, room)
		} else {
			_, err = b.client.LeaveRoom(ctx, room)
		}
		return err
	})
	if err != nil && !final(err) {
		return fmt.Errorf("answer the bot's invite to %s: %w", room, err)
	}
	return nil
}

// overhear takes what somebody writes in a room without ghosts. The caller holds the
// room's lock, and the room state knows where the bot is.
func (b *bot) overhear(ctx context.Context, evt *event.Event) error {
	if in, err := b.isIn(ctx, evt.RoomID); err != nil || !in {
		return err
	}
	return b.hear(ctx, evt)
}

// hear takes what somebody writes where the bot is.
// A command is carried out at most once, whatever happens: its answer may be a
// password that takes the place of the last one.
func (b *bot) hear(ctx context.Context, evt *event.Event) error {
	encrypted := evt.Type == event.EventEncrypted
	words := commandIn(evt)
	if !encrypted && words == "" {
		return nil
	}
	alone, err := b.aloneWith(ctx, evt.RoomID, evt.Sender)
	if err != nil || !alone {
		return err
	}
	if !encrypted {
		if encrypted, err = b.encrypts(ctx, evt.RoomID); err != nil {
			return err
		}
	}
	fresh, err := b.first(ctx, evt)
	if err != nil || !fresh {
		return err
	}
	if encrypted {
		return b.moveToPlain(ctx, evt)
	}
	private, err := b.private(ctx, evt.RoomID)
	if err != nil {
		return err
	}
	if !private {
		b.say(ctx, evt.RoomID, evt.ID, openWords)
		return nil
	}
	b.say(ctx, evt.RoomID, evt.ID, b.answer(ctx, bridge.RemoteID(evt.Sender), words))
	return nil
}

// commandIn returns what somebody wrote as a command; empty for anything else, such as
// what programs say, and for what corrects an earlier message.
func commandIn(evt *event.Event) string {
	content, ok := evt.Content.Parsed.(*event.MessageEventContent)
	if !ok || evt.Type != event.EventMessage || content.MsgType != event.MsgText || content.RelatesTo.GetReplaceID() != "" {
		return ""
	}
	content.RemoveReplyFallback()
	return strings.TrimSpace(content.Body)
}

// troubleWords are what people are told of trouble that is the gateway's own.
const troubleWords = "That did not work. The administrator of this gateway finds the reason in the log."

// answer has the desk carry a command out.
func (b *bot) answer(ctx context.Context, person bridge.RemoteID, words string) string {
	command, argument, _ := strings.Cut(words, " ")
	answer, err := b.attended().Ask(ctx, person, command, argument)
	if err != nil {
		b.network.log.Error().Err(err).Msg("Cannot serve somebody at the desk")
		return troubleWords
	}
	return answer
}

const (
	// answeredData is where the homeserver keeps for the bot which commands of a room
	// were carried out, maxAnswered how many. Of so many rooms as answeredRooms it is
	// known here as well.
	answeredData  = "dev.papillon.answered"
	maxAnswered   = 64
	answeredRooms = 1024
)

// answeredEvents is its content.
type answeredEvents struct {
	Events []id.EventID `json:"events"`
}

// first says whether a command is new, and takes it for carried out from then on, also
// after a restart.
func (b *bot) first(ctx context.Context, evt *event.Event) (bool, error) {
	before, known := b.answered.get(evt.RoomID)
	if !known {
		var data answeredEvents
		err := b.network.call(ctx, func(ctx context.Context) error {
			return b.client.GetRoomAccountData(ctx, evt.RoomID, answeredData, &data)
		})
		if err != nil && !notThere(err) {
			return false, fmt.Errorf("read what the bot has answered: %w", err)
		}
		before = data.Events
	}
	if slices.Contains(before, evt.ID) {
		return false, nil
	}
	now := append(slices.Clone(before[max(0, len(before)-maxAnswered+1):]), evt.ID)
	err := b.network.call(ctx, func(ctx context.Context) error {
		return b.client.SetRoomAccountData(ctx, evt.RoomID, answeredData, &answeredEvents{now})
	})
	if err != nil {
		return false, fmt.Errorf("store what the bot has answered: %w", err)
	}
	b.answered.put(evt.RoomID, now)
	return true, nil
}

// say answers. What the homeserver does not take now it is offered again, in the
// background and with the same transaction id.
func (b *bot) say(ctx context.Context, room id.RoomID, to id.EventID, words string) {
	err := b.put(ctx, room, to, words)
	if err == nil {
		return
	}
	b.network.log.Info().Err(err).Msg("The bot's answer has to wait")
	go func() {
		var failures backoff
		for !final(err) && wait(b.network.life, retryAfter(err, failures.fail()), nil) {
			if err = b.put(b.network.life, room, to, words); err == nil {
				return
			}
		}
	}()
}

func (b *bot) put(ctx context.Context, room id.RoomID, to id.EventID, words string) error {
	content := &event.MessageEventContent{MsgType: event.MsgNotice, Body: words}
	extra := mautrix.ReqSendEvent{TransactionID: "bot-" + strings.TrimPrefix(string(to), "$")}
	return b.network.call(ctx, func(ctx context.Context) error {
		_, err := b.client.SendMessageEvent(ctx, room, event.EventMessage, content, extra)
		return err
	})
}

// moveToPlain leaves an encrypted room for one that is not: nothing is said in the
// clear where people trust in encryption, and the bot has no keys.
func (b *bot) moveToPlain(ctx context.Context, evt *event.Event) error {
	b.mu.Lock()
	stuck := b.stuck
	b.mu.Unlock()
	if stuck {
		return nil
	}
	var resp *mautrix.RespCreateRoom
	err := b.network.call(ctx, func(ctx context.Context) (err error) {
		resp, err = b.client.CreateRoom(ctx, &mautrix.ReqCreateRoom{Preset: "trusted_private_chat", IsDirect: true, Invite: []id.UserID{evt.Sender}})
		return err
	})
	if err != nil {
		return fmt.Errorf("make a room that is not encrypted: %w", err)
	}
	leave := evt.RoomID
	encrypted, err := b.encrypts(ctx, resp.RoomID)
	if err != nil {
		return err
	}
	if encrypted {
		b.network.log.Warn().Msg("The homeserver encrypts every room: nobody can sign up by the bot")
		b.mu.Lock()
		b.stuck = true
		b.mu.Unlock()
		leave = resp.RoomID
	} else {
		b.say(ctx, resp.RoomID, evt.ID, "I cannot read the encrypted room that you wrote in. Write to me here; say help to see what I understand.")
	}
	err = b.network.call(ctx, func(ctx context.Context) error {
		_, err := b.client.LeaveRoom(ctx, leave)
		return err
	})
	if err != nil {
		b.network.log.Info().Err(err).Msg("The bot cannot leave a room")
	}
	return nil
}
