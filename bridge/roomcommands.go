package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"papillon/bridge/text"
	"papillon/msnp"
)

// complaint words an error for the user; trouble of the gateway's own goes to
// the log.
func (u *user) complaint(err error, what string) string {
	var refusal *msnp.Error
	switch {
	case errors.As(err, &refusal):
		return "That did not work: " + refusal.Reason + "."
	case errors.Is(err, ErrNoSuchContact):
		return "That did not work: nobody there knows it."
	case errors.Is(err, ErrRefused):
		return "That did not work: " + err.Error() + "."
	case errors.Is(err, context.DeadlineExceeded):
		return "That did not work: the network did not answer in time."
	}
	u.log().Warn().Err(err).Msg("Cannot " + what)
	return "That did not work: " + err.Error() + "."
}

// commandTimeout bounds what a command asks of a network.
const commandTimeout = 30 * time.Second

// joinCommand enters a room.
func joinCommand(ctx context.Context, u *user, address string) string {
	if address == "" {
		return "Which room? For example: join room@conference.example.org"
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	for _, l := range u.gateway.linksOf(u.handle) {
		id, ok := l.network.ParseContact(address)
		rooms, can := l.account.(Rooms)
		if !ok || !can {
			continue
		}
		room, err := rooms.Join(ctx, id)
		if err != nil {
			return u.complaint(err, "join a room")
		}
		room.Room = true
		contact, err := u.gateway.contactOf(ctx, l.network, room)
		if err != nil {
			return u.complaint(err, "join a room")
		}
		for _, list := range [...]msnp.List{msnp.Forward, msnp.Allow} {
			var refusal *msnp.Error
			if err := u.addByCommand(ctx, list, personOf(contact)); err != nil && !errors.As(err, &refusal) {
				return u.complaint(err, "put a room on the contact list")
			}
		}
		return fmt.Sprintf("You are in %s now; it is on your contact list as %s.", personOf(contact).bestName(""), contact.Handle)
	}
	return fmt.Sprintf("%q is no room on a network that you are on.", address)
}

// joinedRoom is a room that a user is in.
type joinedRoom struct {
	link    *link
	rooms   Rooms
	contact ContactRecord
}

// roomsOf lists the rooms that a user is in on all networks.
func (u *user) roomsOf(ctx context.Context) (all []joinedRoom, err error) {
	for _, l := range u.gateway.linksOf(u.handle) {
		rooms, ok := l.account.(Rooms)
		if !ok {
			continue
		}
		list, err := rooms.Rooms(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			r.Room = true
			contact, err := u.gateway.contactOf(ctx, l.network, r)
			if err != nil {
				return nil, err
			}
			all = append(all, joinedRoom{l, rooms, contact})
		}
	}
	return all, nil
}

// roomsCommand lists rooms.
func roomsCommand(ctx context.Context, u *user, _ string) string {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	all, err := u.roomsOf(ctx)
	if err != nil {
		return u.complaint(err, "list rooms")
	}
	if len(all) == 0 {
		return "You are in no room. Say join ROOM to enter one."
	}
	lines := []string{"Your rooms:"}
	for _, r := range all {
		lines = append(lines, fmt.Sprintf("%s - %s, on %s: %s", personOf(r.contact).bestName(""), r.contact.Handle, r.link.network.Name(), r.contact.ID))
	}
	return strings.Join(lines, "\n")
}

// roomCalled finds a room by its handle, id or name, or else by an address that its
// network knows; -1 for none.
func (u *user) roomCalled(ctx context.Context, all []joinedRoom, which string) int {
	i := slices.IndexFunc(all, func(r joinedRoom) bool {
		return strings.EqualFold(which, string(r.contact.Handle)) || which == string(r.contact.ID) || strings.EqualFold(which, r.contact.Name)
	})
	if i >= 0 {
		return i
	}
	for _, l := range u.gateway.linksOf(u.handle) {
		id, ok := l.network.ParseContact(which)
		if !ok {
			continue
		}
		if found, err := l.account.Lookup(ctx, id); err == nil {
			id = found.ID
		}
		if i := slices.IndexFunc(all, func(r joinedRoom) bool { return r.link == l && r.contact.ID == id }); i >= 0 {
			return i
		}
	}
	return -1
}

// leaveCommand leaves a room for good.
func leaveCommand(ctx context.Context, u *user, which string) string {
	if which == "" {
		return "Which room? Say rooms to see them, then leave and the handle of one."
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	all, err := u.roomsOf(ctx)
	if err != nil {
		return u.complaint(err, "list rooms")
	}
	i := u.roomCalled(ctx, all, which)
	if i < 0 {
		return fmt.Sprintf("You are in no room called %q. Say rooms to see them.", which)
	}
	r := all[i]
	if err := r.rooms.Leave(ctx, r.contact.ID); err != nil {
		return u.complaint(err, "leave a room")
	}
	for _, list := range [...]msnp.List{msnp.Forward, msnp.Allow, msnp.Reverse} {
		if err := r.link.apply(ctx, u, []listing{{list: list, contact: r.contact}}); err != nil {
			return u.complaint(err, "take a room off the contact list")
		}
	}
	return "You have left " + personOf(r.contact).bestName("") + "."
}

const (
	// historyUsual and historyMost are how many messages history shows.
	historyUsual, historyMost = 20, 200
)

// historyCommand shows the last messages of a conversation.
func historyCommand(ctx context.Context, u *user, args string) string {
	var who Handle
	n := historyUsual
	for _, word := range strings.Fields(args) {
		if count, err := strconv.Atoi(word); err == nil {
			n = min(max(count, 1), historyMost)
			continue
		}
		person, err := u.gateway.whoisAddress(ctx, u.handle, word)
		if err != nil {
			return u.complaint(err, "find a contact")
		}
		who = person.handle
	}
	if who == "" {
		u.owner.do(func() { who = u.lastTalk })
	}
	if who == "" {
		return "Of which conversation? For example: history bob@example.org 20"
	}
	contact, known, err := u.gateway.Storage.ContactByHandle(ctx, who)
	if err != nil {
		return u.complaint(err, "find a contact")
	}
	if !known {
		return fmt.Sprintf("%s is a user of this server, which keeps no history.", who)
	}
	return u.history(ctx, contact, n)
}

// history asks a network for the last messages with a contact.
func (u *user) history(ctx context.Context, contact ContactRecord, n int) string {
	l := u.gateway.linkOf(u.handle, contact.Network)
	if l == nil {
		return "You are not on " + contact.Network + " any more."
	}
	name := personOf(contact).bestName("")
	nothing := contact.Network + " keeps no history of your chat with " + name + "."
	backlog, ok := l.account.(Backlog)
	if !ok {
		return nothing
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	chat := Chat{Contact: contact.ID}
	if contact.Room {
		chat = RoomChat(contact.ID)
	}
	messages, err := backlog.History(ctx, chat, n)
	switch {
	case errors.Is(err, ErrNoHistory):
		return nothing
	case err != nil:
		return u.complaint(err, "read history")
	}
	if len(messages) == 0 {
		return "There is no history with " + name + "."
	}
	lines := []string{"The last messages with " + name + ":"}
	for _, m := range messages {
		lines = append(lines, u.historyLine(m, name))
	}
	return strings.Join(lines, "\n")
}

// historyLine words one message of long ago.
func (u *user) historyLine(m MessageReceived, contact string) string {
	who := m.From.Name
	switch {
	case m.Own:
		who = "You"
	case who == "" || !m.Chat.isRoom():
		who = contact
	}
	words := m.Text
	if m.Act != "" {
		words, _ = text.Line(text.Happening{Act: m.Act, Who: who, Target: m.Target.Text, New: m.Text}, text.Short)
	}
	for _, media := range m.Media {
		words = strings.TrimPrefix(words+"\n[file: "+text.Preview(media.Name, maxFileName)+"]", "\n")
	}
	speaker := who + ":"
	if m.Kind == Emoted && m.Act == "" {
		speaker = "* " + who
	}
	now := time.Now()
	// What begins a line is the gateway's, lest a message be taken for several.
	return fmt.Sprintf("%s %s %s", text.Stamp(m.Sent.In(now.Location()), now), speaker, strings.ReplaceAll(words, "\n", "\n  "))
}

// linkCommand says how the user is tied to networks.
func linkCommand(ctx context.Context, u *user, _ string) string {
	identities, err := u.gateway.Storage.Identities(ctx, u.handle)
	if err != nil {
		u.log().Error().Err(err).Msg("Cannot read the identities")
		return troubleAnswer
	}
	kinds := make(map[string]string)
	for _, id := range identities {
		kinds[id.Network] = id.Kind
	}
	var lines []string
	for _, n := range u.gateway.Networks {
		l := u.gateway.linkOf(u.handle, n.Name())
		switch kind := kinds[n.Name()]; {
		case l == nil:
			lines = append(lines, n.Name()+": not linked.")
		case kind == "":
			lines = append(lines, fmt.Sprintf("%s: you are %s, an account that this server made for you.", n.Name(), l.account.ID()))
		default:
			lines = append(lines, fmt.Sprintf("%s: you are %s, linked as %s.", n.Name(), l.account.ID(), kind))
		}
	}
	if len(lines) == 0 {
		return "This server is on no network."
	}
	return strings.Join(lines, "\n") + "\nTo use an account of your own, have the administrator run, on the server:\n" +
		"papillon link " + string(u.handle) + " NETWORK ADDRESS --kind login\n" +
		"Never write a password of another network into this window."
}
