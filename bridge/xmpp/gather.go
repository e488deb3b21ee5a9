package xmpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

const (
	nsMUCOwner  = "http://jabber.org/protocol/muc#owner"
	nsMUCAdmin  = "http://jabber.org/protocol/muc#admin"
	nsMUCConfig = "http://jabber.org/protocol/muc#roomconfig"
)

// Gather implements [bridge.Rooms].
func (a *account) Gather(ctx context.Context, key string, people []bridge.RemoteID) (bridge.Contact, error) {
	r := &a.rooms
	known, err := r.recallKey(ctx, key)
	if err != nil {
		return bridge.Contact{}, err
	}
	if known != "" {
		return bridge.Contact{ID: known, Name: a.roomTitle(known), Room: true}, r.join(ctx, known)
	}
	id, err := r.place(ctx, key)
	if err != nil {
		return bridge.Contact{}, err
	}
	r.mu.Lock()
	room := r.get(id)
	room.making = true
	room.busy++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		room.making = false
		r.mu.Unlock()
		r.unbusy(room)
	}()
	if err := r.join(ctx, id); err != nil {
		return bridge.Contact{}, err
	}
	name := gatheringName(a.friendlyName(), people)
	r.mu.Lock()
	owner := room.owner || room.made
	r.mu.Unlock()
	if !owner {
		return bridge.Contact{}, fmt.Errorf("%w: the room %s is somebody else's", bridge.ErrRefused, id)
	}
	if err := r.furnish(ctx, id, name); err != nil {
		var e *stream.StanzaError
		if errors.As(err, &e) && e.Type != "wait" {
			err = errors.Join(fmt.Errorf("%w: %s", bridge.ErrRefused, reason(e)), a.Leave(ctx, id))
		}
		return bridge.Contact{}, fmt.Errorf("make a private room of %s: %w", id, err)
	}
	if err := r.admit(ctx, id, people); err != nil {
		return bridge.Contact{}, err
	}
	return r.enterAndKeep(ctx, bookmark{Room: id, Name: name, Key: key})
}

// roomTitle returns what is known as the name of a room.
func (a *account) roomTitle(id bridge.RemoteID) string {
	a.rooms.mu.Lock()
	defer a.rooms.mu.Unlock()
	if room := a.rooms.all[id]; room != nil {
		return room.mark.Name
	}
	return ""
}

// gatheringName names a room after those in it.
func gatheringName(user string, people []bridge.RemoteID) string {
	names := []string{user}
	for _, p := range people {
		local, domain := splitID(p)
		if local == "" {
			local = domain
		}
		names = append(names, local)
	}
	return trimName(strings.Join(names, ", "))
}

// place chooses the address of a room to be made: the same for the same key at all
// times, and one that nobody guesses.
func (r *rooms) place(ctx context.Context, key string) (bridge.RemoteID, error) {
	service, err := r.findService(ctx)
	if err != nil {
		return "", err
	}
	return bridge.RemoteID("papillon-" + digest(string(r.account.owner), r.account.bare, key) + "@" + service), nil
}

// findService finds where the account's server lets people make rooms. For an
// address of the component's that is the server that the component belongs to.
func (r *rooms) findService(ctx context.Context) (string, error) {
	r.mu.Lock()
	known := r.service
	r.mu.Unlock()
	if known != "" {
		return known, nil
	}
	server := r.account.port.service()
	candidates := []string{server}
	if !r.hasServer() {
		// The component offers none itself, and is mostly called after the server.
		component := r.account.network.options.Component.Domain
		_, parent, _ := strings.Cut(component, ".")
		candidates = slices.DeleteFunc([]string{server, parent}, func(d string) bool { return d == component || d == "" })
	}
	var failed error
	for _, domain := range candidates {
		service, err := r.serviceOf(ctx, domain)
		if service == "" {
			failed = errors.Join(failed, err)
			continue
		}
		r.mu.Lock()
		r.service = service
		r.mu.Unlock()
		return service, nil
	}
	if failed != nil {
		return "", fmt.Errorf("look for a service of rooms: %w", failed)
	}
	return "", fmt.Errorf("%w: %s offers no rooms", bridge.ErrRefused, strings.Join(candidates, ", "))
}

// serviceOf finds the service of rooms among what a server offers (XEP-0045 §6.1).
func (r *rooms) serviceOf(ctx context.Context, server string) (string, error) {
	items, err := r.account.query(ctx, server, stream.NewElement(nsDiscoItems, "query"))
	if err != nil {
		return "", err
	}
	for _, address := range likely(items) {
		if address == r.account.network.options.Component.Domain {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, nameTimeout)
		info, err := r.account.query(asking, address, stream.NewElement(nsDiscoInfo, "query"))
		cancel()
		if err != nil {
			continue // it may be down; another may be there
		}
		if _, ok := roomIdentity(info); ok && hasFeature(info, nsMUC) {
			return address, nil
		}
	}
	return "", nil
}

// usualNames are what services of rooms are mostly called.
var usualNames = []string{"conference.", "muc.", "rooms.", "room.", "chat.", "groups."}

// likely lists the services among the items of a server, first those that are
// called like a service of rooms: any other may be one that does not answer.
func likely(items *stream.Element) (all []string) {
	for _, item := range items.All(nsDiscoItems, "item") {
		if address := item.Attribute("jid"); address != "" && isServer(address) && item.Attribute("node") == "" {
			all = append(all, address)
		}
	}
	slices.SortStableFunc(all, func(a, b string) int {
		usual := func(s string) int {
			if slices.ContainsFunc(usualNames, func(name string) bool { return strings.HasPrefix(s, name) }) {
				return 0
			}
			return 1
		}
		return usual(a) - usual(b)
	})
	return all
}

func hasFeature(info *stream.Element, feature string) bool {
	for _, f := range info.All(nsDiscoInfo, "feature") {
		if f.Attribute("var") == feature {
			return true
		}
	}
	return false
}

// roomConfig makes a room one for its members, who see each other's addresses;
// XEP-0045 §10.1.3, §15.5.3. Each list asks for less than the one before, for
// services that do not allow all of it.
var roomConfig = [][][2]string{
	{
		{"muc#roomconfig_membersonly", "1"}, {"muc#roomconfig_whois", "anyone"}, {"muc#roomconfig_persistentroom", "1"},
		{"muc#roomconfig_publicroom", "0"}, {"muc#roomconfig_allowinvites", "1"}, {"muc#roomconfig_moderatedroom", "0"},
	},
	{{"muc#roomconfig_membersonly", "1"}, {"muc#roomconfig_whois", "anyone"}, {"muc#roomconfig_persistentroom", "1"}},
	{{"muc#roomconfig_membersonly", "1"}},
}

// furnish makes a new room private. One that cannot be is not used.
func (r *rooms) furnish(ctx context.Context, id bridge.RemoteID, name string) (err error) {
	for _, fields := range roomConfig {
		fields = append([][2]string{{"muc#roomconfig_roomname", name}}, fields...)
		_, err = r.account.ask(ctx, "set", string(id), stream.NewElement(nsMUCOwner, "query").With(form(nsMUCConfig, fields...)))
		var e *stream.StanzaError
		if err == nil || !errors.As(err, &e) || e.Type == "wait" {
			return err
		}
	}
	return err
}

// open takes a new room as it is ("instant room", XEP-0045 §10.1.2).
func (r *rooms) open(id bridge.RemoteID) *stream.Stanza {
	return &stream.Stanza{
		Kind: stream.IQ, Type: "set", To: string(id), ID: asideMark + digest("open", string(id)),
		Children: []*stream.Element{
			stream.NewElement(nsMUCOwner, "query").With(stream.NewElement("jabber:x:data", "x", "type", "submit")),
		},
	}
}

// admit makes people members of a room and invites them.
func (r *rooms) admit(ctx context.Context, id bridge.RemoteID, people []bridge.RemoteID) error {
	for _, p := range people {
		if isOccupant(p) {
			return fmt.Errorf("%w: %s is known by a nick in a room only and cannot be invited", bridge.ErrRefused, p)
		}
		_, err := r.account.ask(ctx, "set", string(id), stream.NewElement(nsMUCAdmin, "query").
			With(stream.NewElement(nsMUCAdmin, "item", "affiliation", "member", "jid", string(p))))
		var e *stream.StanzaError
		if err != nil && (!errors.As(err, &e) || e.Type == "wait") {
			return fmt.Errorf("make %s a member of %s: %w", p, id, err)
		}
		// Who may not make members may still invite: the room decides.
		for _, s := range r.invitations(id, p) {
			r.account.memory.sent.put(maxSent, s.ID, struct{}{})
			if err := r.account.port.send(ctx, s); err != nil {
				return fmt.Errorf("invite %s to %s: %w", p, id, err)
			}
		}
	}
	return nil
}

// invitations are both forms of an invitation: the room's own makes a member in
// any case, the direct one reaches people who let no strangers write to them.
func (r *rooms) invitations(id, person bridge.RemoteID) []*stream.Stanza {
	r.mu.Lock()
	var password string
	if room := r.all[id]; room != nil {
		password = room.mark.Password
	}
	r.mu.Unlock()
	mediated := stream.NewElement(nsMUCUser, "x").With(stream.NewElement(nsMUCUser, "invite", "to", string(person)))
	direct := stream.NewElement(nsConference, "x", "jid", string(id), "password", password)
	return []*stream.Stanza{
		{Kind: stream.Message, To: string(id), ID: asideMark + digest("mediated", string(id), string(person)), Children: []*stream.Element{mediated}},
		{Kind: stream.Message, To: string(person), ID: inviteMark + digest(string(id), string(person)), Children: []*stream.Element{direct}},
	}
}

// Invite implements [bridge.Rooms].
func (a *account) Invite(ctx context.Context, name string, person bridge.RemoteID) error {
	id, err := a.rooms.named(ctx, name)
	if err != nil {
		return err
	}
	if err := a.rooms.join(ctx, id); err != nil {
		return err
	}
	return a.rooms.admit(ctx, id, []bridge.RemoteID{person})
}
