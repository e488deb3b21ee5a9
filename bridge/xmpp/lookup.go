package xmpp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// lookupTimeout bounds the question what an address is.
const lookupTimeout = 5 * time.Second

// nameTimeout bounds the search for somebody's name, which is worth less than an
// answer.
const nameTimeout = 4 * time.Second

// Lookup implements [bridge.Account]: disco, vCard or nickname.
func (a *account) Lookup(ctx context.Context, id bridge.RemoteID) (bridge.Contact, error) {
	if isOccupant(id) {
		return bridge.Contact{ID: id, Name: stream.Resource(string(id))}, nil
	}
	if id == bridge.RemoteID(a.bare) {
		return bridge.Contact{ID: id, Name: a.friendlyName()}, nil
	}
	asking, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	info, err := a.query(asking, string(id), stream.NewElement(nsDiscoInfo, "query"))
	var e *stream.StanzaError
	switch {
	case err == nil:
	case asking.Err() != nil && ctx.Err() == nil:
		// Who does not say what he is may still read what is written to him.
		return bridge.Contact{ID: id}, nil
	case !errors.As(err, &e):
		return bridge.Contact{}, fmt.Errorf("ask about %s: %w", id, err)
	case unknownPerson[e.Condition]:
		return bridge.Contact{}, fmt.Errorf("%w: %s", bridge.ErrNoSuchContact, e.Condition)
	case e.Condition == "remote-server-timeout" || e.Type == "wait":
		return bridge.Contact{}, fmt.Errorf("ask about %s: %s: %w", id, reason(e), err)
	}
	if name, ok := roomIdentity(info); ok {
		return bridge.Contact{ID: id, Name: name, Room: true}, nil
	}
	name, err := a.nameOf(ctx, id)
	if err != nil {
		return bridge.Contact{}, err
	}
	return bridge.Contact{ID: id, Name: name}, nil
}

// query asks somebody something and returns the payload of the answer.
func (a *account) query(ctx context.Context, to string, payload *stream.Element) (*stream.Element, error) {
	return a.ask(ctx, "get", to, payload)
}

// ask sends an iq and returns the payload of the answer, an empty element where
// it has none.
func (a *account) ask(ctx context.Context, kind, to string, payload *stream.Element) (*stream.Element, error) {
	answer, err := a.port.query(ctx, &stream.Stanza{
		Kind: stream.IQ, Type: kind, To: to, Children: []*stream.Element{payload},
	})
	if err != nil {
		return nil, err
	}
	if len(answer.Children) == 0 {
		return &stream.Element{}, nil
	}
	return answer.Children[0], nil
}

// roomIdentity recognises a room by its disco information (XEP-0045 §6.4) and
// returns its name.
func roomIdentity(info *stream.Element) (name string, ok bool) {
	if info == nil {
		return "", false
	}
	for _, i := range info.All(nsDiscoInfo, "identity") {
		if i.Attribute("category") == "conference" && i.Attribute("type") == "text" {
			return trimName(i.Attribute("name")), true
		}
	}
	return "", false
}

// nameOf asks for somebody's name: the nickname (XEP-0172), which only friends may
// see, else that of the visiting card (XEP-0054). Silence is no answer, but a
// clear word that there is nobody is one.
func (a *account) nameOf(ctx context.Context, id bridge.RemoteID) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	items := stream.NewElement(nsPubSub, "pubsub").
		With(stream.NewElement(nsPubSub, "items", "node", nsNick, "max_items", "1"))
	if answer, err := a.query(ctx, string(id), items); err == nil {
		item := answer.Child(nsPubSub, "items").Child(nsPubSub, "item")
		if name := trimName(item.Child(nsNick, "nick").Chars()); name != "" {
			return name, nil
		}
	}
	card, err := a.query(ctx, string(id), stream.NewElement(nsVCard, "vCard"))
	var e *stream.StanzaError
	if errors.As(err, &e) && (e.Condition == "remote-server-not-found" || e.Condition == "jid-malformed") {
		return "", fmt.Errorf("%w: %s", bridge.ErrNoSuchContact, e.Condition)
	}
	for _, field := range []string{"NICKNAME", "FN"} {
		if name := trimName(card.Child(nsVCard, field).Chars()); name != "" {
			return name, nil
		}
	}
	return "", nil
}

// nickEvent reads the news that somebody has another nickname (XEP-0172 §3.3); ok
// is false for other messages.
func nickEvent(s *stream.Stanza) (who bridge.Contact, ok bool) {
	items := s.Child(nsPubSubEvent, "event").Child(nsPubSubEvent, "items")
	if items.Attribute("node") != nsNick {
		return who, false
	}
	id, ok := bareID(s.From)
	name := trimName(items.Child(nsPubSubEvent, "item").Child(nsNick, "nick").Chars())
	return bridge.Contact{ID: id, Name: name}, ok && name != ""
}

// friendlyName returns the user's own.
func (a *account) friendlyName() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.name
}
