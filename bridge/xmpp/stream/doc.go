// Package stream is the connection to an XMPP server: what is sent and received
// on it, and nothing of what it means.
//
// There are two kinds. A [Client] is a person's own session (RFC 6120, with
// stream management, XEP-0198); a [Component] is a trusted peer of a server that
// speaks for everybody of a domain (XEP-0114). Both connect and connect again by
// themselves, both carry [Stanza]s, and both hand what arrives to a [Handler] in
// order and one at a time.
//
// Negotiation, TLS and SASL are mellium's. Resource binding with stream
// management, the tracking of queries and the deadlines are done here, because
// the library's own lose data; each place says what.
package stream
