package xmpptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
)

// IQ makes a query and returns the answer, the iq element. Kind is get or set,
// payload is XML; an empty to stands for the own account. A refusal is a
// [StanzaError].
func (p *Peer) IQ(ctx context.Context, kind, to, payload string) (*Element, error) {
	text, err := p.do(ctx, "iq", map[string]any{"type": kind, "to": to, "xml": payload})
	if err != nil {
		return nil, fmt.Errorf("query %s as %s: %w", to, p.JID, err)
	}
	element, err := parseElement(text)
	if err != nil {
		return nil, err
	}
	return &element, nil
}

// DiscoInfo asks what somebody is and can do (XEP-0030): identities as
// category/type, and features.
func (p *Peer) DiscoInfo(ctx context.Context, jid, node string) (identities, features []string, err error) {
	answer, err := p.query(ctx, "xep_0030", "get_info", map[string]any{"jid": jid, "node": node, "local": false, "cached": false})
	if err != nil {
		return nil, nil, err
	}
	query := answer.Child("", "query")
	for _, identity := range query.all("identity") {
		identities = append(identities, identity.Attr("category")+"/"+identity.Attr("type"))
	}
	for _, feature := range query.all("feature") {
		features = append(features, feature.Attr("var"))
	}
	return identities, features, nil
}

// DiscoItems asks what belongs to somebody (XEP-0030), and returns the item
// elements, with the attributes jid, node and name.
func (p *Peer) DiscoItems(ctx context.Context, jid, node string) ([]*Element, error) {
	answer, err := p.query(ctx, "xep_0030", "get_items", map[string]any{"jid": jid, "node": node, "local": false})
	if err != nil {
		return nil, err
	}
	return answer.Child("", "query").all("item"), nil
}

// VCard asks for somebody's vCard (XEP-0054) and returns its element.
func (p *Peer) VCard(ctx context.Context, jid string) (*Element, error) {
	answer, err := p.query(ctx, "xep_0054", "get_vcard", map[string]any{"jid": jid, "local": false, "cached": false})
	if err != nil {
		return nil, err
	}
	return answer.Child("vcard-temp", "vCard"), nil
}

// SetVCard publishes a vCard whose children are given as XML.
func (p *Peer) SetVCard(ctx context.Context, children string) error {
	_, err := p.IQ(ctx, "set", "", `<vCard xmlns="vcard-temp">`+children+`</vCard>`)
	return err
}

// RegistrationForm asks a service for its form (XEP-0077) and returns the query
// element: registered, instructions, and a child for each field.
func (p *Peer) RegistrationForm(ctx context.Context, jid string) (*Element, error) {
	answer, err := p.query(ctx, "xep_0077", "get_registration", map[string]any{"jid": jid})
	if err != nil {
		return nil, err
	}
	return answer.Child("jabber:iq:register", "query"), nil
}

// Register registers with a service (XEP-0077).
func (p *Peer) Register(ctx context.Context, jid string, fields map[string]string) error {
	payload := `<query xmlns="jabber:iq:register">`
	for name, value := range fields {
		payload += "<" + name + ">" + escape(value) + "</" + name + ">"
	}
	_, err := p.IQ(ctx, "set", jid, payload+"</query>")
	return err
}

// Unregister ends a registration.
func (p *Peer) Unregister(ctx context.Context, jid string) error {
	_, err := p.query(ctx, "xep_0077", "cancel_registration", map[string]any{"jid": jid})
	return err
}

// CommandStep is one step of an ad-hoc command (XEP-0050).
type CommandStep struct {
	To, Node string
	Session  string            // from the answer before; "" begins
	Action   string            // execute, next, prev, complete or cancel; "" means execute
	Fields   map[string]string // what the form is filled in with
}

// Command makes one step of an ad-hoc command and returns the command element
// of the answer, with the attributes sessionid and status, and with the form x
// and the notes as children.
func (p *Peer) Command(ctx context.Context, step CommandStep) (*Element, error) {
	payload := `<command xmlns="http://jabber.org/protocol/commands" node="` + escape(step.Node) + `"`
	if step.Action == "" {
		step.Action = "execute"
	}
	payload += ` action="` + escape(step.Action) + `"`
	if step.Session != "" {
		payload += ` sessionid="` + escape(step.Session) + `"`
	}
	payload += ">"
	if len(step.Fields) > 0 {
		payload += `<x xmlns="jabber:x:data" type="submit">` + formFields("", step.Fields) + "</x>"
	}
	answer, err := p.IQ(ctx, "set", step.To, payload+"</command>")
	if err != nil {
		return nil, err
	}
	return answer.Child("http://jabber.org/protocol/commands", "command"), nil
}

// Archive asks the own archive (XEP-0313) for all messages with somebody, or
// with everybody if with is empty, oldest first.
func (p *Peer) Archive(ctx context.Context, with string) ([]*Event, error) {
	filter := map[string]string{}
	if with != "" {
		filter["with"] = with
	}
	form := `<x xmlns="jabber:x:data" type="submit">` + formFields("urn:xmpp:mam:2", filter) + `</x>`
	var messages []*Event
	for after := ""; ; {
		query := rand.Text()
		page := `<set xmlns="http://jabber.org/protocol/rsm"><max>100</max>` + after + `</set>`
		answer, err := p.IQ(ctx, "set", "", `<query xmlns="urn:xmpp:mam:2" queryid="`+query+`">`+form+page+`</query>`)
		if err != nil {
			return nil, err
		}
		// The results have come before the answer.
		messages = append(messages, p.takeResults(query)...)
		fin := answer.Child("urn:xmpp:mam:2", "fin")
		last := fin.Child("", "set").Child("", "last").Content()
		if fin.Attr("complete") == "true" || last == "" {
			return messages, nil
		}
		after = "<after>" + escape(last) + "</after>"
	}
}

// takeResults takes the results of a query of the archive from the events.
func (p *Peer) takeResults(query string) (messages []*Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var rest []*Event
	for _, evt := range p.events {
		result := evt.Child("urn:xmpp:mam:2", "result")
		message := result.Child(nsForward, "forwarded").Child("", "message")
		if result.Attr("queryid") == query && message != nil {
			messages = append(messages, &Event{Element: *message, Kind: "message"})
		} else {
			rest = append(rest, evt)
		}
	}
	p.events = rest
	return messages
}

// Upload puts a file on the server (XEP-0363) and returns its URL.
func (p *Peer) Upload(ctx context.Context, s *Server, name, mediaType string, content []byte) (url string, err error) {
	answer, err := p.IQ(ctx, "get", s.UploadDomain, fmt.Sprintf(
		`<request xmlns="urn:xmpp:http:upload:0" filename="%s" size="%d" content-type="%s"/>`,
		escape(name), len(content), escape(mediaType)))
	if err != nil {
		return "", err
	}
	slot := answer.Child("urn:xmpp:http:upload:0", "slot")
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, slot.Child("", "put").Attr("url"), bytes.NewReader(content))
	if err != nil {
		return "", fmt.Errorf("upload %s: %w", name, err)
	}
	req.Header.Set("Content-Type", mediaType)
	for _, header := range slot.Child("", "put").all("header") {
		req.Header.Set(header.Attr("name"), header.Text)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("upload %s: %w", name, err)
	}
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("upload %s: %s", name, resp.Status)
	}
	return slot.Child("", "get").Attr("url"), errors.Join(err, resp.Body.Close())
}
