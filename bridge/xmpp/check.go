package xmpp

import (
	"context"
	"errors"
	"fmt"
	"net"

	"papillon/bridge"
	"papillon/bridge/xmpp/stream"
)

// ParseJID reads the bare JID of a person, in the form in which it is stored.
// For commands.
func ParseJID(address string) (bridge.RemoteID, error) {
	id, ok := parseContact(address)
	if !ok || isOccupant(id) {
		return "", fmt.Errorf("%q is no XMPP address like alice@jabber.example", address)
	}
	return id, nil
}

// AddressOf is who an account is at the component unless it is linked to another. For
// commands.
func AddressOf(o Options, account bridge.Handle) (bridge.RemoteID, error) {
	address, err := addressAt(o.Component.Domain, o.AccountDomain, account)
	return bridge.RemoteID(address), err
}

// clientOptions are those of the stream of an account of somebody's own.
func (o Options) clientOptions(jid bridge.RemoteID, c Credentials) stream.ClientOptions {
	_, domain := splitID(jid)
	address := c.Address
	if address == "" {
		address = o.Servers[domain]
	}
	return stream.ClientOptions{
		JID: string(jid), Password: c.Password, Resource: "papillon", Address: address, DirectTLS: c.DirectTLS,
		RootCAs: o.RootCAs, Dial: o.Dial, Log: o.Log,
	}
}

// CheckLogin logs in once and out again. The error is one line that says what is
// wrong. For commands.
func CheckLogin(ctx context.Context, o Options, jid bridge.RemoteID, c Credentials) error {
	if err := stream.CheckClient(ctx, o.clientOptions(jid, c)); err != nil {
		return errors.New(stream.Describe(err))
	}
	return nil
}

// CheckComponent connects as the component once and leaves again; not to be
// called while a server runs, whose place it would take. The error is one line
// that says what is wrong. For commands.
func CheckComponent(ctx context.Context, o Options) error {
	c := o.Component
	err := stream.CheckComponent(ctx, stream.ComponentOptions{Address: c.Address, Domain: c.Domain, Secret: c.Secret, Dial: o.Dial, Log: o.Log})
	if err != nil {
		return errors.New(stream.Describe(err))
	}
	return nil
}

// ReachComponent finds out whether anything takes components at the address, and says
// nothing there: it is for use while a server runs. The error is one line that says
// what is wrong. For commands.
func ReachComponent(ctx context.Context, o Options) error {
	dial := o.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", o.Component.Address)
	if err != nil {
		return errors.New(stream.Describe(err))
	}
	_ = conn.Close() // nothing was said
	return nil
}

// CheckStored is [CheckLogin] for an identity out of the store.
func CheckStored(ctx context.Context, o Options, id bridge.IdentityRecord) error {
	c, err := parseCredentials(id.Credentials)
	if err != nil {
		return fmt.Errorf("%w: link the account again with \"papillon link\"", err)
	}
	return CheckLogin(ctx, o, id.ID, c)
}
