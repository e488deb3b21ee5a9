// Package bridge is what the gateway means: users, contacts, presence,
// conversations and the delivery of messages between MSN clients and the people
// on modern networks. It implements [msnp.Backend] for the server in front and
// drives [Network]s behind. It has no sockets and no SQL: it declares what it
// needs to have stored ([Storage]), and networks come to it ready made.
//
// # Who owns what
//
// A signed-in user is a [user]. One goroutine at a time owns it, by way of its
// [owner]: whoever has something to do with the user posts a function or, from
// a connection, does it and waits. Owned functions read and change the user's
// lists, presence and windows. They never block: no storage, no network, no
// waiting for another user. What others may want to read at once (status, name,
// whom the user lets through) is also guarded by a lock that only the owner
// takes for writing.
//
// A [conversation] is a switchboard session: its participants under a lock that
// is held for memory operations only. A participant is a signed-in MSN user, a
// person on a network, or the helper contact; the conversation treats them
// alike.
//
// A [link] is an account's identity on a network, signed in or not. It receives
// the network's events and carries out the account's orders, one after the
// other, out of the [Outbox].
//
// # Nothing lost
//
// An incoming message is stored in the [Inbox] before [Receiver.Receive]
// returns, and removed when the TCP stack of the user's client has acknowledged
// the last line of it. An outgoing message is stored in the [Outbox] on the
// goroutine of the connection that it came from, and removed when the network
// has accepted it or never will. A crash in between repeats, and the ids of
// messages on both sides catch the repetition.
package bridge
