// Package xmpp is a [bridge.Network] over XMPP. An MSN user is there in one of two
// ways, as the identity's kind says:
//
//   - "login": with an account of his own on any server. The roster, the block
//     list and the archive are the server's (login.go and around it).
//   - "component": as alice@msn.example.org, an address of a component
//     (XEP-0114) that speaks for all users who have no account of their own.
//     What a server would keep for them is kept by the gateway (component.go and around
//     it).
//
// What both have in common is [account]: messages, rooms, the look of presence.
// Translation between stanzas and the gateway's events is done by pure
// functions. The connections are in package stream.
package xmpp
